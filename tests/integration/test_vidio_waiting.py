"""Waiting for VIDIO's jobs: in the worker, in the triggerer, and by sensors."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_vidai._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_vidai.net.sharing import _LINES
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from airflow_provider_vidai.triggers.job import JobTrigger
from tests.integration.conftest import KEY, SPEED
from tests.support.raw import Peer, answer, serving
from tests.support.task import FASTER, Instance, Task, first_event, rebuilt, run_fast

pytestmark = pytest.mark.usefixtures("vidio")


@pytest.fixture
def running(reel_of: Any, control: Control) -> Task:
    """A task that bought a reel and is deferred; the reel goes on only when the sandbox is let go."""
    control.settings(speed=0)
    task = reel_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    task.deferrals.append(caught.value)
    return task


def retryable(call: Callable[[], Any], *parts: str) -> str:
    """Expect a failure that Airflow retries, with ``parts`` in its message; return that."""
    with pytest.raises(AirflowException) as caught:
        call()
    assert not isinstance(caught.value, AirflowFailException), caught.value
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


# --- troubles that are waited out ---------------------------------------------------------------

TROUBLES = [
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status", {"status": 429}),
    ("status", {"status": 408}),
    ("status", {"status": 400}),
    ("html", {"status": 200}),
    ("html", {"status": 502}),
    ("empty", {}),
    ("garbage", {}),
    ("truncated_json", {}),
    ("truncate", {}),
    ("reset", {}),
    ("redirect", {"to": "/elsewhere"}),
    ("status", {"status": 200, "body": {"status": None}}),
    ("status", {"status": 200, "body": {"error": "none of your business"}}),
    ("status", {"status": 200, "body": "[]"}),
    ("vendor_status", {"word": "thinking_deeply"}),
    ("vendor_status", {"word": ""}),
]


@pytest.mark.parametrize(("fault", "options"), TROUBLES, ids=str)
def test_a_trigger_waits_troubles_out(running: Task, control: Control, fault: str, options: dict) -> None:
    order = control.fault("vidio", "status", fault, times=2, **options)
    control.settings(speed=SPEED)
    assert running.resume(running.deferrals.pop())["state"] == "ready"
    assert control.get_fault(order)["hits"] == 2
    assert len(control.purchases()) == 1


@pytest.mark.parametrize(("fault", "options"), [TROUBLES[0], TROUBLES[5], TROUBLES[9], TROUBLES[11]], ids=str)
def test_a_worker_waits_troubles_out(
    reel_of: Any, control: Control, fault: str, options: dict, hurry: list[float]
) -> None:
    order = control.fault("vidio", "status", fault, times=2, **options)
    assert reel_of(deferrable=False).run()["state"] == "ready"
    assert control.get_fault(order)["hits"] == 2
    assert len(control.purchases()) == 1


def test_a_vendor_that_asks_for_a_pause_gets_it(running: Task, control: Control) -> None:
    control.fault("vidio", "status", "status", status=429, headers={"Retry-After": "5"})
    control.settings(speed=SPEED)
    began = time.monotonic()
    assert running.resume(running.deferrals.pop())["state"] == "ready"
    # The account's budget keeps real time, whatever the event loop's clock says.
    assert 5 <= time.monotonic() - began < 15
    assert len(control.calls("vidio", "status")) == 2


def test_an_unknown_status_is_waited_out_and_reported_once(
    running: Task, control: Control, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    control.fault("vidio", "status", "vendor_status", word="thinking_deeply", times=3)
    control.settings(speed=SPEED)
    running.resume(running.deferrals.pop())
    said = capfd.readouterr().out + caplog.text
    assert said.count("is not a status that VIDIO documents. The job is paid for, so the task waits") == 1


def test_one_answer_that_the_job_is_gone_is_not_believed(running: Task, control: Control) -> None:
    control.fault("vidio", "status", "status", status=404)
    control.settings(speed=SPEED)
    assert running.resume(running.deferrals.pop())["state"] == "ready"


# --- accounts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_broken_account_ends_the_waiting_and_a_retry_takes_the_job_up_again(
    running: Task, control: Control, status: int
) -> None:
    control.fault("vidio", "status", "status", status=status, times=None)
    deferred = running.deferrals.pop()
    retryable(
        lambda: running.resume(deferred), str(status), "a retry waits for the same job", "It was charged"
    )
    assert running.events[-1]["end"] == "account"
    assert len(control.calls("vidio", "status")) == 2
    control.clear_faults()
    control.settings(speed=SPEED)
    assert running.retry().run()["state"] == "ready"
    assert len(control.purchases()) == 1


def test_a_refusal_of_the_account_is_asked_about_once_more(running: Task, control: Control) -> None:
    control.fault("vidio", "status", "status", status=401)
    control.settings(speed=SPEED)
    assert running.resume(running.deferrals.pop())["state"] == "ready"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_worker_and_a_trigger_read_a_rotated_key(
    reel_of: Any, control: Control, connect: Any, sandbox: Any, deferrable: bool, hurry: list
) -> None:
    """The old key is refused once; the connection holds the new one by the next status check."""
    used: list[str] = []

    def vendor(peer: Peer) -> bool:
        key = peer.request.headers["x-api-key"]
        used.append(key)
        if peer.request.method == "POST":
            return bool(answer(body={"job_id": "J1", "status": "submitted"}, keep=True)(peer))
        if key == "old-key":
            connect(password="new-key", host=server.url)
            return bool(answer(401, keep=True)(peer))
        return bool(answer(body={"status": "processed"}, keep=True)(peer))

    task = reel_of(deferrable=deferrable)
    with serving(vendor) as server:
        connect(password="old-key", host=server.url)
        assert task.run()["job_id"] == "J1"
    assert used == ["old-key", "old-key", "new-key"]


def test_a_connection_that_vanishes_ends_the_waiting_retryably(
    running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_VIDIO_DEFAULT")
    deferred = running.deferrals.pop()
    event = run_fast(first_event(rebuilt(deferred.trigger)))
    assert event["end"] == "account"
    assert "vidio_default" in event["message"]


@pytest.mark.parametrize(
    "change",
    [{"extra": {"ca_bundle": "/no/such.pem"}}, {"extra": {"proxy": "proxy:3128"}}, {"password": ""}],
    ids=str,
)
def test_a_connection_that_cannot_work_ends_the_waiting_retryably(
    running: Task, connect: Any, sandbox: Any, change: dict
) -> None:
    connect(**{"host": f"{sandbox.url}/vidio", "password": KEY, **change})
    deferred = running.deferrals.pop()
    message = retryable(lambda: running.resume(deferred), "a retry waits for the same job", "It was charged")
    assert "Nothing was sent" not in message, "it is about a job that is paid for"


# --- deadlines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_takes_too_long_fails_for_now_and_is_taken_up_again(
    reel_of: Any, control: Control, deferrable: bool
) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=deferrable, timeout=0.4)
    began = time.monotonic()
    retryable(task.run, "was not seen to end", "cannot cancel it", "It was charged")
    assert time.monotonic() - began < 15
    control.settings(speed=SPEED)
    assert task.retry().run()["state"] == "ready"
    assert len(control.purchases()) == 1


def test_a_job_that_is_ready_at_the_deadline_is_taken(running: Task, control: Control, ended: Any) -> None:
    control.settings(speed=SPEED)
    ended()
    deferred = running.deferrals.pop()
    deferred.trigger.deadline = time.time() + 0.02
    deferred.trigger.poll_interval = 3600
    assert running.resume(deferred)["state"] == "ready"


def test_the_deadline_never_goes_past_the_execution_timeout(reel_of: Any, control: Control) -> None:
    task = reel_of(
        deferrable=True, timeout=timedelta(hours=2), execution_timeout=timedelta(minutes=1)
    ).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    assert caught.value.trigger.deadline <= time.time() + 60
    assert timedelta(seconds=60) < caught.value.timeout <= timedelta(seconds=121)


def test_a_retry_has_its_own_deadline(running: Task) -> None:
    first = running.deferrals[-1].trigger.deadline
    time.sleep(0.05)
    with pytest.raises(TaskDeferred) as caught:
        running.retry().begin()
    assert caught.value.trigger.deadline > first


# --- checks -------------------------------------------------------------------------------------


def test_a_fresh_purchase_is_not_checked_by_the_worker(running: Task, control: Control) -> None:
    assert control.calls("vidio", "status") == []


def test_a_worker_that_resumes_a_job_checks_once_before_it_defers(running: Task, control: Control) -> None:
    with pytest.raises(TaskDeferred):
        running.retry().begin()
    assert len(control.calls("vidio", "status")) == 1


def test_a_trigger_first_checks_some_seconds_after_it_starts(running: Task, control: Control) -> None:
    control.settings(speed=SPEED)
    deferred = running.deferrals.pop()
    deferred.trigger.poll_interval = None
    began = time.monotonic()
    running.resume(deferred)
    assert (time.monotonic() - began) * FASTER >= 7.5


def test_triggers_of_one_account_share_few_connections_and_leave_none_open(connect: Any) -> None:
    checks: dict[str, int] = {}

    def vendor(peer: Peer) -> bool:
        checks[peer.request.path] = checks.get(peer.request.path, 0) + 1
        word = "processed" if checks[peer.request.path] > 2 else "processing"
        return bool(answer(body={"status": word}, keep=True)(peer))

    async def all_at_once() -> list[Any]:
        deadline = time.time() + 60
        triggers = [
            JobTrigger(
                ref={"vendor": "vidio", "conn_id": conn_id, "job_id": f"J{number}", "kind": "reel"},
                deadline=deadline,
                poll_interval=1,
            )
            for number, conn_id in enumerate(["vidio_default", "same_account"] * 30)
        ]
        events = await asyncio.gather(*map(first_event, triggers))
        await asyncio.sleep(0)
        assert not _LINES.get(asyncio.get_running_loop())
        return list(events)

    with serving(vendor) as server:
        for name in ("vidio_default", "same_account"):
            connect(name, host=server.url, password=KEY, extra={"max_connections": 4, "timeout": 600})
        events = run_fast(all_at_once())
        assert len(server.peers) <= 4
    assert {event["status"]["state"] for event in events} == {"ready"}
    assert set(checks.values()) == {3}


def test_a_cancelled_trigger_leaves_no_connection_behind(connect: Any) -> None:
    async def cancel() -> None:
        trigger = JobTrigger(
            ref={"vendor": "vidio", "conn_id": "vidio_default", "job_id": "J", "kind": "reel"},
            deadline=time.time() + 60,
            poll_interval=0.1,
        )
        task = asyncio.ensure_future(first_event(trigger))
        while not server.requests:  # noqa: ASYNC110 - a thread of the server fills it
            await asyncio.sleep(0.1)
        while not task.done():  # the triggerer, too, says it more than once
            task.cancel()
            await asyncio.sleep(1)
        assert task.cancelled()
        assert not _LINES.get(asyncio.get_running_loop())

    with serving(answer(body={"status": "processing"}, keep=True)) as server:
        connect(host=server.url, password=KEY)
        run_fast(cancel())


# --- what a person sees --------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_operator_knows_how_many_checks_it_took_and_when_the_end_was_seen(
    reel_of: Any, deferrable: bool
) -> None:
    task, began = reel_of(deferrable=deferrable), time.time()
    task.run()
    assert task.operator.checks >= 1
    assert began <= task.operator.ready_at <= time.time()


def test_a_worker_shows_a_job_at_least_every_half_minute(
    reel_of: Any, control: Control, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    control.settings(speed=SPEED)
    task = reel_of(deferrable=False, poll_interval=100)
    task.run()
    said = capfd.readouterr().out + caplog.text
    assert len(control.calls("vidio", "status")) == 1
    assert said.count("the job was bought, and its first status check follows") >= 3
    assert re.search(r"Bought: vidio reel \S+ for 1 unit\.", said)
    shown = task.instance.xcoms["progress"]
    assert (shown["words"], shown["progress"], shown["estimate"]) == ("VIDIO has finished", 1.0, False)
    assert shown["checks"] == 1


def test_a_worker_that_cannot_push_goes_on_waiting(reel_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    push = Instance.xcom_push

    def refused(self: Instance, key: str, value: Any) -> None:
        if key == "progress":
            raise RuntimeError("no API server")
        push(self, key, value)

    monkeypatch.setattr(Instance, "xcom_push", refused)
    assert reel_of(deferrable=False).run()["state"] == "ready"


def test_a_render_is_called_after_the_footage_and_a_retry_replaces_its_file(
    reel: dict, render_of: Any, tmp_path: Path
) -> None:
    assert reel["title"] == "my clip #1 é"
    task = render_of(reel, download_to=f"{tmp_path}/")
    for _ in range(2):
        task.run()
        task.retry()
    assert [path.name for path in tmp_path.iterdir()] == [f"my-clip-1-é-{reel['job_id'][-12:]}-0.mp4"]


# --- triggers and events ------------------------------------------------------------------------


def test_a_triggers_arguments_and_event_are_plain_and_hold_no_secret(running: Task, control: Control) -> None:
    control.settings(speed=SPEED)
    running.resume(running.deferrals.pop())
    for stored in (running.triggers, running.events):
        text = json.dumps(stored)
        assert KEY not in text
        assert "http" not in text


def test_a_trigger_is_never_broken_by_its_arguments() -> None:
    trigger = JobTrigger(ref=None, deadline="later", of_a_later_version=True)
    with pytest.raises(ValueError, match="validation error"):
        run_fast(first_event(trigger))


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        "success",
        [],
        {"end": "status"},
        {"end": "finished", "ref": {"vendor": "vidio", "conn_id": "c", "job_id": "J", "kind": "reel"}},
        {"end": "status", "ref": {"vendor": "vidio"}},
    ],
    ids=repr,
)
def test_an_event_that_is_not_understood_never_passes_for_success(
    running: Task, control: Control, event: Any
) -> None:
    deferred = running.deferrals.pop()
    retryable(lambda: running.resumed(deferred, event), "not understood", "a retry waits for the same job")
    assert running.store.record["phase"] == "bought"
    control.settings(speed=SPEED)
    running.retry().run()
    assert len(control.purchases()) == 1


def test_an_event_without_a_status_fails_for_now(running: Task) -> None:
    ref = running.store.record["receipt"]["ref"]
    deferred = running.deferrals.pop()
    retryable(lambda: running.resumed(deferred, {"end": "status", "ref": ref, "status": None}), "retry")


@pytest.mark.parametrize("word", ["failed", "error"])
def test_a_failed_job_comes_out_of_the_trigger_as_a_failure(
    reel_of: Any, control: Control, word: str
) -> None:
    control.fault("vidio", "create_highlight_reel", "fail_job", word=word)
    with pytest.raises(AirflowFailException, match=f"'{word}'"):
        reel_of(deferrable=True).run()


def test_being_killed_says_that_the_job_goes_on(
    running: Task, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture, control: Control
) -> None:
    caplog.set_level(logging.INFO)
    trigger = rebuilt(running.deferrals.pop().trigger)

    async def ended() -> None:
        waiting = asyncio.create_task(anext(trigger.run()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    before = len(control.calls())
    run_fast(ended())
    running.operator.on_kill()
    said = capfd.readouterr().out + caplog.text
    assert said.count("goes on there unless it has ended since") == 2
    assert said.count("It was charged.") == 2
    assert len(control.calls()) == before


def _kill(task: Task, at: list[float]) -> None:
    """Ask the task to stop, as Airflow does five seconds before it kills it; note the moment."""
    at.append(time.monotonic())
    task.operator.on_kill()


def test_a_task_that_is_asked_to_stop_stops_waiting_and_its_retry_resumes_the_job(
    reel_of: Any, control: Control
) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=False, poll_interval=100)
    killed: list[float] = []
    threading.Timer(0.5, _kill, (task, killed)).start()
    retryable(task.begin, "asked to stop", "It was charged.")
    assert time.monotonic() - killed[0] < 5, "after which Airflow would have killed it"
    control.settings(speed=SPEED)
    assert task.retry().begin()["state"] == "ready"
    assert len(control.purchases()) == 1


def test_a_task_that_is_asked_to_stop_buys_nothing_any_more(reel_of: Any, control: Control) -> None:
    soon = {"status": 429, "headers": {"Retry-After": "59"}}  # slept through, and sent again
    control.fault("vidio", "create_highlight_reel", "status", times=1, **soon)
    task = reel_of(deferrable=False)
    threading.Timer(0.3, lambda: task.operator.on_kill()).start()
    retryable(task.begin, "asked to stop", "Nothing was charged.")
    assert control.purchases() == []
    assert task.retry().begin()["state"] == "ready"
    assert len(control.purchases()) == 1


def test_a_task_that_is_asked_to_stop_stops_waiting_for_a_rate_limit(reel_of: Any, control: Control) -> None:
    slow = {"status": 429, "headers": {"Retry-After": "600"}}
    control.fault("vidio", "create_highlight_reel", "status", times=None, **slow)
    task = reel_of(deferrable=False)
    killed: list[float] = []
    threading.Timer(1.0, _kill, (task, killed)).start()
    retryable(task.begin, "asked to stop", "Nothing was charged.")
    assert time.monotonic() - killed[0] < 5, "after which Airflow would have killed it"
    assert control.purchases() == []


def test_a_trigger_yields_once_and_ends(running: Task, control: Control) -> None:
    control.settings(speed=SPEED)

    async def all_events() -> list[TriggerEvent]:
        return [event async for event in rebuilt(running.deferrals.pop().trigger).run()]

    assert len(run_fast(all_events())) == 1


# --- sensors ------------------------------------------------------------------------------------


def sensor_of(job: Any, **changes: Any) -> Task:
    arguments = {"task_id": "wait", "job": job, "poke_interval": 0.05, "deferrable": False, **changes}
    return Task(lambda: VidioJobSensor(**arguments), store=False)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_returns_what_the_operator_would(reel: dict, render_of: Any, deferrable: bool) -> None:
    assert sensor_of(reel, deferrable=deferrable).run() == reel
    rendered = render_of(reel).run()
    seen = sensor_of(rendered, until="rendered", deferrable=deferrable).run()
    assert seen == rendered


@pytest.mark.parametrize("form", [lambda job: job["job_id"], repr, json.dumps], ids=["id", "literal", "JSON"])
def test_a_sensor_takes_a_job_in_any_form(reel: dict, form: Any) -> None:
    assert sensor_of(form(reel)).run()["job_id"] == reel["job_id"]


def test_a_sensor_of_a_finished_job_does_not_defer(reel: dict, control: Control) -> None:
    before = len(control.calls("vidio", "status"))
    task = sensor_of(reel, deferrable=True)
    task.run()
    assert task.deferrals == []
    assert len(control.calls("vidio", "status")) == before + 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_a_job_that_another_task_bought(
    running: Task, control: Control, deferrable: bool
) -> None:
    sensor = sensor_of(running.instance.xcoms["job_id"], deferrable=deferrable)
    control.settings(speed=300)  # a third of a second
    assert sensor.run()["state"] == "ready"
    assert len(sensor.deferrals) == deferrable
    assert len(control.purchases()) == 1


def test_a_sensor_of_a_render_waits_for_it(reel: dict, render_of: Any, control: Control) -> None:
    control.settings(speed=0)
    render = render_of(reel, deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        render.begin()
    retryable(sensor_of(reel, until="rendered", timeout=0.2).run)
    control.settings(speed=SPEED)
    assert sensor_of(reel, until="rendered").run()["vendor_status"] == "rendered"


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_a_sensor_gives_up_at_its_timeout(running: Task, deferrable: bool, soft: bool) -> None:
    sensor = sensor_of(running.instance.xcoms["job_id"], timeout=0.3, deferrable=deferrable, soft_fail=soft)
    with pytest.raises(AirflowSkipException if soft else AirflowSensorTimeout):
        sensor.run()


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_a_sensor_of_a_failed_job_fails_or_skips(
    reel_of: Any, control: Control, deferrable: bool, soft: bool
) -> None:
    control.fault("vidio", "create_highlight_reel", "fail_job")
    buyer = reel_of()
    with pytest.raises(AirflowFailException):
        buyer.run()
    sensor = sensor_of(buyer.instance.xcoms["job_id"], deferrable=deferrable, soft_fail=soft)
    with pytest.raises(AirflowSkipException if soft else AirflowFailException):
        sensor.run()


@pytest.mark.parametrize("soft", [False, True])
def test_a_job_that_fails_while_a_sensor_is_deferred_fails_or_skips(
    reel_of: Any, control: Control, soft: bool
) -> None:
    control.fault("vidio", "create_highlight_reel", "fail_job")
    control.settings(speed=0)
    buyer = reel_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        buyer.begin()
    sensor = sensor_of(buyer.instance.xcoms["job_id"], deferrable=True, soft_fail=soft).retry()
    with pytest.raises(TaskDeferred) as caught:
        sensor.begin()
    control.settings(speed=SPEED)
    with pytest.raises(AirflowSkipException if soft else AirflowFailException):
        sensor.resume(caught.value)


@pytest.mark.parametrize("event", [None, {}, "success"], ids=repr)
def test_a_sensors_event_that_is_not_understood_never_passes_for_success(running: Task, event: Any) -> None:
    sensor = sensor_of(running.instance.xcoms["job_id"], deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        sensor.begin()
    retryable(lambda: sensor.resumed(caught.value, event), "not understood")


def test_a_sensor_whose_trigger_died_fails_for_now(running: Task) -> None:
    sensor = sensor_of(running.instance.xcoms["job_id"], deferrable=True)
    with pytest.raises(AirflowException):
        sensor.make().resume_execution("__fail__", {"error": "Trigger failure"}, sensor.context())


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    "trouble", [{"fault": "status", "status": 500}, {"fault": "html"}, {"fault": "reset"}]
)
def test_a_sensor_waits_troubles_out(reel: dict, control: Control, trouble: dict, deferrable: bool) -> None:
    control.fault("vidio", "status", **trouble)
    assert sensor_of(reel, deferrable=deferrable).run()["state"] == "ready"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_whose_account_is_refused_fails_for_now(
    reel: dict, control: Control, deferrable: bool
) -> None:
    control.fault("vidio", "status", "status", status=401, times=None)
    retryable(sensor_of(reel, deferrable=deferrable).run, "401")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_does_not_believe_one_answer_that_the_job_is_gone(
    reel: dict, control: Control, deferrable: bool
) -> None:
    control.fault("vidio", "status", "status", status=404)
    assert sensor_of(reel, deferrable=deferrable).run()["state"] == "ready"


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"until": "done"}, ["until", "'processed' or 'rendered'", "'done'"]),
        ({"job": None}, ["job", "Nothing was sent"]),
        (
            {"job": {"vendor": "vidgo", "conn_id": "c", "job_id": "J", "kind": "media"}},
            ["vidgo", "not of vidio"],
        ),
    ],
    ids=str,
)
def test_a_wrong_sensor_is_named_for_good(
    control: Control, changes: dict, parts: list[str], deferrable: bool
) -> None:
    task = sensor_of(**{"job": "J1", **changes}, deferrable=deferrable)
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    for part in parts:
        assert part in str(caught.value)
    assert control.calls() == []
