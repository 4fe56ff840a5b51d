"""What still pictures say in front: their size where FFmpeg does not read it, and how they are turned."""

from __future__ import annotations

import struct
from typing import IO

#: EXIF stands within so many bytes of a picture's start, where it stands in front.
_FRONT = 1 << 17
#: By how many degrees each EXIF orientation turns a picture; mirroring changes no size.
_TURNS = {5: 90, 6: 90, 7: 270, 8: 270, 3: 180, 4: 180}


def picture_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the size of a WebP that has an extended header, as animated ones do."""
    file.seek(0)
    head = file.read(30)
    if len(head) < 30 or head[8:16] != b"WEBPVP8X":
        return None
    return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")


def turned_by(file: IO[bytes]) -> int:
    """Return by how many degrees a picture is turned when it is shown, as its EXIF data says."""
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
        for number in range(min(count, 200)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1
