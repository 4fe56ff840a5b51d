"""A person presses buttons while a paid job runs, and after it."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import SPEED, bought, eventually, in_state, kill_task, messages
from tools.stack import Stack

MODES = pytest.mark.parametrize("mode", ["sync", "deferred"])
WAITING = {"sync": "running", "deferred": "deferred"}


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_a_waiting_task_leaves_the_job_running_and_says_so(
    stack: Stack, sandbox: Control, footage: str, state: str
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger("reel_deferred", {"input_key": footage})
    in_state(run, "deferred")
    eventually("trigger at work", lambda: "submitted" in messages(run, 1))
    run.mark("reel", state)

    assert run.wait(120) == state
    assert len(bought(sandbox, footage)) == 1
    eventually("last word", lambda: "is still running at the vendor, and is billed" in messages(run, 1), 15)


@MODES
def test_clearing_a_task_whose_job_runs_goes_on_with_that_job(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger(f"reel_{mode}", {"input_key": footage})
    in_state(run, WAITING[mode])
    eventually("look at the job", lambda: "submitted" in messages(run, 1))
    run.clear("reel")
    eventually("next try", lambda: "This try will wait for the job that is running" in messages(run, 2))
    sandbox.settings(speed=SPEED)

    eventually("success", lambda: run.task("reel")["state"] == "success", 90)
    assert len(bought(sandbox, footage)) == 1


@MODES
def test_clearing_a_finished_task_buys_afresh(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    run = stack.api.trigger(f"reel_{mode}", {"input_key": footage})
    assert run.wait(180) == "success"
    first = run.xcom("reel")["job_id"]
    run.clear("reel")
    eventually("second purchase", lambda: len(bought(sandbox, footage)) == 2)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 2
    assert run.xcom("reel")["job_id"] != first
    assert "This try will buy" in messages(run, 2)


def test_clearing_a_finished_task_reuses_its_job_where_the_author_asked_for_it(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    run = stack.api.trigger("reel_deferred_reuse", {"input_key": footage})
    assert run.wait(180) == "success"
    first = run.xcom("reel")["job_id"]
    run.clear("reel")
    eventually("second try", lambda: "This try will use the result that is there" in messages(run, 2))

    assert run.wait(240) == "success"
    assert len(bought(sandbox, footage)) == 1
    assert run.xcom("reel")["job_id"] == first


def test_clearing_a_task_whose_job_failed_buys_again_and_a_retry_does_not(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.fault("vidio", "create_highlight_reel", "fail_job", times=1)
    run = stack.api.trigger("reel_deferred", {"input_key": footage})
    assert run.wait(180) == "failed"
    assert run.task("reel")["try_number"] == 1, "a retry could not do anything useful"
    assert len(bought(sandbox, footage)) == 1
    assert "It may have been charged." in messages(run, 1)
    run.clear("reel")
    eventually("second purchase", lambda: len(bought(sandbox, footage)) == 2)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 2


def test_clearing_a_lost_purchase_is_the_go_ahead_to_buy_again(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.fault("vidio", "create_highlight_reel", "reset", when="after", times=1)
    run = stack.api.trigger("reel_deferred", {"input_key": footage})
    assert run.wait(180) == "failed"
    assert run.task("reel")["try_number"] == 1
    run.clear("reel")
    eventually("second purchase", lambda: len(bought(sandbox, footage)) == 2)

    assert run.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 2


def test_clearing_with_downstream_buys_each_once_more(stack: Stack, sandbox: Control, footage: str) -> None:
    renders = len(sandbox.purchases("vidio", "render"))
    run = stack.api.trigger("rendered", {"input_key": footage})
    assert run.wait(240) == "success"
    run.clear("reel", downstream=True)
    eventually("second reel", lambda: len(bought(sandbox, footage)) == 2)

    assert run.wait(240) == "success"
    assert len(bought(sandbox, footage)) == 2
    assert len(sandbox.purchases("vidio", "render")) == renders + 2


def test_a_run_that_is_deleted_and_made_again_buys_its_own(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    run = stack.api.trigger("reel_deferred", {"input_key": footage})
    assert run.wait(180) == "success"
    stack.api.call("DELETE", f"dags/reel_deferred/dagRuns/{run.run_id}")
    again = stack.api.trigger("reel_deferred", {"input_key": footage}, run_id=run.run_id)

    assert again.wait(180) == "success"
    assert len(bought(sandbox, footage)) == 2
    assert again.task("reel")["try_number"] == 1


@MODES
def test_a_request_that_changes_between_tries_is_not_bought_by_the_retry(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    if mode == "deferred":
        # A deferred task holds no worker that could be killed: its trigger gives up for a dead account.
        sandbox.fault("vidio", "status", "status", status=403, times=2)
    sandbox.settings(speed=0)
    run = stack.api.trigger(f"changing_{mode}", {"input_key": footage})
    if mode == "sync":
        eventually("look at the job", lambda: "submitted" in messages(run, 1))
        kill_task(run)
    eventually(
        "second try", lambda: "The request differs from the one that was bought" in messages(run, 2), 90
    )
    sandbox.settings(speed=SPEED)

    assert run.wait(240) == "success"
    assert len(bought(sandbox, footage)) == 1
