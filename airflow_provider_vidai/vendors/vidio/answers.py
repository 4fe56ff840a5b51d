"""The fields of VIDIO's answers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

from airflow_provider_vidai.vendors.fields import LenientFloat, LenientInt, LenientStr, Reported


def _objects(value: Any) -> list[Any]:
    # An output is known by its index, so an unreadable one keeps its place, as an empty object.
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


class VidioOverlay(Reported):
    """One piece of footage or sound in an output. Its URLs are secrets and are not shown.

    :param from_: first frame in the reel (``from`` on the wire).
    :param content: a URL for a video, the track's name for a sound.
    :param videoStartTime: where in the footage it starts; the vendor does not say in what unit.
    """

    id: LenientInt = None
    fileID: LenientStr = None
    originalFileName: LenientStr = None
    from_: LenientInt = Field(default=None, alias="from")
    content: LenientStr = Field(default=None, repr=False)
    durationInFrames: LenientFloat = None
    type: LenientStr = None
    src: LenientStr = Field(default=None, repr=False)
    videoStartTime: LenientFloat = None


class VidioOutput(Reported):
    """One candidate reel.

    :param start: seconds, or None; likewise ``end``.
    :param thumbnail: a relative storage key, not a URL.
    :param duration: seconds.
    """

    start: LenientFloat = None
    end: LenientFloat = None
    thumbnail: LenientStr = None
    duration: LenientFloat = None
    fps: LenientFloat = None
    overlays: Annotated[list[VidioOverlay], BeforeValidator(_objects)] = Field(default_factory=list)


class VidioJob(Reported):
    """A job as ``get_job`` returns it. One resource holds the reel and its last render."""

    job_id: LenientStr = None
    status: str
    outputs: Annotated[list[VidioOutput], BeforeValidator(_objects)] = Field(default_factory=list)
    output_url: LenientStr = Field(default=None, repr=False)

    @field_validator("output_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value:
            # It raises ValueError for an address that no later step could parse, such as "https://[". The
            # answer then counts as unreadable, and the status check is repeated.
            urlsplit(value)
        return value


class UploadAnswer(BaseModel):
    """The signed URL of an upload."""

    url: str = Field(min_length=1, repr=False)


class CreatedAnswer(BaseModel):
    """The answer to the purchase of a reel."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    job_id: str = Field(min_length=1)
    status: LenientStr = None
