"""What a task shows people about its job and its files: the XCom ``media``.

Anybody who may edit an XCom could make a page serve another file of the workers' storage. So the files are
signed, together with the task that landed them, with a key that only the deployment has.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, JsonValue

#: What the signature is for: a signature made with the same key for another use is a different one.
_PURPOSE = b"airflow-provider-vidai media 1"


class TaskKey(NamedTuple):
    """A task instance, in whichever of its tries."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    def page(self) -> str:
        """Return the address of its page Media, relative to Airflow's base address."""
        return f"vidai/media?{urlencode(self._asdict(), quote_via=quote)}"

    def picture(self, key: str, index: int = 0, part: str = "sheet") -> str:
        """Return the address of a still of a landed file, likewise.

        :param key: of the XCom that has the file.
        :param index: which of its files.
        :param part: ``poster`` or ``sheet``.
        """
        named = {**self._asdict(), "key": key, "index": index, "part": part}
        return f"vidai/file?{urlencode(named, quote_via=quote)}"


class Still(BaseModel):
    """A picture made from a landed video.

    :param path: where it is, as a task would read it.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    bytes: int


class MediaFile(BaseModel):
    """One landed file, as its download described it.

    :param duration: seconds.
    :param poster: one frame of a video.
    :param sheet: eight frames of it, in one picture.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    uri: str
    path: str
    bytes: int
    content_type: str = ""
    sha256: str | None = None
    complete: bool | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    title: str | None = None
    caption: str | None = None
    score: float | str | None = None
    poster: Still | None = None
    sheet: Still | None = None


class MediaRecord(BaseModel):
    """A job and its landed files. Times are in seconds since the epoch.

    :param request: the arguments of the purchase, as the task shows them: short, and without secrets.
    :param expected: how many seconds a job of this kind usually takes.
    :param deadline: when the task stops waiting.
    :param checks: how many status checks were made.
    :param kept_until: until when the vendor keeps the files, where it says so.
    :param signature: see :func:`signed`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    vendor: str
    label: str
    conn_id: str
    job_id: str
    kind: str
    title: str | None = None
    cost: dict[str, JsonValue] | None = None
    request: dict[str, str] = {}
    bought_at: float | None = None
    expected: float | None = None
    deadline: float | None = None
    checks: int | None = None
    ready_at: float | None = None
    landed_at: float | None = None
    kept_until: float | None = None
    files: tuple[MediaFile, ...] = ()
    signature: str | None = None


def signed(record: MediaRecord, task: TaskKey, key: str) -> MediaRecord:
    """Return ``record`` with the signature of its files and of the task that landed them."""
    return record.model_copy(update={"signature": _signature(record.files, task, key)})


def is_genuine(record: MediaRecord, task: TaskKey, keys: Sequence[str]) -> bool:
    """Whether one of ``keys`` signed the files of ``record``, for this task."""
    given = (record.signature or "").encode("utf-8", "replace")
    # Every key is tried: how long it takes must not reveal which one fits.
    found = [hmac.compare_digest(given, _signature(record.files, task, key).encode()) for key in keys]
    return any(found)


def _signature(files: Sequence[MediaFile], task: TaskKey, key: str) -> str:
    # Only texts and whole numbers: a database may write a fraction in another way than it was given.
    named: list[Any] = [
        [file.path, file.bytes, file.content_type, file.sha256, _named(file.poster), _named(file.sheet)]
        for file in files
    ]
    message = json.dumps([*task, named], ensure_ascii=True).encode()
    derived = hmac.new(key.encode(), _PURPOSE, hashlib.sha256).digest()
    return hmac.new(derived, message, hashlib.sha256).hexdigest()


def _named(still: Still | None) -> list[Any] | None:
    return None if still is None else [still.path, still.bytes]
