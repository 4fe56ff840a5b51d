"""Which landed files may be served, and their bytes.

An address names a task and a number, never a path. The path comes from the task's XCom, whose signature shows
that this task landed the file, and it must lie below one of ``[vidai] media_roots``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio.to_thread
from airflow.sdk import ObjectStoragePath
from anyio import CapacityLimiter

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.files.storage import is_local, public_uri, storage_path
from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord, TaskKey, is_genuine
from airflow_provider_vidai.jobs.media_types import type_of_name
from airflow_provider_vidai.operators.media import signing_keys

#: Bytes that are read at a time, and threads that read for all users together: the API server's own threads
#: stay free for Airflow.
PIECE, THREADS = 1 << 18, 8
#: For how many seconds a signed URL of an object store is valid. A player asks again after it.
SIGNED_FOR = 600
#: What a browser may get. HTML and SVG are not in it: they would run with the user's rights.
PLAYABLE = frozenset(
    {
        *("video/mp4", "video/quicktime", "video/webm", "video/x-matroska", "video/x-msvideo", "video/mp2t"),
        *("audio/mpeg", "audio/mp4", "audio/aac", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac"),
        *("audio/webm", "image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "text/plain"),
    }
)
#: Types that are served as another one.
_AS = {"application/json": "text/plain"}

_UNREADABLE = "The storage of the file cannot be read."

_limiter: CapacityLimiter | None = None


class NotServed(Exception):
    """A file that is not served.

    :param status: the HTTP status.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Served:
    """A file that may be served.

    :param size: bytes.
    :param tag: identifies the content.
    :param real: where a local file is, once its links are followed.
    :param identity: the device and the inode of the local file that was checked.
    """

    path: ObjectStoragePath
    size: int
    type: str
    tag: str
    name: str
    real: str = ""
    identity: tuple[int, int] | None = None


def media_type(file: MediaFile) -> str:
    """Return a landed file's MIME type.

    A download names a file by its first bytes, while storages often call everything a stream of bytes.
    """
    found = type_of_name(file.path) or file.content_type
    return _AS.get(found, found)


def may_serve(record: MediaRecord, task: TaskKey) -> str:
    """Return why the files of ``record`` are not served here; "" when they are."""
    if not record.files:
        return ""
    keys = signing_keys()
    if not keys:
        return "Landed files are not signed here: set [core] fernet_key or [vidai] media_key."
    if not is_genuine(record, task, keys):
        return "The record of these files is not the one that the task signed when it landed them."
    if not _roots():
        return "Nothing is played here until [vidai] media_roots names the folders with landed files."
    if not all(_is_below_a_root(file.path) for file in record.files):
        return "These files lie outside of [vidai] media_roots."
    return ""


def served(record: MediaRecord, task: TaskKey, index: int, part: str) -> Served:
    """Return the file number ``index`` of a record, or its ``poster`` or ``sheet``.

    :raises NotServed: when the user may not have it, or it is not what was landed.
    """
    if not 0 <= index < len(record.files):
        raise NotServed(404, "There is no such file.")
    refusal = may_serve(record, task)
    if refusal:
        raise NotServed(403, refusal)
    file = record.files[index]
    still = {"main": None, "poster": file.poster, "sheet": file.sheet}[part]
    if part != "main" and still is None:
        raise NotServed(404, "There is no such picture.")
    wanted, size = (still.path, still.bytes) if still else (file.path, file.bytes)
    kind = "image/jpeg" if still else media_type(file)
    if kind not in PLAYABLE:
        raise NotServed(415, f"Files of the type {kind or 'unknown'} are not served.")
    path = storage_path(wanted)
    # may_serve() has checked the files, and this may be a still of one. Links are followed once: what
    # is checked is the same file that is opened later.
    real = os.path.realpath(path.path) if is_local(path) else ""
    if not _is_below_a_root(real or wanted):
        raise NotServed(403, "The file lies outside of [vidai] media_roots.")
    tag = f"{file.sha256 or ''}-{part}-{size}"
    identity = _checked(path, real, size)
    return Served(path, size, kind, f'"{tag}"', path.name, real, identity)


def _checked(path: ObjectStoragePath, real: str, landed: int) -> tuple[int, int] | None:
    """Check that a file is as large as it was landed; return the identity of a local one."""
    identity = None
    try:
        if real:
            # No link is in it, so lstat() finds none unless somebody has just put it there.
            found = os.lstat(real)
            identity = found.st_dev, found.st_ino
            size = found.st_size if stat.S_ISREG(found.st_mode) else -1
        else:
            size = int(path.stat().st_size)
    except FileNotFoundError:
        raise NotServed(404, "The file is no longer there.") from None
    except Exception:  # noqa: BLE001 - each object store's client has errors of its own
        raise NotServed(502, _UNREADABLE) from None
    if size != landed:
        raise NotServed(409, "The file has changed since it was landed.")
    return identity


def _roots() -> list[str]:
    given = str(conf.get("vidai", "media_roots", fallback="") or "")
    return [root.strip() for root in given.split(",") if root.strip()]


def _is_below_a_root(uri: str) -> bool:
    return any(_is_below(uri, root) for root in _roots())


def _is_below(uri: str, root: str) -> bool:
    try:
        path, folder = storage_path(uri), storage_path(root)
    except VidaiError:
        return False
    if is_local(path) != is_local(folder):
        return False
    if is_local(path):
        # What a link leads to counts, not where the link is.
        top = Path(os.path.realpath(folder.path))
        return Path(os.path.realpath(path.path)).is_relative_to(top)
    inside, top_uri = public_uri(path), public_uri(folder).rstrip("/")
    return inside.startswith(f"{top_uri}/") and ".." not in inside.split("/")


def signed_address(file: Served) -> str | None:
    """Return a short-lived URL of an object store for a browser, or None where the store has none."""
    if is_local(file.path):
        return None
    with suppress(Exception):  # a store that cannot sign is read here instead
        url = str(file.path.sign(expiration=SIGNED_FOR))
        if url.startswith("https://"):
            return url
    return None


async def pieces(file: Served, first: int, last: int) -> AsyncIterator[bytes]:
    """Yield the bytes from ``first`` to ``last``; one piece at a time is in memory."""
    source = await in_thread(_opened, file)
    try:
        at = first
        while at <= last:
            piece = await in_thread(_piece, source, at, min(PIECE, last - at + 1))
            if not piece:
                return
            at += len(piece)
            yield piece
    finally:
        await in_thread(source.close)


async def excerpt(file: Served, limit: int = 4096) -> str:
    """Return the beginning of a text file.

    :raises NotServed: when it cannot be read.
    """
    try:
        found = b"".join([piece async for piece in pieces(file, 0, min(file.size, limit) - 1)])
    except Exception:  # noqa: BLE001 - each object store's client has errors of its own
        raise NotServed(502, _UNREADABLE) from None
    return found.decode("utf-8", "replace")


def _opened(file: Served) -> IO[bytes]:
    if file.real:
        # Somebody may have put a link, a pipe or another file there since the check. A link is not followed,
        # opening a pipe does not wait for its writer, and another file is another inode.
        source = os.fdopen(os.open(file.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0)
        found = os.fstat(source.fileno())
        if (found.st_dev, found.st_ino) != file.identity:
            source.close()
            raise NotServed(409, "The file has changed since it was landed.")
        return source
    opened: IO[bytes] = file.path.fs.open(file.path.path, "rb", block_size=PIECE)
    return opened


def _piece(source: IO[bytes], at: int, size: int) -> bytes:
    source.seek(at)
    return source.read(size)


async def in_thread(call: Any, *arguments: Any) -> Any:
    """Call what waits for a disk or a storage, in one of this package's own threads."""
    global _limiter
    if _limiter is None:  # it belongs to the event loop that it is first used in
        _limiter = CapacityLimiter(THREADS)
    return await anyio.to_thread.run_sync(call, *arguments, limiter=_limiter, abandon_on_cancel=False)
