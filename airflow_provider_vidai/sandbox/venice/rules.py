"""Which requests Venice accepts, model by model."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from airflow_provider_vidai.sandbox.venice.catalog import SOURCE_MATCHED, TOPAZ, Model
from airflow_provider_vidai.sandbox.venice.values import (
    Issue,
    bounded_text,
    measure,
    media,
    media_list,
    missing,
    of_type,
    one_of,
    unknown_keys,
)

ANY_RATIO = (
    "1:1",
    "2:3",
    "3:2",
    "3:4",
    "4:3",
    "4:5",
    "5:4",
    "9:16",
    "9:21",
    "16:9",
    "21:9",
    "adaptive",
    "auto",
)
LONGEST_SOURCE = 300
MAX_TURNS = 32
FPS = 24


def _prompt(model: Model, value: Any) -> Iterator[Issue]:
    yield from bounded_text(model.prompt_limit, value, "prompt")
    if value == "":
        yield Issue("String must contain at least 1 character(s)", ("prompt",), "too_small", {"minimum": 1})


def _duration(model: Model, value: Any) -> Iterator[Issue]:
    if not model.source_matched:
        yield from one_of(model.durations, value, "duration")
        return
    try:
        good = 0 < float(value) <= LONGEST_SOURCE and isinstance(value, str)
    except (TypeError, ValueError):
        good = False
    if not good:
        yield Issue("duration must be a positive number", ("duration",))


def _resolution(model: Model, value: Any) -> Iterator[Issue]:
    if model.upscales:
        yield Issue("Use upscale_factor instead of resolution", ("resolution",))
    else:
        yield from one_of(model.resolutions, value, "resolution")


def _upscale_factor(_: Model, value: Any) -> Iterator[Issue]:
    if value not in (1, 2, 4) or isinstance(value, bool):
        yield Issue("Invalid input", ("upscale_factor",), "invalid_union")


def _elements(_: Model, value: Any) -> Iterator[Issue]:
    wrong = list(of_type("array", value, "elements"))
    yield from wrong
    if wrong:
        return
    if len(value) > 4:
        yield Issue("Array must contain at most 4 element(s)", ("elements",), "too_big", {"maximum": 4})
    for number, one in enumerate(value):
        yield from list(of_type("object", one, "elements", number)) or _element(one, "elements", number)


def _element(one: dict[str, Any], *path: str | int) -> Iterator[Issue]:
    images = [name for name in ("frontal_image_url", "reference_image_urls") if one.get(name)]
    if images and one.get("video_url"):
        yield Issue("Cannot provide both image URLs and video URL", path)
    if not images and not one.get("video_url"):
        yield Issue("Either image URLs or a video URL is required", path)
    for name in ("frontal_image_url", "video_url"):
        if name in one:
            yield from media(one[name], *path, name)
    if "reference_image_urls" in one:
        yield from media_list(3, one["reference_image_urls"], *path, "reference_image_urls")


def _keyframes(_: Model, value: Any) -> Iterator[Issue]:
    wrong = list(of_type("array", value, "keyframes"))
    yield from wrong
    if wrong:
        return
    if len(value) > 10:
        yield Issue("Array must contain at most 10 element(s)", ("keyframes",), "too_big", {"maximum": 10})
    seen = set()
    for number, one in enumerate(value):
        index = one.get("frame_index") if isinstance(one, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            yield Issue("frame_index must be a whole number, 0 or more", ("keyframes", number))
            continue
        if index in seen:
            yield Issue("frame_index must be unique", ("keyframes", number))
        seen.add(index)
        yield from media(one.get("image_url"), "keyframes", number, "image_url")


def _trajectory(_: Model, value: Any) -> Iterator[Issue]:
    path = "camera_trajectory"
    wrong = list(of_type("array", value, path))
    yield from wrong
    if wrong:
        return
    if not 2 <= len(value) <= 12:
        yield Issue("camera_trajectory must have 2 to 12 keyframes", (path,))
    for number, one in enumerate(value):
        wrong += list(of_type("object", one, path, number)) or _pose(one, path, number)
    yield from wrong
    if wrong:
        return
    if any(later["time"] <= earlier["time"] for earlier, later in pairwise(value)):
        yield Issue("time must be strictly increasing", (path,))
    if (
        sum(abs(later["azimuth"] - earlier["azimuth"]) for earlier, later in pairwise(value))
        > MAX_TURNS * 360
    ):
        yield Issue(f"Camera azimuth travel must not exceed {MAX_TURNS} full turns", (path,))


def _pose(one: dict[str, Any], *path: str | int) -> list[Issue]:
    ranges = {"time": (0, 1), "azimuth": (-1e9, 1e9), "elevation": (-90, 90), "distance": (1e-9, 1e9)}
    extra = [name for name in one if name not in ranges]
    wrong = [unknown_keys(extra)] if extra else []
    for name, (low, high) in ranges.items():
        wrong += measure(low, high, one.get(name), *path, name)
    return wrong


CONSENTS = ("confirmed_terms_and_privacy", "confirmed_legal_right", "confirmed_screening_acknowledged")


def _consents(_: Model, value: Any) -> Iterator[Issue]:
    given = value.get("seedance") if isinstance(value, dict) else None
    wrong = list(of_type("object", given, "consents", "seedance"))
    yield from wrong
    if wrong or given is None:
        return
    for name in CONSENTS:
        if given.get(name) is not True:
            yield Issue(
                "Invalid literal value, expected true", ("consents", "seedance", name), "invalid_literal"
            )
    extra = [name for name in given if name not in CONSENTS]
    if extra:
        yield unknown_keys(extra)


def _anonymous_user(_: Model, value: Any) -> Iterator[Issue]:
    yield from bounded_text(128, value, "anon_user_id")
    if isinstance(value, str) and ("||" in value or not value.isprintable()):
        yield Issue("Invalid", ("anon_user_id",), "invalid_string")


Check = Callable[[Model, Any], Iterator[Issue]]


def _plain(name: str, kind: str) -> Check:
    return lambda _, value: of_type(kind, value, name)


def _choice(name: str, *allowed: str) -> Check:
    return lambda _, value: one_of(allowed, value, name)


def _range(name: str, low: float, high: float) -> Check:
    return lambda _, value: measure(low, high, value, name)


def _url(name: str) -> Check:
    return lambda _, value: media(value, name)


def _urls(name: str, most: int) -> Check:
    return lambda _, value: media_list(most, value, name)


#: Every field, with the check of its value.
FIELDS: dict[str, Check] = {
    "model": _plain("model", "string"),
    "prompt": _prompt,
    "negative_prompt": lambda model, value: bounded_text(model.prompt_limit, value, "negative_prompt"),
    "duration": _duration,
    "aspect_ratio": lambda model, value: one_of(model.ratios or ANY_RATIO, value, "aspect_ratio"),
    "resolution": _resolution,
    "upscale_factor": _upscale_factor,
    "audio": _plain("audio", "boolean"),
    "image_strength": _range("image_strength", 0, 1),
    "reference_image_urls": lambda model, value: media_list(model.images, value, "reference_image_urls"),
    "reference_document_urls": _urls("reference_document_urls", 1),
    "elements": _elements,
    "keyframes": _keyframes,
    "camera_trajectory": _trajectory,
    "omni_reference_task_type": _choice(
        "omni_reference_task_type", "auto", "reference", "edit", "extend", "editing", "extension"
    ),
    "bitrate_mode": _choice("bitrate_mode", "standard", "high"),
    "consents": _consents,
    "anon_user_id": _anonymous_user,
    "enhancement_model": _plain("enhancement_model", "string"),
    "grain": _range("grain", 0, 0.1),
    "softness": _range("softness", 1, 5),
    "h264_output": _plain("h264_output", "boolean"),
    "output_format": _choice("output_format", "mp4", "prores"),
    "target_fps": _range("target_fps", 16, 120),
    "slowdown_factor": _range("slowdown_factor", 1, 8),
    **{name: _url(name) for name in ("image_url", "end_image_url", "audio_url", "video_url")},
    **{name: _urls(name, 10) for name in ("reference_video_urls", "reference_audio_urls")},
    "scene_image_urls": _urls("scene_image_urls", 4),
    **{
        name: _range(name, 0, 1)
        for name in TOPAZ
        if name in ("compression", "creativity", "halo", "noise", "realism", "recover_detail", "sharp")
    },
}
COMMON = ("model", "negative_prompt", "anon_user_id")
#: The fields that a quote uses; it ignores the others.
PRICED = ("duration", "aspect_ratio", "resolution", "upscale_factor", "audio", "video_url", "target_fps")


def supports(model: Model, name: str) -> bool:
    """Return whether the model supports the field."""
    known = {
        "prompt": not model.upscales,
        "duration": True,
        "aspect_ratio": bool(model.ratios),
        "resolution": bool(model.resolutions),
        "audio": model.audio_configurable,
    }
    return known.get(name, name in COMMON or name in model.takes)


def queue_issues(model: Model, body: Mapping[str, Any], strict: bool) -> list[Issue]:
    """Return what is wrong with a purchase."""
    issues: list[Issue] = []
    unknown = [name for name in body if name not in FIELDS]
    if unknown and strict:
        issues.append(unknown_keys(unknown))
    for name, value in body.items():
        if name not in FIELDS:
            continue
        if supports(model, name):
            issues += FIELDS[name](model, value)
        elif strict:
            what = "audio configuration" if name == "audio" else name
            issues.append(Issue(f"This model does not support {what}", (name,)))
    return [*issues, *_missing_fields(model, body), *_combinations(model, body)]


def quote_issues(model: Model, body: Mapping[str, Any]) -> list[Issue]:
    """Return what is wrong with a request for a quote."""
    issues: list[Issue] = []
    for name in PRICED:
        if name in body and supports(model, name) and not (name == "resolution" and model.upscales):
            issues += FIELDS[name](model, body[name])
    if "reference_video_total_duration" in body:
        total = body["reference_video_total_duration"]
        issues += measure(0, 150, total, "reference_video_total_duration")
    if "duration" not in body and not model.source_matched:
        issues.append(missing("duration", " | ".join(f"'{one}'" for one in model.durations)))
    if "video_url" in model.needs and not body.get("video_url"):
        issues.append(missing("video_url", "string"))
    return issues


def _missing_fields(model: Model, body: Mapping[str, Any]) -> Iterator[Issue]:
    lists = {"duration": model.durations, "aspect_ratio": model.ratios}
    for name, allowed in lists.items():
        if allowed and SOURCE_MATCHED not in allowed and name not in body:
            yield missing(name, " | ".join(f"'{one}'" for one in allowed))
    if "prompt" not in body and not model.promptless:
        yield missing("prompt", "string")
    if model.needs and not any(body.get(name) for name in model.needs):
        if len(model.needs) == 1:
            yield missing(model.needs[0], "string")
        elif "elements" in model.needs:
            message = "At least one visual input is required: image_url, elements, or scene_image_urls"
            yield Issue(message, ("image_url",))
        else:
            yield Issue("At least one reference is required for this model")


def _combinations(model: Model, body: Mapping[str, Any]) -> Iterator[Issue]:
    """Complain about fields that exclude or require each other."""
    seen = [name for name in ("reference_image_urls", "reference_video_urls") if body.get(name)]
    if body.get("reference_audio_urls") and not seen:
        yield Issue("reference_audio_urls needs an image or video reference", ("reference_audio_urls",))
    duration = body.get("duration")
    if duration in ("auto", "-1") and duration in model.durations and not body.get("reference_video_urls"):
        yield Issue("reference_video_urls is required for automatic duration", ("reference_video_urls",))
    frames = body.get("keyframes")
    if isinstance(frames, list) and isinstance(duration, str) and duration in model.durations:
        last = float(duration[:-1]) * FPS
        for number, one in enumerate(frames):
            index = one.get("frame_index") if isinstance(one, dict) else None
            if isinstance(index, int) and index > last:
                yield Issue(f"frame_index must be at most {last:g}", ("keyframes", number))
