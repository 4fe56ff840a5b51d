"""Vidgo: images, videos and music from one task API."""

from airflow_provider_vidai.vendors.vidgo.answers import TaskAnswer, Uploaded
from airflow_provider_vidai.vendors.vidgo.api import LEASE, VIDGO, Vidgo, parse_webhook
from airflow_provider_vidai.vendors.vidgo.catalogue import MODELS, Model

__all__ = [
    "LEASE",
    "MODELS",
    "VIDGO",
    "Model",
    "TaskAnswer",
    "Uploaded",
    "Vidgo",
    "parse_webhook",
]
