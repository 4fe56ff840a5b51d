"""The requests to publish a clip or to write a caption for it, and the clip that an argument means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from airflow_provider_vidai.arguments import as_text
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.redaction import redacted, shown
from airflow_provider_vidai.vendors.fields import Request, Text, as_moment
from airflow_provider_vidai.vendors.vizard.answers import SocialAccount
from airflow_provider_vidai.vendors.vizard.requests import Id, number_of
from airflow_provider_vidai.vendors.vizard.values import CAPTION_LIMITS, PLATFORMS, TONES, VOICES

#: The longest title in characters. Only YouTube shows titles.
LONGEST_TITLE: Final = 100
#: The longest caption of all platforms, in characters.
LONGEST_CAPTION: Final = max(CAPTION_LIMITS.values())


# The example of today's endpoint is in milliseconds; that of the endpoint before it was in seconds.
def _milliseconds(value: Any) -> int:
    return round(as_moment(value).timestamp() * 1000)


class PublishRequest(Request):
    """A clip to publish.

    :param caption: "" has Vizard write caption and hashtags.
    :param title: for YouTube; None has Vizard write it.
    :param publish_at: milliseconds since the epoch; None publishes at once.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    video_id: Id
    social_account_id: Text
    caption: Annotated[str, BeforeValidator(as_text), Field(max_length=LONGEST_CAPTION)] = ""
    title: Annotated[Text, Field(max_length=LONGEST_TITLE)] | None = None
    publish_at: Annotated[int, BeforeValidator(_milliseconds), Field(gt=0)] | None = None

    def body(self) -> dict[str, JsonValue]:
        """Return the JSON body."""
        body: dict[str, JsonValue] = {
            "finalVideoId": self.video_id,
            # By the documents a clip's id is a number, and an account's id is text.
            "socialAccountId": self.social_account_id,
            "publishTime": self.publish_at,
            "post": self.caption,
            "title": self.title,
        }
        return {name: value for name, value in body.items() if value is not None}


class CaptionRequest(Request):
    """A caption to write for a clip."""

    model_config = ConfigDict(extra="forbid")

    video_id: Id
    platform: Annotated[int, BeforeValidator(number_of(PLATFORMS))] = PLATFORMS["general"]
    tone: Annotated[int, BeforeValidator(number_of(TONES))] = TONES["neutral"]
    voice: Annotated[int, BeforeValidator(number_of(VOICES))] = VOICES["first_person"]

    def body(self) -> dict[str, JsonValue]:
        """Return the JSON body."""
        return {
            "finalVideoId": self.video_id,
            "aiSocialPlatform": self.platform,
            "tone": self.tone,
            "voice": self.voice,
        }


def clip_checked(request: PublishRequest, account: SocialAccount) -> list[str]:
    """Check what is to be published against its account; return what a person should know.

    Vizard accepts a publishing that fails later on the platform, and never reports that. So what is known to
    fail is refused here.

    :raises InputError: when the account cannot publish, or the caption is too long for its platform.
    """
    platform = (account.platform or "").strip().lower()
    status = (account.status or "active").strip().lower()
    if status != "active":
        raise InputError(
            f"social_account_id: the {platform} account {account.id} is {status!r} in Vizard"
            f"{' (beyond what the plan allows)' if status == 'locked' else ''}. Connect it again, or choose "
            "another account."
        )
    most = CAPTION_LIMITS.get(platform)
    if most is not None and len(request.caption) > most:
        raise InputError(f"caption has {len(request.caption)} characters, but {platform} takes {most}.")
    notices = []
    if request.title and platform and platform != "youtube":
        notices.append(f"title is for YouTube only: {platform} (account {account.id}) does not show it.")
    if platform in ("twitter", "x") and redacted(request.caption) != request.caption:
        notices.append(
            "A post on X with a URL costs 10 credits when it is published. Without enough credits, Vizard "
            "silently does not publish it."
        )
    return notices


def clip_output(value: Any) -> Output:
    """Return the clip that an operator's ``clip`` argument names.

    :param value: one of a job's outputs, a dict with its ``video_id``, the text of either, or a bare
        ``video_id``.
    :raises InputError: when it names no clip.
    """
    value = literal(value)
    if isinstance(value, Output):
        return value
    if isinstance(value, Mapping):
        flat = "details" not in value
        details = {**value} if flat else value["details"]
        if isinstance(details, Mapping):
            given = {"index": value.get("index", 0), "kind": "video", "title": value.get("title")}
            return validated(Output, {**given, "details": {**details}}, what="clip")
    text = "" if isinstance(value, bool) or not isinstance(value, (str, int)) else str(value).strip()
    if text.isdecimal():
        return Output(index=0, kind="video", details={"video_id": text})
    raise InputError(
        "clip: expected one of a job's outputs (a dict with its video_id), or a video_id, but got "
        f"{shown(value)}."
    )


def video_id_of(clip: Any) -> str:
    """Return the id of a clip, which captions and publishing need.

    :raises InputError: when the clip has none.
    """
    video_id = clip_output(clip).details.get("video_id")
    if not video_id:
        raise InputError("clip has no video_id, which captions and publishing need.")
    return str(video_id)
