"""What a file is by its first bytes: its kind, its media type and its usual extension."""

from __future__ import annotations

import mimetypes
import re

from airflow_provider_vidai.jobs.output import OutputKind

#: The first bytes of a file that :func:`type_of` wants to see.
HEAD = 1024

# An AAC frame's first two bytes; of an MP3's: layer III of MPEG 1, 2 and 2.5, with and without a checksum.
_AAC = (b"\xff\xf1", b"\xff\xf9")
_MP3 = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")

#: How files of each type begin: (offset, bytes, type). The first that fits is taken.
_TYPES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypavi", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftyphev", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypmsf1", "image/heif"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypM4B", "audio/mp4"),
    (4, b"ftypM4V", "video/x-m4v"),
    (4, b"ftyp", "video/mp4"),
    (4, b"styp", "video/mp4"),
    *((4, box, "video/quicktime") for box in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    *((0, frame, "audio/aac") for frame in _AAC),
    *((0, frame, "audio/mpeg") for frame in _MP3),
    (0, b"%PDF", "application/pdf"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\0\0\x01\xba", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
)
_EBML = b"\x1aE\xdf\xa3"
_OGG_VIDEO = (b"\x80theora", b"OVP80", b"BBCD")

_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".webm",
    "video/ogg": ".ogv",
    "video/mp2t": ".ts",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/aac": ".aac",
}

#: Other names of the same types, and types of names that Python does not know everywhere.
_NAMED = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg"),
    **dict.fromkeys((".mp4", ".m4v", ".3gp", ".3g2"), "video/mp4"),
    **dict.fromkeys((".mov", ".qt"), "video/quicktime"),
    **dict.fromkeys((".ts", ".m2ts", ".mts"), "video/mp2t"),
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    **dict.fromkeys((".m4a", ".m4b"), "audio/mp4"),
    **dict.fromkeys((".mpg", ".mpeg", ".vob"), "video/mpeg"),
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".png": "image/png",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".wmv": "video/x-ms-wmv",
    ".ogv": "video/ogg",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
}


def type_of(head: bytes) -> str | None:
    """Return the media type of a file by its first bytes; None when they are of no known medium.

    :param head: ``HEAD`` bytes, unless the file is shorter.
    """
    for at, mark, found in _TYPES:
        if head[at : at + len(mark)] == mark:
            return found
    if head.startswith(_EBML):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"OggS"):
        return "video/ogg" if any(mark in head[:64] for mark in _OGG_VIDEO) else "audio/ogg"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "image/bmp"
    return "video/mp2t" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    # A packet is 188 bytes long; cameras put four bytes of time in front of each.
    return any(
        len(head) > at + 2 * step and all(head[at + number * step] == 0x47 for number in range(3))
        for at, step in ((0, 188), (4, 192))
    )


def type_of_name(name: str) -> str | None:
    """Return the media type that a file's extension promises."""
    suffix = re.search(r"\.[^./\\]+$", name.lower())
    return (_NAMED.get(suffix[0]) if suffix else None) or mimetypes.MimeTypes().guess_type(name)[0]


def looks_like(kind: OutputKind, head: bytes) -> bool:
    """Whether a file that begins with ``head`` can be of ``kind``."""
    found = type_of(head)
    if kind == "text":
        return True
    if found is None:
        return False
    # An MP4 or an OGG that holds only sound begins as one with a picture does.
    sound = kind == "audio" and found in ("video/mp4", "video/x-m4v", "video/webm", "video/ogg")
    return sound or found.startswith(f"{kind}/")


def suffix_of(kind: OutputKind, head: bytes) -> str:
    """Return the usual extension, with its dot, of a file that begins with ``head``."""
    known = _SUFFIXES.get(type_of(head) or "")
    return known or {"video": ".mp4", "image": ".img", "audio": ".audio", "text": ".txt"}[kind]


def described(head: bytes) -> str:
    """Return in words what a file is, for an error message; nothing of its content is shown."""
    found = type_of(head)
    if found is not None:
        return f"of type {found}"
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").lower()
    for pattern, what in _OTHERS:
        if re.match(pattern, start):
            return what
    printable = sum(byte in b"\t\r\n" or 32 <= byte < 127 or byte >= 128 for byte in head)
    return "plain text" if head and printable == len(head) and _decodes(head) else "not a known media file"


_OTHERS = (
    (rb"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched (run git lfs pull)"),
    (rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing"),
    (rb"<!doctype html|<html|<head|<body", "an HTML page, such as that of a login"),
    (rb"<\?xml|<[a-z]+[ >]", "XML"),
    (rb"[\[{]", "JSON"),
    (rb"#extm3u", "a playlist"),
    (rb"pk\x03\x04|\x1f\x8b", "an archive"),
)


def _decodes(head: bytes) -> bool:
    try:
        head[:-3].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
