"""One deliverable of a job."""

from __future__ import annotations

import hashlib
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

OutputKind = Literal["video", "image", "audio", "text"]


class Output(BaseModel):
    """One deliverable of a job. It never holds a file's URL: a fresh one is asked for at download.

    Words that a job delivers are here themselves, as ``details["text"]``.

    :param duration: seconds.
    :param details: everything else the vendor tells about it (start, end, fps, thumbnail, score, ...).
    """

    model_config = ConfigDict(frozen=True)

    index: int
    kind: OutputKind
    title: str | None = None
    duration: float | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


def digest(url: str) -> str:
    """Return what identifies the file behind a signed URL: sha256 of the URL without its query."""
    return hashlib.sha256(urlsplit(url)._replace(query="", fragment="").geturl().encode()).hexdigest()
