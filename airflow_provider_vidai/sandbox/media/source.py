"""Reading footage: its properties and its decoded frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.video.frame import VideoFrame

MAX_FPS = 60
MIN_FPS = 10
#: Seconds by which seeking aims early: containers index by decoding time, which is ahead of display time.
SEEK_EARLY = 0.5


class MediaError(Exception):
    """The file is not a readable picture, video or sound."""


class Stopped(Exception):
    """The work was asked to stop."""


@dataclass(frozen=True)
class Source:
    """The properties of a file.

    :param still: whether it is a single picture.
    :param width: as displayed, in square pixels and upright, like ``height``.
    :param fps: None for a still.
    :param origin: the file's first time stamp, in seconds.
    """

    path: Path
    still: bool
    width: int
    height: int
    fps: Fraction | None
    origin: float
    has_sound: bool


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a file for reading.

    :raises MediaError: if it cannot be opened, or read later.
    """
    try:
        with av.open(str(path)) as container:
            yield container
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise MediaError(f"{path.name} cannot be read: {error}") from error


def probe(path: Path) -> Source:
    """Return a file's properties; this decodes its first pictures.

    :raises MediaError: if it has no picture.
    """
    with opened(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path.name} has no picture")
        stream = container.streams.video[0]
        decoded = container.decode(stream)
        first, still = next(decoded, None), next(decoded, None) is None
        if first is None:
            raise MediaError(f"{path.name} has no picture")
        aspect = stream.sample_aspect_ratio or 1
        width, height = round(first.width * aspect), first.height
        if abs(first.rotation) % 180 == 90:
            width, height = height, width
        return Source(
            path=path,
            still=still,
            width=width,
            height=height,
            fps=None if still else _steady(stream.average_rate or stream.guessed_rate or Fraction(25)),
            origin=(container.start_time or 0) / av.time_base,
            has_sound=bool(container.streams.audio),
        )


def _steady(fps: Fraction) -> Fraction:
    """Halve or double a frame rate until it is in the range of reels."""
    while fps > MAX_FPS:
        fps /= 2
    while fps < MIN_FPS:
        fps *= 2
    return fps


def pictures(source: Source, start: float, stop: Event) -> Iterator[tuple[float, VideoFrame]]:
    """Yield the decoded pictures from ``start`` on (and a few earlier ones), with times in seconds."""
    with opened(source.path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        _seek(container, source, start)
        for frame in container.decode(stream):
            if stop.is_set():
                raise Stopped
            yield (0.0 if frame.time is None else frame.time - source.origin), frame


def sounds(source: Source, start: float, stop: Event) -> Iterator[tuple[float, AudioFrame]]:
    """Yield the decoded sound from ``start`` on (and some earlier), with times in seconds."""
    with opened(source.path) as container:
        _seek(container, source, start)
        for frame in container.decode(container.streams.audio[0]):
            if stop.is_set():
                raise Stopped
            yield (0.0 if frame.time is None else frame.time - source.origin), frame


def _seek(container: InputContainer, source: Source, start: float) -> None:
    early = start - SEEK_EARLY
    if early > 0:
        container.seek(int((early + source.origin) * av.time_base))
