"""Downloads: streamed, checked, resumed, and landed whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_vidai.errors import AddressGone, TransferError
from airflow_provider_vidai.files.probe import Media, probe
from airflow_provider_vidai.files.progress import Progress, reported
from airflow_provider_vidai.files.ranges import SPLIT_CONNECTIONS, in_ranges, is_slow
from airflow_provider_vidai.files.storage import (
    PendingFile,
    destination_path,
    location,
    pending_file,
    reading,
    shown_name,
)
from airflow_provider_vidai.files.titles import file_name
from airflow_provider_vidai.files.version import StartAgain, Version
from airflow_provider_vidai.jobs.calls import Fetch
from airflow_provider_vidai.jobs.media_types import (
    HEAD,
    can_be,
    described,
    document,
    is_plain_text,
    suffix_of,
)
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


#: An answer of fewer bytes counts as empty: no media format is this short.
MIN_FILE_BYTES = 16
#: A shorter video may be a placeholder for one that the vendor's moderation removed.
SMALL_VIDEO_BYTES = 100_000
#: The content types of a server that says itself that it sent text.
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/problem+")
#: Values of Content-Encoding with which the body is not the file, but the file packed.
_PACKED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress"})


def download(
    account: Account,
    locate: Callable[[], Fetch],
    destination: str,
    stem: str,
    *,
    min_bytes: int | None = None,
) -> dict[str, Any]:
    """Download the file that ``locate`` finds, and return a description of it.

    The account's ``timeout`` bounds each wait for the network, but not the lookup of a host's name: Python
    can't interrupt the system's resolver, whose own limits are in ``resolv.conf`` (by default 5 seconds,
    twice for each name server). A task's ``execution_timeout`` bounds all of it.

    :param locate: asks the vendor for a fresh URL of the file; called again whenever a URL has expired,
        also in the middle of the transfer.
    :param destination: the exact file, or a folder when it ends in ``/``.
    :param stem: the file's name in a folder, without extension.
    :param min_bytes: refuse a file of fewer bytes; None only warns of a video under
        ``SMALL_VIDEO_BYTES``.
    :returns: ``{uri, path, bytes, sha256, complete, content_type, duration, width, height, fps}``, in
        seconds and pixels, without the fields that make no sense for the file. ``complete`` is True when
        the file's own format proves that it is whole, and None when the format does not say.
    :raises TransferError: nothing was landed.
    """
    with Streams(account, SPLIT_CONNECTIONS) as streams, contextlib.closing(Progress()) as progress:
        with contextlib.ExitStack() as stack:
            target = _Target(stack, destination, stem)
            _transfer(streams, locate, target, progress)
            _check_size(target, progress, min_bytes)
            target.file.commit()
        # Behind the commit: what follows may not fail the download any more.
        return _description(target.file, progress)


def _transfer(streams: Streams, locate: Callable[[], Fetch], target: _Target, progress: Progress) -> None:
    """Receive the whole file, and resume as often as needed while it makes progress."""
    fruitless = furthest = 0
    while True:
        try:
            return _receive(streams, locate(), target, progress)
        except Interrupted as why:
            # A file that can't be resumed starts again at its first byte, so bytes alone are no
            # progress: only getting further than ever before is.
            fruitless = 0 if progress.received > furthest else fruitless + 1
            furthest = max(furthest, progress.received)
            if isinstance(why, StartAgain):
                progress.restart()
            if fruitless >= FRUITLESS_TRIES:
                raise TransferError(f"Downloading {target.name} failed: {why}. Nothing was landed.") from None
            log.warning(
                "Downloading %s was interrupted: %s. It resumes at byte %d.",
                target.name,
                why,
                progress.received,
            )
            # Where bytes came, the line works and needs no rest; otherwise the pause grows.
            time.sleep(min(2.0**fruitless, 30.0) if fruitless else 0.2)


def status_of(account: Account, fetch: Fetch) -> int:
    """Send ``fetch`` once and return only the status of its answer.

    :raises TransferError: when there was no answer.
    """
    try:
        with Streams(account) as streams, streams.get(fetch, {}) as stream:
            return stream.status
    except Interrupted as why:
        raise TransferError(f"{str(why).capitalize()}.") from None


class _Target:
    """The file at the destination. In a folder its extension depends on how the content begins."""

    def __init__(self, stack: contextlib.ExitStack, destination: str, stem: str) -> None:
        self._stack = stack
        self._destination = destination
        self._stem = stem
        self.name = shown_name(file_name(stem))
        self.kind: OutputKind = "text"
        self._file: PendingFile | None = None

    @property
    def file(self) -> PendingFile:
        """The file being written."""
        assert self._file is not None
        return self._file

    def begin(self, fetch: Fetch, head: bytes) -> None:
        """Begin the file, or begin it again."""
        self.kind = fetch.kind
        if self._file is None:
            # Only now the extension is known, so nothing is created for an answer that is refused.
            path = destination_path(self._destination, self._stem, suffix_of(fetch.kind, head))
            self._file = self._stack.enter_context(pending_file(path))
        else:
            self._file.open()


def _receive(streams: Streams, fetch: Fetch, target: _Target, progress: Progress) -> None:
    """Receive the rest of the file over one URL.

    :raises Interrupted: when the transfer stopped before the end.
    """
    headers = {}
    if progress.received and progress.version.if_range:
        # With If-Range a server whose file has changed sends all of the new one.
        headers = {"Range": f"bytes={progress.received}-", "If-Range": progress.version.if_range}
    with streams.get(fetch, headers) as stream:
        head = _checked(stream, fetch, target, progress)
        if not progress.received:
            target.begin(fetch, head)
        split = _pour(_chain(head, stream.chunks()), target, progress, may_split=True)
    if split:
        log.info("Downloading %s: one connection is slow, so %d are used.", target.name, SPLIT_CONNECTIONS)
        with contextlib.closing(in_ranges(streams, fetch, progress)) as ranges:
            _pour(ranges, target, progress, may_split=False)
    _check_end(target, progress)


def _check_end(target: _Target, progress: Progress) -> None:
    """Make sure that the file did not end early, by the announced length and by its own format.

    A length that agrees proves nothing: a vendor's storage may itself hold half a file.
    """
    if progress.total is not None and progress.received != progress.total:
        raise Interrupted(f"the stream ended at byte {progress.received} of {progress.total}")
    if progress.received < MIN_FILE_BYTES:
        raise TransferError(
            f"Downloading {target.name} brought only {progress.received} bytes. Nothing was landed."
        )
    # Half a file may be what the server holds for a moment, while it is still writing it.
    if progress.ending.whole() is False:
        raise StartAgain(f"the file was cut: it ends at byte {progress.received}, within one of its parts")


def _check_size(target: _Target, progress: Progress, min_bytes: int | None) -> None:
    received = progress.received
    if min_bytes is not None and received < min_bytes:
        raise TransferError(
            f"Downloading {target.name}: the file has {received} bytes, fewer than min_bytes "
            f"({min_bytes}): it may be a placeholder for a video that the vendor's moderation removed. "
            "Nothing was landed.",
            retryable=False,
        )
    # A public client reports that Venice delivers a tiny MP4 where its moderation rejected a video silently.
    # A short clip of a low resolution is as small, so by default this only warns.
    if target.kind == "video" and received < SMALL_VIDEO_BYTES:
        log.warning(
            "%s has only %d bytes: check it, because it may be a placeholder for a video that the vendor's "
            "moderation removed. Set min_bytes to refuse so small a file.",
            target.name,
            received,
        )


def _checked(stream: Stream, fetch: Fetch, target: _Target, progress: Progress) -> bytes:
    """Check an answer before a byte of it is written; return the first bytes of a new file."""
    # A URL that the vendor gave only once can't be replaced by a fresh one, so waiting is useless. A 403
    # does not prove that the file is gone, so it counts as a failure that may pass.
    if fetch.once and stream.status in (404, 410):
        raise AddressGone(stream.status)
    if stream.status in LEASE_OVER | PASSING:
        raise Interrupted(f"HTTP {stream.status}")
    # The file has become shorter than what was received of it: it is another file.
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
    # A 200 to a request for a range is the whole file from its start: the server has no ranges, or the file
    # has changed since.
    progress.restart()
    length = stream.headers.get("Content-Length", "")
    progress.total = int(length) if length.isdigit() else None
    progress.version = Version.of(stream.headers)
    progress.content_type = stream.headers.get("Content-Type", "").partition(";")[0].strip()
    head = stream.first(HEAD)
    if len(head) >= MIN_FILE_BYTES and not can_be(fetch.kind, head):
        _check_unexpected(stream, fetch, target, head, progress.content_type)
    return head


def _check_unexpected(stream: Stream, fetch: Fetch, target: _Target, head: bytes, content_type: str) -> None:
    """Refuse what is certainly not a media file, and only warn of anything else.

    The file is paid for and may be kept for a few hours only, so a format which is not in the table of
    media types, or another kind than the vendor announced, is no reason to lose it.
    """
    found = document(head)
    # Text is an error message only where the server says itself that it is text. That
    # alone proves nothing either, because a storage may serve all its files as text.
    if is_plain_text(head) and content_type.lower().startswith(_TEXT_TYPES):
        found = found or "plain text"
    # The request asks for no encoding. With one, the body is not the file, and its digest would be another.
    packing = stream.headers.get("Content-Encoding", "").strip().lower()
    if packing in _PACKED:
        found = f"a body compressed with {packing}"
    said = f"{found or described(head)} (its content type: {content_type or 'none'})"
    if found:
        raise TransferError(f"Expected {fetch.kind}, but the storage sent {said}. Nothing was landed.")
    log.warning(
        "Downloading %s: expected %s, but the file is %s. It is landed all the same, because it is paid for. "
        "Check it.",
        target.name,
        fetch.kind,
        said,
    )


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _pour(
    chunks: Iterator[bytes | memoryview], target: _Target, progress: Progress, *, may_split: bool
) -> bool:
    """Write what arrives; return True when the rest should be fetched in several ranges instead."""
    waited, start = 0.0, progress.received
    since = time.monotonic()
    for chunk in reported(chunks, f"Downloading {target.name}", progress.total, start):
        # Only the time in which the network is waited for counts: more connections make no disk faster.
        waited += time.monotonic() - since
        target.file.write(chunk)
        progress.count(chunk)
        if may_split and is_slow(progress, progress.received - start, waited):
            return True
        since = time.monotonic()
    return False


def _description(target: PendingFile, progress: Progress) -> dict[str, Any]:
    try:
        with reading(target.path) as file:
            media = probe(file)
    except Exception as error:  # noqa: BLE001 - the file is there and whole, and nothing may fail it now
        log.warning("%s was landed, but could not be probed: %s", shown_name(target.path), error)
        media = Media(None, None, None, None)
    facts = {
        **location(target.path),
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
            "%s has a format that does not say where the file ends, so it is not proven to be whole.",
            shown_name(target.path),
        )
    found = {key: value for key, value in facts.items() if value is not None} | {"complete": complete}
    log.info("Landed %s", ", ".join(f"{key} {value}" for key, value in found.items()))
    return found
