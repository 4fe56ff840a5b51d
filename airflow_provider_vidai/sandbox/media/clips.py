"""Clips: the stretches of a video with the most activity, cut to the requested aspect."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt

from airflow_provider_vidai.sandbox.media import choose, reel
from airflow_provider_vidai.sandbox.media.generate import even
from airflow_provider_vidai.sandbox.media.measure import Floats, measure
from airflow_provider_vidai.sandbox.media.source import Source, probe

STEP = 0.5
FPS = Fraction(25)
#: The weights of motion and sound. Sound counts more, because clips are mostly made of talks.
MOTION, SOUND = 0.4, 0.6
#: How many lengths are tried between the shortest and the longest allowed.
LENGTHS = 5


@dataclass(frozen=True)
class Stretch:
    """A part of a video, in seconds.

    :param worth: its score, 0 to 1.
    :param sounds: whether it has any sound.
    """

    start: float
    length: float
    worth: float
    sounds: bool


@dataclass(frozen=True)
class Video:
    """A measured video."""

    source: Source
    duration: float
    score: Floats
    sound: Floats


def measured(path: Path, stop: Event) -> Video:
    """Decode a video once, and measure it.

    :raises MediaError: if it cannot be read.
    """
    source = probe(path)
    activity = measure(source, STEP, stop)
    score = choose.scores(activity.motion, activity.sound, STEP, MOTION, SOUND)
    return Video(source, activity.duration, score, activity.sound)


def find(video: Video, spans: Sequence[tuple[float, float]], most: int) -> list[Stretch]:
    """Return the best stretches without overlaps, best first.

    :param spans: the allowed lengths, as pairs of shortest and longest seconds.
    """
    lengths = sorted(
        {float(length) for span in spans for length in _tried(*span) if length <= video.duration + 1e-6}
    )
    taken = np.zeros(len(video.score), dtype=np.bool_)
    found: list[Stretch] = []
    while len(found) < most:
        best = max(
            (_best(video, taken, length) for length in lengths), key=lambda one: one.worth, default=None
        )
        if best is None or best.worth < 0:
            break
        taken[_steps(best.start) : _steps(best.start + best.length)] = True
        found.append(best)
    return found


def whole(video: Video) -> Stretch:
    """Return the whole video as one stretch."""
    return Stretch(0.0, video.duration, 1.0, bool(video.sound.any()))


def cut(video: Video, stretch: Stretch, aspect: Fraction, short_side: int, path: Path, stop: Event) -> None:
    """Write a stretch as a video of its own, cropped around its middle.

    :param short_side: the short side at most, in pixels; 0 keeps the source's.
    """
    own = min(video.source.width, video.source.height)
    short = min(own, short_side) if short_side else own
    width, height = (short * aspect, Fraction(short)) if aspect >= 1 else (Fraction(short), short / aspect)
    fps = video.source.fps or FPS
    segment = reel.Segment(0, stretch.start, max(1, round(stretch.length * fps)))
    plan = reel.Plan((video.source,), fps, even(float(width)), even(float(height)), ((segment,),))
    reel.render(plan, 0, reel.Mix(), path, stop)


def _tried(least: float, most: float) -> npt.NDArray[np.float64]:
    """Return the lengths to try. The ends are left out: rounding to whole frames could miss them."""
    return np.linspace(least, most, LENGTHS + 2)[1:-1]


def _steps(seconds: float) -> int:
    return round(seconds / STEP)


def _best(video: Video, taken: npt.NDArray[np.bool_], length: float) -> Stretch:
    """Return the best free stretch of this length; its worth is negative if there is none."""
    width = min(max(1, int(np.ceil(length / STEP))), len(video.score))
    nothing = Stretch(0.0, length, -1.0, False)
    if not width:
        return nothing
    window = np.ones(width)
    worth = np.convolve(video.score, window, mode="valid") / width
    worth[np.convolve(taken, window, mode="valid") > 0] = -1.0
    at = int(np.argmax(worth))
    if worth[at] < 0:
        return nothing
    start = min(at * STEP, max(0.0, video.duration - length))
    has_sound = bool(video.sound[at : at + width].any())
    return Stretch(start, length, float(min(1.0, worth[at])), has_sound)
