"""The ledger in Airflow's task state store, which came with Airflow 3.3."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.purchase.patience import Taken
from airflow_provider_vidai.stores.backend import Backend

#: How long Airflow keeps the ledger. No vendor keeps a job longer.
#: Airflow's own default is 30 days, and a task that is cleared after that would buy again.
RETENTION = timedelta(days=90)


class TaskStateStore:
    """Airflow's task state store (3.3), with a retention of our own.

    Airflow refuses a write by a try that is no longer the current one, which keeps two tries from both
    buying. It can give two tries the same identity, though, when the first one failed while it was queued,
    and the store has no atomic create. ``add`` therefore takes turns, in four steps:

    1. write my name under ``<key>.turn``;
    2. read the value: if it changed since it was read, another try was faster;
    3. write the value;
    4. read the turn: if it is not my name, another try began in between.

    Only the writer that wrote its name last can still pass step 4. Had another passed it before that, the
    last one finds the other's value in step 2. Nothing is sent before step 4. An ``add`` that is repeated
    after step 3 keeps its turn, and stops if another try has taken one since.

    :param accessor: Airflow's own.
    :param lap: what distinguishes the lap of a loop, and the part of the task; empty for neither.
    """

    def __init__(self, accessor: Any, lap: Sequence[str] = ()) -> None:
        self._accessor = accessor
        self._suffix = "".join(f".{name}" for name in lap)
        self._read: dict[str, JsonValue] = {}
        #: The name that this try wrote last under each turn, and the value that it began to write then.
        self._turns: dict[str, str] = {}
        self._begun: dict[str, JsonValue] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none."""
        value: JsonValue = self._accessor.get(key + self._suffix)
        self._read[key] = value
        return value

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value after the one that was read; raise Taken when another try is about to do so."""
        before = self._read[key] if key in self._read else self.get(key)
        unchanged = [before]
        if self._begun.get(key) != value:
            self._turns[key] = uuid.uuid4().hex
            self._accessor.set(self._turn(key), self._turns[key], retention=RETENTION)
        elif self._has_turn(key):
            unchanged.append(value)
        else:
            raise Taken("another try of this task is about to buy, so this one buys nothing")
        if self._accessor.get(key + self._suffix) not in unchanged:
            raise Taken("another try of this task is buying, so this one buys nothing")
        self._begun[key] = value
        self._accessor.set(key + self._suffix, value, retention=RETENTION)
        if not self._has_turn(key):
            raise Taken("another try of this task is about to buy, so this one buys nothing")
        self._read[key] = value

    def retract(self, key: str, value: JsonValue) -> None:
        """Put back what was there before ``value``, whose ``add`` failed.

        Another try that has taken a turn since may be about to buy, and decides by itself.
        """
        begun = self._begun.get(key) == value
        if begun and self._accessor.get(key + self._suffix) == value and self._has_turn(key):
            self.set(key, self._read[key])

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the value."""
        if value is None:
            # Airflow's store refuses to keep None.
            self._accessor.delete(key + self._suffix)
        else:
            self._accessor.set(key + self._suffix, value, retention=RETENTION)
        self._read[key] = value

    def place(self, key: str) -> None:
        """Return None: all values of a key share one place."""

    def take(self, key: str, place: int) -> None:
        """Do nothing: all values of a key share one place."""

    def _turn(self, key: str) -> str:
        return f"{key}{self._suffix}.turn"

    def _has_turn(self, key: str) -> bool:
        return key in self._turns and self._accessor.get(self._turn(key)) == self._turns[key]


def _open(context: Context, lap: tuple[str, ...]) -> TaskStateStore:
    return TaskStateStore(context["task_state_store"], lap)


BACKEND = Backend(
    applies=lambda context: context.get("task_state_store") is not None,
    open=_open,
    ends_with_run=True,
)
