"""What a file is: one table of media types, and what can be read from it by a file's bytes or by its name.

It is among the jobs and not among the files because vendors use it too, and they may not import ``files``:
Venice delivers a video as the answer to a status check, and Vidgo names a result's kind by its extension.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Literal, NamedTuple

from airflow_provider_vidai.jobs.output import OutputKind

#: How many of a file's first bytes :func:`recognized` needs.
HEAD = 1024
#: ``MediaType.within`` is searched for in this many of a file's first bytes.
_SEARCHED = 64

#: Bytes that must stand at these offsets, all of them.
Mark = tuple[tuple[int, bytes], ...]


class MediaType(NamedTuple):
    """A row of the table.

    :param name: the MIME type.
    :param suffixes: the extensions that promise this type; a downloaded file gets the first of them.
    :param container: types of one container differ only in what is in it, so each is accepted under the
        other's extension.
    :param marks: how files of this type begin: one of these marks. None: only the name or the
        content of the container says so.
    :param within: where not empty, one of these must also be among the first ``_SEARCHED`` bytes.
    :param only_sound: the type of the same container when there is no picture in it.
    """

    kind: Literal["video", "image", "audio", "document"]
    name: str
    suffixes: tuple[str, ...]
    container: str
    marks: tuple[Mark, ...] = ()
    within: tuple[bytes, ...] = ()
    only_sound: str | None = None


def _at(offset: int, *alternatives: bytes) -> tuple[Mark, ...]:
    return tuple(((offset, one),) for one in alternatives)


def _packets(first: int, step: int) -> Mark:
    """Return the sync byte of three packets in a row."""
    return tuple((first + number * step, b"G") for number in range(3))


#: Every type that is known. The first row with a mark that fits a file is the file's type, so a row
#: with a particular mark stands above one with a general mark.
MEDIA_TYPES: tuple[MediaType, ...] = (
    MediaType("image", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg", _at(0, b"\xff\xd8\xff")),
    MediaType("image", "image/png", (".png",), "png", _at(0, b"\x89PNG\r\n\x1a\n")),
    MediaType("image", "image/gif", (".gif",), "gif", _at(0, b"GIF8")),
    MediaType("image", "image/webp", (".webp",), "webp", (((0, b"RIFF"), (8, b"WEBP")),)),
    MediaType("image", "image/tiff", (".tiff", ".tif"), "tiff", _at(0, b"II*\0", b"MM\0*")),
    # Ordinary text may begin with "BM" too. Two fields that are always zero show that it is a picture.
    MediaType("image", "image/bmp", (".bmp",), "bmp", (((0, b"BM"), (6, bytes(4)), (15, bytes(3))),)),
    MediaType("image", "image/avif", (".avif",), "avif", _at(4, b"ftypavi")),
    MediaType("image", "image/heic", (".heic",), "heif", _at(4, b"ftyphei", b"ftyphev")),
    MediaType("image", "image/heif", (".heif",), "heif", _at(4, b"ftypmif1", b"ftypmsf1")),
    MediaType(
        *("video", "video/quicktime", (".mov", ".qt"), "mp4"),
        # Old cameras write no ftyp box in front: then any of these boxes is the first one.
        _at(4, b"ftypqt", b"moov", b"mdat", b"wide", b"free", b"skip"),
    ),
    MediaType("audio", "audio/mp4", (".m4a", ".m4b"), "mp4", _at(4, b"ftypM4A", b"ftypM4B")),
    MediaType("video", "video/x-m4v", (".m4v",), "mp4", _at(4, b"ftypM4V"), only_sound="audio/mp4"),
    MediaType(
        *("video", "video/mp4", (".mp4", ".3gp", ".3g2"), "mp4", _at(4, b"ftyp", b"styp")),
        only_sound="audio/mp4",
    ),
    MediaType(
        *("video", "video/webm", (".webm",), "matroska", _at(0, b"\x1aE\xdf\xa3"), (b"webm",)),
        only_sound="audio/webm",
    ),
    MediaType("audio", "audio/webm", (".weba",), "matroska"),
    MediaType("video", "video/x-matroska", (".mkv",), "matroska", _at(0, b"\x1aE\xdf\xa3")),
    MediaType(
        *("video", "video/ogg", (".ogv",), "ogg", _at(0, b"OggS"), (b"\x80theora", b"OVP80", b"BBCD")),
        only_sound="audio/ogg",
    ),
    MediaType("audio", "audio/ogg", (".ogg", ".oga", ".opus"), "ogg", _at(0, b"OggS")),
    MediaType("video", "video/x-msvideo", (".avi",), "avi", (((0, b"RIFF"), (8, b"AVI ")),)),
    MediaType("audio", "audio/wav", (".wav",), "wav", (((0, b"RIFF"), (8, b"WAVE")),)),
    MediaType("audio", "audio/flac", (".flac",), "flac", _at(0, b"fLaC")),
    # A stream without a container begins with a frame's sync bits. AAC with and without a checksum:
    MediaType("audio", "audio/aac", (".aac",), "aac", _at(0, b"\xff\xf1", b"\xff\xf9")),
    # ... and layer III of MPEG 1, 2 and 2.5, with and without a checksum, or a tag in front.
    MediaType(
        *("audio", "audio/mpeg", (".mp3",), "mp3"),
        _at(0, b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2"),
    ),
    MediaType("video", "video/x-flv", (".flv",), "flv", _at(0, b"FLV\x01")),
    MediaType("video", "video/mpeg", (".mpg", ".mpeg", ".vob"), "mpeg", _at(0, b"\0\0\x01\xba")),
    MediaType("video", "video/x-ms-wmv", (".wmv",), "asf", _at(0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    # A packet has 188 bytes; cameras put four bytes of time in front of each.
    MediaType("video", "video/mp2t", (".ts", ".m2ts", ".mts"), "ts", (_packets(0, 188), _packets(4, 192))),
    MediaType("document", "application/pdf", (".pdf",), "pdf", _at(0, b"%PDF")),
)

_BY_NAME = {row.name: row for row in MEDIA_TYPES}
_BY_SUFFIX = {suffix: row.name for row in MEDIA_TYPES for suffix in row.suffixes}


def recognized(head: bytes) -> MediaType | None:
    """Return the row for a file by its first bytes; None when its type is not in the table.

    :param head: ``HEAD`` bytes, unless the file is shorter.
    """
    for row in MEDIA_TYPES:
        begins = any(all(head[at : at + len(part)] == part for at, part in mark) for mark in row.marks)
        if begins and (not row.within or any(part in head[:_SEARCHED] for part in row.within)):
            return row
    return None


def type_of(head: bytes) -> str | None:
    """Return the MIME type of a file by its first bytes; None when it is not in the table."""
    row = recognized(head)
    return row.name if row else None


def type_of_name(name: str) -> str | None:
    """Return the MIME type that a file's extension promises."""
    suffix = re.search(r"\.[^./\\]+$", name.lower())
    return (_BY_SUFFIX.get(suffix[0]) if suffix else None) or mimetypes.MimeTypes().guess_type(name)[0]


def kind_of_name(name: str) -> str:
    """Return the kind of file that a file's extension promises: ``video``, ``image``, ...; "" for none."""
    return (type_of_name(name) or "").partition("/")[0]


def same_container(one: str, other: str) -> bool:
    """Whether files of two MIME types are built alike, so each may have the other's extension."""
    first, second = _BY_NAME.get(one), _BY_NAME.get(other)
    return one == other or (first is not None and second is not None and first.container == second.container)


def type_as_sound(name: str) -> str:
    """Return the MIME type of a file in which there turned out to be only sound."""
    row = _BY_NAME.get(name)
    return (row.only_sound if row else None) or name


def can_be(kind: OutputKind, head: bytes) -> bool:
    """Whether a file that begins with ``head`` is known to be possibly of ``kind``."""
    if kind == "text":
        return True
    row = recognized(head)
    # An MP4 or an OGG that holds only sound begins as one with a picture does.
    return row is not None and (row.kind == kind or (kind == "audio" and row.only_sound is not None))


def suffix_of(kind: OutputKind, head: bytes) -> str:
    """Return the usual extension, with its dot, of a file that begins with ``head``.

    A type that is not in the table gets an extension that no program takes for a format it is not.
    """
    row = recognized(head) if kind != "text" else None
    return row.suffixes[0] if row else _SUFFIX_OF_UNKNOWN[kind]


_SUFFIX_OF_UNKNOWN = {"video": ".video", "image": ".img", "audio": ".audio", "text": ".txt"}

_IGNORED = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
_COMMENTS = rb"(<!--.*?-->\s*)*"
#: Documents that are known by their first word, whatever follows.
_DOCUMENTS = (
    (rb"(<\?xml[^>]*>\s*)?" + _COMMENTS + rb"(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing"),
    (_COMMENTS + rb"(<!doctype html|<html|<head|<body)", "an HTML page, such as that of a login"),
    (_COMMENTS + rb"<(\?xml|!doctype)", "XML"),
)
#: Documents that are known by their first character only if there is nothing but text in them.
_DOCUMENTS_OF_TEXT = ((_COMMENTS + rb"<[a-z][\w:.-]*[\s/>]", "XML"), (rb"[\[{\"]", "JSON"))
_OTHERS = (
    (rb"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched (run git lfs pull)"),
    (rb"#extm3u", "a playlist"),
    (rb"pk\x03\x04|\x1f\x8b", "an archive"),
)


def document(head: bytes) -> str | None:
    """Return what a file is when it is HTML, JSON or XML, as text for a message; otherwise None.

    Vendors' storages answer with one of these, and with status 200, in place of a file.
    """
    if recognized(head):
        return None
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode()
    return _first_match(_DOCUMENTS + (_DOCUMENTS_OF_TEXT if _is_printable(head) else ()), head)


def is_plain_text(head: bytes) -> bool:
    """Whether there is nothing but text in a file's first bytes."""
    return bool(head) and _is_printable(head) and _decodes(head)


def described(head: bytes) -> str:
    """Return what a file is, as text for a message. None of its content is shown."""
    found = type_of(head)
    if found is not None:
        return f"of type {found}"
    other = document(head) or _first_match(_OTHERS, head)
    return other or ("plain text" if is_plain_text(head) else "not a known media file")


def _first_match(patterns: tuple[tuple[bytes, str], ...], head: bytes) -> str | None:
    start = head.lstrip(_IGNORED).lower()
    return next((what for pattern, what in patterns if re.match(pattern, start, re.DOTALL)), None)


def _is_printable(head: bytes) -> bool:
    return all(byte in b"\t\r\n" or 32 <= byte < 127 or byte >= 128 for byte in head)


def _decodes(head: bytes) -> bool:
    try:
        head[:-3].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
