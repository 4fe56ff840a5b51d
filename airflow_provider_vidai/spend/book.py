"""The book of purchases: one small JSON file for each, under ``ledger_path/book/YYYY/MM/DD/``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from airflow_provider_vidai import __version__
from airflow_provider_vidai.errors import FREE, Charged
from airflow_provider_vidai.jobs.cost import Cost, Source, Unit
from airflow_provider_vidai.purchase.observe import Buyer, Outcome
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.search import Beside
from airflow_provider_vidai.spend.files import Files
from airflow_provider_vidai.spend.reuse import is_shared

#: The folder of the book below ``[vidai] ledger_path``.
FOLDER: Final = "book"
#: The key of a record's notes under which it keeps what was in the book when its balance was read.
BEGUN: Final = "begun"
#: How many names a record keeps there at most; beyond that the purchase can't be searched for by the balance.
_MOST_BEGUN = 2000
#: Seconds after which no job gives its price back any more; the longest ones take half an hour.
_LONGEST_JOB = 4 * 3600.0
#: Seconds by which clocks may differ where days are listed.
_CLOCKS = 3600.0
#: Files that are read at the same time.
_AT_ONCE = 16


class Line(BaseModel):
    """One purchase. It holds no prompt, no URL and no secret. Times are ISO 8601 in UTC.

    :param id: of the purchase; also the file's name.
    :param account: hash of the base URL and the key.
    :param entry: the key of its record in the task's ledger.
    :param outcome: ``sent`` (its outcome is not known), ``running``, ``ready``, ``failed``, ``gone``, or
        ``not_bought``.
    :param charged: ``maybe``, ``yes``, ``no`` or ``refunded``.
    :param amount: None where the cost is not known; then ``reason`` says why.
    :param usd: the amount in USD, where that is known.
    :param package: the version of this package that wrote the line.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    id: str
    vendor: str
    account: str | None = None
    connection: str = ""
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    lap: str = ""
    try_number: int = 0
    entry: str = ""
    job_id: str | None = None
    kind: str = ""
    model: str | None = None
    outcome: Literal["sent", "running", "ready", "failed", "gone", "not_bought"] = "sent"
    charged: Charged = "maybe"
    amount: float | None = None
    unit: Unit | None = None
    usd: float | None = None
    source: Source = "unknown"
    reason: str | None = None
    began_at: str
    bought_at: str | None = None
    ended_at: str | None = None
    package: str = __version__

    @property
    def spent(self) -> bool:
        """Whether the purchase counts as spent; a charge that is not known counts."""
        # A purchase of unknown outcome is counted apart, as unresolved, because it may never have been made.
        return self.outcome not in ("sent", "not_bought") and self.charged not in FREE

    @property
    def day(self) -> str:
        """The day of the purchase in UTC."""
        return (self.bought_at or self.began_at)[:10]

    @property
    def cost(self) -> Cost:
        """The cost."""
        return Cost.model_validate(self.model_dump(include={"amount", "unit", "usd", "source", "reason"}))


class Book:
    """Reads and writes the book."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def write(self, line: Line, *, new: bool = False) -> None:
        """Write a line.

        :raises Exception: whatever the storage raises.
        """
        value = line.model_dump(mode="json")
        (self._files.create if new else self._files.replace)(_name(line.id, line.began_at), value)

    def find(self, record: Record) -> Line | None:
        """Return the line of a ledger's record; None where there is none that can be read."""
        return _line(self._files.read(_name(record.nonce, moment(record.intended_at))))

    def lines(self, since: datetime, until: datetime) -> Iterator[Line]:
        """Yield the lines of purchases that began between two moments, by day."""
        # Texts in this form, all in UTC and of one length, sort like the moments that they name.
        first, last = moment(since.timestamp()), moment(until.timestamp())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for names in self._names(since, until):
                for line in map(_line, pool.map(self._files.read, names)):
                    if line is not None and first <= line.began_at <= last:
                        yield line

    def ids(self, since: datetime, until: datetime) -> list[str]:
        """Return what purchases of these days are called in short, without reading them."""
        return [_short(name.rpartition("/")[2]) for names in self._names(since, until) for name in names]

    def _names(self, since: datetime, until: datetime) -> Iterator[list[str]]:
        # The folders are days in UTC, whatever zone the moments are in.
        day, last = (one.astimezone(timezone.utc).date() for one in (since, until))
        while day <= last:
            folder = day.strftime("%Y/%m/%d")
            yield [f"{folder}/{name}" for name in self._files.names(folder)]
            day += timedelta(days=1)


class BookKeeper:
    """Writes one task's purchases into the book. It is no guard: trouble with the book is logged only."""

    def __init__(self, buyer: Buyer, book: Book) -> None:
        self._buyer = buyer
        self._book = book
        #: The line of the purchase that is being sent, which nobody else writes before that is done.
        self._sent: Line | None = None

    def begins(
        self,
        record: Record,
        replaced: Record | None,  # noqa: ARG002
        known: Callable[[], set[str]],  # noqa: ARG002
    ) -> dict[str, JsonValue]:
        """Write that a purchase is about to be sent."""
        line = self._new(record)
        try:
            self._book.write(line, new=True)
        except Exception as error:  # noqa: BLE001 - the purchase itself is on record in the ledger
            self._buyer.log.warning(
                "The book of purchases could not be written: %s: %s", type(error).__name__, error
            )
            return {}
        self._sent = line
        return {} if record.books is None else self._already_begun(record)

    def _already_begun(self, record: Record) -> dict[str, JsonValue]:
        """Note which purchases are in the book by now, after the balance was read.

        Each purchase is in the book before it is sent. So what is not there yet is sent after that balance,
        whatever the machines' clocks say.
        """
        try:
            begun = self._book.ids(*_around(record))
        except Exception as error:  # noqa: BLE001 - then the purchase could not be searched for
            self._buyer.log.warning("The book could not be read: %s: %s", type(error).__name__, error)
            return {}
        return {BEGUN: [*begun]} if len(begun) <= _MOST_BEGUN else {}

    def beside(self, record: Record) -> tuple[Beside, ...] | None:
        """Return the account's other purchases since hours before this one; None where they are not known."""
        begun, books = record.notes.get(BEGUN), record.books
        if not isinstance(begun, list) or books is None:
            return None
        account = self._buyer.account()
        lines = [
            line
            for line in self._book.lines(*_around(record, until=time.time()))
            if line.vendor == self._buyer.vendor
            # A line that names no account may be of this one, so it counts.
            and line.account in (None, account)
            and line.id != record.nonce
            and line.outcome != "not_bought"
        ]
        return tuple(_beside(line, books.unit, later=_short(line.id) not in begun) for line in lines)

    def withdrawn(self, record: Record, *, begun: bool) -> None:  # noqa: ARG002
        """Write that nothing was bought."""
        self._book.write(
            self._found(record).model_copy(
                update={"outcome": "not_bought", "charged": "no", "ended_at": _now()}
            )
        )

    def bought(self, record: Record) -> None:
        """Write which job was bought, and for how much."""
        if is_shared(record):
            return  # it is in the book as the purchase of the task that made it
        sent, self._sent = self._sent, None
        line = sent if sent and sent.id == record.nonce else self._found(record)
        receipt = record.receipt
        # A purchase may be reported again after its job has ended. What the book knows by then stays.
        if line.outcome != "sent" or receipt is None:
            return
        ref = receipt.ref
        self._book.write(
            line.model_copy(
                update={
                    **_priced(receipt.cost),
                    "outcome": "running",
                    "job_id": ref.job_id if ref else None,
                    "kind": ref.kind if ref else record.kind,
                    "bought_at": moment(record.bought_at or record.intended_at),
                }
            )
        )

    def ended(
        self, record: Record, outcome: Outcome, charged: Charged, cost: Mapping[str, JsonValue] | None
    ) -> None:
        """Write how the job ended."""
        if is_shared(record):
            return
        line = self._found(record)
        known = _priced(cost) if Cost.of(cost).known else {}
        changes = {**known, "outcome": outcome, "charged": charged}
        # The same end may be reported by every later try, and each write is a request to the storage.
        if any(getattr(line, name) != value for name, value in changes.items()):
            self._book.write(line.model_copy(update={**changes, "ended_at": line.ended_at or _now()}))

    def _new(self, record: Record) -> Line:
        buyer = self._buyer
        return Line(
            id=record.nonce,
            vendor=buyer.vendor,
            account=buyer.account(),
            connection=record.conn_id,
            dag_id=buyer.dag_id,
            run_id=buyer.run_id,
            task_id=buyer.task_id,
            map_index=buyer.map_index,
            lap="/".join(buyer.lap),
            try_number=record.try_number,
            kind=record.kind,
            model=record.model,
            began_at=moment(record.intended_at),
            **_priced(record.cost),
        )

    def _found(self, record: Record) -> Line:
        """Return the line as it is in the book, or as it would be had it been written from the beginning."""
        found = self._book.find(record)
        if found is not None:
            return found
        line, receipt = self._new(record), record.receipt
        if receipt is None:
            return line
        job = receipt.ref.job_id if receipt.ref else None
        bought_at = moment(record.bought_at) if record.bought_at else None
        return line.model_copy(update={**_priced(receipt.cost), "job_id": job, "bought_at": bought_at})


def moment(seconds: float) -> str:
    """Return a moment as the book writes it.

    :param seconds: since the epoch.
    """
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def _short(line_id: str) -> str:
    # Two purchases with one short name make the search for one of them less certain, never wrong.
    return line_id[:8]


def _around(record: Record, until: float | None = None) -> tuple[datetime, datetime]:
    """Return the time in which other purchases matter for the balance, with room for clocks that differ.

    :param until: seconds since the epoch.
    """
    last = record.intended_at if until is None else until
    return (
        datetime.fromtimestamp(record.intended_at - _LONGEST_JOB, timezone.utc),
        datetime.fromtimestamp(last + _CLOCKS, timezone.utc),
    )


def _beside(line: Line, unit: Unit, *, later: bool) -> Beside:
    cost = line.usd if unit == "usd" else line.amount if line.unit == unit else None
    return Beside(
        cost=None if cost is None else Decimal(str(cost)),
        model=line.model,
        later=later,
        bought=line.outcome != "sent",
        final=line.outcome in ("ready", "failed") and line.charged == "yes",
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _name(line_id: str, began_at: str) -> str:
    return f"{began_at[:10].replace('-', '/')}/{line_id}.json"


def _line(value: JsonValue) -> Line | None:
    try:
        return Line.model_validate(value)
    except ValidationError:
        return None


def _priced(cost: Mapping[str, JsonValue] | None) -> dict[str, Any]:
    return Cost.of(cost).model_dump()
