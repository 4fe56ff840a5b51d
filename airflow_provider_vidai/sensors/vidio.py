"""VIDIO sensor: wait for a job that was bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.sensors.base import JobSensor
from airflow_provider_vidai.vendors.vidio.api import VIDIO

__all__ = ["VidioJobSensor"]


class VidioJobSensor(JobSensor):
    """Wait until a VIDIO job is processed or rendered.

    - **Retry**: checks the same job again.
    - **Kill**: ends the waiting; the job keeps running and is still billed.
    - **Timeout**: after ``timeout`` (seconds) the sensor fails without a retry, or skips with ``soft_fail``;
      the job keeps running.
    - **Clear**: waits for the same job again; nothing is bought.

    Example::

        VidioJobSensor(task_id="wait", job=reel.output, until="processed", deferrable=True, timeout=3600)

    :param job: what a VIDIO operator returned (or that as text), or a bare job id.
    :param until: ``processed`` (default; the reel is ready) or ``rendered`` (a file can be downloaded).
    """

    hook_class = VidioHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "until", "vidio_conn_id")

    def __init__(
        self,
        *,
        until: Literal["processed", "rendered"] | str = "processed",
        vidio_conn_id: str = VidioHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.until = until
        self.vidio_conn_id = vidio_conn_id
        self._start_from_trigger_if_possible()

    def ref(self) -> JobRef:
        """Return the reel or its render, as ``until`` says."""
        if self.until not in ("processed", "rendered"):
            raise InputError(f"until must be 'processed' or 'rendered', not {shown(self.until)}.")
        ref = VidioHook(self.vidio_conn_id).job(self.job)
        return VIDIO.render_of(ref) if self.until == "rendered" else VIDIO.reel_of(ref)
