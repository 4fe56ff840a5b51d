"""Makes sure that a call reaches its task, once: calls come too early, twice, and many at a time.

A call may be faster than Airflow: the task that bought the job may not wait yet, or not for long enough. So
it is tried again for a minute. A call that is lost, with an API server that is killed for example, costs
nothing but time: the task's own status checks find the job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from airflow_provider_vidai.jobs.media_record import TaskKey

#: Seconds between the attempts to wake a task that does not wait yet.
PAUSES = (0.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
#: Seconds for which further calls about the same job only count as one more, afterwards.
QUIET = 5.0
#: Calls that are followed at a time, at most; and those of an address that all jobs of a vendor share, each
#: of which searches all waiting tasks.
MOST, MOST_SHARED = 2000, 200
#: Threads that talk to Airflow's database.
THREADS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """Whom a call is about: the purchase of a task, or a job of whichever tasks wait for it."""

    vendor: str
    task: TaskKey | None = None
    purchase: str | None = None
    job_id: str | None = None


class Follower:
    """Follows calls in the event loop of one API server.

    :param wake: tries to wake the tasks of a call, in a thread; returns the seconds until it is worth trying
        again, or None when there is nothing more to do.
    """

    def __init__(
        self,
        wake: Callable[[Call], float | None],
        *,
        pauses: Sequence[float] = PAUSES,
        quiet: float = QUIET,
        most: int = MOST,
        most_shared: int = MOST_SHARED,
    ) -> None:
        self._wake = wake
        self._pauses, self._quiet = pauses, quiet
        self._most, self._most_shared = most, most_shared
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._again: set[Call] = set()
        # Airflow's own requests have threads of their own, which calls must not use up.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="vidai-events")

    def follow(self, call: Call) -> bool:
        """Follow a call; return False when there are too many at the moment."""
        if call in self._tasks:
            self._again.add(call)
            return True
        shared = sum(one.task is None for one in self._tasks) if call.task is None else 0
        if len(self._tasks) >= self._most or shared >= self._most_shared:
            return False
        self._tasks[call] = asyncio.create_task(self._follow(call))
        return True

    async def _follow(self, call: Call) -> None:
        try:
            while True:
                self._again.discard(call)
                await self._reach(call)
                await asyncio.sleep(self._quiet)
                if call not in self._again:
                    return
        finally:
            # At once, so that no further call is added to one that is no longer followed.
            del self._tasks[call]

    async def _reach(self, call: Call) -> None:
        least = 0.0
        for pause in self._pauses:
            await asyncio.sleep(max(pause, least))
            try:
                wait = await asyncio.get_running_loop().run_in_executor(self._threads, self._wake, call)
            except Exception as error:  # noqa: BLE001 - Airflow's database, for example, may be away
                log.warning("A vendor's call could not be passed on: %s", type(error).__name__)
                wait = 0.0
            if wait is None:
                return
            least = wait
