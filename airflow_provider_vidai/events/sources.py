"""Where a watcher finds what it watches: lists of jobs, Variables, and folders of object storage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from airflow.sdk import ObjectStoragePath, Variable
from asgiref.sync import sync_to_async
from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError, TransferError
from airflow_provider_vidai.events.cursor import key_of
from airflow_provider_vidai.files.storage import location, shown_name, storage_path
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.redaction import shown

T = TypeVar("T")

#: What a bare id stands for, unless the watcher says it.
KINDS: Final[Mapping[str, str]] = {
    "vidio": "reel",
    "venice": "generate",
    "vizard": "project",
    "vidgo": "media",
}
#: Bytes of a file with a job that are read, at most.
LONGEST_JOB: Final = 1 << 16
#: Storages in which a file is whole as soon as it is there.
_WHOLE: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az"})
#: The facts of a listing by which a file that was replaced differs, the best one first.
_VERSIONS: Final = ("generation", "ETag", "etag", "mtime", "LastModified", "last_modified", "created")
_VARIABLE: Final = re.compile(r"\{\{\s*var\.value\.(\w[\w.-]*)\s*\}\}")


@dataclass(frozen=True)
class File:
    """A file of a watched folder.

    :param version: changes when the file is replaced.
    :param whole: whether it cannot be one that is still being written.
    """

    path: ObjectStoragePath
    bytes: int
    version: str
    whole: bool

    @property
    def key(self) -> str:
        """What identifies this version of the file."""
        return key_of(location(self.path)["uri"], self.bytes, self.version)

    def fields(self) -> dict[str, JsonValue]:
        """Return what a DAG needs: ``{uri, path, bytes}``."""
        return {**location(self.path), "bytes": self.bytes}


async def in_thread(thread: ThreadPoolExecutor, work: Callable[..., T], *values: Any) -> T:
    """Call ``work`` in a thread in which Airflow's connections and Variables can be read (3.1 too)."""
    found: T = await sync_to_async(work, thread_sensitive=False, executor=thread)(*values)
    return found


def rendered(text: str) -> str:
    """Return ``text`` with the values of the Variables that it names as ``{{ var.value.NAME }}``."""
    return _VARIABLE.sub(lambda found: str(Variable.get(found[1])), text)


def files_in(folder: str, suffixes: Sequence[str] = ()) -> list[File]:
    """Return the files below a folder, without hidden ones.

    :raises InputError: when it is no storage URI or path.
    :raises TransferError: when its storage failed.
    """
    path = storage_path(rendered(folder))
    listed = _listed(path)
    base = str(path.path).rstrip("/")
    endings = tuple(suffix.lower() for suffix in suffixes)
    found = []
    for name, facts in sorted(listed.items()):
        part = str(name).removeprefix(base).lstrip("/")
        # An object whose name ends so stands for a folder: consoles make one.
        if not part or part.endswith("/") or any(one.startswith(".") for one in part.split("/")):
            continue
        if endings and not part.lower().endswith(endings):
            continue
        version = next((str(facts[fact]) for fact in _VERSIONS if facts.get(fact)), "")
        found.append(File(path / part, int(facts.get("size") or 0), version, path.protocol in _WHOLE))
    return found


def _listed(path: ObjectStoragePath) -> Mapping[str, Mapping[str, Any]]:
    """Return the facts of all files below a folder, by name."""
    try:
        # fsspec caches listings for the life of the process.
        path.fs.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = path.fs.find(path.path, detail=True)
    except Exception as error:  # each store raises errors of its own types
        name = shown_name(location(path)["path"])
        why = f"{type(error).__name__}: {shown_name(error)}"
        raise TransferError(f"The folder {name} cannot be listed: {why}.") from error
    return found


class JobList:
    """The jobs that are to be watched.

    :param jobs: a list of jobs; or a text, with Variables, that is such a list or names a folder.
    :param vendor: whose jobs bare ids are.
    :param conn_id: the connection of bare ids; None for the vendor's default one.
    :param kind: what bare ids stand for; None for the vendor's usual jobs.
    :param warn: logs what cannot be used, once.
    """

    def __init__(
        self,
        jobs: Any,
        vendor: str | None,
        conn_id: str | None,
        kind: str | None,
        warn: Callable[[str], None],
    ) -> None:
        self._jobs = jobs
        self._vendor, self._conn_id, self._kind = vendor, conn_id, kind
        self._warn = warn
        self._warned: set[str] = set()
        # By the key of a file: what is in it. A file is read once.
        self._read: dict[str, Any] = {}

    def read(self) -> dict[str, JobRef]:
        """Return the jobs by their keys.

        :raises InputError: when the whole list cannot be understood.
        """
        found = {}
        for entry in self._entries():
            try:
                ref = self._ref(entry)
            except InputError as error:
                self._warn_once(str(error))
                continue
            found[key_of(ref.vendor, ref.conn_id, ref.kind, ref.job_id)] = ref
        return found

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _entries(self) -> Iterator[Any]:
        jobs = self._jobs
        if isinstance(jobs, str):
            text = rendered(jobs).strip()
            if text.endswith("/"):
                yield from self._in_folder(text)
                return
            jobs = literal(text)
            jobs = [] if jobs == "" else [jobs] if isinstance(jobs, (str, Mapping)) else jobs
        if not isinstance(jobs, (list, tuple)):
            raise InputError(
                f"jobs must be a list of jobs, a text with such a list, or a folder that ends with '/', "
                f"not {shown(jobs)}."
            )
        yield from jobs

    def _in_folder(self, folder: str) -> Iterator[Any]:
        there = {file.key: file for file in files_in(folder)}
        self._read = {key: value for key, value in self._read.items() if key in there}
        for key, file in there.items():
            if key not in self._read:
                self._read[key] = _job_in(file)
            yield self._read[key]

    def _ref(self, entry: Any) -> JobRef:
        value = literal(entry)
        named = value.get("vendor") if isinstance(value, Mapping) else None
        vendor: Any = named or self._vendor
        if vendor not in KINDS:
            raise InputError(
                f"jobs: {shown(entry)} does not say whose job it is: give the watcher a vendor "
                f"({', '.join(KINDS)})."
            )
        conn_id, kind = self._conn_id or f"{vendor}_default", self._kind or KINDS[vendor]
        if isinstance(value, Mapping):
            value = {"vendor": vendor, "conn_id": conn_id, "kind": kind, **value}
        return JobRef.read(value, vendor=vendor, conn_id=conn_id, kind=kind)


def _job_in(file: File) -> Any:
    """Return the job in a file; an empty file is named like its job."""
    if file.bytes > LONGEST_JOB:
        # Text that begins with a bracket is never taken for an id, so this entry is refused with a warning.
        return f"[{shown_name(file.path.name)} is too long for a job"
    return file.path.read_text(encoding="utf-8").strip() or file.path.name.partition(".")[0]
