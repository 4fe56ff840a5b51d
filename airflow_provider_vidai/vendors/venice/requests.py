"""The requests to Venice. The rules of each field are the vendor's own; those of the catalogue come on top.

Sources: the vendor's contract (swagger 20260821), its skills of 2026-10, and ``venice-py`` 2.9.0 for the
newest fields. The catalogue adds models, ratios and resolutions every month, so these fields take any text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from airflow_provider_vidai.arguments import agreed, as_bool, as_seconds
from airflow_provider_vidai.vendors.fields import (
    AsWhole,
    Listed,
    Mark,
    Number,
    Read,
    Request,
    Switch,
    Text,
    Whole,
)

M = TypeVar("M", bound=Request)

#: Frames per second, in which a keyframe's ``frame_index`` counts.
KEYFRAME_RATE = 24
#: The longest duration in seconds: that of the source of an upscale.
LONGEST = 300.0
#: How far a camera may turn in total, in degrees.
CAMERA_TURNS = 32 * 360.0

#: The names that the vendor's clients have for a field.
OTHER_NAMES: Final[Mapping[str, str]] = {"duration_seconds": "duration", "image": "image_url"}

#: Fields of the vendor's clients that no model documents today. A strict model refuses them; that is free.
GONE_FIELDS = frozenset({"seed", "fps", "motion_bucket_id", "guidance_scale"})

# Durations of the contract that are not a number of seconds.
_AS_THE_SOURCE = ("auto", "-1")
_LENGTHS_IN_WORDS = (*_AS_THE_SOURCE, "1 gen")


def wire_duration(value: Any) -> Any:
    """Return a duration as Venice takes it: ``"5s"``, or ``"12.5"`` for a part of a source.

    5, "5", "5s" and "5 seconds" mean the same. ``Auto`` is the catalogue's word for the source's own length.
    The queue refuses that word and wants the field left out, so it becomes None.
    """
    if value is None or value == "Auto":
        return None
    text = str(value).strip()
    if text in _LENGTHS_IN_WORDS:
        return text
    try:
        seconds = as_seconds(value)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"must be a number of seconds up to {LONGEST:.0f}, such as 5 or '5s'")
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:g}"


def same(name: str, one: Any, other: Any) -> bool:
    """Return whether two values of a field mean the same."""
    if name != "duration":
        return bool(one == other)
    try:
        return bool(wire_duration(one) == wire_duration(other))
    except ValueError:
        return bool(one == other)


def _path_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, PurePath) else value


Duration = Annotated[str | None, BeforeValidator(wire_duration)]
Prompt = Annotated[Text, Field(max_length=20_000)]
Unit = Annotated[Number, Field(ge=0, le=1)]
#: A file: a URL or a data URI. Until the hook inlines it, it may also be a storage path or bytes.
Media = Annotated[
    Annotated[str, Field(min_length=1)] | Annotated[bytes, Field(min_length=1)],
    BeforeValidator(_path_as_text),
    Mark.MEDIA,
]


class _Part(Request):
    model_config = ConfigDict(extra="allow")


class Element(_Part):
    """A character or an object. The prompt refers to it as ``@Element1`` and so on.

    :param frontal_image_url: with up to three ``reference_image_urls``, or instead a ``video_url``.
    """

    frontal_image_url: Media | None = None
    reference_image_urls: Annotated[list[Media], Listed, Field(max_length=3)] | None = None
    video_url: Media | None = None

    @model_validator(mode="after")
    def _image_or_video(self) -> Element:
        images = self.frontal_image_url or self.reference_image_urls
        if images and self.video_url:
            raise ValueError("takes image URLs or a video URL, not both")
        if not images and not self.video_url:
            raise ValueError("needs frontal_image_url or video_url")
        return self


class Keyframe(_Part):
    """A picture at a frame; there are 24 frames in a second."""

    image_url: Media
    frame_index: Annotated[Whole, Field(ge=0)]


class CameraPoint(BaseModel):
    """Where the camera is at a moment.

    :param time: 0 (the video's beginning) to 1 (its end).
    :param azimuth: degrees; likewise ``elevation``, -90 to 90.
    """

    model_config = ConfigDict(extra="forbid")

    time: Unit
    azimuth: Number
    elevation: Annotated[Number, Field(ge=-90, le=90)]
    distance: Annotated[Number, Field(gt=0)]


# Venice refuses a consent with anything but three times true, so False must not be sent.
Confirmed = Annotated[Literal[True], BeforeValidator(as_bool)]


class SeedanceConsent(BaseModel):
    """What a person confirms before faces are animated. All three must be true."""

    model_config = ConfigDict(extra="forbid")

    confirmed_terms_and_privacy: Confirmed
    confirmed_legal_right: Confirmed
    confirmed_screening_acknowledged: Confirmed


class Consents(_Part):
    """Consents by model family."""

    seedance: SeedanceConsent | None = None


class VideoArguments(Request):
    """The fields of a video request that are arguments of the operators, too.

    :param prompt: needed by all models but upscale and enhancement ones.
    :param duration: as :func:`wire_duration` takes it; left out for upscale and video-to-video.
    :param aspect_ratio: needed by a model that lists ratios, refused by one that doesn't.
    :param upscale_factor: 1, 2 or 4; upscale models only, and there instead of ``resolution``.
    :param audio: only where the model lets you choose; Venice's default is with sound, which costs more.
    :param image_url: the first frame; image-to-video models only.
    :param reference_image_urls: 4 to 30 at most, by the model.
    """

    model: Text
    prompt: Prompt | None = None
    duration: Duration = None
    negative_prompt: Prompt | None = None
    resolution: Text | None = None
    audio: Switch | None = None
    aspect_ratio: Text | None = None
    image_url: Media | None = None
    upscale_factor: Annotated[Literal[1, 2, 4], AsWhole] | None = None
    end_image_url: Media | None = None
    audio_url: Media | None = None
    video_url: Media | None = None
    reference_image_urls: Annotated[list[Media], Listed, Field(max_length=30)] | None = None
    reference_audio_urls: Annotated[list[Media], Listed, Field(max_length=10)] | None = None
    reference_video_urls: Annotated[list[Media], Listed, Field(max_length=10)] | None = None
    # Venice's guide speaks of seven, which is what its own studio takes; the API takes four.
    elements: Annotated[list[Element], Listed, Field(max_length=4)] | None = None
    scene_image_urls: Annotated[list[Media], Listed, Field(max_length=4)] | None = None
    consents: Annotated[Consents, Read] | None = None


class VideoRequest(VideoArguments):
    """A video to make. Fields that are not listed are sent as they are given.

    The operators take the fields of :class:`VideoArguments` as arguments, and those listed here in
    ``options``.

    :param camera_trajectory: 2 to 12 points in time; needs ``image_url``.
    :param target_fps: 16 to 120, by enhancement models; likewise the fields around it.
    """

    model_config = ConfigDict(extra="allow")

    image_strength: Unit | None = None
    reference_document_urls: Annotated[list[Media], Listed, Field(max_length=1)] | None = None
    keyframes: Annotated[list[Keyframe], Listed, Field(max_length=10)] | None = None
    camera_trajectory: Annotated[list[CameraPoint], Read, Field(min_length=2, max_length=12)] | None = None
    omni_reference_task_type: (
        Literal["auto", "reference", "edit", "extend", "editing", "extension"] | None
    ) = None
    bitrate_mode: Literal["standard", "high"] | None = None
    image_references: Annotated[list[JsonValue], Read] | None = None
    video_references: Annotated[list[JsonValue], Read] | None = None
    voice_id: Text | None = None
    anon_user_id: Annotated[Text, Field(max_length=128)] | None = None
    enhancement_model: Text | None = None
    compression: Unit | None = None
    creativity: Unit | None = None
    halo: Unit | None = None
    noise: Unit | None = None
    realism: Unit | None = None
    recover_detail: Unit | None = None
    sharp: Unit | None = None
    grain: Annotated[Number, Field(ge=0, le=0.1)] | None = None
    softness: Annotated[Number, Field(ge=1, le=5)] | None = None
    h264_output: Switch | None = None
    output_format: Literal["mp4", "prores"] | None = None
    target_fps: Annotated[Number, Field(ge=16, le=120)] | None = None
    slowdown_factor: Annotated[Literal[1, 2, 4, 8], AsWhole] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_one_name(cls, values: Any) -> Any:
        """Take the other names of a field, too."""
        if not isinstance(values, Mapping):
            return values
        named = dict(values)
        for other, name in OTHER_NAMES.items():
            if other in named:
                named[name] = agreed(name, named.get(name), other, named.pop(other), partial(same, name))
        return named

    @field_validator("anon_user_id")
    @classmethod
    def _is_plain(cls, value: str | None) -> str | None:
        if value and (not value.isprintable() or "||" in value):
            raise ValueError("must be printable, without '||'")
        return value

    @field_validator("camera_trajectory")
    @classmethod
    def _moves_on(cls, points: list[CameraPoint] | None) -> list[CameraPoint] | None:
        pairs = list(itertools.pairwise(points or []))
        if any(later.time <= earlier.time for earlier, later in pairs):
            raise ValueError("time must increase from point to point")
        if sum(abs(later.azimuth - earlier.azimuth) for earlier, later in pairs) > CAMERA_TURNS:
            raise ValueError(f"may turn by {CAMERA_TURNS:.0f} degrees in total")
        return points

    @model_validator(mode="after")
    def _goes_together(self) -> VideoRequest:
        for wrong, why in _conflicts(self):
            if wrong:
                raise ValueError(why)
        return self

    @property
    def unlisted(self) -> list[str]:
        """The fields of the request that this package does not know, and sends as they are."""
        return sorted(self.__pydantic_extra__ or {})

    def with_media(self, read: Callable[[str | bytes, str], str]) -> VideoRequest:
        """Return the request with every file in it replaced.

        :param read: returns the replacement for a file and the name of its field.
        """
        return _with_media(self, read)


#: The fields that a price depends on. The vendor ignores all others in a quote, so they are not sent.
PRICED: Final = (
    *("model", "duration", "aspect_ratio", "resolution", "upscale_factor", "audio", "video_url"),
    *("enhancement_model", "target_fps", "slowdown_factor"),
)


def _with_media(part: M, read: Callable[[str | bytes, str], str]) -> M:
    changed: dict[str, Any] = {}
    for name in part.media():
        value = getattr(part, name)
        if isinstance(value, list):
            changed[name] = [
                _with_media(item, read) if isinstance(item, Request) else read(item, name) for item in value
            ]
        elif value is not None:
            changed[name] = read(value, name)
    return part.model_copy(update=changed)


def _conflicts(request: VideoRequest) -> Iterator[tuple[object, str]]:
    """Yield, for every rule between fields, whether it is broken and the message for that."""
    indices = [frame.frame_index for frame in request.keyframes or []]
    unknown = (None, *_LENGTHS_IN_WORDS)
    seconds = None if request.duration in unknown else as_seconds(request.duration)
    yield (
        request.upscale_factor and request.resolution,
        "takes either resolution or upscale_factor; upscale models take upscale_factor",
    )
    yield (
        request.reference_audio_urls and not (request.reference_image_urls or request.reference_video_urls),
        "reference_audio_urls need at least one of reference_image_urls and reference_video_urls",
    )
    yield (
        request.duration in _AS_THE_SOURCE and not request.reference_video_urls,
        f"duration {request.duration!r} means the length of reference_video_urls, but none are given",
    )
    yield len(set(indices)) < len(indices), "keyframes: each frame_index may occur only once"
    yield (
        seconds and indices and max(indices) > seconds * KEYFRAME_RATE,
        f"keyframes: frame_index goes up to duration x {KEYFRAME_RATE}",
    )
    yield request.camera_trajectory and not request.image_url, "camera_trajectory needs image_url"
