"""Vidgo's models as data: what a request is checked against before anything is sent.

Source: the vendor's OpenAPI files of 2026-08-22. The catalogue changes monthly, and its field names differ
from family to family. So little is checked: the required fields, the fields that a model does not take, and
whether a callback is needed. Everything else is sent as it is given; a refusal costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Family = Literal["image", "video", "music"]
#: Where a task is polled: images and videos at one endpoint, music at another.
Kind = Literal["media", "music"]


@dataclass(frozen=True)
class Model:
    """What is known about a model.

    :param needs: required fields of ``input``; ``a|b`` means either of them. ``callback_url`` is a field of
        the request itself.
    :param refuses: fields that the model does not take.
    """

    family: Family
    needs: tuple[str, ...]
    refuses: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """Where its tasks are polled."""
        return "music" if self.family == "music" else "media"


_TEXT_ONLY = "image_urls reference_image_urls reference_video_urls"
_REFERENCES = "reference_image_urls reference_video_urls reference_audio_urls"
_SONG = "task_id audio_id"

#: Family, required fields (``a|b`` means either of them), refused fields, ids.
_TABLE: Final[tuple[tuple[Family, str, str, str], ...]] = (
    ("image", "prompt", "", "gpt-4o-image gpt-image-1.5 grok-imagine-image"),
    ("image", "prompt image_urls", "", "gpt-4o-image-edit gpt-image-1.5-edit"),
    ("image", "prompt", "image_urls n", "gpt-image-2"),
    ("image", "prompt image_urls", "n", "gpt-image-2-edit"),
    ("image", "prompt", "", "nano-banana nano-banana-2 nano-banana-2-new"),
    ("image", "prompt image_urls", "", "nano-banana-edit nano-banana-2-edit nano-banana-2-new-edit"),
    ("image", "prompt size resolution", "", "flux-2-pro flux-2-flex"),
    ("image", "prompt size resolution image_urls", "", "flux-2-pro-edit flux-2-flex-edit"),
    ("image", "prompt", "", "flux-kontext-pro flux-kontext-max"),
    ("image", "prompt image_urls", "", "flux-kontext-pro-edit flux-kontext-max-edit"),
    ("image", "prompt", "", "seedream-4 seedream-4.5 seedream-5.0-lite"),
    ("image", "prompt image_urls", "", "seedream-4-edit seedream-4.5-edit seedream-5.0-lite-edit"),
    ("image", "prompt", "image_urls", "seedream-v5.0-pro"),
    ("image", "prompt image_urls", "", "seedream-v5.0-pro/edit"),
    ("image", "prompt", "image_urls", "qwen-image-3.0/text-to-image qwen-image-3.0-pro/text-to-image"),
    ("image", "prompt image_urls", "", "qwen-image-3.0/edit qwen-image-3.0-pro/edit"),
    ("image", "prompt size", "image_urls", "z-image"),
    ("video", "prompt", "", "sora-2 sora-2-private sora-2-pro sora-2-pro-private"),
    ("video", "prompt", "", "sora-2-official sora-2-pro-official"),
    ("video", "prompt", "", "veo3.1-fast veo3.1-quality"),
    (
        "video",
        "prompt",
        _TEXT_ONLY,
        "veo3.1/text-to-video veo3.1-fast/text-to-video veo3.1-lite/text-to-video",
    ),
    ("video", "prompt image_urls", "", "veo3.1/image-to-video veo3.1-fast/image-to-video"),
    ("video", "prompt image_urls", "", "veo3.1-fast/reference-to-video"),
    ("video", "prompt", "", "veo3.1-fast-official veo3.1-lite-official veo3.1-quality-official"),
    ("video", "prompt duration", "", "kling-1.6/standard kling-1.6/pro"),
    ("video", "prompt start_image_url", "", "kling-2.1/standard kling-2.1/pro"),
    ("video", "prompt", "", "kling-2.5-turbo-pro"),
    ("video", "prompt sound aspect_ratio duration", "", "kling-2.6"),
    ("video", "image_urls video_urls character_orientation mode", "", "kling-2.6-motion-control"),
    ("video", "image_urls video_urls character_orientation", "", "kling-3.0-motion-control"),
    (
        "video",
        "image_urls duration multi_shots sound prompt|multi_prompt",
        "",
        "kling-3.0/standard kling-3.0/pro",
    ),
    ("video", "prompt", _TEXT_ONLY, "wan2.2-text-to-video-fast wan2.5-text-to-video"),
    ("video", "prompt image_urls", "", "wan2.2-image-to-video-fast wan2.5-image-to-video"),
    ("video", "prompt", "image_urls video_urls", "wan2.6-text-to-video"),
    ("video", "prompt image_urls", "", "wan2.6-image-to-video"),
    ("video", "prompt video_urls", "", "wan2.6-video-to-video"),
    ("video", "video_url image_urls", "", "wan-animate-replace wan-animate-move"),
    ("video", "prompt", "", "seedance-1.0-pro"),
    ("video", "prompt aspect_ratio duration", "", "seedance-1.5-pro"),
    ("video", "prompt resolution duration", "", "seedance-2 seedance-2-fast"),
    (
        "video",
        "prompt duration resolution",
        _TEXT_ONLY,
        "seedance-2.0/text-to-video seedance-2.0-fast/text-to-video seedance-2.5/text-to-video",
    ),
    (
        "video",
        "prompt duration resolution image_urls",
        _REFERENCES,
        ("seedance-2.0/image-to-video seedance-2.0-fast/image-to-video seedance-2.5/image-to-video"),
    ),
    (
        "video",
        "prompt duration resolution reference_image_urls|reference_video_urls",
        "image_urls",
        (
            "seedance-2.0/reference-to-video seedance-2.0-fast/reference-to-video "
            "seedance-2.5/reference-to-video"
        ),
    ),
    ("video", "prompt duration", _TEXT_ONLY, "seedance-2.0-mini/text-to-video"),
    ("video", "prompt duration image_urls", _REFERENCES, "seedance-2.0-mini/image-to-video"),
    (
        "video",
        "prompt duration reference_image_urls|reference_video_urls",
        "image_urls",
        "seedance-2.0-mini/reference-to-video",
    ),
    ("video", "prompt", _TEXT_ONLY, "minimax/h3/text-to-video"),
    ("video", "prompt image_urls", _REFERENCES, "minimax/h3/image-to-video"),
    (
        "video",
        "prompt reference_image_urls|reference_video_urls",
        "image_urls",
        "minimax/h3/reference-to-video",
    ),
    ("video", "prompt", "", "hailuo-02 hailuo-02-pro hailuo-2.3"),
    # The given fields decide what this model does: with a picture it needs no prompt.
    ("video", "prompt|image_urls", "", "happy-horse"),
    ("video", "prompt", "", "grok-imagine grok-imagine-video-1.5 runway-gen-4.5"),
    ("music", "prompt custom_mode instrumental mv", "", "generate-music"),
    ("music", "default_param_flag audio_id mv", "", "extend-music"),
    ("music", "upload_url prompt custom_mode instrumental mv", "", "upload-and-cover-audio"),
    ("music", "upload_url default_param_flag instrumental continue_at mv", "", "upload-and-extend-audio"),
    ("music", "upload_url title tags negative_tags", "", "add-instrumental"),
    ("music", "upload_url prompt title style negative_tags", "", "add-vocals"),
    ("music", f"{_SONG} prompt tags title infill_start_s infill_end_s full_lyrics", "", "replace-section"),
    ("music", "prompt callback_url", "", "generate-lyrics"),
    ("music", _SONG, "", "get-timestamped-lyrics"),
    ("music", f"{_SONG} callback_url", "", "convert-to-wav separate-vocals stem-split create-music-video"),
    ("music", "task_id callback_url", "", "generate-music-cover"),
    ("music", f"{_SONG} name description", "", "generate-persona"),
    ("music", "content", "", "boost-music-style"),
    ("music", "audio_url callback_url", "", "upload-and-separate-vocals"),
)

#: All models by id.
MODELS: Final[Mapping[str, Model]] = MappingProxyType(
    {
        name: Model(family, tuple(needs.split()), tuple(refuses.split()))
        for family, needs, refuses, ids in _TABLE
        for name in ids.split()
    }
)

#: Fields that hold one or more pictures. The hook uploads those that are not URLs.
IMAGE_FIELDS: Final = frozenset(
    {
        *("image_urls", "image_url", "mask_url", "start_image_url", "end_image_url"),
        *("reference_image_urls", "element_input_urls"),
    }
)
#: Fields that hold a video or sound, which cannot be uploaded.
FOOTAGE_FIELDS: Final = frozenset(
    {
        *("video_urls", "video_url", "reference_video_urls", "element_input_video_urls"),
        *("reference_audio_urls", "upload_url", "audio_url"),
    }
)
#: Fields that are numbers, time spans, and true or false: a template renders them as text.
NUMBERS: Final = frozenset(
    {
        *("n", "seed", "cfg_scale", "style_weight", "weirdness_constraint", "audio_weight"),
    }
)
SECONDS: Final = frozenset({"duration", "continue_at", "infill_start_s", "infill_end_s"})
SWITCHES: Final = frozenset(
    {
        *("sound", "generate_audio", "multi_shots", "storyboard", "fixed_lens", "return_last_frame"),
        *("web_search", "google_search", "enable_safety_checker", "prompt_extend", "prompt_optimizer"),
        *("custom_mode", "instrumental", "default_param_flag"),
    }
)

#: How the names of music models are recognised that are not in the table.
_MUSICAL = re.compile(r"music|lyrics|vocal|stem|song|persona|audio", re.IGNORECASE)


def kind_of(model: str) -> Kind:
    """Return where a model's tasks are polled, judged by its name where the table does not have it."""
    known = MODELS.get(model)
    if known is not None:
        return known.kind
    return "music" if _MUSICAL.search(model) else "media"
