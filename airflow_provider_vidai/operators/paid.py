"""The base of all paid operators: a purchase is made once, however often its task is tried."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import conf, timer
from airflow_provider_vidai.arguments import positive_seconds, truth
from airflow_provider_vidai.errors import (
    CLEAR_WAITS,
    MONEY,
    Charged,
    InputError,
    JobError,
    LedgerError,
    VidaiError,
)
from airflow_provider_vidai.hooks.failures import Outlook, airflow_failures, is_nested
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.prices import Price, priced, read_prices
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.context import (
    after_success,
    attempt_of,
    claims_of,
    next_of_kind,
    purchases_in_turn,
)
from airflow_provider_vidai.operators.settings import json_setting
from airflow_provider_vidai.operators.vendor import HookT, VendorOperator
from airflow_provider_vidai.purchase.decide import Policy
from airflow_provider_vidai.purchase.fingerprint import fingerprint, fingerprint_of_0_1
from airflow_provider_vidai.purchase.ledger import Entry, Ledger
from airflow_provider_vidai.purchase.limits import BudgetWait, RateWait, limit_pause
from airflow_provider_vidai.purchase.observe import Buyer
from airflow_provider_vidai.purchase.patience import Patience
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.walk import Offer, Purchase, Settled, VendorCalls
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.rooms import observers_of, tell
from airflow_provider_vidai.stores.choice import lap_of, store_of
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["BACKSTOP_SECONDS", "PaidOperator"]

#: A synchronous wait sleeps at most this many seconds at a time. Airflow kills a task five seconds after it
#: asked it to stop; a task that still sleeps until then would block the next try.
LONGEST_SLEEP = 2.0
#: A retry that will defer checks its job for at most this many seconds; then the triggerer checks it, which
#: holds no worker.
LONGEST_CHECK = 10.0
#: Airflow's own deferral timeout is only a backstop behind the trigger's deadline.
BACKSTOP_SECONDS = 60.0


class PaidOperator(VendorOperator[HookT]):
    """Buy something, once per task however often the task is tried.

    Its ``execute`` can be called inside a ``@task`` function too, several times for several purchases: each
    has its own record, by which a retry finds it again. The waiting is then synchronous.

    :param on_lost_submit: what an automatic retry does if an earlier try sent a purchase and never
        learnt its outcome: ``fail`` (default), or ``resubmit`` (which may pay twice).
    :param budget: a limit of this task's own, or a list of them, in the form of ``[vidai] budgets``; each
        purchase is checked against it before it is sent.
    :param on_clear: what clearing a *finished* task does: buy ``fresh`` (default), or ``reuse`` the result.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``.
    :param timeout: how long this try waits (seconds or timedelta), for a rate limit and for its job, never
        past ``execution_timeout``; a retry waits as long again.
    """

    #: What this operator buys, in the vendor's terms. A record of another kind belongs to another operator.
    kinds: ClassVar[tuple[str, ...]]
    #: The arguments that make up the request; they are template fields too.
    request_fields: ClassVar[Sequence[str]]
    #: Those of them that version 0.1 did not have: its fingerprints lack them.
    fields_since_0_1: ClassVar[Sequence[str]] = ()
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.budget = budget
        self.on_lost_submit = on_lost_submit
        self.on_clear = on_clear
        self.deferrable = deferrable
        self.timeout = timeout
        self._job: JobRef | None = None
        # Airflow runs on_kill() in a signal handler, so this may change between any two lines.
        self._killed = False
        self._nested: int | None = None
        self._buys = False
        self._prices: tuple[Price, ...] | None = None

    def execute(self, context: Context) -> Any:
        """Buy, re-attach or reuse, and return the result."""
        with self.failures(context):
            if is_nested(context, self):
                self._nested = next_of_kind(context, (self.hook_class.vendor_name, *self.kinds))
            return self._run(context, self._deadline())

    def execute_after_wait(
        self, context: Context, event: Any = None, deadline: float | None = None, waited: int = 0
    ) -> Any:
        """Decide again after the ``waited``-th wait for the vendor's rate limit."""
        with self.failures(context):
            # Before Airflow 3.4, dag.test() loses the kwargs of a deferral.
            return self._run(context, deadline or self._deadline(), waited)

    @contextlib.contextmanager
    def failures(self, context: Context) -> Iterator[None]:
        """Turn this package's errors into Airflow's exceptions, and tell whoever counts them."""
        with airflow_failures(self, context):
            try:
                yield
            except VidaiError as error:
                self._tell(context, "failed", error=error)
                raise

    def _tell(self, context: Context, what: str, **facts: Any) -> None:
        vendor, dag_id = self.hook_class.vendor_name, context["ti"].dag_id
        tell(what, vendor=vendor, kind=self.kinds[0], dag_id=dag_id, **facts)

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
        # A price list that can't be read is an error now, and no longer once the money is spent.
        self._prices = read_prices(json_setting("prices"))
        offer = self.offer()
        facts = {"conn_id": self.hook.conn_id, "model": self._model(), "cost": self._priced(offer.call.cost)}
        return replace(offer, facts={**offer.facts, **facts})

    def expected(self, stated: Mapping[str, JsonValue] | None) -> Cost:
        """Return what a purchase would cost, before it is made.

        :param stated: what the vendor states about it.
        :raises InputError: when the price list can't be read.
        """
        self._prices = read_prices(json_setting("prices"))
        return Cost.of(self._priced(stated))

    def _model(self) -> str | None:
        model = getattr(self, "model", None)
        return model if isinstance(model, str) else None

    def _priced(self, stated: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """Return what the vendor states about the cost, completed from the price list."""
        if self._prices is None:
            try:
                self._prices = read_prices(json_setting("prices"))
            except InputError as error:  # what is bought already is not lost for it
                self.log.warning("The cost is not completed from the price list: %s", error)
                self._prices = ()
        # Not through the hook: a plan asks before the job that some hooks need is known.
        vendor = VENDORS[self.hook_class.vendor_name]
        cost = priced(
            stated,
            self._prices,
            vendor=vendor.name,
            kind=self.kinds[0],
            model=self._model(),
            worth=vendor.worth,
            unknown=vendor.unpriced,
        )
        return cost.fields(stated)

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
        purchase = Purchase(
            vendor=self.hook.vendor_name,
            label=self.hook.vendor.label,
            kinds=self.kinds,
            ledger=self.ledger(context, deadline),
            calls=VendorCalls(
                offer=self.offer_checked, send=self._send, check=lambda ref: self.hook_for(ref).poll(ref)
            ),
            policy=Policy(on_lost_submit=self.on_lost_submit, on_clear=self.on_clear),
            fingerprints=self._fingerprints(),
            attempt=attempt_of(context),
            ordinal=self._nested or 0,
            claimed=None if self._nested is None else claims_of(context),
            until=deadline,
            # Confirming that a job is gone takes minutes. A deferrable task leaves that to the triggerer.
            patience=LONGEST_CHECK if self._defers else float("inf"),
            log=self.log,
        )
        # Only a task's own code can make several purchases at the same time.
        with contextlib.nullcontext() if self._nested is None else purchases_in_turn:
            return purchase.settle()

    def on_kill(self) -> None:
        """Make sure that nothing more is bought. This runs in a signal handler; the task then continues."""
        self._killed = True

    def conclude(self, context: Context, entry: Entry, record: Record) -> None:
        """Arrange that the purchase counts as finished once Airflow has the task's result.

        A task that ends otherwise, because its XCom could not be stored or its worker died, is not
        finished: clearing it reuses what it bought.
        """
        after_success(context, lambda: self._close(entry, record))

    def _close(self, entry: Entry, record: Record) -> None:
        """Record that the purchase is finished, unless another try has bought since."""
        try:
            entry.finish(record)
        except LedgerError as error:
            self.log.warning("%s. The result stands; clearing this task would reuse it.", error)

    def _run(self, context: Context, deadline: float, waited: int = 0) -> Any:
        settled = self._settled(context, deadline, waited)
        settled.entry.observers.ended(settled.record, "ready", "yes")
        self.show_cost(context, settled.receipt)
        self.conclude(context, settled.entry, settled.record)
        return settled.receipt.result

    def show_cost(self, context: Context, receipt: Receipt) -> None:
        """Push what the purchase cost, if it is known."""
        if receipt.known_cost is not None:
            context["ti"].xcom_push(key="cost", value=receipt.known_cost)

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
                if not window:
                    seconds = limit_pause(seconds, waited, left, random.random())  # noqa: S311
                self.log.info("%s Nothing was bought; coming back in %.0f s.", wait, seconds)
                self._tell(context, "waited", seconds=seconds, budget=window)
                waited += 1
                if self._defers or (window and self._nested is None):
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
        self._unless_killed("no")
        receipt = self.hook.send(call)
        cost = self._priced(receipt.cost or call.cost)
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
        allowed = {"on_lost_submit": ("fail", "resubmit"), "on_clear": ("fresh", "reuse")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name} must be one of {values}, not {shown(getattr(self, name))}.")

    def _fingerprints(self) -> tuple[str, ...]:
        account = {
            "vendor": self.hook.vendor_name,
            "conn_id": self.hook.conn_id,
            "url": self.hook.account.base_url,
        }
        asked = self.asked()
        old = {name: value for name, value in asked.items() if name not in self.fields_since_0_1}
        # No argument's name begins with an @, so the account's facts never hide an argument.
        now = fingerprint({**{f"@{name}": value for name, value in account.items()}, **asked})
        return now, fingerprint_of_0_1({**account, "asked": old})

    @property
    def _defers(self) -> bool:
        return bool(self.deferrable) and self._nested is None

    def _deadline(self) -> float:
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
            lap=lap_of(instance),
            vendor=self.hook.vendor_name,
            label=self.hook.vendor.label,
            account=lambda: self.hook.account.id,
            budget=self.budget,
            log=self.log,
        )
        return Ledger(store_of(context, self.log), self.patience(deadline), observers_of(buyer))

    def patience(self, deadline: float) -> Patience:
        """Return what waits while the ledger's storage is away; a killed task does not."""
        return Patience(self.log, until=deadline, stopped=lambda: self._killed)
