"""The walk of a purchase: read the ledger, decide, and only then spend money, once."""

from __future__ import annotations

import time
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
from airflow_provider_vidai.lifecycle.decide import Action, Found, Occasion, Policy, decide, found, occasion
from airflow_provider_vidai.lifecycle.ledger import Ledger, Record
from airflow_provider_vidai.lifecycle.poll import confirmed
from airflow_provider_vidai.lifecycle.verdict import unless_ready
from airflow_provider_vidai.models import Call, JobRef, JobState, JobStatus, Receipt

#: Waits up to this many seconds are slept through; longer ones give the worker back.
SHORT_WAIT = 60.0
#: How often a purchase that the vendor refuses to look at is sent within one try.
RESENDS = 5
#: How much longer a limit is waited for each time that the wait was in vain, at most how long (seconds), and
#: by what share at random: tasks that were refused together must not come back together for ever.
LIMIT_GROWTH = 1.25
LONGEST_LIMIT_WAIT = 600.0
LIMIT_JITTER = 0.5
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


class RateWait(VidaiError):
    """The vendor's rate limit asks for a long wait; nothing was bought, and no intent is on record."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


def limit_pause(asked: float, waited: int, left: float, jitter: float) -> float:
    """Return the seconds to wait for a rate limit: as asked, and longer each time that was not enough.

    :param asked: seconds that the vendor asks for.
    :param waited: how often this try has waited already.
    :param left: seconds until the task's deadline.
    :param jitter: 0 to 1, at random.
    """
    if not waited:
        return asked
    longer = min(asked * LIMIT_GROWTH**waited, max(LONGEST_LIMIT_WAIT, asked)) * (1 + LIMIT_JITTER * jitter)
    return max(asked, min(longer, left - 1.0))


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

    :param status: how the job stands, if it was looked at; READY means that nothing is left to wait for.
    """

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
    """One task's purchase, bought at most once.

    :param vendor: its name, for messages.
    :param fingerprint: of the request, the connection and the base URL.
    :param try_id: tells this try from all others; likewise ``try_number`` within the run.
    :param try_began: when this try did, seconds since the epoch.
    :param max_tries: of the task now.
    """

    def __init__(
        self,
        *,
        vendor: str,
        ledger: Ledger,
        counter: Counter,
        policy: Policy,
        fingerprint: str,
        try_number: int,
        try_began: float,
        try_id: str = "",
        max_tries: int,
        log: Log,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._vendor = vendor
        self._ledger = ledger
        self._counter = counter
        self._policy = policy
        self._fingerprint = fingerprint
        self._try, self._try_id, self._began = try_number, try_id, try_began
        self._max_tries = max_tries
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
        record = self._ledger.read()
        if record is not None and self._of_another_run(record):
            # Else, should this try not get as far as buying, a later one would take it for its own.
            self._ledger.forget()
            record = None
        if record is None:
            return self._buy(None)
        why = occasion(record, fingerprint=self._fingerprint, max_tries=self._max_tries)
        if why is Occasion.RETRY and record.fingerprint != self._fingerprint:
            self._log.warning(
                "The request differs from the one that was bought by try %d (a changing value in it, or an "
                "edited DAG?). A retry goes on with what was bought. Clear the task to "
                "buy the new request.",
                record.try_number,
            )
        status: JobStatus | None = None
        unreadable: VidaiError | None = None
        if why is not Occasion.CLEARED_OTHER:
            record = self._resolved(record)
            status, unreadable = self._status(record)
        what = found(record, status)
        action = decide(what, why, self._policy, record, status)
        self._log.info("%s", self._summary(record, what, why, action, status))
        if action is Action.BUY:
            return self._buy(record)
        if action is Action.LATER:
            raise JobError(
                f"The status of {_named(record)} cannot be read ({unreadable}), so nothing was bought.",
                charged="yes",
                retryable=True,
            )
        if record.receipt is None:
            raise self._lost(record, "an earlier try was ended before its answer was recorded")
        if action is Action.STOP and record.receipt.ref is not None and status is not None:
            unless_ready(record.receipt.ref, status, buyer=True)
        return Settled(self._answered(record, why), record.receipt, status)

    def _of_another_run(self, record: Record) -> bool:
        """Whether the record was left by a run of the same name that was deleted since.

        Tries of one run only ever count up.

        :raises LedgerError: when a later try of this run has begun, and this one is left over.
        """
        if record.try_number < self._try or (record.try_number, record.try_id) == (self._try, self._try_id):
            return False
        if record.intended_at >= self._began:
            raise LedgerError(
                f"Another try of this task (number {record.try_number}) has bought since this one began, so "
                "this one buys nothing"
            )
        self._log.info(
            "The ledger has a purchase of try %d of a run of the same name that was deleted since (%s); this "
            "run buys its own.",
            record.try_number,
            _named(record),
        )
        return True

    def _answered(self, record: Record, why: Occasion) -> Record:
        """Note that this Clear was taken up: the retries that follow are no Clears of their own."""
        if why is Occasion.RETRY:
            return record
        record = record.model_copy(update={"max_tries": self._max_tries})
        self._ledger.write(record)
        return record

    def _resolved(self, record: Record) -> Record:
        """Turn an intent whose outcome can be looked up into a purchase."""
        if record.receipt is not None or record.lookup is None:
            return record
        patience = record.intended_at + LOOKUP_SECONDS - self._clock()
        if self._bought(record.lookup, patience=patience):
            return self._keep(record, Receipt(ref=record.lookup))
        return record

    def _status(self, record: Record) -> tuple[JobStatus | None, VidaiError | None]:
        if record.receipt is None or record.receipt.ref is None:
            return None, None
        ref = record.receipt.ref
        try:
            # A paid job is not given up, let alone bought again, for one answer that it isn't there.
            return confirmed(ref, self._counter.look, self._sleep), None
        except VidaiError as error:
            self._log.warning("The status of %s cannot be read now: %s", record.receipt.ref, error)
            return None, error

    def _buy(self, before: Record | None) -> Settled:
        for resend in range(RESENDS):
            offer = self._offered()
            record = Record(
                phase="intent",
                fingerprint=self._fingerprint,
                try_id=self._try_id,
                try_number=self._try,
                max_tries=self._max_tries,
                intended_at=self._clock(),
                lookup=offer.lookup,
            )
            self._ledger.begin(record)
            try:
                receipt = self._counter.send(offer.call)
            except ApiError as error:
                if error.processed == "maybe":
                    return self._after_lost(record, error)
                self._withdraw(before)
                self._wait_to_resend(error, resend)
                continue
            except (InputError, JobError):
                self._withdraw(before)
                raise
            kept = self._keep(record, receipt)
            return Settled(kept, receipt)
        raise AssertionError("the last refusal raises")

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

    def _after_lost(self, record: Record, error: ApiError) -> Settled:
        if record.lookup is not None and self._bought(record.lookup, patience=LOOKUP_SECONDS):
            receipt = Receipt(ref=record.lookup)
            return Settled(self._keep(record, receipt), receipt)
        raise self._lost(record, str(error))

    def _bought(self, lookup: JobRef, *, patience: float) -> bool:
        """Whether the vendor shows the purchase, looking for ``patience`` seconds."""
        until = self._clock() + patience
        while True:
            try:
                status = self._counter.look(lookup)
            except VidaiError as error:
                self._log.warning("Looking for %s: %s", lookup, error)
            else:
                if status.proven and status.state is not JobState.GONE:
                    self._log.info(
                        "%s: its answer was lost, but the vendor has it (%s).", lookup, status.vendor_status
                    )
                    return True
            if self._clock() + LOOKUP_EVERY > until:
                return False
            self._sleep(LOOKUP_EVERY)

    def _keep(self, record: Record, receipt: Receipt) -> Record:
        """Write down what was bought; the log has it first, so that it is never lost whole."""
        bought = record.model_copy(update={"phase": "bought", "receipt": receipt, "bought_at": self._clock()})
        self._log.info("Bought: %s", receipt.ref or self._vendor)
        for pause in (0.5, 2.0, 5.0, None):
            try:
                self._ledger.write(bought)
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

    def _withdraw(self, before: Record | None) -> None:
        """Take the intent back; what was on record before it is on record again."""
        try:
            if before is None:
                self._ledger.withdraw()
            else:
                self._ledger.write(before)
        except LedgerError as error:
            self._log.error("%s. Nothing was bought, but a retry will find the intent and stop.", error)

    def _lost(self, record: Record, why: str) -> LostSubmit:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.intended_at))
        resubmit = self._policy.on_lost_submit == "resubmit"
        remedy = (
            "The next try buys again, because on_lost_submit='resubmit'."
            if resubmit
            else f"Look at the {self._vendor} account for a job of that time. Clear the task to buy again."
        )
        return LostSubmit(
            f"A purchase was sent to {self._vendor} at {when} and its outcome is unknown: {why.rstrip('.')}. "
            f"{remedy}",
            charged="maybe",
            retryable=resubmit,
        )

    def _summary(
        self, record: Record, what: Found, why: Occasion, action: Action, status: JobStatus | None
    ) -> str:
        age = self._clock() - (record.bought_at or record.intended_at)
        says = f", the vendor says {status.vendor_status!r}" if status else ""
        return (
            f"{_named(record)}: bought by try {record.try_number}, {age:.0f} s ago"
            f"{says} ({what.value}; {why.value}). This try will {action.value}."
        )


def finished(record: Record, receipt: Receipt) -> Record:
    """Return the record of a task that returns its result."""
    return record.model_copy(update={"phase": "done", "receipt": receipt})


def _named(record: Record) -> str:
    if record.receipt is None:
        return "A purchase of unknown outcome"
    return str(record.receipt.ref or "The purchase")
