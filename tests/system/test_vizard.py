"""Vizard on a real Airflow: publishing while workers are killed, and thirty videos under its rate limits."""

from __future__ import annotations

import sys
import time
import uuid
from collections import Counter
from datetime import datetime

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import SOON, SPEED, Order, Product, Stop, kill_task, messages, waits
from tests.system.test_killed_workers import PLACES, killed_at
from tools.stack import Stack

VIDEOS = 30
LIMITS = {"creates_per_minute": 3, "creates_per_hour": 20}
PUBLISHING = Product("vizard_publish", "vizard", "publish", "publish_video", "", "")


@pytest.fixture
def order(stack: Stack, sandbox: Control, monkeypatch: pytest.MonkeyPatch) -> Order:
    """An order that publishes an existing clip."""
    from airflow_provider_vidai.hooks.vizard import VizardHook

    for name, value in stack.env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    hook = VizardHook()
    job = hook.create_project(f"https://youtu.be/{uuid.uuid4()}", max_clips=1)
    clip = hook.wait_for_project(job, poll_interval=1)["outputs"][0]
    return Order(stack, sandbox, PUBLISHING, f"{clip['details']['video_id']} mark-{uuid.uuid4()}")


@pytest.mark.parametrize(("place", "state", "purchases", "text"), PLACES, ids=[place for place, *_ in PLACES])
def test_a_worker_killed_at_any_place_never_publishes_twice(
    order: Order, stop: Stop, place: str, state: str, purchases: int, text: str
) -> None:
    runs = killed_at(place, [order], stop, "sync")
    waits(runs, state)
    (run,) = runs.values()
    assert len(order.bought()) == purchases
    assert run.task("paid")["try_number"] == 2
    # There is no job to name.
    assert text.partition("{")[0] in messages(run, 2)
    if state == "success":
        assert run.xcom("paid")["accepted"]


def test_a_worker_killed_before_the_answer_to_a_publishing_stops(sandbox: Control, order: Order) -> None:
    held = order.fault("hold", when="after")
    run = order.start("sync")
    sandbox.wait_held(held, timeout=SOON)
    kill_task(run)
    sandbox.release(held, drop=True)

    waits({order: run}, "failed")
    assert len(order.bought()) == 1
    assert run.task("paid")["try_number"] == 2, "the second try stops, and is not retried"
    assert "its outcome is unknown" in messages(run, 2)
    run.clear("paid")
    waits({order: run}, "success")
    assert len(order.bought()) == 2, "a person's go-ahead"


def test_thirty_mapped_videos_wait_without_a_worker_and_are_bought_once_each(
    stack: Stack, sandbox: Control
) -> None:
    sandbox.settings(vizard=LIMITS)
    before = len(sandbox.calls("vizard", "create"))
    mark = uuid.uuid4().hex
    urls = [f"https://youtu.be/{mark}-{number}" for number in range(VIDEOS)]
    run = stack.api.trigger("vizard_many", {"urls": urls})

    seen: list[Counter[str]] = []
    until = time.monotonic() + 900
    while run.state not in ("success", "failed"):
        assert time.monotonic() < until, seen[-1]
        seen.append(Counter(str(one["state"]) for one in run.tasks() if one["task_id"] == "paid"))
        time.sleep(1)

    tasks = [one for one in run.tasks() if one["task_id"] == "paid"]
    assert Counter(one["state"] for one in tasks) == {"success": VIDEOS}
    assert {one["try_number"] for one in tasks} == {1}, "no try was burned"
    entries = [one for one in sandbox.purchases("vizard", "project") if mark in one["request"]["videoUrl"]]
    assert sorted(one["request"]["videoUrl"] for one in entries) == sorted(urls), "each was bought once"
    refused = len(sandbox.calls("vizard", "create")) - before - VIDEOS
    assert refused > 0, "the limits were met"
    moments = sorted(datetime.fromisoformat(one["at"]).timestamp() for one in entries)
    most = LIMITS["creates_per_hour"]
    spans = [late - early for early, late in zip(moments, moments[most:], strict=False)]
    assert min(spans) > 3600 / SPEED - 1, "never more than twenty in an hour of the sandbox"
    waiting = [one for one in seen if one["deferred"] and not one["running"] and not one["queued"]]
    assert waiting, "there were moments when all that was left waited, and no worker was held"
    most = max(one["deferred"] for one in seen)
    reported = (
        f"refused {refused} times; no worker at {len(waiting)} of {len(seen)} checks; {most} waited at once"
    )
    sys.stdout.write(f"{reported}\n")
