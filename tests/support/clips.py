"""Clips with known faults, as pictures and sound that are encoded on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.media.music import RATE

WIDTH, HEIGHT, FPS = 160, 96, 25
Pictures = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]


def moving(seconds: float) -> Pictures:
    """Return pictures (YUV 4:2:0, one below the other) of a bright pattern that moves evenly."""
    across, down = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    pictures = np.full((round(seconds * FPS), HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    for number, picture in enumerate(pictures):
        picture[:HEIGHT] = 125 + 50 * np.sin((across + 2 * number) / 9) + 40 * np.cos(down / 7)
    return pictures


def still(shade: int = 90) -> Pictures:
    """Return one picture: a title card."""
    picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    picture[:HEIGHT] = shade
    picture[30:40, 20:140] = picture[50:60, 20:100] = 225
    return picture


def black(picture: Pictures) -> None:
    """Make pictures black."""
    picture[..., :HEIGHT, :] = 16


def tone(seconds: float, level: float = 0.2, hertz: float = 1000.0) -> Samples:
    """Return a tone in stereo."""
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave]).astype(np.float32)


def written(path: Path, pictures: Pictures, sound: Samples | None = None) -> Path:
    """Write a clip."""
    frames = (av.VideoFrame.from_ndarray(picture, format="yuv420p") for picture in pictures)
    encode(path, frames, None if sound is None else _blocks(sound), Fraction(FPS), (WIDTH, HEIGHT))
    return path


def _blocks(sound: Samples) -> Iterator[Samples]:
    for at in range(0, sound.shape[1], 1024):
        yield np.ascontiguousarray(sound[:, at : at + 1024])
