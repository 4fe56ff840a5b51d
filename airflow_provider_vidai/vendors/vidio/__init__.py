"""VIDIO: upload, highlight reel, render, download."""

from airflow_provider_vidai.vendors.vidio.answers import VidioJob, VidioOutput, VidioOverlay
from airflow_provider_vidai.vendors.vidio.api import VIDIO, Vidio
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest, UploadRequest

__all__ = [
    "VIDIO",
    "ReelRequest",
    "RenderRequest",
    "UploadRequest",
    "Vidio",
    "VidioJob",
    "VidioOutput",
    "VidioOverlay",
]
