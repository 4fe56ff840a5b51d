"""A task's ledger, opened outside of the task."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from pydantic import JsonValue

from airflow_provider_vidai._compat import state_store
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.observe import Buyer
from airflow_provider_vidai.rooms import observers_of
from airflow_provider_vidai.stores.backend import Backend
from airflow_provider_vidai.stores.choice import BACKENDS
from airflow_provider_vidai.stores.memory import MemoryStore

log = logging.getLogger(__name__)


class DatabaseState:
    """A task's state, read and written in Airflow's database as Airflow's own API does it (from 3.3 on).

    :param backend: Airflow's.
    :param scope: Airflow's name of the task instance.
    """

    def __init__(self, backend: Any, scope: Any) -> None:
        self._backend, self._scope = backend, scope

    def get(self, key: str, default: JsonValue = None) -> JsonValue:
        """Return the value of ``key``."""
        text = self._backend.get(self._scope, key)
        value: JsonValue = default if text is None else json.loads(text)
        return value

    def set(self, key: str, value: JsonValue, *, retention: timedelta | None = None) -> None:
        """Write the value of ``key``."""
        until = None if retention is None else datetime.now(timezone.utc) + retention
        self._backend.set(self._scope, key, json.dumps(value), expires_at=until)

    def delete(self, key: str) -> None:
        """Remove ``key``."""
        self._backend.delete(self._scope, key)


def ledger_of(
    buyer: Buyer, *, state: Callable[..., Any] = state_store, backends: tuple[Backend, ...] = BACKENDS
) -> Ledger:
    """Return the ledger of ``buyer``'s task.

    :raises SystemExit: when this installation keeps none.
    """
    instance = SimpleNamespace(
        dag_id=buyer.dag_id, run_id=buyer.run_id, task_id=buyer.task_id, map_index=buyer.map_index
    )
    found = state(buyer.dag_id, buyer.run_id, buyer.task_id, buyer.map_index)
    context: Any = {"ti": instance, "task_state_store": None if found is None else DatabaseState(*found)}
    store = next(one for one in backends if one.applies(context)).open(context, buyer.lap)
    # That store ends with its process, so a command can never find a task's records in it.
    if isinstance(store, MemoryStore):
        raise SystemExit(
            "This installation keeps no records of purchases: [vidai] ledger_path is not set, and this "
            "Airflow has no task state store (it came with 3.3)."
        )
    return Ledger(store, observers=observers_of(buyer))
