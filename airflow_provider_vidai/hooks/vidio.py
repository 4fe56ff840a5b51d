"""The VIDIO hook: the vendor's Python client, method by method, on an Airflow connection."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, ClassVar

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.intake import Checked, checked_source
from airflow_provider_vidai.files.storage import Source, shown_name, source
from airflow_provider_vidai.files.upload import upload
from airflow_provider_vidai.hooks.base import OnStatus, VidaiHook
from airflow_provider_vidai.hooks.spellings import Result
from airflow_provider_vidai.jobs.calls import Call, Put
from airflow_provider_vidai.jobs.media_types import kind_of_name
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.vidio.answers import VidioJob
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from airflow_provider_vidai.vendors.vidio.requests import (
    AspectRatio,
    MediaType,
    MusicCategory,
    ReelRequest,
    RenderRequest,
    UploadRequest,
    VideoCategory,
    extension,
)

__all__ = ["TIMEOUT", "AspectRatio", "MusicCategory", "Uploaded", "VideoCategory", "VidioHook"]

log = logging.getLogger(__name__)

#: Default timeout of ``wait_*`` in seconds, as in the vendor's client.
TIMEOUT = 3600.0


class Uploaded(Result):
    """An upload's result, with the ``input_key`` that a reel takes."""


class VidioHook(VidaiHook):
    """Talk to VIDIO: highlight reels from your own footage.

    :param vidio_conn_id: a connection of type ``vidio`` with the API key as its password.
    """

    conn_name_attr: ClassVar[str] = "vidio_conn_id"
    default_conn_name: ClassVar[str] = "vidio_default"
    conn_type: ClassVar[str] = "vidio"
    hook_name: ClassVar[str] = "VIDIO"
    vendor_name = "vidio"

    def __init__(self, vidio_conn_id: str = default_conn_name) -> None:
        super().__init__(vidio_conn_id)
        self.vidio_conn_id = vidio_conn_id
        # By job: VIDIO's id is the job's, and does not say which of its renders is meant.
        self._renders: dict[str, JobRef] = {}

    def upload(
        self,
        file_path: str | PurePath,
        *,
        media_type: str | None = None,
        width: int | str | None = None,
        height: int | str | None = None,
        duration: float | str | None = None,
    ) -> Uploaded:
        """Upload a video or an image and return what a reel needs to know about it.

        :param file_path: a storage URI (``s3://…``, ``file://…``) or a local path; its name must
            have an extension.
        :param media_type: ``video`` or ``image``; None reads it from the file itself. The file's bytes and
            its extension must agree with it.
        :param width: pixels; likewise ``height``; None reads it from the file.
        :param duration: seconds; None reads it from the file (0 for an image).
        :returns: ``{input_key, file_name, media_type, width, height, duration, display_width,
            display_height}``. Width and height are as stored, the display size is as a player shows it:
            rotated, and with square pixels. ``video_tracks`` is there too when there are several: VIDIO's
            own client describes the first.
        :raises InputError: before anything is sent, when the file is missing, a directory, cut, no video or
            image, lasts 0 seconds, or has no extension.
        :raises TransferError: when it could not be delivered.
        """
        file = source(file_path)
        found = _checked(file, media_type)
        request = _upload_request(file, found, width=width, height=height, duration=duration)
        # The client chooses the upload's id; it has nothing to do with a job's id.
        upload_id = str(uuid.uuid4())
        call = VIDIO.upload_url(request, upload_id=upload_id)
        # Each attempt requests a URL of its own, because the signed URL of an earlier one may have expired.
        upload(self.account, lambda: Put(self.send(call), request.content_type), file)
        # No answer contains the key: VIDIO's own client makes it up from the same two parts.
        key = VIDIO.input_key(request, upload_id=upload_id)
        return Uploaded({"input_key": key, **request.model_dump(mode="json"), **_display(found)})

    def create_highlight_reel(
        self,
        input_keys: Any,
        video_category: str,
        output_length: float,
        aspect_ratio: str,
        music_category: str | None = None,
        music_volume: float | None = None,
        original_audio_volume: float | None = None,
    ) -> VidioJob:
        """Buy a highlight reel. This sends the purchase once and keeps no record: operators do.

        :param input_keys: keys (or whole results) of uploads, in the order of the reel.
        :param output_length: seconds.
        :returns: the new job: its ``job_id`` and ``status``.
        :raises InputError: naming each wrong field; nothing was sent or charged.
        :raises ApiError: with ``processed="maybe"`` the reel may have been bought.
        """
        asked = {
            "input_keys": input_keys,
            "video_category": video_category,
            "output_length": output_length,
            "aspect_ratio": aspect_ratio,
            "music_category": music_category,
            "music_volume": music_volume,
            "original_audio_volume": original_audio_volume,
        }
        return _job(self.send(self.order(asked)))

    def order(self, asked: Mapping[str, Any]) -> Call[Receipt]:
        """Validate a request and return the purchase of a reel; nothing is bought yet.

        :param asked: the fields of :class:`~airflow_provider_vidai.vendors.vidio.requests.ReelRequest`.
        :raises InputError: naming each wrong field.
        """
        request = validated(ReelRequest, asked, what="Highlight reel")
        return VIDIO.create_reel(request, conn_id=self.conn_id)

    def get_job(self, job_id: str) -> VidioJob:
        """Read a job: its status, and its outputs with overlays once it has been rendered."""
        return self.send(VIDIO.job(job_id))

    def wait_for_job(
        self,
        job_id: str,
        *,
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
    ) -> VidioJob:
        """Wait until a reel is processed.

        :param poll_interval: seconds between status checks; None adapts them.
        :param timeout: seconds; None waits for an hour.
        :param on_status: called with the :class:`~airflow_provider_vidai.models.JobStatus` of every check.
        :raises JobError: when it failed, is gone, or takes longer.
        """
        return self._finished(self.ref(job_id, "reel"), poll_interval, timeout, on_status)

    def render(self, job_id: str, output_index: int = 0, *, export_option: str = "premium") -> VidioJob:
        """Buy the render of one output of a processed job; the vendor keeps only the last render.

        :param output_index: 0 is usually the best.
        :raises InputError: when ``output_index`` is out of range.
        :raises JobError: when the job is not ready for it; nothing was sent.
        """
        asked = {"output_index": output_index, "export_option": export_option}
        call, ref = self.order_render(self.ref(job_id, "reel"), asked)
        receipt = self.send(call)
        self._renders[job_id] = ref
        return _job(receipt)

    def order_render(self, reel: JobRef, asked: Mapping[str, Any]) -> tuple[Call[Receipt], JobRef]:
        """Validate a request against the reel as it is now and return the purchase of its render.

        :param asked: the fields of :class:`~airflow_provider_vidai.vendors.vidio.requests.RenderRequest`.
        :returns: the purchase, and the ref under which the render can be found even if its answer is lost.
        :raises InputError: when a field is wrong, or ``output_index`` is out of range.
        :raises JobError: when the job cannot be rendered now.
        """
        request = validated(RenderRequest, asked, what="Render")
        ref = VIDIO.render_ref(reel, self.get_job(reel.job_id), request)
        return VIDIO.render(ref, request), ref

    def get_render(self, job_id: str) -> VidioJob:
        """Read a render: one resource carries the job and its last render."""
        return self.get_job(job_id)

    def wait_for_render(
        self,
        job_id: str,
        *,
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
    ) -> VidioJob:
        """Wait until the last render is finished.

        A render that this hook started is not confused with an earlier one of the same job. Otherwise the
        first finished render counts.
        """
        return self._finished(self._render_ref(job_id), poll_interval, timeout, on_status)

    def download(self, job_id: str, destination: str) -> dict[str, Any]:
        """Download the finished render of a job.

        :param destination: a storage URI or path. A folder ends in ``/``.
        :returns: ``{uri, path, bytes, sha256, content_type, duration, width, height, fps}``.
        :raises JobError: when nothing is rendered, or a render is under way.
        """
        return self.download_output(self._render_ref(job_id), Output(index=0, kind="video"), destination)

    def job(self, job: Any, kind: str = "reel") -> JobRef:
        """Return the ref of a job.

        :param job: a job's dict, its text, or a bare id.
        :param kind: of a bare id: ``reel`` or ``render``.
        """
        return JobRef.read(job, vendor="vidio", conn_id=self.conn_id, kind=kind)

    def _render_ref(self, job_id: str) -> JobRef:
        return self._renders.get(job_id) or self.ref(job_id, "render")

    def _finished(
        self, ref: JobRef, poll_interval: float | None, timeout: float | None, on_status: OnStatus | None
    ) -> VidioJob:
        deadline = time.time() + (TIMEOUT if timeout is None else timeout)
        status = self.wait(ref, deadline=deadline, poll_interval=poll_interval, on_status=on_status)
        if self._renders.get(ref.job_id) == ref:
            # The answer identifies this render. A later download could not distinguish it from an older one.
            self._renders[ref.job_id] = status.of(ref)
        job = status.answer
        assert isinstance(job, VidioJob)
        return job


def _checked(file: Source, media_type: str | None) -> Checked:
    """Make sure that a file can be used as footage and is of the stated type."""
    try:
        extension(file.name)
    except ValueError as error:
        raise InputError(
            f"source: {shown_name(str(file.path))} cannot be used as footage: {error}."
        ) from None
    if media_type not in (None, "video", "image"):
        raise InputError(f"media_type must be video or image, not {shown(media_type)}.")
    found = checked_source(file, field="source", kinds=(media_type,) if media_type else ("video", "image"))
    # The extension is all that VIDIO learns about the type of a file, so a wrong one misleads it.
    promised = kind_of_name(file.name)
    if promised in ("video", "image", "audio") and promised != _kind(found):
        raise InputError(
            f"source: {shown_name(file.path)} is called {promised}, but its bytes are of type {found.type}: "
            "give it the right extension."
        )
    if found.media.video_tracks > 1:
        log.warning(
            "%s has %d video tracks; the first one, of %s x %s pixels, is described to VIDIO.",
            shown_name(file.name),
            found.media.video_tracks,
            found.media.width,
            found.media.height,
        )
    return found


def _kind(found: Checked) -> MediaType:
    return "image" if found.media.kind == "image" else "video"


def _upload_request(file: Source, found: Checked, **given: Any) -> UploadRequest:
    """Return the file's description for VIDIO; values that were not given come from the file."""
    media = found.media
    # VIDIO requires a duration of each upload. Its own client knows none for images, and cannot upload any.
    duration = 0.0 if media.kind == "image" else media.duration
    read = {"width": media.width, "height": media.height, "duration": duration}
    values = {name: value if given[name] is None else given[name] for name, value in read.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise InputError(
            f"Could not read the {', '.join(missing)} of {shown_name(file.name)} from the file: pass "
            f"{', '.join(f'{name}=' for name in missing)}."
        )
    request = validated(
        UploadRequest,
        {**values, "media_type": _kind(found), "file_name": file.name},
        what=shown_name(file.path),
    )
    if request.media_type == "video" and not request.duration:
        raise InputError(f"{shown_name(file.name)}: duration must be more than 0 for a video.")
    return request


def _display(found: Checked) -> dict[str, Any]:
    media = found.media
    size = {"display_width": media.display_width, "display_height": media.display_height}
    return size | ({"video_tracks": media.video_tracks} if media.video_tracks > 1 else {})


def _job(receipt: Receipt) -> VidioJob:
    assert receipt.ref is not None
    return VidioJob(job_id=receipt.ref.job_id, status=receipt.vendor_status or "submitted")
