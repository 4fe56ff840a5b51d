"""The trigger that waits for all jobs of a batch."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai._compat import BaseTrigger, TriggerEvent
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.timing import REPORT_SECONDS
from airflow_provider_vidai.purchase.verdict import no_longer_waiting
from airflow_provider_vidai.triggers.job import JobEvent, JobTrigger, encodable

__all__ = ["BatchEvent", "BatchTrigger", "Waiting", "packed", "sendable", "unpacked"]

#: A job and when it was bought, seconds since the epoch.
Waiting = tuple[JobRef, float | None]

#: Airflow stores this path in its database.
CLASSPATH = "airflow_provider_vidai.batch.trigger.BatchTrigger"
#: Seconds for which a job that has ended waits for others, so that one worker lands several, at most.
LAND_WITHIN = 30.0
#: So many ended jobs, or this share of all, do not wait for others; and no event names more than the last.
FEWEST, SHARE, MOST = 32, 0.25, 500
#: Seconds for which the last checks, at the deadline, may take.
LAST_CHECKS = 60.0


class Ended(BaseModel):
    """A job that ended badly.

    :param status: the vendor's answer that ended it.
    """

    model_config = ConfigDict(extra="ignore")

    job_id: str
    status: JobStatus


class BatchEvent(BaseModel):
    """What the trigger reports to the resumed task, bounded in size: JSON primitives.

    :param end: why the waiting ended: some jobs have ended, it is time to buy on, the deadline has passed,
        the account is broken, or the trigger's own arguments cannot be read.
    :param ready: ids of jobs that are READY. The task checks each of them itself, for its files.
    :param failed: jobs that FAILED or are GONE.
    """

    model_config = ConfigDict(extra="ignore")

    end: Literal["ended", "wake", "deadline", "account", "unreadable"]
    ready: list[str] = []
    failed: list[Ended] = []
    message: str = ""


def packed(jobs: Iterable[Waiting]) -> str:
    """Return jobs as short text: Airflow stores a trigger's arguments in a column of 64 KiB on MySQL."""
    groups: list[list[JsonValue]] = []
    rows: list[list[JsonValue]] = []
    for ref, since in jobs:
        group: list[JsonValue] = [ref.vendor, ref.conn_id, ref.kind, ref.params]
        if group not in groups:
            groups.append(group)
        rows.append([groups.index(group), ref.job_id, None if since is None else round(since)])
    text = json.dumps([groups, rows], separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(text: str) -> list[Waiting]:
    """Return the jobs in a text.

    :raises ValueError: when it holds none.
    """
    groups, rows = json.loads(zlib.decompress(base64.b85decode(text)))
    found: list[Waiting] = []
    for number, job_id, since in rows:
        vendor, conn_id, kind, params = groups[number]
        ref = JobRef(vendor=vendor, conn_id=conn_id, job_id=job_id, kind=kind, params=params)
        found.append((ref, since))
    return found


class BatchTrigger(BaseTrigger):
    """Wait until some of many jobs have ended, until it is time to buy on, or until the deadline.

    Each job is checked as by a trigger of its own, with the account's shared budget and connections.

    :param jobs: see :func:`packed`.
    :param deadline: seconds since the epoch.
    :param wake_at: when the task wants to go on anyway, seconds since the epoch.
    :param poll_interval: seconds between status checks of one job; None adapts them.
    """

    def __init__(
        self,
        *,
        jobs: str = "",
        deadline: float = 0.0,
        wake_at: float | None = None,
        poll_interval: float | None = None,
        **_: Any,
    ) -> None:
        # An exception here would end the whole triggerer and all its triggers.
        super().__init__()  # type: ignore[no-untyped-call]
        self.jobs = jobs
        self.deadline = deadline
        self.wake_at = wake_at
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger in another process; it contains no secret."""
        return (
            CLASSPATH,
            {
                "jobs": self.jobs,
                "deadline": self.deadline,
                "wake_at": self.wake_at,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check the jobs, and report in one event which have ended."""
        try:
            jobs = unpacked(self.jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the jobs are paid for
            event = BatchEvent(end="unreadable", message=f"{type(error).__name__}: {error}")
        else:
            try:
                event = await self._some_ended(jobs)
            except asyncio.CancelledError:
                self.log.info("%s Another triggerer may take over.", no_longer_waiting(f"{len(jobs)} jobs"))
                raise
        # Nothing may follow the event: Airflow 3 can cancel a trigger at once after it.
        yield TriggerEvent(sendable(event))  # type: ignore[no-untyped-call]

    async def _some_ended(self, jobs: Sequence[Waiting]) -> BatchEvent:
        ends: asyncio.Queue[JobEvent] = asyncio.Queue()
        tasks = [asyncio.create_task(self._one(ref, since, ends)) for ref, since in jobs]
        try:
            return await self._gathered(len(jobs), ends)
        finally:
            # A check that went on would poll its job beside the next trigger.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, ref: JobRef, since: float | None, ends: asyncio.Queue[JobEvent]) -> None:
        trigger = JobTrigger(
            ref=ref.model_dump(mode="json"),
            deadline=self.deadline,
            since=since,
            poll_interval=self.poll_interval,
        )
        try:
            ends.put_nowait(await trigger.ended())
        except Exception as error:  # noqa: BLE001 - the others are waited for, and the next wait has it again
            self.log.warning("The wait for %s failed: %s: %s", ref, type(error).__name__, error)

    async def _gathered(self, total: int, ends: asyncio.Queue[JobEvent]) -> BatchEvent:
        """Take ends as they come, until it is worth a worker to land what is ready."""
        now = asyncio.get_running_loop().time
        event, reported = BatchEvent(end="ended"), now()
        # Seconds of the event loop's clock, because the sleeps of the status checks follow it too.
        wake = now() + (float("inf") if self.wake_at is None else max(self.wake_at - time.time(), 0.0))
        last = now() + max(self.deadline - time.time(), 0.0) + LAST_CHECKS
        late, open_ = last, total
        enough = min(max(FEWEST, round(total * SHARE)), MOST)
        while len(event.ready) + len(event.failed) < enough and (open_ or not total):
            due = min(wake, late, reported + REPORT_SECONDS)
            try:
                # With a timeout of 0, wait_for() gives up even if an end is there already.
                one = await asyncio.wait_for(ends.get(), max(due - now(), 0.001))
            except asyncio.TimeoutError:
                if now() >= min(wake, late):
                    break
                reported = now()
                self.log.info("%d of %d jobs have ended since this wait began.", total - open_, total)
                continue
            open_ -= 1
            _noted(event, one)
            if event.end == "account":
                return event
            late = min(late, now() + LAND_WITHIN)
        if event.end == "ended" and not event.ready and not event.failed:
            event.end = "deadline" if time.time() >= self.deadline else "wake"
        return event


def sendable(event: BatchEvent) -> dict[str, Any]:
    """Return an event in a form that never ends the triggerer; see the trigger for one job."""
    try:
        return encodable(event)
    except Exception as error:  # noqa: BLE001 - whatever it is, other triggers must go on
        return encodable(
            BatchEvent(end="unreadable", message=f"its event cannot be encoded: {type(error).__name__}")
        )


def _noted(event: BatchEvent, one: JobEvent) -> None:
    if one.end == "account":
        event.end, event.message = "account", one.message
    elif one.end == "status" and one.status is not None:
        if one.status.state is JobState.READY:
            event.ready.append(one.ref.job_id)
        else:
            event.failed.append(Ended(job_id=one.ref.job_id, status=one.status))
