"""Where a person sees a deferred job: the trigger's log, and the XCom ``progress`` of its task.

Thousands of triggers wait in one process. Each push of an XCom is a request that the triggerer's supervisor
sends to the API server, one after the other, and reading a connection waits in the same line. So the pushes
of one process wait for their turn, and come at a limited rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import weakref
from collections.abc import Iterator
from typing import Any, Final

from airflow_provider_vidai._compat import xcom
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.progress import Progress, Report, log_progress
from airflow_provider_vidai.purchase.timing import REPORT_SECONDS

log = logging.getLogger(__name__)

#: XCom pushes per second of one triggerer, at most.
PUSHES_PER_SECOND: Final = 10.0
#: The share of the time that is spent with pushes, at most. A push takes 20 to 40 ms of the supervisor,
#: and more while the API server is busy.
PUSHES_SHARE: Final = 0.2
#: Log lines without news per second of one triggerer, at most.
LINES_PER_SECOND: Final = 200.0
#: Seconds after which a push counts as failed: one that is never answered must not hold up the others.
PUSH_TIMEOUT: Final = 30.0
#: Seconds for which the end of the waiting is held back so that a person sees the job's last status.
LAST_PUSH_SECONDS: Final = 2.0


class Window:
    """Shows one job.

    :param label: the vendor.
    :param instance: the task instance that waits; None where Airflow does not say it.
    """

    def __init__(self, ref: JobRef, label: str, writer: Log, instance: Any) -> None:
        self._ref, self._label, self._log, self._instance = ref, label, writer, instance
        self._loop = asyncio.get_running_loop()
        self._pushes = _PUSHES.setdefault(self._loop, _Pushes())
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = self._loop.time()

    @contextlib.contextmanager
    def kept_open(self, report: Report) -> Iterator[None]:
        """Show how the job stands from time to time, whatever the trigger waits for meanwhile.

        A timer of the event loop does that. It costs less than a task, and it needs no answer of the vendor.
        """
        self._pushes.windows += 1
        self._wind(report)
        try:
            yield
        except BaseException:
            # Another triggerer may show the job by now.
            self._pushes.drop(self)
            raise
        finally:
            self._pushes.windows -= 1
            if self._timer is not None:
                self._timer.cancel()

    async def settled(self) -> None:
        """Wait for the last push, but not for long."""
        until = self._loop.time() + LAST_PUSH_SECONDS
        while self._pushes.has(self) and self._loop.time() < until:  # noqa: ASYNC110 - it lasts some ms
            await asyncio.sleep(0.02)

    def show(self, progress: Progress) -> None:
        """Write how the job stands to the log, and push it where Airflow can (3.3)."""
        self._shown_at = self._loop.time()
        log_progress(self._log, self._ref, progress, self._label)
        if self._instance is not None and getattr(xcom(), "aset", None) is not None:
            self._pushes.add(self, progress)

    async def push(self, progress: Progress) -> None:
        """Push the XCom."""
        try:
            pushing = xcom().aset(
                key="progress",
                value=progress.value(),
                dag_id=self._instance.dag_id,
                task_id=self._instance.task_id,
                run_id=self._instance.run_id,
                map_index=self._instance.map_index,
            )
            await asyncio.wait_for(pushing, PUSH_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - a failure to show progress must not end the waiting
            log.debug("Progress could not be shown: %s", error)

    def _wind(self, report: Report) -> None:
        # Thousands of triggers start together, and a thousand lines at once would stop the event loop.
        usual = max(REPORT_SECONDS, self._pushes.windows / LINES_PER_SECOND)
        due = self._shown_at + usual * random.uniform(0.8, 1.0)  # noqa: S311
        self._timer = self._loop.call_at(due, self._ring, report, self._shown_at)

    def _ring(self, report: Report, shown_at: float) -> None:
        # Otherwise a status check has shown the job since, and this line would come too soon.
        if self._shown_at == shown_at:
            report.show(time.time())
        self._wind(report)


class _Pushes:
    """The pushes of one event loop: one at a time, news first, and then in the order of asking."""

    def __init__(self) -> None:
        self.windows = 0
        # The newest progress of each window that waits for its turn.
        self._news: dict[Window, Progress] = {}
        self._rest: dict[Window, Progress] = {}
        self._now: Window | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, window: Window, progress: Progress) -> None:
        """Push ``progress`` when its turn comes, in place of an older one of the same window."""
        (self._news if progress.changed or window in self._news else self._rest)[window] = progress
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self, window: Window) -> None:
        """Forget what a window wanted to push."""
        self._news.pop(window, None)
        self._rest.pop(window, None)

    def has(self, window: Window) -> bool:
        """Whether a push of ``window`` is still to come, or under way."""
        return window in self._news or window in self._rest or self._now is window

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while found := self._news or self._rest:
            self._now = next(iter(found))
            progress, began = found[self._now], clock()
            # Dropped first: what this window shows during the push is newer, and is pushed afterwards.
            self.drop(self._now)
            await self._now.push(progress)
            took, self._now = clock() - began, None
            # A slow push means a busy supervisor, and triggers need it to read their connections.
            await asyncio.sleep(max(1 / PUSHES_PER_SECOND, took / PUSHES_SHARE - took))


# By event loop, like everything that triggers share.
_PUSHES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pushes] = weakref.WeakKeyDictionary()
