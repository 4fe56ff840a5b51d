"""The argument ``check``: what examines landed files before their task may succeed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.redaction import shown

__all__ = ["Landed", "LandedCheck", "Landing", "land", "prepare"]

#: The XCom in which a task leaves its files when they do not become its result.
FILES = "files"


@dataclass(frozen=True)
class Landing:
    """Which files a task lands, and where.

    :param outputs: what the job delivers.
    :param arguments: the arguments that choose among it.
    :param request: what the job was asked for; empty where the task only downloads it.
    :param buys: whether the task itself buys the job.
    """

    ref: JobRef
    outputs: Sequence[Output]
    destination: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    buys: bool = False

    def identity(self) -> dict[str, Any]:
        """Return what is equal for the same files at the same place, in each try."""
        return {
            "job": self.ref.model_dump(mode="json"),
            "outputs": [output.index for output in self.outputs],
            "destination": self.destination,
            "arguments": {name: repr(value) for name, value in self.arguments.items()},
        }


@dataclass(frozen=True)
class Landed:
    """What was landed.

    :param refused: what ends the task although the files are there; None when they are good.
    """

    files: list[JsonValue]
    refused: Exception | None = None


@runtime_checkable
class LandedCheck(Protocol):
    """Examines landed files. An earlier try may have landed them already."""

    def prepare(self) -> None:
        """Make sure that the check can run, before anything is bought.

        :raises InputError: when it can't.
        """

    def land(self, landing: Landing, download: Callable[[], list[JsonValue]]) -> Landed:
        """Call ``download`` unless the files are already there, and check them."""


def prepare(check: Any, *, lands: bool = True) -> None:
    """Make sure that an argument ``check`` can be used.

    :param lands: whether the task lands files at all.
    :raises InputError: when it can't.
    """
    if check is None:
        return
    if not isinstance(check, LandedCheck):
        raise InputError(f"check must be Checks(...), not {shown(check)}.")
    if not lands:
        raise InputError("check needs download_to: without it the task lands no file that could be checked.")
    check.prepare()


def land(
    context: Context, check: LandedCheck | None, landing: Landing, download: Callable[[], list[JsonValue]]
) -> Landed:
    """Land files and check them. Refused ones are in an XCom, because their task returns nothing."""
    if check is None:
        return Landed(download())
    landed = check.land(landing, download)
    if landed.refused is not None:
        context["ti"].xcom_push(key=FILES, value=landed.files)
    return landed
