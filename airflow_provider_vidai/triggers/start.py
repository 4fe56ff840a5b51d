"""The trigger with which a sensor starts and, if all goes well, ends: no worker runs for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from airflow_provider_vidai._compat import TaskSuccessEvent, TriggerEvent
from airflow_provider_vidai.jobs.ref import bare_id
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState
from airflow_provider_vidai.purchase.poll import Step, Watch
from airflow_provider_vidai.triggers.job import JobTrigger, read_event

__all__ = ["StartTrigger"]


class StartTrigger(JobTrigger):
    """Wait for a job from the start of its sensor on, and end the sensor once the job is ready.

    Whatever else becomes of the job is left to a worker, which says it in the task's log. The event None asks
    the worker to do all: ``job`` is no bare id once it is rendered.

    :param job: the id; Airflow renders it before the trigger runs.
    :param ref: the job, with another id.
    :param timeout: seconds. They begin again if another triggerer takes over.
    :param returns: whether the sensor's result is stored as its XCom.
    """

    def __init__(
        self,
        *,
        job: Any,
        ref: dict[str, Any],
        timeout: float,
        poll_interval: float | None = None,
        returns: bool = True,
        **_: Any,
    ) -> None:
        super().__init__(ref=ref, deadline=0.0, poll_interval=poll_interval)
        self.job = job
        self.timeout = timeout
        self.returns = returns

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger in another process; it contains no secret."""
        return (
            "airflow_provider_vidai.triggers.start.StartTrigger",
            {
                "job": self.job,
                "ref": self.ref,
                "timeout": self.timeout,
                "poll_interval": self.poll_interval,
                "returns": self.returns,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check the job until it ends; end the task, or report the end in one event."""
        job_id = bare_id(self.job)
        if job_id is None:
            yield TriggerEvent(None)  # type: ignore[no-untyped-call]
            return
        self.ref = {**self.ref, "job_id": job_id}
        self.deadline = time.time() + self.timeout
        async for event in super().run():
            yield self._ending(event)

    def _first_step(self, watch: Watch) -> Step:
        # No process of the task has ended just now, so nothing has to be waited for.
        return watch.poll_now()

    def _ending(self, event: TriggerEvent) -> TriggerEvent:
        found = read_event(event.payload)
        if found.end != "status" or found.status is None or found.status.state is not JobState.READY:
            return event
        if not self.returns:
            return TaskSuccessEvent()
        return TaskSuccessEvent(xcoms={"return_value": job_result(found.status.of(found.ref), found.status)})
