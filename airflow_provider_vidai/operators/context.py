"""What is read from and written to the context of a running task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, Context
from pydantic import JsonValue

from airflow_provider_vidai.lifecycle.ledger import MemoryStore, Store
from airflow_provider_vidai.lifecycle.purchase import Log

#: How long the ledger is kept in Airflow's task state store. No vendor keeps a job longer.
RETENTION = timedelta(days=90)


@dataclass(frozen=True)
class Try:
    """Which try this is.

    :param max_tries: grows when a person clears the task, and only then.
    """

    number: int
    max_tries: int


def try_of(context: Context) -> Try:
    """Return which try of the task this is."""
    instance = context["ti"]
    return Try(instance.try_number, instance.max_tries)


class _TaskStateStore:
    """Airflow's task state store (3.3), with a retention of our own."""

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> JsonValue:
        value: JsonValue = self._accessor.get(key)
        return value

    def set(self, key: str, value: JsonValue) -> None:
        self._accessor.set(key, value, retention=RETENTION)

    def delete(self, key: str) -> None:
        self._accessor.delete(key)


def store_of(context: Context, log: Log) -> Store:
    """Return the durable storage of this task instance."""
    accessor = context.get("task_state_store")
    if accessor is not None:
        return _TaskStateStore(accessor)
    log.warning(
        "This Airflow has no task state store (it came with 3.3), so nothing remembers what this task buys: "
        "a retry after a crash would buy again."
    )
    return MemoryStore()


def land_outlets(context: Context, outlets: Sequence[Any], files: Iterable[Any], cost: Any = None) -> None:
    """Tell the task's asset outlets which files were landed, and what their job cost, if known."""
    landed = list(files)
    paid = {} if cost is None else {"cost": cost}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update({"files": landed, **paid})
        elif isinstance(outlet, AssetAlias):
            for file in landed:
                context["outlet_events"][outlet].add(Asset(uri=file["uri"]), extra={**file, **paid})
