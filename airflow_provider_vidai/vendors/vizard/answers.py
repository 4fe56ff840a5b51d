"""Vizard's answers, read leniently: numbers come as text, lists as JSON in text, ids as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, field_validator

from airflow_provider_vidai.answers import parsed
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.vendors.base import without_urls
from airflow_provider_vidai.vendors.fields import LenientFloat, LenientInt, LenientStr, Reported

#: The longest clip in seconds: ``90s-3min``, and some seconds more to the end of a sentence.
LONGEST_CLIP = 200.0
#: The longest clip that can be requested, in seconds. A result that is longer than this, and FAR_LONGER times
#: as long as the next one, is the source.
LONGEST_CHOICE = 180.0
FAR_LONGER = 3.0
#: A result that is at least this share of the source's length is the source itself.
WHOLE = 0.95


def _topics(value: Any) -> list[str]:
    """Return topics from a list, or from the JSON of one in a text."""
    if isinstance(value, str):
        try:
            value = parsed(value)
        except ValueError:
            value = [value]
    return [str(item) for item in value if item] if isinstance(value, list) else []


def _objects(value: Any) -> list[Any]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _accounts(value: Any) -> list[Any]:
    """Return the accounts from a list. An unknown wrapper is an error: it does not mean "no accounts"."""
    if value is not None and not isinstance(value, list):
        raise ValueError("must be a list of accounts")
    return _objects(value)


class VizardClip(Reported):
    """One clip (or the edited video) of a project.

    :param video_id: the id that captions and publishing take; None in the oldest generation of the API.
    :param video_url: the URL of the file: a secret, valid for 7 days (as the signed URLs of 2025 and 2026
        say; the first documents said 3 hours).
    :param duration: seconds.
    :param viral_score: 0 to 10; None for an edited video.
    """

    video_id: LenientStr = Field(default=None, alias="videoId")
    video_url: LenientStr = Field(default=None, alias="videoUrl", repr=False)
    milliseconds: LenientFloat = Field(default=None, alias="videoMsDuration")
    title: LenientStr = None
    transcript: LenientStr = None
    viral_score: LenientFloat = Field(default=None, alias="viralScore")
    viral_reason: LenientStr = Field(default=None, alias="viralReason")
    topics: Annotated[list[str], BeforeValidator(_topics)] = Field(default_factory=list, alias="relatedTopic")
    editor_url: LenientStr = Field(default=None, alias="clipEditorUrl")

    @property
    def duration(self) -> float | None:
        """Seconds."""
        return None if self.milliseconds is None else self.milliseconds / 1000

    def output(self, index: int, project_id: str) -> Output:
        """Return the clip as an output, without its URL: a download reads a fresh one from the project."""
        added = without_urls(dict(self.__pydantic_extra__ or {}))
        details: dict[str, JsonValue] = {
            **(added if isinstance(added, dict) else {}),
            "video_id": self.video_id,
            "project_id": project_id,
            "viral_score": self.viral_score,
            "viral_reason": self.viral_reason,
            "transcript": self.transcript,
            "topics": [*self.topics],
            "editor_url": self.editor_url,
        }
        # The first generation of the API repeats it in each clip.
        details.pop("projectId", None)
        return Output(index=index, kind="video", title=self.title, duration=self.duration, details=details)


class VizardProject(Reported):
    """A project as ``query_project`` and the webhook report it.

    :param share_link: anybody who has it can see the project, so it is a secret.
    """

    code: int
    project_id: LenientStr = Field(default=None, validation_alias=AliasChoices("projectId", "projectid"))
    project_name: LenientStr = Field(default=None, alias="projectName")
    share_link: LenientStr = Field(default=None, alias="shareLink", repr=False)
    message: LenientStr = Field(default=None, validation_alias=AliasChoices("errMsg", "message"))
    videos: Annotated[list[VizardClip], BeforeValidator(_objects)] = Field(default_factory=list)

    def clips(self) -> list[VizardClip]:
        """Return the clips by viral score, and in the vendor's order where the score is equal or missing."""
        return sorted(self.videos, key=lambda clip: (clip.viral_score is None, -(clip.viral_score or 0.0)))


class Created(Reported):
    """The answer to a purchase. The table of the first document spells ``projectid`` in lower case."""

    project_id: LenientStr = Field(default=None, validation_alias=AliasChoices("projectId", "projectid"))

    @field_validator("project_id")
    @classmethod
    def _is_one(cls, value: str | None) -> str | None:
        return None if value in ("", "0") else value


class SocialAccount(Reported):
    """A connected account.

    :param status: ``active``, ``expired``, ``locked`` (beyond the plan) or ``not connected``.
    :param expires_at: as the vendor sends it. Its text says milliseconds, its example has seconds.
    """

    id: str
    platform: LenientStr = None
    username: LenientStr = None
    page: LenientStr = None
    profile_pic: LenientStr = Field(default=None, alias="profilePic", repr=False)
    page_profile_pic: LenientStr = Field(default=None, alias="pageProfilePic", repr=False)
    expires_at: LenientInt = Field(default=None, alias="expiresAt")
    status: LenientStr = None


class SocialAccounts(Reported):
    """The connected accounts. They are documented as ``accounts`` and sent as ``publishAccounts``."""

    accounts: Annotated[list[SocialAccount], BeforeValidator(_accounts)] = Field(
        validation_alias=AliasChoices("publishAccounts", "accounts")
    )
    total: LenientInt = None


class Captioned(Reported):
    """A caption that Vizard wrote. It writes a title for YouTube only."""

    caption: LenientStr = Field(default=None, alias="aiSocialContent")
    title: LenientStr = Field(default=None, alias="aiSocialTitle")


def chosen(project: VizardProject, ref: JobRef) -> tuple[Output, ...]:
    """Return the outputs that ``ref`` asks for, best first, each with its index among all clips.

    Its params may have ``max_clips``, ``min_viral_score``, and ``drop_source`` (with ``source_seconds`` where
    that is known). A copy of the source comes last, marked ``source_copy``: it is never one of the best.
    """
    least, most = ref.params.get("min_viral_score"), ref.params.get("max_clips")
    drop = bool(ref.params.get("drop_source"))
    choose = isinstance(least, (int, float)) or isinstance(most, int)
    clips = project.clips()
    copies = _copies(clips, ref, certain=not drop)
    outputs = [clip.output(index, project.project_id or ref.job_id) for index, clip in enumerate(clips)]
    found = [output for output in outputs if output.index not in copies]
    if isinstance(least, (int, float)):
        found = [output for output in found if _score(output) >= least]
    if not drop and not choose:
        found += [_marked(outputs[index]) for index in sorted(copies)]
    return tuple(found[:most] if isinstance(most, int) else found)


def far_longer(outputs: Sequence[Output]) -> Output | None:
    """Return the output that is, by its length, probably the source itself; None when there is none."""
    by_length = sorted(outputs, key=lambda output: output.duration or 0.0)
    second, longest = (
        [output.duration or 0.0 for output in by_length[-2:]] if len(by_length) > 1 else (0.0, 0.0)
    )
    return by_length[-1] if _is_far_longer(longest, second) else None


def _is_far_longer(longest: float, second: float) -> bool:
    return longest > LONGEST_CHOICE and longest > FAR_LONGER * second


def _marked(output: Output) -> Output:
    return output.model_copy(update={"details": {**output.details, "source_copy": True}})


def _score(output: Output) -> float:
    score = output.details.get("viral_score")
    return score if isinstance(score, (int, float)) else -1.0


def _copies(clips: list[VizardClip], ref: JobRef, *, certain: bool) -> set[int]:
    """Return the indices of the clips that are copies of the source; never those of all clips.

    A score or an editor URL does not prove that something is a clip: copies have both. (Found by a public
    client, which recognises copies by the relative length used here.)

    :param certain: count only what cannot be a clip: over three minutes, and over three times the next one.
    """
    source = ref.params.get("source_seconds")
    lengths = [clip.duration or 0.0 for clip in clips]
    if len(clips) < 2:
        return set()
    if isinstance(source, (int, float)):
        found = {index for index, length in enumerate(lengths) if length >= WHOLE * source}
    else:
        second, longest = sorted(lengths)[-2:]
        least = longest if _is_far_longer(longest, second) else float("inf") if certain else LONGEST_CLIP
        found = {index for index, length in enumerate(lengths) if length >= least}
    return found if len(found) < len(clips) else set()
