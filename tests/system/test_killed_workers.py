"""A worker dies while money is on the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import bought, eventually, in_state, kill_task, messages
from tools.stack import Stack

Stop = Callable[[str], dict[str, str]]
MODES = pytest.mark.parametrize("mode", ["sync", "deferred"])

#: (where the worker is killed, how the run ends, purchases, what the second try says)
PLACES = [
    ("before the intent", "success", 1, "Bought: vidio reel"),
    ("after the intent", "failed", 0, "It may have been charged."),
    ("before bought is on record", "failed", 1, "It may have been charged."),
    ("after bought is on record", "success", 1, "bought by try 1"),
    ("before done is on record", "success", 1, "This try will use the result that is there"),
    ("after done is on record", "success", 1, "This try will use the result that is there"),
]


@MODES
@pytest.mark.parametrize(("place", "state", "purchases", "says"), PLACES, ids=[place for place, *_ in PLACES])
def test_a_worker_killed_at_any_place_never_buys_twice(
    stack: Stack,
    sandbox: Control,
    footage: str,
    stop: Stop,
    mode: str,
    place: str,
    state: str,
    purchases: int,
    says: str,
) -> None:
    stopping = stop(place)
    run = stack.api.trigger(f"reel_{mode}", {"input_key": footage, "stop": stopping})
    eventually(f"stop {place}", Path(stopping["flag"]).exists)
    kill_task(run)

    assert run.wait(180) == state
    assert len(bought(sandbox, footage)) == purchases
    assert run.task("reel")["try_number"] == 2
    assert says in messages(run, 2)


@pytest.mark.parametrize(("place", "purchases"), [("after the intent", 1), ("before bought is on record", 2)])
def test_where_the_author_asked_for_it_a_lost_purchase_is_bought_again_once(
    stack: Stack, sandbox: Control, footage: str, stop: Stop, place: str, purchases: int
) -> None:
    stopping = stop(place)
    run = stack.api.trigger("reel_deferred_resubmit", {"input_key": footage, "stop": stopping})
    eventually(f"stop {place}", Path(stopping["flag"]).exists)
    kill_task(run)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == purchases


@MODES
def test_a_worker_killed_before_the_vendors_answer_stops_as_a_lost_purchase(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    held = sandbox.fault("vidio", "create_highlight_reel", "hold", when="after", times=1)
    run = stack.api.trigger(f"reel_{mode}", {"input_key": footage})
    sandbox.wait_held(held, timeout=60)
    kill_task(run)
    sandbox.release(held, drop=True)

    assert run.wait(180) == "failed"
    assert len(bought(sandbox, footage)) == 1
    assert run.task("reel")["try_number"] == 2, "the second try stops, and is not retried"
    second = messages(run, 2)
    assert "its outcome is unknown" in second
    assert "It may have been charged." in second
    assert "Clear the task to buy again" in second


@pytest.mark.parametrize("worker", [False, True], ids=["task only", "with its worker"])
def test_a_worker_killed_while_it_waits_leaves_one_purchase_and_the_retry_waits_for_it(
    stack: Stack, sandbox: Control, footage: str, worker: bool
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger("reel_sync", {"input_key": footage})
    eventually("look at the job", lambda: "submitted" in messages(run, 1))
    kill_task(run, worker=worker)
    eventually("second try", lambda: "This try will wait for the job that is running" in messages(run, 2))
    sandbox.settings(speed=20)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 1
    assert "bought by try 1" in messages(run, 2)


def test_a_worker_killed_while_it_waits_for_the_vendors_limit_has_bought_nothing(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.fault(
        "vidio", "create_highlight_reel", "status", status=429, headers={"Retry-After": "30"}, times=1
    )
    run = stack.api.trigger("reel_sync", {"input_key": footage})
    eventually("rate wait", lambda: "sending again in 30 s" in messages(run, 1))
    kill_task(run)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 1
    assert "bought by try" not in messages(run, 2), "no intent was on record"


def test_a_long_limit_is_waited_for_without_a_worker_and_without_a_try(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.fault(
        "vidio", "create_highlight_reel", "status", status=429, headers={"Retry-After": "61"}, times=1
    )
    run = stack.api.trigger("reel_deferred", {"input_key": footage})
    in_state(run, "deferred")
    assert bought(sandbox, footage) == []

    assert run.wait(240) == "success"
    assert len(bought(sandbox, footage)) == 1
    assert run.task("reel")["try_number"] == 1
