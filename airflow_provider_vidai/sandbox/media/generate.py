"""Videos made from text, pictures or videos; and enlarged videos."""

import colorsys
import functools
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media import sound
from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.media.lettering import lettered
from airflow_provider_vidai.sandbox.media.music import RATE, STYLES, Samples
from airflow_provider_vidai.sandbox.media.picture import Fitter, steady
from airflow_provider_vidai.sandbox.media.source import MediaError, Source, Stopped, opened, probe

FPS = Fraction(24)
#: The moving colours are computed at a resolution this many times lower, and scaled up.
COARSE = 16
#: How far a picture is zoomed in by its end, and the last part of its time in which it fades into the next.
ZOOM, FADE = 0.15, 0.25
#: A video of text with at most this many pixels in all its pictures is kept in memory: ten megabytes at most.
KEPT = 200_000_000
#: The brightest that a letter's shadow may be, before it is halved.
SHADOW = 110
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Still:
    """A picture, and the part of the video at which it first appears, 0 to 1."""

    path: Path
    at: float


@dataclass(frozen=True)
class Clip:
    """The requested video.

    :param size: width and height; None follows the first still, or is 16:9.
    :param short_side: the video's short side if ``size`` is None.
    :param text: drawn on the video if nothing else is shown; its colours and music are derived from it.
    :param videos: shown one after another, if there are no stills.
    :param soundtrack: a file whose sound is used.
    """

    seconds: float
    text: str
    short_side: int = 720
    size: tuple[int, int] | None = None
    audio: bool = True
    stills: Sequence[Still] = field(default=())
    videos: Sequence[Path] = field(default=())
    soundtrack: Path | None = None


def even(number: float) -> int:
    """Return the nearest even size, as H.264 requires."""
    return max(16, round(number / 2) * 2)


def sized(short_side: int, aspect: float) -> tuple[int, int]:
    """Return the width and height with this short side and aspect."""
    long_side = short_side * max(aspect, 1 / aspect)
    return (even(long_side), even(short_side)) if aspect >= 1 else (even(short_side), even(long_side))


def generate(clip: Clip, path: Path, stop: Event) -> None:
    """Make a video.

    :raises MediaError: if a file that it uses cannot be read.
    """
    shown = [probe(still.path) for still in clip.stills] or [probe(video) for video in clip.videos]
    aspect = shown[0].width / shown[0].height if shown else 16 / 9
    size = clip.size or sized(clip.short_side, min(max(aspect, 0.25), 4.0))
    frames = max(1, round(clip.seconds * FPS))
    if clip.stills:
        pictures = _panned(clip.stills, shown, frames, size, stop)
    elif clip.videos:
        pictures = _played(shown, frames, size, stop)
    elif clip.soundtrack is None and frames * size[0] * size[1] <= KEPT:
        path.write_bytes(_of_text(replace(clip, size=size, stills=(), videos=()), frames, stop))
        return
    else:
        pictures = _painted(clip.text, frames, size, stop)
    encode(path, pictures, _sound(clip, frames, stop), FPS, size)


@functools.lru_cache(maxsize=8)
def _of_text(clip: Clip, frames: int, stop: Event) -> bytes:
    """Return a small video that shows nothing but its text. The same one is often requested again."""
    assert clip.size is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        encode(path, _painted(clip.text, frames, clip.size, stop), _sound(clip, frames, stop), FPS, clip.size)
        return path.read_bytes()


def painting(text: str, size: tuple[int, int], source: Path | None, stop: Event) -> VideoFrame:
    """Return the text on colours, or on another picture.

    :raises MediaError: if that picture cannot be read.
    """
    if source is None:
        return next(_painted(text, 1, size, stop))
    shown = probe(source)
    planes = next(steady(shown, 0.0, 1, FPS, Fitter(shown, *size), stop)).to_ndarray()
    planes[: size[1]] //= 2  # darker, so that the text is readable on any picture
    return _Letters(text, size).drawn_on(VideoFrame.from_ndarray(planes, format="yuv420p"))


def _painted(text: str, frames: int, size: tuple[int, int], stop: Event) -> Iterator[VideoFrame]:
    """Yield moving colours with the text on them."""
    width, height = size
    letters = _Letters(text, size)
    seed = hashlib.sha256(text.encode()).digest()
    colours = [np.array(colorsys.hsv_to_rgb(seed[n] / 255, 0.75, 0.85 - 0.2 * n)) * 255 for n in range(3)]
    y, x = np.mgrid[0 : 1 : 1j * max(2, height // COARSE), 0 : 1 : 1j * max(2, width // COARSE)]
    for number in range(frames):
        if stop.is_set():
            raise Stopped
        time = number / float(FPS)
        one = 0.5 + 0.5 * np.sin(3 * x + 2 * y + time + seed[3])[..., None]
        two = 0.5 + 0.5 * np.sin(4 * y - 2 * x + 0.7 * time + seed[4])[..., None]
        mixed = (colours[0] * one + colours[1] * (1 - one)) * (1 - 0.6 * two) + colours[2] * 0.6 * two
        coarse = VideoFrame.from_ndarray(mixed.astype(np.uint8), format="rgb24")
        yield letters.drawn_on(coarse.reformat(width, height, "yuv420p", interpolation="BILINEAR"))


class _Letters:
    """The text's white letters with their shadow, found once and drawn on each picture."""

    def __init__(self, text: str, size: tuple[int, int]) -> None:
        self._width, self._height = size
        letters = lettered(text, *size)
        drop = max(1, min(size) // 220)
        shade = np.zeros_like(letters)
        shade[drop:, drop:] = letters[:-drop, :-drop]
        self._letters, self._shade = np.flatnonzero(letters), np.flatnonzero(shade)
        self._colour = np.flatnonzero(letters[::2, ::2])

    def drawn_on(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture with the letters on it."""
        planes = frame.to_ndarray()
        light = planes[: self._height].reshape(-1)
        light[self._shade] = np.minimum(light[self._shade], SHADOW) // 2
        # White in limited-range YUV: 235 is the brightest value, and 128 in both colour planes is no colour.
        light[self._letters] = 235
        for plane in planes[self._height :].reshape(2, -1):
            plane[self._colour] = 128
        return VideoFrame.from_ndarray(planes, format="yuv420p")


def _panned(
    stills: Sequence[Still], sources: Sequence[Source], frames: int, size: tuple[int, int], stop: Event
) -> Iterator[VideoFrame]:
    """Yield slowly zoomed pictures, each fading into the next; the last still at 1.0 is not zoomed."""
    pictures = [_picture(source, size, stop) for source in sources]
    for number in range(frames):
        if stop.is_set():
            raise Stopped
        at = number / max(1, frames - 1)
        here = max((n for n, still in enumerate(stills) if still.at <= at), default=0)
        begin = min(stills[here].at, at)
        end = stills[here + 1].at if here + 1 < len(stills) else 1.0
        part = (at - begin) / (end - begin) if end > begin else 0.0
        view = _zoomed(pictures[here], part)
        if here + 1 < len(stills) and part > 1 - FADE:
            weight = (part - (1 - FADE)) / FADE
            view = (view * (1 - weight) + pictures[here + 1] * weight).astype(np.uint8)
        yield VideoFrame.from_ndarray(view, format="rgb24").reformat(format="yuv420p")


def _picture(source: Source, size: tuple[int, int], stop: Event) -> Picture:
    frame = next(steady(source, 0.0, 1, FPS, Fitter(source, *size), stop))
    return frame.to_ndarray(format="rgb24").astype(np.uint8)


def _zoomed(picture: Picture, part: float) -> Picture:
    """Return the picture zoomed in and moved, ``part`` of the way."""
    height, width = picture.shape[:2]
    keep = 1 - ZOOM * part
    if keep == 1:
        return picture
    w, h = int(width * keep), int(height * keep)
    x, y = int((width - w) * 0.7), int((height - h) * 0.4)
    cut = VideoFrame.from_ndarray(np.ascontiguousarray(picture[y : y + h, x : x + w]), format="rgb24")
    return cut.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray().astype(np.uint8)


def _played(
    sources: Sequence[Source], frames: int, size: tuple[int, int], stop: Event
) -> Iterator[VideoFrame]:
    """Yield videos one after another, each with an equal share of the time."""
    done = 0
    for number, source in enumerate(sources):
        share = frames * (number + 1) // len(sources) - done
        done += share
        yield from steady(source, 0.0, share, FPS, Fitter(source, *size), stop)


def _sound(clip: Clip, frames: int, stop: Event) -> Iterator[Samples] | None:
    if not clip.audio and clip.soundtrack is None:
        return None
    samples = round(frames / FPS * RATE)
    if clip.soundtrack:
        return sound.faded(sound.own(_sound_source(clip.soundtrack), 0.0, samples, stop), samples)
    silence = sound.own(Source(Path(), True, 0, 0, None, 0.0, False), 0.0, samples, stop)
    style = list(STYLES)[hashlib.sha256(clip.text.encode()).digest()[5] % len(STYLES)]
    return sound.faded(sound.mixed(silence, sound.Mix(music=0.9, style=style)), samples)


def _sound_source(path: Path) -> Source:
    """Return a file that is used for its sound only."""
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path.name} has no sound")
        return Source(path, False, 0, 0, None, (container.start_time or 0) / av.time_base, True)


def seconds(path: Path) -> float:
    """Return the length of a video.

    :raises MediaError: if it does not state one.
    """
    with opened(path) as container:
        if not container.streams.video or not container.duration:
            raise MediaError(f"{path.name} is not a video")
        return container.duration / av.time_base


def enlarge(path: Path, factor: float, to: Path, stop: Event, fps: float | None = None) -> None:
    """Make a video larger; its length and sound stay the same.

    :param fps: pictures per second; None keeps the source's.
    :raises MediaError: if it cannot be read.
    """
    source, length = probe(path), seconds(path)
    rate = Fraction(fps).limit_denominator(1001) if fps else source.fps or FPS
    size = even(source.width * factor), even(source.height * factor)
    frames = max(1, round(length * rate))
    pictures = steady(source, 0.0, frames, rate, Fitter(source, *size), stop)
    samples = round(frames / rate * RATE)
    own = sound.own(source, 0.0, samples, stop) if source.has_sound else None
    encode(to, pictures, own, rate, size)


def pad(path: Path, size: int) -> None:
    """Pad an MP4 to a size with a box that players skip; the file is sparse, so the disk use stays."""
    room = size - path.stat().st_size
    if room < 16:
        return
    with path.open("r+b") as file:
        file.seek(0, 2)
        # In an MP4, a box length of 1 means that the real one follows in 64 bits.
        file.write((1).to_bytes(4, "big") + b"free" + room.to_bytes(8, "big"))
        file.truncate(size)
