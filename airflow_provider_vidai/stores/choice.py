"""Which store keeps a task instance's ledger."""

from __future__ import annotations

import uuid
from typing import Any

from airflow.sdk import Context

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.purchase.ledger import MemoryStore, Store
from airflow_provider_vidai.purchase.walk import Log
from airflow_provider_vidai.stores.object_storage import ObjectStore
from airflow_provider_vidai.stores.task_state import TaskStateStore

#: The region of a task instance that is in no loop, since Airflow 3.4.
_NO_REGION = uuid.UUID(int=0)


def _root() -> str:
    return str(conf.get("vidai", "ledger_path", fallback="")).strip()


def ends_with_run() -> bool:
    """Whether the ledger is Airflow's own, or none: Airflow removes a run's task states with the run."""
    return not _root()


def store_of(context: Context, log: Log) -> Store:
    """Return the durable storage of this task instance.

    ``[vidai] ledger_path`` comes first: it works with every Airflow, and keeps the record when a
    person clears the task, which Airflow 3.4's task state store does not.
    """
    root = _root()
    lap = lap_of(context["ti"])
    if root:
        instance = context["ti"]
        names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index), *lap)
        return ObjectStore(root, names)
    accessor = context.get("task_state_store")
    if accessor is not None:
        return TaskStateStore(accessor, lap)
    log.warning(
        "Nothing remembers what this task buys, so a retry after a crash would buy again: this Airflow has "
        "no task state store (it came with 3.3), and [vidai] ledger_path is not set."
    )
    return MemoryStore()


def lap_of(instance: Any) -> tuple[str, ...]:
    """Return what tells the laps of a loop apart, of which all share dag, run, task and map index."""
    region = getattr(instance, "region_id", None)
    if region is None or region == _NO_REGION:
        return ()
    return (f"{region}.{getattr(instance, 'region_index', None)}",)
