"""On Celery, with workers that share nothing but S3: whatever dies, hangs or lies, no job is bought twice.

``make test-celery``. Each test is a wave of runs side by side; what they bought is counted in the sandbox's
account book by each run's own mark.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import (
    BACKEND,
    MEDIA,
    PRODUCTS,
    RUN,
    SOON,
    SPEED,
    Order,
    Stop,
    bought,
    eventually,
    in_state,
    waits,
)
from tools.celery import CeleryStack
from tools.rest import Run

pytestmark = pytest.mark.skipif(BACKEND != "celery", reason="runs on Celery only: make test-celery")
JOBS = 120
#: Seconds that PostgreSQL is away; that S3 hangs; and that it refuses.
DATABASE_AWAY, HANGING, REFUSING = 15, 12, 8
Make = Callable[[], list[Order]]


@pytest.fixture
def make(stack: CeleryStack, sandbox: Control, footage: str) -> Make:
    """Return what makes an order of each product, each with a mark that no other order has."""

    def mark(product: str) -> str:
        if product == "vidio_reel":
            return str(VidioHook().upload(str(MEDIA))["input_key"])
        return f"mark-{uuid.uuid4()}"

    return lambda: [Order(stack, sandbox, one, mark(one.name)) for one in PRODUCTS]


class Held:
    """Purchases that the vendor holds before or after it has processed them."""

    def __init__(self, sandbox: Control, orders: list[Order], when: str) -> None:
        self._sandbox = sandbox
        self._faults = {order: order.fault("hold", when=when) for order in orders}
        self.runs = {order: order.start("deferred") for order in orders}
        for fault in self._faults.values():
            sandbox.wait_held(fault, timeout=SOON)

    def release(self, dead: set[Run]) -> None:
        """Let the living go on; the dead can't read an answer, and their request ends where it is."""
        for order, fault in self._faults.items():
            self._sandbox.release(fault, drop=self.runs[order] in dead)


def on_worker(stack: CeleryStack, runs: list[Run], worker: str) -> set[Run]:
    return {run for run in runs if stack.worker_of(run.task("paid")) == worker}


def kill_worker_in(stack: CeleryStack, sandbox: Control, orders: list[Order], when: str) -> dict[Run, bool]:
    """Kill the machine that makes the first of some held purchases; return whether each run died with it."""
    held = Held(sandbox, orders, when)
    runs = list(held.runs.values())
    worker = stack.worker_of(runs[0].task("paid"))
    assert worker
    dead = on_worker(stack, runs, worker)
    stack.kill(worker)
    held.release(dead)
    stack.restart(worker)
    return {run: run in dead for run in runs}


def check_held(orders: list[Order], died: dict[Run, bool], *, if_died: int) -> None:
    """A purchase whose worker died is never repeated; the others go on."""
    for order, (run, dead) in zip(orders, died.items(), strict=True):
        assert run.wait(RUN) == ("failed" if dead else "success"), order
        assert len(order.bought()) == (if_died if dead else 1), order
        if dead:
            # Not from the log, which may have gone with its machine.
            failure = run.xcom("paid", "failure")
            assert failure["cost"].startswith("It may have been charged."), order


def test_machines_that_die_during_a_purchase_a_wait_or_a_download_never_make_it_buy_twice(
    stack: CeleryStack, sandbox: Control, make: Make
) -> None:
    downloading = [make()[-1], make()[-1]]
    held = sandbox.fault("vidgo", "file", "hold", times=2)
    folder = {"folder": f"s3://aws_default@{stack.s3.bucket}/landed"}
    landed = {one: one.start("landed", more=folder) for one in downloading}
    sandbox.wait_held(held, 2, timeout=SOON)
    sandbox.settings(speed=0)
    before, after = make(), make()
    died_before = kill_worker_in(stack, sandbox, before, "before")
    sandbox.release(held)

    waiting = [*make()[:2], *make()[:2]]
    waited = {order: order.start("sync") for order in waiting}
    for order in waiting:
        eventually(f"purchase of {order}", order.bought)
    died_after = kill_worker_in(stack, sandbox, after, "after")
    # The tasks that still wait in a worker are longer than Redis keeps a message to itself.
    eventually("message that Redis delivers again", stack.delivered_again)
    sandbox.settings(speed=SPEED)

    check_held(before, died_before, if_died=0)
    check_held(after, died_after, if_died=1)
    waits(waited, "success")
    waits(landed, "success")
    assert [len(one.bought()) for one in (*waiting, *downloading)] == [1] * 6
    for run in landed.values():
        assert len(stack.s3.keys(f"landed/{run.run_id}/")) >= 1


def test_a_worker_that_freezes_before_its_intent_buys_nothing_after_another_has_bought(
    stack: CeleryStack, sandbox: Control, make: Make, stop: Stop, tmp_path: Any
) -> None:
    orders = make()
    runs = {order: order.start("deferred", stop.at("before the intent", order)) for order in orders}
    for order in orders:
        stop.reached(order)
    worker = stack.worker_of(runs[orders[0]].task("paid"))
    assert worker
    frozen = on_worker(stack, list(runs.values()), worker)
    stack.kill(worker, signal.SIGSTOP)
    for order in orders:
        (tmp_path / str(order)).unlink()
    for order in orders:
        eventually(f"purchase of {order}", order.bought)
    assert all(run.task("paid")["try_number"] >= 2 for run in frozen)
    stack.kill(worker, signal.SIGCONT)

    waits(runs, "success")
    # What thaws has a moment to do what it was about to do.
    time.sleep(10)
    assert [len(order.bought()) for order in orders] == [1] * len(orders)


def count_in(run: Run, state: str) -> int:
    return sum(task["state"] == state for task in run.tasks() if task["task_id"] == "paid")


def test_a_hundred_and_twenty_waiting_jobs_outlive_the_broker_the_database_and_airflow(
    stack: CeleryStack, sandbox: Control, footage: str
) -> None:
    sandbox.settings(speed=0)
    run = stack.api.trigger("many", {"mark": footage, "count": JOBS})
    eventually("some purchases", lambda: len(bought(sandbox, footage)) > JOBS // 4)
    stack.redis.kill()
    time.sleep(3)
    stack.redis.start()
    eventually(f"{JOBS} deferred tasks", lambda: count_in(run, "deferred") == JOBS, RUN)
    stack.kill("scheduler")
    stack.kill("triggerer-2")
    stack.supervise()
    stack.postgresql.kill()
    time.sleep(DATABASE_AWAY)
    stack.postgresql.start()
    stack.supervise()
    sandbox.settings(speed=SPEED)

    def over() -> bool:
        stack.supervise()
        return run.state != "running"

    eventually("end of the run", over, RUN)
    assert run.state == "success"
    jobs = {run.xcom("paid", map_index=index)["job_id"] for index in range(JOBS)}
    assert sorted(one["job_id"] for one in bought(sandbox, footage)) == sorted(jobs)


def test_s3_that_loses_an_answer_or_hangs_or_refuses_makes_nothing_be_bought_twice(
    stack: CeleryStack, sandbox: Control, make: Make
) -> None:
    losing, hanging, refusing = make(), make(), make()
    loss = stack.proxy.lose(r"^PUT /\S*/ledger/.*if-none-match", times=len(losing))
    runs = {order: order.start("deferred") for order in losing}
    waits(runs, "success")
    assert len(loss.lost) == len(losing)
    stack.proxy.hang()
    runs |= {order: order.start("deferred") for order in hanging}
    for order in hanging:
        in_state(runs[order], "running")
    time.sleep(HANGING)
    stack.proxy.refuse()
    runs |= {order: order.start("deferred") for order in refusing}
    time.sleep(REFUSING)
    stack.proxy.restore()

    waits(runs, "success")
    assert [len(order.bought()) for order in runs] == [1] * len(runs)
