"""Small media made on the spot; what they hold is known exactly.

Encoding is what tests spend most of their time on, so each video is encoded once per process and copied.
"""

from __future__ import annotations

import functools
import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CODECS = {".mp4": "libx264", ".mkv": "libx264", ".mov": "libx264", ".webm": "libvpx", ".avi": "mpeg4"}
#: The defaults of x264 and AAC search for small and faithful files, which costs tests several times as much.
X264 = {"preset": "ultrafast"}
AAC = {"aac_coder": "fast", "flags": "+qscale", "global_quality": "118", "aac_tns": "0", "aac_pns": "0"}
#: Rows and columns of a talk's pictures: coarse noise is cheap to encode and to decode.
CELLS = (9, 16)
TALK_FPS, TALK_RATE = 10, 16_000


def video(
    path: Path, *, seconds: float = 1.0, size: tuple[int, int] = (64, 48), fps: int = 10, title: str = ""
) -> Path:
    """Write a video of noise in the container that the name says."""
    path.write_bytes(_video(path.suffix, seconds, size, fps, title))
    return path


@functools.cache
def _video(suffix: str, seconds: float, size: tuple[int, int], fps: int, title: str) -> bytes:
    random = np.random.default_rng(1)
    content = io.BytesIO()
    with av.open(content, "w", format={".mkv": "matroska"}.get(suffix, suffix[1:])) as container:
        if title:
            container.metadata["title"] = title
        codec = CODECS[suffix]
        stream = container.add_stream(codec, rate=fps, options=X264 if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(round(seconds * fps)):
            picture = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()


def sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a WAV file."""
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
    """Write an MP4 that moves and sounds more and more from each tenth of it to the next.

    :param quiet: without sound.
    """
    path.write_bytes(_talk(seconds, quiet, size))
    return path


@functools.cache
def _talk(seconds: float, quiet: bool, size: tuple[int, int]) -> bytes:
    random = np.random.default_rng(2)
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(size[::-1], CELLS, strict=True))
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=TALK_FPS, options=X264)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        audio = None if quiet else container.add_stream("aac", rate=TALK_RATE, layout="mono", options=AAC)
        for number in range(round(seconds * TALK_FPS)):
            level = int(1 + 10 * number / (seconds * TALK_FPS))
            cells = random.integers(0, 25 * level, (*CELLS, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(cells[rows][:, columns], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, TALK_FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            time = np.arange(round(seconds * TALK_RATE)) / TALK_RATE
            loudness = np.floor(1 + 10 * time / seconds) / 12
            samples = (loudness * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None, :]
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = TALK_RATE, 0, Fraction(1, TALK_RATE)
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return content.getvalue()
