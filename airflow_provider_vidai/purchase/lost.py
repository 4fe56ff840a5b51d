"""Finds out whether a purchase whose answer was lost was made: by its status, or in the vendor's books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from airflow_provider_vidai.errors import LedgerError, LostSubmit, VidaiError
from airflow_provider_vidai.jobs.books import Reading
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.identity import Attempt, Whose, whose
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.limits import SearchWait
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.record import Record, Search
from airflow_provider_vidai.purchase.search import STILL_READINGS, Evidence, Finding, judge
from airflow_provider_vidai.purchase.timing import (
    CLOCKS_DIFFER,
    DAY_SECONDS,
    HISTORY_SECONDS,
    LOOKUP_INTERVAL_SECONDS,
    LOOKUP_SECONDS,
    MAX_SEARCH_READINGS,
    SEARCH_STEP_SECONDS,
)
from airflow_provider_vidai.purchase.verdict import Trace, lost_submit, not_bought


class Books(Protocol):
    """Reads what the vendor's own books say about the account, free of charge."""

    #: Whether nobody else buys on the account, as the connection says.
    sole: bool

    @property
    def account(self) -> str:
        """The account's hash."""

    def read(self, since: float) -> Reading:
        """Read the books.

        :param since: from when on the usage history is read, seconds since the epoch.
        :raises VidaiError: when they can't be read now.
        """


@dataclass(frozen=True)
class Traces:
    """Where traces of a purchase are found whose answer was lost.

    :param check: checks a job's status once.
    :param lacks: whether a status shows that the purchase that was to start the job did not arrive.
    :param books: the vendor's; None where it has none, or where they would prove nothing.
    :param person: how a person finds out whether a purchase was made.
    :param lasting: whether the record of the purchase outlives this process. A search gives the worker back;
        without its record, the next process would take the purchase for one that was never sent.
    """

    check: Callable[[JobRef], JobStatus]
    lacks: Callable[[JobRef, JobStatus], bool] = lambda *_: False
    books: Books | None = None
    person: Callable[[], Trace] = Trace
    lasting: bool = True


class Lost:
    """Finds out what became of purchases whose answer was lost.

    :param label: the vendor's name.
    :param resubmit: whether a retry buys again if the outcome stays unknown.
    :param until: the task's deadline, seconds since the epoch.
    """

    def __init__(
        self,
        label: str,
        traces: Traces,
        attempt: Attempt,
        log: Log,
        *,
        resubmit: bool,
        until: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._label, self._traces, self._attempt = label, traces, attempt
        self._log = log
        self._resubmit = resubmit
        self._until, self._clock, self._sleep = until, clock, sleep

    def shows(self, record: Record) -> bool:
        """Whether the vendor shows the purchase, within a minute from its sending."""
        lookup = record.lookup
        if lookup is None:
            return False
        # A retry that comes later than a minute checks just once.
        until = record.intended_at + LOOKUP_SECONDS
        while True:
            status = self._status(lookup)
            # Only a status that cannot come from before the purchase proves that it arrived.
            if status is not None and status.proven and status.state is not JobState.GONE:
                self._log.info(
                    "%s: the answer to the purchase was lost, but the vendor has the job (%s).",
                    lookup,
                    status.vendor_status,
                )
                return True
            if self._clock() + LOOKUP_INTERVAL_SECONDS > until:
                return False
            self._sleep(LOOKUP_INTERVAL_SECONDS)

    def sent(self, entry: Entry, record: Record, why: str) -> VidaiError:
        """Search for a purchase that this try has sent, whose answer was lost just now.

        :returns: what this try fails with, unless there is something to search in.
        :raises SearchWait: to search again later.
        """
        nowhere = record.lookup is None and (record.books is None or self._traces.books is None)
        if nowhere or not self._traces.lasting:
            return self.error(record, why)
        try:
            record = self._noted(entry, record, Search(why=why, lost_at=self._clock()))
        except LedgerError as trouble:
            # The intent is there, so a later try stops at it.
            self._log.error("%s. The purchase is not searched for.", trouble)
            return self.error(record, why)
        self.searched(entry, record)
        raise AssertionError("the try that sent a purchase decides nothing more about it")

    def searched(self, entry: Entry, record: Record) -> Record:
        """Search for a purchase whose answer was lost; return its record if this try may decide about it.

        Only what the try that sent it noted is searched for: it alone knew that nothing more can be sent.

        :raises SearchWait: to search again later.
        :raises JobError: the purchase was made, or this try is the one that sent it.
        """
        if record.search is None:
            return record
        record, search = self._step(entry, record, record.search)
        # Airflow's retries are the only counter of repeats, so the try that sent it does not send it again.
        own = whose(record, self._attempt) is Whose.OWN
        if search.verdict == "not_bought":
            self._log.info("The purchase whose answer was lost was not made. %s", search.text)
            record = entry.annul(record)
            if own:
                raise not_bought(self._label, record.intended_at, search)
        elif own or search.verdict == "bought":
            raise self.error(record, search.why)
        return record

    def error(self, record: Record, why: str, *, earlier: bool = False) -> LostSubmit:
        """Return the error for a purchase whose outcome is unknown, or whose job is.

        :param earlier: whether an earlier try sent it.
        """
        return lost_submit(
            self._label,
            record.intended_at,
            record.search or Search(why=why, lost_at=self._clock()),
            trace=self._traces.person(),
            resubmit=self._resubmit,
            earlier=record.try_number if earlier and record.search is None else None,
        )

    def _step(self, entry: Entry, record: Record, search: Search) -> tuple[Record, Search]:
        """Search once, unless the search has ended."""
        if search.verdict is not None:
            return record, search
        # The next reading would come after the deadline, so this one has to decide.
        late = self._clock() + SEARCH_STEP_SECONDS >= self._until
        last = late or search.readings + 1 >= MAX_SEARCH_READINGS
        search, found = self._judged(entry, record, search, last)
        if found.verdict == "wait":
            self._noted(entry, record, search)
            raise SearchWait(SEARCH_STEP_SECONDS, "The answer to a purchase was lost. It is searched for.")
        search = search.model_copy(update={"verdict": found.verdict, "text": found.text})
        return self._noted(entry, record, search), search

    def _judged(self, entry: Entry, record: Record, search: Search, last: bool) -> tuple[Search, Finding]:
        search = search.model_copy(update={"readings": search.readings + 1})
        if record.lookup is not None:
            return self._by_status(record.lookup, search, last)
        books = self._traces.books
        # Another key may lead to another account, whose balance says nothing.
        if books is None or record.books is None or record.books.account != books.account:
            return search, Finding("unknown")
        # The other purchases first: what has ended by then is in the balance that is read afterwards.
        beside = entry.observers.beside(record)
        since = record.intended_at - HISTORY_SECONDS
        try:
            reading = books.read(since)
        except VidaiError as error:
            self._log.warning("The account's books cannot be read now: %s", error)
            return search, Finding("unknown" if last else "wait")
        now = reading.amount
        lowest = now if search.lowest is None else min(search.lowest, now)
        still = search.still + 1 if search.now == now else 1
        search = search.model_copy(update={"now": now, "lowest": lowest, "still": still})
        cost, unit = Cost.of(record.cost), record.books.unit
        amount = cost.usd if unit == "usd" else cost.amount if cost.unit == unit else None
        seen = record.books.seen
        new = None
        if reading.charges is not None and seen is not None:
            new = [charge for charge in reading.charges if charge.key not in seen]
        return search, judge(
            Evidence(
                before=record.books.amount,
                now=now,
                lowest=lowest,
                readings=still,
                moved=still < search.readings,
                unit=unit,
                hidden=reading.hidden or reading.unit != unit,
                renewed=(record.books.renewed or reading.renewed) and self._midnight_since(record),
                beside=beside,
                price=None if amount is None else Decimal(str(amount)),
                model=record.model,
                charges=new,
                sole=books.sole,
                last=last,
            )
        )

    def _midnight_since(self, record: Record) -> bool:
        """Whether a day may have ended in UTC, by whichever clock, since a purchase was sent."""
        begun, now = record.intended_at - CLOCKS_DIFFER, self._clock() + CLOCKS_DIFFER
        return begun // DAY_SECONDS != now // DAY_SECONDS

    def _by_status(self, lookup: JobRef, search: Search, last: bool) -> tuple[Search, Finding]:
        status = self._status(lookup)
        lacks = status is not None and self._traces.lacks(lookup, status)
        search = search.model_copy(update={"still": search.still + 1 if lacks else 0})
        if search.still >= STILL_READINGS and status is not None:
            return search, Finding(
                "not_bought", f"The vendor still says {status.vendor_status!r} about {lookup.job_id}."
            )
        return search, Finding("unknown" if last or not lacks else "wait")

    def _status(self, lookup: JobRef) -> JobStatus | None:
        try:
            return self._traces.check(lookup)
        except VidaiError as error:
            self._log.warning("The status check of %s failed: %s", lookup, error)
            return None

    @staticmethod
    def _noted(entry: Entry, record: Record, search: Search) -> Record:
        record = record.model_copy(update={"search": search})
        entry.write(record)
        return record
