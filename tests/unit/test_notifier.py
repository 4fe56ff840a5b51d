"""What a message about a task says, and who sends it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.bases.notifier import BaseNotifier

from airflow_provider_vidai.errors import JobFailed
from airflow_provider_vidai.events.notifier import Message, SpendNotifier, message_of
from airflow_provider_vidai.hooks.failures import Outlook, airflow_failures

PAGE = "https://airflow.example.com/x/vidai/media?dag_id=videos&run_id=manual%2B1&task_id=paid&map_index=2"


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/x/")


class Instance(SimpleNamespace):
    dag_id, run_id, task_id, map_index, try_number, max_tries = "videos", "manual+1", "paid", 2, 1, 1
    log_url = "https://airflow.example.com/x/dags/videos"
    xcoms: dict[str, Any]

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == ("paid", 2)
        return self.xcoms.get(key)


class NoXComs(Instance):
    def xcom_pull(self, **_: Any) -> Any:
        raise RuntimeError("no supervisor here")


def context(kind: type[Instance] = Instance, **more: Any) -> dict[str, Any]:
    return {"ti": kind(xcoms=more.pop("xcoms", {})), "task": object(), "dag": None, **more}


def failed() -> Any:
    """Return the context of a task that failed with an error of this package."""
    found = context()
    log = logging.getLogger("task")
    task: Any = SimpleNamespace(log=log, outlook=lambda: Outlook("", "maybe", "A Clear buys again."))
    found["ti"].task = task
    with pytest.raises(Exception, match="too dark"), airflow_failures(task, found):
        raise JobFailed("vidgo media j-1 failed: too dark.", charged="refunded", todo="Write another prompt.")
    return found


class Sent(BaseNotifier):
    """A notifier as other providers have them: its text is a template."""

    template_fields = ("text",)

    def __init__(self, into: list[str], text: str = "{{ vidai.text }}") -> None:
        super().__init__()
        self.into, self.text = into, text

    def notify(self, context: Any) -> None:
        self.into.append(self.text)


class Broken(BaseNotifier):
    def notify(self, context: Any) -> None:
        raise OSError("no chat today")


def test_a_failure_is_reported_in_three_lines_with_a_link() -> None:
    what, cost, todo = message_of(failed()).text.split("\n")
    assert what == "videos.paid[2] (manual+1) failed: vidgo media j-1 failed: too dark."
    assert cost.startswith("Cost: ")
    assert "refund" in cost
    assert todo == f"To do: Write another prompt. A Clear buys again. {PAGE}"


def test_a_failure_whose_exception_airflow_does_not_hand_over_is_read_from_the_xcom() -> None:
    known = failed()
    message = message_of(context(exception="the task failed", xcoms=known["ti"].xcoms))
    assert message == message_of(known)


def test_the_text_of_a_strange_exception_is_not_passed_on() -> None:
    message = message_of(context(NoXComs, exception=ValueError("key=s3cr3t")))
    assert "s3cr3t" not in message.text
    assert "ValueError" in message.what
    assert message.cost == "not known here; the task's log has it."


def test_a_purchase_is_reported_with_its_price() -> None:
    media = {
        "vendor": "vizard",
        "label": "Vizard",
        "conn_id": "c",
        "job_id": "17",
        "kind": "project",
        "title": "A talk",
        "cost": {"credits": 12},
        "files": [{"uri": "file:///a.mp4", "path": "/a.mp4", "bytes": 1}] * 3,
    }
    message = message_of(context(xcoms={"media": media}))
    assert message == Message(
        "videos.paid[2] (manual+1): Vizard has finished project 17 (A talk), and landed 3 files.",
        "12 credits",
        "Watch it.",
        PAGE,
    )
    silent = message_of(context(xcoms={"media": {**media, "cost": None, "files": []}}))
    assert silent.cost == "Vizard reports no price."


def test_a_task_that_left_nothing_is_reported_too() -> None:
    message = message_of(context(NoXComs))
    assert (message.what, message.cost) == ("videos.paid[2] (manual+1) succeeded.", "none is known.")


def test_a_question_is_sent_with_where_to_answer_it() -> None:
    hitl = pytest.importorskip("airflow.providers.standard.operators.hitl")
    approve = hitl.ApprovalOperator(task_id="approve", subject="0.55 USD for a video?")
    message = message_of(context(task=approve))
    assert message.what == "videos.paid[2] (manual+1) asks: 0.55 USD for a video?"
    assert message.link.startswith("https://airflow.example.com/")


def test_without_the_pages_the_link_leads_to_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__UI", "False")
    assert message_of(context()).link == Instance.log_url


def test_other_notifiers_send_it_in_their_own_templates_each_time() -> None:
    sent: list[str] = []
    notifier = SpendNotifier(Sent(sent), Sent(sent, "{{ vidai.what }}"))
    known = failed()
    notifier(known)
    notifier(context())
    first = message_of(known)
    assert sent[:2] == [first.text, first.what]
    assert sent[3] == "videos.paid[2] (manual+1) succeeded."


def test_a_sender_that_fails_keeps_no_other_from_sending() -> None:
    sent: list[str] = []
    heard: list[Any] = []
    with pytest.raises(OSError, match="no chat today"):
        SpendNotifier(Broken(), Sent(sent), lambda known: heard.append(known["vidai"]))(context())
    assert len(sent) == len(heard) == 1
