"""Reading what a media file is."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_vidai.files.probe import Media, probe
from airflow_provider_vidai.jobs.media_types import HEAD, can_be, suffix_of
from tests.support.videos import picture, sound, video

pytestmark = pytest.mark.media


def read(path: Path) -> Media:
    with path.open("rb") as file:
        return probe(file)


def test_size_length_and_rate_of_a_real_video_are_read(media: Path) -> None:
    found = read(media)
    assert (found.width, found.height) == (1280, 720)
    assert found.duration == pytest.approx(5.3, abs=0.1)
    assert found.fps == 25


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_videos_of_every_container_are_read(tmp_path: Path, suffix: str) -> None:
    found = read(video(tmp_path / f"a{suffix}", seconds=2, size=(64, 48), fps=10))
    assert (found.width, found.height) == (64, 48)
    assert found.duration == pytest.approx(2, abs=0.15)
    assert found.fps == pytest.approx(10)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif"])
def test_the_size_of_a_picture_is_read(tmp_path: Path, suffix: str) -> None:
    found = read(picture(tmp_path / f"a{suffix}", size=(40, 30)))
    assert (found.width, found.height) == (40, 30)
    assert found.fps is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_still_pictures_last_no_time(tmp_path: Path, suffix: str) -> None:
    assert read(picture(tmp_path / f"a{suffix}")).duration == 0.0


def test_sound_has_a_length_and_no_picture(tmp_path: Path) -> None:
    found = read(sound(tmp_path / "a.wav", seconds=2))
    assert found == Media(None, None, pytest.approx(2), None, kind="audio")


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"hello, this is no video\n" * 100, b"\0" * 10_000, b"<html></html>" * 50],
    ids=["empty", "one byte", "text", "zeros", "html"],
)
def test_a_file_that_is_not_media_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        probe(io.BytesIO(content))


def test_a_video_cut_short_is_a_value_error(media: Path) -> None:
    whole = media.read_bytes()
    index = whole.find(b"moov")
    cut = whole[: len(whole) // 2] if index > len(whole) // 2 else whole[: index + 20]
    with pytest.raises(ValueError):
        probe(io.BytesIO(cut))


def test_a_tag_in_another_encoding_does_not_hide_a_video(tmp_path: Path) -> None:
    content = video(tmp_path / "a.mp4", title="MARKED").read_bytes()
    assert b"MARKED" in content
    assert probe(io.BytesIO(content.replace(b"MARKED", b"\xff\xe9\xfe\xc3\x28\xfb"))).width == 64


def test_a_playlist_posing_as_a_video_makes_no_connection() -> None:
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1.0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/segment.ts"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n".encode()

        def accept() -> None:
            try:
                listener.accept()[0].close()
                came.set()
            except OSError:
                pass

        thread = threading.Thread(target=accept)
        thread.start()
        with contextlib.suppress(ValueError):
            probe(io.BytesIO(playlist))
        thread.join()
    assert not came.is_set()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_videos_are_recognized_and_get_the_extension_of_their_container(tmp_path: Path, suffix: str) -> None:
    head = video(tmp_path / f"a{suffix}").read_bytes()[:HEAD]
    assert can_be("video", head)
    assert not can_be("image", head)
    assert suffix_of("video", head) == suffix


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif"])
def test_pictures_are_recognized(tmp_path: Path, suffix: str) -> None:
    head = picture(tmp_path / f"a{suffix}").read_bytes()[:HEAD]
    assert can_be("image", head)
    assert not can_be("video", head)
    assert suffix_of("image", head) == suffix


@pytest.mark.parametrize("brand", [b"avif", b"avis"])
def test_a_picture_in_avif_is_not_called_a_video(brand: bytes) -> None:
    head = b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0"
    assert can_be("image", head)
    assert suffix_of("image", head) == ".avif"


def test_sound_is_recognized(tmp_path: Path) -> None:
    head = sound(tmp_path / "a.wav").read_bytes()[:HEAD]
    assert can_be("audio", head)
    assert not can_be("video", head)
    assert suffix_of("audio", head) == ".wav"


@pytest.mark.parametrize(
    ("begin", "suffix"), [("fffb90", ".mp3"), ("fffa90", ".mp3"), ("ffe390", ".mp3"), ("fff150", ".aac")]
)
def test_sound_without_a_container_is_known_by_its_first_frame(begin: str, suffix: str) -> None:
    head = bytes.fromhex(begin) + b"\0" * HEAD
    assert can_be("audio", head)
    assert not can_be("video", head)
    assert suffix_of("audio", head) == suffix


@pytest.mark.parametrize("box", [b"free", b"skip"])
def test_a_video_may_begin_with_room(box: bytes) -> None:
    assert can_be("video", b"\0\0\0\x08" + box + b"\0\0\0\x18ftypisom")


@pytest.mark.parametrize(
    "head", [b"<!DOCTYPE html><", b'<?xml version="1', b'{"error": "expi', b"\x1f\x8b" + b"\0" * 14]
)
@pytest.mark.parametrize("kind", ["video", "image", "audio"])
def test_an_error_page_is_never_taken_for_media(kind: str, head: bytes) -> None:
    assert not can_be(kind, head)  # type: ignore[arg-type]


def test_a_text_can_begin_with_anything() -> None:
    assert can_be("text", b"anything at all!")
    assert suffix_of("text", b"anything at all!") == ".txt"


@pytest.mark.parametrize(
    ("name", "size", "seconds", "shown"),
    [
        ("screen_recording_vfr.mp4", (160, 90), 30.04, (160, 90)),
        ("screen_recording_vfr_nob.mp4", (160, 90), 30.04, (160, 90)),
        ("screen_recording_vfr.webm", (160, 90), 30.04, (160, 90)),
        ("mediarecorder_no_duration.webm", (320, 180), 2.0, (320, 180)),
        ("live_no_duration.mkv", (320, 180), 2.0, (320, 180)),
        ("mvhd_absurd_duration.mp4", (320, 180), 2.0, (320, 180)),
        ("mvhd_zero_duration.mp4", (320, 180), 2.0, (320, 180)),
        ("editlist_cut.mp4", (320, 180), 1.0, (320, 180)),
        ("fragmented.mp4", (320, 180), 2.08, (320, 180)),
        ("cover_first.mp4", (320, 180), 2.0, (320, 180)),
        ("cover_last.mp4", (320, 180), 2.0, (320, 180)),
        ("theora.ogv", (160, 90), 2.0, (160, 90)),
        ("rot90.mov", (320, 180), 2.0, (180, 320)),
        ("sar64_45.mov", (360, 288), 1.0, (512, 288)),
        ("video_called.jpg", (320, 180), 2.0, (320, 180)),
    ],
)
def test_a_video_reports_its_stored_size_its_true_end_and_its_size_on_screen(
    case: Callable[[str], Path], name: str, size: tuple, seconds: float, shown: tuple
) -> None:
    found = read(case(name))
    assert found.kind == "video"
    assert (found.width, found.height) == size
    assert found.duration == pytest.approx(seconds, abs=0.04)
    assert (found.display_width, found.display_height) == shown


@pytest.mark.parametrize("name", ["screen_recording_vfr.mp4", "screen_recording_vfr_nob.mp4"])
def test_the_rate_of_a_variable_rate_video_is_its_frames_over_its_length(
    case: Callable[[str], Path], name: str
) -> None:
    assert read(case(name)).fps == pytest.approx(26 / 30.04, abs=0.001)


@pytest.mark.parametrize("name", ["podcast_cover.mp4", "audio_only.mp4"])
def test_sound_with_cover_art_is_sound(case: Callable[[str], Path], name: str) -> None:
    found = read(case(name))
    assert (found.kind, found.width, found.fps, found.video_tracks) == ("audio", None, None, 0)
    assert found.duration == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "size", "shown"),
    [
        ("animated.webp", (120, 80), (120, 80)),
        ("exif6.jpg", (300, 200), (200, 300)),
        ("png_called.jpg", (300, 200), (300, 200)),
        ("picture_called.mp4", (300, 200), (300, 200)),
    ],
)
def test_a_picture_is_read_whatever_it_is_called(
    case: Callable[[str], Path], name: str, size: tuple, shown: tuple
) -> None:
    found = read(case(name))
    assert (found.kind, found.duration, found.fps) == ("image", 0.0, None)
    assert (found.width, found.height) == size
    assert (found.display_width, found.display_height) == shown


def test_of_two_video_tracks_the_first_is_described_and_both_are_counted(
    case: Callable[[str], Path],
) -> None:
    found = read(case("preview_track_first.mp4"))
    assert (found.width, found.height, found.video_tracks) == (160, 90, 2)


@pytest.mark.parametrize("name", ["html_called.png", "lfs_pointer.png"])
def test_a_name_does_not_make_a_picture_of_text(case: Callable[[str], Path], name: str) -> None:
    with pytest.raises(ValueError):
        read(case(name))


class Counted(io.FileIO):
    """A file that counts the bytes that are read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_of_a_huge_video_only_the_headers_and_a_few_frames_are_read(
    case: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = case("screen_recording_vfr.mp4").read_bytes()
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:  # a box of 2 GiB that nobody needs follows the file
        file.write(whole + (1).to_bytes(4, "big") + b"free" + (2 << 30).to_bytes(8, "big"))
        file.truncate(len(whole) + (2 << 30))
    with Counted(os.fspath(path)) as file:
        assert probe(file).duration == pytest.approx(30.04, abs=0.04)
        assert file.count < 1 << 20
