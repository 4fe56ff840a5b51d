"""What is measured in a video, and which limits it exceeds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.quality.checks import Checks
from airflow_provider_vidai.quality.decide import Asked, asked_of, findings, report
from airflow_provider_vidai.quality.limits import PROFILES, Limits
from airflow_provider_vidai.quality.measure import measure
from airflow_provider_vidai.quality.measurements import (
    KEPT,
    Collected,
    Measurements,
    Picture,
    Sound,
    Stretch,
    Stretches,
)
from tests.support.clips import FPS, black, moving, still, tone, written

CASES = Path(__file__).parent.parent / "media" / "cases"


def stretches(*found: tuple[float, float]) -> Stretches:
    collected = Collected()
    for one in found:
        collected.add(*one)
    return collected.stretches()


def measured(picture: dict[str, Any] | None = None, sound: Any = None, **whole: Any) -> Measurements:
    """Return the measurements of a good video of 10 s, with changes."""
    shown = {"seconds": 10.0, "frames": 250, "fps": 25.0, "width": 1280, "height": 720, **(picture or {})}
    heard = {"seconds": 10.0, "loudness": -16.0, "true_peak": -2.0, **(sound or {})}
    facts: dict[str, Any] = {"kind": "video", "bytes": 1_000_000, "stated": 10.0, **whole}
    return Measurements(**facts, picture=Picture(**shown), sound=None if sound is False else Sound(**heard))


def checks_of(found: Measurements, asked: Asked | None = None, **limits: Any) -> list[str]:
    return [one.check for one in findings(found, Limits(**limits), asked)]


def test_a_good_video_exceeds_no_limit() -> None:
    assert checks_of(measured(), Asked(seconds=10, aspect=16 / 9)) == []


@pytest.mark.parametrize(
    ("found", "limits", "check"),
    [
        (measured({"black": stretches((2, 2.6))}), {}, "max_black_seconds"),
        (measured({"black": stretches(*((n, n + 0.4) for n in range(8)))}), {}, "max_black_share"),
        (measured({"black": stretches((0, 0.04))}), {"no_black_start": True}, "no_black_start"),
        (
            measured({"black": stretches((0, 0.04), *((n / 5, n / 5 + 0.05) for n in range(1, 30)))}),
            {"no_black_start": True},
            "no_black_start",
        ),
        (measured({"plain": stretches((2, 3))}), {}, "max_plain_seconds"),
        (measured({"frozen": stretches((2, 2.5))}), {}, "max_frozen_seconds"),
        (measured({"stills": stretches((0, 10))}), {}, "must_move"),
        (measured(sound={"silent": stretches((1, 4))}), {}, "max_silent_seconds"),
        (measured(sound={"clipped": stretches((1, 1.5))}), {}, "max_clipped_share"),
        (measured(sound={"seconds": 9.0}), {}, "max_sound_gap"),
        (measured(sound=False), {"require_sound": True}, "require_sound"),
        (measured(sound={"loudness": -30.0}), {"min_loudness": -24}, "min_loudness"),
        (measured(sound={"true_peak": 0.5}), {"max_true_peak": -1}, "max_true_peak"),
        (measured(), {"seconds": 12}, "seconds"),
        (measured(), {"aspect": "9:16"}, "aspect"),
        (measured(), {"min_resolution": 1080}, "min_resolution"),
        (measured({"fps": 15.0}), {"min_fps": 23}, "min_fps"),
        (measured(), {"max_bytes": 999_999}, "max_bytes"),
        (measured(stated=14.0), {}, "decodes"),
        (measured(faults=stretches((3, 3)), fault="cut"), {}, "decodes"),
        (Measurements(kind="other", bytes=9, fault="text"), {}, "decodes"),
    ],
)
def test_each_limit_is_exceeded_by_what_it_is_for_and_can_be_moved(
    found: Measurements, limits: dict[str, Any], check: str
) -> None:
    assert checks_of(found, **limits) == [check]
    if found.kind != "other":
        assert findings(found, Checks(**{**limits, check: None}).limits()) == []


def test_what_is_wrong_is_said_with_its_place_and_its_limit() -> None:
    (found,) = findings(measured({"black": stretches((2, 2.6))}), Limits())
    assert found.what == "it is black at 2.00–2.60 s, but at most 0.5 s at a time is allowed"
    assert found.at == (Stretch(2.0, 2.6),)


def test_a_report_of_a_video_with_very_many_faults_is_small() -> None:
    many = stretches(*((n, n + 0.6) for n in range(5000)))
    assert many.count == 5000
    assert len(many.longest) == KEPT
    bad = measured({"black": many, "frozen": many, "plain": many}, {"silent": many, "clipped": many})
    assert len(str(report(bad, findings(bad, Limits())))) < 4000


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ({"duration": "5s", "aspect_ratio": "9:16"}, Asked(seconds=5, aspect=9 / 16)),
        ({"output_length": 30, "aspect_ratio": "portrait"}, Asked(seconds=30, aspect=9 / 16)),
        ({"model": "x", "input": {"duration": 8, "aspect_ratio": "1:1"}}, Asked(seconds=8, aspect=1)),
        ({"duration": "auto", "aspect_ratio": "auto"}, Asked()),
        ({"duration": "-1", "aspect_ratio": None, "prompt": "5"}, Asked()),
    ],
)
def test_what_was_asked_for_is_read_from_the_request_of_each_vendor(request_: Any, asked: Asked) -> None:
    assert asked_of(request_) == asked


@pytest.mark.parametrize(
    ("profile", "limits", "message"),
    [
        ("vimeo", {}, "profile must be one of tiktok, youtube, broadcast_r128, not 'vimeo'"),
        (None, {"max_blakc_seconds": 1}, "max_blakc_seconds"),
        (None, {"max_black_share": 30}, "max_black_share"),
        (None, {"aspect": "wide"}, "aspect must be a ratio such as '16:9'"),
        (None, {"on_failure": "retry"}, "on_failure must be fail, skip or report"),
        (None, {"max_black_seconds": float("nan")}, "max_black_seconds"),
    ],
)
def test_a_limit_that_cannot_be_read_is_an_error(profile: Any, limits: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="(?s)" + message.replace("'", ".")):
        Checks(profile, **limits).limits()


def test_none_switches_a_limit_of_a_profile_off_and_other_limits_go_on_top() -> None:
    assert Checks("tiktok", aspect=None, max_seconds="60s").limits().aspect is None
    assert Checks("tiktok", max_seconds="60s").limits().max_seconds == 60
    for name in PROFILES:
        Checks(name).limits()


# --- measured in real files --------------------------------------------------------------------

media = pytest.mark.media


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("clips") / "good.mp4", moving(4), tone(4))


@media
def test_a_good_clip_passes_and_its_shape_is_measured(good: Path) -> None:
    found = measure(str(good))
    assert found.picture
    assert found.sound
    assert (found.picture.seconds, found.picture.frames, found.picture.fps) == (4.0, 100, 25.0)
    assert found.sound.seconds == pytest.approx(4.0, abs=0.05)
    assert findings(found, Limits(), Asked(seconds=4, aspect=160 / 96)) == []


@media
@pytest.mark.parametrize(("start", "seconds"), [(0.0, 0.6), (1.0, 1.0), (3.0, 1.0)])
def test_black_is_found_where_it_is(tmp_path: Path, start: float, seconds: float) -> None:
    pictures = moving(4)
    black(pictures[round(start * FPS) : round((start + seconds) * FPS)])
    picture = measure(str(written(tmp_path / "a.mp4", pictures))).picture
    assert picture
    (found,) = picture.black.longest
    assert found == pytest.approx((start, start + seconds), abs=0.05)
    assert not picture.frozen.count, "black is not called frozen too"


@media
@pytest.mark.parametrize("start", [1.0, 3.0])
def test_a_shot_that_stops_is_frozen(tmp_path: Path, start: float) -> None:
    pictures = moving(4)
    pictures[round(start * FPS) : round((start + 1) * FPS)] = pictures[round(start * FPS)]
    picture = measure(str(written(tmp_path / "a.mp4", pictures))).picture
    assert picture
    (found,) = picture.frozen.longest
    assert found == pytest.approx((start, start + 1), abs=0.25)


@media
@pytest.mark.parametrize("start", [0.0, 1.0, 3.0])
def test_a_title_card_is_a_still_and_not_frozen(tmp_path: Path, start: float) -> None:
    pictures = moving(4)
    pictures[round(start * FPS) : round((start + 1) * FPS)] = still()
    picture = measure(str(written(tmp_path / "a.mp4", pictures))).picture
    assert picture
    assert picture.stills.count == 1
    assert not picture.frozen.count


@media
def test_one_colour_is_plain_and_a_single_still_does_not_move(tmp_path: Path) -> None:
    pictures = moving(3)
    pictures[25:50] = 150
    plain = measure(str(written(tmp_path / "a.mp4", pictures)))
    assert plain.picture
    assert plain.picture.plain.longest == (Stretch(1.0, 2.0),)
    one = measure(str(written(tmp_path / "b.mp4", np.stack([still()] * 50))))
    assert [found.check for found in findings(one, Limits())] == ["must_move"]


@media
@pytest.mark.parametrize("hum", [0.0, 0.03])
def test_silence_is_found_even_if_a_hum_is_left(tmp_path: Path, hum: float) -> None:
    sound = tone(6)
    middle = slice(sound.shape[1] // 6, sound.shape[1] // 2)
    sound[:, middle] = tone(6, hum, hertz=50)[:, middle]
    heard = measure(str(written(tmp_path / "a.mp4", moving(6), sound))).sound
    assert heard
    (found,) = heard.silent.longest
    assert found == pytest.approx((1, 3), abs=0.15)


@media
def test_clipped_sound_is_distinguished_from_loud_sound(tmp_path: Path) -> None:
    loud = measure(str(written(tmp_path / "a.mp4", moving(3), tone(3, 0.85)))).sound
    torn = measure(str(written(tmp_path / "b.mp4", moving(3), np.clip(tone(3, 4.0), -1, 1)))).sound
    assert loud
    assert torn
    assert loud.clipped.seconds == 0
    assert torn.clipped.seconds > 2.5
    assert loud.loudness == pytest.approx(-1.4, abs=1.0), "a stereo tone of 1 kHz has about its level as LUFS"


@media
def test_a_cut_or_damaged_file_does_not_decode_to_its_end(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    cut, torn = tmp_path / "cut.mp4", tmp_path / "torn.mp4"
    cut.write_bytes(data[: len(data) * 7 // 10])
    half = len(data) // 2
    torn.write_bytes(data[:half] + bytes(range(256)) * 8 + data[half + 2048 :])
    for path in (cut, torn):
        assert "decodes" in [one.check for one in findings(measure(str(path)), Limits())], path.name


@media
@pytest.mark.parametrize("name", ["html_called.png", "exif6.jpg", "lfs_pointer.png"])
def test_what_is_no_video_fails_its_check_and_raises_nothing(tmp_path: Path, name: str) -> None:
    path = shutil.copy(CASES / name, tmp_path / "a.mp4")
    (found,) = findings(measure(str(path)), Limits())
    assert found.check == "decodes"
    assert "cannot be read as a video" in found.what


@media
def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        measure(str(tmp_path / "none.mp4"))


@media
def test_sound_alone_is_checked_too() -> None:
    found = measure(str(CASES / "audio_only.mp4"))
    assert (found.kind, found.picture) == ("audio", None)
    assert findings(found, Limits()) == []


@media
def test_a_check_leaves_no_file_descriptor_open(good: Path) -> None:
    measure(str(good))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        measure(str(good))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
