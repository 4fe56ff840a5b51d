"""The status calls an account allows, handed out in the order in which they fall due."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time

#: The part of what a vendor allows that is used: it counts arrivals, in any minute, and what was sent
#: evenly may arrive up to three seconds late, with the next ones at its heels.
USED = 0.95
#: What has queued during a pause is dealt out over as long again as the pause, but over no more
#: seconds than this.
LONGEST_SPREAD = 60.0


class Budget:
    """One account's status calls in one process: at most so many a minute, the earliest due first.

    Jobs that wait for the same account share it, so that a thousand of them stay within what the
    vendor allows, and a vendor's "not now" holds all of them back and not only the one that heard it.

    :param per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / (USED * per_minute) if per_minute else 0.0
        self._free_at = 0.0
        self._paused = 0.0
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._dealer: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Return when the caller may look, which is now unless the budget is used up."""
        now = time.monotonic()
        if not self._queue and now >= self._free_at:
            # A pause that nobody sat out is over, and has nothing to spread.
            self._free_at, self._paused = now + self._gap, 0.0
            return
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (now, next(self._order), mine))
        if self._dealer is None or self._dealer.done():
            self._dealer = asyncio.get_running_loop().create_task(self._deal())
        await mine

    def pause(self, seconds: float) -> None:
        """Let nobody look for ``seconds``: the vendor asked for it."""
        until = time.monotonic() + seconds
        if until > self._free_at:
            self._free_at, self._paused = until, seconds

    async def _deal(self) -> None:
        spread, gap = 0, self._gap
        while self._queue:
            wait = self._free_at - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            if self._paused:
                # All at once would only be refused again. Who comes later queues behind these.
                spread = len(self._queue)
                gap = max(self._gap, min(self._paused, LONGEST_SPREAD) / spread)
                self._paused = 0.0
            _, _, future = heapq.heappop(self._queue)
            spread -= 1
            if not future.done():
                self._free_at = time.monotonic() + (gap if spread > 0 else self._gap)
                future.set_result(None)
