"""What a media file is. It is read in this process with PyAV, from a stream, without external programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from airflow_provider_vidai.files.pictures import picture_size, turned_by
from airflow_provider_vidai.jobs.media_types import HEAD, type_of

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class Media:
    """What a file says about itself.

    :param width: pixels as stored, likewise ``height``; None without a picture.
    :param duration: seconds; 0 for a still image, None when it is not known.
    :param fps: frames per second; None without moving pictures.
    :param display_width: pixels as shown, likewise ``display_height``: rotated, and with square pixels.
    :param kind: what there is to see and hear; sound with cover art is not a video.
    :param video_tracks: the number of tracks of moving pictures; all fields but ``duration`` describe the
        first one.
    """

    width: int | None
    height: int | None
    duration: float | None
    fps: float | None
    display_width: int | None = None
    display_height: int | None = None
    kind: Literal["video", "image", "audio"] = "video"
    video_tracks: int = 0


#: Containers whose header counts the length up to the moment when the last sample is *decoded*. Frames that
#: are shown later than that are missing in it.
_MP4 = "mov,mp4"
#: Frames at the end of an MP4 among which the one that is shown last is searched: more than any encoder may
#: reorder.
_LAST_FRAMES = 64
#: How the names of the demuxers end that PyAV uses for single pictures.
_STILLS = ("_pipe", "image2", "gif")
#: Pictures that not every build of PyAV can read. They are accepted unread.
UNREADABLE_PICTURES = frozenset({"image/avif", "image/heic", "image/heif", "image/tiff"})


def probe(file: IO[bytes]) -> Media:
    """Read the headers of ``file``, and its packets where the headers do not say how long it is.

    :raises ValueError: when it is not a media file that can be read.
    """
    import av  # it takes long to import, and most tasks never need it

    found = type_of(file.read(HEAD))
    file.seek(0)
    try:
        with opened(file) as container:
            if (found or "").startswith("image/") or container.format.name.endswith(_STILLS):
                return _picture(container, file)
            tracks = picture_tracks(container)
            if tracks:
                return _moving(container, tracks)
            if not container.streams.audio:
                raise ValueError("it holds neither a picture nor sound")
            duration = _stated(container) or _measured(container, container.streams.audio[0])[0]
            return Media(None, None, duration, None, kind="audio")
    except (av.FFmpegError, ValueError, OSError) as error:
        if found in UNREADABLE_PICTURES:
            return Media(None, None, 0.0, None, kind="image")
        raise ValueError(str(error)) from None


class _Nameless:
    """A file without its name, because PyAV trusts a name's extension more than the bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def opened(file: IO[bytes]) -> InputContainer:
    """Open ``file``. Tags in an encoding other than UTF-8 must not make a video unreadable."""
    import av

    nameless: Any = _Nameless(file)
    container: InputContainer
    try:
        container = av.open(nameless, mode="r", metadata_errors="replace")
    except TypeError:  # PyAV 19 has no such option and replaces such characters always
        container = av.open(nameless, mode="r")
    return container


def picture_tracks(container: InputContainer) -> list[VideoStream]:
    """Return the video tracks without cover pictures."""
    return [one for one in container.streams.video if not _is_cover(one)]


def _is_cover(track: VideoStream) -> bool:
    return bool(track.disposition & type(track.disposition).attached_pic)


def _stated(container: InputContainer) -> float | None:
    """Return the length that the header states, in seconds."""
    return container.duration / 1e6 if container.duration and container.duration > 0 else None


def _picture(container: InputContainer, file: IO[bytes]) -> Media:
    track = next(iter(container.streams.video), None)
    size = (track.width, track.height) if track and track.width and track.height else picture_size(file)
    if size is None:
        raise ValueError("the size of its picture cannot be read")
    # FFmpeg gives every still picture the length of one frame; only a GIF may be an animation.
    duration = (_stated(container) or 0.0) if container.format.name == "gif" else 0.0
    shown = size[::-1] if turned_by(file) in (90, 270) else size
    return Media(*size, duration, None, *shown, kind="image")


def _moving(container: InputContainer, tracks: list[VideoStream]) -> Media:
    track = tracks[0]
    shown = _shown(container, track)
    duration, rate = _stated(container), track.average_rate
    fps = float(rate) if rate else None
    if duration is None:
        duration, frames = _measured(container, track)
        fps = frames / duration if duration and frames else fps
    elif _MP4 in container.format.name:
        end = _shown_last(container, track)
        if end is not None and end > duration + (1 / fps if fps else 0.0):
            duration, fps = end, (track.frames / end if track.frames else fps)
    elif fps is None and track.guessed_rate:
        fps = float(track.guessed_rate)
    return Media(
        track.width or None,
        track.height or None,
        duration,
        fps,
        *shown,
        kind="video",
        video_tracks=len(tracks),
    )


def _shown_last(container: InputContainer, track: VideoStream) -> float | None:
    """Return when the last frame of an MP4 ends; only the samples at its end are read."""
    entries = track.index_entries
    if not len(entries):
        return None
    start = entries[max(0, len(entries) - _LAST_FRAMES)].timestamp
    container.seek(start, stream=track, any_frame=True, backward=True)
    return _extents(container.demux(track)).get(track.index, _Extent()).seconds(track)


def _measured(container: InputContainer, track: Any) -> tuple[float | None, int]:
    """Return the length of the longest track in seconds, and the number of packets of ``track``.

    The whole file is read for it: a live recording states no length.
    """
    container.seek(0)
    found = _extents(container.demux())
    lengths = [found[one.index].seconds(one) for one in container.streams if one.index in found]
    longest = max((length for length in lengths if length), default=None)
    return longest, found.get(track.index, _Extent()).count


class _Extent:
    """The time that the packets of one track cover, in the track's own unit."""

    def __init__(self) -> None:
        self.count = 0
        self._end: int | None = None
        self._latest = self._before = -(1 << 63)

    def take(self, at: int, duration: int) -> None:
        """Add one packet that is shown."""
        self.count += 1
        self._end = at + duration if self._end is None else max(self._end, at + duration)
        if at > self._latest:
            self._before, self._latest = self._latest, at

    def seconds(self, track: Any) -> float | None:
        """Return the seconds from the track's start to the end of its last packet."""
        if self._end is None or track.time_base is None:
            return None
        end = self._end
        if end == self._latest and self.count > 1:
            end += self._latest - self._before  # the last packet has no duration: take the one before
        return float((end - (track.start_time or 0)) * track.time_base)


def _extents(packets: Iterable[Packet[Any]]) -> dict[int, _Extent]:
    found: dict[int, _Extent] = {}
    for packet in packets:
        at = packet.pts if packet.pts is not None else packet.dts
        # An edit list may leave out samples at the edges: they are decoded for the others' sake and never
        # shown.
        if at is not None and not packet.is_discard:
            found.setdefault(packet.stream.index, _Extent()).take(at, packet.duration or 0)
    return found


def _shown(container: InputContainer, track: VideoStream) -> tuple[int | None, int | None]:
    """Return the size of a frame as it is shown: rotated, and with square pixels."""
    import av

    width, height = track.width, track.height
    if not width or not height:
        return None, None
    turned = 0
    # The rotation is known only of a decoded frame, and not every codec can be decoded here.
    with contextlib.suppress(StopIteration, av.FFmpegError, ValueError):
        turned = getattr(next(iter(container.decode(track))), "rotation", 0)
    ratio = track.sample_aspect_ratio
    if ratio and ratio > 0:
        width = round(width * ratio)
    return (height, width) if turned % 180 else (width, height)
