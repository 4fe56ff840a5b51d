"""The durable records of a task's purchases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pydantic import JsonValue, ValidationError

from airflow_provider_vidai.errors import LedgerError
from airflow_provider_vidai.purchase.identity import Attempt, Whose, whose
from airflow_provider_vidai.purchase.observe import NOBODY, Observers
from airflow_provider_vidai.purchase.patience import Taken, once
from airflow_provider_vidai.purchase.record import NOT_BOUGHT, Record

#: The key of a task's first purchase; the keys of further ones add a dot and their number, from 2.
LEDGER_KEY = "vidai_purchase"


class Store(Protocol):
    """Durable storage that belongs to one task instance and outlives its tries."""

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none; raise when it cannot be read."""

    def add(self, key: str, value: JsonValue) -> None:
        """Write a new value after the one that was read.

        A failed call can be repeated with the same value: it may have taken effect, its answer being lost.

        :raises Taken: another try was faster.
        """

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the current value, which this try wrote, or raise. None removes it."""

    def retract(self, key: str, value: JsonValue) -> None:
        """Make sure that a value whose ``add`` failed is not there, and does not appear later; or raise.

        What another try has written stays.
        """

    def place(self, key: str) -> int | None:
        """Return the number of the current value, or None where all values of a key share one place.

        Where each ``add`` makes a place of its own, no ``set`` for one purchase can replace another one.
        """

    def take(self, key: str, place: int) -> None:
        """Make the value in a place that is known from before the current one, without reading it."""


class Entry:
    """The place of one purchase in the ledger.

    :param patience: waits while the storage fails.
    :param observers: are notified of what happens to the purchase.
    :param known: returns the nonces of all purchases in the ledger.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        patience: Callable[[Callable[[], Any]], Any] = once,
        observers: Observers = NOBODY,
        known: Callable[[], set[str]] = set,
    ) -> None:
        self._store = store
        self._patience = patience
        self.key = key
        self.observers = observers
        self._known = known
        #: The record as the storage has it, as far as this try knows.
        self._stored: Record | None = None
        #: The purchase that this try has begun.
        self._begun: Record | None = None

    def memo(self, record: Record) -> dict[str, JsonValue] | None:
        """Return what :meth:`Ledger.reopened` needs; None where ``record`` is not in a place of its own."""
        place = self._store.place(self.key)
        if place is None or record != self._stored:
            return None
        return {"key": self.key, "place": place, "record": record.model_dump(mode="json")}

    def read(self) -> Record | None:
        """Return the record, or None when there is none.

        :raises LedgerError: when it cannot be read or understood.
        """
        return self._read(self._patience)

    def _read(self, patience: Callable[[Callable[[], Any]], Any]) -> Record | None:
        value = self._guarded("read", lambda: patience(lambda: self._store.get(self.key)))
        try:
            self._stored = None if value is None else Record.model_validate(value)
        except ValidationError as error:
            # The stored value stays out of the message: it can be long, and it holds a sealed URL.
            problems = error.errors(include_input=False, include_url=False)
            raise LedgerError(f"The ledger of this task cannot be understood: {problems}") from None
        return self._stored

    def begin(self, record: Record) -> Record:
        """Write the intent of a new purchase; return it with the notes of its observers.

        :raises LedgerError: when it was not written, or another try of the task is about to buy.
        :raises VidaiError: when an observer refuses the purchase; nothing was written.
        """
        notes = self.observers.begins(record, self._stored, self._known)
        record = record.model_copy(update={"notes": notes})
        value = record.model_dump(mode="json")
        try:
            self._guarded("written", lambda: self._patience(lambda: self._store.add(self.key, value)))
        except BaseException as error:
            if not isinstance(error.__cause__, Taken):
                # Nothing was sent, but the intent may be there, and each later try would stop at it. The
                # error that is raised matters more than one in removing the intent.
                with contextlib.suppress(Exception):
                    self._store.retract(self.key, value)
            # Nothing is sent without an intent.
            self.observers.withdrawn(record, begun=False)
            raise
        self._begun = record
        return record

    def attach(self, record: Record) -> None:
        """Write that this task uses what another one has bought.

        :raises LedgerError: when it was not written, or another try of the task is about to buy.
        """
        value = record.model_dump(mode="json")
        self._guarded("written", lambda: self._patience(lambda: self._store.add(self.key, value)))
        self._stored = record

    def write(self, record: Record | None, *, patiently: bool = False) -> None:
        """Replace the record, which this try wrote. None removes it: nothing was bought.

        :param patiently: wait while the storage fails; only where no job is unrecorded meanwhile. Where
            purchases share a place, a repeated write could replace another try's, so it is made once.
        :raises LedgerError: when it was not written.
        """
        value = None if record is None else record.model_dump(mode="json")
        waits = patiently and self._store.place(self.key) is not None
        patience = self._patience if waits else once
        before = self._stored
        try:
            self._guarded("written", lambda: patience(lambda: self._store.set(self.key, value)))
            self._stored = record
        finally:
            # Even if the write failed: what it was to record has happened.
            self._notify(record)
        if record is not None and record.receipt is not None:
            # If this try did not send it, nobody knew until now what became of it.
            late = self._begun is None and before is not None and before.receipt is None
            self.observers.recorded(record, late=late)

    def annul(self, record: Record) -> Record:
        """Record that a purchase of unknown outcome was not made, so that the next try buys.

        :raises LedgerError: when it was not written.
        """
        annulled = record.model_copy(update={"max_tries": NOT_BOUGHT})
        self.write(annulled)
        self.observers.withdrawn(record, begun=True)
        return annulled

    def finish(self, record: Record) -> None:
        """Record that a purchase is over: clearing its task buys again. Another purchase's record stays.

        :raises LedgerError: when it was not written.
        """
        self.update(record.model_copy(update={"phase": "done"}))

    def update(self, record: Record) -> None:
        """Record what else is known about a purchase. Another purchase's record stays.

        :raises LedgerError: when it was not written.
        """
        # Where all values share one place, another try's purchase may stand there by now.
        if self._store.place(self.key) is None:
            now = self._read(once)
            if now is None or now.nonce != record.nonce:
                return
        self.write(record)

    def _notify(self, record: Record | None) -> None:
        if self._begun is not None and (record is None or record.nonce != self._begun.nonce):
            self.observers.withdrawn(self._begun, begun=True)
            self._begun = None
        elif record is not None and record.phase == "bought" and record.receipt is not None:
            self.observers.bought(record)

    def _guarded(self, done: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except LedgerError:
            raise
        # Object storage and Airflow's store each have errors of their own. Whatever the error is, the record
        # is unknown, and the purchase must not go on as if there were none.
        except Exception as error:
            raise LedgerError(f"The ledger of this task could not be {done}: {error}") from error


class Ledger:
    """The purchases of one task instance, in the order in which they were first made.

    A failed read raises: it never counts as "there is no record", because that would buy again.

    :param patience: waits while the storage fails.
    :param observers: are notified of what happens to the purchases.
    """

    def __init__(
        self,
        store: Store,
        patience: Callable[[Callable[[], Any]], Any] = once,
        observers: Observers = NOBODY,
    ) -> None:
        self._store = store
        self._patience = patience
        self.observers = observers

    def entry(self, number: int = 1) -> Entry:
        """Return the place of the ``number``-th purchase."""
        key = LEDGER_KEY if number == 1 else f"{LEDGER_KEY}.{number}"
        return Entry(self._store, key, self._patience, self.observers, self.nonces)

    def nonces(self) -> set[str]:
        """Return what distinguishes the purchases on record.

        :raises LedgerError: when one cannot be read or understood.
        """
        return {record.nonce for _, record in self.entries() if record is not None}

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

    def reopened(self, memo: Any) -> tuple[Entry, Record] | None:
        """Return the entry and record of an :meth:`Entry.memo` without reading them; None without one.

        Only the try that wrote the memo may use it, which saves that try from reading its own record again.
        """
        try:
            key, place, record = str(memo["key"]), int(memo["place"]), Record.model_validate(memo["record"])
        except (KeyError, TypeError, ValueError):
            return None
        # Where values share one place, it may have been written since. The record has to be read then.
        if self._store.place(key) is None:
            return None
        self._store.take(key, place)
        return Entry(self._store, key, self._patience, self.observers, self.nonces), record

    def find(self, attempt: Attempt, wanted: Callable[[Record, Whose], bool]) -> tuple[Entry, Record] | None:
        """Return the last record of this run for which ``wanted`` returns True.

        :raises LedgerError: when one cannot be read or understood.
        """
        found = None
        for entry, record in self.entries():
            who = Whose.DELETED if record is None else whose(record, attempt)
            if record is not None and who not in (Whose.DELETED, Whose.FOREIGN) and wanted(record, who):
                found = (entry, record)
        return found
