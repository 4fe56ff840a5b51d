"""Vizard operators: buy clips of a long video, download them, write captions, publish."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import truth
from airflow_provider_vidai.errors import InputError, VidaiError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.vizard import TIMEOUT, VizardHook, warn_about_source_copy
from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.purchase.walk import Offer, Settled
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.fields import Request
from airflow_provider_vidai.vendors.vizard.api import with_clips_for
from airflow_provider_vidai.vendors.vizard.requests import Choice, ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import (
    CaptionRequest,
    PublishRequest,
    clip_output,
    video_id_of,
)

__all__ = ["VizardCaptionOperator", "VizardClipsOperator", "VizardDownloadOperator", "VizardPublishOperator"]

_ARGUMENTS = ProjectRequest.arguments()
_CHOICE = tuple(name for name in Choice.arguments() if name not in _ARGUMENTS)


class VizardClipsOperator(JobOperator[VizardHook]):
    """Buy the clips of a long video (or the edit of a short one) and wait until they are ready.

    If nothing in the source matches, the task succeeds without clips, and tasks mapped over them are skipped.

    - **Retry**: waits for the project that an earlier try bought. It buys again only if that project failed
      through the vendor's fault and was not charged.
    - **Kill**: the project keeps running and is still billed; a retry waits for it.
    - **Timeout**: after ``timeout`` the try fails and the project keeps running; a retry waits for it again.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns what it bought). An
      unfinished one waits for its job if the request is the same, and buys if it changed or the job failed.

    Example::

        clips = VizardClipsOperator(
            task_id="clips",
            video_url="https://www.youtube.com/watch?v=aqz-KE-bpKQ",
            prefer_length=["<30s", "30-60s"],
            max_clips=5,
            min_viral_score=6,
            deferrable=True,
        )

    :param video_url: the http(s) URL of a file or of a platform's video; or a file in an object storage, for
        which the task signs a URL.
    :param source: file, youtube, google_drive, vimeo, streamyard, tiktok, twitter (x), rumble, twitch, loom,
        facebook, linkedin, dropbox or instagram, or Vizard's number; None derives it from the URL's host.
    :param ext: mp4, 3gp, avi or mov; None takes it from the URL's path. Only files need it.
    :param language: the spoken language: a code such as ``en``, an English name, or ``auto`` (default).
    :param mode: ``clips`` (default), or ``edit`` for one edited version of a video of up to three minutes.
    :param prefer_length: ``auto``, or any of ``<30s``, ``30-60s``, ``60-90s``, ``90s-3min``.
    :param aspect_ratio: ``9:16`` (Vizard's default), ``1:1``, ``4:5`` or ``16:9``.
    :param template_id: a brand template of the workspace; its ratio must be ``aspect_ratio``.
    :param max_clips: 1 to 100; the best by viral score are kept. None keeps all.
    :param keywords: topics of the clips: text or a list.
    :param remove_silence: cut pauses. Vizard's default: no.
    :param subtitles: burn subtitles in. Vizard's default: yes.
    :param headline: show a headline at the beginning. Vizard's default: yes.
    :param emoji: add emoji; likewise ``highlight_keywords`` and ``auto_broll``. Vizard's default: no.
    :param project_name: None takes the name of the file or the platform's title.
    :param clip_model: ``clip_v1`` or ``clip_v2``, which costs a quarter more.
    :param webhook_url: Vizard also posts the result to this URL, once.
    :param min_viral_score: 0 to 10; keep only clips that score at least this. Changing it
        buys nothing again.
    :param drop_source: leave out the copy of the source that Vizard sometimes returns among the clips.
    :param source_seconds: how long the source is. Vizard bills its minutes, so the cost is known by it. None
        reads it from a file in an object storage; for a URL the cost then stays unknown.
    """

    hook_class = VizardHook
    titled_by: ClassVar[Sequence[str]] = ("project_name", "video_url")
    kinds: ClassVar[tuple[str, ...]] = ("project", "edit")
    choice_fields: ClassVar[Sequence[str]] = _CHOICE
    default_timeout = TIMEOUT
    request_fields: ClassVar[Sequence[str]] = _ARGUMENTS
    media_fields: ClassVar[Sequence[str]] = ProjectRequest.media()
    collections: ClassVar[Sequence[str]] = ProjectRequest.collections()
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
        source_seconds: float | str | None = None,
        vizard_conn_id: str = VizardHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*_ARGUMENTS, *_CHOICE, "vizard_conn_id"):
            setattr(self, name, given[name])

    def offer(self) -> Offer:
        """Return the validated purchase of the clips, with a source that Vizard can fetch."""
        seconds = self._choice().source_seconds
        asked = {name: self.given(name) for name in _ARGUMENTS}
        several = str(asked["mode"]) not in ("edit", "0")
        if several and self.download_to and not str(self.download_to).endswith("/"):
            raise InputError(
                f"download_to: there may be several clips, but {self.download_to} is one file: "
                "end it with '/'."
            )
        return Offer(self.hook.order(asked, source_seconds=seconds))

    def settle(self, context: Context, deadline: float) -> Settled:
        """Buy, re-attach or reuse, and apply this task's choice of clips."""
        self._choice()  # a wrong one must not come to light when the project is paid for
        settled = super().settle(context, deadline)
        assert settled.receipt.ref is not None
        ref = self.chosen(settled.receipt.ref)
        status = None if settled.status is None else with_clips_for(settled.status, ref)
        return replace(settled, receipt=settled.receipt.model_copy(update={"ref": ref}), status=status)

    def chosen(self, ref: JobRef) -> JobRef:
        """Return the reference with this task's choice of clips, which is no part of the purchase."""
        return ref.with_params(**self._choice().model_dump(mode="json", exclude={"source_seconds"}))

    def _finish(self, context: Context, ref: JobRef, status: JobStatus, *rest: Any) -> dict[str, JsonValue]:
        warn_about_source_copy(ref, status.outputs)
        return super()._finish(context, ref, status, *rest)

    def _choice(self) -> Choice:
        return validated(Choice, {name: getattr(self, name) for name in Choice.arguments()}, what="Clips")


class VizardDownloadOperator(DownloadOperator[VizardHook]):
    """Download the clips of a project, or one of them.

    - **Retry**: downloads again; nothing is bought.
    - **Kill**: a file that is not complete is discarded.
    - **Timeout**: ``execution_timeout`` ends the download; a file that is not complete is discarded.
    - **Clear**: downloads again and replaces the files, as long as Vizard keeps the clips (7 days).

    Example::

        VizardDownloadOperator(
            task_id="download", job=clips.output, destination="s3://aws_default@media/clips/"
        )

    :param job: what :class:`VizardClipsOperator` returned (or that as text), or a bare project id; not needed
        with a ``clip`` that came from a job.
    :param destination: a storage URI or path. A folder ends in ``/``.
    :param clip: one of the job's outputs, or its ``video_id``; None downloads all. Meant for ``.expand()``.
    :param transcript: write a transcript beside each clip: ``txt``, or ``json`` with all that Vizard reports.
    :returns: a list of downloaded files, each with its ``video_id``.
    """

    hook_class = VizardHook
    titled_by: ClassVar[Sequence[str]] = ("clip", "job")
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
        """Return the project. For a single clip it is the whole project, without any choice of clips."""
        wanted, job = self._wanted(), self.job
        if wanted is not None and job is None:
            job = wanted.details.get("project_id")
            if not job:
                raise InputError("job is required with a bare video_id.")
        ref = self.hook.job(job)
        return ref if wanted is None else ref.model_copy(update={"params": {}})

    def download(
        self, hook: VizardHook, ref: JobRef, outputs: Sequence[Output], delivery: Delivery
    ) -> list[JsonValue]:
        """Download the wanted clips, with their transcripts."""
        transcript: Any = self.transcript
        if transcript not in (None, "txt", "json"):
            raise InputError(f"transcript must be txt or json, not {shown(transcript)}.")
        return [*hook.download_clips(ref, outputs, self.destination, self._wanted(), transcript)]

    def vendor_page(self) -> str:
        """Return the clip's page in Vizard's editor, if the task downloads one clip."""
        with contextlib.suppress(VidaiError):
            wanted = self._wanted()
            page = wanted.details.get("editor_url") if wanted else None
            if isinstance(page, str) and page.startswith("https://"):
                return page
        return super().vendor_page()

    def _wanted(self) -> Output | None:
        return None if self.clip is None else clip_output(self.clip)


def _but_the_clip(request: type[Request]) -> tuple[str, ...]:
    """Return the arguments of a request besides the clip, which an operator takes as ``clip``."""
    return tuple(name for name in request.arguments() if name != "video_id")


class _ClipOperator(PaidOperator[VizardHook]):
    """One paid call about a clip, sent once per task however often the task is tried."""

    hook_class = VizardHook
    titled_by: ClassVar[Sequence[str]] = ("clip",)

    clip: Any

    def asked(self) -> dict[str, Any]:
        """Return the request with the clip's id only."""
        self.required("clip")
        return {**super().asked(), "clip": video_id_of(self.clip)}

    def wished(self) -> dict[str, Any]:
        """Return the request's fields except the clip."""
        return {name: getattr(self, name) for name in self.request_fields if name != "clip"}


class VizardCaptionOperator(_ClipOperator):
    """Have Vizard write a caption for a clip.

    - **Retry**: returns the result that an earlier try paid for. If that try never learnt the outcome, the
      task fails (with ``on_lost_submit="resubmit"`` it asks again).
    - **Kill**: a request that was sent cannot be taken back.
    - **Timeout**: ``timeout`` limits the wait for the vendor's rate limit; nothing is sent after it.
    - **Clear**: a finished task asks again (with ``on_clear="reuse"`` it returns the earlier result).

    Example::

        caption = VizardCaptionOperator.partial(task_id="caption", platform="tiktok").expand(clip=good_clips)

    :param clip: one of a job's outputs (or that as text), or its ``video_id``.
    :param platform: general, tiktok, instagram, youtube, facebook, linkedin or twitter (x).
    :param tone: neutral, interesting, catchy, serious or question.
    :param voice: first_person or third_person.
    :returns: ``{"video_id", "caption", "title"}``; a title is written for YouTube only.
    """

    kinds: ClassVar[tuple[str, ...]] = ("caption",)
    request_fields: ClassVar[Sequence[str]] = ("clip", *_but_the_clip(CaptionRequest))
    template_fields: Sequence[str] = (*request_fields, "timeout", "vizard_conn_id")

    vizard_conn_id: str

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
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "vizard_conn_id"):
            setattr(self, name, given[name])

    def offer(self) -> Offer:
        """Return the purchase of the caption."""
        return Offer(self.hook.order_caption(self.clip, self.wished()))


class VizardPublishOperator(_ClipOperator):
    """Publish a clip to a connected social account, once.

    Vizard reports only that it accepted the clip, not whether it was published.

    - **Retry**: returns the result that an earlier try paid for. If that try never learnt the outcome, the
      task fails (with ``on_lost_submit="resubmit"`` it publishes again).
    - **Kill**: a request that was sent cannot be taken back; the clip may be published.
    - **Timeout**: ``timeout`` limits the wait for the vendor's rate limit; nothing is sent after it.
    - **Clear**: a finished task publishes again (with ``on_clear="reuse"`` it returns the earlier result).

    Example::

        VizardPublishOperator(
            task_id="publish", clip="14589263", social_account_id="7000", caption="Our best goal"
        )

    :param clip: one of a job's outputs (or that as text), or its ``video_id``.
    :param social_account_id: as ``VizardHook.list_social_accounts`` returns it.
    :param caption: "" (default) lets Vizard write caption and hashtags.
    :param title: for YouTube; None lets Vizard write it.
    :param publish_at: a datetime, ISO 8601 text (UTC if it has no zone) or seconds since the epoch; None
        publishes at once.
    :param dry_run: check everything and send nothing.
    :returns: ``{"video_id", "social_account_id", "publish_at", "accepted"}``; ``publish_at`` in milliseconds
        since the epoch.
    """

    kinds: ClassVar[tuple[str, ...]] = ("publish",)
    request_fields: ClassVar[Sequence[str]] = ("clip", *_but_the_clip(PublishRequest))
    template_fields: Sequence[str] = (*request_fields, "dry_run", "timeout", "vizard_conn_id")

    vizard_conn_id: str

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
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "vizard_conn_id"):
            setattr(self, name, given[name])
        # This hides BaseOperator.dry_run, which prints the template fields; nothing calls it.
        self.dry_run = dry_run  # type: ignore[method-assign,assignment]

    def offer(self) -> Offer:
        """Return the publishing, validated against the social account."""
        return Offer(self.hook.order_publishing(self.clip, self.wished()))

    def execute(self, context: Context) -> Any:
        """Publish the clip, return an earlier try's result, or only check the request."""
        dry_run: Any = self.dry_run
        with airflow_failures(self, context):
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
