"""The videos that Venice's stand-in really makes."""

import base64
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import httpx
import numpy as np
import pytest
from footage import flat, loudness, moving_between, number_of, numbered, pictures, sine, sound, still, video

from airflow_provider_vidai.sandbox.media import generate
from airflow_provider_vidai.sandbox.media.lettering import lettered
from airflow_provider_vidai.sandbox.media.source import Stopped

pytestmark = pytest.mark.media


def data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def facts(path: Path) -> tuple[int, int, float, bool]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length = sum(1 for _ in container.decode(stream)) / float(stream.average_rate)
        return stream.width, stream.height, length, bool(container.streams.audio)


def halves(size: tuple[int, int], left: int, right: int) -> np.ndarray:
    picture = flat(size, left)
    picture[:, size[0] // 2 :] = right
    return picture


# --- size, length, sound


@pytest.mark.parametrize(
    ("fields", "size", "seconds"),
    [
        ({}, (1280, 720), 5),
        ({"aspect_ratio": "9:16"}, (720, 1280), 5),
        ({"aspect_ratio": "1:1", "resolution": "1080p"}, (1080, 1080), 5),
        (
            {"model": "grok-imagine-text-to-video-private", "aspect_ratio": "21:9", "resolution": "480p"},
            (1120, 480),
            5,
        ),
        ({"model": "minimax-h3-text-to-video", "duration": "6s", "resolution": "768P"}, (1366, 768), 6),
    ],
)
def test_a_video_is_as_large_and_as_long_as_requested(sandbox, venice, tmp_path, fields, size, seconds):
    sandbox.control.settings(venice={"short_side": 0, "delivery": "inline"})
    path = venice.made(tmp_path / "video.mp4", **fields)
    assert facts(path)[:3] == (*size, seconds)


def test_long_videos_are_long(venice, tmp_path):
    path = venice.made(tmp_path / "video.mp4", model="wan-3-0-text-to-video", duration="30s")
    assert facts(path)[2] == 30
    assert sound(path).shape[1] == pytest.approx(30 * 48_000, rel=0.01)


@pytest.mark.parametrize("audio", [True, False])
def test_sound_is_there_or_not_as_asked_for(venice, tmp_path, audio):
    path = venice.made(tmp_path / "video.mp4", audio=audio)
    assert facts(path)[3] is audio
    if audio:
        assert loudness(sound(path)) > 0.01


def test_a_model_without_sound_is_silent_but_for_what_it_is_given(venice, tmp_path):
    fields = {"model": "wan-2-7-text-to-video"}
    assert facts(venice.made(tmp_path / "silent.mp4", **fields))[3] is False
    tone = video(tmp_path / "tone.mp4", 4, tone=sine(0.5, last=2))
    path = venice.made(tmp_path / "recorded.mp4", **fields, audio_url=data_uri(tone, "video/mp4"))
    recorded = sound(path)
    assert loudness(recorded[:, 5_000:90_000]) == pytest.approx(0.35, abs=0.03)
    assert loudness(recorded[:, 110_000:]) < 0.01


# --- what it shows


def test_text_is_drawn_on_moving_colours(venice, tmp_path):
    shown = pictures(venice.made(tmp_path / "video.mp4", prompt="A cat"))
    bright = np.mean(shown[0].min(axis=2) > 200)
    assert 0.002 < bright < 0.2
    assert np.abs(shown[0].astype(int) - shown[-1]).mean() > 5


def test_another_text_looks_different(venice, tmp_path):
    one, two = (
        pictures(venice.made(tmp_path / "video.mp4", prompt=prompt))[0] for prompt in ("A cat", "A dog")
    )
    assert np.abs(one.astype(int) - two).mean() > 5


@pytest.mark.parametrize(
    "text", ["", " ", "été ß 日本 \N{PILE OF POO}\n\t", "x" * 5000, "a very long prompt " * 200]
)
def test_any_text_can_be_drawn_anywhere(text):
    for size in ((16, 16), (160, 90), (90, 160), (1280, 720)):
        assert lettered(text, *size).shape == size[::-1]


def test_a_video_begins_with_the_picture_it_was_given_and_moves(venice, tmp_path):
    picture = still(tmp_path / "a.png", halves((320, 180), 30, 220))
    path = venice.made(
        tmp_path / "video.mp4",
        model="wan-2.6-image-to-video",
        aspect_ratio=...,
        image_url=data_uri(picture, "image/png"),
    )
    shown = pictures(path)
    assert shown[0].shape == (90, 160, 3)
    assert (shown[0][:, :70].mean(), shown[0][:, 90:].mean()) == pytest.approx((30, 220), abs=5)
    edge = [int(np.argmax(frame[45, :, 0] > 125)) for frame in (shown[0], shown[-1])]
    assert edge[0] == pytest.approx(80, abs=2)
    assert abs(edge[1] - edge[0]) > 2


def test_a_video_ends_with_the_picture_it_was_given_for_that(venice, tmp_path):
    first, last = (
        still(tmp_path / "a.png", flat((320, 180), 40)),
        still(tmp_path / "b.png", flat((320, 180), 200)),
    )
    path = venice.made(
        tmp_path / "video.mp4",
        model="kling-2.6-pro-image-to-video",
        aspect_ratio=...,
        resolution=...,
        image_url=data_uri(first, "image/png"),
        end_image_url=data_uri(last, "image/png"),
    )
    levels = [frame.mean() for frame in pictures(path)]
    assert (levels[0], levels[60], levels[-1]) == pytest.approx((40, 40, 200), abs=4)
    assert 60 < levels[105] < 180


def test_keyframes_are_shown_when_they_are_due(venice, tmp_path):
    levels = {0: 40, 48: 120, 144: 220}
    frames = []
    for index, level in levels.items():
        picture = still(tmp_path / f"{index}.png", flat((320, 180), level))
        frames.append({"image_url": data_uri(picture, "image/png"), "frame_index": index})
    path = venice.made(
        tmp_path / "video.mp4",
        model="ltx-2-full-image-to-video",
        duration="6s",
        resolution=...,
        aspect_ratio=...,
        keyframes=frames[::-1],
    )
    shown = [frame.mean() for frame in pictures(path)]
    assert (shown[0], shown[50], shown[-1]) == pytest.approx((40, 120, 220), abs=4)


def test_a_tall_picture_makes_a_tall_video(venice, tmp_path):
    picture = still(tmp_path / "a.jpg", flat((200, 400), 90))
    path = venice.made(
        tmp_path / "video.mp4",
        model="ovi-image-to-video",
        resolution=...,
        aspect_ratio=...,
        image_url=data_uri(picture, "image/jpeg"),
    )
    assert facts(path)[:2] == (90, 180)


def test_references_are_shown_in_turn(sandbox, venice, tmp_path):
    sandbox.control.settings(venice={"delivery": "inline"})
    urls = [
        data_uri(still(tmp_path / f"{level}.png", flat((320, 180), level)), "image/png")
        for level in (40, 200)
    ]
    path = venice.made(
        tmp_path / "video.mp4", model="grok-imagine-reference-to-video-private", reference_image_urls=urls
    )
    shown = [frame.mean() for frame in pictures(path)]
    assert (shown[0], shown[-1]) == pytest.approx((40, 200), abs=4)


def test_a_reference_video_is_played_and_decides_the_length_if_asked(venice, clip, tmp_path):
    path = venice.made(
        tmp_path / "video.mp4",
        model="seedance-2-5-reference-to-video-basic",
        duration="auto",
        reference_video_urls=[data_uri(clip, "video/mp4")],
    )
    assert facts(path)[2] == pytest.approx(3, abs=0.1)
    shown = pictures(path)
    assert np.abs(shown[2].astype(int) - shown[20]).mean() < 3
    assert np.abs(shown[40].astype(int) - shown[44]).mean() > 10


# --- larger videos


@pytest.mark.parametrize(("factor", "size"), [(..., (320, 180)), (1, (160, 90)), (4, (640, 360))])
def test_an_upscale_really_scales_and_keeps_the_rest(sandbox, venice, clip, tmp_path, factor, size):
    sandbox.control.settings(venice={"short_side": 0})
    path = venice.made(
        tmp_path / "video.mp4",
        model="topaz-video-upscale",
        prompt=...,
        duration=...,
        resolution=...,
        aspect_ratio=...,
        upscale_factor=factor,
        video_url=data_uri(clip, "video/mp4"),
    )
    width, height, seconds, has_sound = facts(path)
    assert ((width, height), has_sound) == (size, True)
    assert seconds == pytest.approx(3, abs=0.1)
    assert loudness(sound(path)) == pytest.approx(loudness(sound(clip)), rel=0.1)


def test_an_upscale_shows_the_same_pictures_in_order(tmp_path):
    small = video(tmp_path / "small.mp4", 2, lambda time: numbered(round(time * 25)), size=(64, 36))
    generate.enlarge(small, 2, tmp_path / "large.mp4", Event())
    large = pictures(tmp_path / "large.mp4")
    assert large[0].shape == (72, 128, 3)
    assert [number_of(picture[::2, ::2]) for picture in large] == list(range(50))


def test_an_upscale_can_have_another_rate(tmp_path):
    small = video(tmp_path / "small.mp4", 2, moving_between(0, 2, (64, 36)), size=(64, 36))
    generate.enlarge(small, 2, tmp_path / "large.mp4", Event(), fps=50)
    with av.open(str(tmp_path / "large.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(50)
        assert container.duration / av.time_base == pytest.approx(2, abs=0.05)
        assert not container.streams.audio


def test_work_stops_when_it_is_asked_to(tmp_path):
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        generate.generate(generate.Clip(5, "A cat"), tmp_path / "video.mp4", stop)


def test_media_can_lie_in_a_store_that_the_sandbox_reaches(sandbox, venice, vidio, clip, tmp_path):
    sandbox.control.settings(venice={"delivery": "url"})
    job = venice.bought()
    venice.settled(job)
    url = venice.settled(job).json()["url"]
    assert httpx.get(url).status_code == 200
    sandbox.control.settings(venice={"delivery": "inline"})
    path = venice.made(
        tmp_path / "video.mp4", model="wan-2-7-video-to-video", duration=..., aspect_ratio=..., video_url=url
    )
    assert facts(path)[2] == pytest.approx(5, abs=0.1)
