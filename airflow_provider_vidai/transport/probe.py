"""What a media file is: read in this process with PyAV, from a stream, without external programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from airflow_provider_vidai.models import OutputKind

if TYPE_CHECKING:
    from av.container import InputContainer


@dataclass(frozen=True)
class Media:
    """What a file says about itself.

    :param width: pixels as stored, likewise ``height``; None without a picture.
    :param duration: seconds; 0 for a still image, None when the file doesn't say.
    :param fps: frames per second; None without moving pictures.
    """

    width: int | None
    height: int | None
    duration: float | None
    fps: float | None


# Demuxers that PyAV uses for single pictures, by the end of their name.
_STILLS = ("_pipe", "image2", "gif")


def probe(file: IO[bytes]) -> Media:
    """Read the headers of ``file``.

    :raises ValueError: when it is no media file that can be read.
    """
    import av  # heavy, and needed only here

    try:
        with _opened(file) as container:
            video = next(iter(container.streams.video), None)
            duration = container.duration / av.time_base if container.duration else None
            if duration is None and video is not None and video.duration and video.time_base:
                duration = float(video.duration * video.time_base)
            if video is None:
                return Media(None, None, duration, None)
            if container.format.name.endswith(_STILLS):
                return Media(
                    video.width,
                    video.height,
                    0.0 if container.format.name != "gif" else duration or 0.0,
                    None,
                )
            fps = float(video.average_rate) if video.average_rate else None
            return Media(video.width or None, video.height or None, duration, fps)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise ValueError(str(error)) from None


def _opened(file: IO[bytes]) -> InputContainer:
    """Open ``file``; a tag in another encoding than UTF-8 must not hide the film."""
    import av

    try:
        return av.open(file, mode="r", metadata_errors="replace")
    except TypeError:  # PyAV 19 has no such option: it replaces by itself
        return av.open(file, mode="r")


# An AAC frame's first two bytes; of an MP3's: layer III of MPEG 1, 2 and 2.5, with and without a checksum.
_AAC = (b"\xff\xf1", b"\xff\xf9")
_MP3 = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")

#: How the files of each kind begin: (offset, bytes).
_SIGNATURES: dict[OutputKind, tuple[tuple[int, bytes], ...]] = {
    "video": (
        *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
        (0, b"\x1aE\xdf\xa3"),
        (8, b"AVI "),
    ),
    "image": ((0, b"\xff\xd8\xff"), (0, b"\x89PNG"), (0, b"GIF8"), (8, b"WEBP"), (4, b"ftypavi")),
    "audio": (
        *((0, frame) for frame in (b"ID3", *_MP3, *_AAC)),
        (8, b"WAVE"),
        (0, b"OggS"),
        (0, b"fLaC"),
        (4, b"ftyp"),
    ),
    "text": (),
}

_SUFFIXES = (
    (4, b"ftypavi", ".avif"),
    (4, b"ftypqt", ".mov"),
    (4, b"ftypM4A", ".m4a"),
    (4, b"ftyp", ".mp4"),
    (0, b"\x1aE\xdf\xa3", ".webm"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"\x89PNG", ".png"),
    (0, b"GIF8", ".gif"),
    (8, b"WEBP", ".webp"),
    (8, b"WAVE", ".wav"),
    (0, b"OggS", ".ogg"),
    (0, b"fLaC", ".flac"),
    (0, b"ID3", ".mp3"),
    *((0, frame, ".aac") for frame in _AAC),
    *((0, frame, ".mp3") for frame in _MP3),
)

#: The first bytes of a file that the two functions below want to see.
HEAD = 16


class Boxes:
    """Follows the boxes of which an MP4 or MOV file consists, as its bytes go by.

    A file that ends within a box was cut, even where no length was told. Of a file of other boxes than
    the usual ones, or of none, nothing is said.
    """

    _USUAL = frozenset(
        (
            *(b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"),
            *(b"udta", b"uuid", b"meta", b"mfra", b"sidx", b"prft", b"emsg"),
        )
    )

    def __init__(self) -> None:
        self._seen = 0
        self._next: int | None = 0
        self._header = bytearray()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        begin, self._seen = self._seen, self._seen + len(chunk)
        while self._next is not None and self._next + len(self._header) < self._seen:
            at = self._next + len(self._header) - begin
            self._header += chunk[at : at + self._header_size - len(self._header)]
            if len(self._header) == self._header_size:
                self._next = self._after_box(self._next)
                self._header.clear()

    @property
    def _header_size(self) -> int:
        return 16 if self._header[:4] == b"\0\0\0\1" else 8

    def _after_box(self, start: int) -> int | None:
        size = int.from_bytes(self._header[8:] or self._header[:4], "big")
        # A size of 0 means that the box ends with the file, wherever that is.
        known = size >= len(self._header) and bytes(self._header[4:8]) in self._USUAL
        return start + size if known else None

    @property
    def cut(self) -> bool:
        """Whether the file ends within a box."""
        return self._next is not None and self._seen < self._next


def looks_like(kind: OutputKind, head: bytes) -> bool:
    """Whether a file that begins with ``head`` can be of ``kind``."""
    marks = _SIGNATURES[kind]
    return not marks or any(head[at : at + len(mark)] == mark for at, mark in marks)


def suffix_of(kind: OutputKind, head: bytes) -> str:
    """Return the usual extension, with its dot, of a file that begins with ``head``."""
    for at, mark, suffix in _SUFFIXES:
        if head[at : at + len(mark)] == mark:
            return suffix
    return {"video": ".mp4", "image": ".img", "audio": ".audio", "text": ".txt"}[kind]
