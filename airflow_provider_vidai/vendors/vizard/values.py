"""The names of Vizard's numbers and codes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: ``videoType``. 8 was listed in 2025 and no longer is; 13 and 14 are the newest.
SOURCES: Final[Mapping[str, int]] = {
    "file": 1,
    "youtube": 2,
    "google_drive": 3,
    "vimeo": 4,
    "streamyard": 5,
    "tiktok": 6,
    "twitter": 7,
    "x": 7,
    "rumble": 8,
    "twitch": 9,
    "loom": 10,
    "facebook": 11,
    "linkedin": 12,
    "dropbox": 13,
    "instagram": 14,
}
#: The platform of a host and of all hosts below it. Hosts from which platforms serve plain files are omitted.
SOURCE_HOSTS: Final[Mapping[str, str]] = {
    "youtube.com": "youtube",
    "youtu.be": "youtube",
    "drive.google.com": "google_drive",
    "vimeo.com": "vimeo",
    "streamyard.com": "streamyard",
    "tiktok.com": "tiktok",
    "twitter.com": "twitter",
    "x.com": "twitter",
    "rumble.com": "rumble",
    "twitch.tv": "twitch",
    "loom.com": "loom",
    "facebook.com": "facebook",
    "fb.watch": "facebook",
    "linkedin.com": "linkedin",
    "dropbox.com": "dropbox",
    "instagram.com": "instagram",
}
#: ``ext``: the file types that the vendor takes.
EXTENSIONS: Final = ("mp4", "3gp", "avi", "mov")
#: ``preferLength``. "auto" must be alone.
LENGTHS: Final[Mapping[str, int]] = {"auto": 0, "<30s": 1, "30-60s": 2, "60-90s": 3, "90s-3min": 4}
#: ``ratioOfClip``; the vendor's default is 9:16.
ASPECT_RATIOS: Final[Mapping[str, int]] = {"9:16": 1, "1:1": 2, "4:5": 3, "16:9": 4}
#: ``clipModel``, and how many minutes a minute of the source is billed as.
CLIP_MODELS: Final[Mapping[str, float]] = {"clip_v1": 1.0, "clip_v2": 1.25}
#: ``aiSocialPlatform``.
PLATFORMS: Final[Mapping[str, int]] = {
    "general": 1,
    "tiktok": 2,
    "instagram": 3,
    "youtube": 4,
    "facebook": 5,
    "linkedin": 6,
    "twitter": 7,
    "x": 7,
}
#: ``tone``.
TONES: Final[Mapping[str, int]] = {"neutral": 0, "interesting": 1, "catchy": 2, "serious": 3, "question": 4}
#: ``voice``.
VOICES: Final[Mapping[str, int]] = {"first_person": 0, "third_person": 1}

#: The longest caption of each platform, in characters.
CAPTION_LIMITS: Final[Mapping[str, int]] = {
    "tiktok": 2200,
    "instagram": 2200,
    "facebook": 2200,
    "linkedin": 3000,
    "youtube": 5000,
    "twitter": 280,
    "x": 280,
}

#: ``lang``: the list of 2024-08, and ``auto``. The codes of Hebrew and Malay are the vendor's own.
LANGUAGES: Final[Mapping[str, str]] = {
    "auto": "detected by Vizard",
    "en": "English",
    "ar": "Arabic",
    "bg": "Bulgarian",
    "hr": "Croatian",
    "cs": "Czech",
    "da": "Danish",
    "nl": "Dutch",
    "fi": "Finnish",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "iw": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "mal": "Malay",
    "zh": "Mandarin (simplified)",
    "zh-TW": "Mandarin (traditional)",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sr": "Serbian",
    "sk": "Slovak",
    "es": "Spanish",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
}
_CODES = {code.lower(): code for code in LANGUAGES}
_CODES |= {name.lower(): code for code, name in LANGUAGES.items() if name.isalpha()}
# The usual codes of Hebrew and Malay, and what people write for Mandarin and Norwegian.
_CODES |= {"he": "iw", "ms": "mal", "mandarin": "zh", "chinese": "zh", "zh-cn": "zh", "nb": "no"}


def language_code(value: Any) -> Any:
    """Return the vendor's code for a code or an English name. Unknown values are returned as they are."""
    return _CODES.get(value.strip().lower().replace("_", "-"), value) if isinstance(value, str) else value


def language_notice(code: str) -> str | None:
    """Return a message about a code that is not in the newest list; None for a code that is."""
    if code in LANGUAGES:
        return None
    return f"language {code!r} is not in Vizard's list ({', '.join(LANGUAGES)}): it is sent as it is."
