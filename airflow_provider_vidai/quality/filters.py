"""FFmpeg's own filters, and what they say about each frame.

A filter attaches its findings to the frames. PyAV shows them only from version 18 on, so FFmpeg's
``metadata`` filter prints them into a pipe, which is read after each frame.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

#: One step of a chain: the filter's name and its options.
Step = tuple[str, str]
#: What the filters say about one frame: its time in seconds, and the values by their keys.
Said = tuple[float, dict[str, float]]
#: Bytes that are read from the pipe at a time. One frame's findings have fewer than 3,000.
_READ = 1 << 16


class Chain:
    """One chain of filters with one source. Frames go in, and what the filters say about them comes out."""

    def __init__(self, track: Any, steps: Sequence[Step]) -> None:
        import av

        video = track.type == "video"
        self._pipe, self._printed = os.pipe()
        os.set_blocking(self._pipe, False)
        self._rest = ""
        self._moment = 0.0
        self._values: dict[str, float] | None = None
        self._graph: Any = av.filter.Graph()
        source = self._graph.add_buffer(template=track) if video else self._graph.add_abuffer(template=track)
        printer = ("metadata" if video else "ametadata", rf"mode=print:direct=1:file=pipe\:{self._printed}")
        links = [source, *(self._graph.add(*step) for step in (*steps, printer))]
        links.append(self._graph.add("buffersink" if video else "abuffersink"))
        self._graph.link_nodes(*links).configure()

    def push(self, frame: Any) -> Iterator[Said]:
        """Filter one frame (None: the end) and yield what is known by now about this or earlier ones."""
        import av

        self._graph.push(frame)
        # The end of the filters is no error: it follows the end of the file.
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                self._graph.pull()
                # After every frame, because a full pipe would stop the filter that writes into it.
                yield from self._read()
        yield from self._read()
        if frame is None and self._values is not None:
            yield self._moment, self._values

    def close(self) -> None:
        """Free the filters and the pipe."""
        self._graph = None
        os.close(self._printed)
        os.close(self._pipe)

    def _read(self) -> Iterator[Said]:
        with contextlib.suppress(BlockingIOError):
            while text := os.read(self._pipe, _READ).decode("utf-8", "replace"):
                *lines, self._rest = (self._rest + text).split("\n")
                yield from self._parsed(lines)

    def _parsed(self, lines: list[str]) -> Iterator[Said]:
        for line in lines:
            if line.startswith("frame:"):
                if self._values is not None:
                    yield self._moment, self._values
                with contextlib.suppress(ValueError):  # a frame without a time has the one before
                    self._moment = float(line.rpartition("pts_time:")[2])
                self._values = {}
            elif self._values is not None:
                key, _, value = line.partition("=")
                with contextlib.suppress(ValueError):
                    self._values[key.removeprefix("lavfi.")] = float(value)
