"""What VIDIO's requests and answers hold; the rules of each field are the vendor's own."""

from __future__ import annotations

import mimetypes
from collections.abc import KeysView, Mapping, Set
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
)

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.media_types import kind_of_name
from airflow_provider_vidai.jobs.text import literal

VideoCategory = Literal[
    "podcast", "ball-sports", "non-ball-sports", "beauty-product-demo", "wedding", "travel", "others"
]
AspectRatio = Literal["landscape", "portrait", "square"]
MusicCategory = Literal[
    "corporate",
    "romantic",
    "sports",
    "kids_and_comedy",
    "ambient_and_nature",
    "horror_and_suspense",
    "documentary",
    "trending_vlogs",
]
MediaType = Literal["video", "image"]

#: The extensions that the vendor's client knows.
EXTENSIONS: Final = ("mp4", "mov", "m4v", "avi", "mkv", "webm", "jpg", "jpeg", "png", "webp", "gif")


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def input_key_list(value: Any) -> list[Any]:
    """Return the keys in any iterable of keys and upload results, in order."""
    value = literal(value)
    if isinstance(value, (str, bytes, Mapping)):
        value = [value]
    if (isinstance(value, (Set, float, int)) and not isinstance(value, KeysView)) or value is None:
        raise InputError(
            f"input_keys: expected keys or upload results in the order of the reel, but got "
            f"{type(value).__name__}."
        )
    return [_input_key(literal(item)) for item in value]


def _input_key(item: Any) -> Any:
    if isinstance(item, Mapping) and "input_key" not in item:
        raise InputError(
            f"input_keys: expected an upload's result with its input_key, but got one with "
            f"{', '.join(map(str, item)) or 'nothing'}."
        )
    return item["input_key"] if isinstance(item, Mapping) else item


Volume = Annotated[float, BeforeValidator(_not_bool), Field(ge=0, le=100)]


class ReelRequest(BaseModel):
    """What to make: the parameters of ``create_highlight_reel``.

    :param input_keys: keys of uploaded footage (or whole upload results), in the order of the reel.
    :param output_length: seconds.
    :param music_volume: 0 to 100; the vendor's default is 100.
    :param original_audio_volume: 0 to 100; the vendor's default is 100.
    """

    model_config = ConfigDict(extra="forbid")

    input_keys: Annotated[
        list[Annotated[str, Field(min_length=1)]], BeforeValidator(input_key_list), Field(min_length=1)
    ]
    video_category: VideoCategory
    output_length: Annotated[float, BeforeValidator(_not_bool), Field(gt=0, allow_inf_nan=False)]
    aspect_ratio: AspectRatio
    music_category: MusicCategory | None = None
    music_volume: Volume | None = None
    original_audio_volume: Volume | None = None

    def body(self) -> dict[str, JsonValue]:
        """Return the JSON body; whole numbers travel as integers, unset options not at all."""
        values = self.model_dump(exclude_none=True)
        return {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in values.items()
        }


class RenderRequest(BaseModel):
    """Which candidate of a reel to render.

    :param output_index: 0 is, in the vendor's words, in general the best.
    :param export_option: only ``premium`` is documented.
    """

    model_config = ConfigDict(extra="forbid")

    output_index: Annotated[int, BeforeValidator(_not_bool), Field(ge=0)] = 0
    export_option: str = Field(default="premium", min_length=1)


class UploadRequest(BaseModel):
    """A file about to be uploaded.

    :param width: pixels as stored, as the vendor's client tells them; likewise ``height``.
    :param duration: seconds; 0 for a still image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_name: str = Field(min_length=1)
    media_type: MediaType
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    duration: float = Field(ge=0, allow_inf_nan=False)

    @field_validator("file_name")
    @classmethod
    def _has_extension(cls, value: str) -> str:
        extension(value)
        return value

    @property
    def content_type(self) -> str:
        """The type the vendor's client would send: the signed URL may cover it.

        Its guess depends on the host's mime.types file; this is the one without such a file.
        """
        ext = extension(self.file_name)
        return mimetypes.MimeTypes().guess_type(f"file.{ext}")[0] or f"{self.media_type}/{ext}"


def extension(file_name: str) -> str:
    """Return the lower-case extension without its dot; the vendor takes no file without one."""
    suffix = PurePosixPath(file_name).suffix
    if len(suffix) < 2:
        raise ValueError(f"the file name {file_name!r} has no extension, and VIDIO needs one")
    return suffix[1:].lower()


def media_type_of(file_name: str) -> MediaType:
    """Return what the extension says the file is.

    :raises ValueError: when the extension is missing or unknown; naming the known ones.
    """
    if extension(file_name) not in EXTENSIONS:
        raise ValueError(
            f"cannot tell from {file_name!r} whether it is a video or an image: known extensions are "
            f"{', '.join(EXTENSIONS)}; or set media_type"
        )
    return "image" if kind_of_name(file_name) == "image" else "video"
