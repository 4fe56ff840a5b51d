"""The money-safe life of a job: the ledger, the decision to buy or re-attach, and when to check.

Nothing here opens a socket or knows Airflow; time comes in as an argument or a callable.
"""
