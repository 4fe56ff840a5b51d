"""The base of the download operators."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import whole_number
from airflow_provider_vidai.hooks.failures import airflow_failures
from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.media_record import MediaRecord
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought
from airflow_provider_vidai.operators.context import report_files
from airflow_provider_vidai.operators.media import job_facts, media_files, show_media
from airflow_provider_vidai.operators.vendor import HookT, VendorOperator

__all__ = ["DownloadOperator"]


class DownloadOperator(VendorOperator[HookT]):
    """Download the files of a finished job. Nothing is bought, so it can be repeated freely.

    :param job: what an upstream task returned (or that as text), or a bare job id.
    :param destination: a storage URI or path. It is a folder if it ends in ``/``, otherwise the exact file.
        An existing file is replaced, but only by a complete one.
    :param min_bytes: refuse a file of fewer bytes. A vendor's moderation may deliver a tiny placeholder
        instead of the video; by default a video under 100 kB is kept, with a warning in the log.
    """

    titled_by: ClassVar[Sequence[str]] = ("job",)
    template_fields: Sequence[str] = ("job", "destination", "min_bytes")

    def __init__(
        self, *, job: Any, destination: str, min_bytes: int | str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.destination = destination
        self.min_bytes = min_bytes

    def ref(self) -> JobRef:
        """Return the job to download."""
        raise NotImplementedError

    def execute(self, context: Context) -> list[JsonValue]:
        """Return the downloaded files."""
        with airflow_failures(self, context):
            self.required()
            ref = self.ref()
            hook = self.hook_for(ref)
            hook.min_bytes = whole_number("min_bytes", self.min_bytes)
            status = hook.ready(ref)
            bought = Bought.read(self.job)
            files = self.download(hook, ref, status.outputs, bought.delivery)
            files = self.after_download(hook, ref, files)
            report_files(context, self.outlets, files, bought.cost)
            landed_at = time.time()
            show_media(
                context,
                self,
                lambda: MediaRecord(
                    **job_facts(hook.vendor, ref),
                    landed_at=landed_at,
                    files=media_files(files, status.outputs),
                ),
            )
            return files

    def download(
        self, hook: HookT, ref: JobRef, outputs: Sequence[Output], delivery: Delivery
    ) -> list[JsonValue]:
        """Download the wanted outputs of a job."""
        return hook.download_outputs(ref, outputs, self.destination, delivery)

    def after_download(self, hook: HookT, ref: JobRef, files: list[JsonValue]) -> list[JsonValue]:
        """Finish after all files are downloaded and checked; return them."""
        return files
