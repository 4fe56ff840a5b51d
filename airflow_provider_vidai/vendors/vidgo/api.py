"""Vidgo: images, videos and music from one task API (submit, poll, download).

All tasks are bought at one endpoint and polled at one of two: music has its own. Files are kept for 24 hours
from the purchase, at plain URLs that are never renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from pydantic import JsonValue

from airflow_provider_vidai.answers import Answer, clean, parsed
from airflow_provider_vidai.errors import InputError, JobError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.vendors.base import NOT_FOUND, REFUSED, Vendor, still_there
from airflow_provider_vidai.vendors.vidgo.answers import (
    BalanceAnswer,
    StatusAnswer,
    SubmittedAnswer,
    TaskAnswer,
    Uploaded,
    UploadedAnswer,
    error_type,
    existing_task,
    explanation,
    files_of,
    names_the_task,
    status_of,
    with_inner_status,
)
from airflow_provider_vidai.vendors.vidgo.billing import VidgoBooks

#: Published on the vendor's pages of prices.
USD_PER_CREDIT: Final = 0.005
#: For how long a task's files are kept, in seconds. An uploaded picture is kept three times as long.
LEASE: Final = 24 * 3600.0
#: For how much longer, in seconds, files may still exist: their 24 hours count from when they were made, and
#: the longest tasks take half an hour.
LEASE_GRACE: Final = 1800.0
#: Timeout of a purchase in seconds. A purchase that timed out has an unknown outcome.
SUBMIT_TIMEOUT: Final = 120.0
#: Timeout of an upload in seconds: the vendor may have to fetch the picture itself.
UPLOAD_TIMEOUT: Final = 120.0
#: Five uploads a minute are allowed, so the next one is let in after this many seconds.
UPLOAD_PAUSE: Final = 12.0
#: How often an upload is sent: so often that the attempts go on for more than a minute.
UPLOAD_ATTEMPTS: Final = 7
#: The media types that can be uploaded.
UPLOAD_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
#: The largest picture that is sent, in bytes of base64. The vendor documents no limit.
UPLOAD_LIMIT: Final = 40_000_000


class Vidgo(Vendor):
    """The calls of Vidgo's generation API."""

    name = "vidgo"
    label = "Vidgo"
    base_url = "https://api.vidgo.ai"
    dashboard = "https://vidgo.ai/apis/dashboard/api-key"
    worth = MappingProxyType({"credits": USD_PER_CREDIT})
    unpriced = "Vidgo reports no price"
    books = VidgoBooks()
    keeps_seconds = LEASE

    def key_header(self, key: str) -> Mapping[str, str]:
        """Return the ``Authorization`` header."""
        return {"Authorization": f"Bearer {key}"}

    def usual_seconds(self, kind: str) -> float | None:
        """Return what an image (15 to 60 s) or a song may take; a video reports its progress itself."""
        return 120.0 if kind == "music" else 30.0

    def doing(self, ref: JobRef, status: JobStatus) -> str:
        """Return what Vidgo does with a task."""
        if status.vendor_status.strip().lower() == "not_started":
            return "the job waits in Vidgo's queue"
        return "Vidgo is making the music" if ref.kind == "music" else "Vidgo is making the picture or video"

    def check(self) -> Call[str]:
        """Return the call that reads the balance, as a sentence."""
        balance = self.balance()
        return Call(
            "check the API key",
            "GET",
            balance.path,
            lambda answer: f"Vidgo accepts the API key. The account has {balance.parse(answer):g} credits.",
        )

    def balance(self) -> Call[float]:
        """Return the call that reads how many credits an account has (see :data:`USD_PER_CREDIT`)."""
        doing = "read the balance"
        return Call(
            doing,
            "GET",
            "/api/user/balance",
            lambda answer: self.parse(BalanceAnswer, answer, doing).data.credits_amount,
        )

    # --- uploads

    def upload(self, data_uri: str) -> Call[Uploaded]:
        """Return the call that uploads a picture, which is kept for 72 hours.

        The file name is not sent. The vendor's own names cannot be guessed, and no picture replaces another.

        :param data_uri: base64, without line breaks; JPEG, PNG, GIF or WebP.
        """
        return self._upload("base64", {"base64_data": data_uri})

    def upload_from(self, url: str) -> Call[Uploaded]:
        """Return the call that has the vendor fetch a public picture and keep it for 72 hours."""
        return self._upload("url", {"file_url": url})

    def _upload(self, how: str, body: dict[str, JsonValue]) -> Call[Uploaded]:
        doing = "upload a picture"

        def parse(answer: Answer) -> Uploaded:
            answer = with_inner_status(answer)
            if answer.status == 429:
                raise self.refusal(answer, doing, wait=UPLOAD_PAUSE)
            return self.parse(UploadedAnswer, answer, doing).data

        return Call(doing, "POST", f"/api/common/upload/{how}", parse, body=body, timeout=UPLOAD_TIMEOUT)

    # --- buying

    def submit(
        self,
        model: str,
        asked: dict[str, JsonValue],
        *,
        kind: str,
        conn_id: str,
        now: float,
        callback_url: str | None = None,
    ) -> Call[Receipt]:
        """Return the purchase of a task.

        :param asked: the ``input``.
        :param kind: where the task is polled: ``media`` or ``music``.
        :param now: seconds since the epoch. The job keeps it, because the vendor's own times have no zone and
            the files are deleted 24 hours later.
        """
        doing = f"submit a task to {model}"
        ref = {"vendor": self.name, "conn_id": conn_id, "kind": kind}

        def parse(answer: Answer) -> Receipt:
            answer = with_inner_status(answer)
            if answer.status == 409:
                return self._existing(answer, asked, ref, doing)
            task = self.parse(SubmittedAnswer, answer, doing).data
            params = {"bought_at": int(now), "model": model}
            job = JobRef.model_validate({**ref, "job_id": task.task_id, "params": params})
            # The answers of some models (seedream-5.0-lite) have no status.
            return Receipt(ref=job, vendor_status=task.status or "not_started", cost=task.cost)

        body: dict[str, JsonValue] = {"model": model, "input": asked}
        if callback_url:
            body["callback_url"] = callback_url
        return Call(
            doing,
            "POST",
            "/api/generate/submit",
            parse,
            repeat=Repeat.ONCE,
            body=body,
            timeout=SUBMIT_TIMEOUT,
        )

    def _existing(self, answer: Answer, asked: dict[str, JsonValue], ref: Any, doing: str) -> Receipt:
        """Return the earlier task that made the same from a song, if the answer names it.

        The vendor answers like this instead of making it again, and charges nothing.
        """
        name = existing_task(answer, asked)
        if name is not None:
            # Without bought_at: the files of that task are deleted 24 hours after a moment that is not known
            # here.
            job = JobRef.model_validate({**ref, "job_id": name})
            return Receipt(ref=job, vendor_status="exists", cost={"credits": 0})
        text = self.error_text(answer).rstrip(". ")
        raise InputError(
            f"Vidgo did not {doing}: {text}. It was made before, but the answer does not name the task. Pass "
            "that task's id to VidgoDownloadOperator.",
            fate="Nothing was charged.",
        )

    # --- afterwards

    def params_of(self, model: str | None, bought_at: float) -> dict[str, JsonValue]:
        """Return when it was bought, because the files are deleted 24 hours later."""
        return {"bought_at": int(bought_at)}

    def status(self, ref: JobRef) -> Call[JobStatus]:
        """Return the status check of a task."""
        doing = f"read the status of {ref.kind} {ref.job_id}"

        def parse(answer: Answer) -> JobStatus:
            answer = with_inner_status(answer)
            # The media endpoint answers a music task's id with a 400 that points to the other endpoint.
            if answer.status == 400 and "detail/music" in self.error_text(answer):
                raise InputError(f"{ref} is a music task: pass kind='music' with its id.")
            if answer.status in REFUSED:
                own = answer.status in NOT_FOUND and names_the_task(answer)
                return self.no_such_job(answer, doing, vendors_own=own)
            return status_of(self.parse(StatusAnswer, answer, doing).data)

        if ref.kind == "music":
            return Call(doing, "GET", "/api/generate/detail/music", parse, query=(("task_id", ref.job_id),))
        return Call(doing, "GET", f"/api/generate/status/{quote(ref.job_id, safe='')}", parse)

    def fetch(
        self, ref: JobRef, output: Output, *, url: str | None = None, base_url: str = ""
    ) -> Call[Fetch]:
        """Return the call that reads the file's URL from the task."""
        status = self.status(ref)

        def parse(answer: Answer) -> Fetch:
            found = status.parse(answer)
            still_there(ref, found)
            assert isinstance(found.answer, TaskAnswer)
            for file in files_of(found.answer):
                # The kind as well as the index, because some models add a file, such as the last frame of a
                # video.
                if (file.output.index, file.output.kind) == (output.index, output.kind) and file.url:
                    return Fetch(url=file.url, kind=output.kind)
            raise JobError(f"{ref} is {found.vendor_status!r} and has no such {output.kind}.", charged="yes")

        return Call(status.name, status.method, status.path, parse, query=status.query)

    # --- what refusals mean

    def not_processed(self, answer: Answer) -> bool:
        """Whether it is a 429, or the documented "the server is busy"."""
        return answer.status == 429 or (answer.status == 503 and error_type(answer) == "service_error")

    def error_text(self, answer: Answer) -> str:
        """Return the vendor's explanation in either of its shapes."""
        return explanation(answer) or super().error_text(answer)

    def read(self, answer: Answer, doing: str) -> dict[str, Any]:
        """Return the JSON object of a success; the code in its body must report a success, too."""
        return super().read(with_inner_status(answer), doing)


VIDGO = Vidgo()


def parse_webhook(body: bytes | str | Mapping[str, Any]) -> tuple[str, JobStatus]:
    """Return a task's id and status from the body of a callback: the task itself, or wrapped in ``data``.

    Nothing is signed. Anybody can send it, so it is only a hint to check the task.

    :raises InputError: when the body is not about a task.
    """
    try:
        found = parsed(body) if isinstance(body, (bytes, str)) else clean(body)
        wrapped = found.get("data") if isinstance(found, Mapping) else None
        task = TaskAnswer.model_validate(wrapped if isinstance(wrapped, Mapping) else found)
    except (ValueError, RecursionError):
        raise InputError(
            "This is not what Vidgo sends to a callback: it is not JSON with a status.", fate=""
        ) from None
    if not task.task_id:
        raise InputError("This is not what Vidgo sends to a callback: it names no task.", fate="")
    return task.task_id, status_of(task)


def lease_left(ref: JobRef, now: float) -> float | None:
    """Return for how many more seconds a task's files are kept; None when the purchase's time is unknown.

    Down to minus :data:`LEASE_GRACE` they may still exist.
    """
    bought_at = ref.params.get("bought_at")
    if isinstance(bought_at, bool) or not isinstance(bought_at, (int, float)):
        return None
    return bought_at + LEASE - now
