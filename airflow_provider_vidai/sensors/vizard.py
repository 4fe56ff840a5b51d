"""Vizard sensor: wait for a project that was bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VizardProjectSensor"]


class VizardProjectSensor(JobSensor):
    """Wait until a project's clips are ready.

    - **Retry**: checks the same job again.
    - **Kill**: ends the waiting; the job keeps running and is still billed.
    - **Timeout**: after ``timeout`` (seconds) the sensor fails without a retry, or skips with ``soft_fail``;
      the job keeps running.
    - **Clear**: waits for the same job again; nothing is bought.

    Example::

        VizardProjectSensor(task_id="wait", job=clips.output, deferrable=True, timeout=7200)

    :param job: what a Vizard operator or the hook's ``create_project`` returned (or that as text), or a bare
        project id.
    """

    hook_class = VizardHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "vizard_conn_id")

    def __init__(self, *, vizard_conn_id: str = VizardHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vizard_conn_id = vizard_conn_id
        self._start_from_trigger_if_possible()

    def ref(self) -> JobRef:
        """Return the job."""
        return VizardHook(self.vizard_conn_id).job(self.job)
