"""A vendor's call wakes the task that waits for its job, and nothing else, in Airflow's real database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.events.app import LARGEST_BODY, app
from airflow_provider_vidai.events.follow import Call
from airflow_provider_vidai.events.waking import wake
from airflow_provider_vidai.hooks.webhook import Webhook
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.hint import Hint
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from airflow_provider_vidai.triggers.job import hint_event
from tests.support.task import Task

SECRET = "a secret of at least 32 characters"
BASE = "http://127.0.0.1:1/prefix"
KEY = TaskKey("videos", "manual", "paid", -1)
VIDGO = {"vendor": "vidgo", "conn_id": "vidgo_default", "job_id": "j-1", "kind": "media", "params": {}}
VIZARD = {**VIDGO, "vendor": "vizard", "job_id": "17", "kind": "project"}


@pytest.fixture
def webhooks(monkeypatch: pytest.MonkeyPatch) -> Webhook:
    monkeypatch.setenv("AIRFLOW__VIDAI__WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("AIRFLOW__VIDAI__WEBHOOK_BASE_URL", BASE)
    return Webhook(SECRET, BASE)


class Rows:
    """Task instances and their triggers in Airflow's database."""

    def __init__(self) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import Trigger

        self.runs, self.tasks, self.triggers = DagRun.__table__, TaskInstance.__table__, Trigger
        self._forget()
        self._write(self.runs.insert().values(self._run()))

    def _run(self) -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        run = {"dag_id": KEY.dag_id, "run_id": KEY.run_id, "state": "running", "run_type": "manual"}
        known = {**run, "run_after": now, "log_template_id": None, "clear_number": 0, "span_status": "x"}
        return {name: value for name, value in known.items() if name in self.runs.c}

    def _forget(self) -> None:
        for table in (self.tasks, self.triggers.__table__, self.runs):
            self._write(table.delete())

    def _write(self, statement: Any) -> None:
        from airflow.utils.session import create_session

        with create_session() as session:
            session.execute(statement)

    def waits(self, key: TaskKey = KEY, *, age: float = 60.0, state: str = "deferred", **kwargs: Any) -> None:
        """Add a task that has waited for ``age`` seconds with a trigger of these arguments."""
        from airflow.utils.session import create_session

        path = kwargs.pop("path", "airflow_provider_vidai.triggers.job.JobTrigger")
        begun = datetime.now(timezone.utc) - timedelta(seconds=age)
        with create_session() as session:
            trigger = self.triggers(classpath=path, kwargs=kwargs, created_date=begun)
            session.add(trigger)
            session.flush()
            known = {
                "state": state,
                "trigger_id": trigger.id,
                "pool": "default_pool",
                "next_method": "execute_complete",
                "next_kwargs": {"bought": {"cost": None}},
                "try_number": 1,
                "executor_config": {},
                "span_status": "x",
                "pool_slots": 1,
            }
            session.execute(self.tasks.insert().values({**key._asdict(), **known}))

    def task(self, key: TaskKey = KEY) -> Any:
        """Return the state of a task, and the event with which it was woken."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        where = [getattr(TaskInstance, name) == value for name, value in key._asdict().items()]
        with create_session() as session:
            row = session.scalars(select(TaskInstance).where(*where)).one()
            kwargs = row.next_kwargs or {}
            if "__var" in kwargs:
                from airflow.serialization.serialized_objects import BaseSerialization

                kwargs = BaseSerialization.deserialize(kwargs)
            return str(getattr(row.state, "value", row.state)), kwargs.get("event")


@pytest.fixture
def rows(database: None) -> Rows:
    return Rows()


def waiting(ref: Any = None, **more: Any) -> dict[str, Any]:
    """Return the arguments of a trigger."""
    deadline = time.time() + 3600
    return {"ref": ref or VIDGO, "deadline": deadline, "since": None, "poll_interval": None, **more}


# --- whom a call wakes -------------------------------------------------------------------------


def test_a_call_about_a_purchase_wakes_its_task_with_a_hint_and_with_all_it_needs(rows: Rows) -> None:
    asked = waiting(purchase="p")
    rows.waits(**asked)
    assert wake(Call("vidgo", KEY, "p")) is None
    state, event = rows.task()
    assert state == "scheduled"
    assert (event["end"], event["ref"], event["waiting"]) == ("hint", VIDGO, asked)
    assert event["status"] is None


def test_a_second_call_finds_nobody_to_wake(rows: Rows) -> None:
    rows.waits(**waiting(purchase="p"))
    wake(Call("vidgo", KEY, "p"))
    before = rows.task()
    assert wake(Call("vidgo", KEY, "p")) is not None, "the task may come to wait again"
    assert rows.task() == before


@pytest.mark.parametrize(
    "call",
    [
        Call("vidgo", KEY, "another purchase"),
        Call("vidgo", KEY._replace(map_index=0), "p"),
        Call("vidgo", KEY._replace(run_id="other"), "p"),
        Call("vidgo", job_id="j-2"),
        Call("vizard", job_id="j-1"),
    ],
)
def test_a_call_about_something_else_wakes_nobody(rows: Rows, call: Call) -> None:
    rows.waits(**waiting(purchase="p"))
    wake(call)
    assert rows.task() == ("deferred", None)


def test_a_wait_of_another_kind_is_not_ended(rows: Rows) -> None:
    path = "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
    rows.waits(path=path, **waiting(purchase="p"))
    wake(Call("vidgo", KEY, "p"))
    assert rows.task() == ("deferred", None)


def test_a_wait_that_has_just_begun_is_left_alone_and_says_when_it_may_be_ended(rows: Rows) -> None:
    rows.waits(**waiting(purchase="p"), age=3)
    assert wake(Call("vidgo", KEY, "p")) == pytest.approx(5, abs=1)
    assert rows.task() == ("deferred", None)


@pytest.mark.parametrize(
    ("hints", "age", "woken"), [(1, 15, False), (1, 17, True), (5, 250, False), (99, 610, True)]
)
def test_each_call_that_was_wrong_makes_the_next_one_wait_twice_as_long(
    rows: Rows, hints: int, age: float, woken: bool
) -> None:
    rows.waits(**waiting(purchase="p", hints=hints), age=age)
    wake(Call("vidgo", KEY, "p"))
    assert (rows.task()[0] == "scheduled") is woken


@pytest.mark.parametrize(
    ("state", "again"), [("running", True), ("queued", True), ("success", False), ("failed", False)]
)
def test_a_task_that_does_not_wait_yet_is_tried_again_and_a_finished_one_is_not(
    rows: Rows, state: str, again: bool
) -> None:
    rows.waits(state=state, **waiting(purchase="p"))
    assert (wake(Call("vidgo", KEY, "p")) is not None) is again
    assert rows.task()[0] == state


def test_a_call_about_a_job_wakes_all_tasks_that_wait_for_it(rows: Rows) -> None:
    for index, job_id in enumerate(("17", "18", "17")):
        rows.waits(KEY._replace(map_index=index), **waiting({**VIZARD, "job_id": job_id}))
    rows.waits(**waiting({"vendor": 5}))
    assert wake(Call("vizard", job_id="17")) is None
    states = [rows.task(KEY._replace(map_index=index))[0] for index in (-1, 0, 1, 2)]
    assert states == ["deferred", "scheduled", "deferred", "scheduled"]


# --- the address -------------------------------------------------------------------------------


@pytest.fixture
def caller(webhooks: Webhook) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def path_of(webhooks: Webhook, hint: Hint) -> str:
    return "/" + (webhooks.url(hint) or "").rpartition("/")[2]


def woken(rows: Rows, key: TaskKey = KEY) -> bool:
    until = time.monotonic() + 10
    while rows.task(key)[0] == "deferred":
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_a_call_at_a_purchases_address_wakes_its_task_whatever_its_body_says(
    rows: Rows, webhooks: Webhook, caller: TestClient
) -> None:
    rows.waits(**waiting(purchase="address"))
    answer = caller.post(
        path_of(webhooks, Hint(vendor="vidgo", task=KEY, purchase="address")), content=b"\xff{"
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert woken(rows)
    assert rows.task()[1]["status"] is None


def test_a_call_at_a_workspaces_address_wakes_who_waits_for_the_job_in_its_body(
    rows: Rows, webhooks: Webhook, caller: TestClient
) -> None:
    rows.waits(**waiting(VIZARD))
    body = {"code": 2000, "projectId": 17, "videos": []}
    assert caller.post(path_of(webhooks, Hint(vendor="vizard")), json=body).status_code == 204
    assert woken(rows)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\x00", b"[" * 100_000, b'{"code": 2000, "projectId": 99}']
)
def test_a_call_that_names_no_waiting_job_is_answered_all_the_same(
    rows: Rows, webhooks: Webhook, caller: TestClient, body: bytes
) -> None:
    rows.waits(**waiting(VIZARD))
    assert caller.post(path_of(webhooks, Hint(vendor="vizard")), content=body).status_code == 204
    time.sleep(0.2)
    assert rows.task() == ("deferred", None)


def test_an_address_of_somebody_else_wakes_nobody(rows: Rows, webhooks: Webhook, caller: TestClient) -> None:
    rows.waits(**waiting(purchase="p"))
    forged = path_of(
        Webhook("another secret of 32 characters or more", BASE), Hint(vendor="vidgo", task=KEY, purchase="p")
    )
    for path in (forged, "/x", "/%00", "/" + "a" * 9000, forged + "/more"):
        assert caller.post(path).status_code == 404
    assert caller.get(path_of(webhooks, Hint(vendor="vidgo", task=KEY, purchase="p"))).status_code == 405
    time.sleep(0.2)
    assert rows.task() == ("deferred", None)


def test_a_body_that_is_too_large_is_cut_off(rows: Rows, webhooks: Webhook, caller: TestClient) -> None:
    rows.waits(**waiting(purchase="large"))
    path = path_of(webhooks, Hint(vendor="vidgo", task=KEY, purchase="large"))
    assert caller.post(path, content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    time.sleep(0.2)
    assert rows.task() == ("deferred", None)


# --- what the woken task does ------------------------------------------------------------------


@pytest.fixture
def bought(vidgo: Any, webhooks: Webhook, control: Control, task_of: Any) -> tuple[Task, TaskDeferred]:
    """A task that has bought a picture, and waits. The sandbox's clock stands still."""
    control.settings(speed=0)
    task = task_of(deferrable=True, poll_interval=None)
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    return task, caught.value


def hinted(task: Task, deferred: TaskDeferred) -> Any:
    """Resume a task as a call does."""
    return task.resumed(deferred, json.loads(json.dumps(hint_event(deferred.trigger.serialize()[1]))))


def over(control: Control) -> None:
    """Let all jobs end; the sandbox calls then."""
    control.advance(3600)
    until = time.monotonic() + 4
    while not control.calls("vidgo", "callback") and time.monotonic() < until:
        time.sleep(0.02)


def addresses(control: Control) -> set[str]:
    """Return the last parts of the addresses that the sandbox has called, once all jobs have ended."""
    over(control)
    return {call["path"].rpartition("/")[2] for call in control.calls("vidgo", "callback")}


def checks(control: Control) -> int:
    return len(control.calls("vidgo", "status"))


def test_the_operator_gives_its_purchase_an_address_that_leads_back_to_it(
    bought: Any, webhooks: Webhook, control: Control
) -> None:
    task, deferred = bought
    (token,) = addresses(control)
    hint = webhooks.hint(token)
    assert hint is not None
    assert (hint.vendor, hint.task) == ("vidgo", TaskKey("videos", "manual", "paid", -1))
    assert hint.purchase == deferred.trigger.purchase
    assert task.store.record["calls_back"] is True
    assert token not in task.everything_shown()


def test_the_address_is_no_part_of_the_request_that_a_retry_recognises(
    vidgo: Any, task_of: Any, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(deferrable=True)
    with pytest.raises(TaskDeferred):
        task.retry().begin()
    monkeypatch.setenv("AIRFLOW__VIDAI__WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("AIRFLOW__VIDAI__WEBHOOK_BASE_URL", BASE)
    task.clear().run()
    assert len(control.purchases("vidgo")) == 1


@pytest.mark.parametrize("changes", [{"callback_url": "https://mine.example/hook"}, {"deferrable": False}])
def test_who_names_an_address_or_waits_on_a_worker_is_polled_as_usual(
    vidgo: Any, webhooks: Webhook, control: Control, task_of: Any, changes: dict[str, Any]
) -> None:
    task = task_of(**{"deferrable": True, **changes})
    task.run()
    assert addresses(control) == {
        name.rpartition("/")[2] for name in filter(None, [changes.get("callback_url")])
    }
    assert all(one["safety_net"] is None for one in task.triggers)


def test_with_an_address_status_checks_are_a_safety_net_also_after_a_retry(
    bought: Any, control: Control
) -> None:
    task, deferred = bought
    assert deferred.trigger.safety_net == 120
    with pytest.raises(TaskDeferred) as again:
        task.retry().begin()
    assert again.value.trigger.safety_net == 120
    assert again.value.trigger.purchase == deferred.trigger.purchase
    assert len(control.purchases("vidgo")) == 1


def test_a_woken_task_takes_a_finished_job_with_one_status_check(bought: Any, control: Control) -> None:
    task, deferred = bought
    over(control)
    result = hinted(task, deferred)
    assert (result["state"], checks(control)) == ("ready", 1)


def test_a_woken_task_whose_job_still_runs_waits_on_and_is_polled_as_usual(
    bought: Any, control: Control
) -> None:
    task, deferred = bought
    with pytest.raises(TaskDeferred) as again:
        hinted(task, deferred)
    trigger = again.value.trigger
    assert checks(control) == 1
    assert (trigger.safety_net, trigger.hints) == (None, 1)
    assert (trigger.ref, trigger.deadline) == (deferred.trigger.ref, deferred.trigger.deadline)
    assert again.value.kwargs == deferred.kwargs
    assert set(again.value.kwargs["bought"]) >= {"cost", "entry"}
    control.settings(speed=3000)
    assert task.resume(again.value)["state"] == "ready"
    assert len(control.purchases("vidgo")) == 1


def test_a_woken_task_fails_for_a_job_that_failed(
    vidgo: Any, webhooks: Webhook, control: Control, task_of: Any
) -> None:
    control.fault("vidgo", "submit", "fail_job")
    task = task_of(deferrable=True)
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    over(control)
    with pytest.raises(AirflowException, match="failed"):
        hinted(task, caught.value)


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 404}, {"status": 401}])
def test_a_woken_task_that_gets_no_good_answer_waits_on(
    bought: Any, control: Control, fault: dict[str, Any]
) -> None:
    task, deferred = bought
    control.advance(3600)
    control.fault("vidgo", "status", "status", **fault)
    with pytest.raises(TaskDeferred) as again:
        hinted(task, deferred)
    control.settings(speed=3000)
    assert task.resume(again.value)["state"] == "ready"


def test_a_hint_after_the_deadline_ends_as_the_deadline_does(bought: Any, control: Control) -> None:
    task, deferred = bought
    deferred.trigger.deadline = time.time() - 1
    with pytest.raises(TaskDeferred) as again:
        hinted(task, deferred)
    with pytest.raises(Exception, match="by the task's deadline"):
        task.resume(again.value)


def test_a_sensor_that_a_call_wakes_too_early_waits_on(vizard: Any, control: Control, talks: str) -> None:
    control.settings(speed=0)
    job = vizard.create_project(f"{talks}/short.mp4", max_clips=1)
    task = Task(lambda: VizardProjectSensor(task_id="t", job=job, deferrable=True, timeout=7200))
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    with pytest.raises(TaskDeferred) as again:
        hinted(task, caught.value)
    control.settings(speed=3000)
    assert task.resume(again.value)["state"] == "ready"
