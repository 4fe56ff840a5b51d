"""What Vidgo's answers mean: the status of a task, the files it delivers, the reason of a refusal.

Media and music have only the envelope in common. An image or a video is a ``file_url`` with a ``file_type``;
each music model has fields of its own, some of them JSON inside a string. The fields themselves show which it
is, so the same code reads both, and callbacks too.
Source: the vendor's OpenAPI files and pages of 2026-08-22.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from airflow_provider_vidai.answers import Answer, parsed
from airflow_provider_vidai.jobs.media_types import kind_of_name
from airflow_provider_vidai.jobs.output import Output, OutputKind
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.redaction import redacted
from airflow_provider_vidai.vendors.base import json_object, without_urls
from airflow_provider_vidai.vendors.fields import Lenient, LenientFloat, LenientInt, LenientStr

#: The vendor has these four statuses, written in any case.
STATES: Final = {
    "not_started": JobState.RUNNING,
    "running": JobState.RUNNING,
    "finished": JobState.READY,
    "failed": JobState.FAILED,
}

#: All that is known about a failed task's charge: no public client has ever reported a refund.
BY_ITS_DOCUMENTS: Final = "by Vidgo's documents the credits of a failed task are returned"

#: How many status checks in a row must report a finished task without files before it counts as failed.
EMPTY_BELIEVED: Final = 4

_OF_FIELD: Final[Mapping[str, OutputKind]] = {
    "audio_url": "audio",
    "wav_url": "audio",
    "video_url": "video",
    "image_url": "image",
}
#: Results that are text, and their titles where the vendor gives none.
_TEXTS: Final = {
    "text": "lyrics",
    "timestampe_lyrics": "timestamped lyrics",  # the vendor's spelling
    "style": "style",
    "persona_id": "persona",
}
# Parts of the vendor's explanations of failures that a second purchase of the same would meet again.
_POLICY = ("policy", "moderation", "safety", "sensitive", "violat", "copyright", "nsfw")
_INPUT = ("invalid", "unsupported", "too long", "too large", "must be", "not accessible", "download")


class TaskAnswer(BaseModel):
    """The status of a task."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    task_id: LenientStr = None
    status: str = Field(min_length=1)
    files: Annotated[list[Any] | None, Lenient] = Field(default=None, repr=False)
    progress: LenientFloat = None
    error_message: Any = None
    error: Any = None
    message: Any = None
    failure_reason: Any = None
    task_error: Any = None
    credits_amount: LenientFloat = None

    @property
    def cost(self) -> dict[str, JsonValue] | None:
        """What the task cost, if the answer says it.

        Vidgo's documents show no such field; answers of the same API at another vendor have it.
        """
        return None if self.credits_amount is None else {"credits": self.credits_amount}

    @property
    def reason(self) -> str | None:
        """Why it failed: ``error_message`` in the vendor's documents; public clients read the others, too."""
        reasons = (self.error_message, self.failure_reason, self.task_error, self.error, self.message)
        return next((_text(_message_in(one)) for one in reasons if one), None)


class StatusAnswer(BaseModel):
    """The envelope of a task."""

    data: TaskAnswer


class SubmittedTask(BaseModel):
    """The answer to a purchase. Some models' answers have no status."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    task_id: str = Field(min_length=1)
    status: LenientStr = None
    credits_amount: LenientFloat = None

    @property
    def cost(self) -> dict[str, JsonValue] | None:
        """What the task costs, if the answer says it; see :attr:`TaskAnswer.cost`."""
        return None if self.credits_amount is None else {"credits": self.credits_amount}


class SubmittedAnswer(BaseModel):
    """The envelope of a purchase."""

    data: SubmittedTask


class Balance(BaseModel):
    """The credits of an account."""

    credits_amount: float = Field(allow_inf_nan=False)


class BalanceAnswer(BaseModel):
    """The envelope of a balance."""

    data: Balance


class Uploaded(BaseModel):
    """An uploaded picture, which Vidgo keeps for 72 hours."""

    file_url: str = Field(min_length=1, repr=False)
    file_name: LenientStr = None
    mime_type: LenientStr = None
    file_size: LenientInt = None
    expires_at: LenientStr = None


class UploadedAnswer(BaseModel):
    """The envelope of an upload."""

    data: Uploaded


@dataclass(frozen=True)
class File:
    """One output, and the URL of its file.

    :param url: None for text, which is in the answer itself.
    :param cover: whether it is the cover picture of a song, which comes without being requested.
    """

    output: Output
    url: str | None = field(default=None, repr=False)
    cover: bool = False


def files_of(task: TaskAnswer) -> list[File]:
    """Return the files of a task: first those that were requested, then the covers of songs."""
    found = [file for one in task.files or () if isinstance(one, Mapping) for file in _files(one)]
    # Index 0 is what a task's user takes first, so it must not be the cover of a song.
    found.sort(key=lambda file: file.cover)
    return [
        replace(file, output=file.output.model_copy(update={"index": index}))
        for index, file in enumerate(found)
    ]


def status_of(task: TaskAnswer) -> JobStatus:
    """Return the status that a task's answer means. A failed task comes as HTTP 200, too."""
    word = task.status.strip().lower()
    # An unknown status keeps the task running: it is paid for, and giving it up would lose it.
    state = STATES.get(word, JobState.RUNNING)
    error = task.reason
    known: dict[str, Any] = {
        "vendor_status": task.status,
        "known": word in STATES,
        "answer": task,
        "cost": task.cost,
    }
    if state is JobState.FAILED:
        # All of the vendor's pages say that a failed task costs nothing. The newer ones say that its credits
        # are taken at the purchase and returned, the older ones that only success is charged.
        why = f"{error.rstrip('. ')}; {BY_ITS_DOCUMENTS}" if error else BY_ITS_DOCUMENTS
        return JobStatus(state=state, error=why, charged="refunded", blame=_blame(error), **known)
    if state is JobState.RUNNING:
        share = None if task.progress is None else min(max(task.progress / 100, 0.0), 1.0)
        return JobStatus(state=state, progress=share, error=error, **known)
    outputs = tuple(file.output for file in files_of(task))
    if not outputs:
        nothing = "it is finished, and has no files"
        return JobStatus(state=JobState.FAILED, error=nothing, believed_after=EMPTY_BELIEVED, **known)
    return JobStatus(state=state, outputs=outputs, **known)


def with_inner_status(answer: Answer) -> Answer:
    """Return an answer with the status that is in its body: errors may come with HTTP 200."""
    body = json_object(answer) or {}
    code = body.get("code")
    if not 200 <= answer.status < 300 or isinstance(code, bool) or not isinstance(code, (int, str)):
        return answer
    number = int(code) if str(code).isdigit() else 200
    return replace(answer, status=number) if 300 <= number < 600 else answer


def error_type(answer: Answer) -> str | None:
    """Return the vendor's type of an error, such as ``service_error``."""
    error = (json_object(answer) or {}).get("error")
    found = error.get("type") if isinstance(error, Mapping) else None
    return found if isinstance(found, str) else None


def explanation(answer: Answer) -> str | None:
    """Return the text of an error in either of its shapes; None when it has neither.

    Generation sends ``{"error": {"message"}}``; uploads send ``{"detail"}``, which is a text or a list of
    problems.
    """
    body = json_object(answer) or {}
    error, detail = body.get("error"), body.get("detail")
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        return redacted(error["message"])[:600]
    if isinstance(detail, list):
        return redacted("; ".join(map(_complaint, detail)))[:600]
    return redacted(detail)[:600] if isinstance(detail, str) else None


def names_the_task(answer: Answer) -> bool:
    """Whether an error about a task comes from the vendor itself, and not from a gateway.

    A gateway knows paths, but not tasks. Source: the vendor's error table (type
    ``resource_not_found_error``) and its status page (``detail``).
    """
    return error_type(answer) == "resource_not_found_error" or "task" in (explanation(answer) or "").lower()


def existing_task(answer: Answer, asked: Mapping[str, Any]) -> str | None:
    """Return the id of the earlier task that a conflict names.

    :param asked: the request's ``input``. The song in it, which is a task too, is not the one meant.
    """
    body = json_object(answer) or {}
    # The vendor does not document where the id is, so every place that its other answers have is tried.
    for part in (body.get("data"), body.get("error"), body):
        name = part.get("task_id") if isinstance(part, Mapping) else None
        if isinstance(name, str) and name and name != asked.get("task_id"):
            return name
    return None


def _files(one: Mapping[str, Any]) -> Iterator[File]:
    """Yield the outputs of one entry of ``files``: files, files in a JSON string, or text."""
    packed = {name: files for name, value in one.items() if (files := _unpacked(value)) is not None}
    urls = {name: value for name, value in one.items() if _is_url(value)}
    title = one.get("title") if isinstance(one.get("title"), str) else None
    details = _details({name: value for name, value in one.items() if name not in packed})
    for name, url in urls.items():
        kind = _kind_of_file(name, url, one)
        if name == "image_url":
            cover = Output(index=0, kind=kind, title=f"{title or 'song'} cover")
            yield File(cover, url, cover=True)
        else:
            yield File(_output(kind, title, details, one), url)
    for files in packed.values():
        yield from _packed_files(files)
    if not urls and not packed:
        yield from _text_outputs(one, title, details)


def _packed_files(files: Any) -> Iterator[File]:
    """Yield the files of a JSON string: a list of files, or the parts of a song by name."""
    if isinstance(files, list):
        for one in files:
            yield from _files(one)
        return
    for name, url in files.items():
        if _is_url(url):
            part = name.removesuffix("_url").replace("_", " ")
            kind = _kind_of_file(name, url, {})
            yield File(Output(index=0, kind=kind, title=part, details={"part": part}), url)


def _text_outputs(one: Mapping[str, Any], title: str | None, details: dict[str, JsonValue]) -> Iterator[File]:
    for name, called in _TEXTS.items():
        value = one.get(name)
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            rest = {key: detail for key, detail in details.items() if key != name}
            yield File(_output("text", title or called, {**rest, "text": text}, one))
            return


def _output(
    kind: OutputKind, title: str | None, details: dict[str, JsonValue], one: Mapping[str, Any]
) -> Output:
    return Output(index=0, kind=kind, title=title, duration=_seconds(one.get("duration")), details=details)


def _details(one: dict[str, Any]) -> dict[str, JsonValue]:
    found = without_urls({name: value for name, value in one.items() if name not in ("title", "duration")})
    assert isinstance(found, dict)
    return found


def _unpacked(value: Any) -> Any:
    """Return the files in a JSON string; None for any other text."""
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            value = parsed(value)
        except ValueError:
            return None
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return value if any("file_url" in one for one in value) else None
    if (
        isinstance(value, Mapping)
        and value
        and all(isinstance(one, (str, type(None))) for one in value.values())
    ):
        return value
    return None


def _kind_of_file(name: str, url: str, one: Mapping[str, Any]) -> OutputKind:
    """Return the kind of a file: from its type, then from its field's name, then from its URL's suffix."""
    called = str(one.get("file_type", "")).lower()
    if called in ("image", "video", "audio"):
        return called  # type: ignore[return-value]
    if name in _OF_FIELD:
        return _OF_FIELD[name]
    promised = kind_of_name(urlsplit(url).path)
    # Music comes in MP4 too, so a name that promises a video says less than the field does.
    if promised in ("image", "audio"):
        return promised  # type: ignore[return-value]
    return "video" if name == "file_url" else "audio"


def _message_in(value: Any) -> Any:
    return value.get("message") or value if isinstance(value, Mapping) else value


def _text(value: Any) -> str:
    return redacted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:600]


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _blame(error: str | None) -> Literal["input", "policy", "vendor", "unknown"]:
    said = (error or "").lower()
    if any(part in said for part in _POLICY):
        return "policy"
    return "input" if any(part in said for part in _INPUT) else "unknown"


def _complaint(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    path = item.get("loc")
    where = ".".join(str(part) for part in path if part != "body") if isinstance(path, list) else ""
    return f"{where or 'request'}: {item.get('msg')}"
