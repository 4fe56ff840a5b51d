"""Venice: wait for a video bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VeniceVideoSensor"]


class VeniceVideoSensor(JobSensor):
    """Wait until a video is made.

    :param job: what a Venice operator or the hook's ``queue`` returned (or its text), or a bare job id.
    :param model: of a bare id: Venice finds a job only by both.
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

    def ref(self) -> JobRef:
        """Return the job."""
        return VeniceHook(self.venice_conn_id).job(self.job, self.model)
