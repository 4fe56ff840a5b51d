"""The laps of a loop share dag, run, task and map index: each buys its own video, and a retry buys none."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from airflow.sdk import task_group

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import eventually
from tools.stack import Stack

pytestmark = pytest.mark.skipif(
    not hasattr(task_group(lambda: None), "loop"), reason="this Airflow has no loops (they came with 3.4)"
)


def test_each_lap_of_a_loop_buys_once_and_a_retry_of_a_lap_waits_for_its_own_video(
    stack: Stack, sandbox: Control
) -> None:
    mark = f"mark-{uuid.uuid4()}"

    def bought() -> list[str]:
        return [one["job_id"] for one in sandbox.purchases("venice") if one["request"]["prompt"] == mark]

    run = stack.api.trigger("loop", {"mark": mark})
    eventually("purchase of the second lap", lambda: len(bought()) == 2)
    # The second lap's first try ends without a result, and its retry finds the job again.
    sandbox.fault("venice", "retrieve", "status", status=401, times=1)
    assert run.wait(240) == "success"
    assert len(bought()) == len(set(bought())) == 3


def test_each_lap_of_a_loop_makes_its_own_attempts(stack: Stack, sandbox: Control, tmp_path: Path) -> None:
    mark = f"mark-{uuid.uuid4()}"
    run = stack.api.trigger("loop_of_attempts", {"mark": mark, "folder": f"{tmp_path}/"})
    assert run.wait(300) == "success"
    jobs = [one["job_id"] for one in sandbox.purchases("venice") if one["request"]["prompt"] == mark]
    assert len(jobs) == len({*jobs}) == 4, "two laps with two attempts each"
    assert len(list(tmp_path.glob("*.mp4"))) == 2, "the best of each lap"
