"""Measures a file in one decoding, as a stream and in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from airflow_provider_vidai.errors import TransferError
from airflow_provider_vidai.files.probe import Media, opened, picture_tracks, probe
from airflow_provider_vidai.files.storage import Source, shown_name, source
from airflow_provider_vidai.quality.measurements import Collected, Measurements
from airflow_provider_vidai.quality.pictures import Pictures
from airflow_provider_vidai.quality.sounds import Sounds

#: Two faults that are closer than this, in seconds, are one stretch of damaged data.
_ONE_FAULT = 1.0


def measure(path: str) -> Measurements:
    """Decode the file at ``path`` once, and return what is measured in it.

    A damaged file is no error: how far it could be decoded is one of the measurements.

    :raises InputError: when there is no such file.
    :raises TransferError: when its storage could not be read.
    """
    file = source(path)
    try:
        return _measured(file)
    except OSError as error:  # FFmpeg's own errors are caught where they arise
        raise TransferError(f"Checking {shown_name(path)} failed: {error}.") from error


def _measured(file: Source) -> Measurements:
    try:
        with file.open() as content:
            media = probe(content)
    except ValueError as error:
        return Measurements(kind="other", bytes=file.size, fault=str(error))
    if media.kind == "image":
        return Measurements(kind="other", bytes=file.size, fault="it is a picture")
    faults = Faults()
    with file.open() as content, opened(content) as container, contextlib.ExitStack() as stack:
        tracks = picture_tracks(container)[:1]
        pictures = stack.enter_context(contextlib.closing(Pictures(tracks[0]))) if tracks else None
        audio = container.streams.audio[:1]
        sounds = stack.enter_context(contextlib.closing(Sounds(audio[0]))) if audio else None
        for kind, frame in _frames(container, [*tracks, *audio], faults):
            found: Any = pictures if kind == "video" else sounds
            found.take(frame)
        return Measurements(
            kind="video" if pictures else "audio",
            bytes=file.size,
            stated=media.duration,
            picture=_picture(pictures, media),
            sound=sounds.sound() if sounds else None,
            faults=faults.stretches(),
            fault=faults.first,
        )


def _picture(pictures: Pictures | None, media: Media) -> Any:
    if pictures is None:
        return None
    shown = {"width": media.display_width, "height": media.display_height, "fps": media.fps}
    return pictures.picture().model_copy(update=shown)


def _frames(container: Any, tracks: list[Any], faults: Faults) -> Iterator[tuple[str, Any]]:
    """Yield all frames that can be decoded; damaged data is noted, and decoding goes on after it."""
    import av

    for track in tracks:
        track.thread_type = "AUTO"
    packets = container.demux(tracks)
    while True:
        try:
            packet = next(packets, None)
        # The container itself cannot be read any further. A packet that cannot be decoded, below, is skipped.
        except av.FFmpegError as error:
            faults.add(faults.last, error)
            return
        if packet is None:
            return
        moment = _moment(packet, faults.last)
        if packet.is_corrupt:
            faults.add(moment, "a cut packet")
        try:
            decoded = packet.decode()
        except av.FFmpegError as error:
            faults.add(moment, error)
            continue
        faults.last = max(faults.last, moment)
        for frame in decoded:
            if frame.is_corrupt:
                faults.add(moment, "a damaged frame")
            yield packet.stream.type, frame


def _moment(packet: Any, last: float) -> float:
    if packet.pts is None or packet.time_base is None:
        return last
    return max(float((packet.pts - (packet.stream.start_time or 0)) * packet.time_base), 0.0)


class Faults:
    """Where decoding met damaged data."""

    def __init__(self) -> None:
        self.last = 0.0
        self.first: str | None = None
        self._found = Collected()
        self._open: tuple[float, float] | None = None

    def add(self, moment: float, why: object) -> None:
        """Add a place; neighbours become one stretch."""
        self.first = self.first or str(getattr(why, "strerror", None) or why)
        if self._open and abs(moment - self._open[1]) <= _ONE_FAULT:
            self._open = (min(self._open[0], moment), max(self._open[1], moment))
            return
        if self._open:
            self._found.add(*self._open)
        self._open = (moment, moment)

    def stretches(self) -> Any:
        """Return all places."""
        if self._open:
            self._found.add(*self._open)
            self._open = None
        return self._found.stretches()
