"""A budget on S3 that many tasks want at once, some of whose processes are killed meanwhile."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import HERE, RUN, SETTINGS, SPEED, kill_task, messages
from tools.rest import Run
from tools.servers import S3
from tools.stack import Stack

TASKS = int(os.environ.get("VIDAI_BUDGET_TASKS", "50"))
LIMIT = 10
KILLS = 6


@pytest.fixture(scope="module")
def budgeted() -> Iterator[Stack]:
    """A stack with its ledger and its budgets on S3."""
    home = Path(tempfile.mkdtemp(prefix="vidai-budget-"))
    with S3(home / "s3") as s3:
        extra = {"endpoint_url": s3.url, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
        settings = {
            **SETTINGS,
            "vidai.ledger_path": f"s3://s3@{s3.bucket}/ledger",
            "vidai.budgets": json.dumps([{"name": "pictures", "limit": LIMIT, "unit": "jobs"}]),
        }
        with Stack(
            home / "airflow",
            dags=HERE / "dags",
            speed=SPEED,
            settings=settings,
            connections={"s3": json.dumps(connection)},
        ) as running:
            yield running
    shutil.rmtree(home)


def kill_some(run: Run, chance: random.Random) -> int:
    """Kill processes of tasks while they buy or are refused; return how many."""
    killed = 0
    until = time.monotonic() + RUN
    while killed < KILLS and time.monotonic() < until and run.state not in ("success", "failed"):
        for task in run.tasks():
            if killed < KILLS and task["task_id"] == "paid" and task["state"] == "running" and task["pid"]:
                time.sleep(chance.uniform(0, 1.5))
                kill_task(run, map_index=task["map_index"])
                killed += 1
                break
        time.sleep(0.2)
    return killed


def test_many_tasks_with_a_budget_for_ten_buy_ten_although_some_are_killed(budgeted: Stack) -> None:
    sandbox = Control(budgeted.sandbox_url)
    sandbox.settings(speed=SPEED, vidgo={"short_side": 64})
    run = budgeted.api.trigger("held", {"count": TASKS})
    killed = kill_some(run, random.Random(15))
    assert run.wait(2 * RUN) == "failed"

    tasks = [task for task in run.tasks() if task["task_id"] == "paid"]
    states = Counter(task["state"] for task in tasks)
    purchases = sandbox.purchases("vidgo")
    fates: Counter[str] = Counter()
    for task in tasks:
        if task["state"] == "failed":
            last = messages(run, task["try_number"], map_index=task["map_index"])
            lost = "its outcome is unknown" in last
            assert lost or "is used up" in last, last[-2000:]
            fates["lost" if lost else "refused"] += 1
    tries = Counter(task["try_number"] for task in tasks)
    print(  # noqa: T201 - the numbers are the proof
        f"\n{TASKS} tasks, budget for {LIMIT}, {killed} killed: {dict(states)}, {dict(fates)}, "
        f"{len(purchases)} bought, tries {dict(tries)}"
    )
    assert killed
    # A purchase whose process was killed before the answer may have been made, and keeps its place.
    assert LIMIT - fates["lost"] <= len(purchases) <= LIMIT
    assert states["success"] + fates["lost"] == LIMIT
    assert max(Counter(one["request"]["input"]["prompt"] for one in purchases).values()) == 1
