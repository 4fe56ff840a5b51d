"""What is measured in a file. All times are seconds from the beginning of the file's picture (or sound)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

#: Stretches of one kind that are kept: the longest ones. Their number and their sum count all of them.
KEPT = 20


class Stretch(NamedTuple):
    """A part of the file, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.start:.2f}–{self.end:.2f} s"


class Stretches(BaseModel):
    """All stretches of one kind in a file.

    :param seconds: how long they are together.
    :param first: the first one, however short.
    :param longest: the longest ones, in the order of the file.
    """

    model_config = ConfigDict(frozen=True)

    count: int = 0
    seconds: float = 0.0
    first: Stretch | None = None
    longest: tuple[Stretch, ...] = ()

    def over(self, seconds: float) -> tuple[Stretch, ...]:
        """Return those that last at least ``seconds``."""
        return tuple(one for one in self.longest if one.seconds >= seconds)


class Collected:
    """Collects stretches in bounded memory."""

    def __init__(self) -> None:
        self._count = 0
        self._seconds = 0.0
        self._first: Stretch | None = None
        self._heap: list[tuple[float, float, float]] = []

    def add(self, start: float, end: float) -> None:
        """Add one stretch."""
        self._count += 1
        self._seconds += end - start
        if self._first is None or start < self._first.start:
            self._first = Stretch(round(start, 3), round(end, 3))
        heapq.heappush(self._heap, (end - start, start, end))
        if len(self._heap) > KEPT:
            heapq.heappop(self._heap)

    def stretches(self) -> Stretches:
        """Return what was collected."""
        found = sorted(Stretch(round(start, 3), round(end, 3)) for _, start, end in self._heap)
        seconds = round(self._seconds, 3)
        return Stretches(count=self._count, seconds=seconds, first=self._first, longest=tuple(found))


class Picture(BaseModel):
    """What is measured in the moving pictures.

    :param seconds: from the first frame to the end of the last one that could be decoded.
    :param width: pixels as shown, likewise ``height``.
    :param black: stretches of black frames, however short.
    :param plain: stretches of frames of one single colour other than black.
    :param frozen: stretches in which a shot stops moving.
    :param stills: stretches in which nothing moves and that are shots of their own, such as title cards.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    frames: int
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    black: Stretches = Stretches()
    plain: Stretches = Stretches()
    frozen: Stretches = Stretches()
    stills: Stretches = Stretches()


class Sound(BaseModel):
    """What is measured in the sound.

    :param seconds: how long the sound is.
    :param silent: stretches without anything but, perhaps, a hum.
    :param clipped: stretches of distorted sound, in parts of some 20 ms.
    :param loudness: integrated loudness by EBU R128 in LUFS; None for silence.
    :param true_peak: in dBTP; None for silence.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    silent: Stretches = Stretches()
    clipped: Stretches = Stretches()
    loudness: float | None = None
    true_peak: float | None = None


class Measurements(BaseModel):
    """What one decoding of a file has measured.

    :param kind: what the file is.
    :param bytes: the size of the file.
    :param stated: the length that the file's header states, in seconds.
    :param faults: where decoding met damaged data, and what the decoder says about it.
    """

    model_config = ConfigDict(frozen=True)

    #: Raised whenever a measurement changes its meaning: stored ones are then made again.
    version: Literal[1] = 1
    kind: Literal["video", "audio", "other"]
    bytes: int
    stated: float | None = None
    picture: Picture | None = None
    sound: Sound | None = None
    faults: Stretches = Stretches()
    fault: str | None = None


def joined(stretches: Iterable[Stretch], gap: float) -> list[Stretch]:
    """Return stretches with those joined that are at most ``gap`` seconds apart."""
    found: list[Stretch] = []
    for one in stretches:
        if found and one.start - found[-1].end <= gap:
            found[-1] = Stretch(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found
