"""Where the ledger lives: Airflow's task state store, or object storage."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.lifecycle.ledger import MemoryStore, Store
from airflow_provider_vidai.lifecycle.purchase import Log
from airflow_provider_vidai.transport.storage import is_local, storage_path

#: How long the ledger is kept in Airflow's task state store. No vendor keeps a job longer.
RETENTION = timedelta(days=90)


def store_of(context: Context, log: Log) -> Store:
    """Return the durable storage of this task instance.

    ``[vidai] ledger_path`` comes first: it works with every Airflow, and keeps the record when a
    person clears the task, which Airflow 3.4's task state store does not.
    """
    root = conf.get("vidai", "ledger_path", fallback="").strip()
    if root:
        instance = context["ti"]
        names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index))
        return ObjectStore(root, names)
    accessor = context.get("task_state_store")
    if accessor is not None:
        return TaskStateStore(accessor)
    log.warning(
        "Nothing remembers what this task buys, so a retry after a crash would buy again: this Airflow has "
        "no task state store (it came with 3.3), and [vidai] ledger_path is not set."
    )
    return MemoryStore()


class TaskStateStore:
    """Airflow's task state store (3.3), with a retention of our own.

    A write by a try that is no longer the current one fails: that keeps two tries from both buying.
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none."""
        value: JsonValue = self._accessor.get(key)
        return value

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value in place of the one before."""
        self.set(key, value)

    def set(self, key: str, value: JsonValue) -> None:
        """Write the value."""
        self._accessor.set(key, value, retention=RETENTION)

    def delete(self, key: str) -> None:
        """Remove the value."""
        self._accessor.delete(key)

    forget = delete


class ObjectStore:
    """A folder of numbered JSON files in object storage, the highest number being the current value.

    Adding makes the file after the one that was read and fails if it is there already, so of two live
    tries that decided upon the same record only one can write its intent. Local disks and S3 make sure
    of that; a store whose filesystem cannot create exclusively only looks first. What is written or
    removed after that is the file that was read or added, never another try's.

    :param root: a storage URI or path that every worker reaches.
    :param names: what tells this task instance from all others.
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        folder = "/".join(quote(name, safe="") for name in names)
        path = storage_path(f"{root.rstrip('/')}/{folder}")
        self._fs: Any = path.fs
        self._local = is_local(path)
        self._folder = str(path.path)
        self._number: dict[str, int] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value with the highest number, or None when there is none."""
        self._number[key] = number = self._highest(key)
        if not number:
            return None
        value: JsonValue = json.loads(self._fs.cat_file(self._file(key, number)))
        return value

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value after the one that was read; raise FileExistsError if somebody else did so since."""
        number = self._current(key) + 1
        self._write(self._file(key, number), value, exclusively=True)
        self._number[key] = number

    def set(self, key: str, value: JsonValue) -> None:
        """Write the current value anew."""
        self._write(self._file(key, max(self._current(key), 1)), value, exclusively=False)

    def delete(self, key: str) -> None:
        """Remove the current value; the one before it is the current one again."""
        current = self._current(key)
        if current:
            self._fs.rm_file(self._file(key, current))
            self._number[key] = current - 1

    def forget(self, key: str) -> None:
        """Write that there is no value after the one that was read: what is added can collide with none."""
        self.add(key, None)

    def _file(self, key: str, number: int) -> str:
        return f"{self._folder}/{key}.{number:06}.json"

    def _current(self, key: str) -> int:
        return self._number[key] if key in self._number else self._highest(key)

    def _highest(self, key: str) -> int:
        self._fs.invalidate_cache(self._folder)
        try:
            names = [str(name).rpartition("/")[2] for name in self._fs.ls(self._folder, detail=False)]
        except FileNotFoundError:
            return 0
        numbers = [name.removeprefix(f"{key}.").removesuffix(".json") for name in names]
        return max((int(number) for number in numbers if number.isdigit()), default=0)

    def _write(self, file: str, value: JsonValue, *, exclusively: bool) -> None:
        data = json.dumps(value).encode()
        if self._local:
            _write_local(Path(file), data, exclusively=exclusively)
        else:
            self._fs.pipe_file(file, data, mode="create" if exclusively else "overwrite")


def _write_local(file: Path, data: bytes, *, exclusively: bool) -> None:
    """Write a file whole, and on the disk, before it has its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
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
