"""Venice: text, images and video to video, priced before it is bought (quote, queue, retrieve, download).

One call both reports a job's status and delivers its video: ``POST /video/retrieve`` answers with JSON while
the job runs, and with the finished MP4 afterwards. Some models deliver by a URL instead, which Venice returns
only once, with the purchase. Whoever has that URL can get the video, so it is a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import InputError, JobError, JobFailed, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.redaction import redacted
from airflow_provider_vidai.vendors.base import REFUSED, Limits, Vendor, is_loopback, still_there
from airflow_provider_vidai.vendors.fields import LenientStr
from airflow_provider_vidai.vendors.venice.answers import (
    StatusAnswer,
    checks_left,
    consent_text,
    ended,
    explanation,
    face_hint,
    inline_video,
    is_lookup_failure,
    is_quota,
    is_video,
    refunded_of,
    reported_status,
    wait_of,
)
from airflow_provider_vidai.vendors.venice.billing import VeniceBooks
from airflow_provider_vidai.vendors.venice.catalogue import Model
from airflow_provider_vidai.vendors.venice.requests import PRICED, VideoRequest

#: The largest request that Venice accepts, in bytes of JSON.
BODY_LIMIT = 35_000_000
#: Timeout of a purchase in seconds. The queue is slow under load, and a purchase that timed out has an
#: unknown outcome.
QUEUE_TIMEOUT = 120.0
#: Timeout of a transcript in seconds: it is made while the call waits.
TRANSCRIPT_TIMEOUT = 600.0

_RETRIEVE = "/video/retrieve"
_NO_JOB = "00000000-0000-4000-8000-000000000000"
_OWN_HOST = "venice.ai"


class QueuedAnswer(BaseModel):
    """The answer to a purchase."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    queue_id: str = Field(min_length=1)
    model: LenientStr = None
    download_url: LenientStr = Field(default=None, repr=False)


class QuoteAnswer(BaseModel):
    """A price in USD."""

    quote: float = Field(ge=0, allow_inf_nan=False)


class Venice(Vendor):
    """The calls of Venice's video API."""

    name = "venice"
    label = "Venice"
    base_url = "https://api.venice.ai/api/v1"
    dashboard = "https://venice.ai/settings/api"
    unpriced = "Venice quoted no price"
    books = VeniceBooks()
    keeps_seconds = 24 * 3600.0
    # This limit is per user. Quotes and purchases have limits of their own (40 a minute).
    limits = Limits(polls_per_minute=120)

    def key_header(self, key: str) -> Mapping[str, str]:
        """Return the ``Authorization`` header."""
        return {"Authorization": f"Bearer {key}"}

    def usual_seconds(self, kind: str) -> float | None:
        """Return what a clip may take, until the vendor's own figure arrives with the first status."""
        return 120.0

    def doing(self, ref: JobRef, status: JobStatus) -> str:
        """Return what Venice does with a video."""
        queued = status.vendor_status.upper() in ("QUEUED", "IN_QUEUE", "PENDING")
        return "the job waits in Venice's queue" if queued else "Venice is making the video"

    def check(self) -> Call[str]:
        """Ask for a job that cannot exist. It is free and, unlike the catalogue, needs a key."""
        call = self.retrieve("none", _NO_JOB)

        def parse(answer: Answer) -> str:
            if self.account_error(answer) or not (answer.status in (400, 404) or 200 <= answer.status < 300):
                raise self.refusal(answer, "check the API key")
            balance = answer.headers.get("x-venice-balance-usd")
            return "Venice accepts the API key." + (f" It can spend {balance} USD." if balance else "")

        return Call("check the API key", "POST", call.path, parse, body=call.body)

    # --- before buying

    def models(self, kind: str = "video") -> Call[list[dict[str, JsonValue]]]:
        """Return the call that reads the catalogue.

        :param kind: ``video``, ``text`` and so on. Without a type, Venice leaves the video models out.
        """
        doing = f"list the {kind} models"

        def parse(answer: Answer) -> list[dict[str, JsonValue]]:
            rows = self.read(answer, doing).get("data")
            if not isinstance(rows, list):
                raise self.unreadable(answer, doing)
            return [row for row in rows if isinstance(row, dict)]

        return Call(doing, "GET", "/models", parse, query=(("type", kind),))

    def quote(
        self, request: VideoRequest, *, reference_video_total_duration: float | None = None
    ) -> Call[float]:
        """Return the call that prices a request, in USD. A quote does not prove that a request is valid.

        :param reference_video_total_duration: seconds of all reference videos. Without it, Venice quotes too
            low a price.
        """
        doing = "quote a video"
        whole = request.body()
        body: dict[str, JsonValue] = {str(name): whole[name] for name in PRICED if name in whole}
        if reference_video_total_duration is not None:
            body["reference_video_total_duration"] = reference_video_total_duration
        if request.reference_image_urls:
            body["reference_image_count"] = len(request.reference_image_urls)
        return Call(
            doing,
            "POST",
            "/video/quote",
            lambda answer: self.parse(QuoteAnswer, answer, doing).quote,
            body=body,
            # The server may have to download a source video to price it.
            timeout=QUEUE_TIMEOUT,
        )

    # --- buying

    def queue(
        self,
        request: VideoRequest,
        *,
        conn_id: str,
        seal: Callable[[str], str],
        cost: dict[str, JsonValue] | None = None,
    ) -> Call[Receipt]:
        """Return the purchase of a video.

        :param seal: encrypts the secret URL, which some models return with this answer and never again.
        :param cost: the quoted price, kept with the receipt.
        """
        doing = "queue a video"

        def parse(answer: Answer) -> Receipt:
            if not 200 <= answer.status < 300:
                raise self._not_queued(answer, doing, request.model)
            queued = self.parse(QueuedAnswer, answer, doing)
            ref = JobRef(
                vendor=self.name,
                conn_id=conn_id,
                job_id=queued.queue_id,
                kind="generate",
                # Another model serves a request for a retired one, and Venice finds the job only by that.
                params={"model": queued.model or request.model},
            )
            secret = seal(queued.download_url) if queued.download_url else None
            return Receipt(ref=ref, vendor_status="QUEUED", cost=cost, secret=secret)

        return Call(
            doing,
            "POST",
            "/video/queue",
            parse,
            repeat=Repeat.ONCE,
            body=request.body(),
            timeout=QUEUE_TIMEOUT,
            cost=cost,
        )

    # --- afterwards

    def retrieve(self, model: str, job_id: str, *, delete: bool = False) -> Call[JobStatus]:
        """Return the status check of a job. The answer about a finished job is the video itself.

        :param delete: have the vendor delete the video that it answers with. While the job runs, this
            changes nothing.
        """
        doing = f"retrieve generate {job_id}"

        def parse(answer: Answer) -> JobStatus:
            if 200 <= answer.status < 300:
                if is_video(answer):
                    return inline_video()
                status = reported_status(self.parse(StatusAnswer, answer, doing))
                return status.model_copy(update={"checks_left": checks_left(answer)})
            if found := ended(answer, self.error_text(answer), model):
                return found
            if answer.status in REFUSED:
                return self.no_such_job(answer, doing, vendors_own=is_lookup_failure(answer))
            raise self.refusal(answer, doing)

        return Call(doing, "POST", _RETRIEVE, parse, body=_retrieval(model, job_id, delete=delete))

    def params_of(self, model: str | None, bought_at: float) -> dict[str, JsonValue]:
        """Return the model, without which Venice does not find the job."""
        return {"model": model}

    def status(self, ref: JobRef) -> Call[JobStatus]:
        """Return the status check of a job."""
        return self.retrieve(model_of(ref), ref.job_id)

    def complete(self, ref: JobRef) -> Call[bool]:
        """Return the call that releases a job's storage. It cannot cancel a job.

        It returns False when there was nothing to release. Today the vendor says so (HTTP 400) for every job
        that it queued itself.
        """
        doing = f"release {ref}"

        def parse(answer: Answer) -> bool:
            if answer.status in (400, 404, 410):
                return False
            return self.read(answer, doing).get("success") is True

        body: dict[str, JsonValue] = {"model": model_of(ref), "queue_id": ref.job_id}
        return Call(doing, "POST", "/video/complete", parse, body=body)

    def fetch(
        self, ref: JobRef, output: Output, *, url: str | None = None, base_url: str = ""
    ) -> Call[Fetch] | Fetch:
        """Return how to fetch the video: by the retrieval itself, or by one of the two kinds of URL.

        :param url: the one that came with the purchase.
        """
        # Each later retrieval of a finished job sends the whole video again.
        if output.details.get("delivery") == "inline":
            # Never with delete=True: Venice would delete the video while it is being sent, and a transfer
            # that breaks would lose what is paid for.
            body = _retrieval(model_of(ref), ref.job_id, delete=False)
            return Fetch(url=_RETRIEVE, kind="video", method="POST", body=body, with_key=True)
        # Venice never returns this URL again, so a dead one is the end of the file.
        if url is not None:
            return replace(self.link(url, base_url), once=True)
        return self._reported_url(ref, base_url)

    def link(self, url: str, base_url: str) -> Fetch:
        """Return how to fetch the file at a URL of the vendor's. The key is not sent there.

        A signed URL carries its own permission, and a file host has no use for the account's key.

        :param base_url: the account's. Its host is trusted too, because the sandbox serves files itself.
        :raises JobError: when the URL leads to a host that is not the vendor's.
        """
        own = urlsplit(base_url)
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise JobError(
                "Venice delivers this video from an address that is not a valid URL, so it was not fetched.",
                charged="yes",
            ) from None
        # An answer is data: it must not make a worker fetch from an address inside the user's network.
        vendors = parts.scheme == "https" and (host == _OWN_HOST or host.endswith(f".{_OWN_HOST}"))
        here = is_loopback(host) and is_loopback(own.hostname or "")
        if not vendors and not here and (parts.scheme, host) != (own.scheme, own.hostname):
            raise JobError(
                f"Venice delivers this video from {host or 'no host'}, which is not one of its own hosts, so "
                "it was not fetched.",
                charged="yes",
            )
        # A redirect to another host would undo the check above.
        return Fetch(url=url, kind="video", same_host=True)

    def _reported_url(self, ref: JobRef, base_url: str) -> Call[Fetch]:
        status = self.status(ref)

        def parse(answer: Answer) -> Fetch:
            found = status.parse(answer)
            still_there(ref, found)
            if isinstance(found.answer, StatusAnswer) and found.answer.url:
                return self.link(found.answer.url, base_url)
            raise JobError(
                f"{ref} is {found.vendor_status!r}, and its file is at a URL that Venice returns only once, "
                "with the purchase.",
                todo="Pass the whole result of the task that bought it (with its sealed_url), not only the "
                "job's id.",
                charged="yes",
            )

        return Call(status.name, status.method, status.path, parse, body=status.body)

    # --- what refusals mean

    def not_processed(self, answer: Answer) -> bool:
        """Whether it is a 429, or a 503 that says when to come back.

        The vendor's own clients send a purchase again in these two cases only (``venice-py`` 2.6 and later).
        """
        return answer.status == 429 or (answer.status == 503 and wait_of(answer) is not None)

    def retry_after(self, answer: Answer) -> float | None:
        """Return the wait that the headers ask for."""
        return wait_of(answer)

    def concerns_everybody(self, answer: Answer) -> bool:
        """Whether the account's quota is used up. An overloaded model, or its errors, stop no other job."""
        return is_quota(answer)

    def error_text(self, answer: Answer) -> str:
        """Return the vendor's explanation, with each field that it names."""
        return explanation(answer) or super().error_text(answer)

    def _not_queued(self, answer: Answer, doing: str, model: str) -> VidaiError:
        """Return the error for a refused purchase. Some models charge for a refusal, and the answer says so.

        Source: a public harness (2026-10): ``provider_content_policy`` with ``credits_refunded: false``.
        """
        error = self.refusal(answer, doing)
        if not isinstance(error, InputError):
            return error
        hint = face_hint(model, answer.excerpt(2000))
        charged = refunded_of(answer)
        if charged == "maybe":
            return InputError(f"{error.what}{hint}", todo=error.todo, fate=error.fate)
        text = self.error_text(answer).rstrip(". ")
        return JobFailed(
            f"Venice refused to {doing} with HTTP {answer.status}: {text}.{hint}",
            todo="Correct the request.",
            charged=charged,
        )

    def refusal(self, answer: Answer, doing: str, *, wait: float | None = None) -> VidaiError:
        """Return the error for an answer that is not a success; it says how to give a missing consent."""
        consent = consent_text(answer)
        if consent is None:
            return super().refusal(answer, doing, wait=wait)
        return InputError(f"Venice did not {doing}: {consent}.", fate="Nothing was charged.")


VENICE = Venice()


def deprecation_notice(answer: Answer) -> str | None:
    """Return what an answer's headers say about its model's retirement. Source: the vendor's contract."""
    warning = answer.headers.get("x-venice-model-deprecation-warning")
    date = answer.headers.get("x-venice-model-deprecation-date") or ""
    retired = answer.headers.get("x-venice-deprecated")
    if not (warning or date or retired):
        return None
    return redacted(f"{warning or 'the model is being retired'} {date}".strip())[:300]


def model_of(ref: JobRef) -> str:
    """Return the model of a job: Venice finds a job only by its id and its model.

    :raises InputError: when the ref has no model.
    """
    model = ref.params.get("model")
    if not isinstance(model, str) or not model:
        raise InputError(f"Venice finds {ref} only by its id and its model. Pass model=.")
    return model


def catalogue_row(rows: list[dict[str, JsonValue]], model: str) -> Model | None:
    """Return what the catalogue says about ``model``; None when the model is missing or unreadable."""
    for row in rows:
        if row.get("id") == model:
            try:
                return Model.model_validate(row)
            except ValidationError:
                return None
    return None


def _retrieval(model: str, job_id: str, *, delete: bool) -> dict[str, JsonValue]:
    return {"model": model, "queue_id": job_id, "delete_media_on_completion": delete}
