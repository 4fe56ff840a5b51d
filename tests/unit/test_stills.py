"""The poster and the contact sheet of a landed video."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest

from airflow_provider_vidai.files import stills
from airflow_provider_vidai.files.stills import FOLDER, make_stills

pytestmark = pytest.mark.media
CASES = Path(__file__).parent.parent / "media" / "cases"
CLIP = Path(__file__).parent.parent / "media" / "big_buck_bunny_5s.mp4"


def landed(folder: Path, video: Path) -> Path:
    return Path(shutil.copy(video, folder / video.name))


def size(path: str) -> tuple[int, int]:
    with av.open(path.removeprefix("file://")) as picture:
        track = picture.streams.video[0]
        return track.width, track.height


def test_a_video_gets_a_poster_and_eight_frames_beside_it(tmp_path: Path) -> None:
    video = landed(tmp_path, CLIP)
    made = make_stills(str(video))
    assert Path(made["poster"].path.removeprefix("file://")).parent == tmp_path / FOLDER
    assert size(made["poster"].path) == (640, 360)
    assert size(made["sheet"].path) == (4 * 320 + 3 * 4, 2 * 180 + 4)
    for still in made.values():
        assert Path(still.path.removeprefix("file://")).stat().st_size == still.bytes < 200_000


def test_a_turned_video_is_shown_upright_and_square_pixels_are_made(tmp_path: Path) -> None:
    assert size(make_stills(str(landed(tmp_path, CASES / "rot90.mov")))["poster"].path) == (360, 640)
    width, height = size(make_stills(str(landed(tmp_path, CASES / "sar64_45.mov")))["poster"].path)
    assert (width, height) == (640, 512) or width > height


def test_a_video_of_one_frame_or_with_a_cover_has_a_poster_too(tmp_path: Path) -> None:
    for name in ("cover_first.mp4", "fragmented.mp4", "mvhd_absurd_duration.mp4", "editlist_cut.mp4"):
        assert "poster" in make_stills(str(landed(tmp_path, CASES / name))), name


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 5000])
def test_what_cannot_be_decoded_has_no_stills_and_fails_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert make_stills(str(tmp_path / "a.mp4")) == {}
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    video = landed(tmp_path, CLIP)
    (tmp_path / FOLDER).write_bytes(b"a file, where the folder would be")
    assert make_stills(str(video)) == {}


def test_making_stills_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "SECONDS", 0.0)
    assert make_stills(str(landed(tmp_path, CLIP))) == {}
