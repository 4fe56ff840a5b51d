"""Reading and writing files on Airflow object storage. A file that is written is whole or absent."""

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

#: Bytes that are read at a time.
CHUNK = 1 << 20

#: The part size for object stores, in bytes. S3 takes at most 10,000 parts of at least 5 MiB. The smallest is
#: best for memory, because a store's client holds several copies of a part.
BLOCK = 5 << 20

#: Start writeback to a local disk after this many bytes. Without it, most of a file is still in the page
#: cache at the commit, whose fsync then waits for the disk while nothing else happens.
WRITE_BACK = 32 << 20

_LOCAL = ("", "file", "local")

#: Control characters: URL parsers drop some of them silently, and then another file would be read.
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
        """The file's own name, as the storage has it."""
        return self.path.name

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file; a missing permission becomes an error that names the file."""
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
    """Open a file to read, with blocks of ``BLOCK`` bytes: the filesystem's own are up to 50 MiB."""
    file: contextlib.AbstractContextManager[IO[bytes]] = path.fs.open(path.path, "rb", block_size=BLOCK)
    return file


def storage_path(uri: str | PurePath | ObjectStoragePath) -> ObjectStoragePath:
    """Return the path of a URI or of a plain local path.

    Blanks at the ends are ignored, and ``~`` is the home folder of the worker's user.

    :raises InputError: when no filesystem for it is installed, or it contains something that the storage
        would drop or understand in another way.
    """
    # In some versions of Airflow its own paths are PurePaths too; those have a file system ("fs").
    if isinstance(uri, str) or (isinstance(uri, PurePath) and not hasattr(uri, "fs")):
        uri = _literal(str(uri))
    try:
        path = ObjectStoragePath(uri)
        path.fs  # noqa: B018 - it is resolved lazily, and only then a missing filesystem shows
    except TypeError:
        raise InputError(f"{shown_media(uri)!r} is not a storage URI or path.") from None
    except (ValueError, ImportError) as error:
        raise InputError(
            f"{_shown(uri)}: {_shown(error)}. Install the Airflow provider of this storage, e.g. "
            "apache-airflow-providers-amazon[s3fs] for s3://."
        ) from None
    if "::" in str(uri) and "::" not in path.path:  # Airflow 3.1.0 cuts a plain path there as well
        raise _cut(str(uri))
    return path


def _cut(uri: str) -> InputError:
    return InputError(
        f"{shown_name(uri)!r} contains '::', where the storage layer would cut it: rename the file."
    )


def _literal(uri: str) -> str:
    """Return a URI or an absolute path that the storage layer takes as it is written."""
    uri = uri.strip()
    if _DROPPED.search(uri):
        raise InputError(f"{shown_name(uri)!r} contains a control character.")
    if uri[:7].lower() == "file://" and "::" in uri:
        uri = uri[7:]  # fsspec cuts a URI at "::", but takes a plain path as it is written
    if "://" not in uri:
        # Airflow 3.1 takes a relative path as if it began at the root.
        return str(_at_home(uri).absolute()) if uri else uri
    if "::" in uri:
        raise _cut(uri)
    if re.match(r"file:/+~", uri, re.IGNORECASE):
        raise InputError(
            f"{shown_name(uri)!r} contains ~, which is a home folder only in a plain path, not in a URI."
        )
    return uri


def _at_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(
            f"{shown_name(path)!r} contains ~, but the home folder of that user is not known."
        ) from None


def source(uri: str | PurePath | ObjectStoragePath) -> Source:
    """Return the file at ``uri``.

    :raises InputError: when it is missing, a directory, empty, or not readable.
    :raises TransferError: when its storage failed, so nothing is known about it.
    """
    path = storage_path(uri)
    try:
        # Before exists(): a folder of an object store exists, but has no content to send.
        if path.is_dir():
            raise InputError(f"{_shown(uri)} is a directory, not a file.")
        if not path.exists():
            raise InputError(f"{_shown(uri)} does not exist.")
        size = path.stat().st_size
    except PermissionError as error:
        raise _unreadable(uri, error) from None
    except VidaiError:
        raise
    except Exception as error:  # each store raises errors of its own types
        raise TransferError(
            f"The storage of {_shown(uri)} cannot be read: {_shown(error)}. Nothing was sent."
        ) from error
    if not size:
        raise InputError(f"{_shown(uri)} is empty.")
    return Source(path, size)


# Control characters, line ends, and marks that reverse the direction of text: each could disguise a log line.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def shown_name(value: object) -> str:
    """Return a file's name or URI for messages and logs: on one line, short, and without secrets."""
    return _UNSHOWN.sub(" ", _shown(value))[:300]


def _unreadable(uri: str | PurePath | ObjectStoragePath, error: PermissionError) -> InputError:
    return InputError(f"{_shown(uri)} cannot be read without permission ({_shown(error)}).")


def _shown(value: object) -> str:
    """Return a URI or a store's error text for messages: it may hold a signed URL or a data URI."""
    return without_bytes(str(shown_media(str(value))))


def signed_url(file: Source, seconds: int) -> str:
    """Return a URL by which anybody can read the file for ``seconds``. It is a secret.

    :raises InputError: when its storage has no signed URLs.
    :raises TransferError: when signing failed.
    """
    try:
        url = str(file.path.sign(expiration=seconds))
    except NotImplementedError:
        url = ""
    except Exception as error:  # each store raises errors of its own types
        raise TransferError(
            f"No URL could be signed for {_shown(file.path)}: {_shown(error)}. Nothing was sent."
        ) from error
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"The storage of {_shown(file.path)} can't sign a URL by which others read the file: put it "
            "into an object storage that can (S3, GCS, Azure), or give a public URL."
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
    """Return the file to write: ``uri`` itself, or ``stem`` with ``suffix`` in the folder ``uri/``."""
    path = storage_path(uri)
    return path / (file_name(stem) + suffix) if str(uri).strip().endswith("/") else path


def is_local(path: ObjectStoragePath) -> bool:
    """Whether ``path`` is on a disk of this machine."""
    return path.protocol in _LOCAL


def public_uri(path: ObjectStoragePath) -> str:
    """Return the URI of ``path`` that may be published: absolute, and without credentials."""
    if is_local(path):
        # It is not percent-encoded, because Airflow's paths take a URI as it is written.
        return f"file://{Path(path.path).absolute()}"
    return f"{path.protocol}://{path.path.lstrip('/')}"


def location(path: ObjectStoragePath) -> dict[str, str]:
    """Return where a file is: ``{uri, path}``.

    ``uri`` identifies the file everywhere, without credentials. ``path`` is for the next task to read it: it
    also names the connection, as the destination did.
    """
    uri = public_uri(path)
    # Newer versions of Airflow have an attribute for it, older ones keep it among the options.
    conn_id = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")
    # A connection's id contains no colon. What has one is a user with a password, which is not published.
    named = conn_id and ":" not in conn_id and not is_local(path)
    return {"uri": uri, "path": uri.replace("://", f"://{conn_id}@", 1) if named else uri}


def write_text(text: str, destination: str, stem: str) -> dict[str, Any]:
    """Write a text as a file; return ``{uri, path, bytes, sha256, complete, content_type}``.

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

    On a local disk it is a hidden file in the same folder, which the commit renames: a rename within a folder
    is atomic. Elsewhere it is the store's own uncommitted write (on S3 a multipart upload, which is completed
    or aborted).
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path
        self._final = Path(path.path) if is_local(path) else None
        self._part: Path | None = None
        self._file: Any = None
        self._on_disk = 0

    def open(self) -> None:
        """Begin the file, or begin it again from nothing."""
        self.discard()
        with _writing(self.path):
            self._open()

    def _open(self) -> None:
        if self._final is not None:
            self._final.parent.mkdir(parents=True, exist_ok=True)
            if self._final.is_dir():
                raise IsADirectoryError(
                    errno.EISDIR, "it is a directory; end it with '/' to write files into it"
                )
            # Each writer has a name of its own, because two tries of one task may run at the same time. The
            # name is short, so that a final name as long as the disk allows can be written too.
            self._part = self._final.with_name(f".{uuid.uuid4().hex}.part")
            self._file = self._part.open("xb")
            self._on_disk = 0
        else:
            # Opened at the filesystem, because Airflow's wrapper reports every single write to its lineage.
            self._file = self.path.fs.open(self.path.path, "wb", autocommit=False, block_size=BLOCK)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append ``chunk``."""
        with _writing(self.path):
            self._file.write(chunk)
            if self._part is not None and self._file.tell() - self._on_disk >= WRITE_BACK:
                self._write_back()

    def _write_back(self) -> None:
        if hasattr(os, "posix_fadvise"):  # on Linux this starts writeback and does not wait for it
            size = self._file.tell() - self._on_disk
            os.posix_fadvise(self._file.fileno(), self._on_disk, size, os.POSIX_FADV_DONTNEED)
            self._on_disk += size

    def commit(self) -> None:
        """Publish the whole file; it replaces an older one."""
        with _writing(self.path):
            self._finish()
        if self._final is None:
            # The store's answer may be lost after the commit, so "nothing was left" is not certain here.
            with _writing(self.path, "It is there whole, or not at all."):
                self._file.commit()
        self._file = None

    def _finish(self) -> None:
        if self._part is not None and self._final is not None:
            self._file.flush()
            # Without fsync a power loss after the rename could leave an empty file under the final name.
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._final)
            self._part = None
        else:
            self._file.close()

    def discard(self) -> None:
        """Remove what was written; after a commit it does nothing."""
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
    """Open a file to write. The caller commits it; without a commit nothing of it stays."""
    target = PendingFile(path)
    # finally, not except: a task that is killed ends with SystemExit or GeneratorExit and must leave nothing.
    try:
        target.open()
        yield target
    finally:
        try:
            target.discard()
        except Exception as error:  # noqa: BLE001 - it must not replace the error that is already raised
            log.warning("The unfinished part of %s could not be removed: %s", public_uri(path), error)


_NOTHING_LEFT = "Nothing was left there."
#: Errors that a retry meets again.
_PERMANENT = (errno.EROFS, errno.EISDIR, errno.ENOTDIR)


@contextlib.contextmanager
def _writing(path: ObjectStoragePath, fate: str = _NOTHING_LEFT) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each store raises errors of its own types
        number = getattr(error, "errno", None)
        if number == errno.ENOSPC:
            failure = TransferError(
                f"{_shown(path)} cannot be written: no space left on the destination. {fate}"
            )
        elif isinstance(error, PermissionError) or number in _PERMANENT:
            why = _shown(getattr(error, "strerror", None) or error)
            failure = TransferError(f"{_shown(path)} cannot be written: {why}. {fate}", retryable=False)
        else:
            failure = TransferError(f"Writing {_shown(path)} failed: {_shown(error)}. {fate}")
        raise failure from error
