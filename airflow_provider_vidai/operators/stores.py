"""Where the ledger lives: Airflow's task state store, or object storage."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
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
#: Pauses before a write that failed is read back, in seconds: it may have taken effect all the same.
READ_BACK = (0.0, 0.5, 2.0)
#: A longer name is shortened in a path: this is what disks take, in bytes.
LONGEST_NAME = 255
#: The region of a task instance that is in no loop, since Airflow 3.4.
_NO_REGION = uuid.UUID(int=0)


class Taken(Exception):
    """Another try of the task wrote the record that this one was about to write."""


def _root() -> str:
    return str(conf.get("vidai", "ledger_path", fallback="")).strip()


def ends_with_run() -> bool:
    """Whether the ledger is Airflow's own, or none: Airflow removes a run's task states with the run."""
    return not _root()


def store_of(context: Context, log: Log) -> Store:
    """Return the durable storage of this task instance.

    ``[vidai] ledger_path`` comes first: it works with every Airflow, and keeps the record when a
    person clears the task, which Airflow 3.4's task state store does not.
    """
    root = _root()
    lap = lap_of(context["ti"])
    if root:
        instance = context["ti"]
        names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index), *lap)
        return ObjectStore(root, names)
    accessor = context.get("task_state_store")
    if accessor is not None:
        return TaskStateStore(accessor, lap)
    log.warning(
        "Nothing remembers what this task buys, so a retry after a crash would buy again: this Airflow has "
        "no task state store (it came with 3.3), and [vidai] ledger_path is not set."
    )
    return MemoryStore()


def lap_of(instance: Any) -> tuple[str, ...]:
    """Return what tells the laps of a loop apart, of which all share dag, run, task and map index."""
    region = getattr(instance, "region_id", None)
    if region is None or region == _NO_REGION:
        return ()
    return (f"{region}.{getattr(instance, 'region_index', None)}",)


class TaskStateStore:
    """Airflow's task state store (3.3), with a retention of our own.

    A write by a try that is no longer the current one fails: that keeps two tries from both buying.
    Airflow can give two tries the same identity, though, when the first one failed while it was queued.
    A new value is therefore written between two steps that at most one of several writers survives: each
    first puts its name down as the one whose turn it is, and has bought nothing until it has found its name
    still there after writing the value.

    :param accessor: Airflow's own.
    :param lap: of the loop that the task instance is in, if it is in one.
    """

    def __init__(
        self, accessor: Any, lap: Sequence[str] = (), *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._accessor = accessor
        self._sleep = sleep
        self._suffix = "".join(f".{name}" for name in lap)
        self._read: dict[str, JsonValue] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value, or None when there is none."""
        value: JsonValue = self._accessor.get(key + self._suffix)
        self._read[key] = value
        return value

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value after the one that was read; raise Taken when another try is about to do so."""
        before = self._read[key] if key in self._read else self.get(key)
        turn, me = f"{key}{self._suffix}.turn", uuid.uuid4().hex
        self._write(turn, me)
        if self._accessor.get(key + self._suffix) != before:
            raise Taken("another try of this task is buying, so this one buys nothing")
        self._write(key + self._suffix, value)
        if self._accessor.get(turn) != me:
            raise Taken("another try of this task is about to buy, so this one buys nothing")
        self._read[key] = value

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the value."""
        if value is None:
            self._accessor.delete(key + self._suffix)
        else:
            self._accessor.set(key + self._suffix, value, retention=RETENTION)
        self._read[key] = value

    def _write(self, key: str, value: JsonValue) -> None:
        with _despite_lost_answers(lambda: self._accessor.get(key) == value, self._sleep):
            self._accessor.set(key, value, retention=RETENTION)


class ObjectStore:
    """A folder of numbered JSON files in object storage, the highest number being the current value.

    Adding makes the file after the one that was read and fails if it is there already, so of two live
    tries that decided upon the same record only one can write its intent. Local disks and S3 make sure
    of that; a store whose filesystem cannot create exclusively only checks first. No file is ever removed,
    because its number could then be used twice, and only the try that made a file writes to it again.

    :param root: a storage URI or path that every worker reaches.
    :param names: what tells this task instance from all others.
    """

    def __init__(
        self, root: str, names: Sequence[str], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._sleep = sleep
        folder = "/".join(path_name(name) for name in names)
        path = storage_path(f"{root.rstrip('/')}/{folder}")
        self._fs: Any = path.fs
        self._local = is_local(path)
        self._folder = str(path.path)
        self._number: dict[str, int] = {}

    def get(self, key: str) -> JsonValue:
        """Return the value with the highest number, or None when there is none."""
        self._number[key] = number = self._highest(key)
        return self._value(self._file(key, number)) if number else None

    def add(self, key: str, value: JsonValue) -> None:
        """Write a value after the one that was read; raise Taken if another try did so since."""
        number = self._current(key) + 1
        file = self._file(key, number)
        with _despite_lost_answers(lambda: self._value(file) == value, self._sleep):
            try:
                self._write(file, value, exclusively=True)
            except FileExistsError as error:
                # A client that repeats a request whose answer was lost meets the file that it made itself.
                if self._value(file) != value:
                    raise Taken("another try of this task is buying, so this one buys nothing") from error
        self._number[key] = number

    def set(self, key: str, value: JsonValue) -> None:
        """Replace the current value. None leaves an empty one: its number stays used."""
        self._write(self._file(key, max(self._current(key), 1)), value, exclusively=False)

    def _value(self, file: str) -> JsonValue:
        value: JsonValue = json.loads(self._fs.cat_file(file))
        return value

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


@contextlib.contextmanager
def _despite_lost_answers(written: Callable[[], bool], sleep: Callable[[float], None]) -> Iterator[None]:
    """Go on after a write that failed, if it turns out to have taken effect.

    :param written: whether the value is there.
    """
    try:
        yield
    except Taken:
        raise
    except Exception:
        for pause in READ_BACK:
            sleep(pause)
            with contextlib.suppress(Exception):
                if written():
                    return
                break
        raise


def path_name(name: str) -> str:
    """Return a DAG's, run's or task's id as one part of a path: no two ids have the same."""
    if name in ("", ".", ".."):
        return "%" + name.replace(".", "%2E")
    quoted = quote(name, safe="")
    if len(quoted) <= LONGEST_NAME:
        return quoted
    # No quoted name holds an equals sign, so that a shortened one equals none of them.
    return f"{quoted[:90]}={hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


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
