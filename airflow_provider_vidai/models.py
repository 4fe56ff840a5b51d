"""The vocabulary: what a job is, how it stands, what it delivered; and the three network primitives.

Everything here is data. Vendors build it, the transport runs it, the lifecycle decides on it.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from airflow_provider_vidai.answers import MAX_ANSWER as MAX_ANSWER
from airflow_provider_vidai.answers import Answer as Answer
from airflow_provider_vidai.errors import Charged, InputError
from airflow_provider_vidai.redaction import redacted, without_login

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

VendorName = Literal["vidio", "venice", "vizard", "vidgo"]
OutputKind = Literal["video", "image", "audio", "text"]


class JobState(str, Enum):
    """Where a job stands, whatever the vendor's own word for it."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class JobRef(BaseModel):
    """What finds a job again: JSON, no secret, safe in XCom and in trigger arguments.

    :param vendor: one of the four APIs.
    :param conn_id: the Airflow connection the job was bought with.
    :param job_id: the vendor's id, as text.
    :param kind: what was bought, in the vendor's terms (VIDIO ``reel`` or ``render``, ...).
    :param params: what else the status call needs.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True
    )

    vendor: VendorName
    conn_id: str = Field(min_length=1)
    job_id: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    params: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def read(
        cls,
        value: Any,
        *,
        vendor: VendorName,
        conn_id: str,
        kind: str,
        params: Mapping[str, JsonValue] | None = None,
    ) -> JobRef:
        """Return the job that an operator's ``job`` argument names.

        :param value: what an upstream task returned, its JSON or Python-literal text, or a bare id.
        :param conn_id: used with a bare id, like ``kind`` and ``params``; a ref brings its own.
        :raises InputError: when it names no job, or another vendor's.
        """
        value = literal(value)
        if isinstance(value, JobRef):
            ref = value
        elif isinstance(value, Mapping):
            ref = validated(cls, value, what="job")
        elif (job_id := _bare_id(value)) is not None:
            ref = cls(vendor=vendor, conn_id=conn_id, job_id=job_id, kind=kind, params=dict(params or {}))
        else:
            raise InputError(
                f"job: expected what an upstream task returned, or a job id, but got {_shown(value)}. "
                "Nothing was sent."
            )
        if ref.vendor != vendor:
            raise InputError(f"job: {ref} is a job of {ref.vendor}, not of {vendor}. Nothing was sent.")
        return ref

    def with_params(self, **params: JsonValue) -> JobRef:
        """Return the same job with ``params`` added to what its status call is given."""
        return self.model_copy(update={"params": {**self.params, **params}})

    def __str__(self) -> str:
        return f"{self.vendor} {self.kind} {self.job_id}"


class Output(BaseModel):
    """One deliverable of a job. It never holds a file's URL: a fresh one is asked for at download.

    Words that a job delivers are here themselves, as ``details["text"]``.

    :param duration: seconds.
    :param details: everything else the vendor tells about it (start, end, fps, thumbnail, score, ...).
    """

    model_config = ConfigDict(frozen=True)

    index: int
    kind: OutputKind
    title: str | None = None
    duration: float | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


class JobStatus(BaseModel):
    """One answer to "how is it?".

    :param vendor_status: the vendor's own word.
    :param known: False when the word is not in the vendor's documented list; the job is then
        waited for, because it is paid for.
    :param progress: 0 to 1, or None when the vendor does not tell.
    :param error: the vendor's words about a failure.
    :param charged: what is known about the charge for a FAILED or GONE job.
    :param blame: whose fault a failure is. Only "vendor" lets a retry buy again.
    :param expected: the seconds that such a job takes, by what the vendor tells of it.
    :param ready_after: RUNNING counts as READY once this many seconds have passed since the
        purchase: the answer shows a finished result, but perhaps an earlier job's.
    :param believed_after: how often in a row answers of this kind must come before this one counts;
        until then the job is taken to be running, because it is paid for.
    :param believed_for: for how many seconds they must go on, too. Above 0 the answer is not in the
        vendor's own words: a gateway in trouble answers like that for a while.
    :param proven: False when this answer would look the same had the purchase never arrived.
    :param ref_params: what to add to the ref, learnt from this answer.
    :param answer: the vendor's whole answer as its own record; never serialised or shown.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    state: JobState
    vendor_status: str
    known: bool = True
    progress: float | None = Field(default=None, ge=0, le=1)
    outputs: tuple[Output, ...] = ()
    error: str | None = None
    charged: Charged = "maybe"
    blame: Literal["input", "policy", "vendor", "unknown"] = "unknown"
    cost: dict[str, JsonValue] | None = None
    expected: float | None = None
    ready_after: float | None = None
    believed_after: int = 1
    believed_for: float = 0.0
    proven: bool = True
    ref_params: dict[str, JsonValue] = Field(default_factory=dict)
    answer: Any = Field(default=None, exclude=True, repr=False)

    def of(self, ref: JobRef) -> JobRef:
        """Return ``ref`` with what this answer taught about it."""
        return ref.with_params(**self.ref_params) if self.ref_params else ref

    def is_completed(self) -> bool:
        """Whether it is READY; this name and the next two are those of the vendors' own clients."""
        return self.state is JobState.READY

    def is_failed(self) -> bool:
        """Whether it is FAILED."""
        return self.state is JobState.FAILED

    def is_processing(self) -> bool:
        """Whether it is RUNNING."""
        return self.state is JobState.RUNNING

    @property
    def repeats_needed(self) -> int:
        """How often in a row it must be heard: a paid job is not given up for one "it isn't there"."""
        return max(self.believed_after, 2 if self.state is JobState.GONE else 1)


def job_result(
    ref: JobRef,
    status: JobStatus,
    cost: dict[str, JsonValue] | None = None,
    sealed_url: str | None = None,
) -> dict[str, JsonValue]:
    """Return what a task gives to the next one about a READY job: the ref's fields and how it ended.

    :param sealed_url: where its file is, sealed, when that came only with the purchase.
    """
    result: dict[str, JsonValue] = {
        **ref.model_dump(mode="json"),
        "state": status.state.value,
        "vendor_status": status.vendor_status,
        "outputs": [output.model_dump(mode="json") for output in status.outputs],
        "cost": status.cost or cost,
    }
    return result if sealed_url is None else {**result, "sealed_url": sealed_url}


class Bought(BaseModel):
    """What a job's dict says beside its ref: what went with the purchase.

    :param cost: what it cost, if told.
    :param sealed_url: where its file is, sealed, when that came only with the purchase.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    cost: dict[str, JsonValue] | None = None
    sealed_url: str | None = None

    @classmethod
    def read(cls, value: Any) -> Bought:
        """Return what an operator's ``job`` argument says; a bare id says nothing."""
        value = literal(value)
        try:
            return cls.model_validate(dict(value) if isinstance(value, Mapping) else {})
        except ValidationError:
            return cls()


class Receipt(BaseModel):
    """The vendor's answer to a purchase; this is what the ledger keeps.

    :param ref: the job that was bought, when the purchase made one.
    :param result: the result itself, when the purchase delivered it at once.
    :param cost: what it cost, if told.
    :param vendor_status: the vendor's word for how the new job stands, if told.
    :param secret: a sealed secret that came only with this answer.
    """

    model_config = ConfigDict(frozen=True)

    ref: JobRef | None = None
    vendor_status: str | None = None
    result: JsonValue = None
    cost: dict[str, JsonValue] | None = None
    secret: str | None = None


# --- the three primitives -----------------------------------------------------------------


class Repeat(Enum):
    """Whether a call may be sent again without asking anybody."""

    SAFE = "safe"
    ONCE = "once"


@dataclass(frozen=True)
class Call(Generic[T]):
    """One small JSON exchange, as data.

    :param name: what it does, for logs and errors ("create a highlight reel").
    :param path: below the account's base URL.
    :param parse: turns the answer, whatever its status, into the result or raises a VidaiError.
    :param repeat: ONCE for everything that buys.
    :param timeout: seconds; None takes the connection's.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    parse: Callable[[Answer], T]
    repeat: Repeat = Repeat.SAFE
    query: tuple[tuple[str, str], ...] = ()
    body: dict[str, JsonValue] | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Fetch:
    """A file to stream out.

    :param url: it may be signed, so it is never shown. With the key it is a path below the account's
        base URL, so that a key can go nowhere else; without, it is absolute.
    :param with_key: send the account's key.
    :param kind: what the file must turn out to be.
    :param same_host: follow redirects on the URL's own host only.
    :param once: the vendor gave the URL once and has no other, so that one that is dead is the end.
    """

    url: str = field(repr=False)
    kind: OutputKind
    method: Literal["GET", "POST", "DELETE"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: dict[str, JsonValue] | None = field(default=None, repr=False)
    with_key: bool = False
    same_host: bool = False
    once: bool = False


@dataclass(frozen=True)
class Put:
    """A file to stream in, to a signed URL that is a secret and gets no key."""

    url: str = field(repr=False)
    content_type: str


# --- helpers that belong to the vocabulary -------------------------------------------------


def literal(value: Any) -> Any:
    """Return what a rendered template field means.

    Jinja renders lists and dicts as Python literals, people write JSON; both come as text.
    Anything else is returned as it is.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("[", "{", "("):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return value


def validated(model: type[M], values: Mapping[str, Any], *, what: str) -> M:
    """Build ``model`` from ``values``; wrong fields become one readable :class:`InputError`."""
    try:
        return model.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        raise InputError(f"{what}: {problems}. Nothing was sent.") from None


def _bare_id(value: Any) -> str | None:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return None
    text = str(value).strip()
    # A template renders a missing result as "None", and text that begins like a ref is a broken one.
    return None if text in ("", "None", "null") or text[0] in "[{(" else text


def _problem(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "request"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{path}: is required"
    return f"{path}: {message} (got {_shown(item['input'])})"


def _shown(value: Any) -> str:
    text = without_login(redacted(repr(value))[:400])
    return text if len(text) <= 80 else text[:77] + "..."


def digest(url: str) -> str:
    """Return what identifies the file behind a signed URL: sha256 of the URL without its query."""
    return hashlib.sha256(urlsplit(url)._replace(query="", fragment="").geturl().encode()).hexdigest()
