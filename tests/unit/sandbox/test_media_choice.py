"""Which footage gets into a reel."""

import itertools
from pathlib import Path
from threading import Event

import av
import pytest
from footage import circle, moving_between, sine, still, video

from airflow_provider_vidai.sandbox.media import reel
from airflow_provider_vidai.sandbox.media.source import MediaError, Stopped

MOTION, SOUND = reel.Weights(motion=1, sound=0), reel.Weights(motion=0, sound=1)
pytestmark = pytest.mark.media


def plan(*paths: Path, length: float, weights: reel.Weights = MOTION, shape: str = "landscape") -> reel.Plan:
    return reel.plan(paths, reel.ReelRequest(length, shape, weights), Event())


def share(plan: reel.Plan, source: int, first: float, last: float) -> float:
    """How much of the best candidate lies within a time of a source."""
    inside = [
        max(0.0, min(last, one.start + one.frames / plan.fps) - max(first, one.start))
        for one in plan.candidates[0]
        if one.source == source
    ]
    return sum(inside) / plan.duration(0)


def test_the_reel_prefers_the_moving_part(tmp_path):
    path = video(tmp_path / "a.mp4", 12, moving_between(7, 10))
    assert share(plan(path, length=3), 0, 6.7, 10.3) > 0.95


def test_the_reel_prefers_the_loud_part_where_sound_counts(tmp_path):
    path = video(tmp_path / "a.mp4", 12, moving_between(7, 10), sine(0.5, first=2, last=5))
    assert share(plan(path, length=3, weights=SOUND), 0, 1.7, 5.3) > 0.95
    assert share(plan(path, length=3, weights=MOTION), 0, 6.7, 10.3) > 0.95


def test_a_single_flash_does_not_beat_steady_action(tmp_path):
    def draw(time: float):
        return moving_between(8, 10)(time) // 3 if time > 5 else moving_between(2, 2.04)(time)

    path = video(tmp_path / "a.mp4", 12, draw)
    assert share(plan(path, length=2), 0, 7.5, 10.5) > 0.9


def test_all_footage_is_measured_not_only_the_first(tmp_path):
    dull = [video(tmp_path / f"{name}.mp4", 5) for name in "ab"]
    lively = video(tmp_path / "c.mp4", 5, moving_between(2, 5))
    assert share(plan(*dull, lively, length=2.5), 2, 1.8, 5) > 0.95


def test_segments_keep_the_order_of_the_footage_and_never_overlap(tmp_path):
    first = video(tmp_path / "a.mp4", 8, moving_between(1, 2.5), sine(0.4, first=5, last=6.5))
    second = video(tmp_path / "b.mp4", 8, moving_between(3, 4.5), sine(0.4, first=0, last=1))
    made = plan(first, second, length=5, weights=reel.Weights(0.5, 0.5))
    assert len(made.candidates[0]) > 1
    for candidate in made.candidates:
        for one, following in itertools.pairwise(candidate):
            ahead = (following.source, following.start)
            assert (one.source, one.start + float(one.frames / made.fps)) <= (ahead[0], ahead[1] + 1e-6)


@pytest.mark.parametrize("length", [1, 2.5, 3.33, 7, 9.9])
@pytest.mark.parametrize("fps", [25, 30])
def test_segments_add_up_to_exactly_the_asked_length(tmp_path, length, fps):
    first = video(tmp_path / "a.mp4", 4.1, moving_between(1, 2), size=(64, 36), fps=fps)
    second = video(tmp_path / "b.mp4", 6.3, moving_between(3, 5), size=(64, 36), fps=fps)
    made = plan(first, second, length=length)
    for index in range(len(made.candidates)):
        assert made.duration(index) == pytest.approx(length, abs=0.5 / fps + 1e-6)


def test_candidates_are_different_selections_best_first(tmp_path):
    path = video(
        tmp_path / "a.mp4", 15, lambda t: moving_between(2, 4)(t) if t < 6 else moving_between(9, 11)(t) // 2
    )
    made = plan(path, length=2)
    assert len(made.candidates) == 3
    assert len(set(made.candidates)) == 3
    assert share(made, 0, 1.5, 4.5) > 0.9
    assert 8 < made.candidates[1][0].start < 10


def test_short_footage_is_taken_whole(tmp_path):
    paths = [video(tmp_path / f"{name}.mp4", 1.6, size=(64, 36)) for name in "ab"]
    made = plan(*paths, length=30)
    assert [(one.source, one.start) for one in made.candidates[0]] == [(0, 0), (1, 0)]
    assert made.duration(0) == pytest.approx(3.2)
    assert len(made.candidates) == 1


def test_many_clips_shorter_than_a_step_still_make_a_reel(tmp_path):
    paths = [video(tmp_path / f"{number}.mp4", 0.32, size=(64, 36)) for number in range(10)]
    assert plan(*paths, length=3).duration(0) == pytest.approx(3, abs=0.02)


def test_pictures_get_a_few_seconds_in_their_place(tmp_path):
    moving = video(tmp_path / "a.mp4", 8, moving_between(3, 5))
    picture = still(tmp_path / "b.png", circle((200, 100)))
    photo = still(tmp_path / "c.jpg", circle((320, 180)))
    made = plan(picture, moving, photo, length=10)
    assert [one.source for one in made.candidates[0]] == [0, 1, 2]
    assert [float(one.frames / made.fps) for one in made.candidates[0]] == pytest.approx(
        [2.5, 5, 2.5], abs=0.05
    )


def test_pictures_alone_make_a_reel(tmp_path):
    paths = [still(tmp_path / name, circle((320, 180))) for name in ("a.png", "b.jpg")]
    assert plan(*paths, length=4).duration(0) == pytest.approx(4)
    assert plan(*paths, length=60).duration(0) == pytest.approx(6)


def test_footage_that_says_nothing_of_its_length_is_measured(tmp_path):
    path = video(tmp_path / "a.webm.mkv", 4, moving_between(1, 3), options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert plan(path, length=30).duration(0) == pytest.approx(4, abs=0.1)
    assert share(plan(path, length=2), 0, 0.8, 3.2) > 0.95


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.mov", "libx264")])
def test_every_container_is_read_alike(tmp_path, name, codec):
    path = video(tmp_path / name, 6, moving_between(3, 5), sine(0.1), codec=codec)
    assert share(plan(path, length=2), 0, 2.8, 5.2) > 0.95


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100, b"\0\0\0\x20ftypisom" + b"\0" * 500])
def test_an_unreadable_file_is_an_error_of_its_own(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        plan(path, length=3)


def test_a_video_without_a_picture_is_an_error(tmp_path):
    whole = video(tmp_path / "a.mp4", 1, tone=sine(0.1))
    cut = tmp_path / "b.mp4"
    cut.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(MediaError):
        plan(cut, length=3)


def test_work_stops_when_asked_to(tmp_path):
    path = video(tmp_path / "a.mp4", 4, size=(64, 36))
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        reel.plan([path], reel.ReelRequest(2, "landscape", MOTION), stop)
