"""Checks of landed files, as the argument ``check`` of whatever lands them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from airflow.sdk import ObjectStoragePath
from pydantic import BaseModel, JsonValue, ValidationError

from airflow_provider_vidai._compat import AirflowSkipException
from airflow_provider_vidai.errors import CheckFailed, InputError
from airflow_provider_vidai.files.storage import shown_name, storage_path, write_whole
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators.landing import Landed, Landing
from airflow_provider_vidai.purchase.fingerprint import fingerprint
from airflow_provider_vidai.quality.decide import Asked, asked_of, findings, report
from airflow_provider_vidai.quality.limits import PROFILES, Limits
from airflow_provider_vidai.quality.measure import measure
from airflow_provider_vidai.quality.measurements import Measurements

__all__ = ["Checks"]

log = logging.getLogger(__name__)

#: The folder beside landed files that holds what is known about those that failed a check.
FOLDER = ".vidai-checks"
OnFailure = Literal["fail", "skip", "report"]


class Checks:
    """Whether a video is as wanted: not black, frozen, silent, cut, too short or of another aspect ratio.

    Give it as ``check=`` to any operator that lands files. All checks take one decoding of the file, on the
    worker that landed it. The file is kept, whatever they say. Pictures and texts are not checked.

    - **Retry** and **Clear** of a task whose file failed: the file is neither bought nor downloaded again.
      The stored measurements are compared with the limits as they are then, so wider limits accept it.
    - **Kill** while a file is checked: the next try checks it again, and does not download it again.

    Example::

        VeniceVideoOperator(
            task_id="video",
            model="wan-2.5-preview-text-to-video",
            prompt="A red fox in the snow",
            duration="5s",
            download_to="s3://aws_default@media/",
            check=Checks("tiktok", max_black_seconds=1),
        )

    :param profile: ``tiktok``, ``youtube`` or ``broadcast_r128``: limits for where the video goes.
    :param on_failure: ``fail`` the task, ``skip`` it, or only ``report`` it.
    :param limits: see the guide; they go on top of the profile's.
    :raises InputError: when used with a profile, a limit or a value that does not exist.
    """

    def __init__(self, profile: str | None = None, *, on_failure: OnFailure = "fail", **limits: Any) -> None:
        self.profile = profile
        self.on_failure = on_failure
        self.given = limits

    def __repr__(self) -> str:
        """Return the same text in every process, because Airflow compares versions of a DAG by it."""
        given = {"profile": self.profile, "on_failure": self.on_failure, **dict(sorted(self.given.items()))}
        return f"Checks({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def limits(self) -> Limits:
        """Return the limits.

        :raises InputError: when one of them is not valid.
        """
        if self.on_failure not in ("fail", "skip", "report"):
            raise InputError(f"on_failure must be fail, skip or report, not {self.on_failure!r}.")
        if self.profile is not None and self.profile not in PROFILES:
            raise InputError(f"profile must be one of {', '.join(PROFILES)}, not {self.profile!r}.")
        whole: dict[str, Any] = {**(PROFILES[self.profile] if self.profile else {}), **self.given}
        off = {name: None for name, value in whole.items() if value is None}
        return validated(Limits, whole, what="check").model_copy(update=off)

    def prepare(self) -> None:
        """Make sure that the limits are valid, before anything is bought."""
        self.limits()

    def land(self, landing: Landing, download: Callable[[], list[JsonValue]]) -> Landed:
        """Download the files unless they are there, and check them.

        :raises TransferError: when a file could not be read.
        """
        limits, note = self.limits(), _Note(landing)
        known = note.read()
        if known is None:
            # Noted before the check: a worker that is killed while it decodes leaves files that need no new
            # download.
            known = _Known(files=download())
            note.write(known)
        asked = asked_of(landing.request)
        files: list[JsonValue] = []
        failures: list[str] = []
        for number, file in enumerate(known.files):
            if is_checked(file):
                measured = known.measured.get(number) or measure(file["path"])
                known.measured[number] = measured
                file, failed = judged(file, measured, limits, asked)
                failures += failed
            files.append(file)
        if not failures:
            note.remove()
            return Landed(files)
        note.write(known)
        return Landed(files, self.failure(failures, landing))

    def forget(self, landing: Landing) -> None:
        """Remove what is noted about files that failed, because the files are removed."""
        _Note(landing).remove()

    def failure(self, failures: list[str], landing: Landing | None) -> Exception | None:
        """Return what ends the task; None when the failure is only reported.

        :param landing: which job the files are of; None when it is not known.
        """
        what = "; ".join(failures)
        if self.on_failure == "report":
            log.warning("%s. The task goes on, as on_failure='report' asks.", what)
            return None
        error = _failed(what, landing)
        return error if self.on_failure == "fail" else AirflowSkipException(str(error))


def _failed(what: str, landing: Landing | None) -> CheckFailed:
    if landing is None:
        todo = "Repair the file, or clear the task with other limits."
        return CheckFailed(f"{what}. The file is unchanged.", todo=todo, charged="no", clear="")
    if landing.buys:
        other = "To buy another file, change the request and clear the task."
    else:
        other = "To buy another file, clear the task that bought it."
    return CheckFailed(
        f"{landing.ref} is ready, but {what}. The file is kept.",
        todo=(
            "To accept the file, set other limits in check= and clear the task: nothing is bought or "
            f"downloaded again. {other}"
        ),
        charged="yes",
        clear="",
    )


def judged(
    file: Mapping[str, Any], measured: Measurements, limits: Limits, asked: Asked | None = None
) -> tuple[dict[str, JsonValue], list[str]]:
    """Return a file's description with its report in ``check``, and what is wrong with it, if anything."""
    found = findings(measured, limits, asked)
    name = shown_name(file["uri"])
    failed = [f"{name} failed its check: {'; '.join(one.what for one in found)}"] if found else []
    log.info("Checked %s: %s", name, failed[0] if failed else "it passed.")
    return {**file, "check": report(measured, found)}, failed


def is_checked(file: Any) -> bool:
    """Whether a landed file is a video or sound."""
    kind = str(file.get("content_type") or "") if isinstance(file, dict) else ""
    return kind.startswith(("video/", "audio/"))


class _Known(BaseModel):
    """What is kept about landed files until they pass: the files, and what was measured in them.

    :param state: identifies the content of each file, so that one which was changed since is landed again.
    """

    files: list[Any]
    state: list[str] = []
    measured: dict[int, Measurements] = {}


class _Note:
    """The note beside landed files that failed their check, or whose check has not ended."""

    def __init__(self, landing: Landing) -> None:
        folder = storage_path(landing.destination)
        if not landing.destination.strip().endswith("/"):
            folder = folder.parent
        self._path = folder / FOLDER / f"{fingerprint(landing.identity())[-32:]}.json"

    def read(self) -> _Known | None:
        """Return what is known; None when a file is gone or another one, so that it must be landed again."""
        try:
            known = _Known.model_validate_json(self._path.read_bytes())
            if known.state == [_state(file) for file in known.files]:
                return known
        except FileNotFoundError:
            return None
        except ValidationError:  # by another version, which measured something else
            log.info("What is noted about the files is not readable, so they are landed again.")
            return None
        except Exception as error:  # noqa: BLE001 - each store raises errors of its own types
            log.info("What is noted about the files could not be read: %s", error)
            return None
        log.info("The files have changed since they were checked, so they are landed again.")
        return None

    def write(self, known: _Known) -> None:
        """Store what is known. Without it, the only loss is that a retry downloads and decodes again."""
        try:
            known.state = [_state(file) for file in known.files]
            write_whole(self._path, json.dumps(known.model_dump(mode="json")).encode())
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("A retry will download the files again, because no note could be written: %s", error)

    def remove(self) -> None:
        """Remove the note: the files are good."""
        try:
            self._path.unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 - it only saves a download, and the files are good
            log.debug("The note could not be removed: %s", error)


def _state(file: Any) -> str:
    """Return what identifies the content of a landed file, without reading it."""
    path: ObjectStoragePath = storage_path(file["path"])
    # fsspec makes this from all that the storage says of a file: its size, its time, and its ETag on S3.
    return str(path.fs.ukey(path.path))
