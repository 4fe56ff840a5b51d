"""Child processes that can always be found and ended, with everything that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_POLL = 0.05


class Child:
    """A process in a session of its own, writing to a log file.

    A session, not just a process group: Airflow gives every task a group of its own, so that signalling
    the component's group would leave the tasks running.

    :param grace: seconds that it may take to end after SIGTERM.
    """

    def __init__(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path, grace: float
    ) -> None:
        self.name, self.log, self.grace = name, log, grace
        self.started_at = time.time()
        # A component that is started again writes to the same log.
        self._log_began = log.stat().st_size if log.exists() else 0
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the component itself, None while it runs (negative: ended by that signal)."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the component itself to end."""
        return self._process.wait(timeout)

    def pids(self) -> set[int]:
        """All live processes of this component, its orphans included."""
        return _family(self.pid)

    def signal(self, number: int, *, family: bool) -> None:
        """Signal the component itself or everything it started too."""
        _send(self.pids() if family else {self.pid}, number)

    def output(self) -> str:
        """Return what it has written; the log may also have what others of its name wrote before."""
        with self.log.open("rb") as text:
            text.seek(self._log_began)
            return text.read().decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as text:
            return "".join(deque(text, lines))


def end(children: Iterable[Child]) -> None:
    """Send SIGTERM to all of them and all they started; kill what has not ended within its grace."""
    asked = {child: child.pids() for child in children}
    for pids in asked.values():
        _send(pids, signal.SIGTERM)
    began = time.monotonic()
    while left := {child: pids for child, known in asked.items() if (pids := _remaining(child, known))}:
        for child, pids in left.items():
            if time.monotonic() - began > child.grace:
                _send(pids, signal.SIGKILL)
        time.sleep(_POLL)


def end_leftover(pid: int, created: float) -> None:
    """Kill a component whose parent was killed; leave another process alone that got its pid since."""
    try:
        if abs(psutil.Process(pid).create_time() - created) > 1:
            return
    except psutil.NoSuchProcess:
        return
    _send(_family(pid), signal.SIGKILL)


def created(pid: int) -> float:
    """Return when a process was created: together with its pid, this identifies it."""
    return float(psutil.Process(pid).create_time())


def _remaining(child: Child, known: set[int]) -> set[int]:
    child.exit_code  # noqa: B018 - reaps it: a zombie would count as alive
    return child.pids() | {pid for pid in known if _alive(pid)}


def _family(leader: int) -> set[int]:
    """Return everything in the leader's session, and descendants that left it."""
    found = {pid for pid in psutil.pids() if _session(pid) == leader}
    for pid in tuple(found):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.update(child.pid for child in psutil.Process(pid).children(recursive=True))
    return {pid for pid in found if _alive(pid)}


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
