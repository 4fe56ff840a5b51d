"""Vizard: a long video to short clips, captions and publishing."""

from airflow_provider_vidai.vendors.vizard.answers import SocialAccount, VizardClip, VizardProject
from airflow_provider_vidai.vendors.vizard.api import VIZARD, Vizard, parse_webhook
from airflow_provider_vidai.vendors.vizard.requests import ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import CaptionRequest, PublishRequest

__all__ = [
    "VIZARD",
    "CaptionRequest",
    "ProjectRequest",
    "PublishRequest",
    "SocialAccount",
    "Vizard",
    "VizardClip",
    "VizardProject",
    "parse_webhook",
]
