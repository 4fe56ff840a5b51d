"""The old import path of what is now in :mod:`airflow_provider_vidai.jobs`. It keeps working."""

from airflow_provider_vidai.answers import MAX_ANSWER, Answer
from airflow_provider_vidai.jobs.calls import Call, Fetch, Put, Repeat
from airflow_provider_vidai.jobs.output import Output, OutputKind, digest
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import literal, validated

__all__ = [
    "MAX_ANSWER",
    "Answer",
    "Bought",
    "Call",
    "Fetch",
    "JobRef",
    "JobState",
    "JobStatus",
    "Output",
    "OutputKind",
    "Put",
    "Receipt",
    "Repeat",
    "VendorName",
    "digest",
    "job_result",
    "literal",
    "validated",
]
