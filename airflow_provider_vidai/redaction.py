"""Removes from texts what nobody should read there: signed URLs, logins, API keys, files in data URIs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

# A colon and a slash, written plainly, in JSON, and percent-encoded once or more: a vendor's error may quote
# a URL in any of these ways.
_COLON = r"(?::|\\u003a|%(?:25)*3a)"
_SLASH = r"(?:\\{0,4}/|\\{1,4}u002f|%(?:25)*2f)"
_REST = r"""[^\s"'<>]*"""
_WEB = rf"(?:https?|wss?|ftps?){_COLON}{_SLASH}{{2}}{_REST}"
# A URL of another scheme, or of none, is a secret only if it has a query.
_QUERY = r"""[^\s"'<>?]*(?:\?|%(?:25)*3f|\\u003f)"""
_OTHER = rf"(?:\b[a-z][a-z0-9+.-]{{0,30}}{_COLON}|(?<![\w:/%\\])){_SLASH}{{2}}(?=[^\s/]){_QUERY}{_REST}"
_URL = re.compile(f"{_WEB}|{_OTHER}", re.IGNORECASE)
# The signing parameters of the storages, for a URL whose beginning was cut off or never written.
_SIGNATURE = re.compile(
    r"""(?<![a-z])((?:x-(?:amz|goog|oss|ms|tos|cos)-(?:signature|credential|security-token)|signature|sig"""
    r"""|q-signature|ossaccesskeyid|awsaccesskeyid|googleaccessid|key-pair-id|policy|access_token"""
    r"""|hdnts|hdntl)(?:=|%(?:25)*3d))[^\s"'<>&]{6,}""",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"""[^\s"'/:@]{1,99}:[^\s"'/@]{1,99}@""")
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*,[\w+/=%-]*", re.IGNORECASE)

# Python's notation of bytes, in which libraries quote what they could not parse.
_BYTES = re.compile(r"""\b(?:bytearray\(|memoryview\()?\b[bB]('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)?""")

#: Shown in place of a secret.
HIDDEN = "(hidden)"
#: Characters from which on a key is removed. A shorter one may be an ordinary word ("test"), which would tear
#: holes into every message; only a sandbox accepts a key as short as that.
SHORTEST_KEY = 8


def redacted(text: str) -> str:
    """Return ``text`` without the URLs and data URIs in it.

    A web address may be signed, and then it is a secret. So may any other address that has a query, in
    whatever way it is written. A data URI is a whole file.
    """
    bare = _SIGNATURE.sub(lambda found: f"{found[1]}{HIDDEN}", _URL.sub("(URL)", text))
    return _DATA_URI.sub(lambda found: f"({found[1] or 'data'})", bare)


def without_login(text: str) -> str:
    """Return ``text`` without the ``user:password@`` of URLs, whether they have a scheme or not."""
    return _LOGIN.sub(f"{HIDDEN}@", text)


def shown(value: Any, limit: int = 80) -> str:
    """Return an argument as a message quotes it: short, and without URLs, files and logins."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _length(value)
    text = without_login(redacted(repr(_without_bytes(value)))[: 5 * limit])
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def without_bytes(text: str) -> str:
    """Return a library's text with bytes literals as plain text; unreadable ones are left out."""
    return _BYTES.sub(lambda found: "(binary data)" if "\\x" in found[1] else found[1], text)


def _length(value: bytes | bytearray | memoryview) -> str:
    return f"({len(value)} bytes)"


def _without_bytes(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _length(value)
    if isinstance(value, Mapping):
        return {_without_bytes(key): _without_bytes(item) for key, item in value.items()}
    if isinstance(value, (Sequence, Set)) and not isinstance(value, str):
        return [_without_bytes(item) for item in value]
    return value


def shown_media(value: Any) -> Any:
    """Return ``value`` for display: URLs without their query and login, files without their bytes."""
    if isinstance(value, Mapping):
        return {key: shown_media(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_media(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return _length(value)
    if not isinstance(value, str):
        return value
    return _DATA_URI.sub(
        lambda found: f"data:{found[1] or ''},({len(found[0])} characters)", _unsigned(value)
    )


def _unsigned(text: str) -> str:
    def bare(found: re.Match[str]) -> str:
        front, mark, _ = found[0].partition("?")
        scheme, slashes, rest = front.partition("//")
        if not slashes:  # escaped, so host and query cannot be separated reliably
            return "(URL)"
        host, slash, path = rest.partition("/")
        return f"{scheme}//{host.rpartition('@')[2]}{slash}{path}{mark and '?(hidden)'}"

    return _SIGNATURE.sub(lambda found: f"{found[1]}{HIDDEN}", _URL.sub(bare, text))


class Hidden:
    """Removes an account's key from everything that comes from outside.

    :param values: the values of the headers that carry the key, such as "Bearer X".
    """

    def __init__(self, values: Iterable[str]) -> None:
        # With and without its scheme. The longest comes first, so that no part of it is left over.
        found = {text for value in values for text in (value.strip(), value.strip().rpartition(" ")[2])}
        keys = sorted((text for text in found if len(text) >= SHORTEST_KEY), key=len, reverse=True)
        self._forms = tuple(dict.fromkeys(form for key in keys for form in _forms(key)))
        self._bytes = tuple(form.encode() for form in self._forms)
        self._escaped = [re.compile("".join(map(_pattern_of, key))) for key in keys]

    def text(self, text: str) -> str:
        """Return ``text`` without the key."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        # The patterns are slow, so they run only where something is escaped at all.
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


def _pattern_of(character: str) -> str:
    """Return a pattern for ``character`` as JSON, HTML or percent-encoding may write it, also nested."""
    code = ord(character)
    hexed = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{code:02x}")
    return (
        rf"(?:{re.escape(character)}|%(?:25)*{hexed}|\\{{1,4}}(?:{re.escape(character)}|u00{hexed}|x{hexed})"
        rf"|&#(?:0*{code}|[xX]0*{hexed});)"
    )


def _forms(key: str) -> Iterator[str]:
    """Yield the unescaped forms of a key: as it is, in base64, and in hexadecimal digits."""
    yield key
    raw = key.encode()
    # Within a longer text ("user:key", "Bearer key") base64 has three forms of the same bytes, by their
    # position modulo 3. Only the characters that depend on the key alone are searched for.
    for before in range(3):
        written = base64.b64encode(b"\0" * before + raw).decode()
        inner = written[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
    yield raw.hex()
    yield raw.hex().upper()
