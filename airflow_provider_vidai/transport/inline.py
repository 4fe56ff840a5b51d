"""Files that travel inside a request: data URIs with the type that the file's own bytes tell."""

from __future__ import annotations

import base64
import binascii
import io
import mimetypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import unquote_to_bytes

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.transport.probe import probe
from airflow_provider_vidai.transport.storage import source

#: How files of each type begin: (offset, bytes, type). The first that fits is taken.
_TYPES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypavi", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/quicktime"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"%PDF", "application/pdf"),
)
_EBML = b"\x1aE\xdf\xa3"
_DATA = re.compile(r"data:[^,]*,", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)


def is_web_url(value: str | bytes) -> bool:
    """Whether ``value`` names a file that the vendor can get by itself."""
    return isinstance(value, str) and _WEB.match(value) is not None


def is_data_uri(value: str | bytes) -> bool:
    """Whether ``value`` is a file already written as a data URI."""
    return isinstance(value, str) and _DATA.match(value) is not None


def type_of(head: bytes, name: str = "") -> str | None:
    """Return the media type of a file by its first bytes; by its name only when they tell nothing.

    :param head: at least 64 bytes, unless the file is shorter.
    """
    for at, mark, kind in _TYPES:
        if head[at : at + len(mark)] == mark:
            return kind
    if head.startswith(_EBML):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return mimetypes.MimeTypes().guess_type(name)[0]


class Inliner:
    """Turns the files of one request into data URIs, as long as they fit into it together.

    :param room: bytes that all of them may take, as they travel.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._left = room

    def __call__(self, value: str | bytes) -> str:
        """Return a URL or a data URI as it is, and anything else as a data URI.

        :param value: a URL, a data URI, a storage URI or path, or the bytes themselves.
        :raises InputError: when there is no such file, its type can't be told, or there is no room.
        """
        if isinstance(value, str) and (is_web_url(value) or is_data_uri(value)):
            self._take(len(value) if is_data_uri(value) else 0, "a data URI")
            return value
        if isinstance(value, bytes):
            return self._written(value, "the bytes given")
        file = source(value)
        self._check(file.size * 4 // 3, str(file.path))
        with file.open() as stream:
            return self._written(stream.read(), str(file.path), file.name)

    def _written(self, data: bytes, what: str, name: str = "") -> str:
        kind = type_of(data[:64], name)
        if kind is None:
            raise InputError(f"{what}: is no image, sound or video that is known. Nothing was sent.")
        text = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self._take(len(text), what)
        return text

    def _take(self, size: int, what: str) -> None:
        self._check(size, what)
        self._left -= size

    def _check(self, size: int, what: str) -> None:
        if size > self._left:
            raise InputError(
                f"{what}: takes {size / 1e6:.1f} MB inside the request, which holds "
                f"{self._room / 1e6:.0f} MB in all (files grow by a third in it). "
                "Give a public URL instead. Nothing was sent."
            )


def seconds_of(value: str | bytes) -> float | None:
    """Return how long a film or a sound is; None for one that only the vendor can get.

    :raises InputError: when it can't be read, or doesn't tell.
    """
    if is_web_url(value):
        return None
    try:
        with _opened(value) as stream:
            found = probe(stream).duration
    except (ValueError, binascii.Error) as error:
        raise InputError(f"A reference cannot be read as media: {error}. Nothing was sent.") from None
    if not found:
        raise InputError("A reference does not tell how long it is. Nothing was sent.")
    return found


@contextmanager
def _opened(value: str | bytes) -> Iterator[IO[bytes]]:
    if isinstance(value, bytes):
        yield io.BytesIO(value)
    elif is_data_uri(value):
        front, _, data = value.partition(",")
        raw = unquote_to_bytes(data)
        yield io.BytesIO(base64.b64decode(raw) if front.lower().endswith(";base64") else raw)
    else:
        with source(value).open() as stream:
            yield stream
