"""Videos and pictures made for tests: what they show and sound like is known exactly."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Draw = Callable[[float], Picture]
Tone = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def flat(size: tuple[int, int], level: int = 40) -> Picture:
    return np.full((size[1], size[0], 3), level, dtype=np.uint8)


def circle(size: tuple[int, int], aspect: float = 1.0, radius: float = 0.25) -> Picture:
    """A white circle in the middle, round when pixels are shown ``aspect`` times as wide as high."""
    y, x = np.mgrid[: size[1], : size[0]]
    across, down = (x - size[0] / 2 + 0.5) * aspect, y - size[1] / 2 + 0.5
    picture = flat(size)
    picture[np.hypot(across, down) < radius * size[1]] = 255
    return picture


def noise(size: tuple[int, int], seed: int) -> Picture:
    """Coarse noise, different for each seed: a lot of motion."""
    cells = np.random.default_rng(seed).integers(0, 255, (9, 16, 1), dtype=np.uint8)
    rows, columns = np.arange(size[1]) * 9 // size[1], np.arange(size[0]) * 16 // size[0]
    return np.repeat(cells[rows][:, columns], 3, axis=2)


def numbered(number: int) -> Picture:
    """A small picture that carries a number: eight blocks, black or white."""
    bits = [255 * (number >> bit & 1) for bit in range(8)]
    return np.repeat(np.repeat(np.array(bits, dtype=np.uint8), 8)[None, :, None], 36, axis=0).repeat(
        3, axis=2
    )


def number_of(picture: Picture) -> int:
    """Read the number that a picture carries."""
    return sum((picture[18, 4 + 8 * bit, 0] > 127) << bit for bit in range(8))


def moving_between(first: float, last: float, size: tuple[int, int] = (320, 180)) -> Draw:
    """A still picture that bursts into motion for a while."""

    def draw(time: float) -> Picture:
        return noise(size, int(time * 25)) if first <= time < last else flat(size)

    return draw


def sine(level: float, hertz: float = 440.0, first: float = 0.0, last: float = 1e9) -> Tone:
    """A tone of the given amplitude, silent outside of its time."""

    def tone(time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return level * np.sin(2 * np.pi * hertz * time) * ((time >= first) & (time < last))

    return tone


def video(
    path: Path,
    seconds: float,
    draw: Draw | None = None,
    tone: Tone | None = None,
    *,
    size: tuple[int, int] = (320, 180),
    fps: int | Fraction = 25,
    rate: int = 48_000,
    pixel_aspect: Fraction | None = None,
    codec: str = "libx264",
    preset: str = "ultrafast",
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; without ``tone`` it has no sound at all."""
    draw = draw or (lambda time: flat(size))
    quick = {"preset": preset, "crf": "18"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=Fraction(fps), options=quick)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.sample_aspect_ratio = pixel_aspect or Fraction(1)
        audio = container.add_stream("aac", rate=rate, layout="stereo") if tone else None
        for number in range(round(seconds * fps)):
            picture = av.VideoFrame.from_ndarray(draw(float(number / Fraction(fps))), format="rgb24")
            picture.pts, picture.time_base = number, 1 / Fraction(fps)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio and tone:
            samples = tone(np.arange(round(seconds * rate)) / rate).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    return path


def still(path: Path, picture: Picture) -> Path:
    """Write a picture as the kind of image that its name says."""
    codec = {".png": "png", ".jpg": "mjpeg"}[path.suffix]
    context: Any = av.CodecContext.create(codec, "w")  # a video codec's, which the stubs don't know
    pixels = "rgb24" if codec == "png" else "yuvj420p"
    context.width, context.height, context.pix_fmt = picture.shape[1], picture.shape[0], pixels
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
    return path


def pictures(path: Path) -> list[Picture]:
    """Decode a whole video."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def sound(path: Path) -> npt.NDArray[np.float32]:
    """Decode a whole video's sound: (2, samples)."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def loudness(samples: npt.NDArray[np.float32]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
