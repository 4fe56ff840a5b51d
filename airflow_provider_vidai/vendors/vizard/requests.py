"""The requests for Vizard's clips. The rules of each field are the vendor's own.

Sources: the vendor's documents (basic, advanced and publish settings, 2026-03 to 2026-10), its skills of
2026-04, and the history of its older documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

from airflow_provider_vidai.arguments import agreed, as_text, as_whole
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.vendors.fields import Mark, Number, Request, Switch, Text, Whole
from airflow_provider_vidai.vendors.vizard.values import (
    ASPECT_RATIOS,
    CLIP_MODELS,
    EXTENSIONS,
    LENGTHS,
    SOURCE_HOSTS,
    SOURCES,
    language_code,
    language_notice,
)

#: The longest source, in seconds, and the largest, in bytes (documents of 2026; 360 min and 8 GB in 2024).
LONGEST: Final = 600 * 60.0
LARGEST: Final = 10 * 1000**3
#: The longest source of ``mode="edit"``, in seconds.
LONGEST_EDIT: Final = 180.0

FILE: Final = SOURCES["file"]

#: The vendor's own names of fields, which scripts for the HTTP API use.
WIRE_NAMES: Final[Mapping[str, str]] = {
    "videoUrl": "video_url",
    "videoType": "source",
    "lang": "language",
    "preferLength": "prefer_length",
    "projectName": "project_name",
    "subtitleSwitch": "subtitles",
    "headlineSwitch": "headline",
}


def number_of(names: Mapping[str, int], *, others: bool = False) -> Callable[[Any], int]:
    """Return a reader of a name, or of the vendor's own number for it.

    :param others: whether to accept numbers that have no name yet.
    """

    def read(value: Any) -> int:
        number = names.get(str(value).strip().lower())
        if number is not None:
            return number
        try:
            number = as_whole(value)
        except ValueError:
            number = None
        if number is None or (number not in names.values() and not others):
            raise ValueError(f"must be one of {', '.join(dict.fromkeys(names))}")
        return number

    return read


def _lengths(value: Any) -> list[int]:
    value = literal(value)
    given = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    read = number_of(LENGTHS)
    found = sorted({read(item) for item in given})
    # Vizard refuses "auto" together with another length (code 4006).
    if not found or (0 in found and len(found) > 1):
        raise ValueError(f"must be 'auto' alone, or some of {', '.join(list(LENGTHS)[1:])}")
    return found


def _joined(value: Any) -> Any:
    value = literal(value)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _mode(value: Any) -> Any:
    return {"1": "clips", "0": "edit"}.get(str(value).strip(), value)


def _is_web(value: str) -> bool:
    return urlsplit(value).scheme.lower() in ("http", "https")


def _web_url(value: str) -> str:
    if not _is_web(value) or not urlsplit(value).hostname:
        raise ValueError("must be an http(s) URL")
    return value


Id = Annotated[Whole, Field(gt=0)]


class ProjectRequest(Request):
    """A long video to clip, or a short one to edit: the fields of ``/project/create`` by readable names.

    :param video_url: http(s). Until the hook signs it, it may also be a storage URI or path.
    :param source: one of :data:`~airflow_provider_vidai.vendors.vizard.values.SOURCES`, or its number;
        by default found from the URL's host.
    :param ext: file type; by default what the URL's path ends with.
    :param mode: ``clips``, or ``edit`` for a source of up to three minutes.
    :param max_clips: 1 to 100, the best by viral score.
    :param keywords: the subjects of the clips; there may be no such clips.
    :param template_id: id of a brand template, whose ratio must be ``aspect_ratio``.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, validate_default=True)

    video_url: Annotated[Text, Mark.MEDIA, Field(repr=False)]
    source: Annotated[int, BeforeValidator(number_of(SOURCES, others=True)), Field(gt=0)] | None = None
    ext: Annotated[str, BeforeValidator(as_text)] | None = None
    language: Annotated[Text, BeforeValidator(language_code)] = "auto"
    mode: Annotated[Literal["clips", "edit"], BeforeValidator(_mode)] = "clips"
    prefer_length: Annotated[list[int], BeforeValidator(_lengths)] | None = None
    aspect_ratio: Annotated[int, BeforeValidator(number_of(ASPECT_RATIOS))] | None = None
    template_id: Id | None = None
    max_clips: Annotated[Whole, Field(ge=1, le=100)] | None = None
    keywords: Annotated[Text, BeforeValidator(_joined), Mark.LIST] | None = None
    remove_silence: Switch | None = None
    subtitles: Switch | None = None
    headline: Switch | None = None
    emoji: Switch | None = None
    highlight_keywords: Switch | None = None
    auto_broll: Switch | None = None
    project_name: Text | None = None
    clip_model: Text | None = None
    webhook_url: Annotated[str | None, Mark.MEDIA] = Field(default=None, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _by_one_name(cls, values: Any) -> Any:
        """Take the vendor's own names, too."""
        if not isinstance(values, Mapping):
            return values
        named = {name: value for name, value in values.items() if name not in WIRE_NAMES}
        for wire, name in WIRE_NAMES.items():
            if wire in values:
                named[name] = agreed(name, named.get(name), wire, values[wire])
        return named

    @field_validator("video_url")
    @classmethod
    def _is_location(cls, value: str) -> str:
        return _web_url(value) if _is_web(value) else value

    @field_validator("webhook_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return value and _web_url(value)

    @field_validator("source")
    @classmethod
    def _by_default_from_the_host(cls, value: int | None, info: ValidationInfo) -> int | None:
        url = info.data.get("video_url", "")
        # A signed URL of a storage has the storage's host, never a platform's.
        if value not in (None, FILE) and not _is_web(url):
            raise ValueError("must be 'file' for a file in a storage")
        return source_of(url) if value is None else value

    @field_validator("ext")
    @classmethod
    def _by_default_from_the_path(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("source") != FILE:
            return None
        path = info.data.get("video_url", "")
        if _is_web(path):  # in a storage path, "#", "?" and "%" are ordinary characters
            path = unquote(urlsplit(path).path)
        # Vizard refuses a file without ext with code 4006, which a user once took for a lack of credits.
        found = (value or PurePosixPath(path).suffix).lstrip(".").lower()
        if found not in EXTENSIONS:
            raise ValueError(
                f"must be one of {', '.join(EXTENSIONS)}, as the path of video_url ends with none of them"
                if value is None
                else f"must be one of {', '.join(EXTENSIONS)}"
            )
        return found

    @field_validator("prefer_length", "max_clips", "keywords")
    @classmethod
    def _of_clips_only(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("mode") == "edit":
            raise ValueError("is for mode='clips' only")
        return value

    @property
    def in_storage(self) -> bool:
        """Whether the source is a file in a storage, for which the hook must sign a URL."""
        return not _is_web(self.video_url)

    def minutes(self, seconds: JsonValue) -> dict[str, JsonValue] | None:
        """Return what the vendor will bill for a source of this length; None where that is not known."""
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
            return None
        return {"minutes": round(seconds / 60 * CLIP_MODELS.get(str(self.clip_model), 1.0), 4)}

    def check_source(self, *, seconds: float | None, size: int) -> None:
        """Check a source that can be read against the vendor's limits.

        :param size: bytes.
        :raises ValueError: says which limit it exceeds.
        """
        longest = LONGEST_EDIT if self.mode == "edit" else LONGEST
        if seconds is not None and seconds > longest:
            what = "edits" if self.mode == "edit" else "clips"
            raise ValueError(
                f"is {seconds / 60:.1f} minutes long, and Vizard {what} up to {longest / 60:.0f}"
            )
        if size > LARGEST:
            raise ValueError(f"has {size / 1e9:.1f} GB, and Vizard takes {LARGEST / 1e9:.0f}")

    def notices(self) -> list[str]:
        """Return what a person should know about the request, which is sent nevertheless."""
        found = [language_notice(self.language)]
        if self.source not in SOURCES.values():
            found.append(f"source {self.source} was not documented when this package was written.")
        if self.source == SOURCES["rumble"]:
            found.append("Vizard no longer lists Rumble; a refusal costs nothing.")
        if self.clip_model and self.clip_model not in CLIP_MODELS:
            known = ", ".join(CLIP_MODELS)
            found.append(f"clip_model {self.clip_model!r} is sent as it is; the known ones are {known}.")
        return [notice for notice in found if notice]

    def body(self) -> dict[str, JsonValue]:
        """Return the JSON body by the vendor's own names. The vendor decides what is not given."""
        switches = {
            "removeSilenceSwitch": self.remove_silence,
            "subtitleSwitch": self.subtitles,
            "headlineSwitch": self.headline,
            "emojiSwitch": self.emoji,
            "highlightSwitch": self.highlight_keywords,
            "autoBrollSwitch": self.auto_broll,
        }
        # getClips=0 means "edit", and preferLength [0] means "auto": clipping requires the field, and editing
        # takes neither it nor maxClipNumber nor keywords.
        clipping = self.mode == "clips"
        lengths: list[JsonValue] = [*(self.prefer_length or [0])]
        body: dict[str, JsonValue] = {
            "lang": self.language,
            "videoUrl": self.video_url,
            "videoType": self.source,
            "ext": self.ext,
            "getClips": None if clipping else 0,
            "preferLength": lengths if clipping else None,
            "ratioOfClip": self.aspect_ratio,
            "templateId": self.template_id,
            "maxClipNumber": self.max_clips,
            "keywords": self.keywords,
            **{name: None if on is None else int(on) for name, on in switches.items()},
            "projectName": self.project_name,
            "clipModel": self.clip_model,
            "webhookUrl": self.webhook_url,
        }
        return {name: value for name, value in body.items() if value is not None}


class Choice(Request):
    """Which of a project's clips a task wants. It does not change what is bought.

    :param min_viral_score: 0 to 10.
    :param drop_source: whether to leave out copies of the source.
    :param source_seconds: how long the source is, where that can't be read from a file.
    """

    min_viral_score: Annotated[Number, Field(ge=0, le=10)] | None = None
    drop_source: Switch = False
    max_clips: Annotated[Whole, Field(ge=1, le=100)] | None = None
    source_seconds: Annotated[Number, Field(gt=0)] | None = None


def source_of(url: str) -> int:
    """Return the number of the platform that a URL's host belongs to; any other host serves a file."""
    host = (urlsplit(url).hostname or "").lower() if _is_web(url) else ""
    for domain, name in SOURCE_HOSTS.items():
        if host == domain or host.endswith(f".{domain}"):
            return SOURCES[name]
    return FILE
