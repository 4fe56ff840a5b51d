"""What every vendor module offers, and how answers are read where all vendors are alike."""

from __future__ import annotations

import ipaddress
import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobFailed, JobGone, VidaiError
from airflow_provider_vidai.jobs.books import Charge, Reading
from airflow_provider_vidai.jobs.calls import Call, Fetch
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.title import short_id, slug
from airflow_provider_vidai.redaction import redacted, shown

R = TypeVar("R", bound=BaseModel)

#: Statuses by which a server refuses a request without acting on it, because of what was asked.
REFUSED = frozenset({400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451})
#: Statuses by which an API says that it has no such job. A failing gateway answers with them too, even in
#: JSON. So, unless the text is the vendor's own, they count only after this many seconds and this many
#: answers in a row: a paid job must not be given up too early.
NOT_FOUND = frozenset({404, 410})
NOT_FOUND_BELIEVED_FOR = 300.0
NOT_FOUND_BELIEVED_AFTER = 4
#: Statuses that are about the key or the account.
ACCOUNT = frozenset({401, 402, 403})

_REMEDIES = {
    401: "Check the API key in the connection's password field",
    402: "The account cannot pay for this: top up its balance or plan",
    403: "The account or its plan does not allow this: check the plan and the key's rights",
}


@dataclass(frozen=True)
class Limits:
    """What an account allows.

    :param polls_per_minute: status calls; None where the vendor publishes no limit.
    """

    polls_per_minute: int | None = None


class BookCalls(ABC):
    """The free calls that read a vendor's own books about an account."""

    @abstractmethod
    def spendable(self, vendor: Vendor) -> Call[Reading]:
        """Return the call that reads what the account can spend. A purchase lowers it at once."""

    def balance(self, vendor: Vendor) -> Call[Reading] | None:
        """Return the same call for an admin key; None where the vendor has none."""
        return None

    def history(self, vendor: Vendor, since: float) -> Call[tuple[Charge, ...]] | None:
        """Return the call that reads everything that the account was charged, for an admin key.

        :param since: seconds since the epoch.
        """
        return None


class Vendor(ABC):
    """One API, as pure functions from requests to calls and from answers to results."""

    name: ClassVar[VendorName]
    #: The name as the vendor writes it.
    label: ClassVar[str]
    #: Used when the connection names no host.
    base_url: ClassVar[str]
    #: The vendor's own pages, where a person sees the account and its jobs.
    dashboard: ClassVar[str]
    limits: ClassVar[Limits] = Limits()
    #: For how many seconds after a purchase the vendor keeps its files; None where it does not say.
    keeps_seconds: ClassVar[float | None] = None
    #: What the units that it bills are worth, in USD, where it publishes that.
    worth: ClassVar[Mapping[str, float]] = {}
    #: How its books are read; None where it has none.
    books: ClassVar[BookCalls | None] = None
    #: Why the cost of a purchase can be unknown.
    unpriced: ClassVar[str]

    @abstractmethod
    def key_header(self, key: str) -> Mapping[str, str]:
        """Return the header that carries the API key."""

    @abstractmethod
    def status(self, ref: JobRef) -> Call[JobStatus]:
        """Return the status check of ``ref``."""

    def params_of(self, model: str | None, bought_at: float) -> dict[str, JsonValue]:
        """Return what the reference of a job needs besides its id, for a job that a person names.

        :param model: the model that was asked for.
        :param bought_at: seconds since the epoch.
        """
        return {}

    @abstractmethod
    def fetch(
        self, ref: JobRef, output: Output, *, url: str | None = None, base_url: str = ""
    ) -> Call[Fetch] | Fetch:
        """Return how to fetch the file of ``output``, or the call that returns it.

        :param url: the secret URL that came only with the purchase, where there was one.
        :param base_url: the account's, for a vendor that must distinguish its own hosts from others.
        :raises VidaiError: when the file cannot be fetched.
        """

    @abstractmethod
    def check(self) -> Call[str]:
        """Return a free call that proves the key; it returns a sentence for a person."""

    @abstractmethod
    def usual_seconds(self, kind: str) -> float | None:
        """Return how long a job of ``kind`` usually takes, published or assumed; None for no idea.

        A person sees it as an estimate, and status checks are placed by it until enough jobs were seen.
        """

    def lacks(self, ref: JobRef, status: JobStatus) -> bool:
        """Whether a status shows that the purchase that was to start ``ref`` has not arrived."""
        return False

    def alike(self, ref: JobRef) -> Hashable:
        """Return what jobs that take about as long have in common: kind, model, size where known."""
        return ref.kind, ref.params.get("model")

    def file_stem(self, ref: JobRef, output: Output) -> str:
        """Return the name, without its suffix, of the file of ``output`` in a destination folder."""
        called = slug(output.title) or slug(ref.title)
        return f"{called}-{short_id(ref.job_id)}-{output.index}" if called else f"{ref.job_id}-{output.index}"

    def status_text(self, ref: JobRef, status: JobStatus) -> str:
        """Return what a status means, as a part of a sentence."""
        if status.state is JobState.READY:
            return f"{self.label} has finished"
        if status.state is JobState.FAILED:
            return f"{self.label} reports that the job failed"
        if status.state is JobState.GONE:
            return f"{self.label} answers that there is no such job"
        if not status.known:
            return f"{self.label} reports {shown(status.vendor_status)}, which it does not document"
        return self.doing(ref, status)

    def doing(self, ref: JobRef, status: JobStatus) -> str:
        """Return what the vendor does with a running job, as a part of a sentence."""
        return f"{self.label} is working on it"

    def not_processed(self, answer: Answer) -> bool:
        """Whether the vendor says that it did not act on the request.

        Only then, and where the connection never opened, may a purchase be sent again.
        """
        return answer.status == 429

    def account_error(self, answer: Answer) -> bool:
        """Whether the answer is about the key or the account, and not about this call."""
        return answer.status in ACCOUNT

    def retry_after(self, answer: Answer) -> float | None:
        """Return the seconds that the vendor asks to wait; None when it does not ask."""
        return retry_after(answer)

    def concerns_everybody(self, answer: Answer) -> bool:
        """Whether a requested wait holds for the whole account, and not only for calls of this kind."""
        return True

    def error_text(self, answer: Answer) -> str:
        """Return the vendor's explanation from an error answer."""
        try:
            body = answer.json()
        except ValueError:
            return redacted(answer.excerpt())
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, dict):
            error = error.get("message", error)
        return redacted(error if isinstance(error, str) else json.dumps(error))[:300]

    def refusal(self, answer: Answer, doing: str, *, wait: float | None = None) -> VidaiError:
        """Return the error for an answer that is not a success.

        It decides what the answer proves about the money. An account error, a refusal and a request that was
        not processed prove that nothing was bought; any other status leaves that open.

        :param doing: the call's name.
        :param wait: seconds to wait where the vendor asks for none.
        """
        text = self.error_text(answer).rstrip(". ")
        said = f"{self.label} answered HTTP {answer.status} to '{doing}'" + (f": {text}" if text else "")
        asked = self.retry_after(answer)
        wait = wait if asked is None else asked
        # A retry by itself cannot help here: a person has to act first.
        if self.account_error(answer):
            remedy = _REMEDIES.get(answer.status, "Check the key and the account")
            return ApiError(f"{said}.", todo=f"{remedy}.", status=answer.status, processed="no", account=True)
        if self.not_processed(answer):
            return ApiError(
                f"{said}.",
                status=answer.status,
                processed="no",
                retryable=True,
                retry_after=wait,
                everybody=self.concerns_everybody(answer),
            )
        if answer.status in REFUSED:
            return InputError(f"{said}.", todo="Correct the request.", fate="Nothing was charged.")
        # Following a redirect would send the key, or the purchase, to an address that nobody configured.
        if 300 <= answer.status < 400:
            remedy = "Redirects are not followed: check the host in the connection"
            return ApiError(f"{said}.", todo=f"{remedy}.", status=answer.status)
        # A 408 or 5xx may come after the vendor acted on the request, so it proves nothing about the money.
        return ApiError(f"{said}.", status=answer.status, retryable=True, retry_after=wait)

    def no_such_job(self, answer: Answer, doing: str, *, vendors_own: bool = False) -> JobStatus:
        """Return the status of a job whose status check was refused: it is gone.

        :param vendors_own: whether only the vendor itself answers like this, and no gateway in front of it.
        :raises ApiError: when the answer says nothing about the job.
        """
        # The vendors' APIs answer in JSON; a gateway's or a proxy's error page is HTML.
        page = answer.content_type.endswith("html") or answer.body.lstrip().startswith(b"<")
        if not vendors_own and (page or answer.status not in NOT_FOUND):
            text = self.error_text(answer).rstrip(". ")
            raise ApiError(
                f"{self.label} answered HTTP {answer.status} to '{doing}'{f': {text}' if text else ''}. "
                "That says nothing about the job.",
                status=answer.status,
                retryable=True,
            )
        return JobStatus(
            state=JobState.GONE,
            vendor_status=str(answer.status),
            error=self.error_text(answer),
            proven=False,
            believed_after=1 if vendors_own else NOT_FOUND_BELIEVED_AFTER,
            believed_for=0.0 if vendors_own else NOT_FOUND_BELIEVED_FOR,
        )

    def read(self, answer: Answer, doing: str) -> dict[str, Any]:
        """Return the JSON object of a successful answer.

        :raises VidaiError: for any other status, or when the body is not a JSON object.
        """
        if not 200 <= answer.status < 300:
            raise self.refusal(answer, doing)
        try:
            body = answer.json()
        except ValueError as error:
            raise self.unreadable(answer, doing, str(error)) from None
        if not isinstance(body, dict):
            raise self.unreadable(answer, doing)
        return body

    def parse(self, model: type[R], answer: Answer, doing: str) -> R:
        """Return a successful answer as ``model``, whose fields accept what the vendor really sends."""
        body = self.read(answer, doing)
        try:
            return model.model_validate(body)
        except ValidationError:
            raise self.unreadable(answer, doing) from None

    def unreadable(self, answer: Answer, doing: str, why: str = "") -> ApiError:
        """Return the error for a success whose body cannot be understood.

        :param why: the reason, such as the parser's message.
        """
        kind = f"{answer.content_type or 'no content type'}{why and f'; {why}'}"
        return ApiError(
            f"{self.label} answered '{doing}' with HTTP {answer.status} but an unreadable body "
            f"({kind}): {redacted(answer.excerpt(120))!r}.",
            status=answer.status,
            retryable=True,
        )


def still_there(ref: JobRef, found: JobStatus) -> None:
    """Make sure that a job that was READY before still is when its file is requested.

    One answer does not prove that the job is gone, so a retry checks again.

    :raises JobGone: when the answer says that the job does not exist.
    :raises JobFailed: when the answer says that it failed.
    """
    if found.state is JobState.GONE:
        why = found.error or f"the vendor says {found.vendor_status!r}"
        again = "" if found.proven else "A retry checks again and buys nothing."
        raise JobGone(
            f"{ref} was not found when its file was requested: {why.rstrip('. ')}.",
            todo=again,
            charged="yes",
            retryable=not found.proven,
        )
    if found.state is JobState.FAILED:
        # The job was READY before, so it was charged, unless this answer itself reports a refund.
        charged = "yes" if found.charged == "maybe" else found.charged
        raise JobFailed(f"{ref} is {found.vendor_status!r}.", charged=charged)


def json_object(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer; None when its body is anything else."""
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as the sandbox's usually is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of a Retry-After header; a date counts from the answer's own Date header."""
    value = answer.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        # A worker's clock may be wrong, so both moments are the server's.
        until = parsedate_to_datetime(value)
        return max(0.0, (until - parsedate_to_datetime(answer.headers["date"])).total_seconds())
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def without_urls(value: JsonValue) -> JsonValue:
    """Return ``value`` without the http(s) URLs in it: a vendor's file URL is a bearer secret."""
    if isinstance(value, dict):
        kept = {key: without_urls(item) for key, item in value.items()}
        # A field that held a URL is left out. As None, it would read as if the vendor had sent none.
        return {key: item for key, item in kept.items() if item is not None or value[key] is None}
    if isinstance(value, list):
        return [without_urls(item) for item in value]
    return None if isinstance(value, str) and redacted(value) != value else value
