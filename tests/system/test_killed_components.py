"""Airflow's components die or change while tasks wait for paid jobs."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import RUN, SPEED, Order, bought, counts, each, eventually, waiting, waits
from tools.rest import Run
from tools.stack import Stack

JOBS = 50


def deferred(run: Run) -> int:
    return sum(task["state"] == "deferred" for task in run.tasks() if task["task_id"] == "paid")


def test_a_triggerer_killed_with_fifty_waiting_jobs_loses_and_buys_none(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger("many", {"mark": footage, "count": JOBS})
    eventually(f"{JOBS} deferred tasks", lambda: deferred(run) == JOBS, RUN)
    stack.kill("triggerer")
    stack.restart("triggerer")
    sandbox.settings(speed=SPEED)

    assert run.wait(RUN) == "success"
    assert len(bought(sandbox, footage)) == JOBS
    jobs = {run.xcom("paid", map_index=index)["job_id"] for index in range(JOBS)}
    assert jobs == {one["job_id"] for one in bought(sandbox, footage)}


def test_triggerers_come_and_go_without_a_second_purchase(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger("many", {"mark": footage, "count": 6})
    eventually("6 deferred tasks", lambda: deferred(run) == 6)
    second = stack.add_triggerer()
    stack.kill("triggerer")
    sandbox.settings(speed=SPEED)

    assert run.wait(RUN) == "success"
    assert len(bought(sandbox, footage)) == 6
    stack.restart("triggerer")
    stack.kill(second)


def test_a_triggerer_outlives_odd_answers_and_jobs_beside_them_are_not_disturbed(
    stack: Stack, sandbox: Control, orders: list[Order]
) -> None:
    before = stack.pids("triggerer")
    for vendor, call in (("vizard", "query"), ("vidgo", "status")):
        sandbox.fault(vendor, call, "odd_values", times=None)
    waits({order: order.start("deferred") for order in orders}, "success")
    assert counts(orders) == each(orders, 1)
    assert stack.pids("triggerer") >= before
    assert stack.alive("triggerer")


@pytest.mark.parametrize("component", ["scheduler", "api-server"])
@pytest.mark.parametrize("mode", ["sync", "deferred"])
def test_a_restarted_component_costs_nothing(
    stack: Stack, sandbox: Control, orders: list[Order], mode: str, component: str
) -> None:
    sandbox.settings(speed=0)
    runs = waiting(orders, mode)
    stack.kill(component)
    stack.restart(component)
    sandbox.settings(speed=SPEED)

    waits(runs, "success")
    assert counts(orders) == each(orders, 1)
