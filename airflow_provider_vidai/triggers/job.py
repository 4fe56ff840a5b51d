"""The trigger that waits for a job, whichever vendor's."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from airflow_provider_vidai._compat import AirflowNotFoundException, BaseTrigger, TriggerEvent
from airflow_provider_vidai.answers import clean
from airflow_provider_vidai.errors import (
    CLEAR_DECIDES,
    CLEAR_WAITS,
    ApiError,
    InputError,
    JobError,
    VidaiError,
)
from airflow_provider_vidai.hooks.base import aaccount
from airflow_provider_vidai.hooks.durations import estimate
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.sharing import Line, line, read_once
from airflow_provider_vidai.purchase.poll import (
    AccountBroken,
    DeadlinePassed,
    Finished,
    Step,
    Wait,
    Watch,
)
from airflow_provider_vidai.purchase.progress import Progress, Report
from airflow_provider_vidai.purchase.timing import MIN_POLL_SECONDS
from airflow_provider_vidai.purchase.verdict import (
    RETRY_WAITS,
    account_broken,
    no_longer_waiting,
    timed_out,
    unless_ready,
)
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.triggers._window import Window
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["CLASSPATH", "JobEvent", "JobTrigger", "encodable", "hint_event", "read_event", "sendable"]

log = logging.getLogger(__name__)

#: Seconds after which the connection is read again, so that a rotated key reaches jobs that wait for hours.
CONNECTION_TTL_SECONDS = 600.0
#: Airflow stores this path in its database, and finds a job that waits during an upgrade only by it.
CLASSPATH = "airflow_provider_vidai.triggers.job.JobTrigger"


class JobEvent(BaseModel):
    """What the trigger reports to the resumed task: JSON primitives, with everything the task needs.

    :param end: why the waiting ended.
    :param message: for an end other than ``status``, the last known status or the error.
    :param checks: how many status checks the trigger made; None in events of version 0.2 and before.
    :param at: when the end was seen, seconds since the epoch; None likewise.
    :param waiting: for the end ``hint``, the arguments of the trigger that the hint interrupted.
    """

    # A triggerer may be upgraded before the workers are. Its events then have fields that these do not know.
    model_config = ConfigDict(extra="ignore")

    end: Literal["status", "deadline", "account", "unsendable", "hint"]
    ref: JobRef
    status: JobStatus | None = None
    message: str = ""
    checks: int | None = None
    at: float | None = None
    waiting: dict[str, Any] | None = None

    def ready(self, *, buyer: bool = False) -> JobStatus:
        """Return the status of a READY job, or raise what the event means.

        :param buyer: whether it is the task that bought the job which asks.
        :raises JobError: when the job failed, is gone, still runs, or cannot be checked.
        """
        if self.end == "deadline":
            raise timed_out(self.ref, self.message)
        if self.end == "unsendable":
            raise JobError(
                f"{self.ref} has ended, but how it ended could not be passed on to the task "
                f"({self.message}).",
                todo="A retry checks the job itself, and buys nothing.",
                charged="yes",
                retryable=True,
                clear=CLEAR_DECIDES,
            )
        if self.end == "account" or self.status is None:
            raise account_broken(self.ref, VidaiError(self.message))
        unless_ready(self.ref, self.status, buyer=buyer)
        return self.status


def sendable(event: JobEvent) -> dict[str, Any]:
    """Return ``event`` in a form that a triggerer can send and any database can store.

    An event that cannot be encoded ends the whole triggerer, with everybody's triggers, and ends it again
    after each restart.
    """
    try:
        return encodable(event)
    except Exception as error:  # noqa: BLE001 - whatever it is, other triggers must go on
        log.warning("%s: how it ended cannot be encoded: %s", event.ref, type(error).__name__)
        bare = JobEvent(end="unsendable", ref=event.ref, message=type(error).__name__)
        return bare.model_dump(mode="json")


def encodable(event: BaseModel) -> dict[str, Any]:
    """Return what a trigger yields for an event, after proving that Airflow can encode it."""
    found: dict[str, Any] = clean(event.model_dump(mode="json"))
    # The triggerer sends it to its supervisor as msgpack, and the supervisor stores it as JSON.
    msgspec.msgpack.encode(found)
    json.dumps(found, allow_nan=False).encode()
    return found


def read_event(event: Any) -> JobEvent:
    """Return the event that resumed a task.

    :raises JobError: when it is None or unknown: it must never count as success.
    """
    try:
        return JobEvent.model_validate(event)
    except ValidationError:
        raise JobError(
            f"The trigger ended with an event that is not understood ({shown(event, 200)}).",
            todo=RETRY_WAITS,
            charged="yes",
            retryable=True,
            clear=CLEAR_WAITS,
        ) from None


def hint_event(waiting: dict[str, Any]) -> dict[str, Any]:
    """Return the event that wakes a task because its vendor seems to have called.

    It says nothing about the job: the woken task checks it, and waits on unless it has ended.

    :param waiting: the arguments of the task's trigger.
    :raises ValueError: when they are no such arguments.
    """
    return sendable(JobEvent(end="hint", ref=JobRef.model_validate(waiting.get("ref")), waiting=waiting))


class JobTrigger(BaseTrigger):
    """Wait until a job is finished, or until the deadline.

    :param ref: the job, as a dict.
    :param deadline: seconds since the epoch.
    :param since: when it was bought, seconds since the epoch; None when unknown.
    :param poll_interval: seconds between status checks; None adapts them.
    :param safety_net: seconds between status checks, at least, where the vendor calls when the job has ended;
        None where it does not.
    :param purchase: identifies the purchase that made the job, see
        :func:`~airflow_provider_vidai.purchase.hint.purchase_key`.
    :param hints: how many calls woke the task although its job had not ended.
    """

    _report: Report

    def __init__(
        self,
        *,
        ref: dict[str, Any],
        deadline: float,
        since: float | None = None,
        poll_interval: float | None = None,
        safety_net: float | None = None,
        purchase: str | None = None,
        hints: int = 0,
        **_: Any,
    ) -> None:
        # An exception here would end the whole triggerer and all its triggers, so run() reports what is
        # wrong. Arguments of a later version are ignored for the same reason.
        super().__init__()  # type: ignore[no-untyped-call]
        self.ref = ref
        self.deadline = deadline
        self.since = since
        self.poll_interval = poll_interval
        self.safety_net = safety_net
        self.purchase = purchase
        self.hints = hints
        self._polled_at = 0.0

    @classmethod
    def after_hint(cls, event: JobEvent) -> JobTrigger:
        """Return the trigger with which a task waits on whose job had not ended when it was woken.

        It polls as if nobody called: the next call may be as wrong as this one.
        """
        # Without a known deadline, the wait ends at once and the task reports it. It must never last for
        # ever.
        waiting = {"deadline": 0.0, **(event.waiting or {})}
        hints = waiting.get("hints")
        again = {"safety_net": None, "hints": hints + 1 if isinstance(hints, int) else 1}
        return cls(**{**waiting, "ref": event.ref.model_dump(mode="json"), **again})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger in another process; it contains no secret."""
        return (
            CLASSPATH,
            {
                "ref": self.ref,
                "deadline": self.deadline,
                "since": self.since,
                "poll_interval": self.poll_interval,
                "safety_net": self.safety_net,
                "purchase": self.purchase,
                "hints": self.hints,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check the job until it ends, and report the end in one event."""
        ref = JobRef.model_validate(self.ref)
        window = Window(ref, VENDORS[ref.vendor].label, self.log, self.task_instance)
        watch = self._begin(ref, window.show)
        try:
            with window.kept_open(self._report):
                event = await self._until_ended(ref, watch)
                await window.settled()
        except asyncio.CancelledError:
            # Every Airflow cancels run(). on_kill() came with 3.3, and Airflow does not call it each time.
            self.log.info("%s Another triggerer may take over.", no_longer_waiting(ref))
            raise
        # Nothing may follow the event: Airflow 3 can cancel a trigger at once after it.
        yield TriggerEvent(sendable(event))  # type: ignore[no-untyped-call]

    async def ended(self) -> JobEvent:
        """Check the job until it ends, without showing it to anybody; return the end.

        A trigger that waits for many jobs has one of these for each of them.
        """
        ref = JobRef.model_validate(self.ref)
        return await self._until_ended(ref, self._begin(ref, lambda _: None))

    def _begin(self, ref: JobRef, show: Callable[[Progress], None]) -> Watch:
        now = time.time()
        self._report = Report(
            VENDORS[ref.vendor], ref, since=self.since, deadline=self.deadline, now=now, show=show
        )
        return Watch(
            since=self.since or now,
            deadline=self.deadline,
            estimate=estimate(ref) if self.since else None,
            poll_interval=self.poll_interval,
            safety_net=self.safety_net,
        )

    async def _until_ended(self, ref: JobRef, watch: Watch) -> JobEvent:
        step = self._first_step(watch)
        self._report.planned(step, time.time())
        while (event := _event(ref, step)) is None:
            step = await self._on_one_connection(ref, watch, step)
        return event.model_copy(update={"checks": self._report.checks, "at": time.time()})

    def _first_step(self, watch: Watch) -> Step:
        # Never at once, even after a restart: Airflow may fail a task whose trigger fires before its worker
        # process has ended (see FIRST_POLL_SECONDS).
        return watch.first_poll(time.time())

    async def _on_one_connection(self, ref: JobRef, watch: Watch, step: Step) -> Step:
        """Check the job until it ends, or until it is time to read the connection again."""
        until = time.monotonic() + CONNECTION_TTL_SECONDS
        try:
            async with line(await self._account(ref, step)) as shared:
                while isinstance(step, Wait) and time.monotonic() < until:
                    await asyncio.sleep(step.seconds)
                    step = await self._poll(ref, watch, shared)
                    if isinstance(step, Wait) and step.reconnect:
                        break
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is paid for
            self._polled_at = time.time()
            # An error in the connection itself ends the waiting; a failed attempt to read it does not.
            broken = isinstance(error, (InputError, AirflowNotFoundException))
            # "Nothing was sent" would be about this status check, beside a job that is paid for.
            reason = error.reason if isinstance(error, VidaiError) else error
            self.log.warning("Connection %r cannot be used: %s", ref.conn_id, reason)
            # The planned wait comes after the connection was read. Where reading it fails, this is the only
            # pause.
            await asyncio.sleep(MIN_POLL_SECONDS)
            why = ApiError(f"Connection {ref.conn_id!r} cannot be used: {reason}", account=broken)
            step = watch.failed(why, time.time())
            self._report.planned(step, time.time())
        return step

    async def _account(self, ref: JobRef, step: Step) -> Account:
        """Read the connection, or take what another trigger has read.

        An account read before the purchase is not good enough, because the connection may have led to another
        account then; nor is one read before the vendor refused it.
        """
        since = self._polled_at if isinstance(step, Wait) and step.reconnect else self.since or 0.0
        vendor = VENDORS[ref.vendor]
        return await read_once((ref.vendor, ref.conn_id), lambda: aaccount(vendor, ref.conn_id), since=since)

    async def _poll(self, ref: JobRef, watch: Watch, shared: Line) -> Step:
        await shared.budget.turn()
        # Noted when the turn has come. A connection that was read before may hold a key that is refused now.
        self._polled_at = time.time()
        try:
            status = await shared.client.asend(VENDORS[ref.vendor].status(ref))
        except VidaiError as error:
            step = watch.failed(error, time.time())
            self._report.failed(step, time.time())
            self._log_failure(ref, error, step, shared)
            return step
        shared.budget.answered(status.checks_left)
        step = watch.answered(status, time.time())
        self._report.answered(status, step, time.time())
        return step

    def _log_failure(self, ref: JobRef, error: VidaiError, step: Step, shared: Line) -> None:
        """Log a failed check, and slow the account down where its rate limit is the reason."""
        if not isinstance(step, Wait) or not step.throttled:
            self.log.warning("%s: the status check failed and is repeated: %s", ref, error)
        elif shared.budget.refused(step.pause_account):
            self.log.warning(
                "%s: the status check met the account's rate limit and is repeated; this triggerer now sends "
                "fewer. Further refusals are not logged until ten minutes have passed without one. %s",
                ref,
                error,
            )


def _event(ref: JobRef, step: Step) -> JobEvent | None:
    if isinstance(step, Finished):
        return JobEvent(end="status", ref=ref, status=step.status)
    if isinstance(step, DeadlinePassed):
        return JobEvent(end="deadline", ref=ref, message=step.last)
    if isinstance(step, AccountBroken):
        return JobEvent(end="account", ref=ref, message=str(step.error))
    return None
