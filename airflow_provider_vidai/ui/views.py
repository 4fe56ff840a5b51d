"""What the pages show, read from Airflow's API with the rights of the user who opens them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import ValidationError

from airflow_provider_vidai.jobs.cost import amount
from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord, TaskKey
from airflow_provider_vidai.operators.media import MEDIA
from airflow_provider_vidai.ui.caller import Caller, Refused, mapping
from airflow_provider_vidai.ui.files import in_thread, may_serve
from airflow_provider_vidai.ui.query import Item, is_media_key

#: States in which a task still waits for its job or works on it.
_LIVE = frozenset(
    {"queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule", "scheduled"}
)
_FAILED = frozenset({"failed", "up_for_retry"})
#: The XCom in which a task says why it failed.
_FAILURE = "failure"
#: XComs that are read at the same time, records on one page, and failures on one page.
_AT_ONCE, PER_PAGE, MOST_FAILURES = 8, 60, 20
#: Files of one record on a page: an XCom with 100,000 of them must not keep the API server busy.
MOST_FILES = 200
#: No time, length or width is larger, in seconds or pixels, and no file, in bytes. Larger ones are not dates.
_LARGEST, _LARGEST_FILE = 1e11, 1e18


@dataclass
class Shown:
    """A job or landed files of one task, as a page shows them.

    :param state: the task's state in Airflow.
    :param refusal: why its files may not be played here; "" when they may.
    :param progress: the last status check of a job that is waited for.
    """

    item: Item
    record: MediaRecord
    name: str
    state: str
    refusal: str
    progress: Mapping[str, Any] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether the page will change by itself."""
        return self.state in _LIVE

    def title(self, file: MediaFile) -> str:
        """Return what a person calls the file: its title, or else what was asked for, or its name."""
        asked = self.record.title or self.record.request.get("prompt")
        return file.title or asked or file.path.rsplit("/", 1)[-1]

    @property
    def landed(self) -> list[tuple[int, MediaFile]]:
        """The landed files, with their numbers."""
        return list(enumerate(self.record.files[:MOST_FILES]))

    @property
    def left_out(self) -> int:
        """How many more landed files there are."""
        return max(len(self.record.files) - MOST_FILES, 0)


@dataclass
class Total:
    """What one vendor made in a run."""

    label: str
    jobs: int
    files: int
    seconds: float
    costs: dict[str, float]
    unpriced: int


@dataclass
class Failure:
    """A task that failed, whether or not it had bought anything.

    :param facts: what happened (``what``), what it cost (``cost``), and what to do (``todo``).
    """

    item: Item
    name: str
    facts: Mapping[str, Any]


@dataclass
class TaskPage:
    """All that one task instance bought or landed, or why it failed."""

    name: str
    state: str
    shown: list[Shown]
    failures: list[Failure]

    @property
    def live(self) -> bool:
        """Whether the page will change by itself."""
        return self.state in _LIVE


@dataclass
class Wall:
    """Everything that a run landed, in the order of its DAG."""

    dag_id: str
    run_id: str
    shown: list[Shown]
    totals: list[Total]
    waiting: list[Shown]
    failures: list[Failure]
    more: int

    @property
    def live(self) -> bool:
        """Whether the page will change by itself."""
        return any(one.live for one in self.shown)


async def run_wall(caller: Caller, dag_id: str, run_id: str, page: int) -> Wall:
    """Return the page ``page`` of a run's wall."""
    base = ("dags", dag_id, "dagRuns", run_id, "taskInstances")
    entries, said, instances, order = await asyncio.gather(
        caller.every(*base, "~", "xcomEntries", within="xcom_entries", xcom_key_pattern=MEDIA),
        caller.every(*base, "~", "xcomEntries", within="xcom_entries", xcom_key_pattern=_FAILURE),
        caller.every(*base, within="task_instances"),
        _order(caller, dag_id),
    )
    # Airflow gives only the first item of a mapped task its display name.
    names = {
        one["task_id"]: one.get("task_display_name") for one in instances if one.get("map_index", -1) <= 0
    }
    states = {
        (one["task_id"], one["map_index"]): {**one, "task_display_name": names.get(one["task_id"])}
        for one in instances
    }

    def place(item: Item) -> tuple[Any, ...]:
        # A task that the DAG no longer has comes last.
        return (order.get(item.task.task_id, 10**6), *item.task[2:], item.key)

    items = sorted((_item(entry) for entry in entries if is_media_key(entry.get("key"))), key=place)
    failed = sorted((_item(entry) for entry in said if entry.get("key") == _FAILURE), key=place)
    window = items[page * PER_PAGE : (page + 1) * PER_PAGE]
    shown = await _read(caller, window, lambda item: states.get(item.task[2:], {}))
    return Wall(
        dag_id=dag_id,
        run_id=run_id,
        shown=shown,
        totals=totals(shown),
        waiting=[one for one in shown if not one.record.files and one.live and one.record.bought_at],
        failures=await _failures(caller, failed, lambda item: states.get(item.task[2:], {})),
        more=max(len(items) - (page + 1) * PER_PAGE, 0),
    )


async def task_page(caller: Caller, item: Item) -> TaskPage:
    """Return the page of one task instance."""
    task = item.task
    base = ("dags", task.dag_id, "dagRuns", task.run_id, "taskInstances", task.task_id)
    # Airflow has an address of its own for one item of a mapped task.
    one = (*base, str(task.map_index)) if task.map_index >= 0 else base
    instance, entries = await asyncio.gather(
        caller.get(*one),
        caller.every(
            *base, "xcomEntries", within="xcom_entries", xcom_key_pattern=MEDIA, map_index=task.map_index
        ),
    )
    found = [_item(entry) for entry in entries if is_media_key(entry.get("key"))]
    items = sorted((one for one in found if one.task == task), key=lambda one: one.key)
    return TaskPage(
        name=_name(item.task, instance),
        state=str(instance.get("state") or ""),
        shown=await _read(caller, items, lambda _: instance),
        failures=await _failures(caller, [Item(task, _FAILURE)], lambda _: instance),
    )


async def newest(
    caller: Caller, *, dag_id: str | None, vendor: str | None, day: str | None, days: int
) -> list[Shown]:
    """Return the newest records of all DAGs that the user may read.

    :param day: only of runs of this day, as ISO text in UTC; None means the last ``days`` days.
    """
    since = datetime.fromisoformat(day).replace(tzinfo=timezone.utc) if day else None
    since = since or datetime.now(timezone.utc) - timedelta(days=days)
    until = since + timedelta(days=1) if day else None
    entries = await caller.every(
        *("dags", dag_id or "~", "dagRuns", "~", "taskInstances", "~", "xcomEntries"),
        within="xcom_entries",
        xcom_key_pattern=MEDIA,
        run_after_gte=since.isoformat(),
        run_after_lt=until.isoformat() if until else None,
        order_by="-timestamp",
    )
    entries = [entry for entry in entries if is_media_key(entry.get("key"))]
    entries.sort(key=lambda entry: str(entry.get("timestamp")), reverse=True)
    # Twice as many as a page shows: some have no file yet, or are another vendor's.
    items = [_item(entry) for entry in entries[: 2 * PER_PAGE]]
    shown = await _read(caller, items, lambda _: {})
    wanted = [one for one in shown if one.record.files and vendor in (None, one.record.vendor)]
    return wanted[:PER_PAGE]


def totals(shown: Iterable[Shown]) -> list[Total]:
    """Add up what each vendor made. A job that several tasks show counts once."""
    by_vendor: dict[str, list[Shown]] = defaultdict(list)
    for one in shown:
        by_vendor[one.record.label].append(one)
    return [_total(label, group) for label, group in sorted(by_vendor.items())]


def _total(label: str, group: Sequence[Shown]) -> Total:
    costs: dict[str, float] = defaultdict(float)
    priced: dict[str, bool] = {}
    for one in group:
        job, known = one.record.job_id, amount(one.record.cost)
        if known and not priced.get(job):
            costs[known[1]] += known[0]
        priced[job] = priced.get(job, False) or known is not None
    files = {file.uri: file for one in group for file in one.record.files}
    return Total(
        label=label,
        jobs=len(priced),
        files=len(files),
        seconds=sum(file.duration or 0.0 for file in files.values()),
        costs=dict(costs),
        unpriced=sum(not known for known in priced.values()),
    )


def _item(entry: Mapping[str, Any]) -> Item:
    task = TaskKey(entry["dag_id"], entry["run_id"], entry["task_id"], entry["map_index"])
    return Item(task, entry["key"])


async def _order(caller: Caller, dag_id: str) -> dict[str, int]:
    """Return each task's place in its DAG: what comes first stands first."""
    tasks = (await caller.get("dags", dag_id, "tasks")).get("tasks") or []
    graph: TopologicalSorter[str] = TopologicalSorter()
    for task in tasks:
        graph.add(task["task_id"])
        for after in task.get("downstream_task_ids") or ():
            graph.add(after, task["task_id"])
    try:
        return {task_id: place for place, task_id in enumerate(graph.static_order())}
    except CycleError:
        return {}


async def _read(
    caller: Caller, items: Sequence[Item], instance_of: Callable[[Item], Mapping[str, Any]]
) -> list[Shown]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> Shown | None:
        async with gate:
            return await _shown(caller, item, instance_of(item))

    found: list[Shown | None] = await asyncio.gather(*(one(item) for item in items))
    return [each for each in found if each is not None]


async def _failures(
    caller: Caller, items: Sequence[Item], instance_of: Callable[[Item], Mapping[str, Any]]
) -> list[Failure]:
    """Return why tasks failed. A failure counts no longer once a later try succeeds."""
    found: list[Failure] = []
    for item in items:
        if len(found) < MOST_FAILURES and instance_of(item).get("state") in _FAILED:
            facts = mapping(await _or_none(caller.xcom(item.task, item.key)))
            if facts:
                found.append(Failure(Item(item.task), _name(item.task, instance_of(item)), facts))
    return found


def _name(task: TaskKey, instance: Mapping[str, Any]) -> str:
    """Return what people call a task instance."""
    named = instance.get("rendered_map_index") or (task.map_index if task.map_index >= 0 else "")
    name = str(instance.get("task_display_name") or task.task_id)
    return f"{name} [{named}]" if named != "" else name


async def _shown(caller: Caller, item: Item, instance: Mapping[str, Any]) -> Shown | None:
    record = await _or_none(_record(caller, item))
    if record is None:
        return None
    shown = Shown(
        item=item,
        record=record,
        name=_name(item.task, instance),
        state=str(instance.get("state") or ""),
        refusal=await in_thread(may_serve, record, item.task),
    )
    if shown.live and not record.files:
        shown.progress = mapping(await _or_none(caller.xcom(item.task, "progress")))
    return shown


async def _record(caller: Caller, item: Item) -> MediaRecord | None:
    return read_record(await caller.xcom(item.task, item.key))


def read_record(value: Any) -> MediaRecord | None:
    """Return a media record; None for anything else that somebody has put into the XCom."""
    try:
        record = MediaRecord.model_validate(value)
        amount(record.cost)
    except ValidationError:
        return None
    return record if _can_be_written(record) else None


def _can_be_written(record: MediaRecord) -> bool:
    """Whether all numbers can be shown: an infinite or a huge one would break the whole page."""
    numbers: list[float | None] = [record.bought_at, record.expected, record.deadline]
    numbers += record.ready_at, record.landed_at, record.kept_until
    for file in record.files:
        numbers += file.duration, file.width, file.height, file.fps
    sizes = all(0 <= file.bytes < _LARGEST_FILE for file in record.files)
    return sizes and all(number is None or 0 <= number < _LARGEST for number in numbers)


async def _or_none(wanted: Awaitable[Any]) -> Any:
    """Return a part of a page that may be missing. A login that ended is an error."""
    try:
        return await wanted
    except Refused as refused:
        if refused.status == 401:
            raise
        return None
