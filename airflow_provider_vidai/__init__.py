"""Apache Airflow provider for paid AI video APIs: VIDIO, Venice, Vizard and Vidgo."""

__version__ = "0.2.0"
