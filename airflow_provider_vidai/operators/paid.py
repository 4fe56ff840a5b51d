"""The base of all paid operators: a purchase is made once, however often its task is tried."""

from __future__ import annotations

import contextlib
import random
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

from airflow.sdk import Context

from airflow_provider_vidai._compat import conf, timer
from airflow_provider_vidai.arguments import positive_seconds, truth
from airflow_provider_vidai.errors import (
    CLEAR_WAITS,
    MONEY,
    Charged,
    InputError,
    JobError,
    LedgerError,
)
from airflow_provider_vidai.hooks.books import AccountBooks
from airflow_provider_vidai.hooks.failures import Outlook, airflow_failures, is_nested
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.context import (
    after_success,
    attempt_of,
    claims_of,
    next_of_kind,
    purchases_in_turn,
    resolve_arguments,
)
from airflow_provider_vidai.operators.part import Part
from airflow_provider_vidai.operators.priced import PricedOperator
from airflow_provider_vidai.operators.prints import fingerprints, shared_request
from airflow_provider_vidai.operators.tracing import books_before, useful_books, wanted
from airflow_provider_vidai.operators.vendor import HookT
from airflow_provider_vidai.purchase.decide import Policy
from airflow_provider_vidai.purchase.ledger import Entry, Ledger
from airflow_provider_vidai.purchase.limits import BudgetWait, RateWait, SearchWait, limit_pause
from airflow_provider_vidai.purchase.lost import Traces
from airflow_provider_vidai.purchase.observe import Buyer
from airflow_provider_vidai.purchase.patience import Patience
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.timing import MAX_SLEEP_SECONDS
from airflow_provider_vidai.purchase.verdict import Trace
from airflow_provider_vidai.purchase.walk import Offer, Purchase, Settled, VendorCalls
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.rooms import observers_of, report
from airflow_provider_vidai.stores.choice import lap_of, outlives_process, store_of

__all__ = ["BACKSTOP_SECONDS", "PaidOperator"]

#: A synchronous wait sleeps at most this many seconds at a time. Airflow kills a task five seconds after it
#: asked it to stop; a task that still sleeps until then would block the next try.
LONGEST_SLEEP = 2.0
#: A retry that will defer checks its job for at most this many seconds; then the triggerer checks it, which
#: holds no worker.
LONGEST_CHECK = 10.0
#: Seconds after the trigger's own deadline at which Airflow ends the deferral, in case the trigger does not.
BACKSTOP_SECONDS = 60.0


class PaidOperator(PricedOperator[HookT]):
    """Buy something, once per task however often the task is tried.

    Its ``execute`` can be called inside a ``@task`` function too, several times for several purchases: each
    has its own record, by which a retry finds it again. The waiting is then synchronous.

    :param on_lost_submit: what an automatic retry does if an earlier try sent a purchase and never
        learnt its outcome: ``fail`` (default), or ``resubmit`` (which may pay twice).
    :param budget: a limit of this task's own, or a list of them, in the form of ``[vidai] budgets``; each
        purchase is checked against it before it is sent.
    :param reuse: ``same_request``: if any task bought the same on the same account, return what it landed, or
        wait for its running job, and buy nothing; None (default) buys. It needs ``[vidai] ledger_path``.
    :param reuse_max_age: how old such a purchase may be (seconds or timedelta); default a day.
    :param on_clear: what clearing a *finished* task does: buy ``fresh`` (default), or ``reuse`` the result.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``.
    :param timeout: how long this try waits (seconds or timedelta), for a rate limit and for its job, never
        past ``execution_timeout``; a retry waits as long again.
    """

    #: The arguments that make up the request; they are template fields too.
    request_fields: ClassVar[Sequence[str]]
    #: Further arguments on which the result depends.
    choice_fields: ClassVar[Sequence[str]] = ()
    #: Those of the request's fields that version 0.1 did not have: its fingerprints lack them.
    fields_since_0_1: ClassVar[Sequence[str]] = ()
    #: Further arguments that belong to the request where they are given.
    more_request_fields: ClassVar[Sequence[str]] = ()
    #: Which of another task's purchases this is, where that task makes it; see :meth:`as_part`.
    part: Part | None = None
    #: A part's purchase that has nothing left to be done, with its entry.
    concluded: tuple[Entry, Record] | None = None
    #: Default of ``timeout``, in seconds.
    default_timeout: ClassVar[float] = 3600.0

    def __init__(
        self,
        *,
        on_lost_submit: Literal["fail", "resubmit"] = "fail",
        on_clear: Literal["fresh", "reuse"] = "fresh",
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: float | timedelta | str | None = None,
        budget: Any = None,
        reuse: Literal["same_request"] | None = None,
        reuse_max_age: float | timedelta | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.budget = budget
        self.reuse = reuse
        self.reuse_max_age = reuse_max_age
        self.on_lost_submit = on_lost_submit
        self.on_clear = on_clear
        self.deferrable = deferrable
        self.timeout = timeout
        self._job: JobRef | None = None
        # Airflow runs on_kill() in a signal handler, so this may change between any two lines.
        self._killed = False
        self._nested: int | None = None
        self._buys = False
        self._books: AccountBooks | None = None

    def execute(self, context: Context) -> Any:
        """Buy, re-attach or reuse, and return the result."""
        with self.failures(context):
            if is_nested(context, self):
                self._nested = next_of_kind(context, (self.hook_class.vendor_name, *self.kinds))
            return self._run(context, self.deadline())

    def execute_after_wait(
        self, context: Context, event: Any = None, deadline: float | None = None, waited: int = 0
    ) -> Any:
        """Decide again after the ``waited``-th wait for the vendor's rate limit."""
        with self.failures(context):
            # Before Airflow 3.4, dag.test() loses the kwargs of a deferral.
            return self._run(context, deadline or self.deadline(), waited)

    def as_part(self, part: Part) -> None:
        """Make this one of another task's purchases.

        That task calls ``execute_after_wait`` instead of ``execute``, passes deferrals on, and closes the
        record.
        """
        self.part = part

    def failures(self, context: Context) -> airflow_failures:
        """Return what turns errors into Airflow's, and reports them to the metrics.

        Another task speaks for its parts.
        """
        quietly = self.part is not None
        return airflow_failures(
            self, context, quietly=quietly, report=lambda error: self._report(context, "failed", error=error)
        )

    def _report(self, context: Context, what: str, **facts: Any) -> None:
        vendor, dag_id = self.hook_class.vendor_name, context["ti"].dag_id
        report(what, vendor=vendor, kind=self.kinds[0], dag_id=dag_id, **facts)

    def asked(self) -> dict[str, Any]:
        """Return the request as it was given; its fingerprint shows whether a later one is the same."""
        return {name: literal(self.given(name)) for name in self.request_fields}

    def offer(self) -> Offer:
        """Validate the request and return the purchase; called only right before buying."""
        raise NotImplementedError

    def offer_checked(self) -> Offer:
        """Return the purchase, after checking that what follows it is possible too."""
        self._buys = True
        self.required()
        self.read_prices()
        offer = self.offer()
        # Last: the less time there is between the balance and the purchase, the more the balance proves.
        facts: dict[str, Any] = {"books": None if offer.lookup else books_before(self._books, self.log)}
        facts |= {
            "conn_id": self.hook.conn_id,
            "model": self.model_name(),
            "cost": self.priced(offer.call.cost),
        }
        return replace(offer, facts={**offer.facts, **facts})

    def wanted(self) -> str:
        """Return what a person looks for at the vendor, if the answer to the purchase is lost."""
        return wanted(self.kinds[0], self.model_name(), self.title_or_none())

    def outlook(self) -> Outlook:
        """Return what a failure costs, and what a Clear then does, unless the error itself says it."""
        if self._job is not None:
            # The vendor has accepted the job, so whatever failed after that, the job is paid for.
            return Outlook(MONEY["yes"], "yes", CLEAR_WAITS)
        # Before the record of earlier tries was read, only the record knows.
        clear = "A Clear then buys." if self._buys else "A Clear then buys only what no try has bought."
        return Outlook("This try bought nothing.", "no", clear)

    def settle(self, context: Context, deadline: float) -> Settled:
        """Buy, re-attach or reuse, as the ledger and the decision table say."""
        self._check_policy()
        ledger = self.ledger(context, deadline)
        self._books = useful_books(self.hook, ledger)
        purchase = Purchase(
            vendor=self.hook.vendor_name,
            label=self.hook.vendor.label,
            kinds=self.kinds,
            ledger=ledger,
            calls=VendorCalls(
                offer=self.offer_checked, send=self._send, check=self._poll, traces=self._traces(context)
            ),
            policy=Policy(on_lost_submit=self.on_lost_submit, on_clear=self.on_clear),
            fingerprints=self.fingerprints(),
            attempt=attempt_of(context),
            ordinal=self._nested or 0,
            claimed=None if self._nested is None else claims_of(context),
            until=deadline,
            # Confirming that a job is gone takes minutes. A deferrable task leaves that to the triggerer.
            patience=LONGEST_CHECK if self._defers else float("inf"),
            longest_sleep=MAX_SLEEP_SECONDS if self.part is None else self.part.longest_sleep,
            log=self.log,
        )
        # Only a task's own code can make several purchases at the same time.
        with contextlib.nullcontext() if self._nested is None else purchases_in_turn:
            return purchase.settle()

    def _poll(self, ref: JobRef) -> JobStatus:
        return self.hook_for(ref).poll(ref)

    def _traces(self, context: Context) -> Traces:
        def person() -> Trace:
            command = shlex.join(["airflow", "vidai", "resolve", *resolve_arguments(context, self._part)])
            return Trace(self.wanted(), self.hook.vendor.dashboard, command)

        lasting = outlives_process(context)
        return Traces(self._poll, self.hook.vendor.lacks, self._books, person, lasting)

    def on_kill(self) -> None:
        """Make sure that nothing more is bought. This runs in a signal handler; the task then continues."""
        self._killed = True

    def conclude(self, context: Context, entry: Entry, record: Record) -> None:
        """Arrange that the purchase counts as finished once Airflow has the task's result.

        A task that ends otherwise, because its XCom could not be stored or its worker died, is not
        finished: clearing it reuses what it bought.
        """
        if self.part is None:
            after_success(context, lambda: self._close(entry, record))
        else:
            self.concluded = entry, record

    def _close(self, entry: Entry, record: Record) -> None:
        """Record that the purchase is finished, unless another try has bought since."""
        try:
            entry.finish(record)
        except LedgerError as error:
            self.log.warning("%s. The result stands; clearing this task would reuse it.", error)

    def _exact(self, entry: Entry | None, record: Record | None, ref: JobRef, *, news: bool) -> Record | None:
        """Return the record with the exact reference to its job, and write it if that is news."""
        if entry is None or record is None:
            return record
        record = record.with_ref(ref)
        try:
            if news:
                entry.update(record)
        except LedgerError as error:
            self.log.warning("%s. Another job of the same id could later be taken for this one.", error)
        return record

    def _run(self, context: Context, deadline: float, waited: int = 0) -> Any:
        settled = self._settled(context, deadline, waited)
        settled.entry.observers.ended(settled.record, "ready", "yes")
        self.show_cost(context, settled.receipt)
        self.conclude(context, settled.entry, settled.record)
        return settled.receipt.result

    def _settled(self, context: Context, deadline: float, waited: int) -> Settled:
        while True:
            try:
                return self.settle(context, deadline)
            except RateWait as wait:
                window = isinstance(wait, BudgetWait)
                # A budget's next window may open long after this job would have been given up.
                deadline += wait.seconds if window else 0.0
                left = deadline - time.time()
                # No point in waiting: the task would end before the vendor takes the purchase.
                if wait.seconds >= left:
                    why = f"{wait} That is past this task's deadline."
                    raise JobError(why, charged="no", retryable=True) from None
                seconds = wait.seconds
                if not wait.steady:
                    seconds = limit_pause(seconds, waited, left, random.random())  # noqa: S311
                known = "" if isinstance(wait, SearchWait) else " Nothing was bought;"
                self.log.info("%s%s coming back in %.0f s.", wait, known, seconds)
                self._report(context, "waited", seconds=seconds, budget=window)
                waited += 1
                if self._defers or (wait.steady and self._resumes):
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
            # The deadline goes along: the time that this wait takes is a part of the task's own timeout.
            kwargs={"deadline": deadline, "waited": waited},
            timeout=timedelta(seconds=seconds + BACKSTOP_SECONDS),
        )

    def _send(self, call: Call[Receipt]) -> Receipt:
        # The last moment at which a kill still prevents the purchase.
        self._unless_killed("no")
        receipt = self.hook.send(call)
        cost = self.priced(receipt.cost or call.cost)
        return receipt.model_copy(update={"cost": cost}).called(self.job_title())

    def job_title(self) -> str | None:
        """Return what the job that is bought is called; None where it keeps the title of an earlier one."""
        return self.title_or_none()

    def _unless_killed(self, charged: Charged) -> None:
        if self._killed:
            raise JobError(
                "The task was asked to stop (killed, cleared or marked).", charged=charged, retryable=True
            )

    def _check_policy(self) -> None:
        self.deferrable = truth("deferrable", self.deferrable)
        if self.reuse not in (None, "same_request"):
            raise InputError(f"reuse must be 'same_request' or None, not {shown(self.reuse)}.")
        allowed = {"on_lost_submit": ("fail", "resubmit"), "on_clear": ("fresh", "reuse")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name} must be one of {values}, not {shown(getattr(self, name))}.")

    def fingerprints(self) -> tuple[str, ...]:
        """Return what identifies the request and the account: in today's form, and in that of version 0.1."""
        return fingerprints(self)

    @property
    def _part(self) -> str | None:
        return None if self.part is None else self.part.name

    @property
    def _resumes(self) -> bool:
        """Whether Airflow comes back to this operator after a deferral."""
        return self._nested is None

    @property
    def _defers(self) -> bool:
        return bool(self.deferrable) and self._resumes

    def deadline(self) -> float:
        """Return when this try would stop waiting if it began now, in seconds since the epoch."""
        timeout = positive_seconds("timeout", self.timeout) or self.default_timeout
        # Airflow does not enforce execution_timeout while a task is deferred.
        longest = positive_seconds("execution_timeout", self.execution_timeout) or timeout
        return time.time() + min(timeout, longest)

    def ledger(self, context: Context, deadline: float = 0.0) -> Ledger:
        """Return the record of this task's purchase.

        :param deadline: until when it may wait for its storage, seconds since the epoch; 0 for not at all.
        """
        instance = context["ti"]
        buyer = Buyer(
            dag_id=instance.dag_id,
            run_id=instance.run_id,
            task_id=instance.task_id,
            map_index=-1 if instance.map_index is None else instance.map_index,
            lap=lap_of(instance, self._part),
            vendor=self.hook.vendor_name,
            label=self.hook.vendor.label,
            account=lambda: self.hook.account.id,
            budget=self.budget,
            log=self.log,
            reuse=None if self.reuse is None else shared_request(self),
        )
        observers = observers_of(buyer, () if self.part is None else self.part.watchers)
        return Ledger(store_of(context, self.log, self._part), self.patience(deadline), observers)

    def patience(self, deadline: float) -> Patience:
        """Return what waits while the ledger's storage is away; a killed task does not."""
        return Patience(self.log, until=deadline, stopped=lambda: self._killed)
