"""One deliverable of a job."""

from __future__ import annotations

import hashlib
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

OutputKind = Literal["video", "image", "audio", "text"]


class Output(BaseModel):
    """One deliverable of a job.

    It never has the file's URL, because an output travels through XCom and a URL may be a secret; a download
    asks the vendor for a fresh one. A text that a job delivers is in the output itself, in
    ``details["text"]``.

    :param duration: seconds.
    :param details: everything else that the vendor reports about it (start, end, fps, thumbnail, score, ...).
    """

    model_config = ConfigDict(frozen=True)

    index: int
    kind: OutputKind
    title: str | None = None
    duration: float | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


def digest(url: str) -> str:
    """Return what identifies the file behind a signed URL: the sha256 of the URL without its query."""
    # The query has the signature and its expiry, which differ in each answer about the same file.
    return hashlib.sha256(urlsplit(url)._replace(query="", fragment="").geturl().encode()).hexdigest()
