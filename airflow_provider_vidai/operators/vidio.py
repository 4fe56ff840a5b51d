"""VIDIO: upload footage, buy a highlight reel, render one of its outputs, download it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import Context

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.vidio import TIMEOUT, VidioHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.purchase.walk import Offer
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest, input_key_list


class VidioUploadOperator(VendorOperator):
    """Upload a video or an image to VIDIO. It costs nothing, and a retry uploads again.

    :param source: a storage URI or a local path; its name must have an extension.
    :param media_type: ``video`` or ``image``; None reads it from the extension.
    :param width: pixels; likewise ``height``; None reads it from the file.
    :param duration: seconds; None reads it from the file (0 for an image).
    :returns: ``{input_key, file_name, media_type, width, height, duration}``.
    """

    hook_class = VidioHook
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
        with airflow_failures():
            self.required()
            result = VidioHook(self.vidio_conn_id).upload(
                self.given("source"),
                media_type=self.media_type,
                width=self.width,
                height=self.height,
                duration=self.duration,
            )
        self.log.info("Uploaded %s as %s.", self.source, result["input_key"])
        return dict(result)  # a plain dict is what every XCom backend stores


class VidioHighlightReelOperator(JobOperator):
    """Buy a highlight reel from uploaded footage, and wait until it is processed.

    :param input_keys: keys of uploads, or the upload operators' results, in the order of the reel;
        any iterable, such as the output of a mapped upload.
    :param video_category: podcast, ball-sports, non-ball-sports, beauty-product-demo, wedding,
        travel or others.
    :param output_length: seconds.
    :param aspect_ratio: landscape, portrait or square.
    :param music_category: corporate, romantic, sports, kids_and_comedy, ambient_and_nature,
        horror_and_suspense, documentary or trending_vlogs; None for no music.
    :param music_volume: 0 to 100; None leaves it to the vendor (100).
    :param original_audio_volume: 0 to 100; None leaves it to the vendor (100).
    """

    hook_class = VidioHook
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
        given = dict(locals())
        super().__init__(**kwargs)
        for name in (*self.request_fields, "vidio_conn_id"):
            setattr(self, name, given[name])

    def asked(self) -> dict[str, Any]:
        """Return the request, with the keys only of the uploads."""
        self.required("input_keys")
        self.input_keys = input_key_list(self.input_keys)  # once: it may be an iterator
        self.required("input_keys")
        return {**super().asked(), "input_keys": self.input_keys}

    def offer(self) -> Offer:
        """Return the purchase of the reel."""
        if self.download_to:
            raise InputError(
                "download_to: a reel has no file before one of its outputs is rendered: give download_to to "
                "VidioRenderOperator."
            )
        request = validated(ReelRequest, self.asked(), what="Highlight reel")
        return Offer(VIDIO.create_reel(request, conn_id=self.hook.conn_id))


class VidioRenderOperator(JobOperator):
    """Buy the render of one output of a processed reel, and wait for it.

    VIDIO keeps only the last render of a job: run render and download in turn for several outputs.

    :param job: what :class:`VidioHighlightReelOperator` returned (or its text), or a bare job id.
    :param output_index: which output; 0 is in general the best.
    :param export_option: only ``premium`` is documented.
    """

    hook_class = VidioHook
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

    def conn_id(self) -> str:
        """Return the connection that the reel was bought with."""
        return self._reel().conn_id

    def asked(self) -> dict[str, Any]:
        """Return the request, with the identity only of the reel."""
        return {**super().asked(), "job": self._reel().job_id}

    def offer(self) -> Offer:
        """Return the purchase of the render, if the job can be rendered now."""
        values = {name: self.given(name) for name in RenderRequest.arguments()}
        request = validated(RenderRequest, values, what="Render")
        reel = self._reel()
        ref = VIDIO.render_ref(reel, self.hook.send(VIDIO.job(reel.job_id)), request)
        return Offer(VIDIO.render(ref, request), lookup=ref)

    def _reel(self) -> JobRef:
        self.required("job")
        return VIDIO.reel_of(JobRef.read(self.job, vendor="vidio", conn_id=self.vidio_conn_id, kind="reel"))


class VidioDownloadOperator(DownloadOperator):
    """Land the rendered file of a job.

    :param job: what :class:`VidioRenderOperator` returned (or its text), or a bare job id.
    :param destination: a storage URI or path; ending in ``/`` it is a folder.
    :param kind: what a bare id names.
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
        """Return the render: of a reel, whatever was rendered last."""
        ref = JobRef.read(self.job, vendor="vidio", conn_id=self.vidio_conn_id, kind=self.kind)
        return VIDIO.render_of(ref)
