"""Small media made on the spot; what they hold is known exactly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def film(
    path: Path, *, seconds: float = 1.0, size: tuple[int, int] = (64, 48), fps: int = 10, title: str = ""
) -> Path:
    """Write a film of noise in the container that the name says."""
    codec = {".mp4": "libx264", ".mkv": "libx264", ".mov": "libx264", ".webm": "libvpx", ".avi": "mpeg4"}
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec[path.suffix], rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(round(seconds * fps)):
            picture = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a WAV file."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * round(8000 * seconds))
    return path


def picture(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a picture in the format that the name says."""
    from PIL import Image

    image = Image.new("RGB", size, (200, 30, 30))
    if path.suffix == ".gif":
        image.save(path, save_all=True, append_images=[Image.new("RGB", size)], duration=100)
    else:
        image.save(path)
    return path


def talk(path: Path, seconds: float, *, quiet: bool = False, size: tuple[int, int] = (64, 36)) -> Path:
    """Write a film that moves and sounds more and more from each tenth of it to the next.

    :param quiet: without sound.
    """
    random = np.random.default_rng(2)
    fps, rate = 10, 16_000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        audio = None if quiet else container.add_stream("aac", rate=rate, layout="mono")
        for number in range(round(seconds * fps)):
            level = int(1 + 10 * number / (seconds * fps))
            picture = random.integers(0, 25 * level, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            time = np.arange(round(seconds * rate)) / rate
            loudness = np.floor(1 + 10 * time / seconds) / 12
            wave = (loudness * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None, :]
            block = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path
