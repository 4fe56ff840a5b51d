"""Background music: short synthesised loops, one style per category."""

import functools
import io
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 48_000
BARS = 4
BEATS = 4 * BARS
Samples = npt.NDArray[np.float32]
LOUDNESS = 0.12
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


@dataclass(frozen=True)
class Style:
    """The sound of a category.

    :param track: the loop's file name.
    :param root: its key's frequency in Hz.
    :param chords: four, each as semitones above the root and its three notes.
    :param brightness: 0 (pure tones) to 1 (buzzing).
    :param drums: 0 to 1.
    :param arpeggio: notes per beat.
    """

    track: str
    bpm: int
    root: float
    chords: tuple[tuple[int, tuple[int, int, int]], ...]
    brightness: float
    drums: float
    arpeggio: int


STYLES = {
    "corporate": Style(
        "clear-forward-204417", 112, 261.6, ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)), 0.3, 0.4, 2
    ),
    "romantic": Style(
        "slow-lanterns-118822", 72, 220.0, ((0, MAJOR), (9, MINOR), (5, MAJOR), (7, MAJOR)), 0.1, 0.0, 1
    ),
    "sports": Style(
        "running-night-393139", 140, 164.8, ((0, MINOR), (8, MAJOR), (3, MAJOR), (10, MAJOR)), 0.9, 1.0, 4
    ),
    "kids_and_comedy": Style(
        "paper-boats-551270", 126, 329.6, ((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)), 0.2, 0.5, 2
    ),
    "ambient_and_nature": Style(
        "moss-and-mist-660031", 60, 196.0, ((0, MAJOR), (5, MAJOR), (2, MINOR), (5, MAJOR)), 0.0, 0.0, 1
    ),
    "horror_and_suspense": Style(
        "the-long-hall-913777", 66, 110.0, ((0, MINOR), (1, MINOR), (0, MINOR), (6, MINOR)), 0.7, 0.2, 1
    ),
    "documentary": Style(
        "wide-horizon-342906", 88, 146.8, ((0, MINOR), (5, MINOR), (8, MAJOR), (7, MAJOR)), 0.4, 0.2, 2
    ),
    "trending_vlogs": Style(
        "rooftop-bounce-787254", 104, 233.1, ((0, MAJOR), (9, MINOR), (2, MINOR), (7, MAJOR)), 0.6, 0.8, 2
    ),
}


@functools.cache
def bed(category: str) -> Samples:
    """Return a category's loop: stereo, shape (2, samples) at 48 kHz."""
    style = STYLES[category]
    beat = round(RATE * 60 / style.bpm)
    mix = np.zeros((2, beat * BEATS))
    for bar, (step, notes) in enumerate(style.chords):
        for note in notes:
            _add(mix, bar * 4 * beat, _tone(style, step + note, 4 * beat, fade=0.3) * 0.25)
        for number in range(4 * style.arpeggio):
            note = notes[number % 3] + 12
            at = bar * 4 * beat + number * beat // style.arpeggio
            pan = 0.35 + 0.3 * (number % 2)
            _add(mix, at, _tone(style, step + note, beat // style.arpeggio, fade=0.9) * 0.3, pan)
    if style.drums:
        for number in range(BEATS * 2):
            _add(mix, number * beat // 2, (_hat(beat // 4) if number % 2 else _kick(beat // 2)) * style.drums)
    mix *= LOUDNESS / np.sqrt(np.mean(mix**2))
    return mix.astype(np.float32)


def _add(mix: npt.NDArray[np.float64], at: int, sound: npt.NDArray[np.float64], pan: float = 0.5) -> None:
    mix[0, at : at + len(sound)] += sound * (1 - pan) * 2
    mix[1, at : at + len(sound)] += sound * pan * 2


def _tone(style: Style, semitones: int, length: int, fade: float) -> npt.NDArray[np.float64]:
    """Return a note with overtones that starts at full level and fades by ``fade`` of it."""
    phase = np.arange(length) * (2 * np.pi * style.root * 2 ** (semitones / 12) / RATE)
    wave_form = sum(np.sin(phase * n) * style.brightness ** (n - 1) / n for n in range(1, 6))
    shape = 1 - fade * np.linspace(0, 1, length)
    ramp = min(length // 2, RATE // 100)
    shape[:ramp] *= np.linspace(0, 1, ramp)
    shape[-ramp:] *= np.linspace(1, 0, ramp)
    return np.asarray(wave_form * shape)


def _kick(length: int) -> npt.NDArray[np.float64]:
    time = np.arange(length) / RATE
    return np.asarray(np.sin(2 * np.pi * (50 * time + 6 * (1 - np.exp(-30 * time)))) * np.exp(-14 * time))


def _hat(length: int) -> npt.NDArray[np.float64]:
    noise = np.diff(np.random.default_rng(1).normal(size=length + 1))
    return np.asarray(0.12 * noise * np.exp(-80 * np.arange(length) / RATE))


def wav(category: str) -> bytes:
    """Return a category's loop as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(bed(category).T, -1, 1) * 32767).astype("<i2").tobytes())
    return content.getvalue()
