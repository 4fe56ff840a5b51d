"""Runs a part of a test in a process that is killed at a chosen moment of its work with disks and network."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What a process does that others can see: it opens connections, and makes and moves files.
SEEN = ("socket.connect", "os.link", "os.rename", "os.remove")


class Killed(Exception):
    """The process was killed before it had done its work."""


def in_a_process(action: Callable[[], Any], answer: Path, dies_at: int | None = None) -> str | None:
    """Run ``action`` in a process of its own; return the text of the error that it raised, if any.

    :param answer: a file for that text.
    :param dies_at: it is killed (SIGKILL) right before the visible thing of this number, counted from 1.
    :raises Killed: when it was.
    """
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            _count_to(dies_at)
            try:
                action()
            except Exception:  # noqa: BLE001 - passed on to the parent
                answer.write_text(traceback.format_exc())
            os._exit(0)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        raise Killed
    assert os.WEXITSTATUS(status) == 0
    return answer.read_text() if answer.exists() else None


def _count_to(dies_at: int | None) -> None:
    counter = itertools.count(1)  # its next number is taken atomically, whichever thread asks

    def count(event: str, args: Any) -> None:
        if event in SEEN and next(counter) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
