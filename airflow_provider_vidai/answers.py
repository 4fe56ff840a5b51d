"""An HTTP answer, and the one place where what comes from outside is cleaned.

Behind :meth:`Answer.json` and :meth:`Answer.text` nothing has to be defensive about it again: text can be
encoded and stored, numbers fit into 64 bits and are finite, size and depth are bounded, and the account's
own key is not in it, however a vendor repeats it.
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

#: The longest JSON answer that is read, in bytes. The longest real one is Vizard's about a project: 100 clips
#: of 3 minutes with all that is said in them, which takes some 2 MB where letters are written as escapes.
MAX_ANSWER = 4 << 20
#: The most values in an answer that is parsed. Its bytes are counted and not its values, so commas in text
#: count too; the longest real answer has some 30,000.
MAX_VALUES = 100_000
#: How deep an answer may nest; what lies deeper is left out. The deepest real one has 8 levels.
MAX_DEPTH = 40

#: Bytes from which an excerpt is taken.
_EXCERPTED = 1 << 16

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
_INT64 = 1 << 63


def clean_text(text: str) -> str:
    """Return ``text`` as any database and any encoder takes it: no NUL, no lone surrogate."""
    return _UNSTORABLE.sub(lambda found: "" if found[0] == "\0" else "\ufffd", text)


def clean(value: Any) -> Any:
    """Return a JSON value that can be encoded and stored wherever Airflow keeps it.

    Lone surrogates become U+FFFD, NULs go, integers of more than 64 bits become text, numbers that are not
    finite become None.
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
        # Python writes no integer of more than 4300 digits.
        return str(value) if value.bit_length() < 10_000 else None
    return value


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as far as it matters: status, headers (lower case), at most ``MAX_ANSWER`` of body.

    :param whole: False when the body was longer than was read, or is media of which only the
        first bytes were looked at.
    :param hidden: what is left out of all that it says.
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
        """Return an answer as it came from the network, cleaned."""
        cleaned = {name: hidden.text(clean_text(value)) for name, value in headers.items()}
        return cls(status, cleaned, hidden.bytes(body), whole, hidden)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" when the server did not say."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the parsed body, cleaned.

        :raises ValueError: when it is not one whole JSON document, or one that is too large to be parsed.
        """
        if not self.whole:
            raise ValueError("the body was cut off")
        return parsed(self.body, self.hidden)

    def text(self) -> str:
        """Return the body as text, cleaned."""
        return self._text(self.body)

    def excerpt(self, limit: int = 300) -> str:
        """Return the first characters of the body on one line, for an error message."""
        if b"\0" in self.body[:64]:
            return f"{len(self.body)} bytes of {self.content_type or 'binary data'}"
        # Cut after it was cleaned: half a key is no key that could be found.
        return " ".join(self._text(self.body[:_EXCERPTED])[: 4 * limit].split())[:limit]

    def _text(self, body: bytes) -> str:
        return self.hidden.text(clean_text(body.decode("utf-8", "replace")))


def parsed(body: bytes | str, hidden: Hidden = Hidden(())) -> Any:  # noqa: B008 - it never changes
    """Return what a JSON document from outside says, cleaned.

    :raises ValueError: when it is not one whole document, or too large to be parsed.
    """
    text = body if isinstance(body, str) else body.decode(json.detect_encoding(body), "replace")
    values = sum(map(text.count, ",[{"))
    # What takes long to parse is not parsed: in a triggerer everybody's waiting would stand still.
    if values > MAX_VALUES or text.count('"') > 4 * MAX_VALUES or text.count("\\") > 10 * MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES:,} values")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _shallow(text)
    try:
        # Control characters within strings are no JSON, but no reason to lose a paid job's answer.
        found = json.loads(text, strict=False, parse_int=_int, parse_float=_float, parse_constant=_none)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return _clean(found, hidden, MAX_DEPTH + 1)


def _shallow(text: str) -> str:
    """Return JSON without what is nested too deeply: recursion would fail where it is parsed."""
    parts, kept = [], 0
    for start, end in _too_deep(text):
        parts += [text[kept:start], "null"]
        kept = end
    if not parts:
        return text
    log.warning("An answer nests more than %d levels deep; what lies deeper is left out.", MAX_DEPTH)
    return "".join([*parts, text[kept:]])


def _too_deep(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values begin and end that are nested too deeply."""
    depth = start = 0
    for found in _MARKS.finditer(text):
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
