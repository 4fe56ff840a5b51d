"""Files inside a request: what they truly are, and how much fits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.inline import Inliner, seconds_of
from airflow_provider_vidai.jobs.media_types import type_of
from tests.support.shelf import shelf
from tests.support.videos import picture, sound, video

ROOM = 1_000_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image/png"), ("a.jpg", "image/jpeg"), ("a.gif", "image/gif"), ("a.webp", "image/webp")],
)
def test_a_picture_is_what_its_bytes_say_whatever_its_name(tmp_path: Path, name: str, kind: str) -> None:
    path = picture(tmp_path / name)
    wrongly_named = path.rename(tmp_path / "holiday.bmp")
    text = Inliner(ROOM)(str(wrongly_named))
    assert text == f"data:{kind};base64,{base64.b64encode(wrongly_named.read_bytes()).decode()}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.webm", "video/webm"),
        ("a.mkv", "video/x-matroska"),
        ("a.avi", "video/x-msvideo"),
    ],
)
def test_a_video_is_what_its_bytes_say(tmp_path: Path, name: str, kind: str) -> None:
    data = video(tmp_path / name).read_bytes()
    assert type_of(data[:64]) == kind
    assert Inliner(ROOM)(data).startswith(f"data:{kind};base64,")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"ID3\4", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        ((b"G" + bytes(187)) * 3, "video/mp2t"),
        (b"%PDF-1.7", "application/pdf"),
        (b"BMW is a car and no picture", None),
        (b"plain words", None),
        (b"", None),
    ],
)
def test_the_type_of_a_file_is_read_from_its_bytes_only(head: bytes, kind: str | None) -> None:
    assert type_of(head) == kind


JUNK = {
    "an HTML page": b"<!DOCTYPE html><html>Sign in</html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "an SVG drawing": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "JSON": b'{"error": "expired"}',
    "XML": b"<?xml version='1.0'?><Error/>",
    "plain text": b"nothing to see here",
}


@pytest.mark.parametrize("given", ["file", "bytes", "data URI"])
@pytest.mark.parametrize("what", JUNK)
@pytest.mark.parametrize("field", ["image_url", "video_url", "audio_url"])
def test_junk_under_a_media_name_is_refused_by_field_and_never_inlined(
    tmp_path: Path, what: str, field: str, given: str
) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(JUNK[what])
    uri = f"data:image/png;base64,{base64.b64encode(JUNK[what]).decode()}"
    value = {"file": str(path), "bytes": JUNK[what], "data URI": uri}[given]
    with pytest.raises(InputError, match=rf"^{field}: .* is {what}.*Nothing was sent") as caught:
        Inliner(ROOM)(value, field)
    assert ("holiday.png" in str(caught.value)) is (given == "file")


def test_sound_under_a_pictures_name_is_refused_naming_both(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"^image_url: .*a\.png is a sound \(audio/wav\), and an image is"):
        Inliner(ROOM)(str(path), "image_url")
    assert Inliner(ROOM)(str(path), "audio_url").startswith("data:audio/wav;")


@pytest.mark.parametrize(
    ("name", "field", "why"),
    [
        ("picture_called.mp4", "video_url", r"is an image \(image/png\), and a video is needed"),
        ("video_called.jpg", "image_url", r"is a video \(video/mp4\), and an image is needed"),
        ("truncated_faststart.mp4", "video_url", "was cut"),
        ("podcast_cover.mp4", "video_url", "is a sound"),
        ("audio_only.mp4", "reference_video_urls", "holds no picture"),
        ("html_called.png", "image_url", "is an HTML page"),
        ("lfs_pointer.png", "frontal_image_url", "is a Git LFS pointer"),
    ],
)
def test_a_file_that_its_field_cannot_take_is_refused_before_anything_is_sent(
    case: Callable[[str], Path], name: str, field: str, why: str
) -> None:
    with pytest.raises(InputError, match=rf"^{field}: .*{name} {why}.*Nothing was sent"):
        Inliner(ROOM)(str(case(name)), field)


def test_the_same_kind_under_another_extension_is_taken_with_a_warning(
    case: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert Inliner(ROOM)(str(case("png_called.jpg")), "image_url").startswith("data:image/png;")
    assert "is named as image/jpeg, but its bytes are image/png" in caplog.text


def test_a_data_uri_travels_under_the_type_of_its_bytes(tmp_path: Path) -> None:
    data = base64.b64encode(picture(tmp_path / "a.png").read_bytes()).decode()
    assert Inliner(ROOM)(f"data:image/jpeg;base64,{data}", "image_url") == f"data:image/png;base64,{data}"


@pytest.mark.parametrize("value", ["https://example.com/a.png?sig=1", "HTTP://example.com/a"])
def test_what_the_vendor_can_read_by_itself_is_left_alone(value: str) -> None:
    assert Inliner(ROOM)(value) == value


def test_files_come_from_object_storage_too(tmp_path: Path) -> None:
    with shelf() as (store, bucket):
        store.files["bucket/a.png"] = picture(tmp_path / "a.png").read_bytes()
        assert Inliner(ROOM)(f"{bucket}/a.png").startswith("data:image/png;base64,")


def test_all_files_of_a_request_have_to_fit_together(tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png").read_bytes()
    inline = Inliner(3 * len(Inliner(ROOM)(data)) - 1)
    inline(data)
    inline(data)
    with pytest.raises(InputError, match=r"holds .* in all.*public URL.*Nothing was sent"):
        inline(data)


def test_a_file_that_is_too_big_is_not_even_read(tmp_path: Path) -> None:
    with shelf() as (store, bucket):
        store.files["bucket/a.png"] = bytes(1000)
        store.open = None  # type: ignore[assignment, method-assign]
        with pytest.raises(InputError, match=r"takes 0\.0 MB inside"):
            Inliner(1000)(f"{bucket}/a.png")


@pytest.mark.parametrize("value", ["/no/such/file.png", "nosuch://bucket/a.png", b"nobody knows"])
def test_what_cannot_be_inlined_is_an_input_error(value: str | bytes) -> None:
    with pytest.raises(InputError, match="Nothing was sent"):
        Inliner(ROOM)(value)


def test_the_length_of_a_file_is_read_however_it_is_given(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", seconds=2)
    data = path.read_bytes()
    for value in (str(path), data, Inliner(ROOM)(data)):
        assert seconds_of(value) == pytest.approx(2, abs=0.1)
    assert seconds_of(str(sound(tmp_path / "a.wav", seconds=1.5))) == pytest.approx(1.5)
    assert seconds_of("https://example.com/a.mp4") is None


@pytest.mark.parametrize("value", [b"no video", "data:video/mp4;base64,AAAA", "data:video/mp4;base64,A"])
def test_a_file_without_a_readable_length_is_an_input_error(value: str | bytes) -> None:
    with pytest.raises(InputError, match="Nothing was sent"):
        seconds_of(value)
