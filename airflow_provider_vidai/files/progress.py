"""The progress of a transfer, and its lines in the log."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from airflow_provider_vidai.files.ending import Ending
from airflow_provider_vidai.files.version import Version

log = logging.getLogger(__name__)

#: Seconds between two lines in the log.
LOG_EVERY = 10.0


_Chunk = TypeVar("_Chunk", bytes, bytes | memoryview)


class Progress:
    """How far a download has come, and what must stay the same for it to be resumed.

    The digest is computed in a thread of its own. Hashing, reading and writing take about the same time, and
    all of them release the interpreter's lock, so they overlap.
    """

    def __init__(self) -> None:
        self.received = 0
        self.total: int | None = None
        self.version = Version()
        self.content_type = ""
        self.splittable = True
        #: Buffers that have been hashed and can be filled again.
        self.spent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ending = Ending()
        self._sha256 = hashlib.sha256()
        # Bounded, so that a slow hash holds the download back instead of filling the memory.
        self._chunks: queue.Queue[bytes | memoryview | None] = queue.Queue(maxsize=4)
        self._hasher = threading.Thread(target=self._hash, daemon=True, name="sha256")
        self._hasher.start()

    def count(self, chunk: bytes | memoryview) -> None:
        """Count a chunk that was written. A buffer must not change before it appears in ``spent``."""
        self.ending.feed(chunk)
        self._chunks.put(chunk)
        self.received += len(chunk)

    def restart(self) -> None:
        """Forget what was received so far."""
        self._chunks.join()
        self.received, self.ending, self._sha256 = 0, Ending(), hashlib.sha256()

    def digest(self) -> str:
        """Return the sha256 of what was received so far."""
        self._chunks.join()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the hashing thread."""
        self._chunks.put(None)
        self._hasher.join()

    def _hash(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._sha256.update(chunk)
            if isinstance(chunk, memoryview):
                self.spent.put(chunk.obj)
            self._chunks.task_done()


def reported(chunks: Iterator[_Chunk], doing: str, total: int | None, done: int = 0) -> Iterator[_Chunk]:
    """Pass ``chunks`` on, and log the progress every ``LOG_EVERY`` seconds.

    :param doing: the beginning of each line.
    :param total: the length of the file in bytes, if it is known.
    :param done: the bytes that were transferred before.
    """
    logged = time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - logged >= LOG_EVERY:
            logged = time.monotonic()
            share = f" of {total / 1e6:.1f} MB ({100 * done / total:.0f} %)" if total else ""
            log.info("%s: %.1f MB%s", doing, done / 1e6, share)
