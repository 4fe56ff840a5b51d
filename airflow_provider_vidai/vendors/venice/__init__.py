"""Venice: text, images and video to video; transcripts."""

from airflow_provider_vidai.vendors.venice.answers import StatusAnswer
from airflow_provider_vidai.vendors.venice.api import VENICE, Venice
from airflow_provider_vidai.vendors.venice.catalogue import Model
from airflow_provider_vidai.vendors.venice.requests import VideoRequest
from airflow_provider_vidai.vendors.venice.speech import TranscriptRequest

__all__ = [
    "VENICE",
    "Model",
    "StatusAnswer",
    "TranscriptRequest",
    "Venice",
    "VideoRequest",
]
