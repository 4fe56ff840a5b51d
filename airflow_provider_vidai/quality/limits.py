"""The limits of the checks, and profiles of them for where a video is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_vidai.arguments import as_bool, as_number, as_seconds, as_whole

Seconds = Annotated[float, BeforeValidator(as_seconds), Field(ge=0)]
Share = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1)]
Number = Annotated[float, BeforeValidator(as_number)]
Whole = Annotated[int, BeforeValidator(as_whole), Field(ge=0)]
Truth = Annotated[bool, BeforeValidator(as_bool)]


def ratio(value: Any) -> float:
    """Return a ratio of width to height: 1.78, "16:9" or "portrait".

    :raises ValueError: when it is none.
    """
    text = NAMED_RATIOS.get(str(value).strip().lower(), str(value))
    width, colon, height = text.replace("x", ":").replace("/", ":").partition(":")
    try:
        found = float(width) / float(height) if colon else float(text)
    except (ValueError, ZeroDivisionError):
        found = 0.0
    if not 0 < found < float("inf"):
        raise ValueError("must be a ratio such as '16:9'")
    return found


#: Names that a vendor has for a ratio.
NAMED_RATIOS: Final = {"portrait": "9:16", "vertical": "9:16", "landscape": "16:9", "square": "1:1"}


def _asked_or(read: Callable[[Any], float]) -> Any:
    """Return the type of a value that may also be the word "asked"."""
    return Annotated[
        float | str | None, BeforeValidator(lambda value: value if value in ("asked", None) else read(value))
    ]


class Limits(BaseModel):
    """What a file must keep to. None (and False) switches a limit off, except where it says otherwise.

    :param decodes: the file can be decoded to its end without damaged data.
    :param seconds: the length. ``asked`` (default) means what the task asked the vendor for, if it asked.
    :param tolerance: how many seconds the length may differ; by default half a second or 5 %, whichever is
        more.
    :param min_seconds: the shortest length in seconds; likewise ``max_seconds``.
    :param aspect: width to height as shown, such as ``16:9``; may differ by 3 %. ``asked`` as above.
    :param max_black_seconds: the longest stretch of black; likewise for ``plain`` (one single colour that is
        not black), ``frozen`` (a shot that stops moving) and ``silent`` (silence, or nothing but a hum).
    :param max_black_share: the share of the whole length, from 0 to 1; likewise for the others.
    :param no_black_start: the first frame may not be black.
    :param must_move: the file may not consist of one single still.
    :param require_sound: there must be a track of sound.
    :param max_clipped_share: the share of the sound that may be distorted because it is too loud.
    :param min_loudness: integrated loudness by EBU R128 in LUFS, such as -24; likewise ``max_loudness``.
    :param max_true_peak: in dBTP, such as -1.
    :param max_sound_gap: seconds by which the lengths of picture and sound may differ.
    :param min_resolution: pixels of the shorter side, as in "720p"; likewise ``max_resolution``.
    :param min_fps: frames per second; likewise ``max_fps``.
    :param max_bytes: the size of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decodes: Truth = True
    seconds: _asked_or(as_seconds) = "asked"  # type: ignore[valid-type]
    tolerance: Seconds | None = None
    min_seconds: Seconds | None = None
    max_seconds: Seconds | None = None
    aspect: _asked_or(ratio) = "asked"  # type: ignore[valid-type]
    max_black_seconds: Seconds | None = 0.5
    max_black_share: Share | None = 0.25
    max_plain_seconds: Seconds | None = 0.5
    max_plain_share: Share | None = 0.25
    max_frozen_seconds: Seconds | None = 0.3
    max_frozen_share: Share | None = 0.25
    max_silent_seconds: Seconds | None = 2.0
    max_silent_share: Share | None = 0.5
    no_black_start: Truth = False
    must_move: Truth = True
    require_sound: Truth = False
    max_clipped_share: Share | None = 0.02
    min_loudness: Number | None = None
    max_loudness: Number | None = None
    max_true_peak: Number | None = None
    max_sound_gap: Seconds | None = 0.5
    min_resolution: Whole | None = None
    max_resolution: Whole | None = None
    min_fps: Number | None = None
    max_fps: Number | None = None
    max_bytes: Whole | None = None


#: What each place asks for, on top of the defaults.
PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    # TikTok's Content Posting API takes 360 to 4096 pixels, 23 to 60 fps, 3 s to 10 min and 4 GB; its feed
    # shows the first frame, and upright videos of 720p and more fill the screen.
    "tiktok": {
        "aspect": "9:16",
        "min_seconds": 3,
        "max_seconds": 600,
        "min_resolution": 720,
        "max_resolution": 2160,
        "min_fps": 23,
        "max_fps": 60,
        "max_bytes": 4_000_000_000,
        "no_black_start": True,
        "require_sound": True,
    },
    # YouTube takes 12 hours or 256 GB. It turns down what is louder than -14 LUFS and leaves the rest alone,
    # so that a very quiet video stays quiet.
    "youtube": {
        "max_seconds": 12 * 3600,
        "min_resolution": 720,
        "min_fps": 23,
        "max_fps": 60,
        "max_bytes": 256_000_000_000,
        "min_loudness": -24,
        "max_true_peak": 0,
        "require_sound": True,
    },
    # EBU R 128: -23 LUFS, with the tolerance of 1 LU that it grants where normalising exactly is not
    # practical, and at most -1 dBTP.
    "broadcast_r128": {
        "min_loudness": -24,
        "max_loudness": -22,
        "max_true_peak": -1,
        "require_sound": True,
        "min_resolution": 720,
        "min_fps": 25,
    },
}
