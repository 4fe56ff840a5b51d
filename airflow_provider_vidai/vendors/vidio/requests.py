"""The requests to VIDIO. The rules of each field are the vendor's own."""

from __future__ import annotations

import mimetypes
from collections.abc import KeysView, Mapping, Set
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.vendors.fields import Number, Request, Seconds, Text, Whole

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


def input_key_list(value: Any) -> list[Any]:
    """Return the keys from any iterable of keys and upload results, in its order.

    :raises InputError: when the order is not known (a set), or an item has no key.
    """
    value = literal(value)
    if isinstance(value, (str, bytes, Mapping)):
        value = [value]
    # A set has no order, and the order of the keys is that of the reel. A dict's keys have one.
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


Volume = Annotated[Number, Field(ge=0, le=100)]


class ReelRequest(Request):
    """A highlight reel: the parameters of ``create_highlight_reel``.

    :param input_keys: keys of uploaded footage (or whole upload results), in the order of the reel.
    :param output_length: seconds.
    :param music_volume: 0 to 100; the vendor's default is 100.
    :param original_audio_volume: 0 to 100; the vendor's default is 100.
    """

    model_config = ConfigDict(extra="forbid")

    # This is not Text: a number in place of a key is a mistake, and must not become one.
    input_keys: Annotated[
        list[Annotated[str, Field(min_length=1)]], BeforeValidator(input_key_list), Field(min_length=1)
    ]
    video_category: VideoCategory
    output_length: Annotated[Seconds, Field(gt=0)]
    aspect_ratio: AspectRatio
    music_category: MusicCategory | None = None
    music_volume: Volume | None = None
    original_audio_volume: Volume | None = None


class RenderRequest(Request):
    """The candidate of a reel to render.

    :param output_index: the vendor says that 0 is in general the best.
    :param export_option: only ``premium`` is documented.
    """

    model_config = ConfigDict(extra="forbid")

    output_index: Annotated[Whole, Field(ge=0)] = 0
    # Any text, as in the vendor's own client: nothing says that "premium" is the only one.
    export_option: Text = "premium"


class UploadRequest(Request):
    """A file about to be uploaded.

    :param width: pixels as stored (before rotation), as the vendor's client sends them; likewise ``height``.
    :param duration: seconds; 0 for a still image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_name: Text
    media_type: MediaType
    width: Annotated[Whole, Field(gt=0)]
    height: Annotated[Whole, Field(gt=0)]
    duration: Annotated[Seconds, Field(ge=0)]

    @field_validator("file_name")
    @classmethod
    def _has_extension(cls, value: str) -> str:
        extension(value)
        return value

    @property
    def content_type(self) -> str:
        """The content type that the vendor's client would send: the signed URL may depend on it.

        The client's guess varies with the machine's mime.types file; this is the guess without one.
        """
        ext = extension(self.file_name)
        return mimetypes.MimeTypes().guess_type(f"file.{ext}")[0] or f"{self.media_type}/{ext}"


def extension(file_name: str) -> str:
    """Return the extension in lower case, without its dot. The vendor takes no file without one."""
    suffix = PurePosixPath(file_name).suffix
    if len(suffix) < 2:
        raise ValueError(f"the file name {file_name!r} has no extension, and VIDIO needs one")
    return suffix[1:].lower()
