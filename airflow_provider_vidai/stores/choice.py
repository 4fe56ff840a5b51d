"""Which storage keeps a task instance's ledger."""

from __future__ import annotations

import uuid
from typing import Any, Final

from airflow.sdk import Context

from airflow_provider_vidai.purchase.ledger import Store
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.stores import memory, object_storage, task_state
from airflow_provider_vidai.stores.backend import Backend

#: The first one that applies is used; a new backend is one module and one line here. ``[vidai] ledger_path``
#: comes first: it works with every Airflow, and keeps the record when a person clears the task, which the
#: task state store of Airflow 3.4 does not.
BACKENDS: Final[tuple[Backend, ...]] = (
    object_storage.BACKEND,
    task_state.BACKEND,
    memory.BACKEND,
)

#: The region of a task instance that is in no loop, since Airflow 3.4.
_NO_REGION = uuid.UUID(int=0)


def _chosen(context: Context) -> Backend:
    return next(backend for backend in BACKENDS if backend.applies(context))


def ends_with_run(context: Context) -> bool:
    """Whether the records of this task instance are removed together with its DAG run."""
    return _chosen(context).ends_with_run


def outlives_process(context: Context) -> bool:
    """Whether the records of this task instance are still there when another process goes on with it."""
    return _chosen(context) is not memory.BACKEND


def store_of(context: Context, log: Log, part: str | None = None) -> Store:
    """Return the storage of this task instance's ledger, or of one of its parts."""
    backend = _chosen(context)
    if backend.warning:
        log.warning("%s", backend.warning)
    return backend.open(context, lap_of(context["ti"], part))


def lap_of(instance: Any, part: str | None = None) -> tuple[str, ...]:
    """Return what distinguishes the laps of a loop, which share dag, run, task and map index.

    :param part: the name of one of several purchases of the task, which share these too.
    """
    # Before Airflow 3.4 there are no loops, and a task instance has no region.
    region = getattr(instance, "region_id", None)
    in_loop = region is not None and region != _NO_REGION
    lap = (f"{region}.{getattr(instance, 'region_index', None)}",) if in_loop else ()
    return lap if part is None else (*lap, part)
