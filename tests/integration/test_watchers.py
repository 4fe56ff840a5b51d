"""Asset watchers: each job that ends, and each file that lands, starts one run, whatever else happens."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow.sdk.api.datamodels._generated import AssetEventResponse
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import AssetEventsResult
from airflow.sdk.execution_time.context import InletEventsAccessors, TriggeringAssetEventsAccessor

from airflow_provider_vidai.events import watch
from airflow_provider_vidai.events.watch import VidaiFilesWatcher, VidaiJobsWatcher, news
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import KEY
from tests.support.dags import stored
from tests.support.task import rebuilt, run_fast

PICTURE = {"prompt": "a lake", "size": "1:1"}
MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Store:
    """The state store of an asset, as a watcher sees it."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.trouble: list[Exception] = []

    async def aget(self, key: str, default: Any = None) -> Any:
        if self.trouble:
            raise self.trouble.pop()
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.values[key] = json.dumps(value)


@pytest.fixture(autouse=True)
def _triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1.0 reads no connection where no supervisor's channel is, even if the environment has it."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a watcher warns of."""
    lines: list[str] = []

    class Log:
        def warning(self, text: str, *values: Any) -> None:
            lines.append(text % values)

        def info(self, text: str, *values: Any) -> None:
            """Not kept."""

    for kind in (VidaiJobsWatcher, VidaiFilesWatcher, watch._JobEnd):
        monkeypatch.setattr(kind, "log", Log(), raising=False)
    return lines


#: Seconds of the watcher's own clock for which nothing more must come.
QUIET = 120.0


def payloads(
    watcher: Any,
    store: Store | None,
    *,
    meanwhile: Callable[[int], None] = lambda _: None,
    most: int = 100,
    settled: bool = True,
) -> list[dict[str, Any]]:
    """Run a watcher until it was quiet for a while, as a triggerer does; return its events' payloads.

    :param meanwhile: called after the start (with 0), and after each event.
    :param most: die after so many events.
    :param settled: whether it dies only when its last event counts as reported.
    """
    again: Any = rebuilt(watcher)
    again.asset_state_store = store
    found: list[dict[str, Any]] = []

    async def collect() -> None:
        events = again.run()
        following = asyncio.ensure_future(anext(events))
        await asyncio.sleep(1)
        meanwhile(0)
        while len(found) < most or settled:
            done, _ = await asyncio.wait([following], timeout=QUIET)
            if not done:
                break
            found.append(json.loads(json.dumps(following.result().payload, allow_nan=False)))
            meanwhile(len(found))
            following = asyncio.ensure_future(anext(events))
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await events.aclose()

    run_fast(collect())
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [job["job_id"] for payload in found for job in payload["jobs"]]


class AssetEvents:
    """The supervisor's channel of a task, with all events of one asset behind it."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self.events = [
            AssetEventResponse(
                id=number,
                timestamp=MOMENT + timedelta(minutes=number),
                extra={"from_trigger": True, "payload": payload},
                asset={"name": "clips", "uri": "clips", "group": "asset"},
                created_dagruns=[],
            )
            for number, payload in enumerate(found)
        ]

    def send(self, asked: Any) -> AssetEventsResult:
        before = getattr(asked, "before", None)
        events = [event for event in self.events if before is None or event.timestamp <= before]
        # The newest ones come first only from Airflow 3.2 on.
        events = events if getattr(asked, "ascending", True) else events[::-1]
        return AssetEventsResult(asset_events=events[: getattr(asked, "limit", None)])


@pytest.fixture
def in_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the news in the run that one of several events started."""

    def ask(found: list[dict[str, Any]], *numbers: int, inlets: bool = True) -> list[Any]:
        channel = AssetEvents(found)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel)
        started = [
            SimpleNamespace(
                asset=event.asset, source_aliases=[], timestamp=event.timestamp, extra=event.extra
            )
            for event in (channel.events[number] for number in numbers)
        ]
        return news(
            {  # type: ignore[typeddict-item]
                "triggering_asset_events": TriggeringAssetEventsAccessor.build(started),  # type: ignore[arg-type]
                "inlet_events": InletEventsAccessors([Asset("clips")] if inlets else []),
            }
        )

    return ask


# --- jobs ---------------------------------------------------------------------------------------


def bought(vidgo: Any, count: int) -> list[Any]:
    return [vidgo.submit("gpt-4o-image", PICTURE) for _ in range(count)]


def test_twenty_jobs_that_end_at_once_are_reported_once_each_as_their_operator_returns_them(
    vidgo: Any, control: Control
) -> None:
    control.settings(speed=0)
    jobs = bought(vidgo, 20)
    store = Store()
    watcher = VidaiJobsWatcher(jobs=[job["job_id"] for job in jobs], vendor="vidgo")

    found = payloads(watcher, store, meanwhile=lambda _: control.advance(3600))

    assert sorted(ids(found)) == sorted(job["job_id"] for job in jobs)
    assert len(found) <= 3, "one list each time, and not one event per job"
    one = found[0]["jobs"][0]
    assert one["state"] == "ready"
    assert one["outputs"]
    assert {"vendor", "conn_id", "kind", "vendor_status", "cost"} <= set(one)
    # A restart: the cursor is in the asset's state store.
    assert payloads(watcher, store) == []
    assert KEY not in json.dumps([found, watcher.serialize(), store.values])


def test_a_triggerer_that_dies_right_after_an_event_repeats_it_and_each_job_is_in_one_run(
    vidgo: Any, in_run: Any
) -> None:
    jobs = bought(vidgo, 3)
    store = Store()
    watcher = VidaiJobsWatcher(jobs=[dict(job) for job in jobs])
    found = payloads(watcher, store, most=1, settled=False)
    assert store.values == {}
    found += payloads(watcher, store)
    assert len(found) >= 2
    runs = [in_run(found, number) for number in range(len(found))]
    reported = [str(job["job_id"]) for run in runs for job in run]
    assert sorted(reported) == sorted(job["job_id"] for job in jobs)
    assert runs == [in_run(found, number) for number in range(len(found))], "as after a Clear"
    assert len(in_run(found, *range(len(found)))) == 3, "one run for all events"


def test_without_a_state_store_a_restart_repeats_what_has_ended_and_news_leaves_it_out(
    vidgo: Any, warned: list[str], in_run: Any
) -> None:
    (job,) = bought(vidgo, 1)
    watcher = VidaiJobsWatcher(jobs=[job["job_id"]], vendor="vidgo")
    found = payloads(watcher, None) + payloads(watcher, None)
    assert ids(found) == [job["job_id"]] * 2
    assert [text for text in warned if "keeps nothing for watchers (3.3 does)" in text]
    assert len(in_run(found, 0)) == 1
    assert in_run(found, 1) == []
    assert len(in_run(found, 1, inlets=False)) == 1
    again = found + payloads(VidaiJobsWatcher(jobs=[job["job_id"]], vendor="vidgo", cursor="again"), None)
    assert len(in_run(again, 2)) == 1, "a new cursor reports all again"


def test_a_failed_job_is_reported_with_its_error(vidgo: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "fail_job", message="too dark")
    (job,) = bought(vidgo, 1)
    (payload,) = payloads(VidaiJobsWatcher(jobs=[job["job_id"]], vendor="vidgo"), Store())
    assert payload["jobs"][0]["state"] == "failed"
    assert "too dark" in payload["jobs"][0]["error"]


def test_the_list_is_read_again_at_each_check(
    vidgo: Any, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    first, second = bought(vidgo, 2)
    monkeypatch.setenv("AIRFLOW_VAR_JOBS", json.dumps([first["job_id"]]))

    def add(number: int) -> None:
        if number == 1:
            monkeypatch.setenv("AIRFLOW_VAR_JOBS", json.dumps([first["job_id"], dict(second)]))

    watcher = VidaiJobsWatcher(jobs="{{ var.value.jobs }}", vendor="vidgo")
    assert ids(payloads(watcher, Store(), meanwhile=add)) == [first["job_id"], second["job_id"]]
    assert warned == []


def test_a_folder_of_files_is_a_list_of_jobs(vidgo: Any, tmp_path: Path, warned: list[str]) -> None:
    jobs = bought(vidgo, 3)
    (tmp_path / "a.json").write_text(json.dumps(dict(jobs[0])))
    (tmp_path / "b.txt").write_text(f"{jobs[1]['job_id']}\n")
    (tmp_path / jobs[2]["job_id"]).touch()
    (tmp_path / "c.json").write_text("{broken")
    (tmp_path / ".hidden").write_text("not this")
    found = payloads(VidaiJobsWatcher(jobs=f"file://{tmp_path}/", vendor="vidgo"), Store())
    assert sorted(ids(found)) == sorted(job["job_id"] for job in jobs)
    assert len(warned) == 1, "what is wrong is said once, and not at each check"


def test_trouble_of_a_vendor_slows_its_jobs_down_and_ends_nothing(
    vidgo: Any, control: Control, connect: Any, sandbox: Any, warned: list[str]
) -> None:
    (job,) = bought(vidgo, 1)
    for _ in range(3):
        control.fault("vidgo", "status", "status", status=503)
    connect("vidgo_refused", conn_type="vidgo", host=f"{sandbox.url}/nowhere", password=KEY)
    connect("no_key", conn_type="vidgo", host=f"{sandbox.url}/vidgo", password="")
    watched = [
        dict(job),
        {**job, "conn_id": "vidgo_refused"},
        {**job, "conn_id": "no_key"},
        {**job, "conn_id": "nobody_knows_it"},
        {"vendor": "sora", "job_id": "1"},
        17.5,
    ]
    found = payloads(VidaiJobsWatcher(jobs=watched, vendor="vidgo"), Store())
    reported = [one for payload in found for one in payload["jobs"]]
    assert [one["state"] for one in reported if one["conn_id"] == "vidgo_default"] == ["ready"]
    assert {one["conn_id"] for one in reported} <= {"vidgo_default", "vidgo_refused"}
    assert [text for text in warned if "no_key" in text]


def test_nothing_is_reported_before_the_cursor_was_read(vidgo: Any, warned: list[str]) -> None:
    (job,) = bought(vidgo, 1)
    store = Store()
    watcher = VidaiJobsWatcher(jobs=[job["job_id"]], vendor="vidgo")
    assert len(payloads(watcher, store)) == 1
    store.trouble = [RuntimeError("the API server is away")]
    assert payloads(watcher, store) == []
    assert [text for text in warned if "the API server is away" in text]


def test_a_cursor_that_cannot_be_written_is_written_later(vidgo: Any, warned: list[str]) -> None:
    (job,) = bought(vidgo, 1)
    store = Store()

    def break_once(number: int) -> None:
        store.trouble = [RuntimeError("away")] if number else []

    watcher = VidaiJobsWatcher(jobs=[job["job_id"]], vendor="vidgo")
    assert len(payloads(watcher, store, meanwhile=break_once)) == 1
    assert [text for text in warned if "could not be stored" in text]
    assert payloads(watcher, store) == []


def test_two_assets_with_the_same_watcher_are_asked_to_use_two_cursors(vidgo: Any, warned: list[str]) -> None:
    class Shared(Store):
        async def aget(self, key: str, default: Any = None) -> Any:
            raise ValueError("Task has 2 concrete inlets and outlets")

    assert payloads(VidaiJobsWatcher(jobs=["j-1"], vendor="vidgo"), Shared()) == []
    assert "give one of them another cursor" in warned[0]


# --- files --------------------------------------------------------------------------------------


def names(found: list[dict[str, Any]]) -> list[str]:
    return [file["path"].rpartition("/")[2] for payload in found for file in payload["files"]]


def test_files_that_land_after_the_start_are_reported_and_those_before_it_are_not(tmp_path: Path) -> None:
    (tmp_path / "old.mp4").write_bytes(b"old")

    def land(number: int) -> None:
        if number == 0:
            (tmp_path / "in").mkdir()
            (tmp_path / "in" / "new é.mp4").write_bytes(b"new")
            (tmp_path / "notes.txt").write_bytes(b"text")
            (tmp_path / ".part").mkdir()
            (tmp_path / ".part" / "half.mp4").write_bytes(b"half")
            (tmp_path / ".other.mp4").write_bytes(b"half")
        elif number == 1:
            (tmp_path / "old.mp4").write_bytes(b"another one")

    store = Store()
    watcher = VidaiFilesWatcher(folder=f"file://{tmp_path}/", suffixes=[".MP4"])
    found = payloads(watcher, store, meanwhile=land)
    assert names(found) == ["new é.mp4", "old.mp4"]
    assert found[0]["files"] == [
        {
            "uri": f"file://{tmp_path}/in/new é.mp4",
            "path": f"file://{tmp_path}/in/new é.mp4",
            "bytes": 3,
        }
    ]
    # What lands while no triggerer runs is found after its restart.
    (tmp_path / "meanwhile.mp4").write_bytes(b"1")
    assert names(payloads(watcher, store)) == ["meanwhile.mp4"]


def test_an_existing_file_is_reported_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "old.mp4").write_bytes(b"old")
    store = Store()
    watcher = VidaiFilesWatcher(folder=str(tmp_path), existing=True)
    assert names(payloads(watcher, store)) == ["old.mp4"]
    assert payloads(watcher, store) == []


def test_a_file_that_grows_is_reported_once_it_is_whole(tmp_path: Path) -> None:
    async def grow(watcher: Any) -> list[Any]:
        found = []
        events = watcher.run()
        following = asyncio.ensure_future(anext(events))
        for size in range(1, 8):
            await asyncio.sleep(25)
            (tmp_path / "copy.mp4").write_bytes(b"x" * size)
            os.utime(tmp_path / "copy.mp4", (size, size))
        await asyncio.wait([following], timeout=200)
        found.append(following.result().payload)
        await events.aclose()
        return found

    watcher = VidaiFilesWatcher(folder=str(tmp_path))
    (payload,) = run_fast(grow(watcher))
    assert payload["files"][0]["bytes"] == 7


def test_a_folder_that_is_not_there_yet_or_cannot_be_named_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    folder = tmp_path / "later"
    store = Store()

    def land(number: int) -> None:
        if number == 0:
            monkeypatch.setenv("AIRFLOW_VAR_PLACE", str(tmp_path))
            folder.mkdir()
            (folder / "new.mp4").write_bytes(b"new")

    watcher = VidaiFilesWatcher(folder="{{ var.value.place }}/later/", existing=True, poll_interval=5)
    assert names(payloads(watcher, store, meanwhile=land)) == ["new.mp4"]
    assert payloads(VidaiFilesWatcher(folder="nosuch://x/"), store) == []
    assert [text for text in warned if "nosuch" in text]


def test_a_crowd_of_files_comes_in_several_events(tmp_path: Path) -> None:
    for number in range(watch.MOST_AT_ONCE + 5):
        (tmp_path / f"{number:04}.mp4").write_bytes(b"x")
    found = payloads(VidaiFilesWatcher(folder=str(tmp_path), existing=True), Store())
    assert [len(payload["files"]) for payload in found] == [watch.MOST_AT_ONCE, 5]


# --- as Airflow has them ------------------------------------------------------------------------

WATCHERS = [
    VidaiJobsWatcher(jobs=("j-1", {"vendor": "vidgo", "job_id": "j-2"}), vendor="vidgo", cursor="other"),
    VidaiJobsWatcher(jobs="s3://aws_default@jobs/", poll_interval=timedelta(minutes=2)),
    VidaiFilesWatcher(folder="s3://aws_default@in/", suffixes=(".mp4",), existing=True),
]


@pytest.mark.parametrize("watcher", WATCHERS)
def test_a_watcher_belongs_to_an_asset_and_is_stored_with_its_dag(watcher: Any) -> None:
    asset = Asset("watched", watchers=[AssetWatcher(name="watcher", trigger=watcher)])
    with DAG("reacts", schedule=[asset], start_date=MOMENT) as dag:
        pass
    assert stored(dag).dag_id == "reacts"
    path, arguments = watcher.serialize()
    assert rebuilt(watcher).serialize() == (path, json.loads(json.dumps(arguments)))
    assert path.startswith("airflow_provider_vidai.events.watch.Vidai")


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        (VidaiJobsWatcher, {"jobs": 17}),
        (VidaiJobsWatcher, {"jobs": None, "vendor": "sora", "poll_interval": "often", "more": 1}),
        (VidaiFilesWatcher, {"folder": "nosuch://x", "poll_interval": -1, "more": 1}),
    ],
)
def test_odd_arguments_are_said_in_the_log_and_end_no_triggerer(
    kind: Any, odd: dict[str, Any], warned: list[str]
) -> None:
    assert payloads(kind(**odd), Store()) == []
    assert warned


def test_a_run_that_no_watcher_started_has_no_news(in_run: Any) -> None:
    assert news({}) == []  # type: ignore[typeddict-item]
    assert in_run([{"by": "hand"}], 0) == []
