"""Where media work is done: beside the event loop, a few jobs at a time, stoppable."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
WORKERS = 2


class Studio:
    """Runs media work. PyAV releases the interpreter's lock while it works, so threads do."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="sandbox-media")
        self._closing = threading.Event()

    def submit(self, work: Callable[[threading.Event], T]) -> "Future[T]":
        """Queue ``work``; it gets an event that tells it to stop."""
        return self._pool.submit(work, self._closing)

    def close(self) -> None:
        """Stop what runs, and forget what waits."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
