"""What Venice's answers mean: how a job is, why something was refused, how long to wait.

Sources: the vendor's contract (swagger 20260821) and skills of 2026-10, and what clients measured live.
Where they differ, the newer is followed and the older is still understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.jobs.media_types import recognized
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.redaction import redacted
from airflow_provider_vidai.vendors.base import retry_after
from airflow_provider_vidai.vendors.fields import LenientBool, LenientFloat, LenientStr

# The contract has PROCESSING and COMPLETED; clients guard the others, from older documents.
_WORKING = frozenset({"PROCESSING", "QUEUED", "IN_QUEUE", "IN_PROGRESS", "PENDING", "RUNNING"})
_READY = frozenset({"COMPLETED"})
_FAILED = frozenset({"FAILED", "ERROR", "CANCELLED", "CANCELED", "REJECTED"})
_GONE = frozenset({"EXPIRED"})
_STATES = {
    **dict.fromkeys(_WORKING, JobState.RUNNING),
    **dict.fromkeys(_READY, JobState.READY),
    **dict.fromkeys(_FAILED, JobState.FAILED),
    **dict.fromkeys(_GONE, JobState.GONE),
}

#: How a finished video is had: as the answer of the poll itself, by the URL that came with the
#: purchase, or by a URL in the answer.
Delivery = Literal["inline", "link", "url"]

#: A stored 500 ends a job; but so says a server in trouble too. After so many in a row, which take
#: two and a half minutes, it is believed.
SERVER_ERRORS_BELIEVED: Final = 6
#: The vendor tells the time that four in five jobs don't exceed; half of them take this part of it or
#: less, when durations spread as those of other queues do.
HALF_OF_THEM: Final = 0.75
#: How much of the vendor's words about a failure is told, in characters.
LONGEST_WORDS: Final = 600
#: Seconds that the vendor blocks a key for a model after too many errors.
ERROR_BLOCK: Final = 30.0

_MEDIA = ("video/", "application/octet-stream")
_LOOKUP_FAILED = re.compile(r"request id is invalid|media could not be found", re.IGNORECASE)
# How often in a row an end of the job itself must be reported: a 400 may be a gateway's, and so may a 500.
_BELIEVED: Final = {400: 2, 422: 1, 500: SERVER_ERRORS_BELIEVED}
# A refusal of the content comes in the shape of a provider's failure too, and then only its words tell.
# So does one that the request itself breaks a limit, as reference audio of over 15 s does (seen 2026-09-28).
_LIMIT = re.compile(
    r"maximum|minimum|too (?:long|short|large|small|many|few)|at (?:least|most)|must (?:be|not)|exceed"
    r"|up to \d|invalid|unsupported|not supported",
    re.IGNORECASE,
)
_POLICY = re.compile(r"polic(?:y|ies)|moderation|guidelines", re.IGNORECASE)


class StatusAnswer(BaseModel):
    """A job's status in JSON; times in milliseconds."""

    model_config = ConfigDict(extra="ignore")

    status: str
    average_execution_time: LenientFloat = None
    execution_duration: LenientFloat = None
    url: LenientStr = None
    error: Any = None
    message: LenientStr = None
    details: LenientStr = None
    credits_refunded: LenientBool = None

    @property
    def reason(self) -> str | None:
        """Why it failed, in whichever of its fields (seen by a public client: ``error``, ``message``)."""
        told = dict.fromkeys(filter(None, (_words_of(self.error), self.message, self.details)))
        return _shown(": ".join(told)) if told else None


def is_video(answer: Answer) -> bool:
    """Whether a success is the finished video itself: by what it says it is, and by how it begins."""
    if answer.content_type and not answer.content_type.startswith(_MEDIA):
        return False
    found = recognized(answer.body)
    return found is not None and found.kind != "document"


def inline_video() -> JobStatus:
    """Return the status of a job whose finished video was the answer."""
    return JobStatus(state=JobState.READY, vendor_status="COMPLETED", outputs=_video("inline"))


def told_status(told: StatusAnswer) -> JobStatus:
    """Return what a status in JSON means."""
    word = told.status.upper()
    state = _STATES.get(word, JobState.RUNNING)
    progress, expected = _timing(told) if state is JobState.RUNNING else (None, None)
    body = {"error": told.error, "credits_refunded": told.credits_refunded}
    return JobStatus(
        state=state,
        vendor_status=told.status,
        known=word in _STATES,
        progress=progress,
        expected=expected,
        outputs=_video("url" if told.url else "link") if state is JobState.READY else (),
        error=told.reason,
        charged=refund(body),
        answer=told,
    )


def ended(answer: Answer, words: str, model: str) -> JobStatus | None:
    """Return what an error answer says about the job itself; None when it says nothing about it.

    Failures are stored with the job and told at each later look: 400 and 422 at once, 500 perhaps.

    :param words: the vendor's explanation.
    :param model: of the job.
    """
    body = _object(answer)
    if body is None or "error" not in body or is_lookup_failure(answer) or answer.status not in _BELIEVED:
        return None  # a gateway's answer and not the API's, or one about the call and not the job
    return JobStatus(
        state=JobState.FAILED,
        charged=refund(body),
        blame=_blame(answer.status, body),
        believed_after=_BELIEVED[answer.status],
        vendor_status=str(answer.status),
        error=words + face_hint(model, f"{words} {_in_error(body, 'type')}"),
    )


def is_lookup_failure(answer: Answer) -> bool:
    """Whether the vendor says in its own words that it has no such job, or none for this key.

    Source: the vendor's skills of 2026-10 (``Request ID is invalid.``, HTTP 400) and its contract (``Media
    could not be found. Request may be invalid, expired, or deleted.``, HTTP 404). A gateway says neither.
    """
    words = explanation(answer) if answer.status in (400, 404, 410) else None
    return bool(words and _LOOKUP_FAILED.search(words))


def refund(body: dict[str, Any]) -> Charged:
    """Return what ``credits_refunded``, at the top or in ``error``, says about the charge."""
    error = body.get("error")
    told = body.get("credits_refunded")
    if told is None and isinstance(error, dict):
        told = error.get("credits_refunded")
    if not isinstance(told, bool):
        return "maybe"
    return "refunded" if told else "yes"


def refunded_of(answer: Answer) -> Charged:
    """Return what an answer says about the charge; "maybe" when it says nothing."""
    return refund(_object(answer) or {})


def wait_of(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait.

    There are three kinds of 429: overloaded (``Retry-After``), the quota (reset of the request window)
    and the error budget (``x-ratelimit-resets``, a block of 30 s).
    """
    asked = _milliseconds(answer.headers.get("retry-after-ms", ""))
    asked = retry_after(answer) if asked is None else asked
    if asked is not None or answer.status != 429:
        return asked
    if (resets := answer.headers.get("x-ratelimit-resets")) is not None:
        return max(_until(answer, resets) or 0.0, ERROR_BLOCK)
    return _until(answer, answer.headers.get("x-ratelimit-reset-requests", ""))


def is_quota(answer: Answer) -> bool:
    """Whether a 429 is about the account's requests, and not about one model or its errors."""
    headers = answer.headers
    return "x-ratelimit-resets" not in headers and "x-ratelimit-reset-requests" in headers


def explanation(answer: Answer) -> str | None:
    """Return the vendor's words in any of its shapes; None when they are not in one of them."""
    body = _object(answer)
    if body is None:
        return None
    issues = list(_issues(body.get("issues")))
    said = _words_of(body.get("error")) or _words_of(body)
    if issues:
        said = "; ".join(dict.fromkeys(issues))
    elif isinstance(body.get("details"), str):
        said = f"{said}: {body['details']}"
    extra = [
        f"{label} {value}"
        for label, value in (
            ("Hint:", body.get("hint")),
            ("Venice recommends the model", _in_error(body, "recommended_model")),
            ("Its request id is", body.get("request_id")),
        )
        if isinstance(value, str)
    ]
    return _shown(". ".join([said or "", *extra]))


def face_hint(model: str, words: str) -> str:
    """Return what a refusal for the content's sake is usually about; "" where nothing is known.

    Source: a public harness on paid runs of 2026-09 and -10: ``seedance-*-basic`` refused 31 of 32 takes
    with a person in the picture, its other models about 6 %, always in words about the prompt or the policy.
    """
    if not model.startswith("seedance-") or not _POLICY.search(words):
        return ""
    return (
        " If a picture or video was sent, a person's face in it is the usual reason on seedance models, and "
        "not the prompt: try another picture, or a model without '-basic'."
    )


def consent_words(answer: Answer) -> str | None:
    """Return what a 409 asks consent to and how it is given; None when the answer is not about that."""
    body = _object(answer)
    if answer.status != 409 or body is None or _in_error(body, "code") != "needs_consent":
        return None
    flow = body.get("consent_flow") if isinstance(body.get("consent_flow"), str) else "seedance"
    consent = body.get("consent")
    policy = consent.get("policy_text") if isinstance(consent, dict) else None
    roles = body.get("face_media_roles")
    faces = f" (faces in: {', '.join(map(str, roles))})" if isinstance(roles, list) and roles else ""
    return (
        f"this needs your consent{faces}. Policy: {str(policy or 'not given')[:1500]} "
        f"If you agree, and have the right to, pass consents={{'{flow}': {{'confirmed_terms_and_privacy': "
        "True, 'confirmed_legal_right': True, 'confirmed_screening_acknowledged': True}}"
    )


def _timing(told: StatusAnswer) -> tuple[float | None, float | None]:
    """Return the progress, and the seconds that such a job takes."""
    average, so_far = told.average_execution_time or 0.0, told.execution_duration or 0.0
    if average <= 0 or so_far < 0:
        return None, None
    return min(1.0, so_far / average), HALF_OF_THEM * average / 1000


def _video(delivery: Delivery) -> tuple[Output, ...]:
    return (Output(index=0, kind="video", details={"delivery": delivery}),)


def _blame(status: int, body: dict[str, Any]) -> Literal["input", "policy", "vendor", "unknown"]:
    kind = _in_error(body, "type")
    if isinstance(kind, str) and "policy" in kind:
        return "policy"
    words = _words_of(body.get("error")) or ""
    if status == 422 and _POLICY.search(words):
        return "policy"
    if status == 400 or (status == 422 and _LIMIT.search(words)):
        return "input"
    # A provider's failure tells its refund at the top; whatever else a 422 is, is about the content.
    return "vendor" if "credits_refunded" in body else "policy" if status == 422 else "unknown"


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _in_error(body: dict[str, Any], name: str) -> Any:
    error = body.get("error")
    found = error.get(name) if isinstance(error, dict) else None
    return body.get(name) if found is None else found


def _words_of(error: Any) -> str | None:
    if isinstance(error, dict):
        error = error.get("message") or error.get("error") or error
    if error is None or isinstance(error, str):
        return error or None
    return json.dumps(error)


def _shown(words: str) -> str:
    return redacted(words)[:LONGEST_WORDS]


def _issues(issues: Any) -> Iterator[str]:
    for issue in issues if isinstance(issues, list) else ():
        if not isinstance(issue, dict):
            continue
        for union in issue.get("unionErrors") or ():
            yield from _issues(union.get("issues") if isinstance(union, dict) else None)
        path = issue.get("path")
        where = ".".join(map(str, path)) if isinstance(path, list) else ""
        said = f"{where or 'request'}: {issue.get('message')}"
        options = issue.get("options")
        told = isinstance(options, list) and not any(str(word) in said for word in options)
        yield f"{said}; allowed are {', '.join(map(str, options or ()))}" if told else said


def _milliseconds(value: str) -> float | None:
    try:
        return max(0.0, float(value) / 1000)
    except ValueError:
        return None


def _until(answer: Answer, value: str) -> float | None:
    """Return the seconds until a moment: epoch milliseconds, epoch seconds, or seconds from now.

    Now is when the server answered, by its own clock.
    """
    try:
        moment = float(value)
        if moment < 1e9:
            return max(0.0, moment)
        moment = moment / 1000 if moment >= 1e12 else moment
        return max(0.0, moment - parsedate_to_datetime(answer.headers["date"]).timestamp())
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
