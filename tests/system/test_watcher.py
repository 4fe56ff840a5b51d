"""A watcher in a real triggerer: jobs that end at once start runs, also when the triggerer dies meanwhile."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import HERE, RUN, SETTINGS, eventually
from tools.rest import Run
from tools.stack import Stack

JOBS = 20
#: Seconds after which nothing more comes: several checks of the watcher, and the start of a run.
QUIET = 60.0


@pytest.fixture(scope="module")
def watching() -> Iterator[Stack]:
    """A stack whose triggerer watches a folder of jobs."""
    home = Path(tempfile.mkdtemp(prefix="vidai-watcher-"))
    with Stack(home, dags=HERE / "watched", speed=0.0, settings=SETTINGS) as running:
        body = {"key": "watched_jobs", "value": f"file://{home}/jobs/"}
        running.api.call("POST", "variables", body=body)
        yield running
    shutil.rmtree(home)


def runs(stack: Stack) -> list[Run]:
    return [
        Run(stack.api, "reacts", one["dag_run_id"])
        for one in stack.api.collect("dags/reacts/dagRuns", "dag_runs")
    ]


def events(stack: Stack) -> list[list[str]]:
    """Return the jobs of each event, as Airflow keeps them."""
    found: list[dict[str, Any]] = stack.api.collect("assets/events", "asset_events", order_by="timestamp")
    return [[job["job_id"] for job in event["extra"]["payload"]["jobs"]] for event in found]


def test_twenty_jobs_that_end_at_once_are_in_one_run_each_although_the_triggerer_dies(
    watching: Stack,
) -> None:
    sandbox = Control(watching.sandbox_url)
    sandbox.settings(speed=0, vidgo={"short_side": 64})
    watching.api.wait_for_dag("reacts")
    watching.api.call("PATCH", "dags/reacts", body={"is_paused": False})
    submitted = watching.api.trigger("submits", {"count": JOBS})
    assert submitted.wait(RUN) == "success", submitted.log("submit")
    jobs = submitted.xcom("submit")
    eventually("a check of each job", lambda: len(sandbox.calls("vidgo", "status")) >= JOBS, RUN)
    sandbox.advance(3600)
    # The watcher notes some seconds after an event that it is reported, so this triggerer dies before that.
    eventually("a run", lambda: bool(runs(watching)), RUN)
    watching.kill("triggerer")
    reported = [*chain(*events(watching))]
    watching.restart("triggerer")

    eventually("all jobs in events", lambda: {*chain(*events(watching))} == {*jobs}, RUN)
    time.sleep(QUIET)
    for run in runs(watching):
        assert run.wait(RUN) == "success"
    taken = Counter(job for run in runs(watching) for job in run.xcom("take") or [])
    assert Counter(chain(*events(watching)))[reported[0]] == 2, "the event before the kill was repeated"
    assert taken == Counter(jobs)
    assert len(sandbox.purchases("vidgo")) == JOBS
