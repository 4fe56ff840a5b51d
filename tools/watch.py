"""Follow a DAG run on the terminal: every change of a task's state, and the status of its job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tools.rest import FINISHED, Run

_EVERY = 0.5
# A task is in these states only for a moment; a line for each would hide the others.
_IN_PASSING = frozenset({None, "scheduled", "queued", "restarting"})


def label(task: Mapping[str, Any]) -> str:
    """Name a task instance, mapped ones with their index."""
    return f"{task['task_id']}[{task['map_index']}]" if task["map_index"] >= 0 else str(task["task_id"])


class Watcher:
    """Prints a line for everything that changes.

    :param say: takes each line.
    :param check: called after each check; it may raise to end the watching.
    """

    def __init__(self, run: Run, say: Callable[[str], None], check: Callable[[], None]) -> None:
        self._run, self._say, self._check = run, say, check
        self._reported: dict[str, str] = {}
        self._deferred_since: dict[str, float] = {}
        #: Seconds for which each task was deferred.
        self.deferred: dict[str, float] = {}

    def until_finished(self, timeout: float) -> str:
        """Follow the run to its end and return its state; after ``timeout`` seconds raise TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            # The run's state is read first, so that the last changes of its tasks are not missed.
            state = self._run.state
            self._check_tasks()
            if state in FINISHED:
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run is still {state} after {timeout:.0f} s")
            self._check()
            time.sleep(_EVERY)

    def _check_tasks(self) -> None:
        # Sorted by their start, because several may have changed since the last check.
        for task in sorted(self._run.tasks(), key=lambda task: task["start_date"] or "later"):
            self._measure(label(task), task["state"])
            if task["state"] not in _IN_PASSING:
                self._report(label(task), self._describe(task))

    def _describe(self, task: Mapping[str, Any]) -> str:
        if task["state"] != "deferred":
            again = f" (try {task['try_number']})" if task["try_number"] > 1 else ""
            return f"{task['state']}{again}"
        where = (task["task_id"], task["map_index"])
        progress = self._run.xcom(where[0], "progress", where[1])
        if not progress:
            return f"deferred: waiting for job {self._run.xcom(where[0], 'job_id', where[1])}"
        return f"deferred: {progress['words']}"

    def _report(self, name: str, text: str) -> None:
        if self._reported.get(name) != text:
            self._reported[name] = text
            self._say(f"{name:<12} {text}")

    def _measure(self, name: str, state: str | None) -> None:
        if state == "deferred":
            self._deferred_since.setdefault(name, time.monotonic())
        elif name in self._deferred_since:
            spent = time.monotonic() - self._deferred_since.pop(name)
            self.deferred[name] = self.deferred.get(name, 0.0) + spent
