"""Runs a part of a test in a process that is killed at a chosen moment of its work with disks and network."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What a process does that others can see: it opens connections, and makes and moves files.
SEEN = ("socket.connect", "os.link", "os.rename", "os.remove")


class Killed(Exception):
    """The process was killed before it had done its work."""


def in_a_process(action: Callable[[], Any], answer: Path, dies_at: int | None = None) -> tuple[Any, int]:
    """Run ``action`` in a process of its own; return its result, and how many visible things it did.

    :param answer: a file for the result.
    :param dies_at: it is killed (SIGKILL) right before it does so many-th visible thing.
    :raises Killed: when it was.
    :raises Exception: with the text of an error that ``action`` raised.
    """
    child = os.fork()
    if not child:
        try:
            counted = _counting(dies_at)
            try:
                found = {"result": action()}
            except Exception as error:  # noqa: BLE001 - passed on to the parent
                found = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
            answer.write_text(json.dumps({**found, "counted": counted[0]}))
            os._exit(0)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        raise Killed
    assert os.WEXITSTATUS(status) == 0
    found = json.loads(answer.read_text())
    if "error" in found:
        raise Exception(found["error"])
    return found["result"], found["counted"]


def _counting(dies_at: int | None) -> list[int]:
    counted, lock = [0], threading.Lock()

    def count(event: str, args: Any) -> None:
        if event in SEEN:
            with lock:
                counted[0] += 1
                if counted[0] == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    return counted
