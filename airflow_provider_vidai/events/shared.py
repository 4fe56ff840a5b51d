"""Addresses that all jobs of a vendor share, such as the webhook of a Vizard workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.vendors import vidgo, vizard

#: By vendor: reads the body of a call, of which only the job's id is used.
PARSERS: Mapping[VendorName, Callable[[bytes], tuple[str, Any]]] = {
    "vidgo": vidgo.parse_webhook,
    "vizard": vizard.parse_webhook,
}


def job_in(vendor: VendorName, body: bytes) -> str | None:
    """Return the id of the job that a body names; None where it names none."""
    try:
        return PARSERS[vendor](body)[0] if vendor in PARSERS else None
    except InputError:
        return None
