"""The tasks' log files: the last lines of what failed, and where the rest is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.rest import Run, in_words
from tools.watch import label

_LINES = 15


def log_file(logs: Path, run: Run, task: Mapping[str, Any]) -> Path:
    """Return the log of a task instance's last try."""
    folder = run_folder(logs, run) / f"task_id={task['task_id']}"
    if task["map_index"] >= 0:
        folder /= f"map_index={task['map_index']}"
    return folder / f"attempt={task['try_number']}.log"


def run_folder(logs: Path, run: Run) -> Path:
    """Return the folder of a run's task logs."""
    return logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}"


def recent_logs(logs: Path, run: Run) -> list[Path]:
    """Return the logs of a run's tasks and triggers, and of Airflow's components since they started."""
    return sorted([*run_folder(logs, run).rglob("*.log*"), *logs.glob("*.log")])


def failures(run: Run, logs: Path) -> str:
    """Return which tasks failed, with the end of their logs."""
    parts = []
    for task in run.tasks():
        if task["state"] == "failed":
            path = log_file(logs, run, task)
            parts.append(f"{label(task)} failed. The end of its log:\n{tail(path)}\nAll of it: {path}")
    return "\n\n".join(parts) or f"The run failed, but no task did. See the scheduler's log in {logs}"


def tail(path: Path, lines: int = _LINES) -> str:
    """Return a log's last lines, its JSON made readable."""
    if not path.exists():
        return "  (there is none)"
    with path.open(encoding="utf-8", errors="replace") as text:
        return "\n".join(f"  {in_words(_event(line))}" for line in deque(text, lines))


def _event(line: str) -> str | dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return line.rstrip()
