"""Vidgo: wait for a task bought elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sensors.base import JobSensor

__all__ = ["VidgoTaskSensor"]


class VidgoTaskSensor(JobSensor):
    """Wait until a task is finished.

    :param job: what a Vidgo operator or the hook's ``submit`` returned (or its text), or a bare task id.
    :param kind: of a bare id: ``media`` (images and videos) or ``music``.
    """

    hook_class = VidgoHook
    template_fields: Sequence[str] = (*JobSensor.template_fields, "kind", "vidgo_conn_id")

    def __init__(
        self, *, kind: str = "media", vidgo_conn_id: str = VidgoHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.vidgo_conn_id = vidgo_conn_id

    def ref(self) -> JobRef:
        """Return the task."""
        return VidgoHook(self.vidgo_conn_id).job(self.job, self.kind)
