"""The commands ``airflow vidai …``; before Airflow 3.2 ``python -m airflow_provider_vidai.cli …``."""
