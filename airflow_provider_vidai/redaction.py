"""What of a text may be shown: URLs may be signed, and data URIs are whole files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_URL = re.compile(r"""https?:(?:\\?/){2}[^\s"'<>]*""", re.IGNORECASE)
_LOGIN = re.compile(r"""[^\s"'/:@]{1,99}:[^\s"'/@]{1,99}@""")
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*,[\w+/=%-]*", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return ``text`` without the http(s) URLs and the files in it.

    A URL may be signed, and then it is a secret; a data URI is a whole file.
    """
    return _DATA_URI.sub(lambda found: f"({found[1] or 'data'})", _URL.sub("(URL)", text))


def without_login(text: str) -> str:
    """Return ``text`` without the ``user:password@`` of URLs, whatever their scheme, or without one."""
    return _LOGIN.sub("(hidden)@", text)


def shown_media(value: Any) -> Any:
    """Return ``value`` as it may be shown: URLs without what signs them, files without their bytes."""
    if isinstance(value, Mapping):
        return {key: shown_media(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_media(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return f"({len(value)} bytes)"
    if not isinstance(value, str):
        return value
    return _DATA_URI.sub(
        lambda found: f"data:{found[1] or ''},({len(found[0])} characters)", _unsigned(value)
    )


def _unsigned(text: str) -> str:
    def bare(found: re.Match[str]) -> str:
        front, mark, _ = found[0].partition("?")
        scheme, _, rest = front.partition("//")
        host, slash, path = rest.partition("/")
        return f"{scheme}//{host.rpartition('@')[2]}{slash}{path}{mark and '?(hidden)'}"

    return _URL.sub(bare, text)
