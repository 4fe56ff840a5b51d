"""Sound: a segment's own, the background music, and their mix."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

import numpy as np
from av.audio.resampler import AudioResampler

from airflow_provider_vidai.sandbox.media import music
from airflow_provider_vidai.sandbox.media.music import RATE, Samples
from airflow_provider_vidai.sandbox.media.source import Source, sounds

BLOCK = RATE // 5
#: Louder samples than the knee are compressed towards the ceiling, never clipped.
KNEE, CEILING = 0.7, 0.9
#: Segments start and end with a fade of 10 ms, so that the joints do not click.
FADE = RATE // 100


@dataclass(frozen=True)
class Mix:
    """The levels of the footage's own sound and of the music, 0 to 1, and the music's style, if any."""

    original: float = 1.0
    music: float = 1.0
    style: str | None = None


def own(source: Source, start: float, samples: int, stop: Event) -> Iterator[Samples]:
    """Yield a segment's sound as (2, n) blocks, ``samples`` in total; missing sound is silence."""
    given = 0
    if source.has_sound and not source.still:
        for block in _decoded(source, start, stop):
            block = block[:, : samples - given]
            given += block.shape[1]
            yield block
            if given >= samples:
                return
    while given < samples:
        silence = np.zeros((2, min(BLOCK, samples - given)), dtype=np.float32)
        given += silence.shape[1]
        yield silence


def _decoded(source: Source, start: float, stop: Event) -> Iterator[Samples]:
    """Yield the sound from exactly ``start`` on."""
    resampler = AudioResampler(format="fltp", layout="stereo", rate=RATE)
    ahead: int | None = None  # samples before the start; negative if the sound starts later
    for time, frame in sounds(source, start, stop):
        if ahead is None:
            ahead = round((start - time) * RATE)
            if ahead < 0:
                yield np.zeros((2, -ahead), dtype=np.float32)
                ahead = 0
        for piece in resampler.resample(frame):
            block = piece.to_ndarray()[:, ahead:].astype(np.float32)
            ahead = max(0, ahead - piece.samples)
            if block.shape[1]:
                yield block


def faded(blocks: Iterator[Samples], samples: int) -> Iterator[Samples]:
    """Fade a segment's sound in and out."""
    at = 0
    for block in blocks:
        position = np.arange(at, at + block.shape[1])
        at += block.shape[1]
        level = np.minimum(position, samples - 1 - position) / FADE
        yield (block * np.clip(level, 0, 1)).astype(np.float32)


def mixed(blocks: Iterator[Samples], mix: Mix) -> Iterator[Samples]:
    """Mix the sound with the music."""
    bed = music.bed(mix.style) if mix.style else None
    at = 0
    for block in blocks:
        total = block * np.float32(mix.original)
        if bed is not None:
            total = total + bed[:, np.arange(at, at + block.shape[1]) % bed.shape[1]] * np.float32(mix.music)
        at += block.shape[1]
        yield _limited(total)


def _limited(samples: Samples) -> Samples:
    over = np.abs(samples) > KNEE
    if over.any():
        room = CEILING - KNEE
        bent = KNEE + room * np.tanh((np.abs(samples) - KNEE) / room)
        samples = np.where(over, np.sign(samples) * bent, samples)
    return samples.astype(np.float32)
