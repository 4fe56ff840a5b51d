"""Vizard: short clips with subtitles from a long video; captions for clips, and their publishing.

The vendor fetches a source by its URL; there is no upload. Every outcome is a ``code`` in the JSON of an
answer with HTTP 200 (:mod:`airflow_provider_vidai.vendors.vizard.codes`). There is no idempotency key and no
list of projects, so a purchase whose answer was lost cannot be found again. Projects cannot be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import JsonValue, ValidationError

from airflow_provider_vidai.answers import Answer, clean, parsed
from airflow_provider_vidai.errors import ApiError, InputError, JobError, JobGone, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.title import slug
from airflow_provider_vidai.redaction import redacted, shown
from airflow_provider_vidai.vendors.base import REFUSED, Vendor, json_object, still_there
from airflow_provider_vidai.vendors.vizard.answers import (
    Captioned,
    Created,
    SocialAccounts,
    VizardProject,
    chosen,
)
from airflow_provider_vidai.vendors.vizard.codes import TABLE, CallName, End, Meaning, limit_wait, meaning
from airflow_provider_vidai.vendors.vizard.requests import ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import CaptionRequest, PublishRequest

T = TypeVar("T")

#: How often in a row an undocumented code must come before the project counts as failed: it is paid for.
UNKNOWN_BELIEVED = 5
#: Timeout of a caption in seconds: it is written while the call waits.
CAPTION_TIMEOUT = 300.0
#: Timeout of a purchase in seconds. A purchase that timed out has an unknown outcome.
CREATE_TIMEOUT = 120.0

_STATES = {
    End.DONE: JobState.READY,
    End.RUNNING: JobState.RUNNING,
    End.FAILED: JobState.FAILED,
    End.GONE: JobState.GONE,
}


class Vizard(Vendor):
    """The calls of Vizard's open API."""

    name = "vizard"
    label = "Vizard"
    base_url = "https://elb-api.vizard.ai/hvizard-server-front/open-api/v1"
    dashboard = "https://vizard.ai"
    unpriced = "Vizard bills the minutes of the source, whose length is not known here"
    keeps_seconds = 7 * 86400.0

    def key_header(self, key: str) -> Mapping[str, str]:
        """Return the key's header, underscores and all."""
        return {"VIZARDAI_API_KEY": key}

    def usual_seconds(self, kind: str) -> float | None:
        """Return what half an hour of speech, or the edit of three minutes, may take (public clients)."""
        return 240.0 if kind == "edit" else 600.0

    def alike(self, ref: JobRef) -> Hashable:
        """Return the kind and the length of the source, where it was known, within a factor of two."""
        seconds = ref.params.get("source_seconds")
        return ref.kind, int(seconds / 60).bit_length() if isinstance(seconds, (int, float)) else None

    def doing(self, ref: JobRef, status: JobStatus) -> str:
        """Return what Vizard does with a project."""
        return "Vizard is editing the video" if ref.kind == "edit" else "Vizard is making the clips"

    def check(self) -> Call[str]:
        """List the social accounts: it is free, and needs a valid key."""
        doing = "check the API key"

        def parse(answer: Answer) -> str:
            body = self._answered("accounts", answer, doing, codeless=True)
            try:
                connected = len(SocialAccounts.model_validate(body).accounts)
            except ValidationError:
                return "Vizard accepts the API key; its list of social accounts is unreadable."
            return f"Vizard accepts the API key; {connected} social accounts are connected."

        return Call(doing, "GET", self.social_accounts().path, parse)

    # --- clips

    def create(
        self, request: ProjectRequest, *, conn_id: str, params: Mapping[str, JsonValue] | None = None
    ) -> Call[Receipt]:
        """Return the purchase of a project.

        :param params: the choice of clips, see :func:`~airflow_provider_vidai.vendors.vizard.answers.chosen`.
        """
        doing = "create a project"

        def parse(answer: Answer) -> Receipt:
            body = self._answered("create", answer, doing)
            created = Created.model_validate(body)
            if created.project_id is None:
                raise self.unreadable(answer, doing)
            ref = JobRef(
                vendor=self.name,
                conn_id=conn_id,
                job_id=created.project_id,
                kind="edit" if request.mode == "edit" else "project",
                params=dict(params or {}),
            )
            return Receipt(ref=ref, vendor_status="accepted")

        return Call(
            doing,
            "POST",
            "/project/create",
            parse,
            repeat=Repeat.ONCE,
            body=request.body(),
            timeout=CREATE_TIMEOUT,
            cost=request.minutes((params or {}).get("source_seconds")),
        )

    def project(self, project_id: str) -> Call[VizardProject]:
        """Return the call that reads a project with all of its fields, whatever its state.

        :raises VidaiError: when the answer is about the call (key, limit, no JSON) and not the project.
        """
        doing = f"read project {project_id}"
        return Call(
            doing, "GET", _query_path(project_id), lambda answer: self._project(answer, doing, project_id)
        )

    def status(self, ref: JobRef) -> Call[JobStatus]:
        """Return the status check of a project."""
        doing = f"read the status of {ref.kind} {ref.job_id}"

        def parse(answer: Answer) -> JobStatus:
            if answer.status in REFUSED:
                # Vizard itself answers with a code in HTTP 200 (by its error table and all public clients).
                return self.no_such_job(answer, doing)
            return project_status(self._project(answer, doing, ref.job_id), ref)

        return Call(doing, "GET", _query_path(ref.job_id), parse)

    def fetch(
        self, ref: JobRef, output: Output, *, url: str | None = None, base_url: str = ""
    ) -> Call[Fetch]:
        """Return the call that reads a fresh URL of a clip from its project."""
        # Without its params the ref means the whole project: a choice of clips must not hide this one.
        status = self.status(ref.model_copy(update={"params": {}}))

        def parse(answer: Answer) -> Fetch:
            found = status.parse(answer)
            still_there(ref, found)
            if found.state is not JobState.READY:
                raise JobError(
                    f"{ref} is not ready: Vizard says {found.vendor_status!r}.",
                    todo="A retry checks again.",
                    charged="yes",
                    retryable=True,
                )
            link = _link(found.answer, output)
            if link is None:
                raise JobGone(
                    f"{ref} no longer has the clip {_named(output)}: Vizard deletes clips after 7 days.",
                    charged="yes",
                )
            return Fetch(url=link, kind="video")

        return Call(status.name, status.method, status.path, parse)

    def file_stem(self, ref: JobRef, output: Output) -> str:
        """Return the title with the clip's id: clips of several projects may be stored in one folder."""
        title = slug(output.title) or slug(ref.title) or "clip"
        return f"{title}-{output.details.get('video_id') or f'{ref.job_id}-{output.index}'}"

    # --- captions and publishing

    def social_accounts(self) -> Call[SocialAccounts]:
        """Return the call that lists the connected accounts."""
        doing = "list the social accounts"

        def parse(answer: Answer) -> SocialAccounts:
            body = self._answered("accounts", answer, doing, codeless=True)
            try:
                return SocialAccounts.model_validate(body)
            except ValidationError:
                raise self.unreadable(answer, doing) from None

        return Call(doing, "GET", "/project/social-accounts", parse)

    def caption(self, request: CaptionRequest) -> Call[Receipt]:
        """Return the purchase of a caption."""
        doing = f"write a caption for clip {request.video_id}"

        def parse(answer: Answer) -> Receipt:
            written = Captioned.model_validate(self._answered("caption", answer, doing))
            if written.caption is None:
                raise self.unreadable(answer, doing)
            return Receipt(
                result={
                    "video_id": str(request.video_id),
                    "caption": written.caption,
                    "title": written.title,
                }
            )

        return self._once(doing, "/project/ai-social", parse, request.body(), timeout=CAPTION_TIMEOUT)

    def publish(self, request: PublishRequest) -> Call[Receipt]:
        """Return the publishing of a clip. The vendor reports that it was accepted, never its outcome."""
        doing = f"publish clip {request.video_id}"

        def parse(answer: Answer) -> Receipt:
            self._answered("publish", answer, doing)
            return Receipt(
                result={
                    "video_id": str(request.video_id),
                    "social_account_id": request.social_account_id,
                    "publish_at": request.publish_at,
                    "accepted": True,
                }
            )

        return self._once(doing, "/project/publish-video", parse, request.body())

    @staticmethod
    def _once(
        doing: str,
        path: str,
        parse: Callable[[Answer], Receipt],
        body: dict[str, JsonValue],
        timeout: float | None = None,
    ) -> Call[Receipt]:
        return Call(doing, "POST", path, parse, repeat=Repeat.ONCE, body=body, timeout=timeout)

    # --- what answers mean

    def retry_after(self, answer: Answer) -> float | None:
        """Return the wait that the headers ask for; for an HTTP 429 without one, the wait for both limits."""
        asked = super().retry_after(answer)
        return limit_wait("create") if asked is None and answer.status == 429 else asked

    def error_text(self, answer: Answer) -> str:
        """Return the vendor's explanation."""
        body = json_object(answer)
        text = body and (body.get("errMsg") or body.get("message"))
        return redacted(text)[:300] if isinstance(text, str) else super().error_text(answer)

    def _project(self, answer: Answer, doing: str, project_id: str) -> VizardProject:
        body = self._answered("query", answer, doing)
        try:
            return VizardProject.model_validate({"projectId": project_id, **body})
        except ValidationError:
            raise self.unreadable(answer, doing) from None

    def _answered(
        self, call: CallName, answer: Answer, doing: str, *, codeless: bool = False
    ) -> dict[str, Any]:
        """Return the JSON of an answer to a call that Vizard carried out.

        A query is carried out even when it reports that the project failed; any other call only when it
        succeeded.

        :param codeless: whether an answer without a code is a success.
        :raises VidaiError: what the code means, or the HTTP status where there is no code.
        """
        body = json_object(answer)
        code = _code(body)
        # A code counts with HTTP 4xx, too. With a 5xx it does not: then the outcome of the call is unknown.
        if code is None or answer.status >= 500:
            body = self.read(answer, doing)
            if code is None and not codeless:
                raise self.unreadable(answer, doing)
            return body
        means = meaning(call, code)
        if call == "create" and Created.model_validate(body).project_id:
            # There is a project, whatever the answer says, and Vizard takes the minutes when it makes one.
            # So the refusal does not prove that nothing was charged. A query reports the project's state.
            return body or {}
        if means.end in _STATES and (call == "query" or means.end is End.DONE):
            return body or {}
        raise self._failure(call, answer, doing, code, means)

    def _failure(self, call: CallName, answer: Answer, doing: str, code: int, means: Meaning) -> VidaiError:
        text = self.error_text(answer).rstrip(". ") if _has_text(answer) else ""
        said = f"Vizard answered '{doing}' with code {code}{f' ({text})' if text else ''}: {means}"
        if means.end is End.REFUSED:
            return InputError(f"{said}.", fate="Nothing was charged.")
        if means.end is End.WAIT:
            return ApiError(
                f"{said}.",
                status=answer.status,
                retryable=True,
                retry_after=super().retry_after(answer) or limit_wait(call),
                processed="no",
            )
        if means.end is End.ACCOUNT:
            return ApiError(f"{said}.", status=answer.status, processed="no", account=True)
        return ApiError(f"{said}.", status=answer.status)


VIZARD = Vizard()


def project_status(project: VizardProject, ref: JobRef) -> JobStatus:
    """Return the status of ``ref``, from what the vendor reports about its project."""
    means = meaning("query", project.code)
    known = project.code in TABLE["query"]
    state = _STATES.get(means.end, JobState.RUNNING)
    ended = state in (JobState.FAILED, JobState.GONE)
    text = redacted(project.message or "").rstrip(". ")
    outputs = chosen(project, ref) if state is JobState.READY else ()
    # One undocumented code does not end a paid job, and one answer without clips does not finish it.
    doubted = UNKNOWN_BELIEVED if ended and not known else 1
    if state is JobState.READY and not project.videos:
        doubted = 2
    return JobStatus(
        state=state,
        vendor_status=f"{project.code} {means.text}",
        known=known,
        outputs=outputs,
        error=(f"{text}; " if text else "") + (means.remedy or means.text) if ended else None,
        # Minutes are taken at the purchase, and users report failures without a refund.
        charged="maybe",
        blame=means.blame if state is JobState.FAILED else "unknown",
        believed_after=doubted,
        answer=project,
    )


def with_clips_for(status: JobStatus, ref: JobRef) -> JobStatus:
    """Return a status with the clips that ``ref`` asks for, though it was read with another ref."""
    project = status.answer
    if status.state is not JobState.READY or not isinstance(project, VizardProject):
        return status
    return status.model_copy(update={"outputs": chosen(project, ref)})


def parse_webhook(body: bytes | str | Mapping[str, Any]) -> tuple[str, JobStatus]:
    """Return a project's id and status from the body of the one request that the vendor sends to a webhook.

    The body is the JSON of a query's answer, and nothing is signed. Anybody can send it, so it is only a hint
    to check the project.

    :raises InputError: when the body is not about a project.
    """
    try:
        found = parsed(body) if isinstance(body, (bytes, str)) else clean(body)
        project = VizardProject.model_validate(found)
    except (ValueError, RecursionError):
        raise InputError(
            "This is not what Vizard sends to a webhook: it is not JSON with a code.", fate=""
        ) from None
    if not project.project_id:
        raise InputError("This is not what Vizard sends to a webhook: it names no project.", fate="")
    ref = JobRef(vendor="vizard", conn_id="webhook", job_id=project.project_id, kind="project")
    return project.project_id, project_status(project, ref)


def _query_path(project_id: str) -> str:
    return f"/project/query/{quote(project_id, safe='')}"


def _code(body: Mapping[str, Any] | None) -> int | None:
    code = (body or {}).get("code")
    if isinstance(code, bool) or not isinstance(code, (int, float, str)):
        return None
    try:
        return int(code)
    except (ValueError, OverflowError):
        return None


def _has_text(answer: Answer) -> bool:
    body = json_object(answer) or {}
    return bool(body.get("errMsg") or body.get("message"))


def _link(project: VizardProject, output: Output) -> str | None:
    """Return the URL of a clip, found by its id or, in the oldest API without ids, by its index and title."""
    clips = project.clips()
    wanted = output.details.get("video_id")
    if wanted is not None:
        return next((clip.video_url for clip in clips if clip.video_id == str(wanted)), None)
    if output.index < len(clips) and clips[output.index].title == output.title:
        return clips[output.index].video_url
    return None


def _named(output: Output) -> str:
    return str(output.details.get("video_id") or (shown(output.title) if output.title else output.index))
