"""Venice: price a video, buy it, download it, release it; transcribe one."""

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
from airflow_provider_vidai.vendors.venice.requests import GONE_FIELDS, MEDIA, OTHER_NAMES, same

__all__ = [
    "VeniceDownloadOperator",
    "VeniceQuoteOperator",
    "VeniceReleaseOperator",
    "VeniceTranscribeOperator",
    "VeniceVideoOperator",
]

_ARGUMENTS = (
    *("model", "prompt", "duration", "negative_prompt", "resolution", "audio", "aspect_ratio"),
    *("image_url", "upscale_factor", "end_image_url", "audio_url", "video_url"),
    *("reference_image_urls", "reference_audio_urls", "reference_video_urls"),
    *("elements", "scene_image_urls", "consents", "options"),
)
#: Fields of the vendor's clients that today's API no longer documents: sent only when they are given.
_OLD = tuple(sorted(GONE_FIELDS))
_FIELDS = (*_ARGUMENTS, *OTHER_NAMES, *_OLD, "reference_video_total_duration")


class _VideoArguments(VendorOperator[VeniceHook]):
    """The arguments by which a video is described, priced and bought.

    Files may be public URLs, data URIs, storage URIs or paths; the last two are read when the task runs,
    and travel inside the request, which may be 35 MB (about 26 MB of files).

    :param model: a model of the catalogue, such as ``wan-2.6-text-to-video``.
    :param prompt: what to show; needed by all models but those that only upscale.
    :param duration: seconds: 5, "5", "5s" or "5 seconds"; each model allows some. ``duration_seconds`` is
        another name for it.
    :param negative_prompt: what not to show.
    :param resolution: such as ``720p``; None takes the model's default.
    :param audio: whether to make sound, where the model lets it be chosen; Venice's default is yes.
    :param aspect_ratio: such as ``16:9``; needed by models that list ratios, refused by others.
    :param image_url: the first frame, for image-to-video models. ``image`` is another name for it.
    :param upscale_factor: 1, 2 or 4, for upscale models.
    :param end_image_url: the last frame, where the model takes one.
    :param audio_url: sound to go with it, where the model takes it.
    :param video_url: the source of video-to-video and upscaling.
    :param reference_image_urls: pictures, sounds and videos to be inspired by; likewise
        ``reference_audio_urls`` and ``reference_video_urls``.
    :param elements: characters or objects: dicts of ``frontal_image_url`` and ``reference_image_urls``,
        or ``video_url``.
    :param scene_image_urls: pictures of the scene.
    :param consents: ``{"seedance": {...}}``, as a refusal for lack of it says.
    :param options: any newer field of the API, by its own name.
    :param seed: a field of the vendor's clients that today's API no longer documents; likewise ``fps``,
        ``motion_bucket_id`` and ``guidance_scale``. It is sent as it is, with a notice in the log; a model
        that does not take it refuses it, which costs nothing.
    :param reference_video_total_duration: seconds of all reference videos, for the price; read from
        the files where they are not URLs.
    """

    hook_class = VeniceHook
    request_fields: ClassVar[Sequence[str]] = _ARGUMENTS
    media_fields: ClassVar[Sequence[str]] = (
        *(name for name in MEDIA if name in _ARGUMENTS),
        "image",
        "elements",
        "options",
    )
    collections: ClassVar[Sequence[str]] = (
        *("reference_image_urls", "reference_audio_urls", "reference_video_urls"),
        *("elements", "scene_image_urls", "options"),
    )

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
        """Return the request's fields with those of ``options`` among them.

        :raises InputError: when ``options`` is no dict, or repeats an argument.
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
        """Return the arguments, each under the name that it has in the API."""
        given = {name: self.given(name) for name in _ARGUMENTS}
        for other, name in OTHER_NAMES.items():
            given[name] = agreed(name, given[name], other, self.given(other), partial(same, name))
        return given


class VeniceQuoteOperator(_VideoArguments):
    """Ask what a video would cost. It costs nothing.

    It takes the arguments of :class:`VeniceVideoOperator`; those that a price does not depend on are
    ignored.

    :returns: ``{"quote_usd"}``.
    """

    template_fields: Sequence[str] = (*_FIELDS, "venice_conn_id")

    def execute(self, context: Context) -> dict[str, float]:
        """Return the price."""
        with airflow_failures():
            self.required()
            quote = self.hook.quote(
                **self.described(),
                reference_video_total_duration=self.reference_video_total_duration,
            )
        self.log.info("Venice quotes %s USD.", quote["quote_usd"])
        return quote


class VeniceVideoOperator(_VideoArguments, JobOperator[VeniceHook]):
    """Buy a video, and wait until it is made.

    :param max_cost_usd: buy only if the quote, asked for right before, is not higher. Only None is no limit:
        a template that renders to nothing fails the task before anything is sent.
    :param on_retired: what to do when Venice has retired the model, and would serve another one: ``fail``
        before buying, or ``warn`` and buy. Before that date the log warns.
    """

    kinds: ClassVar[tuple[str, ...]] = ("generate",)
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
        """Return the request, whichever of its two names an argument was given by."""
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
    """Land a finished video.

    :param job: what :class:`VeniceVideoOperator` returned (or its text), or a bare job id.
    :param destination: a storage URI or path; ending in ``/`` it is a folder.
    :param delete_after: have Venice delete the video once it is landed whole.
    :param model: of a bare id: Venice finds a job only by both.
    :returns: a list of one landed file, with ``released``: ``deleted``, ``revoked`` or ``expires``.
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

    def landed(self, hook: VeniceHook, ref: JobRef, files: list[JsonValue]) -> list[JsonValue]:
        """Let the vendor delete what is landed, if asked to."""
        delete_after = truth("delete_after", self.delete_after)
        sealed_url = Bought.read(self.job).sealed_url
        return [
            hook.after_landing(ref, sealed_url, file, delete_after=delete_after)
            for file in files
            if isinstance(file, dict)
        ]


class VeniceReleaseOperator(VendorOperator[VeniceHook]):
    """Have Venice delete a finished video, or revoke its URL, once it is downloaded.

    Put it after the download (``download >> release``), and never as a teardown: that runs after a failed
    download too, and deletes the only copy. ``delete_after`` of the download does the same in one task.

    It never fails because there is nothing to release, and it cannot cancel: a job that still runs goes
    on, and its video expires within 24 hours.

    :param job: what :class:`VeniceVideoOperator` returned (or its text), or a bare job id.
    :param model: of a bare id.
    :returns: ``{"job_id", "released"}``: ``deleted``, ``revoked`` or ``expires``; None without a job.
    """

    hook_class = VeniceHook
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
            self.log.info("The task before bought no video: there is nothing to release.")
            return None
        with airflow_failures():
            ref = self.hook.job(self.job, self.model)
            result = self.hook_for(ref).release(self.job, model=self.model)
        self.log.info("%s: %s.", ref, result["released"])
        return result


class VeniceTranscribeOperator(PaidOperator[VeniceHook]):
    """Buy the transcript of a public video.

    Venice's own endpoint for it was retired; where it no longer answers, a chat model listens.

    :param url: public; http or https.
    :param response_format: ``json`` for ``{"transcript", "lang"}``, ``text`` for the words alone. A chat
        model's answer that was cut, or that holds no words, is paid for too: the log warns, and JSON has
        ``"complete": False``. Another ``model`` may do better.
    :param model: a chat model that takes video; None lets one be found.
    """

    hook_class = VeniceHook
    kinds: ClassVar[tuple[str, ...]] = ("transcript",)
    request_fields: ClassVar[Sequence[str]] = ("url", "response_format", "model")
    media_fields: ClassVar[Sequence[str]] = ("url",)
    template_fields: Sequence[str] = (*request_fields, "timeout", "venice_conn_id")

    def __init__(
        self,
        *,
        url: str,
        response_format: str = "json",
        model: str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.url = url
        self.response_format = response_format
        self.model = model
        self.venice_conn_id = venice_conn_id

    def offer(self) -> Offer:
        """Return the purchase of the transcript."""
        return Offer(self.hook.order_transcript({name: self.given(name) for name in self.request_fields}))
