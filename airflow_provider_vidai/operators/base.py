"""What the paid operators share: one purchase per task, and the waiting for it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import conf, timer
from airflow_provider_vidai.arguments import positive_seconds, truth
from airflow_provider_vidai.errors import (
    Charged,
    InputError,
    JobError,
    JobGone,
    LeaseOver,
    LedgerError,
    VidaiError,
)
from airflow_provider_vidai.hooks.failures import airflow_failures, is_retryable
from airflow_provider_vidai.lifecycle.decide import Policy
from airflow_provider_vidai.lifecycle.ledger import Ledger, Record
from airflow_provider_vidai.lifecycle.purchase import (
    Counter,
    Offer,
    Purchase,
    RateWait,
    Settled,
    finished,
    limit_pause,
)
from airflow_provider_vidai.models import (
    Bought,
    Call,
    JobRef,
    JobState,
    JobStatus,
    Receipt,
    fingerprint,
    job_result,
    literal,
)
from airflow_provider_vidai.operators.context import land_outlets, try_of
from airflow_provider_vidai.operators.stores import store_of
from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.transport.storage import storage_path
from airflow_provider_vidai.triggers.job import JobTrigger, describe, read_event

#: Seconds that a synchronous wait sleeps through at most: Airflow kills a task five seconds after it has
#: asked it to end, and until then it would stand in the way of the next try.
LONGEST_SLEEP = 2.0
#: Airflow's own deferral timeout is only a backstop behind the trigger's deadline.
BACKSTOP_SECONDS = 60.0


class PaidOperator(VendorOperator):
    """Buy something, once per task however often the task is tried.

    :param on_lost_submit: what an automatic retry does when an earlier try sent a purchase and never
        learnt its outcome: ``fail``, or ``resubmit`` (which may pay twice).
    :param on_clear: what clearing a *finished* task does: buy ``fresh``, or ``reuse`` the result.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``.
    :param timeout: how long this try waits (seconds or timedelta), for a rate limit and for its job, never
        past ``execution_timeout``; a retry waits anew.
    """

    #: The arguments that make up the request; they are template fields too.
    request_fields: ClassVar[Sequence[str]]
    #: Seconds to wait unless told otherwise.
    default_timeout: ClassVar[float] = 3600.0

    def __init__(
        self,
        *,
        on_lost_submit: Literal["fail", "resubmit"] = "fail",
        on_clear: Literal["fresh", "reuse"] = "fresh",
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: float | timedelta | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_lost_submit = on_lost_submit
        self.on_clear = on_clear
        self.deferrable = deferrable
        self.timeout = timeout
        self._job: JobRef | None = None
        self._killed = False

    def execute(self, context: Context) -> Any:
        """Buy, re-attach or reuse, and return what came of it."""
        with airflow_failures():
            return self._run(context, self._deadline())

    def execute_after_wait(
        self, context: Context, event: Any = None, deadline: float | None = None, waited: int = 0
    ) -> Any:
        """Come back to the decision when the vendor's rate limit has passed, for the ``waited``-th time."""
        with airflow_failures():
            return self._run(context, deadline or self._deadline(), waited)

    def asked(self) -> dict[str, Any]:
        """Return the request as it was given, by which a changed one is recognised."""
        return {name: literal(self.given(name)) for name in self.request_fields}

    def offer(self) -> Offer:
        """Validate the request and return the purchase; called only when something is to be bought."""
        raise NotImplementedError

    def offer_checked(self) -> Offer:
        """Return the purchase, having made sure that what comes after it can be done too."""
        self.required()
        return self.offer()

    def settle(self, context: Context) -> Settled:
        """Buy, re-attach or reuse, as the ledger and the decision table say."""
        self._check_policy()
        attempt = try_of(context)
        purchase = Purchase(
            vendor=self.hook.vendor.label,
            ledger=self.ledger(context),
            counter=Counter(offer=self.offer_checked, send=self._send, look=self.hook.look),
            policy=Policy(on_lost_submit=self.on_lost_submit, on_clear=self.on_clear),
            fingerprint=self._fingerprint(),
            try_id=attempt.id,
            try_number=attempt.number,
            try_began=attempt.began,
            max_tries=attempt.max_tries,
            log=self.log,
        )
        return purchase.settle()

    def on_kill(self) -> None:
        """Buy nothing any more: this runs in a signal's handler, and the task goes on where it was."""
        self._killed = True

    def conclude(self, context: Context, ref: JobRef | None = None) -> None:
        """Write down that the task is about to return its result.

        :param ref: the job as it is known now.
        """
        ledger = self.ledger(context)
        try:
            record = ledger.read()
            if record is not None and record.try_number > try_of(context).number:
                record = None  # another try has bought since, and this one is left over
            # Without a receipt, writing it down failed after the purchase; what came of it is known now.
            if record is not None and (record.receipt is not None or ref is not None):
                ledger.write(_done(record, ref))
        except LedgerError as error:
            self.log.warning(
                "%s. The result stands; clearing this task would reuse it and not buy afresh.", error
            )

    def _run(self, context: Context, deadline: float, waited: int = 0) -> Any:
        settled = self._settled(context, deadline, waited)
        self.conclude(context)
        return settled.receipt.result

    def _settled(self, context: Context, deadline: float, waited: int) -> Settled:
        while True:
            try:
                return self.settle(context)
            except RateWait as wait:
                left = deadline - time.time()
                if wait.seconds >= left:
                    why = f"{wait} That is past this task's deadline."
                    raise JobError(why, charged="no", retryable=True) from None
                seconds = limit_pause(wait.seconds, waited, left, random.random())  # noqa: S311
                self.log.info("%s Nothing was bought; coming back in %.0f s.", wait, seconds)
                waited += 1
                if self.deferrable:
                    self._defer_on_timer(seconds, deadline, waited)
                self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        while seconds > 0:
            self._unless_killed("yes" if self._job else "no")
            time.sleep(min(seconds, LONGEST_SLEEP))
            seconds -= LONGEST_SLEEP

    def _defer_on_timer(self, seconds: float, deadline: float, waited: int) -> None:
        moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        self.defer(
            trigger=timer(moment),
            method_name="execute_after_wait",
            kwargs={"deadline": deadline, "waited": waited},
            timeout=timedelta(seconds=seconds + BACKSTOP_SECONDS),
        )

    def _send(self, call: Call[Receipt]) -> Receipt:
        self._unless_killed("no")
        return self.hook.send(call)

    def _unless_killed(self, charged: Charged) -> None:
        if self._killed:
            raise JobError("The task was told to end.", charged=charged, retryable=True)

    def _check_policy(self) -> None:
        self.deferrable = truth("deferrable", self.deferrable)
        allowed = {"on_lost_submit": ("fail", "resubmit"), "on_clear": ("fresh", "reuse")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"{name} must be one of {values}, not {getattr(self, name)!r}. Nothing was sent."
                )

    def _fingerprint(self) -> str:
        account = {
            "vendor": self.hook.vendor_name,
            "conn_id": self.hook.conn_id,
            "url": self.hook.account.base_url,
        }
        return fingerprint({**account, "asked": self.asked()})

    def _deadline(self) -> float:
        timeout = positive_seconds("timeout", self.timeout) or self.default_timeout
        longest = positive_seconds("execution_timeout", self.execution_timeout) or timeout
        return time.time() + min(timeout, longest)

    def ledger(self, context: Context) -> Ledger:
        """Return the record of this task's purchase."""
        return Ledger(store_of(context, self.log))


class JobOperator(PaidOperator):
    """Buy a job and wait for it, by default without holding a worker where Airflow is set up so.

    :param poll_interval: seconds between looks at the job; None adapts them to the job.
    :param download_to: land the finished job's files here, in the same task.
    """

    def __init__(
        self,
        *,
        poll_interval: float | timedelta | str | None = None,
        download_to: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.poll_interval = poll_interval
        self.download_to = download_to

    def execute_complete(
        self, context: Context, event: Any = None, bought: dict[str, Any] | None = None
    ) -> dict[str, JsonValue]:
        """Take the job from the trigger's event.

        :param bought: what went with the purchase, as the deferred try knew it.
        """
        with airflow_failures():
            told = read_event(event)
            self._job = told.ref
            status = told.ready(buyer=True)
            return self._finish(context, told.ref, status, Bought.read(bought) if bought else None)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; when the trigger itself failed, say what becomes of the job."""
        if not hasattr(self, next_method):  # Airflow's sign that there is no event to go on with
            self.log.error(
                "The waiting was ended, not the job: it goes on at the vendor, and is billed. A retry of "
                "this task waits for it again and buys nothing."
            )
        return super().resume_execution(next_method, next_kwargs, context)

    def offer_checked(self) -> Offer:
        """Return the purchase, having made sure that there is a storage for its files."""
        if self.download_to:
            storage_path(str(self.download_to))
        return super().offer_checked()

    def on_kill(self) -> None:
        """Say what becomes of the job, which no vendor can cancel, and end the waiting for it."""
        super().on_kill()
        if self._job is not None:
            self.log.warning(
                "%s is still running at the vendor, and is billed. A retry of this task waits for it "
                "again and buys nothing.",
                self._job,
            )

    def _run(self, context: Context, deadline: float, waited: int = 0) -> dict[str, JsonValue]:
        poll_interval = positive_seconds("poll_interval", self.poll_interval)
        settled = self._settled(context, deadline, waited)
        ref = settled.receipt.ref
        assert ref is not None, "a job operator's purchase makes a job"
        self._job = ref
        bought = _bought(settled.receipt)
        context["ti"].xcom_push(key="job_id", value=ref.job_id)
        status = settled.status
        if status is None or status.state is not JobState.READY:
            since = settled.record.bought_at
            if self.deferrable:
                self._defer_to_job(ref, since, deadline, poll_interval, bought)
            status = self.hook.wait(
                ref,
                deadline=deadline,
                since=since,
                poll_interval=poll_interval,
                on_status=lambda seen: self.log.info("%s: %s", ref, describe(seen)),
                sleep=self._sleep,
                buyer=True,
            )
        return self._finish(context, ref, status, bought)

    def _finish(
        self, context: Context, ref: JobRef, status: JobStatus, bought: Bought | None
    ) -> dict[str, JsonValue]:
        ref = status.of(ref)
        if bought is None:  # Airflow's dag.test() loses what a deferral takes along
            record = self.ledger(context).read()
            bought = _bought(record.receipt) if record and record.receipt else Bought()
        result = job_result(ref, status, bought.cost, bought.sealed_url)
        if self.download_to:
            files = self._landed(context, ref, status, bought.sealed_url)
            land_outlets(context, self.outlets, files, result["cost"])
            result["files"] = files
        self.conclude(context, ref)
        self.log.info("%s is ready (%s).", ref, describe(status))
        return result

    def _landed(
        self, context: Context, ref: JobRef, status: JobStatus, sealed_url: str | None
    ) -> list[JsonValue]:
        """Land the files; whatever goes wrong, the job is paid for by now."""
        try:
            return self.hook.land_all(ref, status.outputs, str(self.download_to), sealed_url=sealed_url)
        except LeaseOver:
            # There is nothing to be had of it any more: a Clear may buy again.
            self.conclude(context, ref)
            raise
        except VidaiError as error:
            gone = isinstance(error, JobGone)
            if isinstance(error, JobError) and not gone:
                raise
            # That a job is gone was said once here: a retry asks more than once before it gives it up.
            why = "the vendor says that it has none of them" if gone else str(error).rstrip(".")
            raise JobError(
                f"{ref} is ready, but its files could not be landed: {why}. Once that is mended, a retry or "
                "Clear of this task lands them and does not buy again.",
                charged="yes",
                retryable=gone or is_retryable(error),
            ) from error

    def _defer_to_job(
        self,
        ref: JobRef,
        since: float | None,
        deadline: float,
        poll_interval: float | None,
        bought: Bought,
    ) -> None:
        self.log.info("%s: waiting in the triggerer, until %s at most.", ref, _utc(deadline))
        self.defer(
            trigger=JobTrigger(
                ref=ref.model_dump(mode="json"),
                deadline=deadline,
                since=since,
                poll_interval=poll_interval,
            ),
            method_name="execute_complete",
            kwargs={"bought": bought.model_dump(mode="json")},
            timeout=timedelta(seconds=max(deadline - time.time(), 0.0) + BACKSTOP_SECONDS),
        )


def _done(record: Record, ref: JobRef | None) -> Record:
    receipt = record.receipt or Receipt()
    receipt = receipt if ref is None else receipt.model_copy(update={"ref": ref})
    return finished(record, receipt)


def _bought(receipt: Receipt) -> Bought:
    return Bought(cost=receipt.cost, sealed_url=receipt.secret)


def _utc(moment: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(moment))
