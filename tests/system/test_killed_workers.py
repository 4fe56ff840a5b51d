"""A worker dies during a purchase: the same must hold for every product."""

from __future__ import annotations

import functools

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import (
    SECRET_LINK,
    SOON,
    SPEED,
    Order,
    Stop,
    counts,
    eventually,
    in_state,
    kill_task,
    messages,
    nowhere_in_the_clear,
    says,
    seen,
    waits,
)
from tools.rest import Run
from tools.stack import Stack

MODES = pytest.mark.parametrize("mode", ["sync", "deferred"])

#: (where the worker is killed, how the run ends, purchases, a text in the second try's log)
PLACES = [
    ("before the offer", "success", 1, "Bought: {product.vendor} {product.kind}"),
    ("before the intent", "success", 1, "Bought: {product.vendor} {product.kind}"),
    ("after the intent", "failed", 0, "It may have been charged."),
    ("before bought is on record", "failed", 1, "It may have been charged."),
    ("after bought is on record", "success", 1, "bought by try 1"),
]


def killed_at(place: str, orders: list[Order], stop: Stop, variant: str) -> dict[Order, Run]:
    """Start each order, and kill its worker at a place."""
    runs = {order: order.start(variant, stop.at(place, order)) for order in orders}
    for order, run in runs.items():
        stop.reached(order)
        kill_task(run)
    return runs


@MODES
@pytest.mark.parametrize(("place", "state", "purchases", "text"), PLACES, ids=[place for place, *_ in PLACES])
def test_a_worker_killed_at_any_place_never_buys_twice(
    stack: Stack,
    orders: list[Order],
    stop: Stop,
    mode: str,
    place: str,
    state: str,
    purchases: int,
    text: str,
) -> None:
    runs = killed_at(place, orders, stop, mode)
    waits(runs, state)
    for order, run in runs.items():
        assert len(order.bought()) == purchases, order
        assert run.task("paid")["try_number"] == 2, order
        assert text.format(product=order.product) in messages(run, 2), order
        if state == "success":
            assert run.xcom("paid")["job_id"] == order.bought()[0]["job_id"], order
        if state == "success" and order.product.name == "venice_video":
            assert run.xcom("paid")["sealed_url"], "the link that came with the purchase is lost"
    nowhere_in_the_clear(stack, SECRET_LINK)


def _is_retried(run: Run) -> bool:
    return bool(run.task("paid")["try_number"] == 2)


@MODES
@pytest.mark.parametrize(
    ("place", "purchases"), [("before done is on record", 1), ("after done is on record", 2)]
)
def test_a_finished_task_whose_worker_died_before_it_was_recorded_reuses_its_purchase_when_cleared(
    orders: list[Order], stop: Stop, mode: str, place: str, purchases: int
) -> None:
    runs = {order: order.start(mode, stop.at(place, order)) for order in orders}
    for order, run in runs.items():
        stop.reached(order)
        assert run.task("paid")["state"] == "success", order
        assert run.xcom("paid")["job_id"] == order.bought()[0]["job_id"], order
        kill_task(run)
    for run in runs.values():
        run.clear("paid")
    for order, run in runs.items():
        eventually(f"second try of {order}", functools.partial(_is_retried, run))
    waits(runs, "success")
    assert counts(orders) == dict.fromkeys(map(str, orders), purchases)


@pytest.mark.parametrize(("place", "purchases"), [("after the intent", 1), ("before bought is on record", 2)])
def test_a_lost_purchase_is_bought_again_once_if_the_author_asked_for_that(
    orders: list[Order], stop: Stop, place: str, purchases: int
) -> None:
    runs = killed_at(place, orders, stop, "deferred_resubmit")
    waits(runs, "success")
    assert {str(order): len(order.bought()) for order in orders} == dict.fromkeys(map(str, orders), purchases)


def test_a_worker_killed_during_an_upload_has_bought_nothing_and_the_retry_uploads_again(
    sandbox: Control, orders: list[Order]
) -> None:
    (order,) = [one for one in orders if one.product.name == "vidgo_picture"]
    held = sandbox.fault("vidgo", "upload_base64", "hold", when="after", times=1)
    run = order.start("sync")
    sandbox.wait_held(held, timeout=SOON)
    kill_task(run)
    sandbox.release(held, drop=True)

    waits({order: run}, "success")
    assert len(order.bought()) == 1
    assert "bought by try" not in messages(run, 2), "no intent was on record"


@MODES
def test_a_worker_killed_before_the_vendors_answer_stops_as_a_lost_purchase(
    sandbox: Control, orders: list[Order], mode: str
) -> None:
    held = {order: order.fault("hold", when="after") for order in orders}
    runs = {order: order.start(mode) for order in orders}
    for order, run in runs.items():
        sandbox.wait_held(held[order], timeout=SOON)
        kill_task(run)
        sandbox.release(held[order], drop=True)

    waits(runs, "failed")
    for order, run in runs.items():
        assert len(order.bought()) == 1, order
        assert run.task("paid")["try_number"] == 2, "the second try stops, and is not retried"
        second = messages(run, 2)
        assert "its outcome is unknown" in second, order
        assert "It may have been charged." in second, order
        assert "Clear the task to buy again" in second, order


@pytest.mark.parametrize("worker", [False, True], ids=["task only", "with its worker"])
def test_a_worker_killed_while_it_waits_leaves_one_purchase_and_the_retry_waits_for_it(
    sandbox: Control, orders: list[Order], worker: bool
) -> None:
    sandbox.settings(speed=0)
    runs = {order: order.start("sync") for order in orders}
    for order, run in runs.items():
        seen(order, run)
        kill_task(run, worker=worker)
    says(runs, 2, "This try will wait for the job that is running")
    sandbox.settings(speed=SPEED)

    waits(runs, "success")
    for order, run in runs.items():
        assert len(order.bought()) == 1, order
        assert "bought by try 1" in messages(run, 2), order


def test_a_worker_killed_while_it_waits_for_the_vendors_limit_has_bought_nothing(orders: list[Order]) -> None:
    for order in orders:
        order.fault("status", status=429, headers={"Retry-After": "30"})
    runs = {order: order.start("sync") for order in orders}
    says(runs, 1, "sending again in 30 s")
    for run in runs.values():
        kill_task(run)

    waits(runs, "success")
    for order, run in runs.items():
        assert len(order.bought()) == 1, order
        assert "bought by try" not in messages(run, 2), f"no intent of {order} was on record"


def test_a_long_limit_is_waited_for_without_a_worker_and_without_a_try(orders: list[Order]) -> None:
    for order in orders:
        order.fault("status", status=429, headers={"Retry-After": "61"})
    runs = {order: order.start("deferred") for order in orders}
    for order, run in runs.items():
        in_state(run, "deferred")
        assert order.bought() == [], order

    waits(runs, "success")
    for order, run in runs.items():
        assert len(order.bought()) == 1, order
        assert run.task("paid")["try_number"] == 1, order
