"""What this process has learned about how long jobs take."""

from __future__ import annotations

from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.purchase.durations import Durations, Estimate
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["estimate"]

#: How long jobs take, as far as this process has seen. Nobody else does: a triggerer sees thousands of jobs.
_DURATIONS = Durations()


def estimate(ref: JobRef) -> Estimate:
    """Return what this process knows about the duration of jobs like ``ref``.

    Connections are kept apart, because a plan may have a queue of its own, and the sandbox has its own speed.
    """
    vendor = VENDORS[ref.vendor]
    return _DURATIONS.of((ref.vendor, ref.conn_id, vendor.alike(ref)), vendor.usual_seconds(ref.kind))
