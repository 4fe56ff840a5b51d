"""A deferred job is shown while it waits: in the trigger's log, and as XCom, at a bounded cost."""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.xcom import XCom

from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.poll import Wait
from airflow_provider_vidai.purchase.progress import Report
from airflow_provider_vidai.purchase.timing import REPORT_SECONDS
from airflow_provider_vidai.triggers._window import PUSHES_PER_SECOND, Window
from airflow_provider_vidai.triggers.job import JobTrigger, read_event
from airflow_provider_vidai.vendors import VENDORS
from tests.support.raw import Peer, answer, serving
from tests.support.task import run_fast

REF = {"vendor": "vidio", "conn_id": "vidio_default", "job_id": "J1", "kind": "reel"}


class Instance:
    """The task instance that a trigger waits for."""

    dag_id, task_id, run_id = "d", "t", "r"

    def __init__(self, map_index: int = -1) -> None:
        self.map_index = map_index


class Pushed:
    """What was pushed as XCom, with the moment on the event loop's clock."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int, dict[str, Any]]] = []
        self.trouble: BaseException | None = None
        self.takes = 0.0

    async def aset(self, *, key: str, value: Any, map_index: int, **where: Any) -> None:
        assert (key, where) == ("progress", {"dag_id": "d", "task_id": "t", "run_id": "r"})
        self.calls.append((asyncio.get_running_loop().time(), map_index, value))
        await asyncio.sleep(self.takes)
        if self.trouble is not None:
            raise self.trouble

    @property
    def values(self) -> list[dict[str, Any]]:
        return [value for _, _, value in self.calls]


@pytest.fixture(autouse=True)
def _triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1.0 reads no connection where no supervisor's channel is, even if the environment has it."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    found = Pushed()
    monkeypatch.setattr(XCom, "aset", found.aset, raising=False)
    return found


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Any:
    """Return all that was logged so far, whichever logger Airflow gives to triggers."""
    caplog.set_level(logging.INFO)
    return lambda: capfd.readouterr().out + caplog.text


def trigger(**more: Any) -> JobTrigger:
    made = JobTrigger(**{"ref": REF, "deadline": time.time() + 3600, "since": time.time(), **more})
    made.task_instance = Instance()  # type: ignore[assignment]
    return made


async def ended(made: JobTrigger, after: float | None = None) -> Any:
    """Return a trigger's event; or cancel it after some seconds of the event loop's clock."""

    async def event() -> Any:
        async for found in made.run():
            return found.payload
        raise AssertionError("it yields")

    task = asyncio.ensure_future(event())
    if after is None:
        return await task
    await asyncio.sleep(after)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    return None


def vendor(*words: str) -> Any:
    """Return a vendor whose answers have these statuses in turn, and then the last of them."""
    left = list(words)

    def step(peer: Peer) -> bool:
        word = left.pop(0) if len(left) > 1 else left[0]
        return bool(answer(body={"job_id": "J1", "status": word}, keep=True)(peer))

    return step


def test_a_job_that_is_not_checked_yet_is_shown_at_least_every_half_minute(
    connect: Any, pushed: Pushed, said: Any
) -> None:
    with serving(vendor("processing")) as server:
        connect("vidio_default", host=server.url, extra={"timeout": 600})
        run_fast(ended(trigger(poll_interval=600), after=250))
        assert server.requests == [], "it is shown without asking the vendor"
    moments = [moment for moment, _, _ in pushed.calls]
    # The event loop is a hundred times too fast, so that a busy machine makes some of them late.
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert min(pauses) >= 0.8 * REPORT_SECONDS - 1
    assert median(pauses) <= 30
    assert {value["checks"] for value in pushed.values} == {0}
    assert all(value["next_check"] for value in pushed.values)
    assert said().count("next status check in") == len(moments)


def test_a_new_status_is_shown_at_once_and_the_event_says_how_it_went(
    connect: Any, pushed: Pushed, said: Any
) -> None:
    began = time.time()
    with serving(vendor("queued", "queued", "processing", "processed")) as server:
        connect("vidio_default", host=server.url, extra={"timeout": 600})
        event = read_event(run_fast(ended(trigger(poll_interval=5))))
    assert [value["words"].partition(",")[0] for value in pushed.values] == [
        "the job waits in VIDIO's queue",
        "VIDIO is cutting the reel",
        "VIDIO has finished",
    ]
    assert [value["checks"] for value in pushed.values] == [1, 3, 4]
    assert event.checks == 4
    assert event.at is not None
    assert began <= event.at <= time.time()
    assert "VIDIO is cutting the reel, about 0 % of the usual 5 min (an estimate); waiting for" in said()


def test_an_event_of_an_earlier_release_says_nothing_about_checks() -> None:
    status = {"state": "ready", "vendor_status": "processed"}
    event = read_event({"end": "status", "ref": REF, "status": status, "message": ""})
    assert (event.checks, event.at) == (None, None)


@pytest.mark.parametrize("trouble", [RuntimeError("no API server"), None], ids=["fails", "never answers"])
def test_a_push_in_trouble_neither_ends_nor_delays_the_waiting(
    connect: Any, pushed: Pushed, trouble: Exception | None
) -> None:
    pushed.trouble, pushed.takes = trouble, 0.0 if trouble else 1e6
    began = time.monotonic()
    with serving(vendor("queued", "processing", "processed")) as server:
        connect("vidio_default", host=server.url, extra={"timeout": 600})
        event = run_fast(ended(trigger(poll_interval=5)))
    assert event["status"]["state"] == "ready"
    assert time.monotonic() - began < 30
    assert pushed.calls


def test_where_a_trigger_cannot_push_the_log_still_shows_the_job(
    connect: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(XCom, "aset", raising=False)  # before Airflow 3.3
    with serving(vendor("processing", "processed")) as server:
        connect("vidio_default", host=server.url, extra={"timeout": 600})
        run_fast(ended(trigger(poll_interval=5)))
    assert "VIDIO is cutting the reel" in said()


def test_a_cancelled_trigger_shows_nothing_any_more(connect: Any, pushed: Pushed) -> None:
    async def main() -> int:
        await ended(trigger(poll_interval=600), after=30)
        before = len(pushed.calls)
        await asyncio.sleep(120)
        return len(pushed.calls) - before

    with serving(vendor("processing")) as server:
        connect("vidio_default", host=server.url)
        assert run_fast(main()) == 0
    assert pushed.calls


def test_many_jobs_are_pushed_in_turn_at_a_bounded_rate_and_with_their_newest_facts(pushed: Pushed) -> None:
    jobs = 60

    async def main() -> None:
        vidio, now = VENDORS["vidio"], time.time()
        reports = []
        for number in range(jobs):
            ref = JobRef.model_validate({**REF, "job_id": f"J{number}"})
            window = Window(ref, "VIDIO", logging.getLogger("test"), Instance(number))
            reports.append(Report(vidio, ref, since=now, deadline=now + 60, now=now, show=window.show))
        for word in ("queued", "processing"):
            for report in reports:
                report.answered(JobStatus(state=JobState.RUNNING, vendor_status=word), Wait(5.0), now)
        while len(pushed.calls) < jobs:  # noqa: ASYNC110 - it is filled by another task
            await asyncio.sleep(1)
        await asyncio.sleep(60)

    run_fast(main())
    assert [number for _, number, _ in pushed.calls] == list(range(jobs)), "each one once, in turn"
    assert {value["vendor_status"] for value in pushed.values} == {"processing"}
    first, last = pushed.calls[0][0], pushed.calls[-1][0]
    assert last - first >= (jobs - 1) / PUSHES_PER_SECOND * 0.9


def test_a_new_status_goes_before_those_that_only_took_longer(pushed: Pushed) -> None:
    async def main() -> None:
        vidio, now, reports = VENDORS["vidio"], time.time(), []
        status = JobStatus(state=JobState.RUNNING, vendor_status="processing")
        for number in range(20):
            ref = JobRef.model_validate({**REF, "job_id": f"J{number}"})
            window = Window(ref, "VIDIO", logging.getLogger("test"), Instance(number))
            reports.append(Report(vidio, ref, since=now, deadline=now + 60, now=now, show=window.show))
            reports[-1].answered(status, Wait(5.0), now)
        while len(pushed.calls) < 20:  # noqa: ASYNC110 - it is filled by another task
            await asyncio.sleep(1)
        for report in reports:
            report.show(now + 30)
        reports[-1].answered(status.model_copy(update={"vendor_status": "queued"}), Wait(5.0), now + 31)
        while len(pushed.calls) < 40:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(1)

    run_fast(main())
    assert [number for _, number, _ in pushed.calls][20:22] == [19, 0]


def test_slow_pushes_take_a_fifth_of_the_time_at_most(pushed: Pushed) -> None:
    pushed.takes = 2.0

    async def main() -> None:
        vidio, now = VENDORS["vidio"], time.time()
        for number in range(5):
            ref = JobRef.model_validate({**REF, "job_id": f"J{number}"})
            window = Window(ref, "VIDIO", logging.getLogger("test"), Instance(number))
            Report(vidio, ref, since=now, deadline=now + 60, now=now, show=window.show).show(now)
        while len(pushed.calls) < 5:  # noqa: ASYNC110 - it is filled by another task
            await asyncio.sleep(1)

    run_fast(main())
    assert pushed.calls[-1][0] - pushed.calls[0][0] >= 4 * 10 * 0.9
