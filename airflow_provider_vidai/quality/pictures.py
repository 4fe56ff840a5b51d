"""Black, single-coloured and frozen stretches of moving pictures."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any, NamedTuple

from airflow_provider_vidai.quality.filters import Chain, Step
from airflow_provider_vidai.quality.measurements import Collected, Picture

#: Pixels of the longer side of the picture that the filters see. A smaller picture is measured faster, and
#: the noise of a codec averages out in it.
SIDE = 320
#: A pixel is black up to this share of the range of brightness, and a frame with this share of such pixels.
#: Dark scenes are brighter in more than a few places.
BLACK_PIXEL, BLACK_PICTURE = 0.04, 0.98
#: A picture stands still while its mean difference from the one where the stillness began is at most this
#: share of the range, for at least this many seconds.
STILL_NOISE, STILL_SECONDS = 0.002, 0.2
#: It is still only if, in addition, most frames differ from the one before by less than this share of the
#: picture's own contrast: in a dark scene or in fog, motion changes the brightness by little.
STILL_CONTRAST = 0.0015
#: Seconds in which a codec refines a picture that has stopped moving, so that it does not count as still yet.
SETTLING = 0.5
#: Levels by which the parts of a picture of one colour may differ, because of the codec.
PLAIN_LEVELS = 8
#: Two frames belong to different shots if their pixels differ by this mean, and their brightness and colours
#: as a whole by this sum, both in levels of 255. A picture that goes on after it stood still may differ much
#: from the one before, but is still of the same place. A still between two cuts is a shot of its own.
CUT, OTHER_TONE = 18.0, 35.0
#: Frames whose change is remembered: freezedetect reports a still ``STILL_SECONDS`` after its first frame.
_REMEMBERED = 512

#: What describes a picture as a whole.
_TONE = ("YLOW", "YAVG", "YHIGH", "UAVG", "VAVG")

_STEPS: tuple[Step, ...] = (
    (
        "scale",
        f"w='if(gt(iw,ih),{SIDE},-2)':h='if(gt(iw,ih),-2,{SIDE})':flags=fast_bilinear:out_range=limited",
    ),
    ("format", "yuv420p"),
    ("blackdetect", f"d=0:pic_th={BLACK_PICTURE}:pix_th={BLACK_PIXEL}"),
    ("freezedetect", f"n={STILL_NOISE}:d={STILL_SECONDS}"),
    ("signalstats", ""),
)


class Pictures:
    """Takes the frames of a track of moving pictures, and says what was measured in them."""

    def __init__(self, track: Any) -> None:
        self._chain = Chain(track, _STEPS)
        self._rate = float(track.average_rate or track.guessed_rate or 25)
        self._frames = 0
        self._begin: float | None = None
        self._end = 0.0
        self._black = _Run()
        self._plain = _Run()
        self._frozen, self._stills = Collected(), Collected()
        self._still: _Still | None = None
        self._changes: deque[_Change] = deque(maxlen=_REMEMBERED)
        #: Seconds of black or single-coloured frames until now; a still of such frames is no frozen shot.
        self._empty = 0.0
        self._was_empty = False
        self._tone: list[float] = []
        self._empty_at: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def take(self, frame: Any) -> None:
        """Take the next frame."""
        self._frames += 1
        length = frame.duration * frame.time_base if frame.duration and frame.time_base else 0
        if frame.time is not None:
            self._end = max(self._end, frame.time + float(length or 1 / self._rate))
        self._filtered(frame)

    def picture(self) -> Picture:
        """Return what was measured; to be called once, after the last frame."""
        self._filtered(None)
        begin, end = self._begin or 0.0, self._end
        for run in (self._black, self._plain):
            run.take(end, False)
        if self._still is not None:
            self._close_still(end, cut=True, last=True)
        return Picture(
            seconds=round(max(end - begin, 0.0), 3),
            frames=self._frames,
            black=self._black.found.stretches(),
            plain=self._plain.found.stretches(),
            frozen=self._frozen.stretches(),
            stills=self._stills.stretches(),
        )

    def close(self) -> None:
        """Free the filters."""
        self._chain.close()

    def _filtered(self, frame: Any) -> None:
        for moment, said in self._chain.push(frame):
            if self._begin is None:
                self._begin = moment
                for run in (self._black, self._plain):
                    run.begin = moment
            self._judge(moment, said)

    def _judge(self, moment: float, said: dict[str, float]) -> None:
        was_black = self._black.is_open
        # blackdetect marks only the first frame of a black stretch, and the first one after it.
        black = "black_start" in said or (was_black and "black_end" not in said)
        plain = _is_plain(said)
        previous = self._empty_at[-1][0] if self._empty_at else moment
        if self._was_empty:
            self._empty += max(moment - previous, 0.0)
        self._was_empty = black or plain
        self._empty_at.append((moment, self._empty))
        tone = [said.get(f"signalstats.{name}", 0.0) for name in _TONE]
        change = sum(abs(one - other) for one, other in zip(tone, self._tone or tone, strict=True))
        self._tone = tone
        contrast = max(tone[2] - tone[0], 1.0)
        self._changes.append(_Change(moment, said.get("signalstats.YDIF", 0.0), contrast, change))
        self._black.take(moment, black)
        self._plain.take(moment, plain and not black)
        if "freezedetect.freeze_start" in said:
            start = said["freezedetect.freeze_start"]
            cut = self._is_cut(start - SETTLING, start)
            self._still = _Still(start, cut, self._empty_until(start))
        if "freezedetect.freeze_end" in said and self._still is not None:
            self._close_still(moment, cut=self._is_cut(moment, moment))

    def _close_still(self, end: float, *, cut: bool, last: bool = False) -> None:
        still, self._still = self._still, None
        assert still is not None
        begin = self._begin or 0.0
        length = end - still.start
        empty = self._empty + (end - self._empty_at[-1][0] if last and self._was_empty else 0.0)
        # What is mostly black or of one colour is reported as that, and what moves a little is no still.
        if length <= 0 or empty - still.empty > length / 2 or self._moves(still.start, end):
            return
        at_start = still.start <= begin + SETTLING
        own_shot = (at_start or still.after_cut) and cut
        (self._stills if own_shot else self._frozen).add(still.start - begin, end - begin)

    def _is_cut(self, first: float, last: float) -> bool:
        near = (one for one in self._changes if first - 1e-3 <= one.at <= last + 1e-3)
        return any(one.brightness >= CUT and one.tone >= OTHER_TONE for one in near)

    def _moves(self, start: float, end: float) -> bool:
        within = [one for one in self._changes if start + 1e-3 < one.at < end - 1e-3]
        return bool(within) and median(one.brightness / one.contrast for one in within) > STILL_CONTRAST

    def _empty_until(self, moment: float) -> float:
        return max((empty for at, empty in self._empty_at if at <= moment + 1e-3), default=0.0)


def _is_plain(said: dict[str, float]) -> bool:
    return "signalstats.YMAX" in said and all(
        said[f"signalstats.{plane}MAX"] - said[f"signalstats.{plane}MIN"] <= PLAIN_LEVELS for plane in "YUV"
    )


class _Change(NamedTuple):
    """How a frame differs from the one before, in levels of 255.

    :param contrast: how much brightness differs within the frame.
    :param tone: how much the brightness and the colours as a whole differ from the frame before.
    """

    at: float
    brightness: float
    contrast: float
    tone: float


class _Still:
    """A stretch without motion that has not ended yet."""

    def __init__(self, start: float, after_cut: bool, empty: float) -> None:
        self.start, self.after_cut, self.empty = start, after_cut, empty


class _Run:
    """Neighbouring frames of one kind."""

    def __init__(self) -> None:
        self.found = Collected()
        self.begin = 0.0
        self._start: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last frame was of the kind."""
        return self._start is not None

    def take(self, moment: float, one: bool) -> None:
        """Take a frame that begins at ``moment``."""
        if one and self._start is None:
            self._start = moment
        elif not one and self._start is not None:
            self.found.add(self._start - self.begin, moment - self.begin)
            self._start = None
