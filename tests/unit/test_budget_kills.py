"""A budget is exact while many processes buy at once and are killed at any moment."""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import InputError, LostSubmit
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import Policy
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.observe import Buyer, Observers
from airflow_provider_vidai.purchase.record import Run
from airflow_provider_vidai.purchase.walk import Offer, Purchase, VendorCalls
from airflow_provider_vidai.spend.guard import BudgetGuard
from airflow_provider_vidai.stores.object_storage import ObjectStore

pytestmark = pytest.mark.slow

TASKS, LIMIT, AT_ONCE, KILLS = 50, 10, 6, 120
BOUGHT, REFUSED, UNKNOWN = 0, 3, 4


def ledger_of(root: str, task: str) -> Ledger:
    log = logging.getLogger("quiet")
    buyer = Buyer("dag", "run", task, -1, (), "vidgo", "Vidgo", lambda: "account", None, log)
    return Ledger(
        ObjectStore(root, ("dag", "run", task, "-1")), observers=Observers([BudgetGuard(buyer)], log)
    )


def buy(root: str, book: Path, number: int, attempt: int, max_tries: int) -> int:
    """Make one try of a task; return how it ended. The vendor is a file with a line for each purchase."""
    task = f"task_{number}"

    def send(_: Call[Receipt]) -> Receipt:
        with book.open("a") as file:
            file.write(f"{task}\n")
        return Receipt(ref=JobRef(vendor="vidgo", conn_id="c", job_id=task, kind="media"))

    def parse(_: object) -> Receipt:
        raise AssertionError("nothing is sent over a network here")

    purchase = Purchase(
        vendor="vidgo",
        label="Vidgo",
        kinds=("media",),
        ledger=ledger_of(root, task),
        calls=VendorCalls(
            offer=lambda: Offer(Call("buy", "POST", "/", parse), facts={"conn_id": "c"}),
            send=send,
            check=lambda _: JobStatus(state=JobState.READY, vendor_status="finished"),
        ),
        policy=Policy(),
        fingerprints=(task,),
        attempt=Attempt(f"{task}-{attempt}", attempt, max_tries, Run(started="2026-01-01")),
        log=logging.getLogger("quiet"),
    )
    try:
        purchase.settle()
    except InputError:
        return REFUSED
    except LostSubmit:
        return UNKNOWN
    return BOUGHT


def forked(root: str, book: Path, number: int, attempt: int, max_tries: int, dies_after: float) -> int:
    """Run a try in a process of its own, which dies after that many seconds of its own work; 0: never."""
    child = os.fork()
    if child:
        return child
    try:
        # A filesystem of S3 cannot be used across a fork, and Airflow keeps it.
        importlib.import_module("airflow.sdk.io.store")._STORE_CACHE.clear()
        # The signal's default action ends the process at once, like SIGKILL, wherever it is.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, dies_after)
        os._exit(buy(root, book, number, attempt, max_tries))
    finally:
        os._exit(99)


def test_whatever_is_killed_when_a_budget_of_ten_lets_exactly_ten_purchases_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert killed_at_work(str(tmp_path / "ledger"), tmp_path / "book", KILLS, monkeypatch) >= 20


def killed_at_work(root: str, book: Path, kills: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let all tasks want to buy, and kill tries at random moments; return how many were killed.

    :param root: where the ledger is.
    """
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", root)
    budget = {"name": "ten", "limit": LIMIT, "unit": "jobs"}
    typical = typical_work(root, book, budget, monkeypatch)
    monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", json.dumps([budget]))
    chance = random.Random(15)
    book.touch()
    waiting = [(number, 1, 99) for number in range(TASKS)]
    running: dict[int, tuple[int, int, int]] = {}
    codes: dict[int, int] = {}
    killed, cleared = 0, False
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            one = waiting.pop(0)
            dies = chance.uniform(0.01, 0.8) * typical if killed < kills else 0.0
            running[forked(root, book, *one, dies)] = one
        child, status = os.wait()
        number, attempt, max_tries = running.pop(child)
        assert len(book.read_text().split()) <= LIMIT
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGPROF
            killed += 1
            waiting.append((number, attempt + 1, max_tries))
        else:
            codes[number] = os.WEXITSTATUS(status)
        if not waiting and not running and (not cleared or UNKNOWN in codes.values()):
            # A cleared task may be killed too, in a purchase whose outcome is then unknown again.
            cleared = True
            waiting = settled_by_a_person(root, book, codes)
    assert len(book.read_text().split()) == len({*book.read_text().split()}) == LIMIT
    assert Counter(codes.values()) == {BOUGHT: LIMIT, REFUSED: TASKS - LIMIT}
    return killed


def typical_work(root: str, book: Path, budget: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> float:
    """Return how long a try works, in seconds of the processor."""
    monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", json.dumps([{**budget, "name": "warm"}]))
    for number in range(3):  # the first one also imports
        began = time.process_time()
        assert buy(root, book.with_name("warm"), 1000 + number, 1, 99) == BOUGHT
        typical = time.process_time() - began
    return typical


def settled_by_a_person(root: str, book: Path, codes: dict[int, int]) -> list[tuple[int, int, int]]:
    """Record what the vendor has of each unknown purchase; return the tasks that are cleared then."""
    arrived = book.read_text().split()
    for number in [number for number, code in codes.items() if code == UNKNOWN]:
        task = f"task_{number}"
        ((entry, record), *_) = ledger_of(root, task).entries()
        assert record is not None
        if task in arrived:
            receipt = Receipt(ref=JobRef(vendor="vidgo", conn_id="c", job_id=task, kind="media"))
            entry.write(record.model_copy(update={"phase": "bought", "receipt": receipt}))
        else:
            entry.write(record.model_copy(update={"max_tries": -1}))
            entry.observers.withdrawn(record, begun=True)
    return [(number, 500, 999) for number, code in codes.items() if code != BOUGHT]
