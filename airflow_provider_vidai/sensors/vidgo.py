"""Vidgo sensor: wait for a task that was bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VidgoTaskSensor"]


class VidgoTaskSensor(JobSensor):
    """Wait until a task is finished.

    - **Retry**: checks the same job again.
    - **Kill**: ends the waiting; the job keeps running and is still billed.
    - **Timeout**: after ``timeout`` (seconds) the sensor fails without a retry, or skips with ``soft_fail``;
      the job keeps running.
    - **Clear**: waits for the same job again; nothing is bought.

    Example::

        VidgoTaskSensor(task_id="wait", job=image.output, deferrable=True, timeout=1800)

    :param job: what a Vidgo operator or the hook's ``submit`` returned (or that as text), or a bare task id.
    :param kind: what a bare id stands for: ``media`` (images and videos, default) or ``music``.
    """

    hook_class = VidgoHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "kind", "vidgo_conn_id")

    def __init__(
        self, *, kind: str = "media", vidgo_conn_id: str = VidgoHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.vidgo_conn_id = vidgo_conn_id
        self._start_from_trigger_if_possible()

    def ref(self) -> JobRef:
        """Return the task."""
        return VidgoHook(self.vidgo_conn_id).job(self.job, self.kind)
