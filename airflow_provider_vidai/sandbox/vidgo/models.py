"""What Vidgo sells, by the prefix of a model's name, so that new models are sold too.

Durations and prices are those that the vendor publishes; where it publishes none, they are invented.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_vidai.sandbox.vidgo.wire import Refused

#: Prefix of a name: what the model makes, the virtual seconds that it takes, its price in credits.
FAMILIES: dict[str, tuple[str, float, float]] = {
    "gpt-image-2": ("image", 45, 3),
    **dict.fromkeys(("gpt-", "nano-banana"), ("image", 30, 6)),
    **dict.fromkeys(("flux-", "seedream-", "qwen-image", "z-image", "grok-imagine-image"), ("image", 20, 5)),
    "sora-2": ("video", 150, 10),
    "veo": ("video", 120, 60),
    **dict.fromkeys(("kling-", "wan", "seedance-", "minimax/", "hailuo-"), ("video", 120, 40)),
    **dict.fromkeys(("happy-horse", "grok-imagine", "runway-"), ("video", 100, 40)),
}
#: Each music model's required fields.
SONGS = {
    "generate-music": ("prompt", "custom_mode", "instrumental", "mv"),
    "extend-music": ("default_param_flag", "audio_id", "mv"),
    "upload-and-cover-audio": ("upload_url", "prompt", "custom_mode", "instrumental", "mv"),
    "upload-and-extend-audio": ("upload_url", "default_param_flag", "instrumental", "continue_at", "mv"),
    "add-instrumental": ("upload_url", "title", "tags", "negative_tags"),
    "add-vocals": ("upload_url", "prompt", "title", "style", "negative_tags"),
    "replace-section": (
        *("task_id", "audio_id", "prompt", "tags", "title"),
        *("infill_start_s", "infill_end_s", "full_lyrics"),
    ),
}
#: What can be made of a song, once per song.
DERIVED = {
    "convert-to-wav": ("task_id", "audio_id"),
    "separate-vocals": ("task_id", "audio_id"),
    "stem-split": ("task_id", "audio_id"),
    "create-music-video": ("task_id", "audio_id"),
    "generate-persona": ("task_id", "audio_id", "name", "description"),
    "generate-music-cover": ("task_id",),
    "upload-and-separate-vocals": ("audio_url",),
}
OTHER_MUSIC = {
    "get-timestamped-lyrics": ("task_id", "audio_id"),
    "generate-lyrics": ("prompt",),
    "boost-music-style": ("content",),
}
MUSIC = {**SONGS, **DERIVED, **OTHER_MUSIC}
#: The first words of the refusal to make something twice.
ALREADY_EXISTS = {
    "convert-to-wav": "WAV record",
    "create-music-video": "Music video",
    "generate-persona": "Persona",
    "stem-split": "Stem split",
    "generate-music-cover": "Cover",
}
NEEDS_CALLBACK = frozenset(
    {
        *("convert-to-wav", "create-music-video", "generate-lyrics", "generate-music-cover"),
        *("separate-vocals", "stem-split", "upload-and-separate-vocals"),
    }
)
#: The durations that a model allows, by the prefix of its name; other models allow any.
DURATIONS: dict[str, tuple[int, ...]] = {
    "sora-2-official": (4, 8, 12, 16, 20),
    "sora-2-pro-official": (4, 8, 12, 16, 20),
    "sora-2-pro": (15, 25),
    "sora-2": (10, 15),
    **dict.fromkeys(("kling-1.6", "kling-2.1", "kling-2.5", "kling-2.6"), (5, 10)),
    "kling-3.0": tuple(range(3, 16)),
    "veo3.1-fast-official": (4, 6, 8),
    "veo3.1-lite-official": (4, 6, 8),
    "veo3.1-quality-official": (4, 6, 8),
    "veo3.1": (8,),
    "seedance-1.5": (4, 8, 12),
    "seedance-2.5": tuple(range(4, 31)),
    "seedance-2": tuple(range(4, 16)),
    "minimax/h3": tuple(range(5, 16)),
}
#: The exact number of pictures that some models require.
IMAGE_COUNTS = {
    "veo3.1/image-to-video": 2,
    "veo3.1-fast/image-to-video": 2,
    "veo3.1-fast/reference-to-video": 3,
}
#: The maximum length of a prompt for lyrics, in words.
LYRICS_WORDS = 200
#: The end of the names of models that require a picture.
_FROM_PICTURES = re.compile(r"([-/]edit|image-to-video(-fast)?)$")
_PROMPTLESS = re.compile(r"motion-control|^wan-animate|^kling-3|^happy-horse")
_SINGLE_IMAGE = re.compile(r"^gpt-image-2|^nano-banana|^flux|^z-image|^qwen|^seedream-v5|^grok")


@dataclass(frozen=True)
class Model:
    """A model.

    :param makes: ``image``, ``video`` or ``music``.
    :param seconds: virtual seconds that it takes.
    :param price: credits for one picture, or for a video of ten seconds.
    """

    id: str
    makes: str
    seconds: float
    price: float


def find(name: Any) -> Model:
    """Return the model of this name.

    :raises Refused: if it is not sold.
    """
    if not isinstance(name, str) or not name:
        raise Refused(400, "model is required")
    if name in MUSIC:
        slow = name in SONGS or name in DERIVED
        return Model(name, "music", 120.0 if slow else 15.0, 12.0 if name in SONGS else 2.0)
    prefix = max((one for one in FAMILIES if name.startswith(one)), key=len, default=None)
    if prefix is None:
        raise Refused(400, f"Unsupported model: {name}")
    return Model(name, *FAMILIES[prefix])


def examine(model: Model, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the purchase's ``input``.

    :raises Refused: if it is invalid; the message names the field.
    """
    inputs = body.get("input")
    if not isinstance(inputs, dict):
        raise Refused(400, "input is required")
    callback = body.get("callback_url")
    if callback is not None and not _is_callback(callback):
        raise Refused(400, "callback_url must be a valid HTTP(S) URL of at most 2048 characters")
    if model.id in NEEDS_CALLBACK and not callback:
        raise Refused(400, "callback_url is required")
    for complaint in _complaints(model, inputs):
        raise Refused(400, complaint)
    if model.id == "generate-lyrics" and len(str(inputs["prompt"]).split()) > LYRICS_WORDS:
        raise Refused(413, f"prompt must not exceed {LYRICS_WORDS} words")
    return inputs


def price(model: Model, inputs: Mapping[str, Any]) -> float:
    """Return the price of a purchase, in credits."""
    if model.id.startswith("gpt-image-2"):
        quality = {"low": 2, "medium": 3, "high": 12}.get(inputs.get("quality", "low"), 2)
        return float(quality * {"1K": 1, "2K": 2, "4K": 4}.get(inputs.get("resolution", "1K"), 1))
    if model.makes == "image":
        return model.price * int(inputs.get("n", 1))
    if model.id.endswith("-official") and model.id.startswith("veo"):
        second = 15 if inputs.get("sound", True) else 10
        return float(second + 20 * (inputs.get("resolution") == "4k")) * int(inputs.get("duration", 8))
    return model.price


def _is_callback(url: Any) -> bool:
    return isinstance(url, str) and len(url) <= 2048 and url.startswith(("http://", "https://"))


def _complaints(model: Model, inputs: Mapping[str, Any]) -> Iterator[str]:
    needs = MUSIC.get(model.id) or tuple(_visual_needs(model))
    for name in needs:
        if inputs.get(name) is None or inputs[name] == [] or (inputs[name] == "" and model.makes != "music"):
            yield f"{name} is required"
    for name, value in inputs.items():
        if name.endswith(("_url", "_urls")):
            yield from _not_web(name, value)
    if model.makes != "music":
        yield from _visual(model, inputs)


def _visual_needs(model: Model) -> Iterator[str]:
    if not _PROMPTLESS.search(model.id):
        yield "prompt"
    if _FROM_PICTURES.search(model.id) or model.id in IMAGE_COUNTS:
        yield "image_urls"


def _not_web(name: str, value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str) or not one.startswith(("http://", "https://")):
            yield f"{name} must be a public http(s) URL"
    if name.endswith("_urls") and not isinstance(value, list):
        yield f"{name} must be an array"


def _visual(model: Model, inputs: Mapping[str, Any]) -> Iterator[str]:
    if model.id == "gpt-image-2" and inputs.get("image_urls"):
        yield "image_urls is not supported by gpt-image-2, use gpt-image-2-edit"
    if "n" in inputs and _SINGLE_IMAGE.search(model.id):
        yield f"n is not supported by {model.id}"
    most = 15 if model.id.startswith("seedream") else 4
    if not _is_whole(inputs.get("n", 1)) or not 1 <= inputs.get("n", 1) <= most:
        yield f"n must be between 1 and {most}"
    if len(inputs.get("image_urls") or ()) != IMAGE_COUNTS.get(model.id, len(inputs.get("image_urls") or ())):
        yield f"image_urls must contain exactly {IMAGE_COUNTS[model.id]} images"
    references = [name for name in inputs if name.startswith("reference_") and inputs[name]]
    if model.id.startswith("seedance-2") and references and inputs.get("image_urls"):
        yield f"image_urls cannot be combined with {references[0]}"
    if model.id.endswith("reference-to-video") and not references and model.id not in IMAGE_COUNTS:
        yield "reference_image_urls or reference_video_urls is required"
    allowed = next((DURATIONS[one] for one in DURATIONS if model.id.startswith(one)), None)
    length = inputs.get("duration")
    if length is not None and (not _is_whole(length) or (allowed and length not in allowed)):
        yield f"duration must be one of {', '.join(map(str, allowed or (5, 10)))}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
