"""A few words that name a job for people: in lists of mapped tasks, and at the start of file names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import chain
from pathlib import PurePath, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel

from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.redaction import redacted

#: Characters of a title, at most.
LONGEST_TITLE = 60
#: Characters of a title in a file name, at most.
LONGEST_SLUG = 40
#: A job id of at most this length stands in a file name as it is; a longer one is cut to its last characters.
#: Twelve hexadecimal digits are 48 bits, so that files of different jobs do not meet under one name.
WHOLE_ID, KEPT_OF_ID = 16, 12
#: Where a dict has what it is called: a job, a clip, an upload, or the input of a model.
_TITLES = ("title", "prompt", "lyrics")
_FILES = ("file_name", "input_key")
_IDS = ("job_id", "video_id")
#: A file or a web page, and not a sentence with a slash in it.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|data:|/|uploads/|\S+/\S*$", re.IGNORECASE)
#: Invisible characters that join or separate letters in Persian, Hindi and other scripts.
_JOINERS = "\u200c\u200d"


def short_title(text: Any) -> str | None:
    """Return the first words of a text in one line; None where there are none.

    It goes where everybody can read it, so addresses in the text are hidden like in a log.
    """
    # A prompt may be very long. Only its first words matter here.
    words = redacted(text[:1000]).split() if isinstance(text, str) else []
    found = " ".join(words)
    if len(found) > LONGEST_TITLE:
        kept = found[: LONGEST_TITLE - 1]
        found = (kept.rpartition(" ")[0] or kept) + "…"
    return found or None


def title_of(value: Any) -> str | None:
    """Return what an argument is called: a job, a clip, a file, or a text such as a prompt.

    :param value: the argument, or its text.
    """
    value = literal(value)
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return _title_in(value)
    if isinstance(value, (list, tuple)):
        return title_of(value[0]) if value else None
    if isinstance(value, bool) or not isinstance(value, (str, int, PurePath)):
        return None
    text = str(value).strip()
    return _name_in(text) if _ADDRESS.match(text) else short_title(text)


def _title_in(value: Mapping[str, Any]) -> str | None:
    details = value.get("details")
    found = {**(details if isinstance(details, Mapping) else {}), **value}
    titles = (title_of(found.get(name)) for name in _TITLES)
    files = (_name_in(str(found[name])) for name in _FILES if found.get(name))
    ids = (title_of(found.get(name)) for name in _IDS)
    return next((title for title in chain(titles, files, ids) if title), None)


def _name_in(address: str) -> str | None:
    """Return the name of a file or of a web page's video, without folder, ending, query and login."""
    if address.startswith("data:"):
        return None
    if not address.lower().startswith(("http://", "https://")):
        return short_title(PurePosixPath(address).stem)
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if host.endswith("youtube.com") and (video := parse_qs(parts.query).get("v")):
        return short_title(f"youtube {video[0]}")
    return short_title(PurePosixPath(unquote(parts.path)).stem) or short_title(host)


def slug(text: str | None) -> str:
    """Return text for a file name: lower case, letters and digits of every script, joined by hyphens."""
    lowered = unicodedata.normalize("NFC", text or "").lower()
    kept = "".join(char if _stays(char) else " " for char in lowered)
    found = "-".join(kept.split())
    if len(found) > LONGEST_SLUG:
        cut = found[: LONGEST_SLUG + 1]
        found = cut.rpartition("-")[0] or cut[:LONGEST_SLUG]
    return found


def short_id(job_id: str) -> str:
    """Return the part of a job's id that distinguishes its files from those of other jobs."""
    # The last characters, because ids such as Venice's (UUID version 7) begin with the time, and jobs that
    # were bought together would share the first ones.
    return job_id if len(job_id) <= WHOLE_ID else job_id[-KEPT_OF_ID:].strip("-_")


def _stays(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in _JOINERS
