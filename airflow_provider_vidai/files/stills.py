"""Stills of a landed video: a poster and a contact sheet, as JPEGs beside it.

They are made once, on the worker that landed the video. A page that shows hundreds of videos then loads
pictures of a few kilobytes, and the API server, which serves it, decodes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import ObjectStoragePath

from airflow_provider_vidai.files.probe import opened, picture_tracks
from airflow_provider_vidai.files.storage import location, reading, shown_name, storage_path, write_whole
from airflow_provider_vidai.jobs.media_record import Still

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

log = logging.getLogger(__name__)

#: The folder beside a landed file that holds its stills. The name is hidden, so that a program which takes
#: all videos or pictures of the folder does not take these.
FOLDER = ".vidai-stills"
#: Frames of a contact sheet, and its columns.
FRAMES, COLUMNS = 8, 4
#: Pixels of the longer side of a poster, and of one frame of a contact sheet.
POSTER_SIDE, SHEET_SIDE = 640, 320
#: Seconds that making the stills of one video may take, and frames that may be decoded for one of them. A
#: codec that is slow to decode must not keep a worker that has already landed the file.
SECONDS, DECODED = 20.0, 400
#: The longest gap between two key frames, in seconds, that is decoded to reach a moment exactly.
_GAP = 6.0


def make_stills(landed: str, duration: float | None = None) -> dict[str, Still]:
    """Make the poster and the contact sheet of a landed video; return those that could be made.

    Nothing that goes wrong here may fail the task: the video itself is landed.

    :param landed: the ``path`` of the landed file.
    :param duration: its length in seconds, where it is known better than by the file's header.
    """
    until = time.monotonic() + SECONDS
    try:
        path = storage_path(landed)
        with reading(path) as file, opened(file) as container:
            frames = list(_spread(container, duration, until))
        if not frames:
            return {}
        return {
            "poster": _landed(path, "poster", _jpeg(_fitted(_liveliest(frames), POSTER_SIDE))),
            "sheet": _landed(path, "sheet", _jpeg(_sheet(frames))),
        }
    except Exception as error:  # noqa: BLE001 - whatever it is, the video is landed and paid for
        log.warning("No stills of %s were made: %s", shown_name(landed), error)
        return {}


def _landed(video: ObjectStoragePath, what: str, picture: bytes) -> Still:
    path = video.parent / FOLDER / f"{video.name}.{what}.jpg"
    write_whole(path, picture)
    return Still(path=location(path)["path"], bytes=len(picture))


def _spread(container: Any, duration: float | None, until: float) -> Iterator[VideoFrame]:
    """Yield up to ``FRAMES`` frames, evenly spread over the video, turned as they are shown."""
    track = picture_tracks(container)[0]
    length = float(container.duration or 0) / 1e6 if duration is None else duration
    for number in range(FRAMES):
        if time.monotonic() > until:
            return
        frame = _frame_at(container, track, length * (number + 0.5) / FRAMES, until)
        if frame is not None:
            yield frame


def _frame_at(container: Any, track: Any, moment: float, until: float) -> VideoFrame | None:
    """Return the frame that is shown at ``moment``, or the nearest before it that is cheap to decode."""
    import av

    container.seek(
        int((moment + float((track.start_time or 0) * track.time_base)) / track.time_base), stream=track
    )
    found: VideoFrame | None = None
    with contextlib.suppress(av.FFmpegError):
        for count, frame in enumerate(container.decode(track)):
            found = frame
            late = frame.time is None or frame.time >= moment
            far = count == 0 and frame.time is not None and moment - frame.time > _GAP
            if late or far or count >= DECODED or time.monotonic() > until:
                break
    return None if found is None else _turned(found)


def _turned(frame: VideoFrame) -> VideoFrame:
    """Return the frame as it is shown: turned by its display matrix."""
    steps = {90: ["cclock"], 180: ["clock", "clock"], 270: ["clock"]}.get(
        getattr(frame, "rotation", 0) % 360, []
    )
    return _filtered([frame], [("transpose", step) for step in steps]) if steps else frame


def _fitted(frame: VideoFrame, side: int) -> VideoFrame:
    """Return the frame with its longer side ``side`` pixels long, and with square pixels."""
    return _filtered([frame], _scaling(side))


def _scaling(side: int) -> list[tuple[str, str]]:
    # Even numbers, because JPEG stores colour for two by two pixels.
    fit = f"w='if(gt(dar,1),{side},-2)':h='if(gt(dar,1),-2,{side})'"
    return [("scale", "w='trunc(iw*sar/2)*2':h=ih"), ("setsar", "1"), ("scale", fit), ("format", "yuvj420p")]


def _sheet(frames: list[VideoFrame]) -> VideoFrame:
    rows = -(-len(frames) // COLUMNS)
    columns = min(COLUMNS, len(frames))
    tile = ("tile", f"{columns}x{rows}:padding=4:color=0x202124")
    return _filtered(frames, [*_scaling(SHEET_SIDE), tile])


def _filtered(frames: list[VideoFrame], steps: list[tuple[str, str]]) -> VideoFrame:
    """Return the one frame that FFmpeg's filters make of ``frames``."""
    import av

    first = frames[0]
    graph = av.filter.Graph()
    base = Fraction(1, 25)
    links = [graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=base)]
    links += [graph.add(name, options) for name, options in steps]
    links.append(graph.add("buffersink"))
    graph.link_nodes(*links).configure()
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, base
        graph.push(frame)
    if len(frames) > 1:
        graph.push(None)
    made: Any = graph.pull()
    return cast("VideoFrame", made)


def _liveliest(frames: list[VideoFrame]) -> VideoFrame:
    """Return the frame with the widest range of brightness; a fade from black makes a poor poster."""
    return max(frames, key=_range)


def _range(frame: VideoFrame) -> int:
    small = frame.reformat(width=32, height=32, format="gray")
    shades = sorted(bytes(small.planes[0]))
    return shades[len(shades) * 9 // 10] - shades[len(shades) // 10]


def _jpeg(frame: VideoFrame) -> bytes:
    import av

    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"qmin": "3", "qmax": "5"}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
