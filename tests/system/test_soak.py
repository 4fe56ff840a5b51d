"""Many faults at once, as in a bad night: every job ends in a known state, and none is bought twice.

``make soak JOBS=300``; the faults grow with the jobs.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import bought, eventually, kill_task, messages
from tools.rest import Run
from tools.stack import Stack

JOBS = int(os.environ.get("VIDAI_SOAK_JOBS", "0"))

pytestmark = pytest.mark.skipif(not JOBS, reason="a soak has its own target: make soak")
#: (share of calls, fault, its options)
FAULTS = [
    (0.10, "status", {"status": 503}),
    (0.05, "status", {"status": 429, "headers": {"Retry-After": "2"}}),
    (0.05, "reset", {"when": "after"}),
    (0.02, "garbage", {}),
]
#: Calls per job, roughly: one purchase and some status checks.
CALLS = 4
KILLS = 3


def order_faults(sandbox: Control, chance: random.Random) -> None:
    calls = JOBS * CALLS
    for share, fault, options in FAULTS:
        for _ in range(round(calls * share)):
            sandbox.fault("vidio", "*", fault, times=1, skip=chance.randrange(calls), **options)


def kill_a_running_task(run: Run) -> bool:
    for task in run.tasks():
        if task["task_id"] == "paid" and task["state"] == "running" and task["pid"]:
            kill_task(run, map_index=task["map_index"])
            return True
    return False


def test_a_night_of_faults_and_kills_loses_no_job_and_buys_none_twice(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    order_faults(sandbox, random.Random(11))
    began = time.monotonic()
    run = stack.api.trigger("soak", {"mark": footage, "count": JOBS})
    for _ in range(KILLS):
        eventually("running task to kill", lambda: kill_a_running_task(run))
        time.sleep(JOBS / 20)
        stack.kill("triggerer")
        stack.restart("triggerer")
    run.wait(30 * JOBS + 300)

    tasks = [task for task in run.tasks() if task["task_id"] == "paid"]
    states = Counter(task["state"] for task in tasks)
    purchases = Counter(one["request"]["output_length"] for one in bought(sandbox, footage))
    print(  # noqa: T201 - the numbers of a soak are its result
        f"\n{JOBS} jobs in {time.monotonic() - began:.0f} s: {dict(states)}, "
        f"{sum(purchases.values())} bought, "
        f"tries {Counter(task['try_number'] for task in tasks)}"
    )
    assert set(states) <= {"success", "failed"}
    assert max(purchases.values()) == 1, "bought twice"
    for task in tasks:
        index, count = task["map_index"], purchases[_asked(task["map_index"])]
        if task["state"] == "success":
            assert count == 1
            assert run.xcom("paid", map_index=index)["state"] == "ready"
        else:
            last = messages(run, task["try_number"], map_index=index)
            assert "its outcome is unknown" in last, last[-2000:]
            assert "It may have been charged." in last


def _asked(index: int) -> float:
    length = 1 + index / 1000
    return int(length) if length == int(length) else length
