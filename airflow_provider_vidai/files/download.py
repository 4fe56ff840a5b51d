"""Files in and out: streamed, checked, resumed, and landed whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_vidai.errors import AddressGone, TransferError
from airflow_provider_vidai.files.media_types import HEAD, described, looks_like, suffix_of
from airflow_provider_vidai.files.probe import Media, probe
from airflow_provider_vidai.files.progress import Progress, reported
from airflow_provider_vidai.files.ranges import SPLIT_CONNECTIONS, in_ranges, is_slow
from airflow_provider_vidai.files.storage import (
    Landing,
    destination_path,
    landed_at,
    landing,
    reading,
    shown_name,
)
from airflow_provider_vidai.files.titles import file_name
from airflow_provider_vidai.files.version import StartAgain, Version
from airflow_provider_vidai.jobs.calls import Fetch
from airflow_provider_vidai.jobs.output import OutputKind
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.bodies import (
    FRUITLESS_TRIES,
    LEASE_OVER,
    PASSING,
    Interrupted,
    Stream,
    Streams,
)

log = logging.getLogger(__name__)


#: A file of fewer bytes is none, whatever it begins with.
LEAST = 16
#: A video of fewer bytes is often a placeholder for one that the vendor's moderation took out.
SMALL_VIDEO = 100_000


def download(
    account: Account,
    locate: Callable[[], Fetch],
    destination: str,
    stem: str,
    *,
    min_bytes: int | None = None,
) -> dict[str, Any]:
    """Land the file that ``locate`` finds, and return what was landed.

    :param locate: asks the vendor for a fresh way to the file; called again whenever a URL has run
        out, also midway.
    :param destination: the exact file, or a folder when it ends in ``/``.
    :param stem: the file's name in a folder, without extension.
    :param min_bytes: refuse a file of fewer bytes; None only warns of a video under ``SMALL_VIDEO``.
    :returns: ``{uri, path, bytes, sha256, complete, content_type, duration, width, height, fps}``, seconds
        and pixels, without the fields that make no sense for the file. ``complete`` is True when the
        file's own format proves that it is whole, and None when the format does not say.
    :raises TransferError: nothing was landed.
    """
    with Streams(account, SPLIT_CONNECTIONS) as streams, contextlib.closing(Progress()) as progress:
        with contextlib.ExitStack() as stack:
            target = _Target(stack, destination, stem)
            fruitless = furthest = 0
            while True:
                try:
                    _take_up(streams, locate(), target, progress)
                    break
                except Interrupted as why:
                    # A file that can't be resumed comes from its start again: that alone is no progress.
                    fruitless = 0 if progress.received > furthest else fruitless + 1
                    furthest = max(furthest, progress.received)
                    if isinstance(why, StartAgain):
                        progress.restart()
                    if fruitless >= FRUITLESS_TRIES:
                        raise TransferError(
                            f"Downloading {target.name} failed: {why}. Nothing was landed."
                        ) from None
                    log.warning(
                        "Downloading %s: %s; going on from byte %d.",
                        target.name,
                        why,
                        progress.received,
                    )
                    time.sleep(min(2.0**fruitless, 30.0) if fruitless else 0.2)
            _check_size(target, progress, min_bytes)
            target.landing.commit()
        return _landed(target.landing, progress)


def status_of(account: Account, fetch: Fetch) -> int:
    """Send ``fetch`` once and return only the status of its answer.

    :raises TransferError: when there was none.
    """
    try:
        with Streams(account) as streams, streams.get(fetch, {}) as stream:
            return stream.status
    except Interrupted as why:
        raise TransferError(f"{str(why).capitalize()}.") from None


class _Target:
    """Where the file lands; its name may depend on how it begins."""

    def __init__(self, stack: contextlib.ExitStack, destination: str, stem: str) -> None:
        self._stack = stack
        self._destination = destination
        self._stem = stem
        self.name = shown_name(file_name(stem))
        self.kind: OutputKind = "text"
        self._landing: Landing | None = None

    @property
    def landing(self) -> Landing:
        """The file being written."""
        assert self._landing is not None
        return self._landing

    def begin(self, fetch: Fetch, head: bytes) -> None:
        """Begin the file, or begin it again."""
        self.kind = fetch.kind
        if self._landing is None:
            path = destination_path(self._destination, self._stem, suffix_of(fetch.kind, head))
            self._landing = self._stack.enter_context(landing(path))
        else:
            self._landing.open()


def _take_up(streams: Streams, fetch: Fetch, target: _Target, progress: Progress) -> None:
    """Bring the file, from where it stopped, to its end.

    :raises Interrupted: when it stopped again.
    """
    headers = {}
    if progress.received and progress.version.if_range:
        headers = {"Range": f"bytes={progress.received}-", "If-Range": progress.version.if_range}
    with streams.get(fetch, headers) as stream:
        head = _checked(stream, fetch, progress)
        if not progress.received:
            target.begin(fetch, head)
        split = _pour(_chain(head, stream.chunks()), target, progress, may_split=True)
    if split:
        log.info("Downloading %s: one connection is slow; using %d.", target.name, SPLIT_CONNECTIONS)
        with contextlib.closing(in_ranges(streams, fetch, progress)) as ranges:
            _pour(ranges, target, progress, may_split=False)
    if progress.total is not None and progress.received != progress.total:
        raise Interrupted(f"the stream ended at byte {progress.received} of {progress.total}")
    if progress.received < LEAST:
        raise TransferError(
            f"Downloading {target.name}: only {progress.received} bytes came. Nothing was landed."
        )
    if progress.ending.whole() is False:
        raise StartAgain(f"the file was cut: it ends at byte {progress.received}, within one of its parts")


def _check_size(target: _Target, progress: Progress, min_bytes: int | None) -> None:
    came = progress.received
    if min_bytes is not None and came < min_bytes:
        raise TransferError(
            f"Downloading {target.name}: the file has {came} bytes, fewer than the {min_bytes} of min_bytes: "
            "it may be a placeholder for a video that the vendor's moderation took out. Nothing was landed.",
            retryable=False,
        )
    if target.kind == "video" and came < SMALL_VIDEO:
        log.warning(
            "%s has only %d bytes: check it, because it may be a placeholder for a video that the vendor's "
            "moderation took out. Set min_bytes to have such a file refused.",
            target.name,
            came,
        )


def _checked(stream: Stream, fetch: Fetch, progress: Progress) -> bytes:
    """Check an answer before a byte of it is written; return the first bytes of a new file."""
    if fetch.once and stream.status in (404, 410):
        raise AddressGone(stream.status)
    if stream.status in LEASE_OVER | PASSING:
        raise Interrupted(f"HTTP {stream.status}")
    if stream.status == 416:
        raise StartAgain("HTTP 416")
    if stream.status == 206:
        total = progress.version.check(stream.headers, progress.total, first=progress.received)
        progress.total = progress.total or total
        return b""
    if stream.status != 200:
        raise TransferError(
            f"The storage answered HTTP {stream.status}. Nothing was landed.", retryable=stream.status >= 500
        )
    progress.restart()
    length = stream.headers.get("Content-Length", "")
    progress.total = int(length) if length.isdigit() else None
    progress.version = Version.of(stream.headers)
    progress.content_type = stream.headers.get("Content-Type", "").partition(";")[0].strip()
    head = stream.first(HEAD)
    if len(head) >= LEAST and not looks_like(fetch.kind, head):
        raise TransferError(
            f"Expected {fetch.kind}, but what came is {described(head)} (its content type: "
            f"{progress.content_type or 'none'}). Nothing was landed."
        )
    return head


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _pour(
    chunks: Iterator[bytes | memoryview], target: _Target, progress: Progress, *, may_split: bool
) -> bool:
    """Write what comes; return True when what is left should rather come in several ranges."""
    waited, start = 0.0, progress.received
    since = time.monotonic()
    for chunk in reported(chunks, f"Downloading {target.name}", progress.total, start):
        waited += time.monotonic() - since
        target.landing.write(chunk)
        progress.took(chunk)
        if may_split and is_slow(progress, progress.received - start, waited):
            return True
        since = time.monotonic()
    return False


def _landed(target: Landing, progress: Progress) -> dict[str, Any]:
    try:
        with reading(target.path) as file:
            media = probe(file)
    except Exception as error:  # noqa: BLE001 - the file is there, whole; nothing may fail it now
        log.warning("%s was landed, but could not be probed: %s", shown_name(target.path), error)
        media = Media(None, None, None, None)
    facts = {
        **landed_at(target.path),
        "bytes": progress.received,
        "sha256": progress.digest(),
        "content_type": progress.content_type or None,
        "duration": round(media.duration, 3) if media.duration else None,
        "width": media.width,
        "height": media.height,
        "fps": round(media.fps, 3) if media.fps else None,
    }
    complete = progress.ending.whole()
    if complete is None:
        log.warning(
            "%s: its format does not say where the file ends, so that it is whole is not proven.",
            shown_name(target.path),
        )
    landed = {key: value for key, value in facts.items() if value is not None} | {"complete": complete}
    log.info("Landed %s", ", ".join(f"{key} {value}" for key, value in landed.items()))
    return landed
