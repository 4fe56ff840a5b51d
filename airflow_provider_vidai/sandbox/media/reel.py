"""Highlight reels: planned from measured footage, then rendered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media import choose, sound
from airflow_provider_vidai.sandbox.media.choose import Span
from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.media.measure import Activity, Floats, measure
from airflow_provider_vidai.sandbox.media.music import RATE, Samples
from airflow_provider_vidai.sandbox.media.picture import Fitter, jpeg, steady
from airflow_provider_vidai.sandbox.media.sound import Mix
from airflow_provider_vidai.sandbox.media.source import Source, probe

__all__ = ["SHAPES", "Mix", "Plan", "ReelRequest", "Segment", "Weights", "plan", "render", "thumbnail"]

SHAPES = {"landscape": Fraction(16, 9), "portrait": Fraction(9, 16), "square": Fraction(1)}
SHORT_SIDE = 720
THUMBNAIL_SIDE = 360
CANDIDATES = 3
STILL_SECONDS = 3.0
STILL_FPS = Fraction(30)
#: Longer footage is divided into coarser steps, so that choosing stays fast.
MAX_STEPS = 4000


@dataclass(frozen=True)
class Weights:
    """The weights of motion and sound."""

    motion: float
    sound: float


@dataclass(frozen=True)
class ReelRequest:
    """The requested reel.

    :param length: in seconds.
    :param shape: a key of :data:`SHAPES`.
    :param rate: how many times per second footage is measured.
    """

    length: float
    shape: str
    weights: Weights
    rate: float = 5.0


@dataclass(frozen=True)
class Segment:
    """A part of a reel: ``frames`` frames that show ``source`` from ``start`` seconds on."""

    source: int
    start: float
    frames: int


@dataclass(frozen=True)
class Plan:
    """A reel's candidates, best first."""

    sources: tuple[Source, ...]
    fps: Fraction
    width: int
    height: int
    candidates: tuple[tuple[Segment, ...], ...]

    def duration(self, index: int) -> float:
        """Return a candidate's length in seconds."""
        return float(sum(segment.frames for segment in self.candidates[index]) / self.fps)


def plan(paths: Sequence[Path], request: ReelRequest, stop: Event) -> Plan:
    """Measure all footage, and choose the segments of the reel.

    :raises MediaError: if a file cannot be read.
    """
    sources = tuple(probe(path) for path in paths)
    step = 1 / request.rate
    activities = {
        number: measure(source, step, stop) for number, source in enumerate(sources) if not source.still
    }
    found = _candidates(sources, activities, request)
    fps = next((source.fps for source in sources if source.fps), STILL_FPS)
    width, height = _size(sources, SHAPES[request.shape])
    return Plan(sources, fps, width, height, tuple(_in_frames(spans, fps) for spans in found))


def _size(sources: Sequence[Source], shape: Fraction) -> tuple[int, int]:
    """Return the reel's size: a short side of 720 pixels, or the best source's if that is smaller."""
    short = min(SHORT_SIDE, max(min(source.width, source.height) for source in sources))
    width, height = (short * shape, short) if shape >= 1 else (short, short / shape)
    return max(2, int(width) // 2 * 2), max(2, int(height) // 2 * 2)


def _candidates(
    sources: Sequence[Source], activities: dict[int, Activity], request: ReelRequest
) -> list[list[Span]]:
    """Return up to three different selections; each contains all stills."""
    stills = [number for number, source in enumerate(sources) if source.still]
    footage = sum(activity.duration for activity in activities.values())
    room = request.length / 2 if activities else request.length
    still = min(STILL_SECONDS, room / len(stills)) if stills else 0.0
    rest = request.length - still * len(stills)
    shown = [Span(number, 0.0, still) for number in stills]
    whole = [Span(number, 0.0, activity.duration) for number, activity in activities.items()]
    if rest >= footage:
        return [_ordered([*shown, *whole])]
    selections = _best(activities, rest, request.weights) or [choose.trimmed(whole, rest)]
    return [_ordered([*shown, *spans]) for spans in selections]


def _ordered(spans: list[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.source, span.start))


def _best(activities: dict[int, Activity], length: float, weights: Weights) -> list[list[Span]]:
    """Return different selections of ``length`` seconds, best first; none if there are too few steps."""
    step, motion, sounds, sources = _timeline(activities, length)
    want = int(np.ceil(length / step - 1e-6))
    if want > len(sources):
        return []
    firsts = np.diff(sources, prepend=-1) != 0
    score = choose.scores(motion, sounds, step, weights.motion, weights.sound)
    found: list[list[Span]] = []
    for _ in range(CANDIDATES):
        used = choose.choose(score, firsts, want, step)
        spans = choose.trimmed(choose.spans(used, sources, step), length)
        if spans not in found:
            found.append(spans)
        score = np.where(used, score * choose.REUSED, score)
    return found


def _timeline(
    activities: dict[int, Activity], length: float
) -> tuple[float, Floats, Floats, npt.NDArray[np.int_]]:
    """Join all footage to one timeline of steps."""
    step = next(iter(activities.values())).step
    merge = max(1, -(-sum(len(activity.motion) for activity in activities.values()) // MAX_STEPS))
    merge = min(merge, max(1, int(length / step)))

    def coarse(values: Floats) -> Floats:
        count = len(values) // merge
        return np.asarray(values[: count * merge].reshape(count, merge).mean(axis=1))

    motion = np.concatenate([coarse(activity.motion) for activity in activities.values()])
    sounds = np.concatenate([coarse(activity.sound) for activity in activities.values()])
    counts = [len(activity.motion) // merge for activity in activities.values()]
    return step * merge, motion, sounds, np.repeat(list(activities), counts)


def _in_frames(spans: list[Span], fps: Fraction) -> tuple[Segment, ...]:
    """Cut at whole frames, so that rounding errors do not add up."""
    segments: list[Segment] = []
    done, length = 0, 0.0
    for span in spans:
        length += span.end - span.start
        frames = round(length * fps) - done
        if frames > 0:
            segments.append(Segment(span.source, span.start, frames))
            done += frames
    return tuple(segments)


def thumbnail(plan: Plan, index: int, stop: Event) -> bytes:
    """Return a JPEG of the middle of a candidate's longest segment."""
    segment = max(plan.candidates[index], key=lambda segment: segment.frames)
    shrink = min(1.0, THUMBNAIL_SIDE / min(plan.width, plan.height))
    source = plan.sources[segment.source]
    fitter = Fitter(source, int(plan.width * shrink) // 2 * 2, int(plan.height * shrink) // 2 * 2)
    middle = segment.start + segment.frames / 2 / float(plan.fps)
    frame = next(steady(source, 0.0 if source.still else middle, 1, plan.fps, fitter, stop))
    return jpeg(frame)


def render(plan: Plan, index: int, mix: Mix, path: Path, stop: Event) -> None:
    """Cut, crop, mix and encode one candidate to an MP4 file."""
    segments = plan.candidates[index]
    encode(
        path,
        _pictures(plan, segments, stop),
        sound.mixed(_sound(plan, segments, stop), mix),
        plan.fps,
        (plan.width, plan.height),
    )


def _pictures(plan: Plan, segments: Sequence[Segment], stop: Event) -> Iterator[VideoFrame]:
    for segment in segments:
        source = plan.sources[segment.source]
        fitter = Fitter(source, plan.width, plan.height)
        yield from steady(source, segment.start, segment.frames, plan.fps, fitter, stop)


def _sound(plan: Plan, segments: Sequence[Segment], stop: Event) -> Iterator[Samples]:
    frames, done = 0, 0
    for segment in segments:
        frames += segment.frames
        samples = round(frames / plan.fps * RATE) - done
        done += samples
        own = sound.own(plan.sources[segment.source], segment.start, samples, stop)
        yield from sound.faded(own, samples)
