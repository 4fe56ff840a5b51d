"""Measuring footage: its motion and its sound over time."""

from dataclasses import dataclass
from threading import Event

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media.source import Source, Stopped, opened

Floats = npt.NDArray[np.float64]
SMALL = (96, 54)
SOUND_RATE = 8000


@dataclass(frozen=True)
class Activity:
    """The activity in each ``step`` seconds of footage.

    :param motion: mean change of brightness from one sample to the next, 0 to 255.
    :param sound: root mean square of the samples, 0 to 1.
    """

    duration: float
    step: float
    motion: Floats
    sound: Floats


def measure(source: Source, step: float, stop: Event) -> Activity:
    """Decode a whole video once, and measure it."""
    motion, sound, end = _MotionMeter(step), _SoundMeter(step), 0.0
    with opened(source.path) as container:
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        # Coarse motion is enough, and skipping the frames that no other refers to saves half of the decoding.
        video.codec_context.skip_frame = "NONREF"
        audio = container.streams.audio[:1]
        for packet in container.demux(video, *audio):
            if stop.is_set():
                raise Stopped
            if packet.stream is video and packet.pts is not None and packet.time_base is not None:
                shown = float((packet.pts + (packet.duration or 0)) * packet.time_base) - source.origin
                end = max(end, shown)
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    motion.add(frame, source.origin)
                elif isinstance(frame, AudioFrame):
                    sound.add(frame, source.origin)
    bins = int(end / step + 1e-6)
    return Activity(end, step, _fit(motion.motion, bins), _fit(sound.energy(), bins))


def _fit(values: list[float], length: int) -> Floats:
    return np.asarray((values + [0.0] * length)[:length], dtype=np.float64)


class _MotionMeter:
    """Compares one picture per step with the previous one."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._before: npt.NDArray[np.int16] | None = None
        self.motion: list[float] = []

    def add(self, frame: VideoFrame, origin: float) -> None:
        time = (frame.time or 0.0) - origin
        samples_so_far = len(self.motion) + (self._before is not None)
        if time < samples_so_far * self._step - 1e-6:
            return
        small = frame.reformat(*SMALL, format="gray", interpolation="FAST_BILINEAR")
        seen = small.to_ndarray().astype(np.int16)
        if self._before is not None:
            change = float(np.abs(seen - self._before).mean())
            # A video with few frames per second has steps without a frame. The change is spread over them.
            passed = max(1, int(time / self._step + 1e-6) - len(self.motion))
            self.motion += [change / passed] * passed
        self._before = seen


class _SoundMeter:
    """Sums the sound's energy per step."""

    def __init__(self, step: float) -> None:
        self._bin = max(1, round(step * SOUND_RATE))
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
        self._squares: list[float] = []
        self._counts: list[int] = []

    def add(self, frame: AudioFrame, origin: float) -> None:
        time = (frame.time or 0.0) - origin
        index = max(0, int(time * SOUND_RATE)) // self._bin
        for piece in self._resampler.resample(frame):
            samples = piece.to_ndarray().ravel()
            while len(self._squares) <= index:
                self._squares.append(0.0)
                self._counts.append(0)
            self._squares[index] += float(np.square(samples, dtype=np.float64).sum())
            self._counts[index] += len(samples)

    def energy(self) -> list[float]:
        sums = zip(self._squares, self._counts, strict=True)
        return [(squares / count) ** 0.5 if count else 0.0 for squares, count in sums]
