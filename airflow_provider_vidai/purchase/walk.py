"""The walk of a purchase: read the ledger, decide, and only then spend money, once.

The order of its steps is what survives a crash. A worker can be killed between any two of them:

* before the intent: nothing was sent, and the next try buys;
* after the intent, before the vendor's answer: the next try finds an intent without a receipt. It cannot
  know whether the purchase arrived, so it stops, or looks the purchase up where the vendor allows it;
* after the answer, before the receipt is written: as above, but the log has the job's id;
* after the receipt: the next try waits for the same job.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_vidai.errors import (
    MONEY,
    ApiError,
    InputError,
    JobError,
    LedgerError,
    VidaiError,
)
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.cost import bought_for
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.purchase.decide import Action, Found, Occasion, Policy, decide, found, occasion
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.ledger import Entry, Ledger
from airflow_provider_vidai.purchase.limits import RateWait
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.lost import Lost, Traces
from airflow_provider_vidai.purchase.match import Match, Request, match
from airflow_provider_vidai.purchase.observe import Elsewhere
from airflow_provider_vidai.purchase.poll import confirmed
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.timing import MAX_SENDS, MAX_SLEEP_SECONDS, RECORD_RETRY_PAUSES
from airflow_provider_vidai.purchase.verdict import unless_ready, unreadable_status


@dataclass(frozen=True)
class Offer:
    """One purchase, validated and ready to be sent.

    :param lookup: the job that shows whether the purchase arrived, should its answer be lost; None where the
        vendor offers no lookup.
    :param facts: fields of its record: ``conn_id``, ``model``, ``calls_back``, and the expected ``cost``.
    """

    call: Call[Receipt]
    lookup: JobRef | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A purchase that exists.

    :param entry: where its record is kept.
    :param status: the job's status, if it was checked; READY means that there is nothing to wait for.
    """

    entry: Entry
    record: Record
    receipt: Receipt
    status: JobStatus | None = None


@dataclass(frozen=True)
class VendorCalls:
    """Callables that talk to the vendor.

    :param offer: validates and prices the request; called only when buying, because a changed catalogue
        must not block the way to a job that is paid for.
    :param send: sends a purchase once.
    :param check: checks a job's status once.
    :param traces: where a purchase is looked for whose answer was lost; by default, in its status only.
    """

    offer: Callable[[], Offer]
    send: Callable[[Call[Receipt]], Receipt]
    check: Callable[[JobRef], JobStatus]
    traces: Traces | None = None


class Purchase:
    """One purchase of a task, made at most once.

    A task can make several. A retry finds each of them again by vendor, kind and fingerprint. Only a request
    that changes from try to try, such as one with the time of day in it, has to be recognised by its place
    among the purchases of its kind.

    :param vendor: its name.
    :param label: its name as the vendor writes it, for messages.
    :param kinds: the kinds of job that this purchase can make.
    :param ordinal: how many purchases of this vendor and these kinds the same try made before it.
    :param calls: talk to the vendor.
    :param claimed: which entries this try's purchases have taken, for which requests (key of the entry:
        fingerprint); None where a task can make only one.
    :param fingerprints: of the request, the connection and the base URL: in today's form, and in those of
        earlier releases.
    :param attempt: which try this is.
    :param until: the task's deadline, seconds since the epoch.
    :param patience: seconds for which a retry confirms a reported end; then it waits for the job as for a
        running one. A Clear always confirms it, because it may buy again.
    :param longest_sleep: seconds of a rate limit that are slept through, at most; a longer limit raises
        :class:`~airflow_provider_vidai.purchase.limits.RateWait`.
    """

    def __init__(
        self,
        *,
        vendor: str,
        label: str,
        kinds: tuple[str, ...],
        ledger: Ledger,
        calls: VendorCalls,
        policy: Policy,
        fingerprints: tuple[str, ...],
        attempt: Attempt,
        log: Log,
        ordinal: int = 0,
        claimed: dict[str, str] | None = None,
        until: float = float("inf"),
        patience: float = float("inf"),
        longest_sleep: float = MAX_SLEEP_SECONDS,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._vendor, self._label, self._kinds = vendor, label, kinds
        self._request = Request(vendor, kinds, fingerprints, ordinal)
        self._claimed = claimed
        self._ledger = ledger
        self._calls = calls
        self._policy = policy
        self._fingerprints, self._attempt = fingerprints, attempt
        self._until, self._patience, self._longest_sleep = until, patience, longest_sleep
        self._log, self._clock, self._sleep = log, clock, sleep
        self._lost = Lost(
            label,
            calls.traces or Traces(calls.check),
            attempt,
            log,
            resubmit=policy.on_lost_submit == "resubmit",
            until=until,
            clock=clock,
            sleep=sleep,
        )

    def settle(self) -> Settled:
        """Buy, re-attach or reuse, as the decision table says.

        :raises InputError: nothing was sent.
        :raises RateWait: the vendor asks for a long wait; nothing was bought.
        :raises SearchWait: a purchase whose answer was lost is searched for again later.
        :raises LedgerError: the record could not be read or written; nothing was sent.
        :raises LostSubmit: the outcome of a purchase is unknown.
        :raises JobError: the job that was bought failed or is gone.
        """
        mine = self._mine()
        entry, record = mine.entry, mine.record
        if record is None:
            return self._buy(mine.free, mine.stale)
        why = occasion(record, fingerprints=self._fingerprints, max_tries=self._attempt.max_tries)
        if why is Occasion.RETRY:
            self._warn_if_changed(record)
        status: JobStatus | None = None
        unreadable: VidaiError | None = None
        # A Clear with another request buys whatever became of the earlier job, so the vendor is not asked
        # about it.
        if why is not Occasion.CLEARED_OTHER:
            record = self._resolved(entry, record, why)
            status, unreadable = self._status(record, why)
            if status is not None and status.is_failed():
                entry.observers.ended(record, "failed", status.charged)
        # The search for a lost purchase may have ended in the go-ahead to buy.
        why = occasion(record, fingerprints=self._fingerprints, max_tries=self._attempt.max_tries)
        what = found(record, status)
        action = decide(what, why, self._policy, record, status)
        self._log.info("%s", self._summary(record, what, why, action, status))
        if action is Action.BUY:
            if why is Occasion.CLEARED_OTHER and self._claimed is not None:
                # The record was found by its place. It may belong to a purchase that this task makes later,
                # so it stays, and the new purchase gets an entry of its own.
                return self._buy(mine.free, mine.stale)
            return self._buy(entry, record)
        if action is Action.LATER:
            raise unreadable_status(_named(record), unreadable)
        if record.receipt is None:
            why_lost = "an earlier try was ended before its answer was recorded"
            raise self._lost.error(record, why_lost, earlier=True)
        if action is Action.STOP and record.receipt.ref is not None and status is not None:
            unless_ready(record.receipt.ref, status, buyer=True)
        return Settled(entry, self._answered(entry, record, why), record.receipt, status)

    def _warn_if_changed(self, record: Record) -> None:
        if record.fingerprint not in self._fingerprints:
            self._log.warning(
                "The request differs from the one that try %d %s (a changing value in it, or an edited "
                "DAG?). A retry continues with that purchase. Clear the task to buy the new request.",
                record.try_number,
                "sent" if record.receipt is None else "bought",
            )

    def _mine(self) -> Match:
        found = match(self._ledger, self._attempt, self._request, self._claimed)
        if found.record is None and found.stale is not None:
            self._log.info(
                "The ledger has a purchase of try %d of a run of the same name that was deleted since (%s); "
                "this run buys its own. If none was deleted, another Airflow deployment shares the ledger.",
                found.stale.try_number,
                _named(found.stale),
            )
        return found

    def _answered(self, entry: Entry, record: Record, why: Occasion) -> Record:
        """Record that this Clear has been acted upon, so that the retries that follow it count as retries."""
        if why is Occasion.RETRY:
            return record
        record = record.model_copy(update={"max_tries": self._attempt.max_tries})
        entry.write(record, patiently=True)
        return record

    def _resolved(self, entry: Entry, record: Record, why: Occasion) -> Record:
        """Find out what became of an intent, where that is possible."""
        if record.receipt is not None:
            return record
        if self._lost.shows(record):
            return self._keep(entry, record, Receipt(ref=record.lookup, cost=record.cost))
        # A Clear is a person's decision, which needs no search.
        return self._lost.searched(entry, record) if why is Occasion.RETRY else record

    def _status(self, record: Record, why: Occasion) -> tuple[JobStatus | None, VidaiError | None]:
        if record.receipt is None or record.receipt.ref is None:
            return None, None
        ref = record.receipt.ref
        until = min(self._until, self._clock() + self._patience) if why is Occasion.RETRY else self._until
        try:
            # One answer that the job isn't there is no reason to give it up, let alone to buy it again.
            return confirmed(ref, self._calls.check, lambda pause: self._sleep_in_time(pause, until)), None
        except VidaiError as error:
            self._log.warning("The status of %s cannot be read now: %s", record.receipt.ref, error)
            return None, error

    def _sleep_in_time(self, seconds: float, until: float) -> None:
        """Sleep, unless the time would be up before the sleep ends."""
        if self._clock() + seconds >= until:
            raise ApiError("There is no time left to check whether this answer is final.", retryable=True)
        self._sleep(seconds)

    def _buy(self, entry: Entry, before: Record | None) -> Settled:
        """Send the purchase, again only if the vendor did not process it.

        :param before: what a withdrawn intent gives way to in ``entry``.
        """
        for resend in range(MAX_SENDS):
            # Priced again before each send: a price or a balance may have changed during the pause.
            offer = self._offered()
            record = self._intent(offer)
            # If this write fails, nothing is sent. If it succeeds, no later try buys unknowingly.
            try:
                record = entry.begin(record)
            except Elsewhere as found:
                return self._attached(entry, record, found)
            try:
                # Only now can others see it: whoever has begun the same meanwhile buys it.
                entry.observers.begun(record)
                receipt = self._calls.send(offer.call)
            except ApiError as error:
                if error.processed == "maybe":
                    return self._after_lost(entry, record, error)
                # The intent goes first: a worker that is killed while it waits must not leave one behind.
                self._withdraw(entry, before)
                self._wait_to_resend(error, resend)
                continue
            # The vendor refused the request, or the task was asked to stop before it was sent: there is no
            # job.
            except (InputError, JobError, RateWait, LedgerError):
                self._withdraw(entry, before)
                raise
            kept = self._keep(entry, record, receipt)
            # No status yet: the job was bought just now, and no vendor finishes one at once.
            return Settled(entry, kept, receipt)
        raise AssertionError("the last refusal raises")

    def _attached(self, entry: Entry, record: Record, found: Elsewhere) -> Settled:
        """Record that another task has bought the same, and use that."""
        # What it cost is that task's cost, and that task is called when the job has ended.
        receipt = found.receipt.model_copy(update={"cost": None})
        changes = {"phase": "bought", "receipt": receipt, "notes": found.notes, "bought_at": self._clock()}
        gone = {"cost": None, "lookup": None, "books": None, "calls_back": False}
        record = record.model_copy(update={**changes, **gone})
        entry.attach(record)
        self._log.info("%s was bought by another task; nothing more is bought.", receipt.ref or "The same")
        return Settled(entry, record, receipt)

    def _intent(self, offer: Offer) -> Record:
        return Record(
            phase="intent",
            fingerprint=self._fingerprints[0],
            vendor=self._vendor,
            kind=self._kinds[0],
            ordinal=self._request.ordinal,
            nonce=uuid.uuid4().hex,
            run=self._attempt.run,
            deployment=self._attempt.deployment,
            try_id=self._attempt.id,
            try_number=self._attempt.number,
            max_tries=self._attempt.max_tries,
            intended_at=self._clock(),
            lookup=offer.lookup,
            **offer.facts,
        )

    def _offered(self) -> Offer:
        """Return the purchase. A rate limit on the calls that prepare it counts like one on the purchase."""
        try:
            return self._calls.offer()
        except ApiError as error:
            if error.retryable and (error.retry_after or 0.0) > self._longest_sleep:
                raise RateWait(error.retry_after or 0.0, str(error)) from None
            raise

    def _wait_to_resend(self, error: ApiError, resend: int) -> None:
        """Wait before sending again, or raise; nothing was bought."""
        pause = error.retry_after if error.retry_after is not None else 2.0**resend
        last = resend == MAX_SENDS - 1
        if last and error.status == 429:  # in a crowd this is no failure, but it calls for a real pause
            pause = max(pause, MAX_SLEEP_SECONDS + 1.0)
        if error.retryable and pause > self._longest_sleep:
            raise RateWait(pause, str(error))
        # The error of one call cannot say what a purchase cost. Here the answer proves that it cost nothing.
        if not error.retryable or last:
            raise error.changed(fate=MONEY["no"]) from error.__cause__
        self._log.info("%s Nothing was bought; sending again in %.0f s.", error, pause)
        self._sleep(pause)

    def _after_lost(self, entry: Entry, record: Record, error: ApiError) -> Settled:
        if self._lost.shows(record):
            assert record.lookup is not None
            receipt = Receipt(ref=record.lookup, cost=record.cost)
            return Settled(entry, self._keep(entry, record, receipt), receipt)
        raise self._lost.sent(entry, record, str(error))

    def _keep(self, entry: Entry, record: Record, receipt: Receipt) -> Record:
        """Record what was bought, once its id is in the log, where a person can find it without a record."""
        # A failed write does not fail the try: a retry would find only an intent, and stop.
        bought = record.model_copy(update={"phase": "bought", "receipt": receipt, "bought_at": self._clock()})
        what = receipt.ref or f"{self._label} {self._kinds[0]}"
        self._log.info("Bought: %s%s.", what, bought_for(receipt.cost, self._label))
        for pause in (*RECORD_RETRY_PAUSES, None):
            try:
                entry.write(bought)
                break
            except LedgerError as error:
                if pause is None:
                    self._log.error(
                        "%s. The job is paid for and this try goes on with it, but a retry would find no "
                        "record of %s.",
                        error,
                        what,
                    )
                else:
                    self._sleep(pause)
        return bought

    def _withdraw(self, entry: Entry, before: Record | None) -> None:
        """Remove the intent and restore the record that it replaced."""
        try:
            entry.write(before, patiently=True)
        except LedgerError as error:
            self._log.error("%s. Nothing was bought, but a retry will find the intent and stop.", error)

    def _summary(
        self, record: Record, what: Found, why: Occasion, action: Action, status: JobStatus | None
    ) -> str:
        age = self._clock() - (record.bought_at or record.intended_at)
        says = f", the vendor reports {status.vendor_status!r}" if status else ""
        done = "sent" if record.receipt is None else "bought"
        kept = ""
        if action is Action.REUSE and why is Occasion.CLEARED and self._policy.on_clear == "fresh":
            # Only its own process learns that a task ended in success, and then marks the record as done.
            kept = " Airflow did not report that the task had succeeded, so its purchase is not repeated."
        return (
            f"{_named(record)}: {done} by try {record.try_number}, {age:.0f} s ago"
            f"{says} ({what.value}; {why.value}). This try will {action.value}.{kept}"
        )


def _named(record: Record) -> str:
    if record.receipt is None:
        return "A purchase of unknown outcome"
    return str(record.receipt.ref or "The purchase")
