"""A person presses buttons while a paid job runs, and after it: the same for whatever is bought."""

from __future__ import annotations

import functools

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import (
    RUN,
    SPEED,
    Order,
    bought,
    cleared,
    counts,
    each,
    eventually,
    kill_task,
    messages,
    says,
    waiting,
    waits,
)
from tools.rest import Run
from tools.stack import Stack

MODES = pytest.mark.parametrize("mode", ["sync", "deferred"])


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_a_waiting_task_leaves_the_job_running_and_says_so(
    sandbox: Control, orders: list[Order], state: str
) -> None:
    sandbox.settings(speed=0)
    runs = waiting(orders, "deferred")
    for run in runs.values():
        run.mark("paid", state)

    waits(runs, state)
    assert counts(orders) == each(orders, 1)
    says(runs, 1, "goes on there unless it has ended since")


def _succeeded(run: Run) -> bool:
    return bool(run.task("paid")["state"] == "success")


@MODES
def test_clearing_a_task_whose_job_runs_goes_on_with_that_job(
    sandbox: Control, orders: list[Order], mode: str
) -> None:
    sandbox.settings(speed=0)
    runs = waiting(orders, mode)
    for run in runs.values():
        run.clear("paid")
    says(runs, 2, "This try will wait for the job that is running")
    sandbox.settings(speed=SPEED)

    for order, run in runs.items():
        eventually(f"success of {order}", functools.partial(_succeeded, run))
    assert counts(orders) == each(orders, 1)


@MODES
def test_clearing_a_finished_task_buys_again(orders: list[Order], mode: str) -> None:
    runs = {order: order.start(mode) for order in orders}
    waits(runs, "success")
    first = {order: run.xcom("paid")["job_id"] for order, run in runs.items()}
    cleared(runs, 2)

    waits(runs, "success")
    assert counts(orders) == each(orders, 2)
    for order, run in runs.items():
        assert run.xcom("paid")["job_id"] != first[order], order
        assert "This try will buy" in messages(run, 2), order


def test_clearing_a_finished_task_reuses_its_job_if_the_author_asked_for_that(orders: list[Order]) -> None:
    runs = {order: order.start("deferred_reuse") for order in orders}
    waits(runs, "success")
    first = {order: run.xcom("paid") for order, run in runs.items()}
    for run in runs.values():
        run.clear("paid")
    says(runs, 2, "This try will use the result that is there")

    waits(runs, "success")
    assert counts(orders) == each(orders, 1)
    assert {order: run.xcom("paid") for order, run in runs.items()} == first


def test_clearing_a_task_whose_job_failed_buys_again_and_a_retry_does_not(
    stack: Stack, sandbox: Control, orders: list[Order]
) -> None:
    """VIDIO says nothing about the charge for a failed job, so a retry may not buy."""
    (order,) = (order for order in orders if order.product.vendor == "vidio")
    order.fault("fail_job")
    run = order.start("deferred")
    waits({order: run}, "failed")
    assert run.task("paid")["try_number"] == 1, "a retry could not do anything useful"
    assert len(order.bought()) == 1
    assert "It may have been charged." in messages(run, 1)
    cleared({order: run}, 2)

    waits({order: run}, "success")
    assert len(order.bought()) == 2


def test_a_job_that_failed_and_was_refunded_is_bought_again_by_the_retry(
    stack: Stack, sandbox: Control, orders: list[Order]
) -> None:
    (order,) = (order for order in orders if order.product.vendor == "venice")
    body = {"error": "The provider failed.", "credits_refunded": True}
    order.fault("reject_job", status=422, refunded=True, body=body)
    run = order.start("deferred")

    waits({order: run}, "success")
    assert run.task("paid")["try_number"] == 2
    assert [one["refunded"] for one in order.bought()] == [True, False]


def test_clearing_a_lost_purchase_is_the_go_ahead_to_buy_again(orders: list[Order]) -> None:
    for order in orders:
        order.fault("reset", when="after")
    runs = {order: order.start("deferred") for order in orders}
    waits(runs, "failed")
    assert [run.task("paid")["try_number"] for run in runs.values()] == [1] * len(runs)
    cleared(runs, 2)

    waits(runs, "success")
    assert counts(orders) == each(orders, 2)


def test_clearing_with_downstream_buys_each_once_more(stack: Stack, sandbox: Control, footage: str) -> None:
    renders = len(sandbox.purchases("vidio", "render"))
    run = stack.api.trigger("rendered", {"mark": footage})
    assert run.wait(RUN) == "success"
    run.clear("paid", downstream=True)
    eventually("second reel", lambda: len(bought(sandbox, footage)) == 2)

    assert run.wait(RUN) == "success"
    assert len(bought(sandbox, footage)) == 2
    assert len(sandbox.purchases("vidio", "render")) == renders + 2


def test_a_run_that_is_deleted_and_made_again_buys_its_own(stack: Stack, orders: list[Order]) -> None:
    runs = {order: order.start("deferred") for order in orders}
    waits(runs, "success")
    for order, run in runs.items():
        stack.api.call("DELETE", f"dags/{order}_deferred/dagRuns/{run.run_id}")
    again = {order: order.start("deferred", run_id=run.run_id) for order, run in runs.items()}

    # Not always in the first try: Airflow may mistake the end of the deleted run's task for the new one's.
    waits(again, "success")
    assert counts(orders) == each(orders, 2)


@MODES
def test_a_request_that_changes_between_tries_is_not_bought_by_the_retry(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    if mode == "deferred":
        # A deferred task has no worker to kill; its trigger gives up because the account is closed.
        sandbox.fault("vidio", "status", "status", status=403, times=2)
    sandbox.settings(speed=0)
    run = stack.api.trigger(f"changing_{mode}", {"mark": footage})
    if mode == "sync":
        eventually("status check", lambda: "VIDIO's queue" in messages(run, 1))
        kill_task(run)
    eventually("second try", lambda: "The request differs from the one that try 1 bought" in messages(run, 2))
    sandbox.settings(speed=SPEED)

    assert run.wait(RUN) == "success"
    assert len(bought(sandbox, footage)) == 1
