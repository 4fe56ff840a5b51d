"""What Vidgo's answers mean: how a task is, which files it delivers, why something was refused.

Media and music differ in everything but the envelope: an image or a video is ``file_url`` with a
``file_type``; each music model has fields of its own, some of them JSON inside a string. The fields
themselves tell which it is, so one reading serves both, and callbacks too.
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
from airflow_provider_vidai.vendors.base import without_urls
from airflow_provider_vidai.vendors.fields import Lenient, LenientFloat, LenientInt, LenientStr

#: These four words, in any case.
STATES: Final = {
    "not_started": JobState.RUNNING,
    "running": JobState.RUNNING,
    "finished": JobState.READY,
    "failed": JobState.FAILED,
}

#: What is known of the money for a failed task: no refund was ever reported by a public client.
BY_ITS_DOCUMENTS: Final = "by Vidgo's documents the credits of a failed task are returned"

#: A finished task without files is looked at so often in a row before it is believed.
EMPTY_BELIEVED: Final = 4

_OF_FIELD: Final[Mapping[str, OutputKind]] = {
    "audio_url": "audio",
    "wav_url": "audio",
    "video_url": "video",
    "image_url": "image",
}
#: Results that are words, and what they are called where the vendor gives no title.
_TEXTS: Final = {
    "text": "lyrics",
    "timestampe_lyrics": "timestamped lyrics",  # the vendor's spelling
    "style": "style",
    "persona_id": "persona",
}
# How the vendor explains failures that another purchase of the same would meet again.
_POLICY = ("policy", "moderation", "safety", "sensitive", "violat", "copyright", "nsfw")
_INPUT = ("invalid", "unsupported", "too long", "too large", "must be", "not accessible", "download")


class TaskAnswer(BaseModel):
    """How a task is."""

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

    @property
    def reason(self) -> str | None:
        """Why it failed: ``error_message`` in the vendor's documents, and what else public clients read."""
        told = (self.error_message, self.failure_reason, self.task_error, self.error, self.message)
        return next((_text(_words_in(one)) for one in told if one), None)


class StatusAnswer(BaseModel):
    """The envelope of a task."""

    data: TaskAnswer


class SubmittedTask(BaseModel):
    """A task that was bought. Some models' answers have no status."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    task_id: str = Field(min_length=1)
    status: LenientStr = None


class SubmittedAnswer(BaseModel):
    """The envelope of a purchase."""

    data: SubmittedTask


class Balance(BaseModel):
    """What an account has."""

    credits_amount: float = Field(allow_inf_nan=False)


class BalanceAnswer(BaseModel):
    """The envelope of a balance."""

    data: Balance


class Uploaded(BaseModel):
    """A picture that was uploaded, for 72 hours."""

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
    """One deliverable, and where it is.

    :param url: None where the answer itself holds it.
    :param cover: whether it is the picture of a song, which nobody asked for.
    """

    output: Output
    url: str | None = field(default=None, repr=False)
    cover: bool = False


def files_of(task: TaskAnswer) -> list[File]:
    """Return what a task delivers: what was asked for first, the covers of songs after it."""
    found = [file for one in task.files or () if isinstance(one, Mapping) for file in _files(one)]
    found.sort(key=lambda file: file.cover)
    return [
        replace(file, output=file.output.model_copy(update={"index": index}))
        for index, file in enumerate(found)
    ]


def status_of(task: TaskAnswer) -> JobStatus:
    """Return what a task's answer means; a failed one comes as HTTP 200 too."""
    word = task.status.strip().lower()
    state = STATES.get(word, JobState.RUNNING)
    error = task.reason
    known: dict[str, Any] = {"vendor_status": task.status, "known": word in STATES, "answer": task}
    if state is JobState.FAILED:
        # By all of the vendor's pages a failed task costs nothing: newer ones say that it is paid for
        # when submitted and given back, older ones that only success is paid for.
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


def told(answer: Answer) -> Answer:
    """Return an answer with the status that it tells inside: the vendor has codes of its own in the body."""
    body = _object(answer)
    code = body.get("code")
    if not 200 <= answer.status < 300 or isinstance(code, bool) or not isinstance(code, (int, str)):
        return answer
    number = int(code) if str(code).isdigit() else 200
    return replace(answer, status=number) if 300 <= number < 600 else answer


def error_type(answer: Answer) -> str | None:
    """Return the vendor's type of an error, such as ``service_error``."""
    error = _object(answer).get("error")
    found = error.get("type") if isinstance(error, Mapping) else None
    return found if isinstance(found, str) else None


def explanation(answer: Answer) -> str | None:
    """Return the words of an error in either of its shapes; None when it has neither.

    ``{"error": {"message"}}`` comes from generation, ``{"detail"}`` (text, or a list of what is wrong
    where) from uploads.
    """
    body = _object(answer)
    error, detail = body.get("error"), body.get("detail")
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        return redacted(error["message"])[:600]
    if isinstance(detail, list):
        return redacted("; ".join(map(_complaint, detail)))[:600]
    return redacted(detail)[:600] if isinstance(detail, str) else None


def names_the_task(answer: Answer) -> bool:
    """Whether an error is the vendor's own about a task, and not a gateway's.

    A gateway knows of paths and not of tasks. Source: the vendor's error table (type
    ``resource_not_found_error``) and its status page (``detail``).
    """
    return error_type(answer) == "resource_not_found_error" or "task" in (explanation(answer) or "").lower()


def existing_task(answer: Answer, asked: Mapping[str, Any]) -> str | None:
    """Return the task that a conflict names as the one that is there already.

    :param asked: the request's ``input``: the song that it was about is not what came of it.
    """
    body = _object(answer)
    for part in (body.get("data"), body.get("error"), body):
        name = part.get("task_id") if isinstance(part, Mapping) else None
        if isinstance(name, str) and name and name != asked.get("task_id"):
            return name
    return None


def _files(one: Mapping[str, Any]) -> Iterator[File]:
    """Yield what one entry of ``files`` holds: files, files in a JSON string, or else words."""
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
        yield from _words(one, title, details)


def _packed_files(files: Any) -> Iterator[File]:
    """Yield what a JSON string holds: a list of files, or the parts of a song by their names."""
    if isinstance(files, list):
        for one in files:
            yield from _files(one)
        return
    for name, url in files.items():
        if _is_url(url):
            part = name.removesuffix("_url").replace("_", " ")
            kind = _kind_of_file(name, url, {})
            yield File(Output(index=0, kind=kind, title=part, details={"part": part}), url)


def _words(one: Mapping[str, Any], title: str | None, details: dict[str, JsonValue]) -> Iterator[File]:
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
    told = without_urls({name: value for name, value in one.items() if name not in ("title", "duration")})
    assert isinstance(told, dict)
    return told


def _unpacked(value: Any) -> Any:
    """Return the files in a JSON string, or None when it is any other text."""
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
    """Return what a file is: by what the vendor calls it, then by its name, never by its place."""
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


def _words_in(value: Any) -> Any:
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


def _blame(words: str | None) -> Literal["input", "policy", "vendor", "unknown"]:
    said = (words or "").lower()
    if any(word in said for word in _POLICY):
        return "policy"
    return "input" if any(word in said for word in _INPUT) else "unknown"


def _object(answer: Answer) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _complaint(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    path = item.get("loc")
    where = ".".join(str(part) for part in path if part != "body") if isinstance(path, list) else ""
    return f"{where or 'request'}: {item.get('msg')}"
