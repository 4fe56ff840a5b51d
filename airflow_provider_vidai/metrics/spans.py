"""OpenTelemetry spans, where Airflow has ``[traces] otel_on``. Otherwise they cost nothing and go nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_vidai._compat import optional


def span(
    name: str, began: float, ended: float, attributes: Mapping[str, Any], *, failed: bool = False
) -> None:
    """Report something that lasted from one moment to another, as a part of the task that runs.

    :param began: seconds since the epoch.
    """
    trace = optional("opentelemetry.trace")
    if trace is None:
        return
    tracer = trace.get_tracer("airflow_provider_vidai")
    given = {f"vidai.{key}": value for key, value in attributes.items() if value is not None}
    found = tracer.start_span(name, start_time=_nanoseconds(began), attributes=given)
    if failed:
        found.set_status(trace.Status(trace.StatusCode.ERROR))
    # A clock may be set back meanwhile, and a span must not end before it begins.
    found.end(end_time=_nanoseconds(max(ended, began)))


def _nanoseconds(moment: float) -> int:
    return int(moment * 1e9)
