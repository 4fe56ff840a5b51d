"""What is footage for VIDIO and what is not is found out from the file itself, before anything is sent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowFailException
from airflow_provider_vidai.operators.vidio import VidioUploadOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.support.task import Task
from tests.support.videos import picture, video

pytestmark = pytest.mark.usefixtures("vidio")

CASES = Path(__file__).parents[1] / "media" / "cases"


def upload_of(source: Any, **changes: Any) -> Task:
    return Task(lambda: VidioUploadOperator(task_id="upload", source=str(source), **changes))


@pytest.mark.parametrize(
    ("name", "stored", "shown"),
    [
        ("rot90.mov", (320, 180), (180, 320)),
        ("exif6.jpg", (300, 200), (200, 300)),
        ("sar64_45.mov", (360, 288), (512, 288)),
    ],
)
def test_an_upload_is_described_as_stored_and_its_result_has_the_size_that_is_shown(
    control: Control, name: str, stored: tuple[int, int], shown: tuple[int, int]
) -> None:
    uploaded = upload_of(CASES / name).run()
    assert (uploaded["width"], uploaded["height"]) == stored
    assert (uploaded["display_width"], uploaded["display_height"]) == shown
    assert [call["call"] for call in control.calls("vidio")] == ["upload_url", "put"]


def test_an_upright_upload_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    for path in (video(tmp_path / "a.mp4", size=(64, 48)), picture(tmp_path / "b.png", size=(64, 48))):
        uploaded = upload_of(path).run()
        assert (uploaded["width"], uploaded["height"]) == (64, 48)
        assert (uploaded["display_width"], uploaded["display_height"]) == (64, 48)


def _cut(folder: Path) -> Path:
    whole = video(folder / "whole.mp4", seconds=2)
    path = folder / "half copied.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path


def _named(name: str, case: str) -> Any:
    return lambda folder: Path(shutil.copy(CASES / case, folder / name))


@pytest.mark.parametrize(
    ("make", "changes", "text"),
    [
        (
            lambda folder: video(folder / "a.mp4"),
            {"media_type": "image"},
            "is a video (video/mp4), and an image",
        ),
        (
            lambda folder: picture(folder / "a.png", size=(64, 48)),
            {"media_type": "video"},
            "is an image (image/png), and a video",
        ),
        (
            lambda folder: video(folder / "a.mp4"),
            {"media_type": "gif"},
            "media_type must be video or image, not 'gif'",
        ),
        (_named("a.mp4", "picture_called.mp4"), {}, "is called video, but its bytes are of type image/"),
        (_named("a.jpg", "video_called.jpg"), {}, "is called image, but its bytes are of type video/"),
        (lambda folder: video(folder / "a.mp4"), {"duration": 0}, "duration must be more than 0"),
        (lambda folder: video(folder / "a.mp4"), {"duration": "0.0"}, "duration must be more than 0"),
        (_cut, {}, "was cut"),
        (_named("a.mp4", "truncated_faststart.mp4"), {}, "was cut"),
        (_named("a.mp4", "podcast_cover.mp4"), {}, "is a sound (audio/mp4), and a video or an image"),
        (
            _named("a.mp4", "podcast_cover.mp4"),
            {"media_type": "video"},
            "is a sound (audio/mp4), and a video",
        ),
        (_named("a.mp4", "audio_only.mp4"), {}, "holds no picture, only sound"),
        (_named("a.png", "html_called.png"), {}, "HTML"),
        (_named("a.png", "lfs_pointer.png"), {}, "Git LFS"),
    ],
    ids=[
        "video given as image",
        "image given as video",
        "unknown media type",
        "image called video",
        "video called image",
        "lasts 0 s",
        "lasts 0 s, as text",
        "cut",
        "cut, index in front",
        "cover art only",
        "cover art given as video",
        "sound only",
        "login page",
        "LFS pointer",
    ],
)
def test_what_is_no_footage_is_refused_by_its_bytes_and_nothing_is_sent(
    control: Control, tmp_path: Path, make: Any, changes: dict[str, Any], text: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(AirflowFailException) as caught:
        upload_of(path, **changes).run()
    said = str(caught.value)
    assert text in said
    assert said.endswith("Nothing was sent.")
    assert control.calls() == []
