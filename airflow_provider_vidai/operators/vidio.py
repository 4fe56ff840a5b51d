"""VIDIO operators: upload footage, buy a highlight reel, render an output, download it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from airflow.sdk import Context

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.vidio import TIMEOUT, VidioHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.purchase.walk import Offer
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest, input_key_list

__all__ = [
    "VidioDownloadOperator",
    "VidioHighlightReelOperator",
    "VidioRenderOperator",
    "VidioUploadOperator",
]


class VidioUploadOperator(VendorOperator[VidioHook]):
    """Upload a video or an image to VIDIO, free of charge.

    - **Retry**: uploads again, free of charge.
    - **Kill**: ends the upload; nothing is billed.
    - **Timeout**: ``execution_timeout`` ends the upload; nothing is billed.
    - **Clear**: uploads again under a new key, so a reel that is cleared after it is another request and is
      bought again.

    Example::

        upload = VidioUploadOperator(task_id="upload", source="s3://aws_default@footage/match.mp4")

    :param source: a storage URI or a local path; its name must have an extension.
    :param media_type: ``video`` or ``image``; None reads it from the extension.
    :param width: pixels, likewise ``height``; None reads them from the file.
    :param duration: seconds; None reads it from the file (0 for an image).
    :returns: ``{input_key, file_name, media_type, width, height, duration}``.
    """

    hook_class = VidioHook
    titled_by: ClassVar[Sequence[str]] = ("source",)
    media_fields: ClassVar[Sequence[str]] = ("source",)
    template_fields: Sequence[str] = ("source", "media_type", "width", "height", "duration", "vidio_conn_id")

    def __init__(
        self,
        *,
        source: str,
        media_type: str | None = None,
        width: int | str | None = None,
        height: int | str | None = None,
        duration: float | str | None = None,
        vidio_conn_id: str = VidioHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.media_type = media_type
        self.width = width
        self.height = height
        self.duration = duration
        self.vidio_conn_id = vidio_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload the file."""
        with airflow_failures(self, context):
            self.required()
            result = self.hook.upload(
                self.given("source"),
                media_type=self.media_type,
                width=self.width,
                height=self.height,
                duration=self.duration,
            )
        self.log.info("Uploaded %s as %s.", self.source, result["input_key"])
        return dict(result)  # a plain dict is what every XCom backend stores


class VidioHighlightReelOperator(JobOperator[VidioHook]):
    """Buy a highlight reel from uploaded footage and wait until it is processed.

    - **Retry**: waits for the job that an earlier try bought. It buys again only if that job failed through
      the vendor's fault and was not charged.
    - **Kill**: the job keeps running and is still billed; a retry waits for it.
    - **Timeout**: after ``timeout`` the try fails and the job keeps running; a retry waits for it again.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns what it bought). An
      unfinished one waits for its job if the request is the same, and buys if it changed or the job failed.

    Example::

        reel = VidioHighlightReelOperator(
            task_id="reel",
            input_keys=[upload.output],
            video_category="ball-sports",
            output_length=30,
            aspect_ratio="landscape",
            deferrable=True,
        )

    :param input_keys: keys of uploads, or the upload operators' results, in the order of the reel;
        any iterable, such as the output of a mapped upload.
    :param video_category: podcast, ball-sports, non-ball-sports, beauty-product-demo, wedding,
        travel or others.
    :param output_length: length of the reel in seconds.
    :param aspect_ratio: landscape, portrait or square.
    :param music_category: corporate, romantic, sports, kids_and_comedy, ambient_and_nature,
        horror_and_suspense, documentary or trending_vlogs; None means no music.
    :param music_volume: 0 to 100; None means VIDIO's default (100).
    :param original_audio_volume: 0 to 100; None means VIDIO's default (100).
    """

    hook_class = VidioHook
    titled_by: ClassVar[Sequence[str]] = ("input_keys",)
    kinds: ClassVar[tuple[str, ...]] = ("reel",)
    default_timeout = TIMEOUT
    collections: ClassVar[Sequence[str]] = ReelRequest.collections()
    request_fields: ClassVar[Sequence[str]] = ReelRequest.arguments()
    template_fields: Sequence[str] = (*request_fields, "timeout", "poll_interval", "vidio_conn_id")

    input_keys: Any
    vidio_conn_id: str

    def __init__(
        self,
        *,
        input_keys: Any,
        video_category: str,
        output_length: float | str,
        aspect_ratio: str,
        music_category: str | None = None,
        music_volume: float | str | None = None,
        original_audio_volume: float | str | None = None,
        vidio_conn_id: str = VidioHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        # The request's model names the arguments, so a new one needs no line of its own here. Nothing may be
        # assigned before locals() is read: it must hold the arguments only.
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "vidio_conn_id"):
            setattr(self, name, given[name])

    def asked(self) -> dict[str, Any]:
        """Return the request with the uploads' keys only."""
        self.required("input_keys")
        self.input_keys = input_key_list(self.input_keys)  # once: it may be an iterator
        # Again, because an iterator shows only once it was read that it was empty.
        self.required("input_keys")
        return {**super().asked(), "input_keys": self.input_keys}

    def wanted(self) -> str:
        """Return what to look for at VIDIO, for a person."""
        keys, length = input_key_list(self.input_keys), self.given("output_length")
        return f"a {self.given('aspect_ratio')} highlight reel of {length} s from {len(keys)} upload(s)"

    def offer(self) -> Offer:
        """Return the purchase of the reel."""
        if self.download_to:
            raise InputError(
                "download_to: a reel has no file before one of its outputs is rendered: give download_to to "
                "VidioRenderOperator."
            )
        return Offer(self.hook.order(self.asked()))


class VidioRenderOperator(JobOperator[VidioHook]):
    """Buy the render of one output of a processed reel and wait until it is rendered.

    VIDIO keeps only the last render of a job, so render and download several outputs in turn.

    - **Retry**: waits for the render that an earlier try bought. It buys again only if that render failed
      through the vendor's fault and was not charged.
    - **Kill**: the render keeps running and is still billed; a retry waits for it.
    - **Timeout**: after ``timeout`` the try fails and the render keeps running; a retry waits for it again.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns what it bought). An
      unfinished one waits for its job if the request is the same, and buys if it changed or the job failed.

    Example::

        render = VidioRenderOperator(
            task_id="render", job=reel.output, deferrable=True, download_to="s3://aws_default@media/reels/"
        )

    :param job: what :class:`VidioHighlightReelOperator` returned (or that as text), or a bare job id.
    :param output_index: number of the output; 0 (default) is usually the best.
    :param export_option: VIDIO documents only ``premium``.
    """

    hook_class = VidioHook
    titled_by: ClassVar[Sequence[str]] = ("job",)
    kinds: ClassVar[tuple[str, ...]] = ("render",)
    default_timeout = TIMEOUT
    request_fields: ClassVar[Sequence[str]] = ("job", *RenderRequest.arguments())
    template_fields: Sequence[str] = (
        *request_fields,
        "timeout",
        "poll_interval",
        "download_to",
        "min_bytes",
        "vidio_conn_id",
    )

    job: Any
    vidio_conn_id: str

    def __init__(
        self,
        *,
        job: Any,
        output_index: int | str = 0,
        export_option: str = "premium",
        vidio_conn_id: str = VidioHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "vidio_conn_id"):
            setattr(self, name, given[name])

    @cached_property
    def hook(self) -> VidioHook:
        """The hook on the connection that the reel was bought with."""
        return VidioHook(self.conn_id()).for_job(self._reel())

    def title(self) -> str | None:
        """Return what the reel is called, and which of its outputs is rendered."""
        reel, number = super().title(), self.given("output_index")
        return reel and f"{reel}, output {number}"

    def job_title(self) -> None:
        """Leave the reel's title, which its renders keep."""

    def asked(self) -> dict[str, Any]:
        """Return the request with the reel's id only."""
        # A bare id has none of the other fields that a task's result has, and means the same reel.
        return {**super().asked(), "job": self._reel().job_id}

    def wanted(self) -> str:
        """Return what to look for at VIDIO, for a person."""
        return f"a render of output {self.given('output_index')} of job {self._reel().job_id}"

    def offer(self) -> Offer:
        """Return the purchase of the render, after checking that the job can be rendered now."""
        asked = {name: self.given(name) for name in RenderRequest.arguments()}
        call, ref = self.hook.order_render(self._reel(), asked)
        # VIDIO's status shows whether this render exists, so a lost answer can be looked up.
        return Offer(call, lookup=ref)

    def _reel(self) -> JobRef:
        self.required("job")
        # Not self.hook: that one is made from this reference.
        return VIDIO.reel_of(VidioHook(self.conn_id()).job(self.job))


class VidioDownloadOperator(DownloadOperator[VidioHook]):
    """Download the rendered file of a job.

    - **Retry**: downloads again; nothing is bought.
    - **Kill**: a file that is not complete is discarded.
    - **Timeout**: ``execution_timeout`` ends the download; a file that is not complete is discarded.
    - **Clear**: downloads again and replaces the files.

    Example::

        VidioDownloadOperator(
            task_id="download", job=render.output, destination="s3://aws_default@media/reels/"
        )

    :param job: what :class:`VidioRenderOperator` returned (or that as text), or a bare job id.
    :param destination: a storage URI or path. A folder ends in ``/``.
    :param kind: what a bare id stands for: ``render`` (default) or ``reel``.
    """

    hook_class = VidioHook
    template_fields: Sequence[str] = (*DownloadOperator.template_fields, "kind", "vidio_conn_id")

    def __init__(
        self, *, kind: str = "render", vidio_conn_id: str = VidioHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.vidio_conn_id = vidio_conn_id

    def ref(self) -> JobRef:
        """Return the render; for a reel, its last render."""
        return VIDIO.render_of(self.hook.job(self.job, self.kind))
