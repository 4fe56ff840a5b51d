"""What the headers of still pictures say: the size, where FFmpeg does not read it, and the rotation."""

from __future__ import annotations

import struct
from typing import IO

#: Bytes at a picture's start in which EXIF data are searched: a JPEG's EXIF segment is at most 64 KiB long.
_FRONT = 1 << 17
#: Degrees by which each EXIF orientation turns a picture. Some also mirror it, which changes no size.
_TURNS = {5: 90, 6: 90, 7: 270, 8: 270, 3: 180, 4: 180}


def picture_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the size of a WebP with an extended header, which animated ones have; None for other files."""
    file.seek(0)
    head = file.read(30)
    if len(head) < 30 or head[8:16] != b"WEBPVP8X":
        return None
    return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")


def turned_by(file: IO[bytes]) -> int:
    """Return by how many degrees a viewer turns the picture, as its EXIF data say."""
    file.seek(0)
    data = file.read(_FRONT)
    for mark in (b"Exif\0\0", b"eXIf"):
        at = data.find(mark)
        if at >= 0:
            return _TURNS.get(_orientation(data[at + len(mark) :]), 0)
    return 0


def _orientation(tiff: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        # A damaged file may claim 65,535 entries.
        for number in range(min(count, 200)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1
