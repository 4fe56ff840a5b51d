"""A local stand-in for the four vendors' APIs that does the real media work and keeps an account book.

Start it with ``python -m airflow_provider_vidai.sandbox``, or in a test with
:func:`airflow_provider_vidai.sandbox.server.serve`. It imports nothing from the rest of the package.
"""
