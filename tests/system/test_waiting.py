"""What waits without a worker: sensors that begin and end in the triggerer, and reminders of a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import RUN, SOON, answer, asked, eventually
from tools.rest import Run
from tools.stack import Stack


def test_a_sensor_of_a_running_job_starts_no_worker_process(
    stack: Stack, sandbox: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    sandbox.settings(speed=0)
    jobs = {
        "vidgo": VidgoHook().submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})["job_id"],
        "vizard": VizardHook().create_project("https://youtu.be/sensed", max_clips=1)["job_id"],
    }
    run = stack.api.trigger("sensed", jobs)
    for task_id in jobs:
        run.wait_for_task(task_id, ("deferred",), SOON)
    for vendor, call in (("vidgo", "status"), ("vizard", "query")):
        eventually(f"a status check by {vendor}", lambda *of: sandbox.calls(vendor, call))  # noqa: B023
    sandbox.advance(3600)
    assert run.wait(RUN) == "success"
    logs = stack.home / "logs" / "dag_id=sensed" / f"run_id={run.run_id}"
    for task_id, job_id in jobs.items():
        task = run.task(task_id)
        assert (task["state"], task["try_number"]) == ("success", 1)
        assert (task["pid"], task["hostname"] or None) == (None, None)
        # Airflow's triggerer stores an XCom as a text of JSON, which operators of this package read.
        assert literal(run.xcom(task_id))["job_id"] == str(job_id)
        written = [file.name for file in (logs / f"task_id={task_id}").iterdir()]
        assert written, "the triggerer writes a log"
        assert all(".trigger." in name for name in written), "and a worker's process would write one too"


def reminders(file: Path) -> list[list[str]]:
    return [text.splitlines() for text in file.read_text().strip().split("\n\n")] if file.exists() else []


def test_an_approval_that_nobody_answers_is_reminded_of_as_often_as_was_asked_for(
    stack: Stack, sandbox: Control, tmp_path: Path
) -> None:
    messages = tmp_path / "messages"
    run: Run = stack.api.trigger("asked", {"messages": str(messages), "after": 10})
    run.wait_for_task("remind", ("success",), RUN)
    first, second = reminders(messages)
    assert len(first) == len(second) == 3
    assert f"asked.approve ({run.run_id}) has been waiting for an answer for 10 s" in first[0]
    assert "for 20 s" in second[0]
    assert "Buy a video for 0.55 USD?" in first[0]
    assert first[1].startswith("Cost: ")
    assert first[2].startswith("To do: Answer it. http")
    assert run.task("approve")["state"] in ("awaiting_input", "deferred")
    answer(run, "Approve")
    assert run.wait(RUN) == "success"
    assert len(reminders(messages)) == 2


def test_an_approval_that_is_answered_in_time_sends_no_reminder(
    stack: Stack, sandbox: Control, tmp_path: Path
) -> None:
    messages = tmp_path / "messages"
    run = stack.api.trigger("asked", {"messages": str(messages), "after": 600})
    asked(run)
    run.wait_for_task("remind", ("deferred",), SOON)
    answer(run, "Approve")
    assert run.wait(RUN) == "success"
    assert reminders(messages) == []
