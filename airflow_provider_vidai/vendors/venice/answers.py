"""What Venice's answers mean: the status of a job, the reason of a refusal, the time to wait.

Sources: the vendor's contract (swagger 20260821), its skills of 2026-10, and what public clients measured.
Where they differ, this module follows the newer one and still understands the older one.
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
from airflow_provider_vidai.vendors.base import json_object, retry_after
from airflow_provider_vidai.vendors.fields import LenientBool, LenientFloat, LenientStr

# The contract has PROCESSING and COMPLETED only; public clients handle the others, from older documents.
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

#: How a finished video is delivered: as the answer to the status check itself, at the URL that came with the
#: purchase, or at a URL in the answer.
DeliveryMode = Literal["inline", "link", "url"]

#: Venice stores the error of a failed job, which may be a 500, and returns it to every later status check. A
#: server in trouble answers with a 500, too. This many in a row take two and a half minutes, and then
#: the job counts as failed.
SERVER_ERRORS_BELIEVED: Final = 6
#: Venice reports the time that four in five jobs do not exceed. The median job takes about this share of it,
#: if durations spread as in other queues.
MEDIAN_SHARE: Final = 0.75
#: How much of the vendor's text about a failure a message shows, in characters.
LONGEST_TEXT: Final = 600
#: Seconds for which Venice blocks a key from a model after too many errors.
ERROR_BLOCK: Final = 30.0

# The vendor documents video/mp4 only. Its own client also accepts the other one, so the bytes decide.
_MEDIA = ("video/", "application/octet-stream")
_LOOKUP_FAILED = re.compile(r"request id is invalid|media could not be found", re.IGNORECASE)
# How often in a row an answer must report that the job itself failed: a gateway sends 400 and 500, too.
_BELIEVED: Final = {400: 2, 422: 1, 500: SERVER_ERRORS_BELIEVED}
# A refusal of the content can have the shape of a provider's failure; then only its text gives it away. The
# same is true of a request that breaks a limit, such as reference audio of over 15 s (seen 2026-09-28).
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
        """Why it failed, from whichever field has it (public clients have seen ``error`` and ``message``)."""
        reasons = dict.fromkeys(filter(None, (_text_of(self.error), self.message, self.details)))
        return _shown(": ".join(reasons)) if reasons else None


def is_video(answer: Answer) -> bool:
    """Whether a success is the finished video itself, by its content type and by its first bytes."""
    if answer.content_type and not answer.content_type.startswith(_MEDIA):
        return False
    found = recognized(answer.body)
    return found is not None and found.kind != "document"


def inline_video() -> JobStatus:
    """Return the status of a job whose status check was answered with the finished video."""
    return JobStatus(state=JobState.READY, vendor_status="COMPLETED", outputs=_video("inline"))


def reported_status(reported: StatusAnswer) -> JobStatus:
    """Return what a status in JSON means."""
    word = reported.status.upper()
    # An unknown status keeps the job running: it is paid for, and giving it up would lose it.
    state = _STATES.get(word, JobState.RUNNING)
    progress, expected = _timing(reported) if state is JobState.RUNNING else (None, None)
    body = {"error": reported.error, "credits_refunded": reported.credits_refunded}
    return JobStatus(
        state=state,
        vendor_status=reported.status,
        known=word in _STATES,
        progress=progress,
        estimated=True,
        expected=expected,
        outputs=_video("url" if reported.url else "link") if state is JobState.READY else (),
        error=reported.reason,
        charged=refund(body),
        answer=reported,
    )


def ended(answer: Answer, text: str, model: str) -> JobStatus | None:
    """Return the failure of the job that an error answer reports; None when it does not concern the job.

    Venice stores a failure with the job and returns it to every later status check. A 400 or 422 is
    conclusive soon, a 500 only after several in a row.

    :param text: the vendor's explanation.
    :param model: of the job.
    """
    body = json_object(answer)
    if body is None or "error" not in body or is_lookup_failure(answer) or answer.status not in _BELIEVED:
        return None  # it comes from a gateway and not from the API, or is about the call and not the job
    return JobStatus(
        state=JobState.FAILED,
        charged=refund(body),
        blame=_blame(answer.status, body),
        believed_after=_BELIEVED[answer.status],
        vendor_status=str(answer.status),
        error=text + face_hint(model, f"{text} {_in_error(body, 'type')}"),
    )


def is_lookup_failure(answer: Answer) -> bool:
    """Whether the vendor itself says that it has no such job, or none for this key.

    Source: the vendor's skills of 2026-10 (``Request ID is invalid.``, HTTP 400) and its contract (``Media
    could not be found. Request may be invalid, expired, or deleted.``, HTTP 404). A gateway says neither.
    """
    text = explanation(answer) if answer.status in (400, 404, 410) else None
    return bool(text and _LOOKUP_FAILED.search(text))


def refund(body: dict[str, Any]) -> Charged:
    """Return what ``credits_refunded``, at the top or in ``error``, says about the charge."""
    error = body.get("error")
    refunded = body.get("credits_refunded")
    if refunded is None and isinstance(error, dict):
        refunded = error.get("credits_refunded")
    if not isinstance(refunded, bool):
        return "maybe"
    return "refunded" if refunded else "yes"


def refunded_of(answer: Answer) -> Charged:
    """Return what an answer says about the charge; "maybe" when it says nothing."""
    return refund(json_object(answer) or {})


def wait_of(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait.

    There are three kinds of 429: the model is overloaded (``Retry-After``), the quota is used up (the header
    has the reset of the request window), or there were too many errors (``x-ratelimit-resets``, a block of
    30 s).
    """
    asked = _milliseconds(answer.headers.get("retry-after-ms", ""))
    asked = retry_after(answer) if asked is None else asked
    if asked is not None or answer.status != 429:
        return asked
    if (resets := answer.headers.get("x-ratelimit-resets")) is not None:
        # By whatever clock the header is meant, the block lasts its full time.
        return max(_until(answer, resets) or 0.0, ERROR_BLOCK)
    return _until(answer, answer.headers.get("x-ratelimit-reset-requests", ""))


def checks_left(answer: Answer) -> int | None:
    """Return how many more calls of this kind the account may make now, from any machine."""
    # "x-ratelimit-remaining" without a suffix is about errors, not about calls.
    value = answer.headers.get("x-ratelimit-remaining-requests", "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def is_quota(answer: Answer) -> bool:
    """Whether a 429 is about the account's requests, and not about one model or its errors."""
    headers = answer.headers
    return "x-ratelimit-resets" not in headers and "x-ratelimit-reset-requests" in headers


def explanation(answer: Answer) -> str | None:
    """Return the vendor's explanation; None when the answer has none of the known shapes."""
    body = json_object(answer)
    if body is None:
        return None
    issues = list(_issues(body.get("issues")))
    said = _text_of(body.get("error")) or _text_of(body)
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


def face_hint(model: str, text: str) -> str:
    """Return the usual reason of a content refusal; "" where none is known.

    Source: paid runs of a public test harness in 2026-09 and -10. ``seedance-*-basic`` refused 31 of 32
    requests with a person in the picture, the other seedance models about 6 %, and the text was always about
    the prompt or the policy.
    """
    if not model.startswith("seedance-") or not _POLICY.search(text):
        return ""
    return (
        " On seedance models the usual reason is a person's face in a picture or video that was sent, not "
        "the prompt. Try another picture, or a model without '-basic'."
    )


def consent_text(answer: Answer) -> str | None:
    """Return what a 409 wants consent for, and how to give it; None when it is about something else."""
    body = json_object(answer)
    if answer.status != 409 or body is None or _in_error(body, "code") != "needs_consent":
        return None
    flow = body.get("consent_flow") if isinstance(body.get("consent_flow"), str) else "seedance"
    consent = body.get("consent")
    policy = consent.get("policy_text") if isinstance(consent, dict) else None
    roles = body.get("face_media_roles")
    faces = f" (faces in: {', '.join(map(str, roles))})" if isinstance(roles, list) and roles else ""
    return (
        f"this needs your consent{faces}. Policy: {str(policy or 'not given')[:1500]} "
        f"If you agree and have the right to, pass consents={{'{flow}': {{'confirmed_terms_and_privacy': "
        "True, 'confirmed_legal_right': True, 'confirmed_screening_acknowledged': True}}"
    )


def _timing(reported: StatusAnswer) -> tuple[float | None, float | None]:
    """Return the progress, and the seconds that a job like this takes."""
    average, so_far = reported.average_execution_time or 0.0, reported.execution_duration or 0.0
    if average <= 0 or so_far < 0:
        return None, None
    # One job in five takes longer than this time, so the share is cut at 1.
    return min(1.0, so_far / average), MEDIAN_SHARE * average / 1000


def _video(delivery: DeliveryMode) -> tuple[Output, ...]:
    return (Output(index=0, kind="video", details={"delivery": delivery}),)


def _blame(status: int, body: dict[str, Any]) -> Literal["input", "policy", "vendor", "unknown"]:
    kind = _in_error(body, "type")
    if isinstance(kind, str) and "policy" in kind:
        return "policy"
    text = _text_of(body.get("error")) or ""
    if status == 422 and _POLICY.search(text):
        return "policy"
    if status == 400 or (status == 422 and _LIMIT.search(text)):
        return "input"
    # An answer about a provider's failure reports the refund at its top. Any other 422 is about the content.
    return "vendor" if "credits_refunded" in body else "policy" if status == 422 else "unknown"


def _in_error(body: dict[str, Any], name: str) -> Any:
    error = body.get("error")
    found = error.get(name) if isinstance(error, dict) else None
    return body.get(name) if found is None else found


def _text_of(error: Any) -> str | None:
    if isinstance(error, dict):
        error = error.get("message") or error.get("error") or error
    if error is None or isinstance(error, str):
        return error or None
    return json.dumps(error)


def _shown(text: str) -> str:
    return redacted(text)[:LONGEST_TEXT]


def _issues(issues: Any) -> Iterator[str]:
    for issue in issues if isinstance(issues, list) else ():
        if not isinstance(issue, dict):
            continue
        # A field that takes several types has the problems of each of them one level deeper.
        for union in issue.get("unionErrors") or ():
            yield from _issues(union.get("issues") if isinstance(union, dict) else None)
        path = issue.get("path")
        where = ".".join(map(str, path)) if isinstance(path, list) else ""
        said = f"{where or 'request'}: {issue.get('message')}"
        options = issue.get("options")
        # Most messages about a closed list name its values already: "Expected '5s' | '10s', received '7s'".
        unsaid = isinstance(options, list) and not any(str(word) in said for word in options)
        yield f"{said}; allowed are {', '.join(map(str, options or ()))}" if unsaid else said


def _milliseconds(value: str) -> float | None:
    try:
        return max(0.0, float(value) / 1000)
    except ValueError:
        return None


def _until(answer: Answer, value: str) -> float | None:
    """Return the seconds until a moment, given as epoch milliseconds, epoch seconds, or seconds from now.

    "Now" is the answer's own Date header: a worker's clock may be wrong.
    """
    try:
        moment = float(value)
        if moment < 1e9:
            return max(0.0, moment)
        moment = moment / 1000 if moment >= 1e12 else moment
        return max(0.0, moment - parsedate_to_datetime(answer.headers["date"]).timestamp())
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
