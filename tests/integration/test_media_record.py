"""What a task shows people about its job: the XCom that the pages read."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.log import mask_secret

from airflow_provider_vidai._compat import TaskDeferred
from airflow_provider_vidai.jobs.media_record import MediaRecord, TaskKey, is_genuine
from airflow_provider_vidai.operators.media import argument_texts
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from tests.support.task import Task

pytestmark = pytest.mark.usefixtures("vidgo", "hurry")
KEY = "k" * 40


def shown(task: Task) -> MediaRecord:
    return MediaRecord.model_validate(task.instance.xcoms["media"])


def test_a_task_shows_its_job_and_the_files_that_it_signed(
    task_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_KEY", KEY)
    task = task_of(asked={"prompt": "a lake", "size": "1:1"}, download_to=f"{tmp_path}/")
    result = task.run()
    record = shown(task)
    assert [file.path for file in record.files] == [file["path"] for file in result["files"]]
    assert (record.vendor, record.job_id) == ("vidgo", result["job_id"])
    assert "a lake" in record.request["input"]
    assert record.bought_at <= record.ready_at <= record.landed_at < record.kept_until  # type: ignore[operator]
    where = task.instance
    key = TaskKey(where.dag_id, where.run_id, where.task_id, where.map_index)
    assert is_genuine(record, key, ["another key", KEY])
    assert not is_genuine(record, key._replace(map_index=7), [KEY])


def test_a_job_is_shown_while_it_is_waited_for(task_of: Any) -> None:
    task = task_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    record = shown(task)
    assert record.files == ()
    assert record.deadline > record.bought_at  # type: ignore[operator]


def test_a_purchase_has_its_time_also_where_no_record_outlives_a_deferral(vidgo: Any, tmp_path: Path) -> None:
    asked = {"model": "gpt-4o-image", "input": {"prompt": "a lake", "size": "1:1"}}

    def make() -> VidgoGenerateOperator:
        return VidgoGenerateOperator(task_id="paid", deferrable=True, download_to=f"{tmp_path}/", **asked)

    task = Task(make, store=False)
    task.run()
    record = shown(task)
    assert record.bought_at <= record.ready_at <= record.landed_at  # type: ignore[operator]


def test_what_is_shown_of_a_request_contains_no_secret_and_no_file() -> None:
    asked = {
        "prompt": "a lake",
        "image_urls": [
            "https://files.test/a.png?X-Amz-Signature=abcdef",
            "data:image/png;base64,iVBORw0KGgo=",
        ],
        "video": "https://somebody:pa55@files.test/a.mp4",
    }
    operator = SimpleNamespace(input=asked, model="m", seed=None, extra="", image=b"\0" * 5000)
    text = json.dumps(argument_texts(operator, ["input", "model", "seed", "extra", "image"]))
    assert "a lake" in text
    for secret in ("abcdef", "pa55", "iVBOR", "seed", "extra"):
        assert secret not in text
    assert len(text) < 500


def test_a_page_that_cannot_be_written_fails_no_task(
    task_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(download_to=f"{tmp_path}/").retry()
    push = task.instance.xcom_push

    def broken(key: str, value: Any) -> None:
        if key == "media":
            raise OSError("the database is away")
        push(key, value)

    monkeypatch.setattr(task.instance, "xcom_push", broken)
    assert len(task.run()["files"]) == 1


def test_a_wrong_setting_of_the_posters_fails_no_task(
    video_of: Any,
    venice: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__POSTERS", "perhaps")
    assert len(video_of(download_to=f"{tmp_path}/").run()["files"]) == 1
    assert "will not show this job" in caplog.text


def test_a_secret_that_airflow_masks_is_masked_in_what_is_shown() -> None:
    mask_secret("a-secret-of-a-variable")
    operator = SimpleNamespace(prompt="made with a-secret-of-a-variable", api_key="another")
    assert argument_texts(operator, ["prompt", "api_key"]) == {"prompt": "made with ***", "api_key": "***"}
