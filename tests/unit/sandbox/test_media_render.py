"""The pictures and the sound of a rendered reel."""

import struct
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
from footage import (
    Picture,
    circle,
    flat,
    loudness,
    moving_between,
    noise,
    number_of,
    numbered,
    pictures,
    sine,
    sound,
    still,
    video,
)

from airflow_provider_vidai.sandbox.media import music, reel
from airflow_provider_vidai.sandbox.media.sound import mixed

pytestmark = pytest.mark.media

REAL = Path(__file__).parents[2] / "media" / "big_buck_bunny_5s.mp4"
SILENT = reel.Mix(original=0)


def make(
    *paths: Path, length: float = 2, shape: str = "landscape", mix: reel.Mix | None = None, index: int = 0
) -> tuple[reel.Plan, Path]:
    plan = reel.plan(paths, reel.ReelRequest(length, shape, reel.Weights(1, 0)), Event())
    out = paths[0].parent / "reel.mp4"
    reel.render(plan, index, mix or reel.Mix(), out, Event())
    return plan, out


def roundness(picture: Picture) -> float:
    """Width by height of the bright thing in the picture."""
    bright = picture[..., 0] > 140
    return float(np.ptp(np.flatnonzero(bright.any(axis=0))) / np.ptp(np.flatnonzero(bright.any(axis=1))))


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        return container.streams.video[0].width, container.streams.video[0].height


@pytest.mark.parametrize(
    ("shape", "size"), [("landscape", (320, 180)), ("portrait", (180, 320)), ("square", (180, 180))]
)
def test_a_reel_is_cropped_not_squashed(tmp_path, shape, size):
    path = video(tmp_path / "a.mp4", 2, lambda _: circle((320, 180)))
    _, out = make(path, length=1, shape=shape)
    assert size_of(out) == size
    assert roundness(pictures(out)[10]) == pytest.approx(1, abs=0.04)


def test_a_portrait_video_in_a_landscape_reel_is_cropped_too(tmp_path):
    path = video(tmp_path / "a.mp4", 1, lambda _: circle((180, 320), radius=0.12), size=(180, 320))
    _, out = make(path, length=1)
    assert roundness(pictures(out)[5]) == pytest.approx(1, abs=0.04)


def test_pixels_that_are_not_square_are_shown_as_wide_as_meant(tmp_path):
    shown = Fraction(4, 3)
    path = video(
        tmp_path / "a.mp4", 1, lambda _: circle((240, 180), float(shown)), size=(240, 180), pixel_aspect=shown
    )
    for shape in reel.SHAPES:
        _, out = make(path, length=1, shape=shape)
        assert roundness(pictures(out)[5]) == pytest.approx(1, abs=0.04), shape


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_video_from_a_turned_phone_is_upright(tmp_path, quarter_turns):
    upright = flat((180, 320) if quarter_turns % 2 else (320, 180))
    upright[: upright.shape[0] // 2] = 220  # bright above, dark below
    stored = np.ascontiguousarray(
        np.rot90(upright, quarter_turns)
    )  # counterclockwise, to be turned clockwise
    path = video(tmp_path / "a.mp4", 1, lambda _: stored, size=stored.shape[1::-1])
    turn(path, quarter_turns)
    _, out = make(path, length=1, shape="portrait" if quarter_turns % 2 else "landscape")
    picture = pictures(out)[5]
    assert picture[: len(picture) // 3].mean() > 200
    assert picture[-len(picture) // 3 :].mean() < 60


def turn(path: Path, quarter_turns: int) -> None:
    """Write into a video that it is to be shown turned clockwise."""
    across, along = {1: (0, 1), 2: (-1, 0), 3: (0, -1)}[quarter_turns]
    matrix = [across << 16, along << 16, 0, -along << 16, across << 16, 0, 0, 0, 1 << 30]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
@pytest.mark.parametrize("preset", ["ultrafast", "fast"])  # without and with frames that refer to later ones
def test_the_cut_is_exact_to_the_frame(tmp_path, fps, preset):
    """Every frame carries its number, so that each one in the reel can be identified."""
    path = video(
        tmp_path / "a.mp4", 8, lambda time: numbered(round(time * fps)), size=(64, 36), fps=fps, preset=preset
    )
    plan, out = make(path, length=4, mix=SILENT, index=1)
    wanted = [
        int(segment.start * fps + 1e-3) + number
        for segment in plan.candidates[1]
        for number in range(segment.frames)
    ]
    assert len(wanted) == round(4 * fps)
    assert [number_of(picture) for picture in pictures(out)] == wanted


def test_a_reel_plays_anywhere(tmp_path):
    path = video(tmp_path / "a.mp4", 3, moving_between(0, 3), sine(0.2))
    _, out = make(path, length=2.4)
    with av.open(str(out)) as container:
        shown, audio = container.streams.video[0], container.streams.audio[0]
        assert (shown.codec_context.name, shown.codec_context.pix_fmt, audio.codec_context.name) == (
            *("h264", "yuv420p", "aac"),
        )
        assert container.duration / av.time_base == pytest.approx(2.4, abs=0.05)
        assert float(audio.duration * audio.time_base) == pytest.approx(2.4, abs=0.05)
        assert shown.average_rate == 25
        steps = {packet.duration for packet in container.demux(shown) if packet.dts is not None}
        assert len(steps) == 1
    content = out.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("given", "made"),
    [(Fraction(30000, 1001), Fraction(30000, 1001)), (120, 60), (8, 16), (60, 60)],
)
def test_the_frame_rate_is_the_footages_within_reason(tmp_path, given, made):
    path = video(tmp_path / "a.mp4", 2, moving_between(0, 2, (64, 36)), size=(64, 36), fps=given)
    plan, out = make(path, length=1.5)
    assert plan.fps == made
    assert len(pictures(out)) == round(1.5 * made)
    with av.open(str(out)) as container:
        assert container.duration / av.time_base == pytest.approx(1.5, abs=0.05)


def test_different_footage_mixes_in_one_reel(tmp_path):
    paths = [
        video(tmp_path / "a.mp4", 1.2, lambda _: circle((320, 180)), sine(0.3), rate=44_100),
        video(tmp_path / "b.mkv", 1.2, lambda _: circle((200, 200)), size=(200, 200), fps=30),
        still(tmp_path / "c.png", circle((160, 240), radius=0.2)),
        video(
            tmp_path / "d.mov",
            1.2,
            lambda _: circle((180, 320), radius=0.12),
            sine(0.3),
            size=(180, 320),
            rate=8000,
        ),
    ]
    plan, out = make(*paths, length=60, shape="square")
    shown = pictures(out)
    begin = 0
    for segment in plan.candidates[0]:
        assert roundness(shown[begin + segment.frames // 2]) == pytest.approx(1, abs=0.06)
        begin += segment.frames
    recorded = sound(out)
    loud = [loudness(recorded[:, round(t * 48_000) : round((t + 0.5) * 48_000)]) for t in (0.3, 1.5, 3, 5.8)]
    assert [level > 0.1 for level in loud] == [True, False, False, True]


def test_volumes_are_what_was_asked_for(tmp_path):
    path = video(tmp_path / "a.mp4", 3, moving_between(0, 3), sine(0.4))
    recorded = {
        volume: loudness(sound(make(path, mix=reel.Mix(original=volume))[1])) for volume in (1.0, 0.5, 0.0)
    }
    assert recorded[1.0] == pytest.approx(0.4 / 2**0.5, rel=0.05)
    assert recorded[0.5] == pytest.approx(recorded[1.0] / 2, rel=0.05)
    assert recorded[0.0] < 0.001
    bed = loudness(music.bed("corporate"))
    music_only = {
        volume: loudness(sound(make(path, mix=reel.Mix(0, volume, "corporate"))[1])) for volume in (1.0, 0.25)
    }
    assert music_only[1.0] == pytest.approx(bed, rel=0.3)
    assert music_only[0.25] == pytest.approx(music_only[1.0] / 4, rel=0.05)


def test_what_is_too_loud_is_bent_not_clipped_and_the_rest_is_left_alone():
    wave = 1.5 * np.sin(np.arange(48_000) / 20, dtype=np.float32) * np.ones((2, 1), dtype=np.float32)
    (loud,) = mixed(iter([wave]), reel.Mix())
    (quiet,) = mixed(iter([wave / 3]), reel.Mix())
    assert np.abs(loud).max() <= 0.9
    assert len(np.unique(loud[0, :200].round(4))) > 50  # clipped, it would be the same for long
    assert np.allclose(quiet, wave / 3)


def test_sound_and_picture_stay_together(tmp_path):
    """A beep while the picture is bright; both must be there at the same time in the reel."""
    tone = sine(0.5, first=5, last=6)
    path = video(
        tmp_path / "a.mp4",
        9,
        lambda t: noise((320, 180), int(t * 25)) if 5 <= t < 6 else flat((320, 180)),
        tone,
    )
    _, out = make(path, length=3)
    bright = np.array([picture.std() > 20 for picture in pictures(out)])
    recorded = sound(out)[0]
    loud = np.array([loudness(recorded[at : at + 1920]) > 0.2 for at in range(0, len(recorded) - 1920, 1920)])
    assert bright.sum() == pytest.approx(25, abs=1)
    assert abs(int(np.argmax(bright)) - int(np.argmax(loud))) <= 1


@pytest.mark.parametrize("category", music.STYLES)
def test_every_music_bed_is_audible_and_loops_without_a_click(category):
    bed = music.bed(category)
    assert 0.05 < loudness(bed) < 0.3
    assert np.abs(bed).max() < 1.2
    seam = np.abs(bed[:, 0] - bed[:, -1]).max()
    assert seam < 0.05


def test_every_music_category_sounds_different():
    recorded = {
        category: np.abs(np.fft.rfft(music.bed(category)[0, : 48_000 * 4])) for category in music.STYLES
    }
    for one in recorded:
        for other in recorded:
            if one < other:
                alike = (
                    np.dot(recorded[one], recorded[other])
                    / np.linalg.norm(recorded[one])
                    / np.linalg.norm(recorded[other])
                )
                assert alike < 0.7, (one, other)


def test_a_thumbnail_is_a_jpeg_of_the_reels_shape(tmp_path):
    path = video(tmp_path / "a.mp4", 2, lambda _: circle((320, 180)))
    plan, _ = make(path, length=1, shape="portrait")
    picture = tmp_path / "thumbnail.jpg"
    picture.write_bytes(reel.thumbnail(plan, 0, Event()))
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    assert size_of(picture) == (180, 320)
    assert roundness(pictures(picture)[0]) == pytest.approx(1, abs=0.04)


def test_real_footage_makes_a_real_reel(tmp_path):
    copy = tmp_path / "bunny.mp4"
    copy.write_bytes(REAL.read_bytes())
    _, out = make(copy, length=3, shape="portrait", mix=reel.Mix(1, 0.7, "sports"))
    assert size_of(out) == (720, 1280)
    shown = pictures(out)
    assert len(shown) == 75
    assert np.std(shown[40]) > 30
    assert loudness(sound(out)) > 0.05
