"""The status checks that an account allows, handed out in the order in which they fall due."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time

from airflow_provider_vidai.net.rate import Rate


class Budget:
    """One account's status checks in one process, the earliest due first.

    Jobs that wait for the same account share it, so that a thousand of them stay within the vendor's limit.
    What the vendor answers to one of them, a pause or a refusal, holds for all of them.

    :param per_minute: the limit to begin with; None for no limit, until the vendor refuses.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._rate = Rate(per_minute)
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._dispatcher: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Return when the caller may send a status check: at once, unless the budget is used up."""
        now = time.monotonic()
        if not self._queue and now >= self._rate.free_at:
            self._rate.taken(now, 0)
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (now, next(self._order), turn))
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())
        await turn

    def answered(self, left: int | None) -> None:
        """Note an answer.

        :param left: how many more status checks the vendor allows now, where it says so.
        """
        self._rate.answered()
        if left is not None:
            self._rate.left(left, time.monotonic())

    def refused(self, pause: float) -> bool:
        """Slow all status checks down, and hold them back for ``pause`` seconds, as the vendor asked.

        :returns: whether this begins a throttled period, so that one line in the log is enough for it.
        """
        return self._rate.refused(pause, time.monotonic())

    async def _dispatch(self) -> None:
        while self._queue:
            wait = self._rate.free_at - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            waiting = len(self._queue)
            _, _, future = heapq.heappop(self._queue)
            if not future.done():  # a caller that was cancelled costs the others no time
                self._rate.taken(time.monotonic(), waiting)
                future.set_result(None)
