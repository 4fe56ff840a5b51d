"""A moderated video may arrive as a tiny placeholder: there is a warning, or min_bytes refuses it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import JobError, TransferError
from airflow_provider_vidai.hooks.failures import TaskFailedForGood
from airflow_provider_vidai.operators.venice import VeniceDownloadOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import VIDEO
from tests.support.task import Task

pytestmark = pytest.mark.usefixtures("venice")

LEAST = 100_000
LINK = {**VIDEO, "model": "grok-imagine-text-to-video-private"}
#: By which call each model's video is delivered.
DELIVERED_BY = pytest.mark.parametrize(
    ("wanted", "call"), [(VIDEO, "retrieve"), (LINK, "share")], ids=["inline", "link"]
)


@pytest.fixture(autouse=True)
def _videos_of_a_real_size(venice: Any, control: Control) -> None:
    control.settings(venice={"short_side": 480})


@pytest.fixture
def moderated(control: Control) -> Any:
    """Have a call deliver a placeholder instead of the video, until the faults are cleared."""
    return lambda call: control.fault("venice", call, "spoil_media", how="placeholder", times=None)


def download_of(job: Any, destination: Any, **changes: Any) -> Task:
    arguments = {"task_id": "download", "job": job, "destination": destination, **changes}
    return Task(lambda: VeniceDownloadOperator(**arguments))


def refused(task: Task, cause: type[Exception]) -> str:
    """Run a task that must refuse the file permanently; return the message that a person reads."""
    with pytest.raises(TaskFailedForGood) as caught:
        task.run()
    assert isinstance(caught.value.error, cause)
    said = str(caught.value)
    assert f"fewer than min_bytes ({LEAST})" in said
    assert "may be a placeholder" in said
    return said


@DELIVERED_BY
@pytest.mark.parametrize("own_task", [False, True], ids=["download_to", "download operator"])
def test_a_placeholder_is_landed_with_a_warning(
    video_of: Any,
    moderated: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    wanted: dict,
    call: str,
    own_task: bool,
) -> None:
    moderated(call)
    with caplog.at_level(logging.WARNING):
        if own_task:
            (landed,) = download_of(video_of(**wanted).run(), f"{tmp_path}/").run()
        else:
            (landed,) = video_of(**wanted, download_to=f"{tmp_path}/").run()["files"]
    assert 0 < landed["bytes"] < LEAST
    assert len(list(tmp_path.iterdir())) == 1
    (line,) = [one.getMessage() for one in caplog.records if "placeholder" in one.getMessage()]
    assert f"has only {landed['bytes']} bytes" in line
    assert "Set min_bytes" in line


@DELIVERED_BY
@pytest.mark.parametrize("deferrable", [False, True])
def test_min_bytes_refuses_a_placeholder_in_the_task_that_bought_it_and_no_retry_or_clear_buys_again(
    video_of: Any,
    moderated: Any,
    control: Control,
    tmp_path: Path,
    wanted: dict,
    call: str,
    deferrable: bool,
) -> None:
    moderated(call)
    task = video_of(**wanted, download_to=f"{tmp_path}/", min_bytes=LEAST, deferrable=deferrable)
    said = refused(task, JobError)
    assert "nothing is bought again" in said
    assert said.endswith("It was charged.")
    job_id = task.store.record["receipt"]["ref"]["job_id"]
    refused(task.retry(), JobError)
    assert list(tmp_path.iterdir()) == []
    assert task.store.record["receipt"]["ref"]["job_id"] == job_id
    assert task.store.record["phase"] == "bought"

    control.clear_faults()
    result = task.clear().run()
    assert result["job_id"] == job_id
    assert result["files"][0]["bytes"] >= LEAST
    assert len(control.purchases()) == 1


@DELIVERED_BY
def test_min_bytes_refuses_a_placeholder_in_a_task_of_its_own_and_the_job_stays(
    video_of: Any, moderated: Any, control: Control, tmp_path: Path, wanted: dict, call: str
) -> None:
    job = video_of(**wanted).run()
    moderated(call)
    task = download_of(job, f"{tmp_path}/", min_bytes=str(LEAST), delete_after=True)
    assert "Nothing was landed" in refused(task, TransferError)
    assert list(tmp_path.iterdir()) == []

    control.clear_faults()
    (landed,) = task.retry().run()
    assert landed["bytes"] >= LEAST
    assert len(control.purchases()) == 1
