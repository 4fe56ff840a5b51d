"""An object store in memory that hides uncommitted files, as S3 does with multipart uploads."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fsspec import AbstractFileSystem

_NUMBERS = itertools.count()


class _Upload(io.BytesIO):
    def __init__(self, shelf: Shelf, path: str) -> None:
        super().__init__()
        self._shelf, self._path = shelf, path
        self._over = False
        shelf.pending.append(path)

    def write(self, data: Any) -> int:
        if self._shelf.room is not None and self.tell() + len(data) > self._shelf.room:
            raise self._shelf.trouble
        return super().write(data)

    def close(self) -> None:
        """Do nothing: the file is visible only after the commit."""

    def commit(self) -> None:
        if self._shelf.commit_trouble:
            raise self._shelf.commit_trouble
        self._end()
        self._shelf.files[self._path] = self.getvalue()

    def discard(self) -> None:
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._shelf.pending.remove(self._path)

    @property
    def closed(self) -> bool:
        return self._over

    @closed.setter
    def closed(self, value: bool) -> None:
        self._over = self._over or value


class Shelf(AbstractFileSystem):
    """The store.

    :ivar files: the committed files.
    :ivar pending: files that were opened for writing, and neither committed nor discarded.
    :ivar sign_at: the URL of a folder with the same file names, to which signed URLs point.
    :ivar signed: the signed paths, with their lifetimes in seconds.
    :ivar room: the size in bytes above which writing raises ``trouble``.
    """

    protocol = ("s3",)
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.pending: list[str] = []
        self.room: int | None = None
        self.trouble: Exception = OSError(28, "No space left on device")
        self.commit_trouble: Exception | None = None
        self.read_trouble: Exception | None = None
        self.sign_at: str | None = None
        self.signed: list[tuple[str, int]] = []

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        if self.sign_at is None:
            raise NotImplementedError
        path = self._strip_protocol(path)
        self.signed.append((path, expiration))
        return f"{self.sign_at}/{path.rpartition('/')[2]}?signature=s3cr3t"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if self.read_trouble:
            raise self.read_trouble
        if path in self.files:
            return {"name": path, "size": len(self.files[path]), "type": "file"}
        if any(name.startswith(f"{path}/") for name in self.files):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        self.info(path)
        names = [name for name in self.files if name == path or name.startswith(f"{path}/")]
        return [self.info(name) if detail else name for name in names]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write at once, as S3 does; ``create`` fails if the file exists."""
        path = self._strip_protocol(path)
        if mode == "create" and path in self.files:
            raise FileExistsError(path)
        self.files[path] = value

    def rm_file(self, path: str) -> None:
        del self.files[self._strip_protocol(path)]

    def exists(self, path: str, **_: Any) -> bool:
        try:
            return bool(self.info(path))
        except FileNotFoundError:
            return False

    def isdir(self, path: str) -> bool:
        return self.exists(path) and self.info(path)["type"] == "directory"

    def open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> Any:
        path = self._strip_protocol(path)
        if "w" in mode:
            assert not autocommit, "a file written with autocommit is visible before it is complete"
            return _Upload(self, path)
        self.info(path)
        return io.BytesIO(self.files[path])


S = TypeVar("S", bound=Shelf)


@contextmanager
def shelf(kind: type[S] = Shelf) -> Iterator[tuple[S, str]]:  # type: ignore[assignment]
    """Attach a fresh store to Airflow; yield it and the URI of its bucket."""
    from airflow.sdk.io import attach
    from airflow.sdk.io.store import _STORE_CACHE

    name = f"shelf{next(_NUMBERS)}"
    store = kind()
    attach("s3", conn_id=name, fs=store)
    try:
        yield store, f"s3://{name}@bucket"
    finally:
        _STORE_CACHE.pop(f"s3-{name}", None)
