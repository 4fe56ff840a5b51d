"""Venice sensor: wait for a video that was bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VeniceVideoSensor"]


class VeniceVideoSensor(JobSensor):
    """Wait until a video is ready.

    - **Retry**: checks the same job again.
    - **Kill**: ends the waiting; the job keeps running and is still billed.
    - **Timeout**: after ``timeout`` (seconds) the sensor fails without a retry, or skips with ``soft_fail``;
      the job keeps running.
    - **Clear**: waits for the same job again; nothing is bought.

    Example::

        VeniceVideoSensor(task_id="wait", job=video.output, deferrable=True, timeout=3600)

    :param job: what a Venice operator or the hook's ``queue`` returned (or that as text), or a bare job id.
    :param model: required with a bare id, because Venice finds a job only by both.
    """

    hook_class = VeniceHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "model", "venice_conn_id")

    def __init__(
        self,
        *,
        model: str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.venice_conn_id = venice_conn_id
        self._start_from_trigger_if_possible()

    def ref(self) -> JobRef:
        """Return the job."""
        return VeniceHook(self.venice_conn_id).job(self.job, self.model)
