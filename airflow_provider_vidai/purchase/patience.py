"""Waits while the ledger's storage is away. Only for reads and writes before which nothing was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.timing import (
    LEDGER_PATIENCE_SECONDS,
    LEDGER_PAUSE_SECONDS,
    MAX_LEDGER_PAUSE_SECONDS,
)

T = TypeVar("T")


class Taken(Exception):
    """Another try of the task has written the record that this one was about to write."""


#: Errors that time does not fix: another try was faster, a permission or a bucket is missing, a record is
#: unreadable.
LASTING: Final = (
    Taken,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
    TypeError,
    ValueError,
)


class Patience:
    """Repeats what fails for a reason that may pass, for a few minutes and never past the deadline.

    :param until: the task's deadline, seconds since the epoch.
    :param stopped: whether the task was asked to stop.
    """

    def __init__(
        self,
        log: Log,
        *,
        until: float,
        stopped: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._until = until
        self._stopped = stopped
        self._clock = clock
        self._sleep = sleep

    def __call__(self, action: Callable[[], T]) -> T:
        """Return what ``action`` returns; raise its last error."""
        until = min(self._until, self._clock() + LEDGER_PATIENCE_SECONDS)
        pause = LEDGER_PAUSE_SECONDS
        while True:
            try:
                return action()
            except LASTING:
                raise
            except Exception as error:
                if self._stopped() or self._clock() + pause >= until:
                    raise
                self._log.warning("The ledger's storage fails: %s. Trying again in %.0f s.", error, pause)
                self._rest(pause)
                pause = min(2 * pause, MAX_LEDGER_PAUSE_SECONDS)

    def _rest(self, seconds: float) -> None:
        """Sleep in short pieces: a task that is asked to stop has five seconds to do so."""
        while seconds > 0 and not self._stopped():
            self._sleep(min(seconds, 1.0))
            seconds -= 1.0


def once(action: Callable[[], T]) -> T:
    """Return what ``action`` returns, without patience."""
    return action()
