"""What happens and what it costs (docs/how-it-works/money.md) when nothing is killed or clicked."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import RUN, SPEED, Order, counts, each, messages, says, waiting, waits
from tools.rest import Run
from tools.stack import Stack

MODES = pytest.mark.parametrize("mode", ["sync", "deferred"])


def tries(runs: dict[Order, Run]) -> list[int]:
    return [run.task("paid")["try_number"] for run in runs.values()]


@MODES
def test_an_api_that_is_down_while_a_job_is_waited_for_costs_nothing(orders: list[Order], mode: str) -> None:
    for order in orders:
        order.status_checks_fail(503, times=2)
    runs = {order: order.start(mode) for order in orders}

    waits(runs, "success")
    assert counts(orders) == each(orders, 1)
    assert tries(runs) == [1] * len(runs)


@MODES
@pytest.mark.parametrize(("refusals", "last_try"), [(1, 1), (2, 2)], ids=["once", "twice"])
def test_a_key_that_is_refused_while_a_job_is_waited_for_never_costs_the_job(
    orders: list[Order], mode: str, refusals: int, last_try: int
) -> None:
    for order in orders:
        order.status_checks_fail(401, times=refusals)
    runs = {order: order.start(mode) for order in orders}

    waits(runs, "success")
    assert counts(orders) == each(orders, 1)
    assert tries(runs) == [last_try] * len(runs)


@MODES
@pytest.mark.parametrize("limit", ["timeout", "execution_timeout"])
def test_after_a_timeout_the_job_goes_on_and_the_retry_waits_for_it_again(
    sandbox: Control, orders: list[Order], mode: str, limit: str
) -> None:
    sandbox.settings(speed=0)
    runs = waiting(orders, mode, f"{mode}_{limit}")
    says(runs, 2, "This try will wait for the job that is running")
    sandbox.settings(speed=SPEED)

    waits(runs, "success")
    assert counts(orders) == each(orders, 1)
    # Airflow itself ends a synchronous task at its execution_timeout.
    ended = (mode, limit) == ("sync", "execution_timeout")
    says(runs, 1, "goes on there unless it has ended since" if ended else "was not seen to end")


@pytest.mark.parametrize("status", [400, 401, 402, 403], ids=["refused", "key", "empty", "closed"])
def test_a_purchase_that_the_vendor_refuses_costs_nothing_and_is_not_tried_again(
    orders: list[Order], status: int
) -> None:
    for order in orders:
        order.fault("status", status=status)
    runs = {order: order.start("sync") for order in orders}

    waits(runs, "failed")
    assert counts(orders) == each(orders, 0)
    assert tries(runs) == [1] * len(runs)
    for order, run in runs.items():
        assert "othing was charged" in messages(run, 1), order


def test_a_lost_render_is_searched_for_and_adopted(stack: Stack, sandbox: Control, footage: str) -> None:
    renders = len(sandbox.purchases("vidio", "render"))
    sandbox.fault("vidio", "render", "reset", when="after", times=1)
    run = stack.api.trigger("rendered", {"mark": footage})

    assert run.wait(RUN) == "success"
    assert run.task("render")["try_number"] == 1
    assert len(sandbox.purchases("vidio", "render")) == renders + 1
