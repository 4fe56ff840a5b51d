"""Files that travel inside a request, as data URIs whose type is read from the file's own bytes."""

from __future__ import annotations

import base64
import binascii
import io
import re
from urllib.parse import unquote_to_bytes

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.intake import checked, checked_source, kinds_for
from airflow_provider_vidai.files.storage import shown_name, source
from airflow_provider_vidai.jobs.media_types import HEAD, described, type_of, type_of_name

_DATA = re.compile(r"data:[^,]*,", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)


def is_web_url(value: str | bytes) -> bool:
    """Whether ``value`` is a URL that the vendor can fetch by itself."""
    return isinstance(value, str) and _WEB.match(value) is not None


def is_data_uri(value: str | bytes) -> bool:
    """Whether ``value`` is a file already written as a data URI."""
    return isinstance(value, str) and _DATA.match(value) is not None


class Inliner:
    """Turns the files of one request into data URIs, as long as all of them fit into it.

    :param room: bytes that all of them together may take, in base64.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._left = room

    def __call__(self, value: str | bytes, field: str = "") -> str:
        """Return a URL as it is, and anything else as a data URI of the type that its bytes show.

        :param value: a URL, a data URI, a storage URI or path, or the bytes themselves.
        :param field: the field it is for, by whose name its kind is validated.
        :raises InputError: when the file does not exist, is not media or of the wrong kind, or does not fit.
        """
        if is_web_url(value):
            return str(value)
        if is_data_uri(value):
            what = "a data URI"
            self._take(len(value), what, field)
            kind = self._type(_data_of(str(value), field), field, what)
            front, _, data = str(value).partition(",")
            options = front.partition(";")[1:]
            return (
                str(value)
                if front.lower().startswith(f"data:{kind}")
                else f"data:{kind}{''.join(options)},{data}"
            )
        if isinstance(value, bytes):
            return self._written(value, field, "the bytes given")
        file = source(value)
        # Before it is read: a file that does not fit may be larger than the worker's memory.
        self._check(file.size * 4 // 3, str(file.path), field)
        with file.open() as stream:
            return self._written(stream.read(), field, str(file.path))

    def _written(self, data: bytes, field: str, name: str) -> str:
        text = f"data:{self._type(data, field, name)};base64,{base64.b64encode(data).decode()}"
        self._take(len(text), name, field)
        return text

    def _type(self, data: bytes, field: str, name: str) -> str:
        if not kinds_for(field):
            found = type_of(data[:HEAD]) or type_of_name(name)
            if found is None:
                raise InputError(f"{field}: {shown_name(name)} is {described(data[:HEAD])}.")
            return found
        return checked(io.BytesIO(data), len(data), field=field, name=name).type

    def _take(self, size: int, what: str, field: str) -> None:
        self._check(size, what, field)
        self._left -= size

    def _check(self, size: int, what: str, field: str) -> None:
        if size > self._left:
            named = f"{field}: {shown_name(what)}" if field else shown_name(what)
            raise InputError(
                f"{named} takes {size / 1e6:.1f} MB inside the request, which holds "
                f"{self._room / 1e6:.0f} MB in all (base64 makes files a third larger). "
                "Give a public URL instead."
            )


def seconds_of(value: str | bytes, field: str = "") -> float | None:
    """Return the length of a video or a sound in seconds; None for a URL, which only the vendor reads.

    :raises InputError: when the file or its length can't be read.
    """
    if is_web_url(value):
        return None
    if isinstance(value, str) and not is_data_uri(value):
        found = checked_source(source(value), field=field).media.duration
    else:
        data = value if isinstance(value, bytes) else _data_of(value, field)
        found = checked(io.BytesIO(data), len(data), field=field, name="the file given").media.duration
    if not found:
        raise InputError(f"{field or 'file'}: the length of the video or sound cannot be read from the file.")
    return found


def _data_of(uri: str, field: str) -> bytes:
    front, _, data = uri.partition(",")
    raw = unquote_to_bytes(data)
    if not front.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(raw)
    except binascii.Error:
        raise InputError(f"{field or 'A file'}: the data URI is not valid base64.") from None
