"""Media work: outside of the event loop, a few jobs at a time, stoppable."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_provider_vidai.sandbox.media.source import MediaError, Stopped

T = TypeVar("T")
WORKERS = 2
logger = logging.getLogger(__name__)


class Studio:
    """Runs media work in threads, which is enough because PyAV releases the interpreter's lock."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="sandbox-media")
        self._closing = threading.Event()

    def submit(self, work: Callable[[threading.Event], T]) -> "Future[T]":
        """Queue ``work``, which gets an event that is set when it must stop."""
        future = self._pool.submit(work, self._closing)
        future.add_done_callback(_log_failure)
        return future

    def close(self) -> None:
        """Stop running work, and drop waiting work."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _log_failure(future: "Future[Any]") -> None:
    """Log why a job failed: the vendor's answer does not say so, but a developer needs to know."""
    error = None if future.cancelled() else future.exception()
    if isinstance(error, MediaError):
        logger.warning("A job failed: %s", error)
    elif error and not isinstance(error, Stopped):
        logger.error("A job failed unexpectedly", exc_info=error)
