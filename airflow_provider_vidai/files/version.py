"""The version of a file that is being downloaded, so that a resumed download never joins two versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_vidai.net.bodies import Interrupted

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)


class StartAgain(Interrupted):
    """The transfer stopped, and the bytes received so far can't be continued."""


@dataclass(frozen=True)
class Version:
    """What a server reported about the version of a file.

    :param if_range: the value of ``If-Range`` in a request for a range; None when the file can't be resumed.
    """

    etag: str | None = None
    last_modified: str | None = None
    if_range: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Version:
        """Return the version that the headers of an answer with the whole file report."""
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        # A weak ETag promises the same content, but not the same bytes.
        ranged = headers.get("Accept-Ranges", "").strip().lower() == "bytes" and not _weak(etag)
        return cls(etag, modified, (etag or modified) if ranged else None)

    def check(
        self, headers: Mapping[str, str], total: int | None, *, first: int, last: int | None = None
    ) -> int | None:
        """Make sure that a 206 answer has the requested range of the same version; return the file's length.

        :param total: the file's length, if it is known.
        :param first: the first requested byte.
        :param last: the last requested byte; None for the rest of the file.
        :raises StartAgain: when the answer is not that range.
        """
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        # A part that was requested without If-Range may be of another version, so it is never taken.
        if found is None or int(found[1]) != first or self.if_range is None or not first:
            raise StartAgain("the server sent another range than the requested one")
        end = int(found[2])
        length = None if found[3] == "*" else int(found[3])
        if total is not None and total != (length if length is not None else max(total, end + 1)):
            raise StartAgain("the file was replaced: it has another length than before")
        if end < first or (length is not None and end >= length) or (last is not None and end != last):
            raise StartAgain("the server sent another range than the requested one")
        length_header = headers.get("Content-Length", "")
        if length_header.isdigit() and int(length_header) != end - first + 1:
            raise StartAgain("the length of a range contradicts the range")
        if any(self._differs(headers, name, before) for name, before in self._validators()):
            raise StartAgain("the file was replaced: it is another version than before")
        return length

    def _validators(self) -> tuple[tuple[str, str | None], ...]:
        return (("ETag", self.etag), ("Last-Modified", self.last_modified))

    def _differs(self, headers: Mapping[str, str], name: str, before: str | None) -> bool:
        now = headers.get(name)
        # The value that was sent in If-Range must come back. The other one may be missing.
        if before == self.if_range:
            return now != before
        return before is not None and now is not None and now != before


def _weak(etag: str | None) -> bool:
    return bool(etag and etag.strip().upper().startswith("W/"))
