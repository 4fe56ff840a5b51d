"""Clips: the stretches of a film in which most happens, each cut out in the asked-for aspect."""

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
#: How much motion and sound count: what is told matters more than what is shown.
MOTION, SOUND = 0.4, 0.6
#: How many steps between the lengths that are tried.
LENGTHS = 5


@dataclass(frozen=True)
class Stretch:
    """A part of a film, in seconds.

    :param worth: 0 to 1, of the best there could be.
    :param sounds: whether anything is heard in it.
    """

    start: float
    length: float
    worth: float
    sounds: bool


@dataclass(frozen=True)
class Film:
    """A measured film."""

    source: Source
    duration: float
    score: Floats
    sound: Floats


def measured(path: Path, stop: Event) -> Film:
    """Decode a film once.

    :raises MediaError: if it cannot be read, or is a still.
    """
    source = probe(path)
    activity = measure(source, STEP, stop)
    score = choose.scores(activity.motion, activity.sound, STEP, MOTION, SOUND)
    return Film(source, activity.duration, score, activity.sound)


def find(film: Film, spans: Sequence[tuple[float, float]], most: int) -> list[Stretch]:
    """Return the best stretches, none overlapping another, best first.

    :param spans: how long they may be: seconds, from and to.
    """
    lengths = sorted(
        {float(length) for span in spans for length in _tried(*span) if length <= film.duration + 1e-6}
    )
    taken = np.zeros(len(film.score), dtype=np.bool_)
    found: list[Stretch] = []
    while len(found) < most:
        best = max(
            (_best(film, taken, length) for length in lengths), key=lambda one: one.worth, default=None
        )
        if best is None or best.worth < 0:
            break
        taken[_steps(best.start) : _steps(best.start + best.length)] = True
        found.append(best)
    return found


def whole(film: Film) -> Stretch:
    """Return the film from its beginning to its end."""
    return Stretch(0.0, film.duration, 1.0, bool(film.sound.any()))


def cut(film: Film, stretch: Stretch, aspect: Fraction, short_side: int, path: Path, stop: Event) -> None:
    """Write a stretch as a film of its own, cropped around its middle.

    :param short_side: at most; 0 is as large as the source's.
    """
    own = min(film.source.width, film.source.height)
    short = min(own, short_side) if short_side else own
    width, height = (short * aspect, Fraction(short)) if aspect >= 1 else (Fraction(short), short / aspect)
    fps = film.source.fps or FPS
    segment = reel.Segment(0, stretch.start, max(1, round(stretch.length * fps)))
    plan = reel.Plan((film.source,), fps, even(float(width)), even(float(height)), ((segment,),))
    reel.render(plan, 0, reel.Mix(), path, stop)


def _tried(least: float, most: float) -> npt.NDArray[np.float64]:
    """Return some lengths of a span; its ends are left out, since a frame more or less would miss it."""
    return np.linspace(least, most, LENGTHS + 2)[1:-1]


def _steps(seconds: float) -> int:
    return round(seconds / STEP)


def _best(film: Film, taken: npt.NDArray[np.bool_], length: float) -> Stretch:
    """Return the best free stretch of a length; its worth is negative if there is none."""
    width = min(max(1, int(np.ceil(length / STEP))), len(film.score))
    nothing = Stretch(0.0, length, -1.0, False)
    if not width:
        return nothing
    window = np.ones(width)
    worth = np.convolve(film.score, window, mode="valid") / width
    worth[np.convolve(taken, window, mode="valid") > 0] = -1.0
    at = int(np.argmax(worth))
    if worth[at] < 0:
        return nothing
    start = min(at * STEP, max(0.0, film.duration - length))
    heard = bool(film.sound[at : at + width].any())
    return Stretch(start, length, float(min(1.0, worth[at])), heard)
