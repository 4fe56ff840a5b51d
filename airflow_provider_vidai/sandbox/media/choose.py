"""Choosing the segments of footage with the highest total score for the requested length."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airflow_provider_vidai.sandbox.media.measure import Floats

#: Each segment costs as much as this many seconds of the best footage, which favours few, long segments.
SEGMENT_PRICE = 0.3
#: Scores are averaged over this many seconds.
SMOOTHING = 1.0
#: The next candidate scores footage that was already used at this fraction.
REUSED = 0.4


@dataclass(frozen=True)
class Span:
    """From ``start`` to ``end`` seconds of one source."""

    source: int
    start: float
    end: float


def scores(motion: Floats, sound: Floats, step: float, motion_weight: float, sound_weight: float) -> Floats:
    """Rate each step of all footage, 0 to 1."""
    return motion_weight * _level(motion, step) + sound_weight * _level(sound, step)


def _level(values: Floats, step: float) -> Floats:
    """Smooth and scale to 0…1, so that a single jump (a cut, a bang) does not beat steady action."""
    if not values.any():
        return values
    tamed = np.minimum(values, np.percentile(values, 95) or values.max())
    width = max(1, round(SMOOTHING / step))
    smooth = np.convolve(np.pad(tamed, width, mode="edge"), np.ones(width) / width, mode="same")[width:-width]
    return np.asarray(smooth / smooth.max())


def choose(score: Floats, firsts: npt.NDArray[np.bool_], want: int, step: float) -> npt.NDArray[np.bool_]:
    """Mark the ``want`` steps with the highest total score, minus a price for each segment.

    This is dynamic programming over the steps: per number of steps used so far, it keeps the best total with
    the current step used (``within``) and unused (``out``).

    :param firsts: which steps are the first of their source.
    """
    price = SEGMENT_PRICE / step
    out = np.full(want + 1, -np.inf)  # best total by number of steps used, if the last step is unused
    out[0] = 0.0
    within = np.full(want + 1, -np.inf)  # and if it is used
    ended = np.zeros((len(score), want + 1), dtype=bool)
    went_on = np.zeros((len(score), want + 1), dtype=bool)
    for index, worth in enumerate(score):
        ended[index] = within > out
        best = np.where(ended[index], within, out)
        carry_on = within - price if firsts[index] else within
        went_on[index] = carry_on > out - price
        grown = np.where(went_on[index], carry_on, out - price) + worth
        out, within = best, np.concatenate(([-np.inf], grown[:-1]))
    return _walk_back(ended, went_on, want, bool(within[want] > out[want]))


def _walk_back(
    ended: npt.NDArray[np.bool_], went_on: npt.NDArray[np.bool_], left: int, inside: bool
) -> npt.NDArray[np.bool_]:
    used = np.zeros(len(ended), dtype=bool)
    for index in range(len(ended) - 1, -1, -1):
        used[index] = inside
        if inside:
            left -= 1
            inside = bool(went_on[index, left])
        else:
            inside = bool(ended[index, left])
    return used


def spans(used: npt.NDArray[np.bool_], sources: npt.NDArray[np.int_], step: float) -> list[Span]:
    """Join consecutive used steps to spans, in order."""
    found: list[Span] = []
    first_of = {int(source): int(np.argmax(sources == source)) for source in np.unique(sources)}
    for index in np.flatnonzero(used):
        source = int(sources[index])
        start = (index - first_of[source]) * step
        last = found[-1] if found else None
        if last and last.source == source and abs(last.end - start) < step / 2:
            found[-1] = Span(source, last.start, start + step)
        else:
            found.append(Span(source, float(start), float(start + step)))
    return found


def trimmed(found: list[Span], length: float) -> list[Span]:
    """Drop everything beyond ``length`` seconds."""
    kept: list[Span] = []
    for span in found:
        rest = length - sum(one.end - one.start for one in kept)
        if rest > 1e-6:
            kept.append(Span(span.source, span.start, min(span.end, span.start + rest)))
    return kept
