"""Which version of a file its bytes belong to, so that a resumed download never joins two of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_vidai.net.bodies import Interrupted

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)


class StartAgain(Interrupted):
    """The transfer stopped, and what was received of the file is of no use."""


@dataclass(frozen=True)
class Version:
    """What a server told about the version of a file that it serves.

    :param if_range: what a range is asked for with; None when the file cannot be resumed.
    """

    etag: str | None = None
    last_modified: str | None = None
    if_range: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Version:
        """Return the version that an answer with the whole file tells."""
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        # A weak ETag promises the same meaning, not the same bytes.
        ranged = headers.get("Accept-Ranges", "").strip().lower() == "bytes" and not _weak(etag)
        return cls(etag, modified, (etag or modified) if ranged else None)

    def check(
        self, headers: Mapping[str, str], total: int | None, *, first: int, last: int | None = None
    ) -> int | None:
        """Make sure that a 206 holds the range asked for, of the same version; return the file's length.

        :param total: the file's length, if it is known.
        :param first: the first byte asked for; likewise ``last``, None for the rest of the file.
        :raises StartAgain: when it does not.
        """
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != first or self.if_range is None or not first:
            raise StartAgain("the server sent a range that was not asked for")
        end = int(found[2])
        length = None if found[3] == "*" else int(found[3])
        if total is not None and total != (length if length is not None else max(total, end + 1)):
            raise StartAgain("the file has another length than before: it was replaced")
        if end < first or (length is not None and end >= length) or (last is not None and end != last):
            raise StartAgain("the server sent a range that was not asked for")
        told = headers.get("Content-Length", "")
        if told.isdigit() and int(told) != end - first + 1:
            raise StartAgain("the length of a range contradicts the range")
        if any(self._differs(headers, name, before) for name, before in self._validators()):
            raise StartAgain("the file is another version than before: it was replaced")
        return length

    def _validators(self) -> tuple[tuple[str, str | None], ...]:
        return (("ETag", self.etag), ("Last-Modified", self.last_modified))

    def _differs(self, headers: Mapping[str, str], name: str, before: str | None) -> bool:
        now = headers.get(name)
        if before == self.if_range:
            return now != before
        return before is not None and now is not None and now != before


def _weak(etag: str | None) -> bool:
    return bool(etag and etag.strip().upper().startswith("W/"))
