"""The durable records of a task's purchases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from airflow_provider_vidai.errors import LedgerError
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.purchase.identity import Attempt, Run, Whose, whose

#: The key of a task's first purchase; the keys of further ones add a dot and their number, from 2.
LEDGER_KEY = "vidai_purchase"


class Record(BaseModel):
    """What is known about one purchase of a task.

    :param phase: ``intent`` (about to be sent, perhaps sent), ``bought`` (the vendor confirmed),
        ``done`` (Airflow has the task's result, or there is nothing left to get from the purchase).
    :param fingerprint: of the request, the connection and the base URL.
    :param vendor: where it was bought; "" in records of version 0.1, likewise ``kind``.
    :param ordinal: which purchase of this vendor and kind it was within its try, from 0.
    :param nonce: distinguishes this record from every other one.
    :param run: the DAG run; None in records of version 0.1.
    :param try_id: the try that wrote the intent; likewise ``try_number``.
    :param max_tries: the task's, when the record was written; it grows when a person clears the task.
    :param intended_at: seconds since the epoch; likewise ``bought_at``.
    :param lookup: the job that shows whether a purchase with an unknown outcome arrived, where the vendor
        offers a lookup.
    :param calls_back: whether the vendor was given an address of this deployment to call when the job ends.
    """

    model_config = ConfigDict(frozen=True)

    phase: Literal["intent", "bought", "done"]
    fingerprint: str
    vendor: str = ""
    kind: str = ""
    ordinal: int = 0
    nonce: str = ""
    run: Run | None = None
    try_id: str = ""
    try_number: int
    max_tries: int
    intended_at: float
    bought_at: float | None = None
    lookup: JobRef | None = None
    calls_back: bool = False
    receipt: Receipt | None = None

    @property
    def ref(self) -> JobRef | None:
        """The job that was bought, or perhaps bought, if it is known."""
        return self.lookup if self.receipt is None else self.receipt.ref

    def buys(self, vendor: str, kinds: tuple[str, ...]) -> bool:
        """Whether this is a purchase of one of ``kinds`` at ``vendor``."""
        known_vendor = self.vendor or (self.ref.vendor if self.ref else "")
        known_kind = self.kind or (self.ref.kind if self.ref else "")
        # An intent of version 0.1 does not say what it was about to buy, so it may be this purchase.
        return known_vendor in ("", vendor) and known_kind in ("", *kinds)


class Store(Protocol):
    """Durable storage that belongs to one task instance and outlives its tries."""

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none; raise when it cannot be read."""

    def add(self, key: str, value: JsonValue) -> None:
        """Write a new value after the one that was read; raise when that failed or another try was faster."""

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the current value, which this try wrote, or raise. None removes it."""


class Entry:
    """The place of one purchase in the ledger."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self.key = key

    def read(self) -> Record | None:
        """Return the record, or None when there is none.

        :raises LedgerError: when it cannot be read or understood.
        """
        value = self._guarded("read", self._store.get)
        if value is None:
            return None
        try:
            return Record.model_validate(value)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False)
            raise LedgerError(f"The ledger of this task cannot be understood: {problems}") from None

    def begin(self, record: Record) -> None:
        """Write the intent of a new purchase.

        :raises LedgerError: when it was not written, or another try of the task is about to buy.
        """
        self._guarded("written", self._store.add, record.model_dump(mode="json"))

    def write(self, record: Record | None) -> None:
        """Replace the record, which this try wrote. None removes it: nothing was bought.

        :raises LedgerError: when it was not written.
        """
        self._guarded("written", self._store.set, None if record is None else record.model_dump(mode="json"))

    def _guarded(self, done: str, action: Any, *args: Any) -> Any:
        try:
            return action(self.key, *args)
        except LedgerError:
            raise
        except Exception as error:
            raise LedgerError(f"The ledger of this task could not be {done}: {error}") from error


class Ledger:
    """The purchases of one task instance, in the order in which they were first made.

    A failed read raises: it never counts as "there is no record", because that would buy again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def entry(self, number: int = 1) -> Entry:
        """Return the place of the ``number``-th purchase."""
        return Entry(self._store, LEDGER_KEY if number == 1 else f"{LEDGER_KEY}.{number}")

    def entries(self) -> Iterator[tuple[Entry, Record | None]]:
        """Yield each entry with its record; the last one is empty.

        The first empty entry is the end, so a record that is removed must be the last one: purchases of one
        task in several threads take turns for that reason.

        :raises LedgerError: when one cannot be read or understood.
        """
        number, record = 0, None
        while number == 0 or record is not None:
            number += 1
            entry = self.entry(number)
            record = entry.read()
            yield entry, record

    def find(self, attempt: Attempt, wanted: Callable[[Record, Whose], bool]) -> tuple[Entry, Record] | None:
        """Return the last record of this run for which ``wanted`` returns True.

        :raises LedgerError: when one cannot be read or understood.
        """
        found = None
        for entry, record in self.entries():
            who = Whose.DELETED if record is None else whose(record, attempt)
            if record is not None and who is not Whose.DELETED and wanted(record, who):
                found = (entry, record)
        return found
