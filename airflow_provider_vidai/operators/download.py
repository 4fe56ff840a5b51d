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
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.context import report_files
from airflow_provider_vidai.operators.landing import LandedCheck, Landing, land, prepare
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
    :param check: what the landed files must keep to, such as
        :class:`~airflow_provider_vidai.quality.checks.Checks`.
    """

    titled_by: ClassVar[Sequence[str]] = ("job",)
    template_fields: Sequence[str] = ("job", "destination", "min_bytes")

    def __init__(
        self,
        *,
        job: Any,
        destination: str,
        min_bytes: int | str | None = None,
        check: LandedCheck | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.destination = destination
        self.min_bytes = min_bytes
        self.check = check

    def ref(self) -> JobRef:
        """Return the job to download."""
        raise NotImplementedError

    def execute(self, context: Context) -> list[JsonValue]:
        """Return the downloaded files."""
        with airflow_failures(self, context):
            self.required()
            prepare(self.check)
            ref = self.ref()
            hook = self.hook_for(ref)
            hook.min_bytes = whole_number("min_bytes", self.min_bytes)
            status = hook.ready(ref)
            bought = Bought.read(self.job)
            landed = land(
                context,
                self.check,
                self._landing(ref, status.outputs),
                lambda: self.download(hook, ref, status.outputs, bought.delivery),
            )
            files = landed.files
            # The vendor's copy must stay while the landed one is not good.
            if landed.refused is None:
                files = self.after_download(hook, ref, files)
                report_files(context, self.outlets, files, bought.cost)
                self.note_landed(context, ref, files, bought.cost)
            # The page also shows files that the check refuses, because a person has to see them to judge.
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
            if landed.refused is not None:
                raise landed.refused
            return files

    def _landing(self, ref: JobRef, outputs: Sequence[Output]) -> Landing:
        # The job counts as its reference: the same job may be given as a dict, as text or as a bare id.
        chosen = {name: literal(self.given(name)) for name in self.template_fields if name != "job"}
        return Landing(ref, outputs, str(self.destination), arguments=chosen)

    def download(
        self, hook: HookT, ref: JobRef, outputs: Sequence[Output], delivery: Delivery
    ) -> list[JsonValue]:
        """Download the wanted outputs of a job."""
        return hook.download_outputs(ref, outputs, self.destination, delivery)

    def after_download(self, hook: HookT, ref: JobRef, files: list[JsonValue]) -> list[JsonValue]:
        """Finish after all files are downloaded and checked; return them."""
        return files
