"""Counts what operators report: landed files, waits and failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow_provider_vidai.errors import LostSubmit, OverBudgetError, VidaiError
from airflow_provider_vidai.metrics import counts

Facts = Mapping[str, Any]


def note(what: str, facts: Facts) -> None:
    """Count one thing that happened; see :func:`airflow_provider_vidai.rooms.report`."""
    tags = {"vendor": facts["vendor"], "kind": facts["kind"], "dag": facts["dag_id"]}
    if what in _COUNTED:
        _COUNTED[what](facts, tags)


def _landed(facts: Facts, tags: dict[str, str]) -> None:
    files = [file for file in facts["files"] if isinstance(file, dict)]
    counts.count(counts.LANDED, tags, sum(int(file.get("bytes") or 0) for file in files))


def _waited(facts: Facts, tags: dict[str, str]) -> None:
    reason = "budget" if facts["budget"] else "rate"
    counts.measure(counts.WAITED, {**tags, "reason": reason}, facts["seconds"])
    if facts["budget"]:
        counts.count(counts.REFUSED, tags)


def _failed(facts: Facts, tags: dict[str, str]) -> None:
    error: VidaiError = facts["error"]
    counts.count(counts.FAILED, {**tags, "reason": type(error).__name__})
    if isinstance(error, LostSubmit):
        counts.count(counts.LOST, tags)
    if isinstance(error, OverBudgetError):
        counts.count(counts.REFUSED, tags)


_COUNTED: Final[Mapping[str, Callable[[Facts, dict[str, str]], None]]] = {
    "landed": _landed,
    "waited": _waited,
    "failed": _failed,
}
