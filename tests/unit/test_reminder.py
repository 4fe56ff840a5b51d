"""Reminders of an approval: when they are sent, what they say, and that no worker waits for them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import TICount

from airflow_provider_vidai._compat import AirflowFailException, TaskDeferred
from airflow_provider_vidai.events.notifier import SpendNotifier
from airflow_provider_vidai.events.reminder import ApprovalReminder
from tests.support.dags import stored
from tests.support.task import first_event, rebuilt, run_fast

hitl = pytest.importorskip(
    "airflow.providers.standard.operators.hitl", reason="the standard provider is too old"
)


class Sent(BaseNotifier):
    """A notifier as other providers have them: its text is a template."""

    template_fields = ("text",)
    texts: list[str] = []  # noqa: RUF012

    def __init__(self, text: str = "{{ vidai.text }}") -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        self.texts.append(self.text)


class Broken(BaseNotifier):
    def notify(self, context: Any) -> None:
        raise OSError("no chat today")


class Channel:
    """The supervisor, which knows in which state the approval is."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.asked: list[Any] = []

    def send(self, asked: Any) -> TICount:
        self.asked.append(asked)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return TICount(count=int(state in asked.states))


class Instance(SimpleNamespace):
    """The reminder's own task instance."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "videos", "manual", "remind", -1, 1, 1
    get_ti_count = staticmethod(task_runner.RuntimeTaskInstance.get_ti_count)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        assert task_ids == "remind"
        return self.xcoms.get(key)


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/")
    monkeypatch.setattr(Sent, "texts", [])


def reminder(**changes: Any) -> ApprovalReminder:
    usual = {"approval": "approve", "after": timedelta(hours=4), "notifiers": SpendNotifier(Sent())}
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1)):
        hitl.ApprovalOperator(task_id="approve", subject="{{ price }} USD for a video?")
        return ApprovalReminder(task_id="remind", **{**usual, **changes})


def context(operator: ApprovalReminder) -> Any:
    instance = Instance(xcoms={})
    return {"ti": instance, "task": operator, "dag": operator.dag, "price": "0.55"}


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Any:
    def define(*states: str) -> Channel:
        found = Channel(*states)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
        return found

    return define


def deferred(operator: ApprovalReminder, known: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(known)
    return caught.value


def time_is_up(operator: ApprovalReminder, known: Any) -> Any:
    """Resume the task as Airflow does when the time of a deferral is up."""
    return operator.resume_execution("__fail__", {"error": "Trigger timeout"}, known)


def test_it_waits_in_the_triggerer_until_the_approval_has_ended(channel: Any) -> None:
    asked = channel("awaiting_input", "awaiting_input", "success")
    operator = reminder()
    known = context(operator)
    waiting = deferred(operator, known)
    assert waiting.timeout == timedelta(hours=4)
    event = run_fast(first_event(rebuilt(waiting.trigger)))
    assert operator.resume_execution(waiting.method_name, {"event": event}, known) is None
    assert Sent.texts == []
    assert {(one.dag_id, *one.task_ids, *one.run_ids) for one in asked.asked} == {
        ("videos", "approve", "manual")
    }


@pytest.mark.parametrize("waits_as", ["awaiting_input", "deferred"])
@pytest.mark.parametrize("ended", ["skipped", "failed"])
def test_an_approval_that_was_rejected_or_has_failed_ends_it_too(
    channel: Any, waits_as: str, ended: str
) -> None:
    channel(waits_as, ended)
    operator = reminder()
    assert run_fast(first_event(rebuilt(deferred(operator, context(operator)).trigger)))


@pytest.mark.parametrize("waits_as", ["awaiting_input", "deferred"])
def test_when_its_time_is_up_it_sends_the_question_and_where_to_answer_it(
    channel: Any, waits_as: str
) -> None:
    channel(waits_as)
    operator = reminder()
    assert time_is_up(operator, context(operator)) is None, "one reminder, and it ends"
    (text,) = Sent.texts
    what, _, todo = text.split("\n")
    assert what == "videos.approve (manual) has been waiting for an answer for 4 h: 0.55 USD for a video?"
    assert todo.startswith(
        "To do: Answer it. https://airflow.example.com/dags/videos/runs/manual/tasks/approve/"
    )


def test_it_reminds_as_often_as_it_is_asked_to_and_then_ends(channel: Any) -> None:
    channel("awaiting_input")
    operator = reminder(times="3", after="3600")
    known = context(operator)
    for _ in range(2):
        with pytest.raises(TaskDeferred) as caught:
            time_is_up(operator, known)
        assert caught.value.timeout == timedelta(hours=1)
    assert time_is_up(operator, known) is None
    waited = [text.partition(" answer for ")[2].partition(":")[0] for text in Sent.texts]
    assert waited == ["1 h", "2 h", "3 h"]


def test_it_waits_on_without_a_reminder_while_nothing_is_asked_yet(channel: Any) -> None:
    channel("queued")
    operator = reminder()
    with pytest.raises(TaskDeferred):
        time_is_up(operator, context(operator))
    assert Sent.texts == []


def test_a_notifier_that_fails_keeps_no_other_from_sending(
    channel: Any, caplog: pytest.LogCaptureFixture
) -> None:
    channel("awaiting_input")
    operator = reminder(notifiers=[Broken(), Sent("{{ task.subject }}"), Sent("{{ vidai_waits }}")])
    with caplog.at_level(logging.WARNING):
        assert time_is_up(operator, context(operator)) is None
    assert Sent.texts == ["0.55 USD for a video?", "4 h"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"approval": "remind"}, "is not a task of this DAG that asks people"),
        ({"approval": "nobody"}, "is not a task of this DAG that asks people"),
        ({"after": "soon"}, "after must be a positive number of seconds"),
        ({"after": ""}, "after is required"),
    ],
)
def test_a_wrong_argument_fails_at_once(changes: dict[str, Any], message: str) -> None:
    operator = reminder(**changes)
    with pytest.raises(AirflowFailException, match=message):
        operator.execute(context(operator))


def test_it_is_stored_with_its_dag() -> None:
    assert "remind" in stored(reminder().dag).task_dict
