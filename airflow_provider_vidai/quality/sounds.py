"""Silence, clipping and loudness of a track of sound."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from airflow_provider_vidai.quality.filters import Chain, Step
from airflow_provider_vidai.quality.measurements import Collected, Sound, Stretch

#: Sound below this level is silence. The lowest tones are taken out before, because a hum that is all there
#: is to hear counts as silence too.
SILENCE_DB, HUM_HERTZ, SILENCE_SECONDS = -60, 300, 0.5
#: A part of the sound is clipped when at least this share of its samples is within this many dB of the
#: format's limit. A lossy codec moves clipped samples by about as much, in both directions.
CLIPPED_SHARE, NEAR_LIMIT_DB = 0.02, 0.8
#: How far below the limit, in dB, a sample may be to count as at the limit.
LIMIT_DB = -0.1
#: Clipped parts that are closer than this, in seconds, make one stretch.
_ONE_STRETCH = 0.1

_SILENCE: tuple[Step, ...] = (
    ("highpass", f"f={HUM_HERTZ}"),
    ("highpass", f"f={HUM_HERTZ}"),
    ("silencedetect", f"noise={SILENCE_DB}dB:d={SILENCE_SECONDS}"),
)
#: What is near the limit is raised over it, and whole numbers cut it off there: it then has one value.
_CLIPPING: tuple[Step, ...] = (
    ("volume", f"{NEAR_LIMIT_DB}dB"),
    ("aformat", "sample_fmts=s16"),
    (
        "astats",
        "metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level+Peak_count+Number_of_samples",
    ),
)
_LOUDNESS: tuple[Step, ...] = (("ebur128", "metadata=1:peak=true:framelog=quiet"),)


class Sounds:
    """Takes the frames of a track of sound, and says what was measured in them."""

    def __init__(self, track: Any) -> None:
        self._silence, self._clipping, self._loudness = self._chains = [
            Chain(track, steps) for steps in (_SILENCE, _CLIPPING, _LOUDNESS)
        ]
        self._begin: float | None = None
        self._end = 0.0
        self._silent, self._clipped = Collected(), Collected()
        self._silent_since: float | None = None
        self._clip: Stretch | None = None
        self._latest: dict[str, float] = {}

    def take(self, frame: Any) -> None:
        """Take the next frame."""
        if frame.time is not None:
            self._begin = frame.time if self._begin is None else self._begin
            self._end = max(self._end, frame.time + frame.samples / frame.sample_rate)
        self._filtered(frame)

    def sound(self) -> Sound:
        """Return what was measured; to be called once, after the last frame."""
        self._filtered(None)
        length = max(self._end - (self._begin or 0.0), 0.0)
        if self._silent_since is not None:
            self._silent.add(self._silent_since, length)
        self._take_clip(None)
        peak = self._latest.get("r128.true_peak", 0.0)
        loudness = self._latest.get("r128.I", -70.0)
        return Sound(
            seconds=round(length, 3),
            silent=self._silent.stretches(),
            clipped=self._clipped.stretches(),
            # -70 LUFS is where the measurement's own gate begins: it is silence.
            loudness=round(loudness, 1) if loudness > -70 else None,
            true_peak=round(20 * math.log10(peak), 1) if peak > 0 else None,
        )

    def close(self) -> None:
        """Free the filters."""
        for chain in self._chains:
            chain.close()

    def _filtered(self, frame: Any) -> None:
        begin = self._begin or 0.0
        for _, said in self._silence.push(frame):
            self._take_silence(said, begin)
        for moment, said in self._clipping.push(frame):
            count = said.get("astats.Overall.Number_of_samples", 0.0)
            limit = said.get("astats.Overall.Peak_level", -math.inf) >= LIMIT_DB
            if limit and count and said["astats.Overall.Peak_count"] >= CLIPPED_SHARE * count:
                rate = frame.sample_rate if frame is not None else 48_000
                self._take_clip(Stretch(moment - begin, moment - begin + count / rate))
        for _, said in self._loudness.push(frame):
            self._latest.update(said)

    def _take_silence(self, said: dict[str, float], begin: float) -> None:
        if "silence_end" in said and self._silent_since is not None:
            self._silent.add(self._silent_since, said["silence_end"] - begin)
            self._silent_since = None
        if "silence_start" in said:
            self._silent_since = max(said["silence_start"] - begin, 0.0)

    def _take_clip(self, part: Stretch | None) -> None:
        if self._clip and part and part.start - self._clip.end <= _ONE_STRETCH:
            self._clip = Stretch(self._clip.start, part.end)
            return
        if self._clip:
            with contextlib.suppress(ValueError):
                self._clipped.add(*self._clip)
        self._clip = part
