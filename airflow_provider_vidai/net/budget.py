"""The status checks that an account allows, handed out in the order in which they fall due."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time

#: The share of the vendor's limit that is used. The vendor counts arrivals within any 60 s. Calls that were
#: sent at even distances may arrive up to 3 s late, and then 63 s' worth of them fall within one minute:
#: 60/63 is 0.952.
USED = 0.95
#: Seconds over which the queue of a pause is spread at most. Status checks that queued during a pause are
#: sent over as long again as the pause lasted, because all at once they would only be refused again. After a
#: long pause a minute is enough for that: limits are counted by the minute.
LONGEST_SPREAD = 60.0


class Budget:
    """One account's status checks in one process: limited per minute, the earliest due first.

    Jobs that wait for the same account share it, so that a thousand of them stay within the vendor's limit.
    When the vendor answers one of them with a pause, the pause holds for all of them.

    :param per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / (USED * per_minute) if per_minute else 0.0
        self._free_at = 0.0
        self._paused = 0.0
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._dispatcher: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Return when the caller may send a status check: at once, unless the budget is used up."""
        now = time.monotonic()
        if not self._queue and now >= self._free_at:
            # A pause during which nobody queued has nothing to spread.
            self._free_at, self._paused = now + self._gap, 0.0
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (now, next(self._order), turn))
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())
        await turn

    def pause(self, seconds: float) -> None:
        """Hold back all status checks for ``seconds``, as the vendor asked."""
        until = time.monotonic() + seconds
        if until > self._free_at:
            self._free_at, self._paused = until, seconds

    async def _dispatch(self) -> None:
        spread, gap = 0, self._gap
        while self._queue:
            wait = self._free_at - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            if self._paused:
                # Only those that queued by now are spread. Later callers queue behind them, and then get the
                # usual distance.
                spread = len(self._queue)
                gap = max(self._gap, min(self._paused, LONGEST_SPREAD) / spread)
                self._paused = 0.0
            _, _, future = heapq.heappop(self._queue)
            spread -= 1
            if not future.done():  # a caller that was cancelled costs the others no time
                self._free_at = time.monotonic() + (gap if spread > 0 else self._gap)
                future.set_result(None)
