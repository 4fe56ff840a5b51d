"""The walk of a purchase: read the ledger, decide, and only then spend money, once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_vidai.errors import (
    MONEY,
    ApiError,
    InputError,
    JobError,
    LedgerError,
    LostSubmit,
    VidaiError,
)
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import Action, Found, Occasion, Policy, decide, found, occasion
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.ledger import Entry, Ledger, Record
from airflow_provider_vidai.purchase.limits import RateWait
from airflow_provider_vidai.purchase.match import Match, Request, match
from airflow_provider_vidai.purchase.poll import confirmed
from airflow_provider_vidai.purchase.verdict import unless_ready

#: Waits up to this many seconds are slept through; longer ones give the worker back.
SHORT_WAIT = 60.0
#: How often a purchase that the vendor refuses to look at is sent within one try.
RESENDS = 5
#: How long a purchase with an unknown outcome is looked for, where the vendor allows it, in seconds.
LOOKUP_SECONDS = 60.0
LOOKUP_EVERY = 5.0


class Log(Protocol):
    """As much of a logger as is needed; Airflow's is not the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any:
        """Log what happens."""

    def warning(self, msg: str, /, *args: Any) -> Any:
        """Log what a person should know."""

    def error(self, msg: str, /, *args: Any) -> Any:
        """Log what went wrong."""


@dataclass(frozen=True)
class Offer:
    """One purchase, validated and ready to be sent.

    :param lookup: by what it could be found again if its answer were lost; None where the vendor
        has no way.
    """

    call: Call[Receipt]
    lookup: JobRef | None = None


@dataclass(frozen=True)
class Settled:
    """A purchase that exists.

    :param entry: where its record is kept.
    :param status: how the job stands, if it was checked; READY means that nothing is left to wait for.
    """

    entry: Entry
    record: Record
    receipt: Receipt
    status: JobStatus | None = None


@dataclass(frozen=True)
class Counter:
    """Where the vendor's side of a purchase is handled.

    :param offer: validates and prices; called only when buying.
    :param send: sends a call once.
    :param look: asks how a job is, once.
    """

    offer: Callable[[], Offer]
    send: Callable[[Call[Receipt]], Receipt]
    look: Callable[[JobRef], JobStatus]


class Purchase:
    """One purchase of a task, made at most once.

    A task can make several. A retry finds each of them again: by what it buys where, and by its
    fingerprint. Only a request that changes from try to try, such as one with the time of day in it, has
    to be recognised by its place among the purchases of its kind.

    :param vendor: its name.
    :param label: its name as the vendor writes it, for messages.
    :param kinds: the kinds of job that this purchase can make.
    :param ordinal: how many purchases of this vendor and these kinds the same try made before it.
    :param claimed: which entries this try's purchases have taken, for which requests; None where a task can
        make only one.
    :param fingerprints: of the request, the connection and the base URL: as it is written now, and as
        earlier releases wrote it.
    :param attempt: which try this is.
    :param until: when the task's own time is over, seconds since the epoch.
    :param patience: for how many seconds a retry confirms how its job ended; after that it waits for it like
        for any other. A Clear has to know, because it may buy again.
    """

    def __init__(
        self,
        *,
        vendor: str,
        label: str,
        kinds: tuple[str, ...],
        ledger: Ledger,
        counter: Counter,
        policy: Policy,
        fingerprints: tuple[str, ...],
        attempt: Attempt,
        log: Log,
        ordinal: int = 0,
        claimed: dict[str, str] | None = None,
        until: float = float("inf"),
        patience: float = float("inf"),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._vendor, self._label, self._kinds = vendor, label, kinds
        self._request = Request(vendor, kinds, fingerprints, ordinal)
        self._claimed = claimed
        self._ledger = ledger
        self._counter = counter
        self._policy = policy
        self._fingerprints = fingerprints
        self._attempt = attempt
        self._until, self._patience = until, patience
        self._log = log
        self._clock = clock
        self._sleep = sleep

    def settle(self) -> Settled:
        """Buy, re-attach or reuse, as the decision table says.

        :raises InputError: nothing was sent.
        :raises RateWait: come back after some time; nothing was bought.
        :raises LedgerError: the record could not be read, or not be written; nothing was sent.
        :raises LostSubmit: the outcome of a purchase is unknown.
        :raises JobError: the job that was bought failed or is gone.
        """
        mine = self._mine()
        entry, record = mine.entry, mine.record
        if record is None:
            return self._buy(mine.free, mine.unused)
        why = occasion(record, fingerprints=self._fingerprints, max_tries=self._attempt.max_tries)
        if why is Occasion.RETRY and record.fingerprint not in self._fingerprints:
            self._log.warning(
                "The request differs from the one that try %d %s (a changing value in it, or an edited "
                "DAG?). A retry continues with that purchase. Clear the task to buy the new request.",
                record.try_number,
                "sent" if record.receipt is None else "bought",
            )
        status: JobStatus | None = None
        unreadable: VidaiError | None = None
        if why is not Occasion.CLEARED_OTHER:
            record = self._resolved(entry, record)
            status, unreadable = self._status(record, why)
        what = found(record, status)
        action = decide(what, why, self._policy, record, status)
        self._log.info("%s", self._summary(record, what, why, action, status))
        if action is Action.BUY:
            if why is Occasion.CLEARED_OTHER and self._claimed is not None:
                # It was found by its place, and may be what a later purchase of this task has to find.
                return self._buy(mine.free, mine.unused)
            return self._buy(entry, record)
        if action is Action.LATER:
            raise JobError(
                f"The status of {_named(record)} cannot be read ({unreadable}), so nothing more was bought.",
                charged="yes",
                retryable=True,
            )
        if record.receipt is None:
            raise self._lost(record, "an earlier try was ended before its answer was recorded", earlier=True)
        if action is Action.STOP and record.receipt.ref is not None and status is not None:
            unless_ready(record.receipt.ref, status, buyer=True)
        return Settled(entry, self._answered(entry, record, why), record.receipt, status)

    def _mine(self) -> Match:
        found = match(self._ledger, self._attempt, self._request, self._claimed)
        if found.record is None and found.unused is not None:
            self._log.info(
                "The ledger has a purchase of try %d of a run of the same name that was deleted since (%s); "
                "this run buys its own.",
                found.unused.try_number,
                _named(found.unused),
            )
        return found

    def _answered(self, entry: Entry, record: Record, why: Occasion) -> Record:
        """Note that this Clear was taken up: the retries that follow are no Clears of their own."""
        if why is Occasion.RETRY:
            return record
        record = record.model_copy(update={"max_tries": self._attempt.max_tries})
        entry.write(record)
        return record

    def _resolved(self, entry: Entry, record: Record) -> Record:
        """Turn an intent whose outcome can be looked up into a purchase."""
        if record.receipt is not None or record.lookup is None:
            return record
        patience = record.intended_at + LOOKUP_SECONDS - self._clock()
        if self._bought(record.lookup, patience=patience):
            return self._keep(entry, record, Receipt(ref=record.lookup))
        return record

    def _status(self, record: Record, why: Occasion) -> tuple[JobStatus | None, VidaiError | None]:
        if record.receipt is None or record.receipt.ref is None:
            return None, None
        ref = record.receipt.ref
        until = min(self._until, self._clock() + self._patience) if why is Occasion.RETRY else self._until
        try:
            # A paid job is not given up, let alone bought again, for one answer that it isn't there.
            return confirmed(ref, self._counter.look, lambda pause: self._sleep_in_time(pause, until)), None
        except VidaiError as error:
            self._log.warning("The status of %s cannot be read now: %s", record.receipt.ref, error)
            return None, error

    def _sleep_in_time(self, seconds: float, until: float) -> None:
        """Sleep, unless the time for it would be over by then."""
        if self._clock() + seconds >= until:
            raise ApiError("There is no time left to check whether this answer is final.", retryable=True)
        self._sleep(seconds)

    def _buy(self, entry: Entry, before: Record | None) -> Settled:
        for resend in range(RESENDS):
            offer = self._offered()
            record = self._intent(offer)
            entry.begin(record)
            try:
                receipt = self._counter.send(offer.call)
            except ApiError as error:
                if error.processed == "maybe":
                    return self._after_lost(entry, record, error)
                self._withdraw(entry, before)
                self._wait_to_resend(error, resend)
                continue
            except (InputError, JobError):
                self._withdraw(entry, before)
                raise
            kept = self._keep(entry, record, receipt)
            return Settled(entry, kept, receipt)
        raise AssertionError("the last refusal raises")

    def _intent(self, offer: Offer) -> Record:
        return Record(
            phase="intent",
            fingerprint=self._fingerprints[0],
            vendor=self._vendor,
            kind=self._kinds[0],
            ordinal=self._request.ordinal,
            nonce=uuid.uuid4().hex,
            run=self._attempt.run,
            try_id=self._attempt.id,
            try_number=self._attempt.number,
            max_tries=self._attempt.max_tries,
            intended_at=self._clock(),
            lookup=offer.lookup,
        )

    def _offered(self) -> Offer:
        """Return the purchase; a limit that what is asked before it runs into is waited for likewise."""
        try:
            return self._counter.offer()
        except ApiError as error:
            if error.retryable and (error.retry_after or 0.0) > SHORT_WAIT:
                raise RateWait(error.retry_after or 0.0, str(error)) from None
            raise

    def _wait_to_resend(self, error: ApiError, resend: int) -> None:
        """Wait, knowing that nothing was bought; or raise."""
        pause = error.retry_after if error.retry_after is not None else 2.0**resend
        if error.retryable and pause > SHORT_WAIT:
            raise RateWait(pause, str(error))
        if not error.retryable or resend == RESENDS - 1:
            error.args = (f"{error} {MONEY['no']}",)
            raise error
        self._log.info("%s Nothing was bought; sending again in %.0f s.", error, pause)
        self._sleep(pause)

    def _after_lost(self, entry: Entry, record: Record, error: ApiError) -> Settled:
        if record.lookup is not None and self._bought(record.lookup, patience=LOOKUP_SECONDS):
            receipt = Receipt(ref=record.lookup)
            return Settled(entry, self._keep(entry, record, receipt), receipt)
        raise self._lost(record, str(error))

    def _bought(self, lookup: JobRef, *, patience: float) -> bool:
        """Whether the vendor shows the purchase, looking for ``patience`` seconds."""
        until = self._clock() + patience
        while True:
            try:
                status = self._counter.look(lookup)
            except VidaiError as error:
                self._log.warning("The status check of %s failed: %s", lookup, error)
            else:
                if status.proven and status.state is not JobState.GONE:
                    self._log.info(
                        "%s: its answer was lost, but the vendor has it (%s).", lookup, status.vendor_status
                    )
                    return True
            if self._clock() + LOOKUP_EVERY > until:
                return False
            self._sleep(LOOKUP_EVERY)

    def _keep(self, entry: Entry, record: Record, receipt: Receipt) -> Record:
        """Write down what was bought; the log has it first, so that it is never lost whole."""
        bought = record.model_copy(update={"phase": "bought", "receipt": receipt, "bought_at": self._clock()})
        self._log.info("Bought: %s", receipt.ref or f"{self._label} {self._kinds[0]}")
        for pause in (0.5, 2.0, 5.0, None):
            try:
                entry.write(bought)
                break
            except LedgerError as error:
                if pause is None:
                    self._log.error(
                        "%s. The job is paid for and this try goes on with it, but a retry would find no "
                        "record of %s.",
                        error,
                        receipt.ref or "the purchase",
                    )
                else:
                    self._sleep(pause)
        return bought

    def _withdraw(self, entry: Entry, before: Record | None) -> None:
        """Take the intent back; what was on record before it is on record again."""
        try:
            entry.write(before)
        except LedgerError as error:
            self._log.error("%s. Nothing was bought, but a retry will find the intent and stop.", error)

    def _lost(self, record: Record, why: str, *, earlier: bool = False) -> LostSubmit:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.intended_at))
        resubmit = self._policy.on_lost_submit == "resubmit"
        logged = f"If the log of try {record.try_number} has a line 'Bought: ...', that is the job. "
        remedy = (
            "The next try buys again, because on_lost_submit='resubmit'."
            if resubmit
            else f"{logged if earlier else ''}Check the {self._label} account for a job of that time. "
            "Clear the task to buy again."
        )
        return LostSubmit(
            f"A purchase was sent to {self._label} at {when} and its outcome is unknown: {why.rstrip('.')}. "
            f"{remedy}",
            charged="maybe",
            retryable=resubmit,
        )

    def _summary(
        self, record: Record, what: Found, why: Occasion, action: Action, status: JobStatus | None
    ) -> str:
        age = self._clock() - (record.bought_at or record.intended_at)
        says = f", the vendor reports {status.vendor_status!r}" if status else ""
        done = "sent" if record.receipt is None else "bought"
        kept = ""
        if action is Action.REUSE and why is Occasion.CLEARED and self._policy.on_clear == "fresh":
            # Only a task that ended in success counts as finished, and only its own process can know that.
            kept = " Airflow did not report that the task had succeeded, so its purchase is not repeated."
        return (
            f"{_named(record)}: {done} by try {record.try_number}, {age:.0f} s ago"
            f"{says} ({what.value}; {why.value}). This try will {action.value}.{kept}"
        )


def finished(record: Record) -> Record:
    """Return the record of a purchase that is over: clearing its task buys again."""
    return record.model_copy(update={"phase": "done"})


def _named(record: Record) -> str:
    if record.receipt is None:
        return "A purchase of unknown outcome"
    return str(record.receipt.ref or "The purchase")
