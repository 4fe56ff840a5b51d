"""The operator that checks videos that are there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import Arguments, truth
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.stills import make_stills
from airflow_provider_vidai.files.storage import location, storage_path
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook, airflow_failures
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.landing import FILES
from airflow_provider_vidai.quality.checks import Checks, is_checked, judged
from airflow_provider_vidai.quality.measure import measure
from airflow_provider_vidai.redaction import shown

__all__ = ["VideoCheckOperator"]


class VideoCheckOperator(Arguments, BaseOperator):
    """Check videos or sound files that are there already, from whichever source. It buys nothing.

    - **Retry**: checks again. A file that failed is not checked again by itself, because it would fail again.
    - **Kill**: nothing is left behind.
    - **Timeout**: ``execution_timeout`` ends the check.
    - **Clear**: checks again.

    Example::

        VideoCheckOperator(
            task_id="check", source=download.output, checks={"profile": "tiktok", "max_black_seconds": 1}
        )

    :param source: a storage URI or path; or what an operator returned that landed files; or a list of these.
    :param checks: a :class:`~airflow_provider_vidai.quality.checks.Checks`, the name of a profile, or a dict
        of the arguments of ``Checks``; None checks the default limits.
    :param stills: also write a poster and a contact sheet of each video, as JPEG files beside it.
    :returns: a list of the files, each with its report in ``check`` (and with ``poster`` and ``sheet``). A
        task that fails or is skipped leaves it as XCom ``files``.
    """

    template_fields: Sequence[str] = ("source", "checks", "stills")
    ui_color = "#d9ecff"

    def __init__(self, *, source: Any, checks: Any = None, stills: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.checks = checks
        self.stills = stills

    def outlook(self) -> Outlook:
        """Return what a failure costs: nothing."""
        return NOTHING_BOUGHT

    def execute(self, context: Context) -> list[JsonValue]:
        """Return the checked files."""
        with airflow_failures(self, context):
            self.required()
            checks = checks_of(self.checks)
            limits, stills = checks.limits(), truth("stills", self.stills)
            sources = list(_files(literal(self.source)))
            if not sources:
                raise InputError("source has no video and no sound that could be checked.")
            files: list[JsonValue] = []
            failures: list[str] = []
            for file in sources:
                measured = measure(file["path"])
                found, failed = judged(file, measured, limits)
                if stills and measured.picture:
                    made = make_stills(file["path"], measured.picture.seconds)
                    found.update({name: still.model_dump() for name, still in made.items()})
                files.append(found)
                failures += failed
            refused = checks.failure(failures, None) if failures else None
            if refused is not None:
                context["ti"].xcom_push(key=FILES, value=files)
                raise refused
            return files


def checks_of(value: Any) -> Checks:
    """Return the checks that an argument describes.

    :raises InputError: when it describes none.
    """
    value = literal(value)
    if isinstance(value, Checks):
        return value
    if value is None or isinstance(value, str):
        return Checks(value)
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return Checks(**value)
    raise InputError(f"checks must be Checks(...), a profile or a dict, not {shown(value)}.")


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the files to check: ``{uri, path}`` at least."""
    if isinstance(value, Mapping) and "path" in value:
        if is_checked({"content_type": "video/", **value}):
            yield {**location(storage_path(value["path"])), **value}
    elif isinstance(value, Mapping):
        yield from _files(value.get("files") or [])
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _files(one)
    elif value is not None:
        yield location(storage_path(value))
