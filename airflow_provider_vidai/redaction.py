"""What of a text may be shown: URLs may be signed, data URIs are whole files, and a key is a key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# A colon and a slash as they are written plainly, in JSON, and percent-encoded once or more.
_COLON = r"(?::|\\u003a|%(?:25)*3a)"
_SLASH = r"(?:\\{0,4}/|\\{1,4}u002f|%(?:25)*2f)"
_REST = r"""[^\s"'<>]*"""
_WEB = rf"(?:https?|wss?|ftps?){_COLON}{_SLASH}{{2}}{_REST}"
# Of any other scheme, or of none, it is a secret only with a query.
_QUERY = r"""[^\s"'<>?]*(?:\?|%(?:25)*3f|\\u003f)"""
_OTHER = rf"(?:\b[a-z][a-z0-9+.-]{{0,30}}{_COLON}|(?<![\w:/%\\])){_SLASH}{{2}}(?=[^\s/]){_QUERY}{_REST}"
_URL = re.compile(f"{_WEB}|{_OTHER}", re.IGNORECASE)
# What signs an address whose beginning was cut off, or that was never written with it.
_SIGNATURE = re.compile(
    r"""(?<![a-z])((?:x-(?:amz|goog|oss|ms|tos|cos)-(?:signature|credential|security-token)|signature|sig"""
    r"""|q-signature|ossaccesskeyid|awsaccesskeyid|googleaccessid|key-pair-id|policy|access_token"""
    r"""|hdnts|hdntl)(?:=|%(?:25)*3d))[^\s"'<>&]{6,}""",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"""[^\s"'/:@]{1,99}:[^\s"'/@]{1,99}@""")
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*,[\w+/=%-]*", re.IGNORECASE)

#: What is shown in place of a secret.
HIDDEN = "(hidden)"
#: A key that is shorter may be an ordinary word, and is no secret: only a sandbox takes it.
SHORTEST_KEY = 8


def redacted(text: str) -> str:
    """Return ``text`` without the URLs and the files in it.

    A web address may be signed, and then it is a secret, and so may any other that has a query, in whatever
    way it is written; a data URI is a whole file.
    """
    bare = _SIGNATURE.sub(lambda found: f"{found[1]}{HIDDEN}", _URL.sub("(URL)", text))
    return _DATA_URI.sub(lambda found: f"({found[1] or 'data'})", bare)


def without_login(text: str) -> str:
    """Return ``text`` without the ``user:password@`` of URLs, whatever their scheme, or without one."""
    return _LOGIN.sub(f"{HIDDEN}@", text)


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
        scheme, slashes, rest = front.partition("//")
        if not slashes:  # written in a way that is not taken apart
            return "(URL)"
        host, slash, path = rest.partition("/")
        return f"{scheme}//{host.rpartition('@')[2]}{slash}{path}{mark and '?(hidden)'}"

    return _SIGNATURE.sub(lambda found: f"{found[1]}{HIDDEN}", _URL.sub(bare, text))


class Hidden:
    """An account's key, to be left out of all that comes from outside.

    :param values: of the headers that carry it, such as "Bearer X".
    """

    def __init__(self, values: Iterable[str]) -> None:
        words = {word for value in values for word in (value.strip(), value.strip().rpartition(" ")[2])}
        keys = sorted((word for word in words if len(word) >= SHORTEST_KEY), key=len, reverse=True)
        self._forms = tuple(dict.fromkeys(form for key in keys for form in _forms(key)))
        self._bytes = tuple(form.encode() for form in self._forms)
        self._escaped = [re.compile("".join(map(_any_way, key))) for key in keys]

    def text(self, text: str) -> str:
        """Return ``text`` without the key."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        if any(mark in text for mark in "%&\\"):
            for escaped in self._escaped:
                text = escaped.sub(HIDDEN, text)
        return text

    def bytes(self, data: bytes) -> bytes:
        """Return ``data`` without the key."""
        for form in self._bytes:
            if form in data:
                data = data.replace(form, HIDDEN.encode())
        return data


def _any_way(character: str) -> str:
    """Return a pattern of ``character`` as JSON, HTML and percent-encoding may write it, nested or not."""
    code = ord(character)
    hexed = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{code:02x}")
    return (
        rf"(?:{re.escape(character)}|%(?:25)*{hexed}|\\{{1,4}}(?:{re.escape(character)}|u00{hexed}|x{hexed})"
        rf"|&#(?:0*{code}|[xX]0*{hexed});)"
    )


def _forms(key: str) -> Iterator[str]:
    """Yield how a key may be written without being escaped: as it is, in base64, in hexadecimal digits."""
    yield key
    raw = key.encode()
    # Within a longer text ("user:key", "Bearer key") base64 writes the same bytes in one of three ways.
    for before in range(3):
        written = base64.b64encode(b"\0" * before + raw).decode()
        inner = written[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
    yield raw.hex()
    yield raw.hex().upper()
