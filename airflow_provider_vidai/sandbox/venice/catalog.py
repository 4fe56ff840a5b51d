"""Venice's models: what each accepts, and what it costs.

Ids, lists and prices are the published ones; where none are published, they are invented to fit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CREATED = 1_767_225_600
TEXT, IMAGE, VIDEO = "text-to-video", "image-to-video", "video"
WIDE = ("16:9", "9:16", "1:1")
MANY = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
#: ``constraints.durations`` where the source decides the length. Queue refuses it as a value.
SOURCE_MATCHED = "Auto"
#: Durations that follow the reference videos, at models that accept them.
AUTOMATIC = ("auto", "-1")
REFERENCES = ("reference_image_urls", "reference_video_urls", "reference_audio_urls")
TOPAZ = (
    *(
        "enhancement_model",
        "compression",
        "creativity",
        "halo",
        "noise",
        "realism",
        "recover_detail",
        "sharp",
    ),
    *("grain", "softness", "h264_output", "output_format", "target_fps", "slowdown_factor"),
)


@dataclass(frozen=True)
class Model:
    """One model.

    :param rates: USD per second of silent video by resolution; ``""`` is any other resolution.
    :param sound_factor: by how much sound multiplies the price.
    :param takes: the accepted fields beyond the common ones.
    :param needs: fields of which at least one is required.
    :param images: the maximum number of reference images.
    :param clips: the maximum total length of its reference videos, in seconds.
    :param link: whether it delivers by a link that the purchase returns.
    :param listed: whether the catalogue shows it.
    :param consent: whether media that may show faces requires ``consents``.
    :param average: seconds that a job usually takes.
    """

    id: str
    kind: str
    durations: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()
    audio: bool = False
    audio_configurable: bool = False
    rates: Mapping[str, float] = field(default_factory=lambda: {"": 0.1})
    sound_factor: float = 1.0
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    images: int = 4
    clips: float = 15.0
    prompt_limit: int = 2500
    promptless: bool = False
    private: bool = False
    link: bool = False
    listed: bool = True
    offline: bool = False
    consent: bool = False
    average: float = 145.0

    @property
    def upscales(self) -> bool:
        """Whether it enlarges videos instead of making new ones."""
        return "upscale_factor" in self.takes

    @property
    def source_matched(self) -> bool:
        """Whether the source video decides the length."""
        return self.durations == (SOURCE_MATCHED,)

    @property
    def resolution(self) -> str:
        """The default resolution."""
        return self.resolutions[0] if self.resolutions else ""


def _seconds(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number}s" for number in numbers)


_WAN_26 = {"720p": 0.11, "1080p": 0.165}
_WAN_3 = {"480p": 0.065, "720p": 0.13, "1080p": 0.26}
_LTX = {"1080p": 0.06, "1440p": 0.12, "2160p": 0.24}
_SEEDANCE = {"480p": 0.07, "720p": 0.15, "1080p": 0.34}
_HD, _SD = ("1080p", "720p"), ("720p", "480p")
_FIRST, _FIRST_LAST = ("image_url",), ("image_url", "end_image_url")
_GROK = {"rates": {"480p": 0.05, "720p": 0.07}, "audio": True, "private": True, "link": True, "average": 40.0}
_SEED = {
    "rates": _SEEDANCE,
    "audio": True,
    "audio_configurable": True,
    "resolutions": ("720p", "480p", "1080p"),
}

MODELS = {
    model.id: model
    for model in (
        Model("wan-2.6-text-to-video", TEXT, _seconds(5, 10, 15), _HD, WIDE, True, True, _WAN_26),
        Model(
            *("wan-2.6-image-to-video", IMAGE, _seconds(5, 10, 15), _HD, (), True, True, _WAN_26),
            takes=_FIRST,
            needs=_FIRST,
        ),
        Model(
            *("wan-2-7-text-to-video", TEXT, _seconds(5, 10, 15), _HD, WIDE),
            rates={"720p": 0.1, "1080p": 0.15},
            takes=("audio_url",),
        ),
        Model(
            *("wan-2-7-video-to-video", VIDEO, (SOURCE_MATCHED,), _HD),
            rates={"720p": 0.1, "1080p": 0.15},
            takes=("video_url",),
            needs=("video_url",),
            average=380.0,
        ),
        Model(
            *("wan-3-0-text-to-video", TEXT, _seconds(5, 10, 15, 20, 30), ("1080p", "720p", "480p"), WIDE),
            *(True, True, _WAN_3),
            prompt_limit=20_000,
        ),
        Model(
            *("wan-3-0-reference-to-video", IMAGE, _seconds(5, 10, 15), ("1080p", "720p", "480p"), WIDE),
            *(True, True, _WAN_3),
            takes=(*REFERENCES, "reference_document_urls"),
            needs=(*REFERENCES, "reference_document_urls"),
            images=10,
            prompt_limit=20_000,
        ),
        Model(
            *("kling-2.6-pro-text-to-video", TEXT, _seconds(5, 10), (), WIDE, True, True, {"": 0.07}),
            sound_factor=1.25,
        ),
        Model(
            *("kling-2.6-pro-image-to-video", IMAGE, _seconds(5, 10), (), (), True, True, {"": 0.07}),
            sound_factor=1.25,
            takes=_FIRST_LAST,
            needs=_FIRST,
        ),
        Model(
            *("kling-o3-pro-reference-to-video", IMAGE, _seconds(5, 10), (), WIDE, True, True, {"": 0.14}),
            sound_factor=1.25,
            takes=(*_FIRST_LAST, "elements", "scene_image_urls", "reference_image_urls"),
            needs=("image_url", "elements", "scene_image_urls"),
            average=300.0,
        ),
        Model(
            *("longcat-distilled-text-to-video", TEXT, _seconds(5, 10, 15, 20, 30), ("720p",), WIDE),
            rates={"": 0.02},
            private=True,
        ),
        Model(
            *("wan-2.1-pro-image-to-video", IMAGE, _seconds(6), (), ("16:9",)),
            takes=_FIRST,
            needs=_FIRST,
            private=True,
        ),
        Model(
            *("ovi-image-to-video", IMAGE, _seconds(5), (), (), True),
            rates={"": 0.04},
            takes=_FIRST,
            needs=_FIRST,
            private=True,
        ),
        *(
            Model(
                *(f"ltx-2-{size}-text-to-video", TEXT, _seconds(6, 8, 10), tuple(_LTX), ("16:9",)),
                *(True, True, _LTX),
            )
            for size in ("fast", "full")
        ),
        Model(
            *("ltx-2-full-image-to-video", IMAGE, _seconds(6, 8, 10), tuple(_LTX), (), True, True, _LTX),
            takes=(*_FIRST_LAST, "keyframes", "image_strength"),
            needs=("image_url", "keyframes"),
        ),
        Model(
            *("veo3.1-fast-text-to-video", TEXT, _seconds(4, 6, 8), _HD, ("16:9", "9:16"), True, True),
            rates={"": 0.1},
            sound_factor=1.5,
            average=90.0,
        ),
        Model(
            *("minimax-h3-text-to-video", TEXT, _seconds(6, 10), ("768P", "2K"), WIDE),
            rates={"768P": 0.08, "2K": 0.2},
        ),
        Model(
            *("minimax-h3-image-to-video", IMAGE, _seconds(6, 10), ("768P", "2K")),
            rates={"768P": 0.08, "2K": 0.2},
            takes=_FIRST_LAST,
            needs=_FIRST,
        ),
        Model(
            *("minimax-h3-max-multi-angle", IMAGE, _seconds(5), ("768P", "2K")),
            rates={"768P": 0.1, "2K": 0.25},
            takes=("image_url", "camera_trajectory"),
            needs=_FIRST,
            promptless=True,
        ),
        Model(
            *("grok-imagine-text-to-video-private", TEXT, _seconds(5, 8, 10, 15), _SD, MANY),
            **_GROK,  # type: ignore[arg-type]
        ),
        Model(
            *("grok-imagine-image-to-video-private", IMAGE, _seconds(5, 8, 10, 15), _SD),
            takes=_FIRST,
            needs=_FIRST,
            **_GROK,  # type: ignore[arg-type]
        ),
        Model(
            *("grok-imagine-reference-to-video-private", IMAGE, _seconds(5, 8, 10), _SD, MANY),
            takes=("reference_image_urls",),
            needs=("reference_image_urls",),
            images=7,
            **_GROK,  # type: ignore[arg-type]
        ),
        Model(
            *("seedance-2-0-reference-to-video-basic", IMAGE, _seconds(*range(4, 16))),
            ratios=MANY,
            takes=(*REFERENCES, "bitrate_mode"),
            needs=REFERENCES,
            images=9,
            **_SEED,  # type: ignore[arg-type]
        ),
        Model(
            *("seedance-2-5-reference-to-video-basic", IMAGE, (*_seconds(*range(4, 31)), *AUTOMATIC)),
            ratios=MANY,
            takes=(*REFERENCES, "bitrate_mode", "omni_reference_task_type"),
            needs=REFERENCES,
            images=30,
            clips=30.0,
            **_SEED,  # type: ignore[arg-type]
        ),
        Model(
            *("seedance-2-0-reference-to-video", IMAGE, _seconds(*range(4, 16))),
            ratios=MANY,
            takes=(*REFERENCES, "bitrate_mode", "consents"),
            needs=REFERENCES,
            images=9,
            listed=False,
            consent=True,
            **_SEED,  # type: ignore[arg-type]
        ),
        Model(
            *("seedance-2-0-image-to-video", IMAGE, _seconds(*range(4, 16))),
            takes=(*_FIRST_LAST, "bitrate_mode", "consents"),
            needs=_FIRST,
            listed=False,
            consent=True,
            **_SEED,  # type: ignore[arg-type]
        ),
        Model(
            *("topaz-video-upscale", VIDEO, (SOURCE_MATCHED,), ("2x", "4x")),
            takes=("video_url", "upscale_factor", *TOPAZ),
            needs=("video_url",),
            promptless=True,
        ),
        Model(
            *("wan-2.5-preview-text-to-video", TEXT, _seconds(5, 10), _HD, WIDE, True, True),
            offline=True,
        ),
    )
}

#: The chat models, and whether each accepts video.
CHATS = {"qwen3-vl-235b-a22b": True, "venice-uncensored": False}


def price(model: Model, request: Mapping[str, Any], source: "Footage | None", references: float) -> float:
    """Return the price of a video, in USD.

    :param source: the video that the job changes, if any.
    :param references: the total length of the reference videos, in seconds.
    """
    if model.upscales and source:
        factor = request.get("upscale_factor", 2)
        fps = request.get("target_fps", source.fps)
        return _cents(_by_height(source.height * factor) * (2 if fps > 48 else 1) * source.seconds)
    duration = str(request.get("duration", ""))
    if duration.endswith("s"):
        seconds = float(duration[:-1])
    else:
        seconds = math.ceil(source.seconds) if source else math.ceil(references)
    rate = model.rates.get(str(request.get("resolution", model.resolution)), model.rates.get("", 0.1))
    sound_factor = model.sound_factor if model.audio and request.get("audio", True) else 1.0
    # The price of reference videos is not published; here each of their seconds costs as much as one made.
    return _cents(rate * sound_factor * (seconds + math.ceil(references)))


@dataclass(frozen=True)
class Footage:
    """The properties of a video that a request points to."""

    seconds: float
    height: int
    fps: float


def _by_height(height: float) -> float:
    return 0.013 if height <= 720 else 0.025 if height <= 1080 else 0.10


def _cents(amount: float) -> float:
    exact = Decimal(repr(round(amount, 6)))
    return max(0.01, float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP)))


def rows(kind: str) -> list[dict[str, Any]] | None:
    """Return the catalogue's rows of one type; None if the type is unknown."""
    videos = [_video_row(model) for model in MODELS.values() if model.listed]
    chats = [_chat_row(name, watches) for name, watches in CHATS.items()]
    if kind == "all":
        return [*chats, *videos]
    if kind in ("asr", "decision", "embedding", "image", "inpaint", "music", "tts", "upscale"):
        return []
    return {"text": chats, "code": chats[:1], "video": videos}.get(kind)


def _row(name: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "owned_by": "venice.ai",
        "type": kind,
        "created": CREATED,
        "model_spec": {"name": name.replace("-", " ").title(), **spec},
    }


def _video_row(model: Model) -> dict[str, Any]:
    constraints: dict[str, Any] = {
        "model_type": model.kind,
        "aspect_ratios": list(model.ratios),
        "resolutions": list(model.resolutions),
        "durations": list(model.durations),
        "audio": model.audio,
        "audio_configurable": model.audio_configurable,
        "audio_input": "audio_url" in model.takes,
        "per_reference_audio": False,
        "video_input": any(name in model.takes for name in ("video_url", "reference_video_urls")),
    }
    if not (model.promptless and model.upscales):
        constraints["prompt_character_limit"] = model.prompt_limit
    privacy = "private" if model.private else "anonymized"
    spec = {"privacy": privacy, "offline": model.offline, "traits": [], "constraints": constraints}
    return _row(model.id, "video", spec)


def _chat_row(name: str, watches: bool) -> dict[str, Any]:
    capabilities: dict[str, Any] = {
        "optimizedForCode": False,
        "quantization": "fp8",
        "supportsAudioInput": False,
        "supportsFunctionCalling": True,
        "supportsLogProbs": False,
        "supportsMultipleImages": watches,
        "supportsReasoning": False,
        "supportsResponseSchema": True,
        "supportsVideoInput": watches,
        "supportsVision": watches,
        "supportsWebSearch": True,
    }
    spec = {
        "availableContextTokens": 131_072,
        "capabilities": {**capabilities, "maxVideos": 1} if watches else capabilities,
        "constraints": {"temperature": {"default": 0.7}, "top_p": {"default": 0.8}},
        "description": "Answers text and accepts video." if watches else "Answers text.",
        "offline": False,
        "pricing": {"input": {"usd": 0.25, "diem": 0.25}, "output": {"usd": 1.5, "diem": 1.5}},
        "privacy": "private",
        "traits": [] if watches else ["default"],
    }
    return _row(name, "text", spec)
