"""Vizard: buy clips of a long video, download them, have captions written, publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import truth
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.vizard import TIMEOUT, VizardHook, warn_of_source
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.purchase.walk import Offer, Settled
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.vizard.api import chosen_anew
from airflow_provider_vidai.vendors.vizard.requests import Choice
from airflow_provider_vidai.vendors.vizard.social import clip_output, video_id_of

__all__ = ["VizardCaptionOperator", "VizardClipsOperator", "VizardDownloadOperator", "VizardPublishOperator"]

_ARGUMENTS = (
    *("video_url", "source", "ext", "language", "mode", "prefer_length", "aspect_ratio", "template_id"),
    *("max_clips", "keywords", "remove_silence", "subtitles", "headline", "emoji", "highlight_keywords"),
    *("auto_broll", "project_name", "clip_model", "webhook_url"),
)
_CHOICE = ("min_viral_score", "drop_source")


class VizardClipsOperator(JobOperator[VizardHook]):
    """Buy the clips of a long video (or one short video edited), and wait until they are made.

    A source that matches nothing gives no clips, and no failure: tasks mapped over them have nothing to do.

    :param video_url: where Vizard fetches it: a file's or a platform's http(s) URL; or a file in an object
        storage, for which a URL is signed when the task runs.
    :param source: file, youtube, google_drive, vimeo, streamyard, tiktok, twitter (x), rumble, twitch, loom,
        facebook, linkedin, dropbox or instagram, or Vizard's number; None takes what the URL's host tells.
    :param ext: mp4, 3gp, avi or mov; None takes what the URL's path ends with. Only files need it.
    :param language: spoken in it: a code such as ``en``, an English name, or ``auto``.
    :param mode: ``clips``; or ``edit`` for one video of up to three minutes out of one.
    :param prefer_length: ``auto``, or any of ``<30s``, ``30-60s``, ``60-90s``, ``90s-3min``.
    :param aspect_ratio: ``9:16`` (Vizard's default), ``1:1``, ``4:5`` or ``16:9``.
    :param template_id: a brand template of the workspace; its ratio must be ``aspect_ratio``.
    :param max_clips: 1 to 100; the best by viral score. None is all.
    :param keywords: what the clips shall be about: text or a list.
    :param remove_silence: cut pauses; Vizard's default is no.
    :param subtitles: burn subtitles in; Vizard's default is yes.
    :param headline: show a headline at first; Vizard's default is yes.
    :param emoji: add emoji; likewise ``highlight_keywords`` and ``auto_broll``; Vizard's default is no.
    :param project_name: None takes the file's or the platform's.
    :param clip_model: ``clip_v1`` or ``clip_v2``, which costs a quarter more.
    :param webhook_url: Vizard posts the result there too, once.
    :param min_viral_score: keep only clips that score at least this, of 10. Nothing is bought again for
        another score.
    :param drop_source: leave out the copy of the source that Vizard sometimes puts among the clips.
    """

    hook_class = VizardHook
    kinds: ClassVar[tuple[str, ...]] = ("project", "edit")
    default_timeout = TIMEOUT
    request_fields: ClassVar[Sequence[str]] = _ARGUMENTS
    media_fields: ClassVar[Sequence[str]] = ("video_url", "webhook_url")
    collections: ClassVar[Sequence[str]] = ("prefer_length", "keywords")
    template_fields: Sequence[str] = (
        *_ARGUMENTS,
        *_CHOICE,
        "timeout",
        "poll_interval",
        "download_to",
        "min_bytes",
        "vizard_conn_id",
    )

    min_viral_score: Any
    drop_source: Any
    mode: str
    vizard_conn_id: str

    def __init__(
        self,
        *,
        video_url: str,
        source: str | int | None = None,
        ext: str | None = None,
        language: str = "auto",
        mode: str = "clips",
        prefer_length: Any = None,
        aspect_ratio: str | int | None = None,
        template_id: int | str | None = None,
        max_clips: int | str | None = None,
        keywords: Any = None,
        remove_silence: bool | str | None = None,
        subtitles: bool | str | None = None,
        headline: bool | str | None = None,
        emoji: bool | str | None = None,
        highlight_keywords: bool | str | None = None,
        auto_broll: bool | str | None = None,
        project_name: str | None = None,
        clip_model: str | None = None,
        webhook_url: str | None = None,
        min_viral_score: float | str | None = None,
        drop_source: bool | str = False,
        vizard_conn_id: str = VizardHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*_ARGUMENTS, *_CHOICE, "vizard_conn_id"):
            setattr(self, name, given[name])

    def offer(self) -> Offer:
        """Return the purchase of the clips, checked and with a source that Vizard can fetch."""
        self._choice()
        asked = {name: self.given(name) for name in _ARGUMENTS}
        if (
            self.download_to
            and str(asked["mode"]) not in ("edit", "0")
            and not str(self.download_to).endswith("/")
        ):
            raise InputError(
                f"download_to: there may be several clips, but {self.download_to} is one file: end it with "
                "'/'."
            )
        return Offer(self.hook.order(asked))

    def settle(self, context: Context, deadline: float) -> Settled:
        """Buy, re-attach or reuse; of what there is, this task's choice of clips."""
        choice = self._choice()
        settled = super().settle(context, deadline)
        assert settled.receipt.ref is not None
        ref = settled.receipt.ref.with_params(**choice)
        receipt = settled.receipt.model_copy(update={"ref": ref})
        status = None if settled.status is None else chosen_anew(settled.status, ref)
        return replace(settled, receipt=receipt, status=status)

    def _finish(self, context: Context, ref: JobRef, status: JobStatus, *rest: Any) -> dict[str, JsonValue]:
        warn_of_source(ref, status.outputs)
        return super()._finish(context, ref, status, *rest)

    def _choice(self) -> dict[str, JsonValue]:
        given = {name: getattr(self, name) for name in (*_CHOICE, "max_clips")}
        return validated(Choice, given, what="Clips").model_dump(mode="json")


class VizardDownloadOperator(DownloadOperator[VizardHook]):
    """Land the clips of a project, or one of them.

    :param job: what :class:`VizardClipsOperator` returned (or its text), or a bare project id; not needed
        with a ``clip`` that came from a job.
    :param destination: a storage URI or path; ending in ``/`` it is a folder.
    :param clip: one of the job's outputs, or its ``video_id``; None lands all. Made for ``.expand()``.
    :param transcript: write what is said beside each clip: ``txt``, or ``json`` with all that is told of it.
    :returns: a list of landed files, each with its ``video_id``.
    """

    hook_class = VizardHook
    template_fields: Sequence[str] = (
        *DownloadOperator.template_fields,
        "clip",
        "transcript",
        "vizard_conn_id",
    )

    def __init__(
        self,
        *,
        job: Any = None,
        clip: Any = None,
        transcript: str | None = None,
        vizard_conn_id: str = VizardHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(job=job, **kwargs)
        self.clip = clip
        self.transcript = transcript
        self.vizard_conn_id = vizard_conn_id

    def ref(self) -> JobRef:
        """Return the project; of a single clip the whole of it, whatever a choice left out."""
        wanted, job = self._wanted(), self.job
        if wanted is not None and job is None:
            job = wanted.details.get("project_id")
            if not job:
                raise InputError("job is required with a bare video_id.")
        ref = self.hook.job(job)
        return ref if wanted is None else ref.model_copy(update={"params": {}})

    def land(
        self, hook: VizardHook, ref: JobRef, outputs: Sequence[Output], sealed_url: str | None
    ) -> list[JsonValue]:
        """Land what is wanted, with what is said in it."""
        transcript: Any = self.transcript
        if transcript not in (None, "txt", "json"):
            raise InputError(f"transcript must be txt or json, not {shown(transcript)}.")
        return [*hook.land_clips(ref, outputs, self.destination, self._wanted(), transcript)]

    def _wanted(self) -> Output | None:
        return None if self.clip is None else clip_output(self.clip)


class _ClipOperator(PaidOperator[VizardHook]):
    """One paid call about a clip, once per task however often it is tried."""

    hook_class = VizardHook

    clip: Any

    def asked(self) -> dict[str, Any]:
        """Return the request, with the identity only of the clip."""
        self.required("clip")
        return {**super().asked(), "clip": video_id_of(self.clip)}

    def wished(self) -> dict[str, Any]:
        """Return the request's fields but for the clip."""
        return {name: getattr(self, name) for name in self.request_fields if name != "clip"}


class VizardCaptionOperator(_ClipOperator):
    """Have Vizard write a caption for a clip.

    :param clip: one of a job's outputs (or its text), or its ``video_id``.
    :param platform: general, tiktok, instagram, youtube, facebook, linkedin or twitter (x).
    :param tone: neutral, interesting, catchy, serious or question.
    :param voice: first_person or third_person.
    :returns: ``{"video_id", "caption", "title"}``; a title is written for YouTube only.
    """

    kinds: ClassVar[tuple[str, ...]] = ("caption",)
    request_fields: ClassVar[Sequence[str]] = ("clip", "platform", "tone", "voice")
    template_fields: Sequence[str] = (*request_fields, "timeout", "vizard_conn_id")

    def __init__(
        self,
        *,
        clip: Any,
        platform: str | int = "general",
        tone: str | int = "neutral",
        voice: str | int = "first_person",
        vizard_conn_id: str = VizardHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clip = clip
        self.platform = platform
        self.tone = tone
        self.voice = voice
        self.vizard_conn_id = vizard_conn_id

    def offer(self) -> Offer:
        """Return the purchase of the caption."""
        return Offer(self.hook.order_caption(self.clip, self.wished()))


class VizardPublishOperator(_ClipOperator):
    """Publish a clip to a connected account, once: a retry never publishes it again.

    Vizard tells that it accepted it, and never what became of it.

    :param clip: one of a job's outputs (or its text), or its ``video_id``.
    :param social_account_id: as ``VizardHook.list_social_accounts`` tells it.
    :param caption: "" has Vizard write caption and hashtags.
    :param title: for YouTube; None has Vizard write it.
    :param publish_at: when: a datetime, ISO 8601 text (UTC unless it says otherwise) or seconds since the
        epoch; None at once.
    :param dry_run: check everything, and send nothing.
    :returns: ``{"video_id", "social_account_id", "publish_at", "accepted"}``; ``publish_at`` in milliseconds
        since the epoch.
    """

    kinds: ClassVar[tuple[str, ...]] = ("publish",)
    request_fields: ClassVar[Sequence[str]] = (
        "clip",
        "social_account_id",
        "caption",
        "title",
        "publish_at",
    )
    template_fields: Sequence[str] = (*request_fields, "dry_run", "timeout", "vizard_conn_id")

    def __init__(
        self,
        *,
        clip: Any,
        social_account_id: str,
        caption: str = "",
        title: str | None = None,
        publish_at: datetime | str | float | None = None,
        dry_run: bool | str = False,
        vizard_conn_id: str = VizardHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clip = clip
        self.social_account_id = social_account_id
        self.caption = caption
        self.title = title
        self.publish_at = publish_at
        # Hides a method of the base's that would print the template fields; nothing calls it.
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]
        self.vizard_conn_id = vizard_conn_id

    def offer(self) -> Offer:
        """Return the publishing, checked against the account it goes to."""
        return Offer(self.hook.order_publishing(self.clip, self.wished()))

    def execute(self, context: Context) -> Any:
        """Publish, or return that it was; or only check it."""
        dry_run: Any = self.dry_run
        with airflow_failures():
            if not truth("dry_run", dry_run):
                return super().execute(context)
            self.required()
            request = self.hook.publish_request(self.clip, self.wished())
        self.log.info("Dry run: clip %s would be published; nothing was sent.", request.video_id)
        return {
            "video_id": str(request.video_id),
            "social_account_id": request.social_account_id,
            "publish_at": request.publish_at,
            "accepted": False,
        }
