"""A vendor's long rate limit: every paid operator waits it out within its try, and buys once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.operators.venice import VeniceTranscribeOperator
from airflow_provider_vidai.operators.vizard import VizardCaptionOperator, VizardPublishOperator
from airflow_provider_vidai.purchase.timing import MAX_SENDS
from airflow_provider_vidai.sandbox.client import Control
from tests.support.task import Task

Buying = tuple[str, str, Callable[..., Task]]


@pytest.fixture(params=["caption", "publish", "transcribe"])
def buying(request: pytest.FixtureRequest, vizard: VizardHook, talks: str) -> Buying:
    """The vendor, its call, and what makes the task that buys by it."""
    if request.param == "transcribe":
        request.getfixturevalue("venice")
        url = f"{talks}/talk.mp4"
        return (
            "venice",
            "chat",
            lambda **arguments: Task(lambda: VeniceTranscribeOperator(task_id="t", url=url, **arguments)),
        )
    clip = request.getfixturevalue("clips_of")().run()["outputs"][0]
    if request.param == "caption":
        return (
            "vizard",
            "ai_social",
            lambda **arguments: Task(lambda: VizardCaptionOperator(task_id="t", clip=clip, **arguments)),
        )
    account = next(one for one in vizard.list_social_accounts() if one.status == "active").id
    return (
        "vizard",
        "publish_video",
        lambda **arguments: Task(
            lambda: VizardPublishOperator(task_id="t", clip=clip, social_account_id=account, **arguments)
        ),
    )


def limited(control: Control, buying: Buying) -> int:
    """Have the next purchase refused for a minute and a half; return how many there are by now."""
    vendor, call, _ = buying
    control.fault(vendor, call, "status", status=429, headers={"Retry-After": "90"}, times=1)
    return len(control.purchases())


def test_a_long_limit_gives_the_worker_back_and_uses_up_no_try(control: Control, buying: Buying) -> None:
    before, task = limited(control, buying), buying[2](deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    assert caught.value.method_name == "execute_after_wait"
    assert task.store.record is None, "no intent is on record"
    assert len(control.purchases()) == before
    assert task.check(task.resumed(caught.value, {"moment": "now"}))
    assert len(control.purchases()) == before + 1
    assert task.store.record["phase"] == "done"


def test_a_short_limit_that_is_met_again_and_again_gives_the_worker_back_and_uses_up_no_try(
    control: Control, buying: Buying
) -> None:
    vendor, call, make = buying
    before = len(control.purchases())
    control.fault(vendor, call, "status", status=429, headers={"Retry-After": "2"}, times=MAX_SENDS)
    task = make(deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    assert task.store.record is None, "no intent is on record"
    assert task.check(task.resumed(caught.value, {"moment": "now"}))
    assert len(control.purchases()) == before + 1


def test_a_long_limit_is_waited_for_by_the_worker_where_nothing_is_deferred(
    control: Control, buying: Buying, hurry: list[float]
) -> None:
    before = limited(control, buying)
    assert buying[2]().run()
    assert sum(hurry) >= 90
    assert len(control.purchases()) == before + 1


def test_a_limit_beyond_the_deadline_says_that_nothing_was_charged(control: Control, buying: Buying) -> None:
    before = limited(control, buying)
    with pytest.raises(AirflowException, match=r"past this task's deadline\. Nothing was charged"):
        buying[2](timeout=60).run()
    assert len(control.purchases()) == before
