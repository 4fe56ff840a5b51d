"""Reads from and writes to the context of a running task."""

from __future__ import annotations

import ast
import hashlib
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import timezone
from typing import Any

from airflow.sdk import Asset, AssetAlias, Context

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.record import Run
from airflow_provider_vidai.stores.choice import ends_with_run, lap_of

__all__ = [
    "after_success",
    "attempt_of",
    "claims_of",
    "name_mapped_item",
    "next_of_kind",
    "purchases_in_turn",
    "report_files",
    "resolve_arguments",
    "task_key_of",
]

#: Held while a task decides on a purchase and sends it. A task's code may buy in several threads, and each
#: of them takes the first free entry of the task's ledger. If one were withdrawn while the next is taken, a
#: retry would stop reading at the empty entry and buy again what comes after it.
purchases_in_turn = threading.RLock()
# Neither of these is ever emptied: a worker's process runs one try and ends with it.
#: How many purchases each try that runs in this process has made, by kind.
_made: dict[Hashable, int] = {}
#: Which ledger entries each such try has claimed, and for which requests.
_claimed: dict[Hashable, dict[str, str]] = {}


def attempt_of(context: Context) -> Attempt:
    """Return which try of the task this is."""
    instance = context["ti"]
    return Attempt(
        str(instance.id),
        instance.try_number,
        instance.max_tries,
        _run_of(context),
        store_ends_with_run=ends_with_run(context),
        deployment=_deployment(),
    )


def _deployment() -> str:
    """Return the name of this Airflow deployment; "" where nothing distinguishes it from others."""
    if name := str(conf.get("vidai", "deployment", fallback="")).strip():
        return name
    # A key in the environment was given to all components, as Airflow's chart and its Compose file do. One in
    # airflow.cfg may have been generated there, so that each worker has another.
    if not any(f"AIRFLOW__CORE__FERNET_KEY{form}" in os.environ for form in ("", "_CMD", "_SECRET")):
        return ""
    # While keys are rotated, the new one stands before the old one.
    oldest = str(conf.get("core", "fernet_key", fallback="")).rpartition(",")[2].strip()
    return f"fernet-{hashlib.sha256(oldest.encode()).hexdigest()[:12]}" if oldest else ""


def task_key_of(context: Context) -> TaskKey:
    """Return which task instance this is, in whichever of its tries."""
    instance = context["ti"]
    index = -1 if instance.map_index is None else instance.map_index
    return TaskKey(instance.dag_id, instance.run_id, instance.task_id, index)


def resolve_arguments(context: Context, part: str | None = None) -> list[str]:
    """Return the arguments by which the command ``resolve`` finds this task instance, or a part of it."""
    instance = context["ti"]
    names = [instance.dag_id, instance.run_id, instance.task_id]
    index = -1 if instance.map_index is None else instance.map_index
    lap = "/".join(lap_of(instance, part))
    return [
        *names,
        *(["--map-index", str(index)] if index >= 0 else []),
        *(["--lap", lap] if lap else []),
    ]


def _run_of(context: Context) -> Run | None:
    run = context.get("dag_run")
    started = getattr(run, "start_date", None)
    if started is None:
        return None
    return Run(
        started=started.astimezone(timezone.utc).isoformat(), clears=getattr(run, "clear_number", 0) or 0
    )


def next_of_kind(context: Context, kind: Hashable) -> int:
    """Return how many purchases of ``kind`` this try made before this one, from inside other tasks' code."""
    instance = context["ti"]
    key = (str(instance.id), instance.try_number, kind)
    with purchases_in_turn:
        number = _made[key] = _made.get(key, -1) + 1
    return number


def claims_of(context: Context) -> dict[str, str]:
    """Return the ledger entries that this try's purchases have claimed; the caller adds to them."""
    instance = context["ti"]
    return _claimed.setdefault((str(instance.id), instance.try_number), {})


def name_mapped_item(context: Context, title: Callable[[], str | None]) -> None:
    """Show a mapped task instance by its title instead of its number, unless the DAG has its own template.

    Airflow renders the template after it has rendered the task's fields (from 3.2 on) and after the task has
    ended.
    """
    index = getattr(context.get("ti"), "map_index", None)
    if context.get("map_index_template") is not None or index is None or index < 0:
        return
    found = title()
    if not found:
        return
    # The title is a value and not a part of the template: a prompt may have braces in it. A DAG that renders
    # to native objects would turn "2026" into a number, which fails Airflow after the task has paid.
    context["vidai_title"] = f"“{found}”" if _is_literal(found) else found  # type: ignore[typeddict-unknown-key]
    context["map_index_template"] = "{{ vidai_title }}"


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    # A prompt may be nested deeply enough for the last two.
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def after_success(context: Context, action: Callable[[], None]) -> None:
    """Call ``action`` once Airflow has the task's result, in this process.

    Airflow calls a task's success callbacks after it has stored the XCom and the task's state. A worker
    that dies before that leaves the action undone.
    """
    instance = context["ti"]
    task = getattr(instance, "task", None)
    if task is None:
        return

    def act(ended: Context) -> None:
        if ended["ti"].id == instance.id:  # dag.test() runs one task object again and again
            action()

    task.on_success_callback = [*(task.on_success_callback or ()), act]


def report_files(context: Context, outlets: Sequence[Any], files: Iterable[Any], cost: Any = None) -> None:
    """Add the downloaded files, and their job's cost if known, to the events of the task's asset outlets."""
    landed = list(files)
    paid = {} if cost is None else {"cost": cost}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update({"files": landed, **paid})
        elif isinstance(outlet, AssetAlias):
            # An alias gets one asset per file: how many there are, and their names, is known only now.
            for file in landed:
                context["outlet_events"][outlet].add(Asset(uri=file["uri"]), extra={**file, **paid})
