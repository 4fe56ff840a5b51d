"""The Venice hook: what the vendor's two Python clients do, method by method, on an Airflow connection."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue

from airflow_provider_vidai.arguments import guard, positive_seconds
from airflow_provider_vidai.errors import AddressGone, InputError, JobError, LeaseOver, VidaiError
from airflow_provider_vidai.files.inline import Inliner, seconds_of
from airflow_provider_vidai.hooks import venice_retirement as retirement
from airflow_provider_vidai.hooks.base import OnStatus, VidaiHook
from airflow_provider_vidai.hooks.spellings import HookJob, Quote, Result, also
from airflow_provider_vidai.hooks.venice_release import Released, released
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.delivery import WITH_THE_STATUS, Delivery
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.vendors.venice import speech as speech
from airflow_provider_vidai.vendors.venice.api import BODY_LIMIT, VENICE, catalogue_row, model_of
from airflow_provider_vidai.vendors.venice.catalogue import Constraints, fitted
from airflow_provider_vidai.vendors.venice.requests import GONE_FIELDS, VideoRequest

__all__ = ["TIMEOUT", "VeniceHook"]

#: Default timeout of ``wait_for_completion`` in seconds; users of public clients saw up to half an hour.
TIMEOUT = 3600.0
#: Seconds until a delivery URL that answers 404 is tried again, so that a short outage loses no video.
DEAD_URL_PAUSES = (5.0, 15.0)

log = logging.getLogger(__name__)


class VeniceHook(VidaiHook):
    """Talk to Venice: text, images and video to video.

    :param venice_conn_id: a connection of type ``venice`` with the API key as its password.
    """

    conn_name_attr: ClassVar[str] = "venice_conn_id"
    default_conn_name: ClassVar[str] = "venice_default"
    conn_type: ClassVar[str] = "venice"
    hook_name: ClassVar[str] = "Venice"
    vendor_name = "venice"

    def __init__(self, venice_conn_id: str = default_conn_name) -> None:
        super().__init__(venice_conn_id)
        self.venice_conn_id = venice_conn_id

    # --- the catalogue

    def list_models(self) -> list[dict[str, JsonValue]]:
        """Return the catalogue's video models as the vendor describes them."""
        return self.send(VENICE.models())

    def valid_parameters(self, model: str) -> dict[str, JsonValue]:
        """Return what a model allows, in one call.

        :returns: ``durations``, ``resolutions``, ``aspect_ratios``, ``audio``, ``audio_configurable``
            and whatever else the catalogue says about it.
        :raises InputError: when the catalogue does not have the model.
        """
        limits = self._limits(model)
        if limits is None:
            known = ", ".join(sorted(str(row.get("id")) for row in self._catalogue))
            raise InputError(f"Venice's catalogue says nothing about the model {model!r}. It has: {known}.")
        return limits.model_dump(mode="json", exclude_none=True)

    # --- price

    def quote(
        self, model: str, *, reference_video_total_duration: float | None = None, **asked: Any
    ) -> Quote:
        """Return what a video would cost now. The quote is free and not binding.

        :param reference_video_total_duration: seconds of all reference videos; read from the files
            where they are not URLs.
        :param asked: the parameters of :meth:`queue`; those that a price does not depend on are ignored.
        :returns: ``{"quote_usd"}``; also ``.quote``, ``.estimated_cost`` and ``.currency``.
        :raises InputError: when reference videos are URLs and their total duration isn't given: the
            price would be too low; or when the model has no such duration or resolution.
        """
        request = validated(VideoRequest, {"model": model, **asked}, what="Video")
        price = self._price(self.fitted(request, only_price=True), reference_video_total_duration)
        return Quote(quote_usd=price)

    # --- buying

    def order(
        self,
        asked: Mapping[str, Any],
        *,
        max_cost_usd: float | str | None = None,
        reference_video_total_duration: float | None = None,
        on_retired: str = "fail",
    ) -> Call[Receipt]:
        """Validate, price and return the purchase of a video; nothing is bought yet.

        :param max_cost_usd: refuse to buy when the quote is higher or fails.
        :raises InputError: when the request is wrong, does not fit its model, is too big, or too expensive.
        """
        limit, on_retired = guard("max_cost_usd", max_cost_usd), retirement.choice(on_retired)
        request = validated(VideoRequest, asked, what="Video")
        for name in request.unlisted:
            known = "no model takes it today" if name in GONE_FIELDS else "it is not checked here"
            log.warning("%s is sent as it is: %s; a refusal costs nothing.", name, known)
        request = self.fitted(request, on_retired)
        self.seal.test()
        inlined = request.with_media(Inliner(BODY_LIMIT))
        size = len(json.dumps(inlined.body()))
        if size > BODY_LIMIT:
            raise InputError(
                f"The request takes {size / 1e6:.1f} MB, and Venice takes {BODY_LIMIT / 1e6:.0f} MB at most: "
                "give public URLs instead of files."
            )
        cost = self._cost(request, inlined, limit, reference_video_total_duration)
        call = VENICE.queue(inlined, conn_id=self.conn_id, seal=self.seal.close, cost=cost)
        return retirement.warning_on_retirement(call, request.model)

    def queue(
        self,
        model: str,
        *,
        max_cost_usd: float | None = None,
        reference_video_total_duration: float | None = None,
        on_retired: str = "fail",
        **asked: Any,
    ) -> HookJob:
        """Buy a video. This sends the purchase once and keeps no record: operators do.

        :param asked: the fields of :class:`~airflow_provider_vidai.vendors.venice.requests.VideoRequest`
            (``prompt``, ``duration``, ``image_url``, ...). Files may be URLs, data URIs, bytes, storage
            URIs or paths.
        :param max_cost_usd: refuse to buy when the quote is higher.
        :param on_retired: ``fail`` refuses to buy from a retired model, ``warn`` lets Venice choose another.
        :returns: the job, as all other methods and operators take it.
        :raises InputError: nothing was sent or charged.
        :raises ApiError: with ``processed="maybe"`` the video may have been bought.
        """
        receipt = self.send(
            self.order(
                {"model": model, **asked},
                max_cost_usd=max_cost_usd,
                reference_video_total_duration=reference_video_total_duration,
                on_retired=on_retired,
            )
        )
        assert receipt.ref is not None
        status = JobStatus(state=JobState.RUNNING, vendor_status="QUEUED")
        return HookJob(job_result(receipt.ref, status, receipt.cost, receipt.delivery))

    submit = queue  # as venice-py calls it

    @also(timeout=("max_wait_time",), on_status=("callback", "on_progress"))
    def complete(
        self,
        model: str,
        *,
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
        **asked: Any,
    ) -> HookJob:
        """Buy a video and wait for it: :meth:`queue` and :meth:`wait_for_completion` in one."""
        job = self.queue(model, **asked)
        return self.wait_for_completion(
            job, poll_interval=poll_interval, timeout=timeout, on_status=on_status
        )

    # --- waiting

    @also(job=("job_id", "queue_id"))
    def retrieve(self, job: Any, model: str | None = None) -> JobStatus:
        """Check the status of a job once, without downloading a finished video.

        :param job: what :meth:`queue` or an operator returned, or a bare id. Also ``job_id`` or ``queue_id``,
            here and in the methods below.
        :param model: required with a bare id.
        """
        return self.poll(self.job(job, model))

    @also(job=("job_id", "queue_id"), timeout=("max_wait_time",), on_status=("callback", "on_progress"))
    def wait_for_completion(
        self,
        job: Any,
        *,
        model: str | None = None,
        poll_interval: float | None = None,
        timeout: float | None = None,
        on_status: OnStatus | None = None,
    ) -> HookJob:
        """Wait until a video is finished.

        :param poll_interval: seconds between status checks; None adapts them to what the vendor expects.
        :param timeout: seconds; None waits for an hour. Also ``max_wait_time``.
        :param on_status: called with the :class:`~airflow_provider_vidai.models.JobStatus` of every check.
            Also ``callback`` or ``on_progress``.
        :returns: the job, with its outputs.
        :raises JobError: when it failed, is gone, or takes longer.
        """
        ref, bought = self.job(job, model), Bought.read(job)
        deadline = time.time() + (TIMEOUT if timeout is None else timeout)
        status = self.wait(ref, deadline=deadline, poll_interval=poll_interval, on_status=on_status)
        return HookJob(job_result(ref, status, bought.cost, bought.delivery))

    # --- the video

    @also(job=("job_id", "queue_id"), destination=("path", "output_path"))
    def download(
        self, job: Any, destination: str, *, model: str | None = None, delete_after: bool = False
    ) -> dict[str, Any]:
        """Download a finished video.

        :param destination: a storage URI or path. A folder ends in ``/``. Also ``path``, ``output_path``.
        :param delete_after: have the vendor delete it once the whole file is stored.
        :returns: ``{uri, path, bytes, sha256, content_type, duration, width, height, fps, released}``.
        :raises JobError: when it isn't finished, or is gone.
        """
        ref, delivery = self.job(job, model), Bought.read(job).delivery
        (output,) = self.ready(ref).outputs
        file = self.download_output(ref, output, destination, delivery)
        return self.release_downloaded(ref, delivery, file, delete_after=delete_after)

    def download_output(
        self, ref: JobRef, output: Output, destination: str, delivery: Delivery = WITH_THE_STATUS
    ) -> dict[str, Any]:
        """Download a finished video while Venice keeps it.

        :raises LeaseOver: when the URL that came with the purchase is dead: Venice has no other.
        """
        for pause in (*DEAD_URL_PAUSES, None):
            try:
                return super().download_output(ref, output, destination, delivery)
            except AddressGone as dead:
                # Venice answers 410 for a URL that has expired, was used up or was revoked.
                if pause is None or dead.status == 410:
                    raise LeaseOver(
                        f"{ref} is ready, but its file is gone for good: its only URL, which came with the "
                        f"purchase, answers HTTP {dead.status}.",
                        todo="To buy it again, clear the task that bought it (with on_clear='fresh').",
                        clear="",
                        charged="yes",
                    ) from None
                log.warning("%s: its URL answers HTTP %d; trying again.", ref, dead.status)
                time.sleep(pause)
        raise AssertionError("the last answer raises")

    @also(job=("job_id", "queue_id"))
    def get_video_data(self, job: Any, *, model: str | None = None) -> bytes:
        """Return a finished video as bytes; the whole of it is then in memory."""
        with tempfile.TemporaryDirectory(prefix="venice-") as folder:
            self.download(job, f"{folder}/video.mp4", model=model)
            return (Path(folder) / "video.mp4").read_bytes()

    def release_downloaded(
        self, ref: JobRef, delivery: Delivery, file: Mapping[str, Any], *, delete_after: bool
    ) -> dict[str, Any]:
        """Return a downloaded file with what happened to it at the vendor."""
        outcome: Released = "expires"
        if delete_after and file.get("duration"):
            outcome = released(self, ref, delivery)
        elif delete_after:
            log.warning("%s: what was landed cannot be read as a video, so Venice keeps it for now.", ref)
        return {**file, "released": outcome}

    @also(job=("job_id", "queue_id"))
    def release(self, job: Any, *, model: str | None = None) -> dict[str, JsonValue]:
        """Have the vendor delete a finished video, or revoke its URL. A running job can't be cancelled.

        :returns: ``{"job_id", "released"}``: ``deleted``, ``revoked``, or ``expires`` if the vendor can
            only be left to delete it after 24 hours.
        """
        ref = self.job(job, model)
        return {"job_id": ref.job_id, "released": released(self, ref, Bought.read(job).delivery)}

    def transcribe(
        self, url: str, response_format: str = "json", *, model: str | None = None
    ) -> Result | str:
        """Buy the transcript of a public video. This sends the purchase once and keeps no record.

        :param response_format: ``json`` or ``text``, as ``VeniceTranscribeOperator`` returns them.
        :param model: a chat model that takes video; None picks one from the catalogue.
        """
        asked = {"url": url, "response_format": response_format, "model": model}
        result = self.send(self.order_transcript(asked)).result
        assert isinstance(result, (dict, str))
        return Result(result) if isinstance(result, dict) else result

    def order_transcript(self, asked: Mapping[str, Any]) -> Call[Receipt]:
        """Return the purchase of a transcript, from the endpoint or chat model that offers it today."""
        request = validated(speech.TranscriptRequest, asked, what="Transcript")
        if request.model is None and self._transcribes():
            return speech.by_endpoint(request)
        model = request.model or speech.listening(self.send(VENICE.models("text")))
        if model is None:
            raise InputError(
                "Venice has retired its transcription endpoint, and its catalogue has no chat model that "
                "takes video (supportsVideoInput): give model= if you know one."
            )
        return speech.by_chat(request, model, warn=log.warning)

    # --- what these are made of

    def job(self, job: Any, model: str | None = None) -> JobRef:
        """Return the ref of a job.

        :param job: a job's dict, its text, or a bare id, which needs ``model``.
        """
        params: dict[str, JsonValue] = {"model": model} if model else {}
        ref = JobRef.read(job, vendor="venice", conn_id=self.conn_id, kind="generate", params=params)
        model_of(ref)
        return ref

    @cached_property
    def _catalogue(self) -> list[dict[str, JsonValue]]:
        return self.list_models()

    def _limits(self, model: str) -> Constraints | None:
        row = catalogue_row(self._catalogue, model)
        return row.model_spec.constraints if row and row.model_spec else None

    def fitted(
        self, request: VideoRequest, on_retired: str = "warn", *, only_price: bool = False
    ) -> VideoRequest:
        """Validate a request against the catalogue, as far as that can be read and has the model.

        :param only_price: validate only what a price depends on; a quote ignores what a model does not take.
        """
        try:
            row = catalogue_row(self._catalogue, request.model)
        except VidaiError as error:
            log.warning("The catalogue can't be read, so nothing is checked against it: %s", error)
            return request
        if row is None or row.model_spec is None:
            log.warning("Venice's catalogue says nothing about %r: it is sent as it is.", request.model)
            return request
        retirement.check(request.model, row.model_spec, on_retired)
        limits = row.model_spec.constraints or Constraints()
        if only_price:
            limits = Constraints(durations=limits.durations or None, resolutions=limits.resolutions or None)
        elif row.model_spec.offline:
            raise JobError(f"{request.model} is offline at Venice now.", charged="no", retryable=True)
        return fitted(request, limits)

    def _cost(
        self, given: VideoRequest, inlined: VideoRequest, limit: float | None, total: float | None
    ) -> dict[str, JsonValue] | None:
        """Return the quote; without a limit, a failed quote does not block the purchase."""
        try:
            usd = self._price(given.model_copy(update={"video_url": inlined.video_url}), total)
        except VidaiError as error:
            if limit is not None:
                raise
            log.warning("The price is not known: %s", error)
            return None
        log.info("Venice quotes %s USD.", usd)
        if limit is not None and usd > limit:
            raise InputError(
                f"max_cost_usd: Venice quotes {usd:g} USD, and at most {limit:g} USD may be spent.",
                fate="Nothing was bought.",
            )
        return {"quote_usd": usd}

    def _price(self, request: VideoRequest, total: float | None) -> float:
        """Return a request's price in USD. The source video is sent; of references only the duration."""
        seconds = self._reference_seconds(request, total)
        video = request.video_url and Inliner(BODY_LIMIT)(request.video_url, "video_url")
        request = request.model_copy(update={"video_url": video})
        return self.send(VENICE.quote(request, reference_video_total_duration=seconds))

    def _reference_seconds(self, request: VideoRequest, total: float | None) -> float | None:
        """Return the total seconds of the reference videos, without which a quote would be too low."""
        given = positive_seconds("reference_video_total_duration", total)
        if given is not None or not request.reference_video_urls:
            return given
        lengths = [seconds_of(video, "reference_video_urls") for video in request.reference_video_urls]
        if None in lengths:
            raise InputError(
                "reference_video_total_duration: the price depends on how long the reference videos are "
                "together, and that of a URL can't be read here: give it in seconds."
            )
        return round(sum(length or 0.0 for length in lengths), 3)

    def _transcribes(self) -> bool:
        try:
            return self.client.send(speech.is_old_endpoint_alive(), attempts=1)
        except VidaiError:
            return False
