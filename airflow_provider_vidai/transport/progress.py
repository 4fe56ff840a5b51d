"""How far a download has come."""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import Any

from airflow_provider_vidai.transport.ending import Ending
from airflow_provider_vidai.transport.resume import Version


class Progress:
    """How far a download has come, and what must stay the same for it to be resumed.

    The digest is computed in a thread of its own: hashing, reading and writing take about the same
    time, and none of them holds the interpreter.
    """

    def __init__(self) -> None:
        self.received = 0
        self.total: int | None = None
        self.version = Version()
        self.content_type = ""
        self.splittable = True
        #: Buffers that were digested, and can be filled again.
        self.spent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ending = Ending()
        self._sha256 = hashlib.sha256()
        self._chunks: queue.Queue[bytes | memoryview | None] = queue.Queue(maxsize=4)
        self._hasher = threading.Thread(target=self._hash, daemon=True, name="sha256")
        self._hasher.start()

    def took(self, chunk: bytes | memoryview) -> None:
        """Count a chunk that was written; a view of a buffer must not change until that is spent."""
        self.ending.feed(chunk)
        self._chunks.put(chunk)
        self.received += len(chunk)

    def restart(self) -> None:
        """Forget what was received."""
        self._chunks.join()
        self.received, self.ending, self._sha256 = 0, Ending(), hashlib.sha256()

    def digest(self) -> str:
        """Return the sha256 of what was received."""
        self._chunks.join()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the thread."""
        self._chunks.put(None)
        self._hasher.join()

    def _hash(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self._sha256.update(chunk)
            if isinstance(chunk, memoryview):
                self.spent.put(chunk.obj)
            self._chunks.task_done()
