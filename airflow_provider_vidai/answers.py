"""An HTTP answer, and the one place where data from outside is cleaned.

What :meth:`Answer.json` and :meth:`Answer.text` return is safe everywhere in the package: text can be encoded
and stored, numbers fit into 64 bits and are finite, size and depth are bounded, and the account's own key is
removed, in whatever form a vendor repeats it. No other module checks any of that again.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_vidai.redaction import Hidden

log = logging.getLogger(__name__)

#: Bytes of a JSON answer that are read at most. The longest real one is Vizard's about a project: 100 clips
#: of 3 minutes each with their transcripts, which takes some 2 MB if letters are written as escapes.
MAX_ANSWER = 4 << 20
#: Values in an answer that are parsed at most. Commas and brackets are counted instead of values, which is
#: faster, so those within text count too. The longest real answer has some 30,000.
MAX_VALUES = 100_000
#: Levels to which an answer may nest; what lies deeper is left out. The deepest real one has 8.
MAX_DEPTH = 40

#: Bytes from which an excerpt for a message is taken; cleaning 4 MiB for 300 characters would be slow.
_EXCERPTED = 1 << 16

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
_INT64 = 1 << 63


def clean_text(text: str) -> str:
    """Return ``text`` without what some database or encoder refuses: NUL and lone surrogates."""
    return _UNSTORABLE.sub(lambda found: "" if found[0] == "\0" else "\ufffd", text)


def clean(value: Any) -> Any:
    """Return a JSON value that can be encoded and stored wherever Airflow keeps it.

    Lone surrogates become U+FFFD, NULs are removed, integers of more than 64 bits become text, and numbers
    that are not finite become None.
    """
    return _clean(value, Hidden(()), MAX_DEPTH + 10)


def _clean(value: Any, hidden: Hidden, levels: int) -> Any:
    if isinstance(value, str):
        return hidden.text(clean_text(value))
    if isinstance(value, (dict, list, tuple)) and not levels:
        return None
    if isinstance(value, dict):
        names = {name: hidden.text(clean_text(str(name))) for name in value}
        return {names[name]: _clean(item, hidden, levels - 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, hidden, levels - 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        # Python refuses to write integers of more than 4300 digits, which are some 14,000 bits.
        return str(value) if value.bit_length() < 10_000 else None
    return value


@dataclass(frozen=True)
class Answer:
    """The status, the headers (lower case) and at most ``MAX_ANSWER`` bytes of the body of an HTTP answer.

    :param whole: False when the body was longer than was read, or is media of which only the first bytes
        were read.
    :param hidden: removes the account's key from everything that the answer returns.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    whole: bool = True
    hidden: Hidden = field(default=Hidden(()), repr=False, compare=False)

    @classmethod
    def read(
        cls, status: int, headers: Mapping[str, str], body: bytes, whole: bool, hidden: Hidden
    ) -> Answer:
        """Return an answer made from what came from the network, cleaned."""
        cleaned = {name: hidden.text(clean_text(value)) for name, value in headers.items()}
        return cls(status, cleaned, hidden.bytes(body), whole, hidden)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" when the server sent none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the parsed body, cleaned.

        :raises ValueError: when it is not one whole JSON document, or has too many values to be parsed.
        """
        if not self.whole:
            raise ValueError("the body was cut off")
        return parsed(self.body, self.hidden)

    def text(self) -> str:
        """Return the body as text, cleaned."""
        return self._text(self.body)

    def excerpt(self, limit: int = 300) -> str:
        """Return the first characters of the body on one line, for an error message."""
        if b"\0" in self.body[:64] or _is_binary(self.body[:256]):
            return f"{len(self.body)} bytes of {self.content_type or 'binary data'}"
        # Cleaned first and cut afterwards, because half a key would not be recognised.
        return " ".join(self._text(self.body[:_EXCERPTED])[: 4 * limit].split())[:limit]

    def _text(self, body: bytes) -> str:
        return self.hidden.text(clean_text(body.decode("utf-8", "replace")))


def _is_binary(head: bytes) -> bool:
    """Whether these are the first bytes of something other than text, whatever its content type says."""
    text = head.decode("utf-8", "replace")
    odd = sum(not (char.isprintable() or char in "\t\r\n\f\ufeff") or char == "\ufffd" for char in text)
    return odd >= 8 and 10 * odd > 3 * len(text)


def parsed(body: bytes | str, hidden: Hidden = Hidden(())) -> Any:  # noqa: B008 - it never changes
    """Return the value of a JSON document from outside, cleaned.

    :raises ValueError: when it is not one whole document, or has too many values to be parsed.
    """
    text = body if isinstance(body, str) else body.decode(json.detect_encoding(body), "replace")
    values = sum(map(text.count, ",[{"))
    # A document that takes long to parse is refused: in a triggerer, every other trigger would stand still.
    if values > MAX_VALUES or text.count('"') > 4 * MAX_VALUES or text.count("\\") > 10 * MAX_VALUES:
        raise ValueError(f"it contains more than {MAX_VALUES:,} values")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _shallow(text)
    try:
        # strict=False accepts control characters within strings. They are not valid JSON, but no reason to
        # lose the answer about a paid job.
        found = json.loads(text, strict=False, parse_int=_int, parse_float=_float, parse_constant=_none)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return _clean(found, hidden, MAX_DEPTH + 1)


def _shallow(text: str) -> str:
    """Return JSON text without what is nested too deeply, where the recursive parser would fail."""
    parts, kept = [], 0
    for start, end in _too_deep(text):
        parts += [text[kept:start], "null"]
        kept = end
    if not parts:
        return text
    log.warning("An answer nests more than %d levels deep; what lies deeper is left out.", MAX_DEPTH)
    return "".join([*parts, text[kept:]])


def _too_deep(text: str) -> Iterator[tuple[int, int]]:
    """Yield the beginning and end of each value that is nested too deeply."""
    depth = start = 0
    for found in _STRINGS_AND_BRACKETS.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                start = found.start()
        elif mark in "]}":
            if depth == MAX_DEPTH + 1:
                yield start, found.end()
            depth -= 1


def _int(digits: str) -> int | str:
    if len(digits) > 20:
        return digits
    value = int(digits)
    return value if -_INT64 <= value < _INT64 else digits


def _float(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _none(_: str) -> None:
    return None
