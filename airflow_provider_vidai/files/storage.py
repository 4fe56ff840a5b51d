"""Where files come from and where they land: Airflow object storage, whole or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_vidai.errors import InputError, TransferError, VidaiError
from airflow_provider_vidai.files.titles import file_name
from airflow_provider_vidai.redaction import shown_media, without_bytes

log = logging.getLogger(__name__)

#: How much is read or written at a time, in bytes.
CHUNK = 1 << 20

#: The pieces in which object stores are read and written, in bytes: S3 takes 10,000 of at least 5 MiB.
#: A store's client holds several copies of a piece.
BLOCK = 5 << 20

#: So many bytes at a time are sent on their way to a local disk while more arrive: otherwise all of a
#: file would be in memory when it is committed, and the commit would wait for the disk alone.
WRITE_BACK = 32 << 20

_LOCAL = ("", "file", "local")

#: Control characters, which URLs lose without a word.
_DROPPED = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Source:
    """A file to read.

    :param size: bytes.
    """

    path: ObjectStoragePath
    size: int

    @property
    def name(self) -> str:
        """The file's own name, raw."""
        return self.path.name

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file; what goes wrong becomes an error that names it."""
        try:
            with reading(self.path) as file:
                yield file
        except PermissionError as error:
            raise _unreadable(self.path, error) from None

    def chunks(self) -> Iterator[bytes]:
        """Read the file from its start."""
        with self.open() as file:
            while chunk := file.read(CHUNK):
                yield chunk


def reading(path: ObjectStoragePath) -> contextlib.AbstractContextManager[IO[bytes]]:
    """Open a file to read; at the filesystem, as when landing, because its own blocks are up to 50 MiB."""
    file: contextlib.AbstractContextManager[IO[bytes]] = path.fs.open(path.path, "rb", block_size=BLOCK)
    return file


def storage_path(uri: str | PurePath | ObjectStoragePath) -> ObjectStoragePath:
    """Return the path of a URI or of a plain local path.

    Blanks at the ends do not count, and ``~`` is the home folder of the worker's user.

    :raises InputError: when no filesystem for it is installed, or it holds what a storage would drop.
    """
    # Some versions of Airflow's own paths are PurePaths too.
    if isinstance(uri, str) or (isinstance(uri, PurePath) and not hasattr(uri, "fs")):
        uri = _literal(str(uri))
    try:
        path = ObjectStoragePath(uri)
        path.fs  # noqa: B018 - resolved lazily, and this is where a missing filesystem shows
    except TypeError:
        raise InputError(f"{shown_media(uri)!r} is no storage URI or path.") from None
    except (ValueError, ImportError) as error:
        raise InputError(
            f"{_shown(uri)}: {_shown(error)}. Install the Airflow provider of this storage, e.g. "
            "apache-airflow-providers-amazon[s3fs] for s3://."
        ) from None
    return path


def _literal(uri: str) -> str:
    """Return a URI or an absolute path, of which nothing is dropped or understood in another way."""
    uri = uri.strip()
    if _DROPPED.search(uri):
        raise InputError(f"{shown_name(uri)!r} contains a control character.")
    if uri[:7].lower() == "file://" and "::" in uri:
        uri = uri[7:]  # a plain path is taken as it is written
    if "://" not in uri:
        # Airflow 3.1 takes a relative path as if it began at the root.
        return str(_at_home(uri).absolute()) if uri else uri
    if "::" in uri:
        raise InputError(
            f"{shown_name(uri)!r} contains '::', at which a storage URI would be cut: rename the file."
        )
    if re.match(r"file:/+~", uri, re.IGNORECASE):
        raise InputError(f"{shown_name(uri)!r}: ~ is understood only in a plain path, not in a URI.")
    return uri


def _at_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{shown_name(path)!r}: the home folder that ~ stands for is not known.") from None


def source(uri: str | PurePath | ObjectStoragePath) -> Source:
    """Return the file at ``uri``.

    :raises InputError: when it is missing, a directory, empty, or may not be read.
    """
    path = storage_path(uri)
    try:
        if path.is_dir():
            raise InputError(f"{_shown(uri)} is a directory, not a file.")
        if not path.exists():
            raise InputError(f"{_shown(uri)}: there is no such file.")
        size = path.stat().st_size
    except PermissionError as error:
        raise _unreadable(uri, error) from None
    except VidaiError:
        raise
    except Exception as error:  # a store's own errors are of any kind
        why = f"its storage cannot be read: {_shown(error)}"
        raise TransferError(f"{_shown(uri)}: {why}. Nothing was sent.") from error
    if not size:
        raise InputError(f"{_shown(uri)} is empty.")
    return Source(path, size)


# Control characters, line ends, and marks that turn the direction of what follows in a log.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def shown_name(value: object) -> str:
    """Return a file's name or URI as messages and logs show it: on one line, short, and without secrets."""
    return _UNSHOWN.sub(" ", _shown(value))[:300]


def _unreadable(uri: str | PurePath | ObjectStoragePath, error: PermissionError) -> InputError:
    return InputError(f"{_shown(uri)} may not be read ({_shown(error)}).")


def _shown(value: object) -> str:
    """Return a URI, or what a store said, as messages show it: it may be a signed URL, or a data URI."""
    return without_bytes(str(shown_media(str(value))))


def signed_url(file: Source, seconds: int) -> str:
    """Return a URL by which anybody can read the file for a while: a secret.

    :raises InputError: when its storage has no such URLs.
    :raises TransferError: when it could not make one now.
    """
    try:
        url = str(file.path.sign(expiration=seconds))
    except NotImplementedError:
        url = ""
    except Exception as error:  # a store's own errors are of any kind
        why = f"no URL could be signed: {_shown(error)}"
        raise TransferError(f"{_shown(file.path)}: {why}. Nothing was sent.") from error
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"{_shown(file.path)}: its storage can't sign a URL by which others read the file: put it into "
            "an object storage that can (S3, GCS, Azure), or give a public URL."
        )
    return url


def write_whole(path: ObjectStoragePath, content: bytes) -> None:
    """Write a small file, whole or not at all.

    :raises TransferError: when it could not be written.
    """
    with pending_file(path) as target:
        target.write(content)
        target.commit()


def destination_path(uri: str | PurePath, stem: str, suffix: str) -> ObjectStoragePath:
    """Return the file to land: ``uri`` itself, or ``stem`` with ``suffix`` in the folder ``uri/``."""
    path = storage_path(uri)
    return path / (file_name(stem) + suffix) if str(uri).strip().endswith("/") else path


def is_local(path: ObjectStoragePath) -> bool:
    """Whether ``path`` is on a disk of this machine."""
    return path.protocol in _LOCAL


def public_uri(path: ObjectStoragePath) -> str:
    """Return the URI of ``path`` as others may see it: absolute, and without credentials."""
    if is_local(path):
        # Not percent-encoded: Airflow's paths take a URI as it is written.
        return f"file://{Path(path.path).absolute()}"
    return f"{path.protocol}://{path.path.lstrip('/')}"


def location(path: ObjectStoragePath) -> dict[str, str]:
    """Return where a file was landed: ``{uri, path}``.

    ``uri`` is what the file is called everywhere, without credentials. ``path`` is what the next task reads
    it by: it names the connection too, as the destination did.
    """
    uri = public_uri(path)
    # Newer Airflows tell it by name, older ones among the options.
    conn_id = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")
    # A connection's id holds no colon: then it is a user with a password.
    named = conn_id and ":" not in conn_id and not is_local(path)
    return {"uri": uri, "path": uri.replace("://", f"://{conn_id}@", 1) if named else uri}


def write_text(text: str, destination: str, stem: str) -> dict[str, Any]:
    """Land words as a file; return ``{uri, path, bytes, sha256, complete, content_type}``.

    :param destination: the exact file, or a folder when it ends in ``/``.
    :raises TransferError: nothing was landed.
    """
    path, data = destination_path(destination, stem, ".txt"), text.encode()
    write_whole(path, data)
    log.info("Landed %s, %d bytes of text", shown_name(public_uri(path)), len(data))
    return {
        **location(path),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "complete": True,
        "content_type": "text/plain",
    }


class PendingFile:
    """A file being written that nobody sees until it is whole.

    On local disks it is a hidden sibling that is renamed; elsewhere the store's own uncommitted
    write (on S3 a multipart upload that is completed or aborted).
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path
        self._final = Path(path.path) if is_local(path) else None
        self._part: Path | None = None
        self._file: Any = None
        self._on_disk = 0

    def open(self) -> None:
        """Begin, or begin again from nothing."""
        self.discard()
        with _writing(self.path):
            self._open()

    def _open(self) -> None:
        if self._final is not None:
            self._final.parent.mkdir(parents=True, exist_ok=True)
            if self._final.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a directory; end it with '/' to land files in it")
            self._part = self._final.with_name(f".{uuid.uuid4().hex}.part")
            self._file = self._part.open("xb")
            self._on_disk = 0
        else:
            # Opened at the filesystem: Airflow's wrapper reports every single write to its lineage.
            self._file = self.path.fs.open(self.path.path, "wb", autocommit=False, block_size=BLOCK)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append ``chunk``."""
        with _writing(self.path):
            self._file.write(chunk)
            if self._part is not None and self._file.tell() - self._on_disk >= WRITE_BACK:
                self._write_back()

    def _write_back(self) -> None:
        if hasattr(os, "posix_fadvise"):  # Linux begins to write, and does not wait for it
            size = self._file.tell() - self._on_disk
            os.posix_fadvise(self._file.fileno(), self._on_disk, size, os.POSIX_FADV_DONTNEED)
            self._on_disk += size

    def commit(self) -> None:
        """Make the file appear, whole, in place of one that was there before."""
        with _writing(self.path):
            self._finish()
        if self._final is None:
            # A store's answer may be lost after it did what it was asked for.
            with _writing(self.path, "It is there whole, or not at all."):
                self._file.commit()
        self._file = None

    def _finish(self) -> None:
        if self._part is not None and self._final is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._final)
            self._part = None
        else:
            self._file.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        file, self._file = self._file, None
        if file is None:
            return
        if self._part is not None:
            file.close()
            self._part.unlink(missing_ok=True)
            self._part = None
        else:
            file.discard()
            # An abandoned fsspec file commits itself when it is collected, unless it counts as closed.
            with contextlib.suppress(AttributeError):
                file.closed = True


@contextlib.contextmanager
def pending_file(path: ObjectStoragePath) -> Iterator[PendingFile]:
    """Write a file that is committed by the caller, or discarded when anything goes wrong."""
    target = PendingFile(path)
    try:
        target.open()
        yield target
    finally:
        try:
            target.discard()
        except Exception as error:  # noqa: BLE001 - what went wrong before is what must be heard
            log.warning("%s: what was written of it could not be removed: %s", public_uri(path), error)


_NOTHING_LEFT = "Nothing was left there."
_FOR_GOOD = (errno.EROFS, errno.EISDIR, errno.ENOTDIR)


@contextlib.contextmanager
def _writing(path: ObjectStoragePath, fate: str = _NOTHING_LEFT) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a store's own errors are of any kind
        number = getattr(error, "errno", None)
        if number == errno.ENOSPC:
            failure = TransferError(f"{_shown(path)}: no space left on the destination. {fate}")
        elif isinstance(error, PermissionError) or number in _FOR_GOOD:
            why = _shown(getattr(error, "strerror", None) or error)
            failure = TransferError(f"{_shown(path)} cannot be written: {why}. {fate}", retryable=False)
        else:
            failure = TransferError(f"{_shown(path)}: writing failed: {_shown(error)}. {fate}")
        raise failure from error
