"""A worker that is killed at a chosen place: before it writes, sends, or goes on."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import httpcore
import pytest

from tests.support.task import Instance, StateStore, Task, first_event, rebuilt, run_fast


class Killed(BaseException):
    """The process is gone. No handler of an error runs in a process that was killed."""


class Killer:
    """Counts what a worker does to the world outside of its process, and kills it before one of these.

    From then on nothing that the worker does takes effect, until :meth:`revive`.

    :param folder: files below it belong to the world.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.at = 0
        self.places: list[str] = []
        self._dead = False
        self._thread: int | None = None

    def arm(self, at: int) -> None:
        """Begin a run that is killed before its step number ``at``; 0: never."""
        self.at, self.places, self._thread = at, [], threading.get_ident()

    def revive(self) -> None:
        """Let another process go on, which is not killed."""
        self._dead, self.at = False, 0

    def disarm(self) -> None:
        self._dead, self._thread = False, None

    def step(self, place: str) -> None:
        """Do one thing that the world sees."""
        if self._thread != threading.get_ident():
            return
        if not self._dead:
            self.places.append(place)
            self._dead = len(self.places) == self.at
        if self._dead:
            raise Killed(place)

    def file(self, event: str, args: tuple[Any, ...]) -> None:
        """Take it as a step when a file appears, is replaced, or disappears."""
        if self._thread is None or event not in ("os.rename", "os.remove", "os.link"):
            return
        path = str(args[0] if event == "os.remove" else args[1])
        if path.startswith(self.folder) and not (event == "os.remove" and path.endswith(".part")):
            self.step(f"{event} {Path(path).suffix}")


_killers: list[Killer] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for killer in _killers:
        killer.file(event, args)


sys.addaudithook(_hook)


def killer_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Return a killer that hears of the state store, XComs, calls of vendors, and files."""
    killer = Killer(folder)
    _killers[:] = [killer]

    def count(kind: Any, name: str, place: Any) -> None:
        real = getattr(kind, name)

        def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            killer.step(place(args, kwargs))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(kind, name, counted)

    for name in ("set", "delete"):  # a killed reader leaves what it would leave before its next step
        count(StateStore, name, lambda args, _, name=name: f"{name} {args[0]}")
    count(Instance, "xcom_push", lambda _, kwargs: f"xcom {kwargs['key']}")
    count(
        httpcore.ConnectionPool,
        "handle_request",
        lambda args, _: f"{args[0].method.decode()} {args[0].url.target.decode().partition('?')[0][-40:]}",
    )
    return killer


def drive(task: Task, killer: Killer) -> Any:
    """Run the current try, whose process ends at each deferral."""
    from airflow_provider_vidai._compat import TaskDeferred

    attempt = task.begin
    while True:
        try:
            result = attempt()
            killer.step("the result is stored")
            return result
        except TaskDeferred as deferred:
            killer.step("deferred")
            event = run_fast(first_event(rebuilt(deferred.trigger)))
            killer.step("the trigger has ended")

            def attempt(deferred: TaskDeferred = deferred, event: Any = event) -> Any:
                return task.resumed(deferred, event)
