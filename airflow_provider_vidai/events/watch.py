"""Asset watchers: jobs that end, and files that land, start runs of a DAG.

They belong to an asset and wait in the triggerer, for ever. Each event is a list, because Airflow may merge
events that come shortly after one another into one run, and then hands the rest to the run after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import Any, Final, Literal

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import BaseEventTrigger, TriggerEvent
from airflow_provider_vidai.answers import clean
from airflow_provider_vidai.arguments import positive_seconds
from airflow_provider_vidai.errors import InputError, VidaiError
from airflow_provider_vidai.events.cursor import Cursor, key_of
from airflow_provider_vidai.events.sources import JobList, files_in, in_thread
from airflow_provider_vidai.files.storage import shown_name
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.purchase.poll import Step, Watch
from airflow_provider_vidai.triggers.job import JobEvent, JobTrigger, read_event

__all__ = ["VidaiFilesWatcher", "VidaiJobsWatcher", "news"]

#: Seconds between two checks, unless the watcher sets them.
POLL_INTERVAL: Final = 30.0
#: Seconds between two checks while they fail, at most.
LONGEST_PAUSE: Final = 600.0
#: Things in one event, at most. The rest follow in the next one.
MOST_AT_ONCE: Final = 200
#: Seconds from an event until it counts as reported. The triggerer stores it within a second or two; one that
#: dies before that has reported nothing.
SETTLED_AFTER: Final = 10.0
#: Seconds for which a job is waited for before its waiting begins again.
JOB_PATIENCE: Final = 30 * 86_400.0
#: Seconds until a job is waited for again whose account or connection could not be used.
TROUBLE_PAUSE: Final = 300.0
#: Earlier events among which :func:`news` searches for a repetition, where the watcher keeps a cursor: only
#: the event before a restart of the triggerer is repeated.
RECENT: Final = 100

log = logging.getLogger(__name__)
#: The triggerer's log is one for all. A line about each status check of a thousand jobs would bury the rest.
_troubles = logging.getLogger(f"{__name__}.jobs")
_troubles.setLevel(logging.WARNING)


class _JobEnd(JobTrigger):
    """Waits for one job of a watcher: with the checks, limits and connections of a deferred task."""

    log = _troubles  # type: ignore[assignment]

    def _first_step(self, watch: Watch) -> Step:
        # No process of a task has ended just now, so nothing has to be waited for.
        return watch.poll_now()


class _Watcher(BaseEventTrigger):
    """Checks a source again and again, and reports what is new."""

    #: Under this name the items are in an event.
    items: Literal["jobs", "files"]

    def __init__(self, *, poll_interval: float | timedelta = POLL_INTERVAL, cursor: str = "watcher") -> None:
        # An exception here would end the whole triggerer, or keep the DAG file from being read.
        super().__init__()  # type: ignore[no-untyped-call]
        seconds = poll_interval.total_seconds() if isinstance(poll_interval, timedelta) else poll_interval
        self.poll_interval = seconds
        self.cursor = cursor
        self._failures = 0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this watcher in another process; it contains no secret."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "poll_interval": self.poll_interval,
            "cursor": self.cursor,
            **self._arguments(),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report what is new, for ever."""
        # The attribute came with Airflow 3.3.
        cursor = Cursor(getattr(self, "asset_state_store", None), self.cursor)
        if not cursor.is_kept:
            self.log.warning(
                "This version of Airflow keeps nothing for watchers (3.3 does). %s", self._loss()
            )
        # A thread of its own: a storage that hangs must not hold those in which all triggers of the process
        # look up their connections.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vidai-watcher")
        try:
            while True:
                there = await self._checked(cursor)
                new = {key: item for key, item in there.items() if item is not None and key not in cursor}
                batch = dict(islice(new.items(), MOST_AT_ONCE))
                if batch:
                    self.log.info("Reporting %d %s.", len(batch), self.items)
                    yield TriggerEvent(self._payload(batch, cursor))  # type: ignore[no-untyped-call]
                    await asyncio.sleep(SETTLED_AFTER)
                    # Not before: a triggerer that dies until then reports the batch again, and news() drops
                    # what it repeats.
                    cursor.add(batch, there)
                await self._kept(cursor)
                await asyncio.sleep(self._pause())
        finally:
            self._thread.shutdown(wait=False)
            self._stop()

    async def _checked(self, cursor: Cursor) -> Mapping[str, dict[str, JsonValue] | None]:
        """Return all that is there, by key; what is not to be reported yet is None."""
        try:
            await cursor.read()
            found = await self._there(cursor)
        except Exception as error:  # noqa: BLE001 - a watcher that ends would never start again
            self._failures += 1
            self.log.warning(
                "Nothing can be watched at the moment; the watcher tries again: %s", _text(error)
            )
            return {}
        self._failures = 0
        return found

    async def _kept(self, cursor: Cursor) -> None:
        try:
            await cursor.keep()
        except Exception as error:  # noqa: BLE001 - it is written again after the next check
            self.log.warning("What was reported could not be stored: %s", _text(error))

    def _payload(self, batch: Mapping[str, Any], cursor: Cursor) -> dict[str, Any]:
        # A new cursor reports all again, which is then no repetition.
        keys = [key_of(self.cursor, key) for key in batch]
        found: dict[str, Any] = clean({self.items: [*batch.values()], "keys": keys, "kept": cursor.is_kept})
        return found

    def _pause(self) -> float:
        try:
            seconds = positive_seconds("poll_interval", self.poll_interval) or POLL_INTERVAL
        except InputError as error:
            self.log.warning("%s It counts as %.0f seconds.", error, POLL_INTERVAL)
            seconds = POLL_INTERVAL
        return min(seconds * 2.0 ** min(self._failures, 10), max(LONGEST_PAUSE, seconds))

    def _arguments(self) -> dict[str, Any]:
        raise NotImplementedError

    def _loss(self) -> str:
        """Return what the user gets where nothing is kept."""
        raise NotImplementedError

    async def _there(self, cursor: Cursor) -> Mapping[str, dict[str, JsonValue] | None]:
        raise NotImplementedError

    def _stop(self) -> None:
        """Give up what was begun."""


class VidaiJobsWatcher(_Watcher):
    """Report jobs that have ended: finished ones, failed ones, and those that are gone.

    Example::

        clips = Asset(
            "finished_clips",
            watchers=[
                AssetWatcher(
                    name="vizard",
                    trigger=VidaiJobsWatcher(jobs="{{ var.value.vizard_projects }}", vendor="vizard"),
                )
            ],
        )

    The payload of an event is ``{"jobs": [...]}``, each of them as the operator that buys it returns it, and
    with ``error`` if it failed; ``state`` is ``ready``, ``failed`` or ``gone``. :func:`news` reads it.

    :param jobs: what to watch. A list of jobs; or a text that is such a list; or the URI of a folder, which
        ends with ``/``, each of whose files holds a job (or is empty and named like it). The text may contain
        ``{{ var.value.NAME }}``, read at each check, and no other template. A job is what a task or a
        hook returned about it, or a bare id.
    :param vendor: whose jobs bare ids are: ``vidio``, ``venice``, ``vizard`` or ``vidgo``.
    :param conn_id: the connection of bare ids; default ``<vendor>_default``.
    :param kind: what bare ids stand for; default ``reel``, ``generate``, ``project`` or ``media``.
    :param poll_interval: seconds (or timedelta) between two checks of the list, and between two events. The
        status checks of each job adapt to it, as those of a deferred task do.
    :param cursor: a name for what was reported. With a new name, all is reported again.
    """

    items = "jobs"

    def __init__(
        self,
        *,
        jobs: Any,
        vendor: str | None = None,
        conn_id: str | None = None,
        kind: str | None = None,
        poll_interval: float | timedelta = POLL_INTERVAL,
        cursor: str = "watcher",
        **_: Any,
    ) -> None:
        super().__init__(poll_interval=poll_interval, cursor=cursor)
        self.jobs = list(jobs) if isinstance(jobs, (list, tuple, set)) else jobs
        self.vendor = vendor
        self.conn_id = conn_id
        self.kind = kind
        self._list = JobList(self.jobs, vendor, conn_id, kind, lambda text: self.log.warning("%s", text))
        self._ends: dict[str, asyncio.Task[dict[str, JsonValue]]] = {}

    def _arguments(self) -> dict[str, Any]:
        return {"jobs": self.jobs, "vendor": self.vendor, "conn_id": self.conn_id, "kind": self.kind}

    def _loss(self) -> str:
        return (
            "After a restart of the triggerer, all jobs of the list that have ended are reported again; "
            "news() returns only those that no earlier event has."
        )

    async def _there(self, cursor: Cursor) -> Mapping[str, dict[str, JsonValue] | None]:
        wanted = await in_thread(self._thread, self._list.read)
        for key in self._ends.keys() - wanted.keys():
            self._ends.pop(key).cancel()
        for key, ref in wanted.items():
            if key in cursor:
                self._ends.pop(key, None)
            elif key not in self._ends:
                self._ends[key] = asyncio.create_task(_ended(ref))
        ended = {key: task.result() for key, task in self._ends.items() if task.done()}
        return {key: ended.get(key) for key in wanted}

    def _stop(self) -> None:
        for task in self._ends.values():
            task.cancel()


class VidaiFilesWatcher(_Watcher):
    """Report files that have landed below a folder. A file that is replaced counts as a new one.

    Example::

        footage = Asset(
            "new_footage",
            watchers=[
                AssetWatcher(
                    name="incoming",
                    trigger=VidaiFilesWatcher(folder="s3://aws_default@footage/incoming/", suffixes=[".mp4"]),
                )
            ],
        )

    The payload of an event is ``{"files": [{"uri", "path", "bytes"}, ...]}``; :func:`news` reads it. A file
    on a disk is reported once two checks saw it unchanged, because it may still be written.

    :param folder: a storage URI or path. It may contain ``{{ var.value.NAME }}``, read at each check,
        and no other template. Folders in it are watched too; names that begin with a dot are not.
    :param suffixes: only files whose names end in one of them, such as ``[".mp4", ".mov"]``.
    :param existing: whether the files that are there when the watcher starts for the first time are new.
    :param poll_interval: seconds (or timedelta) between two checks of the folder, and between two events.
    :param cursor: a name for what was reported. With a new name, the watcher starts for the first time.
    """

    items = "files"

    def __init__(
        self,
        *,
        folder: str,
        suffixes: Sequence[str] = (),
        existing: bool = False,
        poll_interval: float | timedelta = POLL_INTERVAL,
        cursor: str = "watcher",
        **_: Any,
    ) -> None:
        super().__init__(poll_interval=poll_interval, cursor=cursor)
        self.folder = str(folder)
        self.suffixes = [suffixes] if isinstance(suffixes, str) else list(suffixes)
        self.existing = existing
        self._seen: frozenset[str] = frozenset()

    def _arguments(self) -> dict[str, Any]:
        return {"folder": self.folder, "suffixes": self.suffixes, "existing": self.existing}

    def _loss(self) -> str:
        if self.existing:
            return (
                "After a restart of the triggerer, all files are reported again; news() returns only those "
                "that no earlier event has."
            )
        return (
            "Files that land while no triggerer runs are not reported, unless the watcher has existing=True."
        )

    async def _there(self, cursor: Cursor) -> Mapping[str, dict[str, JsonValue] | None]:
        there = await in_thread(self._thread, self._listed)
        if cursor.is_new and not self.existing:
            cursor.add(there, there)
        before, self._seen = self._seen, frozenset(there)
        return {key: fields if whole or key in before else None for key, (whole, fields) in there.items()}

    def _listed(self) -> dict[str, tuple[bool, dict[str, JsonValue]]]:
        # All of it in the thread: of many files, it takes longer than the triggerer's loop may stand still.
        return {file.key: (file.whole, file.fields()) for file in files_in(self.folder, self.suffixes)}


async def _ended(ref: JobRef) -> dict[str, JsonValue]:
    """Wait until a job has ended, whatever goes wrong meanwhile; return what is to be reported."""
    while True:
        waiting = _JobEnd(ref=ref.model_dump(mode="json"), deadline=time.time() + JOB_PATIENCE)
        run: Any = waiting.run()
        try:
            async with contextlib.aclosing(run):
                event = read_event((await anext(run)).payload)
        except Exception as error:  # noqa: BLE001 - the other jobs must be watched on
            event = JobEvent(end="account", ref=ref, message=_text(error))
        if event.end in ("status", "unsendable"):
            return _reported(event)
        _troubles.warning("%s cannot be checked; the watcher tries again later: %s", ref, event.message)
        await asyncio.sleep(TROUBLE_PAUSE)


def _reported(event: JobEvent) -> dict[str, JsonValue]:
    """Return a job as the operator that buys it returns it, and its error if it failed."""
    status = event.status
    if status is None:
        return {
            **event.ref.model_dump(mode="json"),
            "state": "unknown",
            "outputs": [],
            "error": event.message,
        }
    error = {} if status.error is None else {"error": status.error}
    return {**job_result(status.of(event.ref), status), **error}


def _text(error: Exception) -> str:
    """Return what is shown of an error, which may come from a storage and hold a signed URL."""
    return str(error) if isinstance(error, VidaiError) else f"{type(error).__name__}: {shown_name(error)}"


def news(context: Context) -> list[dict[str, Any]]:
    """Return the jobs or files that started this run, each of them in one run only.

    A triggerer that dies right after an event repeats it after its restart. What an earlier event of the
    asset has is left out, if the task that calls this has the asset among its ``inlets``. A retry or a Clear
    returns the same again.

    Example::

        @task(inlets=[clips])
        def finished(**context) -> list[dict]:
            return [job for job in news(context) if job["state"] == "ready"]

    :returns: an empty list in a run that was started in another way.
    """
    found: dict[str, dict[str, Any]] = {}
    triggering: Mapping[Any, Sequence[Any]] = context.get("triggering_asset_events") or {}
    for asset, events in triggering.items():
        reported = [(event.timestamp, payload) for event in events if (payload := _payload_of(event))]
        if not reported:
            continue
        kept = all(payload.get("kept") for _, payload in reported)
        earlier = _earlier(context, asset, min(moment for moment, _ in reported), RECENT if kept else None)
        for _, payload in reported:
            items = payload.get("jobs") or payload.get("files") or []
            for key, item in zip(payload["keys"], items, strict=False):
                if key not in earlier:
                    found.setdefault(key, item)
    return list(found.values())


def _payload_of(event: Any) -> dict[str, Any]:
    """Return the payload of an event if a watcher of this package made it; {} otherwise."""
    found = (event.extra or {}).get("payload")
    return found if isinstance(found, dict) and isinstance(found.get("keys"), list) else {}


def _earlier(context: Context, asset: Any, before: Any, most: int | None) -> set[str]:
    """Return the keys in the asset's events from before a moment."""
    try:
        events: Any = context["inlet_events"][asset]
    except KeyError:
        log.info("This task does not have %s among its inlets, so a repeated event is not noticed.", asset)
        return set()
    if most is not None and hasattr(events, "limit"):  # from Airflow 3.2 on
        events = events.before(before).ascending(False).limit(most)
    return {key for event in events if event.timestamp < before for key in _payload_of(event).get("keys", [])}
