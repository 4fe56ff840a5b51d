"""Counts what operators tell: landed files, waits and failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_provider_vidai.errors import LostSubmit, VidaiError
from airflow_provider_vidai.metrics import counts

#: The name of the error of a purchase that fits no budget. Where budgets are checked is another room.
OVER_BUDGET: Final = "OverBudget"

Facts = Mapping[str, Any]


def hear(what: str, facts: Facts) -> None:
    """Count one thing that happened; see :func:`airflow_provider_vidai.rooms.tell`."""
    tags = {"vendor": facts["vendor"], "kind": facts["kind"], "dag": facts["dag_id"]}
    if what in _COUNTED:
        _COUNTED[what](facts, tags)


def _landed(facts: Facts, tags: dict[str, str]) -> None:
    files = [file for file in facts["files"] if isinstance(file, dict)]
    counts.count(counts.LANDED, sum(int(file.get("bytes") or 0) for file in files), **tags)


def _waited(facts: Facts, tags: dict[str, str]) -> None:
    counts.measure(counts.WAITED, facts["seconds"], reason="budget" if facts["budget"] else "rate", **tags)
    if facts["budget"]:
        counts.count(counts.REFUSED, **tags)


def _failed(facts: Facts, tags: dict[str, str]) -> None:
    error: VidaiError = facts["error"]
    reason = type(error).__name__
    counts.count(counts.FAILED, reason=reason, **tags)
    if isinstance(error, LostSubmit):
        counts.count(counts.LOST, **tags)
    if reason == OVER_BUDGET:
        counts.count(counts.REFUSED, **tags)


_COUNTED: Final[Mapping[str, Callable[[Facts, dict[str, str]], None]]] = {
    "landed": _landed,
    "waited": _waited,
    "failed": _failed,
}
