"""The rest of a long file in several ranges at once, where a server caps each connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

from airflow_provider_vidai.files.progress import Progress
from airflow_provider_vidai.jobs.calls import Fetch
from airflow_provider_vidai.net.bodies import Interrupted, Streams

#: What is left of a file is fetched in several ranges at once if it is at least this long (bytes)
SPLIT_ABOVE = 64 << 20
#: and one connection, waited for this long (seconds), brings less than this (bytes a second): then
#: the server caps each connection. On a line that is fast anyway, several would only cost more.
SPLIT_AFTER = 1.0
SPLIT_BELOW = 100e6
SPLIT_CONNECTIONS = 8
#: Bytes in one range, and in each buffer: one for every connection, and some on their way to disk and digest.
SPLIT_SIZE = 2 << 20
SPLIT_BUFFERS = SPLIT_CONNECTIONS + 3


def is_slow(progress: Progress, brought: int, waited: float) -> bool:
    """Whether the connection is what is waited for: several don't make a slow disk faster."""
    return (
        waited >= SPLIT_AFTER
        and progress.splittable
        and progress.version.if_range is not None
        and (progress.total or 0) - progress.received >= SPLIT_ABOVE
        and brought / waited < SPLIT_BELOW
    )


def in_ranges(streams: Streams, fetch: Fetch, progress: Progress) -> Generator[memoryview, None, None]:
    """Yield the rest of the file in order, several ranges of it under way at any time."""
    assert progress.total is not None
    starts = iter(range(progress.received, progress.total, SPLIT_SIZE))
    for _ in range(SPLIT_BUFFERS):
        progress.spent.put(bytearray(SPLIT_SIZE))
    with ThreadPoolExecutor(SPLIT_CONNECTIONS, thread_name_prefix="range") as pool:
        under_way: deque[Future[memoryview]] = deque()

        def begin() -> None:
            if (start := next(starts, None)) is not None:
                room = memoryview(progress.spent.get())[: (progress.total or 0) - start]
                under_way.append(pool.submit(_one_range, streams, fetch, progress, start, room))

        try:
            for _ in range(SPLIT_CONNECTIONS):
                begin()
            while under_way:
                chunk = under_way.popleft().result()
                begin()
                yield chunk
        except Interrupted:
            progress.splittable = False
            raise
        finally:
            for future in under_way:
                future.cancel()


def _one_range(
    streams: Streams, fetch: Fetch, progress: Progress, start: int, room: memoryview
) -> memoryview:
    version, total = progress.version, progress.total
    last = start + len(room) - 1
    headers = {"Range": f"bytes={start}-{last}", "If-Range": version.if_range or ""}
    with streams.get(fetch, headers) as stream:
        if stream.status != 206:
            raise Interrupted(f"HTTP {stream.status} to a range")
        version.check(stream.headers, total, first=start, last=last)
        came = stream.fill(room)
    if came != len(room):
        raise Interrupted(f"a range ended after {came} of {len(room)} bytes")
    return room
