"""Vidgo operators: buy an image, a video or music; download it; upload a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import Context

from airflow_provider_vidai.arguments import is_empty
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.hooks.vidgo import TIMEOUT, VidgoHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.download import DownloadOperator
from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.purchase.walk import Offer
from airflow_provider_vidai.vendors.vidgo.requests import TaskRequest, plain

__all__ = ["VidgoDownloadOperator", "VidgoGenerateOperator", "VidgoUploadImageOperator"]


class VidgoGenerateOperator(JobOperator[VidgoHook]):
    """Buy an image, a video or music and wait until it is ready.

    Vidgo keeps files for 24 hours and cannot renew them: download them at once, or set ``download_to``.

    - **Retry**: waits for the job that an earlier try bought. It buys again only if that job failed through
      the vendor's fault and was not charged.
    - **Kill**: the job keeps running and is still billed; a retry waits for it.
    - **Timeout**: after ``timeout`` the try fails and the job keeps running; a retry waits for it again.
    - **Clear**: a finished task buys again (with ``on_clear="reuse"`` it returns what it bought). An
      unfinished one waits for its job if the request is the same, and buys if it changed or the job failed.

    Example::

        image = VidgoGenerateOperator(
            task_id="image",
            model="nano-banana-2",
            input={"prompt": "A lighthouse at dawn", "size": "16:9"},
            min_credits=100,
            deferrable=True,
            download_to="s3://aws_default@media/images/",
        )

    :param model: such as ``gpt-4o-image``, ``sora-2`` or ``generate-music``; a model that is newer than
        this package is sent with a warning in the log.
    :param input: the model's own fields. A picture in it may be a public URL, a storage URI or path, a data
        URI, or what :class:`VidgoUploadImageOperator` returned; what is not a URL is uploaded right
        before buying. Videos and sounds must be public URLs.
    :param callback_url: Vidgo also posts the result to this URL; some music models require it. Without one, a
        deferrable task gives Vidgo the address of ``[vidai] webhook_base_url``, where that is set.
    :param min_credits: credits; nothing is bought if the account has fewer. Only None means no limit.
    :param kind: ``media`` or ``music``: where a model that this package does not know is polled.
    """

    hook_class = VidgoHook
    titled_by: ClassVar[Sequence[str]] = ("input",)
    kinds: ClassVar[tuple[str, ...]] = ("media", "music")
    default_timeout = TIMEOUT
    guards: ClassVar[Sequence[str]] = ("min_credits",)
    collections: ClassVar[Sequence[str]] = TaskRequest.collections()
    request_fields: ClassVar[Sequence[str]] = TaskRequest.arguments()
    media_fields: ClassVar[Sequence[str]] = TaskRequest.media()
    template_fields: Sequence[str] = (
        *request_fields,
        "min_credits",
        "timeout",
        "poll_interval",
        "download_to",
        "min_bytes",
        "vidgo_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"input": "json"}

    def __init__(
        self,
        *,
        model: str,
        input: Any,  # noqa: A002 - the API's own name of it
        callback_url: str | None = None,
        min_credits: float | str | None = None,
        kind: str | None = None,
        vidgo_conn_id: str = VidgoHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.input = input
        self.callback_url = callback_url
        self.min_credits = min_credits
        self.kind = kind
        self.vidgo_conn_id = vidgo_conn_id

    def asked(self) -> dict[str, Any]:
        """Return the request, with upstream results as plain lists and dicts."""
        return {**super().asked(), "input": plain(literal(self.given("input")))}

    def offer(self) -> Offer:
        """Return the purchase after validating it, checking the balance and uploading its pictures."""
        # Vidgo calls one address per task, and a person's own one wins.
        theirs = self.given("callback_url")
        ours = self.callback() if is_empty(theirs) else None
        order = self.hook.order(
            self.model,
            self.given("input"),
            callback_url=ours or theirs,
            kind=self.kind,
            min_credits=self.min_credits,
        )
        return Offer(order, facts={"calls_back": ours is not None})


class VidgoDownloadOperator(DownloadOperator[VidgoHook]):
    """Download all files of a finished task: pictures, videos, songs and their covers, lyrics.

    - **Retry**: downloads again; nothing is bought.
    - **Kill**: a file that is not complete is discarded.
    - **Timeout**: ``execution_timeout`` ends the download; a file that is not complete is discarded.
    - **Clear**: downloads again and replaces the files, as long as Vidgo keeps them (24 hours).

    Example::

        VidgoDownloadOperator(
            task_id="download", job=image.output, destination="s3://aws_default@media/images/"
        )

    :param job: what :class:`VidgoGenerateOperator` returned (or that as text), or a bare task id.
    :param destination: a storage URI or path. A folder ends in ``/``; several files need one.
    :param kind: what a bare id stands for: ``media`` (images and videos, default) or ``music``.
    """

    hook_class = VidgoHook
    template_fields: Sequence[str] = (*DownloadOperator.template_fields, "kind", "vidgo_conn_id")

    def __init__(
        self, *, kind: str = "media", vidgo_conn_id: str = VidgoHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.vidgo_conn_id = vidgo_conn_id

    def ref(self) -> JobRef:
        """Return the task."""
        return self.hook.job(self.job, self.kind)


class VidgoUploadImageOperator(VendorOperator[VidgoHook]):
    """Upload a picture, free of charge; Vidgo keeps it for 72 hours.

    Its URL is a secret, so the result has it encrypted with a key derived from the API key.
    :class:`VidgoGenerateOperator` decrypts it when it gets this task's output.

    - **Retry**: uploads again, free of charge.
    - **Kill**: ends the upload; nothing is billed.
    - **Timeout**: ``execution_timeout`` ends the upload; nothing is billed.
    - **Clear**: uploads again and returns another URL.

    Example::

        picture = VidgoUploadImageOperator(task_id="picture", source="s3://aws_default@media/cat.png")

    :param source: a storage URI or path, or a public URL; JPEG, PNG, GIF or WebP.
    :returns: ``{"sealed_url", "file_name", "content_type", "bytes", "expires_at"}``.
    """

    hook_class = VidgoHook
    titled_by: ClassVar[Sequence[str]] = ("source",)
    media_fields: ClassVar[Sequence[str]] = ("source",)
    template_fields: Sequence[str] = ("source", "vidgo_conn_id")

    def __init__(
        self, *, source: str, vidgo_conn_id: str = VidgoHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.vidgo_conn_id = vidgo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload the picture."""
        with airflow_failures(self, context):
            self.required()
            found = self.hook.upload_image(self.given("source"))
            sealed = self.hook.seal.close(found.file_url)
        self.log.info("Uploaded %s, kept until %s.", found.file_name, found.expires_at or "72 hours from now")
        return {
            "sealed_url": sealed,
            "file_name": found.file_name,
            "content_type": found.mime_type,
            "bytes": found.file_size,
            "expires_at": found.expires_at,
        }
