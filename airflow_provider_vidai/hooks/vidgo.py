"""The Vidgo hook: images, videos and music from one task API, on an Airflow connection."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, ClassVar, TypeVar

from pydantic import JsonValue

from airflow_provider_vidai.arguments import guard
from airflow_provider_vidai.errors import ApiError, InputError, LeaseOver
from airflow_provider_vidai.files.inline import Inliner, is_data_uri, is_web_url
from airflow_provider_vidai.files.storage import shown_name
from airflow_provider_vidai.hooks.base import OnStatus, VidaiHook
from airflow_provider_vidai.hooks.spellings import HookJob, also
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.delivery import WITH_THE_STATUS, Delivery
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.purchase.limits import RateWait
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.vidgo.answers import Uploaded
from airflow_provider_vidai.vendors.vidgo.api import (
    LEASE,
    LEASE_GRACE,
    UPLOAD_ATTEMPTS,
    UPLOAD_LIMIT,
    UPLOAD_TYPES,
    VIDGO,
    lease_left,
    parse_webhook,
)
from airflow_provider_vidai.vendors.vidgo.catalogue import MODELS, kind_of
from airflow_provider_vidai.vendors.vidgo.requests import TaskRequest, check, with_images

__all__ = ["TIMEOUT", "VidgoHook", "parse_webhook"]

T = TypeVar("T")

#: Default timeout of ``wait_for_task``, in seconds.
TIMEOUT = 1800.0
#: Seconds to wait when the upload limit (five a minute) is reached: a little over a minute frees all five.
UPLOADS_FULL = 61.0

log = logging.getLogger(__name__)


class VidgoHook(VidaiHook):
    """Talk to Vidgo: images, videos and music.

    :param vidgo_conn_id: a connection of type ``vidgo`` with the API key as its password.
    """

    conn_name_attr: ClassVar[str] = "vidgo_conn_id"
    default_conn_name: ClassVar[str] = "vidgo_default"
    conn_type: ClassVar[str] = "vidgo"
    hook_name: ClassVar[str] = "Vidgo"
    vendor_name = "vidgo"

    def __init__(self, vidgo_conn_id: str = default_conn_name) -> None:
        super().__init__(vidgo_conn_id)
        self.vidgo_conn_id = vidgo_conn_id
        #: URLs of the pictures that this hook uploaded, by digest: a purchase that is sent again after a wait
        #: for its rate limit uploads nothing again.
        self._uploaded: dict[str, str] = {}

    def balance(self) -> float:
        """Return how many credits the account has (1 credit is 0.005 USD)."""
        return self.send(VIDGO.balance())

    # --- pictures

    def upload_image(self, source: str | bytes | PurePath) -> Uploaded:
        """Upload a picture, free of charge; Vidgo keeps it for 72 hours and takes five a minute.

        Further uploads wait for their turn.

        :param source: a storage URI or path, a data URI, the bytes themselves, or a public URL, which the
            vendor fetches itself. JPEG, PNG, GIF or WebP.
        :returns: its ``file_url``, which is a secret, and ``file_name``, ``mime_type``, ``file_size``,
            ``expires_at`` as the vendor reports them.
        :raises InputError: when it is not a picture of these types. Nothing was sent.
        """
        if isinstance(source, PurePath):
            source = str(source)
        if isinstance(source, str) and is_web_url(source):
            return self._upload(VIDGO.upload_from(source))
        return self._upload(VIDGO.upload(_picture(source)))

    def _upload(self, call: Call[Uploaded]) -> Uploaded:
        return self.client.send(call, attempts=UPLOAD_ATTEMPTS)

    # --- buying

    def request(
        self, model: str, asked: Any, callback_url: str | None = None, kind: str | None = None
    ) -> tuple[TaskRequest, str]:
        """Return a validated request and the kind of its job; nothing is sent.

        :raises InputError: when the request is wrong.
        """
        given = {"model": model, "input": asked, "callback_url": callback_url, "kind": kind}
        request = validated(TaskRequest, given, what="Task")
        check(request.model, request.input, request.callback_url)
        return request, _kind(request.model, request.kind)

    def order(
        self,
        model: str,
        asked: Any,
        *,
        callback_url: str | None = None,
        kind: str | None = None,
        min_credits: float | str | None = None,
    ) -> Call[Receipt]:
        """Check the request and the balance, upload its pictures, and return the purchase.

        Nothing is bought yet. The hook uploads the same picture only once.

        :param asked: the ``input``. Its pictures may be storage URIs, paths, data URIs, or what an upload
            operator returned.
        :param kind: ``media`` or ``music``, for a model that this package does not know.
        :param min_credits: do not buy when the account has less.
        :raises InputError: when the request is wrong, or the account has too little.
        :raises RateWait: while the upload rate limit still applies. Nothing was bought.
        """
        least = guard("min_credits", min_credits)
        request, kind = self.request(model, asked, callback_url, kind)
        # Before the uploads: a purchase that the balance forbids must not use up the five of this minute.
        if least is not None:
            self._require_balance(least)
        try:
            placed = with_images(request.input, self._placed)
        except ApiError as error:
            # The upload itself has waited for over a minute. For longer, the task gives its worker back.
            if error.status == 429:
                raise RateWait(UPLOADS_FULL, str(error)) from error
            raise
        # The vendor's created_time has no zone. The 24 hours therefore count from this machine's clock, which
        # is read before the purchase: the files are never believed to last longer than they do.
        return VIDGO.submit(
            request.model,
            placed,
            kind=kind,
            conn_id=self.conn_id,
            now=time.time(),
            callback_url=request.callback_url,
        )

    def submit(
        self,
        model: str,
        input: Mapping[str, Any],  # noqa: A002 - the API's own name of it
        callback_url: str | None = None,
        *,
        kind: str | None = None,
        min_credits: float | None = None,
    ) -> HookJob:
        """Buy a task. This sends the purchase once and keeps no record: operators do.

        :returns: the job, as all other methods and operators take it.
        :raises InputError: nothing was sent or charged.
        :raises ApiError: with ``processed="maybe"`` the task may have been bought.
        """
        call = self.order(model, input, callback_url=callback_url, kind=kind, min_credits=min_credits)
        receipt = self.send(call)
        assert receipt.ref is not None
        status = JobStatus(state=JobState.RUNNING, vendor_status=receipt.vendor_status or "not_started")
        return HookJob(job_result(receipt.ref, status, receipt.cost))

    # --- waiting

    @also(job=("task_id",))
    def status(self, job: Any, *, kind: str = "media") -> JobStatus:
        """Check the status of a task once.

        :param job: what :meth:`submit` or an operator returned, or a bare id. Also ``task_id``, here
            and in the methods below.
        :param kind: what a bare id stands for: ``media`` (images and videos) or ``music``.
        """
        return self.poll(self.job(job, kind))

    @also(job=("task_id",))
    def music_detail(self, job: Any) -> JobStatus:
        """Check the status of a music task once."""
        return self.status(job, kind="music")

    @also(job=("task_id",))
    def wait_for_task(
        self,
        job: Any,
        *,
        kind: str = "media",
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
    ) -> HookJob:
        """Wait until a task is finished.

        :param kind: what a bare id stands for.
        :param poll_interval: seconds between status checks; None adapts them to the progress.
        :param timeout: seconds; None waits for half an hour.
        :param on_status: called with the :class:`~airflow_provider_vidai.models.JobStatus` of every check.
        :returns: the job, with its outputs.
        :raises JobError: when it failed, is gone, or takes longer.
        """
        ref, bought = self.job(job, kind), Bought.read(job)
        deadline = time.time() + (TIMEOUT if timeout is None else timeout)
        status = self.wait(ref, deadline=deadline, poll_interval=poll_interval, on_status=on_status)
        return HookJob(job_result(ref, status, bought.cost))

    # --- files

    @also(job=("task_id",))
    def download(self, job: Any, destination: str, *, kind: str = "media") -> list[JsonValue]:
        """Download all files of a finished task.

        :param destination: a storage URI or path. A folder ends in ``/``; several files need one.
        :param kind: what a bare id stands for.
        :returns: a list of ``{uri, path, bytes, sha256, content_type, duration, width, height, fps}``.
        :raises JobError: when it isn't finished, or is gone.
        """
        ref = self.job(job, kind)
        return self.download_outputs(ref, self.ready(ref).outputs, destination)

    def download_output(
        self, ref: JobRef, output: Output, destination: str, delivery: Delivery = WITH_THE_STATUS
    ) -> dict[str, Any]:
        """Download one output, while the vendor keeps it.

        :raises LeaseOver: when the 24 hours are over.
        """
        # Lyrics come with the status and need no file, so they have no lease.
        left = None if output.kind == "text" else lease_left(ref, time.time())
        if left is not None and left < -LEASE_GRACE:
            raise LeaseOver(
                f"{ref} was bought {_hours(LEASE - left)} ago, and Vidgo keeps files for 24 hours and cannot "
                "renew them.",
                todo="To buy it again, clear the task that bought it (with on_clear='fresh'); its "
                "download_to lands them there.",
                clear="",
                charged="yes",
            )
        # Once per job, not for each of its files.
        if left is not None and output.index == 0:
            log.info("%s: Vidgo keeps its files for another %s.", ref, _hours(max(left, 0.0)))
        return super().download_output(ref, output, destination, delivery)

    # --- what these are made of

    def job(self, job: Any, kind: str = "media") -> JobRef:
        """Return the ref of a job.

        :param job: a job's dict, its text, or a bare id.
        :param kind: what a bare id stands for.
        :raises InputError: when it is not a job, or the kind is neither ``media`` nor ``music``.
        """
        return JobRef.read(job, vendor="vidgo", conn_id=self.conn_id, kind=_kind("", kind))

    def _require_balance(self, least: float) -> None:
        found = self.balance()
        if found < least:
            raise InputError(
                f"min_credits: the Vidgo account has {found:g} credits, {least - found:g} fewer than the "
                f"{least:g} that must be there.",
                todo="Top it up, and clear the task.",
                fate="Nothing was bought.",
            )

    def _placed(self, value: Any) -> str:
        """Return the URL of a picture, after uploading it if it has none."""
        value = literal(value)
        # What VidgoUploadImageOperator returned. The URL is a secret, and XComs can be read by many.
        if isinstance(value, Mapping) and isinstance(value.get("sealed_url"), str):
            return self.seal.open(value["sealed_url"])
        if isinstance(value, str) and is_web_url(value):
            return value
        if not isinstance(value, (str, bytes)) or not value:
            raise InputError(
                f"input: {shown(value)} is not a picture: pass a URL, a storage URI or path, or what "
                "VidgoUploadImageOperator returned."
            )
        picture = _picture(value)
        # The digest is of the content: the file behind a path may change. A URL can't expire here, as no try
        # lasts for the 72 hours that Vidgo keeps an upload.
        digest = hashlib.sha256(picture.encode()).hexdigest()
        if digest not in self._uploaded:
            self._uploaded[digest] = self._upload(VIDGO.upload(picture)).file_url
        return self._uploaded[digest]


def _picture(source: str | bytes) -> str:
    """Return a picture as a data URI, if it is of a type that can be uploaded."""
    uri = Inliner(UPLOAD_LIMIT)(source, "image")
    found = uri[len("data:") :].partition(",")[0].partition(";")[0].lower()
    if found not in UPLOAD_TYPES:
        name = "the picture" if isinstance(source, bytes) or is_data_uri(source) else shown_name(source)
        allowed = ", ".join(kind.removeprefix("image/").upper() for kind in UPLOAD_TYPES)
        raise InputError(
            f"{name} is of {f'type {found}' if found else 'no known type'}; Vidgo takes {allowed}."
        )
    return uri


def _kind(model: str, kind: str | None) -> str:
    """Return the endpoint (``media`` or ``music``) at which a task is polled."""
    if kind not in (None, "media", "music"):
        raise InputError(f"kind must be media or music, not {shown(kind)}.")
    if kind is not None and model in MODELS and kind != kind_of(model):
        raise InputError(f"kind: {model} makes {kind_of(model)}, not {kind}.")
    found = kind or kind_of(model)
    if model and model not in MODELS:
        log.warning(
            "%r is not a model that this package knows: it is sent as it is, and waited for as %s (kind= "
            "changes that).",
            model,
            found,
        )
    return found


def _hours(seconds: float) -> str:
    minutes = int(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
