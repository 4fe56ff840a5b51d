"""A few words that name a job for people: in lists of mapped tasks, and at the start of file names."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from airflow_provider_vidai.redaction import redacted

#: Characters of a title, at most.
LONGEST_TITLE = 60
#: Characters of a title in a file name, at most.
LONGEST_SLUG = 40
#: A job id of at most this length stands in a file name as it is; a longer one is cut to its last characters.
#: Twelve hexadecimal digits are 48 bits, so that files of different jobs do not meet under one name.
WHOLE_ID, KEPT_OF_ID = 16, 12
#: Invisible characters that join or separate letters in Persian, Hindi and other scripts.
_JOINERS = "\u200c\u200d"


def short_title(text: Any) -> str | None:
    """Return the first words of a text in one line; None where there are none.

    It goes where everybody can read it, so addresses in the text are hidden like in a log.
    """
    # A prompt may be a book. Nothing behind its first words matters here.
    words = redacted(text[:1000]).split() if isinstance(text, str) else []
    found = " ".join(words)
    if len(found) > LONGEST_TITLE:
        kept = found[: LONGEST_TITLE - 1]
        found = (kept.rpartition(" ")[0] or kept) + "…"
    return found or None


def name_of(source: Any) -> str | None:
    """Return the name of a file or of a web page's video, without folder, ending, query and login."""
    if isinstance(source, dict):
        source = source.get("file_name") or source.get("input_key")
    if not isinstance(source, (str, PurePosixPath)) or str(source).startswith("data:"):
        return None
    try:
        parts = urlsplit(str(source))
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if host.endswith("youtube.com") and (video := parse_qs(parts.query).get("v")):
        return short_title(f"youtube {video[0]}")
    path = unquote(parts.path) if parts.scheme in ("http", "https") else parts.path
    return short_title(PurePosixPath(path).stem) or short_title(host)


def slug(text: str | None) -> str:
    """Return words for a file name: lower case, letters and digits of every script, joined by hyphens."""
    lowered = unicodedata.normalize("NFC", text or "").lower()
    kept = "".join(char if _stays(char) else " " for char in lowered)
    found = "-".join(kept.split())
    if len(found) > LONGEST_SLUG:
        cut = found[: LONGEST_SLUG + 1]
        found = cut.rpartition("-")[0] or cut[:LONGEST_SLUG]
    return found


def short_id(job_id: str) -> str:
    """Return the part of a job's id that tells its files from those of other jobs."""
    return job_id if len(job_id) <= WHOLE_ID else job_id[-KEPT_OF_ID:].strip("-_")


def _stays(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in _JOINERS
