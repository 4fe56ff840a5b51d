"""The Vizard hook: the vendor's open API, call by call, on an Airflow connection."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError, JobGone, VidaiError
from airflow_provider_vidai.files.intake import checked_source
from airflow_provider_vidai.files.storage import (
    destination_path,
    public_uri,
    signed_url,
    source,
    storage_path,
    write_whole,
)
from airflow_provider_vidai.hooks.base import OnStatus, VidaiHook, require_folder
from airflow_provider_vidai.hooks.spellings import HookJob, also
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.vizard.answers import SocialAccount, VizardProject, far_longer
from airflow_provider_vidai.vendors.vizard.api import VIZARD, parse_webhook
from airflow_provider_vidai.vendors.vizard.requests import ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import (
    CaptionRequest,
    PublishRequest,
    clip_checked,
    clip_output,
    video_id_of,
)

__all__ = ["TIMEOUT", "Transcript", "VizardHook", "parse_webhook", "warn_about_source_copy"]

#: Default timeout of ``wait_for_project``, in seconds.
TIMEOUT = 7200.0
#: Lifetime of a source's signed URL, in seconds. Vizard may start late and reads slowly.
SIGNED_FOR = 24 * 3600
#: A ``publish_at`` up to this many seconds in the past is accepted.
PAST = 300.0

#: The format of the transcript beside a clip.
Transcript = Literal["txt", "json"]

log = logging.getLogger(__name__)


class VizardHook(VidaiHook):
    """Talk to Vizard: long videos to clips, captions, publishing.

    :param vizard_conn_id: a connection of type ``vizard`` with the API key as its password.
    """

    conn_name_attr: ClassVar[str] = "vizard_conn_id"
    default_conn_name: ClassVar[str] = "vizard_default"
    conn_type: ClassVar[str] = "vizard"
    hook_name: ClassVar[str] = "Vizard"
    vendor_name = "vizard"

    def __init__(self, vizard_conn_id: str = default_conn_name) -> None:
        super().__init__(vizard_conn_id)
        self.vizard_conn_id = vizard_conn_id

    # --- clips

    def order(self, asked: Mapping[str, Any], *, source_seconds: float | None = None) -> Call[Receipt]:
        """Validate a request and return the purchase; nothing is bought yet.

        :param asked: the fields of :class:`~airflow_provider_vidai.vendors.vizard.requests.ProjectRequest`.
        :param source_seconds: how long the source is, where that can't be read from a file.
        :raises InputError: when a field is wrong, or a file in a storage is missing, too long, too large, or
            can't be given to the vendor by a signed URL.
        """
        request = validated(ProjectRequest, asked, what="Project")
        for notice in request.notices():
            log.warning("%s", notice)
        seconds = source_seconds
        if request.in_storage:
            request, measured = _signed(request)
            seconds = measured or seconds
        # Kept with the job: by it, a copy of the source is distinguished from a clip.
        params: dict[str, JsonValue] = {} if seconds is None else {"source_seconds": round(seconds, 3)}
        return VIZARD.create(request, conn_id=self.conn_id, params=params)

    @also(video_url=("videoUrl",))
    def create_project(self, video_url: str, **asked: Any) -> HookJob:
        """Buy a project. This sends the purchase once and keeps no record: operators do.

        :param video_url: http(s), or a file in a storage that can sign URLs.
        :param asked: the other fields of
            :class:`~airflow_provider_vidai.vendors.vizard.requests.ProjectRequest`, by their
            names there or on the wire (``preferLength``).
        :returns: the job, as all other methods and operators take it.
        :raises InputError: nothing was sent or charged.
        :raises ApiError: with ``processed="maybe"`` the project may have been bought.
        """
        receipt = self.send(self.order({"video_url": video_url, **asked}))
        assert receipt.ref is not None
        return HookJob(job_result(receipt.ref, JobStatus(state=JobState.RUNNING, vendor_status="accepted")))

    @also(job=("project_id", "projectId"))
    def query_project(self, job: Any) -> VizardProject:
        """Read a project once, whatever its status (``code`` 1000: processing, 2000: done).

        :param job: a job's dict, its text, or a bare id. Also ``project_id``, here and in the methods
            below.
        """
        return self.send(VIZARD.project(self.job(job).job_id))

    @also(job=("project_id", "projectId"))
    def wait_for_project(
        self,
        job: Any,
        *,
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
    ) -> HookJob:
        """Wait until a project is done.

        :param poll_interval: seconds between status checks; None adapts them.
        :param timeout: seconds; None waits for two hours.
        :param on_status: called with the :class:`~airflow_provider_vidai.models.JobStatus` of every check.
        :returns: the job, with its clips as outputs, best first.
        :raises JobError: when it failed, is gone, or takes longer.
        """
        ref = self.job(job)
        deadline = time.time() + (TIMEOUT if timeout is None else timeout)
        status = self.wait(ref, deadline=deadline, poll_interval=poll_interval, on_status=on_status)
        warn_about_source_copy(ref, status.outputs)
        return HookJob(job_result(ref, status))

    @also(job=("project_id", "projectId"))
    def download(
        self, job: Any, destination: str, *, clip: Any = None, transcript: Transcript | None = None
    ) -> list[dict[str, Any]]:
        """Download the clips of a project, or one of them.

        :param destination: a storage URI or path. A folder ends in ``/``; several files need one.
        :param clip: one of the job's outputs, or its ``video_id``.
        :param transcript: write it beside each clip: ``txt``, or ``json`` with all that Vizard reports.
        :returns: for each clip ``{uri, path, bytes, sha256, content_type, duration, width, height, fps,
            video_id}``, and ``transcript_uri`` where one was written.
        :raises JobError: when the project is not done, or gone.
        """
        ref = self.job(job)
        wanted = None if clip is None else clip_output(clip)
        # Without the choice of clips that the task made: the wanted clip need not be among them.
        ref = ref if wanted is None else ref.model_copy(update={"params": {}})
        return self.download_clips(ref, self.ready(ref).outputs, destination, wanted, transcript)

    def download_clips(
        self,
        ref: JobRef,
        outputs: Sequence[Output],
        destination: str,
        wanted: Output | None = None,
        transcript: Transcript | None = None,
    ) -> list[dict[str, Any]]:
        """Download the wanted clip of a READY project, or all of them; see :meth:`download`.

        :raises InputError: when there are several and ``destination`` is one file.
        :raises JobGone: when the wanted one is not among them.
        """
        found, destination = _picked(ref, outputs, wanted), str(destination)
        require_folder(ref, found, destination)
        warn_about_source_copy(ref, found)
        return [self._download_clip(ref, output, destination, transcript) for output in found]

    def _download_clip(
        self, ref: JobRef, output: Output, destination: str, transcript: Transcript | None = None
    ) -> dict[str, Any]:
        file = {**self.download_output(ref, output, destination), "video_id": output.details.get("video_id")}
        if transcript is None:
            return file
        path = destination_path(destination, VIZARD.file_stem(ref, output), f".{transcript}")
        if not destination.endswith("/"):
            path = storage_path(destination).with_suffix(f".{transcript}")
        write_whole(path, _transcript(output, transcript))
        return {**file, "transcript_uri": public_uri(path)}

    # --- captions and publishing

    def list_social_accounts(self) -> list[SocialAccount]:
        """Return the accounts that are connected in the workspace, whatever their status."""
        return self.send(VIZARD.social_accounts()).accounts

    def social_caption(
        self,
        clip: Any,
        platform: str | int = "general",
        tone: str | int = "neutral",
        voice: str | int = "first_person",
    ) -> dict[str, JsonValue]:
        """Have a caption written. This sends the request once and keeps no record: operators do.

        :param clip: one of a job's outputs, or its ``video_id``.
        :returns: ``{video_id, caption, title}``; a title is written for YouTube only.
        """
        asked = {"platform": platform, "tone": tone, "voice": voice}
        result = self.send(self.order_caption(clip, asked)).result
        assert isinstance(result, dict)
        return result

    def order_caption(self, clip: Any, asked: Mapping[str, Any]) -> Call[Receipt]:
        """Validate a request for a caption and return the call; nothing is bought yet."""
        request = validated(CaptionRequest, {"video_id": video_id_of(clip), **asked}, what="Caption")
        return VIZARD.caption(request)

    def publish(
        self,
        clip: Any,
        social_account_id: str,
        caption: str = "",
        title: str | None = None,
        publish_at: datetime | str | float | None = None,
    ) -> dict[str, JsonValue]:
        """Publish a clip. This sends the request once and keeps no record: operators do.

        :param clip: one of a job's outputs, or its ``video_id``.
        :param caption: "" lets Vizard write caption and hashtags.
        :param publish_at: None publishes at once.
        :returns: ``{video_id, social_account_id, publish_at (milliseconds), accepted}``.
        """
        asked = {
            "social_account_id": social_account_id,
            "caption": caption,
            "title": title,
            "publish_at": publish_at,
        }
        result = self.send(self.order_publishing(clip, asked)).result
        assert isinstance(result, dict)
        return result

    def order_publishing(self, clip: Any, asked: Mapping[str, Any]) -> Call[Receipt]:
        """Validate what is to be published and return the call; nothing is published yet."""
        return VIZARD.publish(self.publish_request(clip, asked))

    def publish_request(self, clip: Any, asked: Mapping[str, Any]) -> PublishRequest:
        """Validate a publish request against the social account; nothing is published.

        :raises InputError: naming what is wrong.
        """
        request = validated(PublishRequest, {"video_id": video_id_of(clip), **asked}, what="Publishing")
        if request.publish_at is not None and request.publish_at / 1000 < time.time() - PAST:
            raise InputError(f"publish_at: {asked['publish_at']} is in the past.")
        account = self._account_of(request.social_account_id)
        if account is not None:
            for notice in clip_checked(request, account):
                log.warning("%s", notice)
        return request

    # --- what these are made of

    def job(self, job: Any, kind: str = "project") -> JobRef:
        """Return the ref of a job.

        :param job: a job's dict, its text, or a bare id.
        """
        return JobRef.read(job, vendor="vizard", conn_id=self.conn_id, kind=kind)

    def _account_of(self, account_id: str) -> SocialAccount | None:
        """Return the account; None if the list can't be read or may be incomplete."""
        try:
            found = self.send(VIZARD.social_accounts())
        except VidaiError as error:
            log.warning("The social accounts can't be read, so nothing is checked against them: %s", error)
            return None
        for account in found.accounts:
            if account.id == account_id:
                return account
        if (found.total or 0) > len(found.accounts):
            log.warning("Account %s is not among those that Vizard shows.", account_id)
            return None
        there = ", ".join(f"{one.id} ({one.platform} {one.username}, {one.status})" for one in found.accounts)
        raise InputError(
            f"social_account_id: there is no account {account_id!r} in the workspace; there are: "
            f"{there or 'none'}."
        )


def warn_about_source_copy(ref: JobRef, outputs: Sequence[Output]) -> None:
    """Warn about an output that is probably a copy of the source: Vizard sometimes returns one."""
    found = far_longer(outputs)
    if found is not None:
        log.warning(
            "%s: output %d lasts %.0f s, over 3 minutes and over 3 times as long as the next one. It is "
            "probably a copy of the source; drop_source=True leaves it out, and buys nothing again.",
            ref,
            found.index,
            found.duration,
        )


def _picked(ref: JobRef, outputs: Sequence[Output], wanted: Output | None) -> Sequence[Output]:
    if wanted is None:
        return outputs
    video_id = wanted.details.get("video_id")
    # The first generation of the API has no ids of clips.
    if video_id is None:
        found = tuple(one for one in outputs if (one.index, one.title) == (wanted.index, wanted.title))
    else:
        found = tuple(one for one in outputs if one.details.get("video_id") == str(video_id))
    if not found:
        name = video_id or shown(wanted.title)
        raise JobGone(f"{ref} has no clip {name}: Vizard deletes clips after 7 days.", charged="yes")
    return found


def _signed(request: ProjectRequest) -> tuple[ProjectRequest, float | None]:
    """Sign a URL for a file in a storage; return the request with it, and the file's duration in seconds."""
    # Vizard takes the minutes of the source at once and does not return them for every failure, so what it
    # would refuse later is refused here.
    file = source(request.video_url)
    try:
        seconds = checked_source(file, field="video_url").media.duration
        request.check_source(seconds=seconds, size=file.size)
    except ValueError as error:
        raise InputError(f"video_url: {file.path}: {error}.") from None
    url = signed_url(file, SIGNED_FOR)
    return request.model_copy(update={"video_url": url}), seconds


def _transcript(output: Output, how: Transcript) -> bytes:
    if how == "txt":
        return str(output.details.get("transcript") or "").encode()
    reported = {"title": output.title, "duration": output.duration, **output.details}
    return json.dumps(reported, ensure_ascii=False, indent=2).encode()
