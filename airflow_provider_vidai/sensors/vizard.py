"""Vizard: wait for a project bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VizardProjectSensor"]


class VizardProjectSensor(JobSensor):
    """Wait until a project's clips are made.

    :param job: what a Vizard operator or the hook's ``create_project`` returned (or its text), or a bare
        project id.
    """

    hook_class = VizardHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "vizard_conn_id")

    def __init__(self, *, vizard_conn_id: str = VizardHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vizard_conn_id = vizard_conn_id

    def ref(self) -> JobRef:
        """Return the job."""
        return VizardHook(self.vizard_conn_id).job(self.job)
