"""Fetching the rest of a long file in several ranges at once, for servers that cap each connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

from airflow_provider_vidai.files.progress import Progress
from airflow_provider_vidai.jobs.calls import Fetch
from airflow_provider_vidai.net.bodies import Interrupted, Streams

#: The rest of a file is fetched in several ranges if it has at least this many bytes,
SPLIT_ABOVE = 64 << 20
#: and if one connection was waited for this many seconds
SPLIT_AFTER = 1.0
#: and brought fewer bytes per second than this. Then the server probably caps each connection. On a line that
#: is faster anyway, several connections would only cost more.
SPLIT_BELOW = 100e6
SPLIT_CONNECTIONS = 8
#: Bytes in one range, and in each buffer.
SPLIT_SIZE = 2 << 20
#: One buffer for each connection, and a few that are being written and hashed.
SPLIT_BUFFERS = SPLIT_CONNECTIONS + 3


def is_slow(progress: Progress, brought: int, waited: float) -> bool:
    """Whether the connection is too slow, and the file can be split.

    :param brought: bytes that it brought.
    :param waited: seconds for which it was waited for, without the time for writing to disk.
    """
    return (
        waited >= SPLIT_AFTER
        and progress.splittable
        and progress.version.if_range is not None
        and (progress.total or 0) - progress.received >= SPLIT_ABOVE
        and brought / waited < SPLIT_BELOW
    )


def in_ranges(streams: Streams, fetch: Fetch, progress: Progress) -> Generator[memoryview, None, None]:
    """Yield the rest of the file in order, while several ranges of it are being fetched.

    The number of buffers bounds the memory: a range begins only when a buffer is free.

    :raises Interrupted: when a range failed. The file is not split again then.
    """
    assert progress.total is not None
    starts = iter(range(progress.received, progress.total, SPLIT_SIZE))
    for _ in range(SPLIT_BUFFERS):
        progress.spent.put(bytearray(SPLIT_SIZE))
    with ThreadPoolExecutor(SPLIT_CONNECTIONS, thread_name_prefix="range") as pool:
        pending: deque[Future[memoryview]] = deque()

        def begin() -> None:
            if (start := next(starts, None)) is not None:
                room = memoryview(progress.spent.get())[: (progress.total or 0) - start]
                pending.append(pool.submit(_one_range, streams, fetch, progress, start, room))

        try:
            for _ in range(SPLIT_CONNECTIONS):
                begin()
            while pending:
                chunk = pending.popleft().result()
                begin()
                yield chunk
        except Interrupted:
            # The server may not accept that many connections, so the rest is fetched over one.
            progress.splittable = False
            raise
        finally:
            # Leaving the pool waits for ranges that have begun; those that have not must not begin any more.
            for future in pending:
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
        received = stream.fill(room)
    if received != len(room):
        raise Interrupted(f"a range ended after {received} of {len(room)} bytes")
    return room
