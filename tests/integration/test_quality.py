"""Landed files are checked: what fails is kept, and nothing is bought or downloaded again for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowFailException, AirflowSkipException
from airflow_provider_vidai.operators.venice import VeniceDownloadOperator
from airflow_provider_vidai.quality.checks import FOLDER, Checks
from airflow_provider_vidai.quality.operators import VideoCheckOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.support.clips import black, moving, tone, written
from tests.support.task import Task

pytestmark = [pytest.mark.usefixtures("venice", "hurry"), pytest.mark.media]
#: The sandbox makes videos of five seconds, as asked.
TOO_STRICT = Checks(min_seconds=60)


def failing(task: Task, *words: str) -> str:
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    said = str(caught.value)
    for word in words:
        assert word in said
    return said


def the_video(folder: Path) -> Path:
    (found,) = folder.glob("*.mp4")
    return found


def test_a_good_file_passes_and_its_report_is_in_the_result(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    (file,) = video_of(download_to=f"{tmp_path}/", check=Checks()).run()["files"]
    assert (file["check"]["passed"], file["check"]["failed"]) == (True, [])
    assert file["check"]["measured"]["seconds"] == pytest.approx(5, abs=0.1)
    assert not list((tmp_path / FOLDER).glob("*")), "nothing is noted about a good file"


def test_a_length_and_a_shape_can_be_demanded(video_of: Any, tmp_path: Path) -> None:
    said = failing(
        video_of(download_to=f"{tmp_path}/", check=Checks(seconds=9, aspect="9:16")),
        "instead of 9 s",
        "must have a ratio of 0.56",
    )
    assert said.endswith("It was charged.")


@pytest.mark.parametrize("go_on", [Task.retry, Task.clear])
def test_a_file_that_fails_is_kept_and_neither_bought_nor_downloaded_again(
    video_of: Any, control: Control, tmp_path: Path, go_on: Any
) -> None:
    check = TOO_STRICT
    task = Task(lambda: video_of(download_to=f"{tmp_path}/", check=check).make())
    failing(
        task,
        "is ready, but",
        "failed its check: its length is 5",
        "must be at least 60",
        "The file is kept.",
        "nothing is bought or downloaded again",
        "It was charged.",
    )
    (left,) = task.instance.xcoms["files"]
    assert left["check"]["failed"][0]["check"] == "min_seconds"
    assert task.instance.xcoms["failure"]["charged"] == "yes"
    landed = the_video(tmp_path)
    before = landed.stat()
    failing(go_on(task), "must be at least 60")
    check = Checks()
    (file,) = task.clear().run()["files"]
    assert file["check"]["passed"]
    assert the_video(tmp_path).stat().st_ino == before.st_ino, "it was not downloaded again"
    assert the_video(tmp_path).stat().st_mtime_ns == before.st_mtime_ns
    assert len(control.purchases()) == 1
    assert file["sha256"] == left["sha256"]
    assert not list((tmp_path / FOLDER).glob("*")), "nothing is noted about a good file"


def test_a_changed_request_buys_another_file_after_one_that_failed(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    prompt = "a sunset over the ocean"
    task = Task(lambda: video_of(prompt=prompt, download_to=f"{tmp_path}/", check=TOO_STRICT).make())
    failing(task, "To buy another file, change the request and clear the task.")
    prompt = "a sunrise over the ocean"
    failing(task.clear(), "must be at least 60")
    assert len(control.purchases()) == 2
    assert len(list(tmp_path.glob("*.mp4"))) == 2


def test_a_file_that_was_changed_or_removed_is_downloaded_again(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    task = Task(lambda: video_of(download_to=f"{tmp_path}/", check=TOO_STRICT).make())
    failing(task)
    whole = the_video(tmp_path).read_bytes()
    the_video(tmp_path).write_bytes(b"no video")
    failing(task.retry(), "must be at least 60")
    assert the_video(tmp_path).read_bytes() == whole
    the_video(tmp_path).unlink()
    failing(task.retry(), "must be at least 60")
    assert the_video(tmp_path).read_bytes() == whole
    assert len(control.purchases()) == 1


def test_a_note_that_cannot_be_read_costs_a_download_and_nothing_else(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    task = Task(lambda: video_of(download_to=f"{tmp_path}/", check=TOO_STRICT).make())
    failing(task)
    (note,) = (tmp_path / FOLDER).glob("*.json")
    for text in ("", "{}", json.dumps({"files": ["x"], "state": ["y"], "measured": {}})):
        note.write_text(text)
        failing(task.retry(), "must be at least 60")
    assert len(control.purchases()) == 1


def test_a_task_is_skipped_or_only_reports_where_that_is_asked(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    skipped = video_of(download_to=f"{tmp_path}/a/", check=Checks(min_seconds=60, on_failure="skip"))
    with pytest.raises(AirflowSkipException, match=r"must be at least 60.*It was charged\."):
        skipped.run()
    assert skipped.instance.xcoms["files"]
    reported = video_of(download_to=f"{tmp_path}/b/", check=Checks(min_seconds=60, on_failure="report"))
    (file,) = reported.run()["files"]
    assert file["check"]["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"check": Checks("tiktok")}, "check needs download_to"),
        ({"check": Checks(max_blakc=1), "download_to": "x/"}, "max_blakc"),
        ({"check": "tiktok", "download_to": "x/"}, r"check must be Checks\(...\), not 'tiktok'"),
    ],
)
def test_a_check_that_cannot_be_made_is_an_error_before_anything_is_bought(
    video_of: Any, control: Control, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(AirflowFailException, match=message):
        video_of(**arguments).run()
    assert control.purchases() == []


def test_the_vendors_copy_stays_while_the_landed_file_fails(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    job = video_of().run()
    check = TOO_STRICT
    task = Task(
        lambda: VeniceDownloadOperator(
            task_id="d", job=job, destination=f"{tmp_path}/", delete_after=True, check=check
        )
    )
    failing(task, "To buy another file, clear the task that bought it.", "It was charged.")
    before = the_video(tmp_path).stat().st_ino
    assert control.calls("venice", "complete") == []
    check = Checks()
    (file,) = task.clear().run()
    assert file["check"]["passed"]
    assert file["released"] == "deleted"
    assert the_video(tmp_path).stat().st_ino == before


# --- the operator of its own -------------------------------------------------------------------


def check_of(source: Any, **arguments: Any) -> Task:
    return Task(lambda: VideoCheckOperator(task_id="check", source=source, **arguments))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = moving(3)
    black(pictures[25:60])
    return written(tmp_path_factory.mktemp("faulty") / "a.mp4", pictures, tone(3))


def test_a_file_of_any_source_is_checked_and_a_fault_is_reported_with_its_place(faulty: Path) -> None:
    task = check_of(str(faulty))
    said = failing(task, "it is black at 1.00–2.40 s", "The file is unchanged.")
    assert "It was charged" not in said
    (file,) = task.instance.xcoms["files"]
    assert file["path"] == f"file://{faulty}"
    assert file["check"]["failed"] == [
        {
            "check": "max_black_seconds",
            "what": "it is black at 1.00–2.40 s, but at most 0.5 s at a time is allowed",
            "at": [[1.0, 2.4]],
        }
    ]
    assert len(json.dumps(file)) < 1500


@pytest.mark.parametrize(
    "checks",
    [{"max_black_seconds": 2, "max_black_share": 1}, Checks(max_black_seconds=2, max_black_share=None)],
)
def test_limits_can_be_a_dict_or_checks_and_stills_are_made_on_request(faulty: Path, checks: Any) -> None:
    (file,) = check_of({"path": str(faulty)}, checks=checks, stills=True).run()
    assert Path(file["sheet"]["path"].removeprefix("file://")).stat().st_size == file["sheet"]["bytes"]
    assert file["poster"]["bytes"]


def test_what_landed_files_is_a_source_and_pictures_in_it_are_left_out(faulty: Path) -> None:
    job = {
        "job_id": "1",
        "files": [
            {"path": str(faulty), "uri": "x", "content_type": "video/mp4", "title": "kept"},
            {"path": "/nowhere/cover.png", "uri": "y", "content_type": "image/png"},
        ],
    }
    (file,) = check_of(job, checks={"on_failure": "report"}).run()
    assert file["title"] == "kept"
    failing(check_of({"files": job["files"][1:]}), "source has no video and no sound")


@pytest.mark.parametrize("checks", [7, "vimeo", {"limits": 1}])
def test_checks_that_are_none_are_an_input_error(faulty: Path, checks: Any) -> None:
    failing(check_of(str(faulty), checks=checks), "Nothing was sent.")
