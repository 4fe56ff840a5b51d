"""The ledger of a task that has no durable storage."""

from __future__ import annotations

from pydantic import JsonValue

from airflow_provider_vidai.stores.backend import Backend


class MemoryStore:
    """Storage for a task that has none: it lasts as long as the process."""

    def __init__(self) -> None:
        self._values: dict[str, JsonValue] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value, or None."""
        return self._values.get(key)

    def set(self, key: str, value: JsonValue) -> None:
        """Keep the value."""
        self._values[key] = value

    def add(self, key: str, value: JsonValue) -> None:
        """Keep the value."""
        self._values[key] = value

    def retract(self, key: str, value: JsonValue) -> None:
        """Do nothing: ``add`` does not fail."""

    def place(self, key: str) -> None:
        """Return None: there is one value."""

    def take(self, key: str, place: int) -> None:
        """Do nothing: there is one value."""


BACKEND = Backend(
    applies=lambda _: True,
    open=lambda _context, _lap: MemoryStore(),
    # Nothing outlives the process, so no record can be a deleted run's.
    ends_with_run=True,
    warning=(
        "Nothing remembers what this task buys, so a retry after a crash would buy again: this Airflow has "
        "no task state store (it came with 3.3), and [vidai] ledger_path is not set."
    ),
)
