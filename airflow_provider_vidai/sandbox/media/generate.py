"""Films made to order: from words, from pictures, from films; and films made larger."""

import colorsys
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media import sound
from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.media.lettering import Mask, lettered
from airflow_provider_vidai.sandbox.media.music import RATE, STYLES, Samples
from airflow_provider_vidai.sandbox.media.picture import Fitter, steady
from airflow_provider_vidai.sandbox.media.source import MediaError, Source, Stopped, opened, probe

FPS = Fraction(24)
#: How many times smaller the moving colours are computed than they are shown.
COARSE = 16
#: How far a picture is zoomed into until its time is over, and the film's last part in which it fades.
ZOOM, FADE = 0.15, 0.25
SHADOW = 110
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Still:
    """A picture, and from where in the film on it is shown, 0 to 1."""

    path: Path
    at: float


@dataclass(frozen=True)
class Clip:
    """A film that is asked for.

    :param size: width and height; None follows the first still, or is 16:9.
    :param short_side: of the film if ``size`` is None.
    :param text: what it is about: drawn on it if nothing else is shown, and decides how it looks and sounds.
    :param films: shown one after another, if there are no stills.
    :param soundtrack: a file whose sound it has.
    """

    seconds: float
    text: str
    short_side: int = 720
    size: tuple[int, int] | None = None
    audio: bool = True
    stills: Sequence[Still] = field(default=())
    films: Sequence[Path] = field(default=())
    soundtrack: Path | None = None


def even(number: float) -> int:
    """Return the nearest size that a film can have."""
    return max(16, round(number / 2) * 2)


def sized(short_side: int, aspect: float) -> tuple[int, int]:
    """Return the width and height with this short side and aspect."""
    long_side = short_side * max(aspect, 1 / aspect)
    return (even(long_side), even(short_side)) if aspect >= 1 else (even(short_side), even(long_side))


def generate(clip: Clip, path: Path, stop: Event) -> None:
    """Make a film.

    :raises MediaError: if a file that is to be shown or heard cannot be read.
    """
    shown = [probe(still.path) for still in clip.stills] or [probe(film) for film in clip.films]
    aspect = shown[0].width / shown[0].height if shown else 16 / 9
    size = clip.size or sized(clip.short_side, min(max(aspect, 0.25), 4.0))
    frames = max(1, round(clip.seconds * FPS))
    if clip.stills:
        pictures = _panned(clip.stills, shown, frames, size, stop)
    elif clip.films:
        pictures = _played(shown, frames, size, stop)
    else:
        pictures = _painted(clip.text, frames, size, stop)
    encode(path, pictures, _sound(clip, frames, stop), FPS, size)


def painting(text: str, size: tuple[int, int], source: Path | None, stop: Event) -> VideoFrame:
    """Return a picture with the text on it: colours, or another picture.

    :raises MediaError: if that cannot be read.
    """
    if source is None:
        return next(_painted(text, 1, size, stop))
    shown = probe(source)
    planes = next(steady(shown, 0.0, 1, FPS, Fitter(shown, *size), stop)).to_ndarray()
    planes[: size[1]] //= 2  # so that words can be read on whatever is shown
    return _written(VideoFrame.from_ndarray(planes, format="yuv420p"), lettered(text, *size))


def _painted(text: str, frames: int, size: tuple[int, int], stop: Event) -> Iterator[VideoFrame]:
    """Yield moving colours with the text on them."""
    width, height = size
    letters = lettered(text, width, height)
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
        yield _written(coarse.reformat(width, height, "yuv420p", interpolation="BILINEAR"), letters)


def _written(frame: VideoFrame, letters: Mask) -> VideoFrame:
    """Draw white letters with a shadow."""
    planes = frame.to_ndarray()
    height, width = letters.shape
    drop = max(1, min(width, height) // 220)
    shade = np.zeros_like(letters)
    shade[drop:, drop:] = letters[:-drop, :-drop]
    light = planes[:height, :width]
    light[shade] = np.minimum(light[shade], SHADOW) // 2
    light[letters] = 235
    for plane in np.split(planes[height:].reshape(2, height // 2, width // 2), 2):
        plane[0][letters[::2, ::2]] = 128
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def _panned(
    stills: Sequence[Still], sources: Sequence[Source], frames: int, size: tuple[int, int], stop: Event
) -> Iterator[VideoFrame]:
    """Yield pictures that are slowly zoomed into, each fading into the next; the last one ends as it is."""
    pictures = [_picture(source, size, stop) for source in sources]
    for number in range(frames):
        if stop.is_set():
            raise Stopped
        at = number / max(1, frames - 1)
        here = max((n for n, still in enumerate(stills) if still.at <= at), default=0)
        begin = min(stills[here].at, at)
        end = stills[here + 1].at if here + 1 < len(stills) else 1.0
        part = (at - begin) / (end - begin) if end > begin else 0.0
        seen = _zoomed(pictures[here], part)
        if here + 1 < len(stills) and part > 1 - FADE:
            weight = (part - (1 - FADE)) / FADE
            seen = (seen * (1 - weight) + pictures[here + 1] * weight).astype(np.uint8)
        yield VideoFrame.from_ndarray(seen, format="rgb24").reformat(format="yuv420p")


def _picture(source: Source, size: tuple[int, int], stop: Event) -> Picture:
    frame = next(steady(source, 0.0, 1, FPS, Fitter(source, *size), stop))
    return frame.to_ndarray(format="rgb24").astype(np.uint8)


def _zoomed(picture: Picture, part: float) -> Picture:
    """Return the picture, ``part`` of the way zoomed in and moved."""
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
    """Yield films one after another, each with the same share of the time."""
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
        return sound.faded(sound.own(_heard(clip.soundtrack), 0.0, samples, stop), samples)
    silence = sound.own(Source(Path(), True, 0, 0, None, 0.0, False), 0.0, samples, stop)
    style = list(STYLES)[hashlib.sha256(clip.text.encode()).digest()[5] % len(STYLES)]
    return sound.faded(sound.mixed(silence, sound.Mix(music=0.9, style=style)), samples)


def _heard(path: Path) -> Source:
    """Return a file that needs to have no picture."""
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path.name} has no sound")
        return Source(path, False, 0, 0, None, (container.start_time or 0) / av.time_base, True)


def seconds(path: Path) -> float:
    """Return how long a film is.

    :raises MediaError: if that cannot be told.
    """
    with opened(path) as container:
        if not container.streams.video or not container.duration:
            raise MediaError(f"{path.name} is no film")
        return container.duration / av.time_base


def enlarge(path: Path, factor: float, to: Path, stop: Event, fps: float | None = None) -> None:
    """Make a film larger; it stays as long as it is, and sounds as it did.

    :param fps: how many pictures per second it is to have, if not as many as it has.
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
    """Fill an MP4 up to a size with a box that players skip; the disk keeps no more than before."""
    room = size - path.stat().st_size
    if room < 16:
        return
    with path.open("r+b") as file:
        file.seek(0, 2)
        # A length of 1 says that the real one follows, in 64 bits.
        file.write((1).to_bytes(4, "big") + b"free" + room.to_bytes(8, "big"))
        file.truncate(size)
