"""Songs: composing, reading, separating, and writing as MP3 or WAV."""

import hashlib
import itertools
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from airflow_provider_vidai.sandbox.media import music, sound
from airflow_provider_vidai.sandbox.media.music import RATE, STYLES, Samples
from airflow_provider_vidai.sandbox.media.source import MediaError, Source, opened

BLOCK = 1152 * 8
CODECS = {".mp3": ("libmp3lame", "fltp"), ".wav": ("pcm_s16le", "s16")}
#: The frequencies of voices, in Hz.
VOICE = (180.0, 4000.0)
#: A part that is quieter than this counts as empty.
SILENCE = 1e-4


def composed(text: str, seconds: float, voice: bool) -> Samples:
    """Return music that is derived from the text, with a hummed tune if a voice is wanted."""
    seed = hashlib.sha256(text.encode()).digest()
    bed = music.bed(list(STYLES)[seed[0] % len(STYLES)])
    count = max(1, round(seconds * RATE))
    song = bed[:, np.arange(count) % bed.shape[1]]
    if voice:
        song = song + _humming(seed, count)
    return _faded(song)


def _humming(seed: bytes, count: int) -> Samples:
    """Return a centred voice: a note every half second, with vibrato and two overtones."""
    time = np.arange(count) / RATE
    scale = np.array([0, 2, 4, 7, 9, 12])
    steps = scale[np.frombuffer(seed, dtype=np.uint8)[(time * 2).astype(int) % len(seed)] % len(scale)]
    pitch = 220.0 * 2 ** (steps / 12) * (1 + 0.006 * np.sin(2 * np.pi * 5.5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    breath = np.sin(np.pi * ((time * 2) % 1)) ** 0.5
    voice = (np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)) * breath * 0.12
    return np.stack([voice, voice]).astype(np.float32)


def _faded(song: npt.NDArray[np.floating]) -> Samples:
    ramp = min(song.shape[1] // 2, RATE)
    shape = np.ones(song.shape[1], dtype=np.float32)
    shape[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    shape[-ramp:] *= np.linspace(1, 0, ramp, dtype=np.float32)
    return np.asarray(np.clip(song * shape, -0.98, 0.98), dtype=np.float32)


def read(path: Path, stop: Event) -> Samples:
    """Return the whole sound of a file.

    :raises MediaError: if it has none.
    """
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path.name} has no sound")
        length = (container.duration or 0) / av.time_base
        source = Source(path, False, 0, 0, None, (container.start_time or 0) / av.time_base, True)
    if length <= 0:
        raise MediaError(f"{path.name} does not state its length")
    return np.concatenate(list(sound.own(source, 0.0, round(length * RATE), stop)), axis=1)


def seconds(song: Samples) -> float:
    """Return how long a song is."""
    return float(song.shape[1] / RATE)


def mixed(one: Samples, other: Samples) -> Samples:
    """Return two songs mixed, as long as the first."""
    other = other[:, np.arange(one.shape[1]) % other.shape[1]]
    return np.asarray(np.clip(one + other, -0.98, 0.98), dtype=np.float32)


def joined(*parts: Samples) -> Samples:
    """Return songs one after another."""
    return np.concatenate(parts, axis=1)


def voice_apart(song: Samples) -> tuple[Samples, Samples]:
    """Return the centred sound at the frequencies of voices, and the rest; their sum is the song."""
    middle = song.mean(axis=0, keepdims=True).repeat(2, axis=0)
    voice = _bands(middle, (VOICE,))[0]
    return voice, (song - voice).astype(np.float32)


def parts(song: Samples, count: int) -> list[Samples]:
    """Return the song divided into ``count`` frequency bands, low to high; their sum is the song."""
    edges = [0.0, *np.geomspace(60.0, 16_000.0, count - 1).tolist(), float(RATE)]
    return _bands(song, tuple(itertools.pairwise(edges)))


def is_silent(song: Samples) -> bool:
    """Return whether the song is silent."""
    return float(np.sqrt(np.mean(song**2))) < SILENCE


def _bands(song: Samples, bands: tuple[tuple[float, float], ...]) -> list[Samples]:
    spectrum = np.fft.rfft(song, axis=1)
    pitch = np.fft.rfftfreq(song.shape[1], 1 / RATE)
    inside = [(pitch >= low) & (pitch < high) for low, high in bands]
    return [np.fft.irfft(spectrum * one, song.shape[1], axis=1).astype(np.float32) for one in inside]


def write(song: Samples, path: Path) -> None:
    """Write a song in the format of the file's suffix."""
    codec, samples = CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        assert isinstance(stream, AudioStream)
        stream.layout = "stereo"
        for at in range(0, song.shape[1], BLOCK):
            block = np.ascontiguousarray(song[:, at : at + BLOCK])
            if samples == "s16":
                block = np.ascontiguousarray((block.T * 32767).astype(np.int16).reshape(1, -1))
            frame = AudioFrame.from_ndarray(block, format=samples, layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
