"""The durable record of a task's purchase."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from airflow_provider_vidai.errors import LedgerError
from airflow_provider_vidai.models import JobRef, Receipt

#: The one key under which a task's purchase is kept.
LEDGER_KEY = "vidai_purchase"


class Record(BaseModel):
    """What is known about the one purchase of a task.

    :param phase: ``intent`` (about to be sent, perhaps sent), ``bought`` (the vendor confirmed),
        ``done`` (the task returned its result).
    :param fingerprint: of the request, the connection and the base URL.
    :param try_id: the try that wrote the intent; likewise ``try_number``.
    :param max_tries: as it was then; it grows when a person clears the task.
    :param intended_at: seconds since the epoch; likewise ``bought_at``.
    :param lookup: by what a purchase with an unknown outcome can be found again, where that is possible.
    """

    model_config = ConfigDict(frozen=True)

    phase: Literal["intent", "bought", "done"]
    fingerprint: str
    try_id: str = ""
    try_number: int
    max_tries: int
    intended_at: float
    bought_at: float | None = None
    lookup: JobRef | None = None
    receipt: Receipt | None = None


class Store(Protocol):
    """Durable storage that belongs to one task instance and outlives its tries."""

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none; raise when that cannot be told."""

    def add(self, key: str, value: JsonValue) -> None:
        """Write a new value after the one before, or raise; also when another try just added one."""

    def set(self, key: str, value: JsonValue) -> None:
        """Write the current value anew, or raise."""

    def delete(self, key: str) -> None:
        """Remove the value, or raise."""

    def forget(self, key: str) -> None:
        """Let there be no value, whatever was before it, or raise; also when another try just added one."""


class MemoryStore:
    """Storage for a task that has none: it lasts as long as the process."""

    def __init__(self) -> None:
        self._values: dict[str, JsonValue] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value, or None."""
        return self._values.get(key)

    def add(self, key: str, value: JsonValue) -> None:
        """Keep the value."""
        self._values[key] = value

    def set(self, key: str, value: JsonValue) -> None:
        """Keep the value."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Forget the value."""
        self._values.pop(key, None)

    forget = delete


class Ledger:
    """Reads and writes the record; failing to read is never taken for "there is none"."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> Record | None:
        """Return the record of this task's purchase, or None when nothing was ever bought.

        :raises LedgerError: when it cannot be read or understood.
        """
        value = self._guarded("read", self._store.get, LEDGER_KEY)
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
        self._guarded("written", self._store.add, LEDGER_KEY, record.model_dump(mode="json"))

    def write(self, record: Record) -> None:
        """Make ``record`` the task's record.

        :raises LedgerError: when it was not written.
        """
        self._guarded("written", self._store.set, LEDGER_KEY, record.model_dump(mode="json"))

    def withdraw(self) -> None:
        """Remove the record: it is proved that nothing was bought.

        :raises LedgerError: when it could not be removed.
        """
        self._guarded("cleared", self._store.delete, LEDGER_KEY)

    def forget(self) -> None:
        """Let this task have no record: the one that was read is not its own.

        :raises LedgerError: when that could not be done, or another try of the task is about to buy.
        """
        self._guarded("cleared", self._store.forget, LEDGER_KEY)

    @staticmethod
    def _guarded(done: str, action: Any, *args: Any) -> Any:
        try:
            return action(*args)
        except Exception as error:
            raise LedgerError(f"The ledger of this task could not be {done}: {error}") from error
