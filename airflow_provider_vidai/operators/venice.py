"""Venice operators: quote, buy, download and release a video; transcribe one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import agreed, is_empty, truth
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.venice import TIMEOUT, VeniceHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.purchase.walk import Offer
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.venice import TranscriptRequest
from airflow_provider_vidai.vendors.venice.requests import GONE_FIELDS, OTHER_NAMES, VideoArguments, same

__all__ = [
    "VeniceDownloadOperator",
    "VeniceQuoteOperator",
    "VeniceReleaseOperator",
    "VeniceTranscribeOperator",
    "VeniceVideoOperator",
]

_ARGUMENTS = (*VideoArguments.arguments(), "options")
#: Fields of the vendor's clients that the API no longer documents: sent only when they are given.
_OLD = tuple(sorted(GONE_FIELDS))
_FIELDS = (*_ARGUMENTS, *OTHER_NAMES, *_OLD, "reference_video_total_duration")


class _VideoArguments(VendorOperator[VeniceHook]):
    """The arguments that describe a video, for its quote and its purchase.

    Files may be public URLs, data URIs, storage URIs or paths. The last two are read when the task runs and
    sent inside the request, which may have 35 MB (about 26 MB of files).

    :param model: a model of the catalogue, such as ``wan-2.6-text-to-video``.
    :param prompt: what the video shows. All models need it except those that only upscale.
    :param duration: seconds (5, "5", "5s" or "5 seconds"); each model allows some values. Also
        ``duration_seconds``.
    :param negative_prompt: what the video must not show.
    :param resolution: such as ``720p``; None: the model's default.
    :param audio: whether the video has sound, for models where this can be chosen. Venice's default: yes.
    :param aspect_ratio: such as ``16:9``; required by models that list ratios, refused by others.
    :param image_url: the first frame, for image-to-video models. Also ``image``.
    :param upscale_factor: 1, 2 or 4, for upscale models.
    :param end_image_url: the last frame, for models that take one.
    :param audio_url: the soundtrack, for models that take one.
    :param video_url: the source video, for video-to-video and upscaling.
    :param reference_image_urls: reference pictures; likewise ``reference_audio_urls`` and
        ``reference_video_urls``.
    :param elements: characters or objects: dicts of ``frontal_image_url`` and ``reference_image_urls``,
        or ``video_url``.
    :param scene_image_urls: pictures of the scene.
    :param consents: ``{"seedance": {...}}``; Venice's error names the one that is missing.
    :param options: newer fields of the API, by the API's names.
    :param seed: a field of the vendor's clients that the API no longer documents; likewise ``fps``,
        ``motion_bucket_id`` and ``guidance_scale``. It is sent unchanged, with a warning in the log. A model
        that does not take it refuses the request, which costs nothing.
    :param reference_video_total_duration: seconds of all reference videos together, for the price. None
        reads it from the files; for URLs it is required.
    """

    hook_class = VeniceHook
    titled_by: ClassVar[Sequence[str]] = ("prompt", "video_url")
    request_fields: ClassVar[Sequence[str]] = _ARGUMENTS
    media_fields: ClassVar[Sequence[str]] = (
        *VideoArguments.media(),
        *(other for other, name in OTHER_NAMES.items() if name in VideoArguments.media()),
        "options",
    )
    collections: ClassVar[Sequence[str]] = (*VideoArguments.collections(), "options")

    reference_video_total_duration: Any
    venice_conn_id: str

    def __init__(
        self,
        *,
        model: str,
        prompt: str | None = None,
        duration: int | float | str | None = None,
        negative_prompt: str | None = None,
        resolution: str | None = None,
        audio: bool | str | None = None,
        aspect_ratio: str | None = None,
        image_url: Any = None,
        upscale_factor: int | str | None = None,
        end_image_url: Any = None,
        audio_url: Any = None,
        video_url: Any = None,
        reference_image_urls: Any = None,
        reference_audio_urls: Any = None,
        reference_video_urls: Any = None,
        elements: Any = None,
        scene_image_urls: Any = None,
        consents: Any = None,
        options: Any = None,
        duration_seconds: int | float | str | None = None,
        image: Any = None,
        seed: int | str | None = None,
        fps: float | str | None = None,
        motion_bucket_id: int | str | None = None,
        guidance_scale: float | str | None = None,
        reference_video_total_duration: float | str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*_FIELDS, "venice_conn_id"):
            setattr(self, name, given[name])

    def described(self) -> dict[str, Any]:
        """Return the request's fields, including those of ``options``.

        :raises InputError: when ``options`` is not a dict, or repeats an argument.
        """
        given = {**self._by_one_name(), **{name: self.given(name) for name in _OLD}}
        options = literal(given.pop("options")) or {}
        if not isinstance(options, dict):
            raise InputError(f"options must be a dict of fields, not {shown(options)}.")
        unset = {name for name in given if given[name] is None}
        unset |= {name for name, meant in OTHER_NAMES.items() if meant in unset}
        twice = sorted({*self.template_fields, *given}.difference(unset).intersection(options))
        if twice:
            names = ", ".join(twice)
            raise InputError(f"options must not hold {names}: give it as an argument.")
        return {**given, **options}

    def _by_one_name(self) -> dict[str, Any]:
        """Return the arguments by the names that the API has for them."""
        given = {name: self.given(name) for name in _ARGUMENTS}
        for other, name in OTHER_NAMES.items():
            given[name] = agreed(name, given[name], other, self.given(other), partial(same, name))
        return given


class VeniceQuoteOperator(_VideoArguments):
    """Ask what a video would cost; the quote itself is free.

    It takes the arguments of :class:`VeniceVideoOperator` and ignores those that do not change the price.

    - **Retry**: asks again; nothing is bought.
    - **Kill**: ends the request; nothing is billed.
    - **Timeout**: ``execution_timeout`` ends the request; nothing is billed.
    - **Clear**: asks again; the price may have changed.

    Example::

        quote = VeniceQuoteOperator(task_id="quote", model="wan-2.6-text-to-video", duration=5)

    :returns: ``{"quote_usd"}``: the price in USD.
    """

    template_fields: Sequence[str] = (*_FIELDS, "venice_conn_id")

    def execute(self, context: Context) -> dict[str, float]:
        """Return the price."""
        with airflow_failures(self, context):
            self.required()
            quote = self.hook.quote(
                **self.described(),
                reference_video_total_duration=self.reference_video_total_duration,
            )
        self.log.info("Venice quotes %s USD.", quote["quote_usd"])
        return quote


class VeniceVideoOperator(_VideoArguments, JobOperator[VeniceHook]):
    """Buy a video and wait until it is ready.

    - **Retry**: waits for the job that an earlier try bought. It buys again only if that job failed through
      the vendor's fault and was not charged.
    - **Kill**: the job keeps running and is still billed; a retry waits for it.
    - **Timeout**: after ``timeout`` the try fails and the job keeps running; a retry waits for it again.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns what it bought). An
      unfinished one waits for its job if the request is the same, and buys if it changed or the job failed.

    Example::

        video = VeniceVideoOperator(
            task_id="video",
            model="wan-2.6-image-to-video",
            image_url="s3://aws_default@media/beach.png",
            prompt="Waves roll in", duration=5, max_cost_usd=1.0,
        )

    :param max_cost_usd: USD; the video is bought only if a fresh quote is not higher. Only None means no
        limit: a template that renders to an empty value fails the task before anything is sent.
    :param on_retired: if the model is retired, Venice uses another: ``fail`` (default) refuses to buy,
        ``warn`` buys. Before the retirement date the log warns.
    """

    kinds: ClassVar[tuple[str, ...]] = ("generate",)
    more_request_fields: ClassVar[Sequence[str]] = _OLD
    default_timeout = TIMEOUT
    guards: ClassVar[Sequence[str]] = ("max_cost_usd",)
    template_fields: Sequence[str] = (
        *_FIELDS,
        "max_cost_usd",
        "on_retired",
        "timeout",
        "poll_interval",
        "download_to",
        "min_bytes",
        "venice_conn_id",
    )

    def __init__(
        self, *, max_cost_usd: float | str | None = None, on_retired: str = "fail", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_cost_usd = max_cost_usd
        self.on_retired = on_retired

    def asked(self) -> dict[str, Any]:
        """Return the request, whichever of its two names an argument was given under."""
        given = self._by_one_name()
        old = {name: self.given(name) for name in _OLD if self.given(name) is not None}
        return {name: literal(value) for name, value in {**given, **old}.items()}

    def offer(self) -> Offer:
        """Return the purchase of the video, checked and priced."""
        order = self.hook.order(
            self.described(),
            max_cost_usd=self.max_cost_usd,
            on_retired=self.on_retired,
            reference_video_total_duration=self.reference_video_total_duration,
        )
        return Offer(order)


class VeniceDownloadOperator(DownloadOperator[VeniceHook]):
    """Download a finished video.

    - **Retry**: downloads again; nothing is bought.
    - **Kill**: a file that is not complete is discarded.
    - **Timeout**: ``execution_timeout`` ends the download; a file that is not complete is discarded.
    - **Clear**: downloads again and replaces the files, as long as Venice keeps the video (24 hours, or until
      ``delete_after`` deleted it).

    Example::

        VeniceDownloadOperator(task_id="download", job=video.output, destination="s3://aws_default@media/")

    :param job: what :class:`VeniceVideoOperator` returned (or that as text), or a bare job id.
    :param destination: a storage URI or path. A folder ends in ``/``.
    :param delete_after: have Venice delete the video once the whole file is stored.
    :param model: required with a bare id, because Venice finds a job only by both.
    :returns: a list of one downloaded file, with ``released``: ``deleted``, ``revoked`` or ``expires``.
    """

    hook_class = VeniceHook
    template_fields: Sequence[str] = (
        *DownloadOperator.template_fields,
        "delete_after",
        "model",
        "venice_conn_id",
    )

    def __init__(
        self,
        *,
        delete_after: bool | str = False,
        model: str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.delete_after = delete_after
        self.model = model
        self.venice_conn_id = venice_conn_id

    def ref(self) -> JobRef:
        """Return the job."""
        return self.hook.job(self.job, self.model)

    def after_download(self, hook: VeniceHook, ref: JobRef, files: list[JsonValue]) -> list[JsonValue]:
        """Have the vendor delete the downloaded video, if ``delete_after`` says so."""
        delete_after = truth("delete_after", self.delete_after)
        delivery = Bought.read(self.job).delivery
        return [
            hook.release_downloaded(ref, delivery, file, delete_after=delete_after)
            for file in files
            if isinstance(file, dict)
        ]


class VeniceReleaseOperator(VendorOperator[VeniceHook]):
    """Have Venice delete a finished video, or revoke its URL, after the download.

    Never make it a teardown: that also runs after a failed download and would delete the only copy. It cannot
    cancel a running job, whose video expires within 24 hours. With nothing to release it does nothing.

    - **Retry**: releases again; a video that is deleted already is no error.
    - **Kill**: the video may or may not be deleted; it expires within 24 hours anyway.
    - **Timeout**: ``execution_timeout`` ends the request; the video expires within 24 hours anyway.
    - **Clear**: releases again; nothing is bought.

    Example::

        download >> VeniceReleaseOperator(task_id="release", job=video.output)

    :param job: what :class:`VeniceVideoOperator` returned (or that as text), or a bare job id.
    :param model: required with a bare id.
    :returns: ``{"job_id", "released"}``: ``deleted``, ``revoked`` or ``expires``; None if there is no job.
    """

    hook_class = VeniceHook
    titled_by: ClassVar[Sequence[str]] = ("job",)
    template_fields: Sequence[str] = ("job", "model", "venice_conn_id")

    def __init__(
        self,
        *,
        job: Any,
        model: str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.model = model
        self.venice_conn_id = venice_conn_id

    def execute(self, context: Context) -> dict[str, JsonValue] | None:
        """Release the video."""
        if is_empty(self.job):
            self.log.info("The upstream task bought no video, so there is nothing to release.")
            return None
        with airflow_failures(self, context):
            ref = self.hook.job(self.job, self.model)
            result = self.hook_for(ref).release(self.job, model=self.model)
        self.log.info("%s: %s.", ref, result["released"])
        return result


class VeniceTranscribeOperator(PaidOperator[VeniceHook]):
    """Buy the transcript of a public video.

    Venice has retired its transcription endpoint. Where it no longer answers, a chat model transcribes.

    - **Retry**: returns the result that an earlier try paid for. If that try never learnt the outcome, the
      task fails (with ``on_lost_submit="resubmit"`` it buys again).
    - **Kill**: a request that was sent cannot be taken back and may be charged.
    - **Timeout**: ``timeout`` limits the wait for the vendor's rate limit; nothing is sent after it.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns the earlier result).

    Example::

        VeniceTranscribeOperator(task_id="transcript", url="https://example.com/talk.mp4")

    :param url: the video's public http(s) URL.
    :param response_format: ``json`` for ``{"transcript", "lang"}``, ``text`` for the text alone. A chat
        model's answer that is cut or empty is charged too: the log warns, and JSON has
        ``"complete": False``. Try another ``model`` then.
    :param model: a chat model that takes video; None picks one from the catalogue.
    """

    hook_class = VeniceHook
    titled_by: ClassVar[Sequence[str]] = ("url",)
    kinds: ClassVar[tuple[str, ...]] = ("transcript",)
    request_fields: ClassVar[Sequence[str]] = TranscriptRequest.arguments()
    url: str
    media_fields: ClassVar[Sequence[str]] = TranscriptRequest.media()
    template_fields: Sequence[str] = (*request_fields, "timeout", "venice_conn_id")

    venice_conn_id: str

    def __init__(
        self,
        *,
        url: str,
        response_format: str = "json",
        model: str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "venice_conn_id"):
            setattr(self, name, given[name])

    def offer(self) -> Offer:
        """Return the purchase of the transcript."""
        return Offer(self.hook.order_transcript({name: self.given(name) for name in self.request_fields}))
