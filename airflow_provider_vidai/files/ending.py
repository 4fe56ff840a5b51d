"""Whether a media file is whole, by what its own format says about where it ends.

A length that agrees with the announced one does not prove it: a vendor's storage may itself hold half a file,
and a chunked answer announces none. So each format is walked from part to part until its end.

Each format is a generator that asks for bytes by (offset, size), always forwards, and returns True for a
whole file, False for one that was cut, or None when the format does not say. The same generators check a
file as it arrives (:class:`Ending`) and a stored one by reading only its structure (:func:`is_whole`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from typing import IO

from airflow_provider_vidai.jobs.media_types import recognized

#: It asks for (offset, size), and gets fewer bytes only at the end of the file, None for an offset beyond it.
Walk = Generator[tuple[int, int], bytes | None, bool | None]

#: The boxes that stand at the top level of an MP4. Bytes after the last one, which some writers append, would
#: otherwise be taken for one more box that was cut.
_TOP_BOXES = frozenset(
    (
        *(b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"),
        *(b"udta", b"uuid", b"meta", b"mfra", b"sidx", b"prft", b"emsg", b"pdin", b"ssix"),
    )
)
#: Bytes of a JPEG's image data that are searched at a time for the next marker.
_SEARCHED = 1 << 16


def _boxes(at: int = 0) -> Walk:
    """MP4 and MOV are a row of boxes, each with its size."""
    seen: set[bytes] = set()
    while True:
        header = yield at, 8
        if header is None:
            return False
        if not header:
            break
        kind = header[4:8]
        if len(header) < 8:
            return None if _complete(seen) is not False else False
        if kind not in _TOP_BOXES:
            return None
        size, least = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, least = int.from_bytes((yield at + 8, 8) or b"", "big"), 16
        # A size of 0 means that the box ends with the file, wherever that is.
        if size < least:
            return None
        seen.add(kind)
        at += size
    return _complete(seen)


def _complete(seen: set[bytes]) -> bool | None:
    """Whether these boxes make a whole file; None when that is not known."""
    if b"meta" not in seen and not {b"moov", b"mdat"} <= seen:
        return False  # the index or the media is still to come
    # A fragmented file may end after any fragment. Only the index of the fragments proves that all are there,
    # because it is the last box.
    return True if b"moof" not in seen or b"mfra" in seen else None


def _png() -> Walk:
    """PNG is a row of chunks, and the last one is IEND."""
    at = 8
    while True:
        header = yield at, 8
        if header is None or len(header) < 8:
            return False
        # Around its data, a chunk has four bytes each for its length, its name and its checksum.
        at += 12 + int.from_bytes(header[:4], "big")
        if header[4:] == b"IEND":
            return len((yield at - 1, 1) or b"") == 1


#: Within image data, 00 or a restart marker (d0 to d7) follows a byte ff; any other byte makes a real marker.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def _jpeg() -> Walk:
    """JPEG is a row of segments with a length; after a scan's header, data follow up to the next marker."""
    at = 2
    while True:
        head = yield at, 4
        if head is None or len(head) < 2:
            return False
        if head[0] != 0xFF:
            return None
        marker = head[1]
        if marker == 0xD9:
            return True
        # These have no length: a fill byte, TEM, and the restart markers.
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        if len(head) < 4:
            return False
        at += 2 + int.from_bytes(head[2:4], "big")
        if marker == 0xDA:
            found = yield from _next_marker(at)
            if found is None:
                return False
            at = found


def _next_marker(at: int) -> Generator[tuple[int, int], bytes | None, int | None]:
    while True:
        data = yield at, _SEARCHED
        if not data or len(data) < 2:
            return None
        found = _MARKER.search(data)
        if found:
            return at + found.start()
        if len(data) < _SEARCHED:
            return None
        at += len(data) - 1  # a marker may begin with the last byte


def _gif() -> Walk:
    """GIF is a row of blocks, each of sub-blocks, and a trailer."""
    # The flags of the screen say how long the table of colors is that stands before the first block.
    screen = yield 10, 1
    if not screen:
        return False
    at = 13 + _colors(screen[0])
    while True:
        mark = yield at, 10
        if not mark:
            return False
        if mark[:1] == b";":
            return True
        if mark[:1] == b"!":
            at += 2
        elif mark[:1] == b"," and len(mark) == 10:
            at += 11 + _colors(mark[9])
        else:
            return False if mark[:1] == b"," else None
        while True:
            size = yield at, 1
            if not size:
                return False
            at += 1 + size[0]
            if not size[0]:
                break


def _colors(flags: int) -> int:
    """Return the length of the color table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _riff() -> Walk:
    """WebP, WAV and AVI begin with their size; a long AVI has several such parts."""
    at = 0
    while True:
        header = yield at, 12
        if header is None:
            return False
        if at and header[:4] != b"RIFF":
            return True
        size = int.from_bytes(header[4:8], "little")
        if size in (0, 0xFFFFFFFF):  # the writer wrote to a pipe and did not know the size
            return None
        # Some writers of WAV count the eight bytes in front as well.
        if not (yield at + (7 if header[8:12] != b"WAVE" else -1) + size, 1):
            return False
        at += 8 + size + size % 2
        if (yield at, 1) is None:
            return True  # the byte that pads an odd size may be missing


def _ogg() -> Walk:
    """OGG is a row of pages, and the last one has a mark."""
    at, last = 0, False
    while True:
        header = yield at, 27
        if header is None:
            return False
        if not header:
            return True if last else None
        if header[:4] != b"OggS"[: len(header)]:
            return None
        if len(header) < 27:
            return False
        table = yield at + 27, header[26]
        if table is None or len(table) < header[26]:
            return False
        # This bit of the flags marks the last page of a stream.
        last = bool(header[5] & 4)
        at += 27 + header[26] + sum(table)


def _mp3() -> Walk:
    """MP3 is a row of frames without an end; the first one may say how many bytes there are."""
    start = yield 0, 10
    if start is None or len(start) < 10:
        return False
    at = 0
    if start[:3] == b"ID3":
        # The size of an ID3 tag has seven bits in each byte, so that it never resembles a frame's sync bits.
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
    frame = yield at, 200
    if frame is None:
        return False
    found = re.search(rb"Xing|Info", frame)
    # The header stands at the front of the first frame; further on, the same letters are only music.
    if found is None or found.start() > 40:
        return None
    fields = frame[found.start() + 4 : found.start() + 16]
    if len(fields) < 12 or not fields[3] & 2:
        return None
    # A number of frames may stand in front of the number of bytes.
    size = int.from_bytes(fields[8:12] if fields[3] & 1 else fields[4:8], "big")
    return bool((yield at + size - 1, 1)) if size else None


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
#: The elements directly inside a segment; any of them ends a cluster of unknown size.
_LEVEL_1 = frozenset(
    (_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367)
)


def _ebml() -> Walk:
    """Matroska and WebM are nested elements; in a live recording the outer ones have no known size."""
    at, whole = 0, True
    while True:
        header = yield at, 12
        if header is None:
            return False
        if not header:
            return True if whole and at else None
        element = _element(header)
        if element is None:
            return False if len(header) < 12 else None
        name, size, length = element
        if size is not None:
            at += length + size
        elif name in (_SEGMENT, _CLUSTER):
            whole, at = False, at + length  # walk its parts instead
        else:
            return None


def _element(header: bytes) -> tuple[int, int | None, int] | None:
    """Return the element's id, its size if that is known, and the length of its header."""
    # A number begins with as many zero bits as it has further bytes. Where all of its other bits are ones,
    # the writer did not know the size.
    first = 9 - header[0].bit_length()
    if first > 4 or len(header) <= first:
        return None
    second = 9 - header[first].bit_length()
    if second > 8 or len(header) < first + second:
        return None
    name = int.from_bytes(header[:first], "big")
    bits = 7 * second
    size = int.from_bytes(header[first : first + second], "big") & ((1 << bits) - 1)
    return name, None if size == (1 << bits) - 1 else size, first + second


#: How to walk each container in the table of media types. The ends of the others are not known.
_WALKS: Mapping[str, Callable[[], Walk]] = {
    **dict.fromkeys(("mp4", "heif", "avif"), _boxes),
    **dict.fromkeys(("webp", "avi", "wav"), _riff),
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "ogg": _ogg,
    "matroska": _ebml,
    "mp3": _mp3,
}


class Ending:
    """Follows a file's structure as its bytes arrive, and keeps only the bytes that the format asks for."""

    def __init__(self) -> None:
        self._seen = 0
        self._walk: Walk = _whole()
        self._asked = next(self._walk)
        #: The bytes that were seen from the requested offset on.
        self._kept = bytearray()
        self._result: bool | None = None
        self._over = False

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        # Bytes in front of the requested offset are skipped, so memory stays small whatever the file's size.
        begin, self._seen = self._seen, self._seen + len(chunk)
        while not self._over:
            offset, size = self._asked
            at = offset + len(self._kept) - begin
            if at < len(chunk):
                self._kept += chunk[at : at + max(size - len(self._kept), 0)]
            if len(self._kept) < size:
                return
            self._answer(bytes(self._kept[:size]))

    def _answer(self, data: bytes | None) -> None:
        before = self._asked[0]
        try:
            self._asked = self._walk.send(data)
        except StopIteration as end:
            self._over, self._result = True, end.value
        else:
            del self._kept[: self._asked[0] - before]

    def whole(self) -> bool | None:
        """Return whether the file is whole, now that its last byte was fed; None when that is not known."""
        while not self._over:
            offset, size = self._asked
            self._answer(bytes(self._kept[:size]) if offset <= self._seen else None)
        return self._result


def is_whole(file: IO[bytes], size: int) -> bool | None:
    """Return whether a stored file is whole; None when that is not known. Only its structure is read."""
    walk = _whole()
    try:
        offset, length = next(walk)
        while True:
            data = None
            if offset <= size:
                file.seek(offset)
                data = file.read(length)
            offset, length = walk.send(data)
    except StopIteration as end:
        found: bool | None = end.value
        return found


def _whole() -> Walk:
    head = yield 0, 12
    row = recognized(head or b"")
    walk = _WALKS.get(row.container) if row else None
    return (yield from walk()) if walk else None
