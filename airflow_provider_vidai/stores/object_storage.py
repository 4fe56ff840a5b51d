"""The ledger in object storage: a folder of numbered JSON files."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.files.storage import is_local, storage_path
from airflow_provider_vidai.purchase.patience import Taken
from airflow_provider_vidai.stores.backend import Backend

#: Bytes that disks allow in one name; a longer name is shortened.
LONGEST_NAME = 255


class ObjectStore:
    """A folder of numbered JSON files in object storage, the highest number being the current value.

    ``add`` creates the file after the one that was read and fails if it exists. If two tries run concurrently
    and decided upon the same record, only one can write its intent: atomically on local disks and S3; a
    filesystem that cannot create exclusively checks first and then writes. No file is ever removed, because
    its number could then be used twice. Only the try that created a file writes to it again, so a leftover
    try changes no other try's record.

    :param root: a storage URI or path that every worker reaches.
    :param names: what distinguishes this task instance from all others.
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        folder = "/".join(path_name(name) for name in names)
        path = storage_path(f"{root.rstrip('/')}/{folder}")
        self._fs: Any = path.fs
        self._local = is_local(path)
        self._folder = str(path.path)
        #: The number that was read last, and its value.
        self._number: dict[str, int] = {}
        self._read: dict[str, JsonValue] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value with the highest number, or None when there is none."""
        number = self._highest(key)
        value = self._value(self._file(key, number)) if number else None
        self._number[key], self._read[key] = number, value
        return value

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value after the one that was read; raise Taken if another try did so since."""
        number = self._current(key) + 1
        file = self._file(key, number)
        try:
            self._write(file, value, exclusively=True)
        except Exception as error:
            # The write may have taken effect, its answer being lost. A storage client that then repeats it
            # by itself meets its own file, and reports that it exists. The record's nonce distinguishes that
            # file from another try's.
            try:
                found = self._value(file)
            except Exception:  # noqa: BLE001 - the first error says more
                raise error from None
            if found != value:
                raise Taken("another try of this task is buying, so this one buys nothing") from error
        self._number[key], self._read[key] = number, value

    def retract(self, key: str, value: JsonValue) -> None:
        """Put back, under the number of a value whose ``add`` failed, what was there before.

        Its number is then used, so a write that is still on its way cannot take effect later.
        """
        number, before = self._current(key) + 1, self._read.get(key)
        file = self._file(key, number)
        try:
            self._write(file, before, exclusively=True)
        except Exception:  # noqa: BLE001 - whatever it was, what is there now decides
            if self._value(file) != value:
                return
            self._write(file, before, exclusively=False)
        self._number[key] = number

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the current value. None leaves an empty file, so that its number stays used."""
        self._write(self._file(key, max(self._current(key), 1)), value, exclusively=False)
        self._read[key] = value

    def place(self, key: str) -> int:
        """Return the current value's number; 0 when nothing was read or written."""
        return self._number.get(key, 0)

    def take(self, key: str, place: int) -> None:
        """Make the value with this number the current one."""
        self._number[key] = place

    def _value(self, file: str) -> JsonValue:
        # Without a start, s3fs asks for the size first, to read a large file in parts.
        value: JsonValue = json.loads(self._fs.cat_file(file, start=0))
        return value

    def _file(self, key: str, number: int) -> str:
        return f"{self._folder}/{key}.{number:06}.json"

    def _current(self, key: str) -> int:
        if key not in self._number:
            self.get(key)
        return self._number[key]

    def _highest(self, key: str) -> int:
        # fsspec caches listings for the life of the process; another worker may have written since.
        self._fs.invalidate_cache(self._folder)
        try:
            names = [str(name).rpartition("/")[2] for name in self._listed(key)]
        except FileNotFoundError:
            return 0
        numbers = [name.removeprefix(f"{key}.").removesuffix(".json") for name in names]
        return max((int(number) for number in numbers if number.isdigit()), default=0)

    def _listed(self, key: str) -> Iterable[str]:
        if type(self._fs).__module__.partition(".")[0] == "s3fs":
            # Its ls() also lists the parent of a folder without files, which each first try would pay for.
            # Other filesystems' find() takes a folder that cannot be read for an empty one.
            found: Iterable[str] = self._fs.find(self._folder, prefix=f"{key}.")
        else:
            found = self._fs.ls(self._folder, detail=False)
        return found

    def _write(self, file: str, value: JsonValue, *, exclusively: bool) -> None:
        data = json.dumps(value).encode()
        if self._local:
            _write_local(Path(file), data, exclusively=exclusively)
        else:
            self._fs.pipe_file(file, data, mode="create" if exclusively else "overwrite")


def path_name(name: str) -> str:
    """Return the id of a DAG, run or task as one part of a path; different ids give different parts."""
    if name in ("", ".", ".."):
        return "%" + name.replace(".", "%2E")
    # A run's id has colons and a plus sign in it, and a slash would begin another folder.
    quoted = quote(name, safe="")
    if len(quoted) <= LONGEST_NAME:
        return quoted
    # A quoted name contains no equals sign, so a shortened name never equals a whole one.
    return f"{quoted[:90]}={hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _write_local(file: Path, data: bytes, *, exclusively: bool) -> None:
    """Write a file so that it appears under its name only when it is complete and on the disk.

    Without the fsync, a machine that loses power after the purchase could come back without its intent. A
    hard link, unlike a rename, fails if the name exists.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # No reader takes this name for a record, so one that a killed worker leaves behind does no harm.
    part = file.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        if exclusively:
            os.link(part, file)
        else:
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _ledger_path() -> str:
    return str(conf.get("vidai", "ledger_path", fallback="")).strip()


def _open(context: Context, lap: tuple[str, ...]) -> ObjectStore:
    instance = context["ti"]
    names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index), *lap)
    return ObjectStore(_ledger_path(), names)


BACKEND = Backend(applies=lambda _: bool(_ledger_path()), open=_open, ends_with_run=False)
