"""VIDIO: highlight reels from your own footage (upload, reel, render, download).

There is no published REST reference. What is known comes from the vendor's own client ``vidio-ai`` 0.1.5.
What that client does not show (error bodies, prices, limits) is treated as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from pydantic import JsonValue

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import InputError, JobError, JobFailed
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output, digest
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.vendors.base import REFUSED, Vendor, still_there, without_urls
from airflow_provider_vidai.vendors.vidio.answers import CreatedAnswer, UploadAnswer, VidioJob
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest, UploadRequest, extension

# The documented statuses, and the internal ones that the vendor's client knows.
_WORKING = frozenset(
    {
        "submitted",
        "queued",
        "processing",
        "loaded",
        "cpu_work_pending",
        "small_work_pending",
        "big_work_pending",
    }
)
_WAITING = frozenset({"submitted", "queued"})
_REEL_READY = frozenset({"processed", "rendering", "rendered"})
_FAILED = frozenset({"failed", "error"})
_KNOWN = _WORKING | _REEL_READY | _FAILED

#: Seconds after which the URL of the earlier render counts as that of the new one. The vendor may serve equal
#: renders at one URL, and without this the wait for an equal one would never end.
SAME_RENDER_AFTER = 60.0

#: VIDIO bills each reel and each render; it publishes no price.
ONE_UNIT: Final[Mapping[str, JsonValue]] = MappingProxyType({"units": 1})


class Vidio(Vendor):
    """The five calls of the VIDIO API."""

    name = "vidio"
    label = "VIDIO"
    base_url = "https://api.vidio.ai"
    dashboard = "https://www.vidio.ai"
    unpriced = "VIDIO publishes no prices"

    def key_header(self, key: str) -> Mapping[str, str]:
        """Return the ``x-api-key`` header."""
        return {"x-api-key": key}

    def usual_seconds(self, kind: str) -> float | None:
        """Return what a reel of a few minutes of footage, and a render of a minute of video, may take."""
        return 90.0 if kind == "render" else 300.0

    def doing(self, ref: JobRef, status: JobStatus) -> str:
        """Return what VIDIO does with a reel or a render."""
        word = status.vendor_status
        if word in _WAITING:
            return "the job waits in VIDIO's queue"
        if ref.kind != "render":
            return "VIDIO is cutting the reel"
        return (
            "VIDIO is rendering the video" if word == "rendering" else "VIDIO has not shown this render yet"
        )

    def check(self) -> Call[str]:
        """Request an upload URL that is never used: it is free, and needs a valid key."""
        probe = UploadRequest(file_name="check.png", media_type="image", width=1, height=1, duration=0)
        url = self.upload_url(probe, upload_id="00000000-0000-4000-8000-000000000000")

        def parse(answer: Answer) -> str:
            url.parse(answer)
            return "VIDIO accepts the API key."

        return Call("check the API key", "GET", url.path, parse, query=url.query)

    def upload_url(self, upload: UploadRequest, *, upload_id: str) -> Call[str]:
        """Return the call that signs an upload.

        :param upload_id: a fresh UUID; it has nothing to do with the reel's job id.
        """
        doing = "request an upload URL"
        query = {
            "job_id": upload_id,
            "file_name": upload.file_name,
            "file_type": extension(upload.file_name),
            "media_type": upload.media_type,
            "width": str(upload.width),
            "height": str(upload.height),
            "duration": str(upload.duration),
            # The vendor's own client always sends this, and offers no way not to.
            "to_be_downscaled": "true",
        }
        return Call(
            doing,
            "GET",
            "/api/v1/uploads/upload-url",
            lambda answer: self.parse(UploadAnswer, answer, doing).url,
            query=tuple(query.items()),
        )

    @staticmethod
    def input_key(upload: UploadRequest, *, upload_id: str) -> str:
        """Return the key of an uploaded file. The client builds it, from the file's name as it is."""
        return f"uploads/{upload_id}/{upload.file_name}"

    def create_reel(self, request: ReelRequest, *, conn_id: str) -> Call[Receipt]:
        """Return the purchase of a highlight reel."""
        doing = "create a highlight reel"

        def parse(answer: Answer) -> Receipt:
            created = self.parse(CreatedAnswer, answer, doing)
            ref = JobRef(vendor=self.name, conn_id=conn_id, job_id=created.job_id, kind="reel")
            return Receipt(ref=ref, vendor_status=created.status)

        return Call(
            doing,
            "POST",
            "/api/v1/jobs/highlight-reel",
            parse,
            repeat=Repeat.ONCE,
            body=request.body(),
            cost=ONE_UNIT,
        )

    def job(self, job_id: str) -> Call[VidioJob]:
        """Return the call that reads a job with all of its fields."""
        doing = f"read job {job_id}"
        return Call(doing, "GET", _status_path(job_id), lambda answer: self.parse(VidioJob, answer, doing))

    def status(self, ref: JobRef) -> Call[JobStatus]:
        """Return the status check of a reel or a render."""
        doing = f"read the status of {ref.kind} {ref.job_id}"

        def parse(answer: Answer) -> JobStatus:
            if answer.status in REFUSED:
                # VIDIO's own way to say that a job does not exist is not documented, nor known from clients.
                return self.no_such_job(answer, doing)
            job = self.parse(VidioJob, answer, doing)
            return _render_status(job, ref) if ref.kind == "render" else _reel_status(job)

        return Call(doing, "GET", _status_path(ref.job_id), parse)

    def lacks(self, ref: JobRef, status: JobStatus) -> bool:
        """Whether a reel that was never rendered still is as it was before the render was requested."""
        never = ref.kind == "render" and ref.params.get("before") is None
        job = status.answer
        return never and isinstance(job, VidioJob) and job.status == "processed" and not job.output_url

    @staticmethod
    def reel_of(ref: JobRef) -> JobRef:
        """Return the reel of ``ref``, which is that reel or a render of it."""
        return ref if ref.kind == "reel" else ref.model_copy(update={"kind": "reel", "params": {}})

    @staticmethod
    def render_of(ref: JobRef) -> JobRef:
        """Return ``ref`` if it is a render, otherwise the last render of that reel."""
        return ref if ref.kind == "render" else ref.model_copy(update={"kind": "render", "params": {}})

    def render_ref(self, reel: JobRef, job: VidioJob, request: RenderRequest) -> JobRef:
        """Return the ref that a render of ``reel`` would have.

        VIDIO keeps only the last render of a job. So the ref has the digest of the URL before this render;
        without it, the earlier file could be taken for the new one.

        :param job: the job as it is right now.
        :raises VidaiError: when the render cannot be bought now.
        """
        if job.status in _FAILED:
            raise JobFailed(
                f"VIDIO job {reel.job_id} is {job.status!r}: there is nothing to render.", charged="no"
            )
        if job.status == "rendering":
            raise JobError(
                f"VIDIO job {reel.job_id} is rendering already, and a second render would replace the "
                "first. Download the first one before you render again; this render was not sent.",
                charged="no",
                retryable=True,
            )
        if job.status not in _REEL_READY:
            raise JobError(
                f"VIDIO job {reel.job_id} is {job.status!r}, not processed yet; this render was not sent.",
                charged="no",
                retryable=True,
            )
        if job.outputs and request.output_index >= len(job.outputs):
            raise InputError(
                f"output_index {request.output_index} is out of range: VIDIO job {reel.job_id} has "
                f"{len(job.outputs)} outputs (0 to {len(job.outputs) - 1})."
            )
        before = digest(job.output_url) if job.output_url else None
        return reel.model_copy(
            update={"kind": "render", "params": {"output_index": request.output_index, "before": before}}
        )

    def render(self, ref: JobRef, request: RenderRequest) -> Call[Receipt]:
        """Return the purchase of a render; ``ref`` comes from :meth:`render_ref`."""
        doing = f"render output {request.output_index} of job {ref.job_id}"

        def parse(answer: Answer) -> Receipt:
            if answer.status == 409:  # another render may have begun since the job was read
                text = self.error_text(answer)
                raise JobError(f"VIDIO refused to {doing} now: {text}.", charged="no", retryable=True)
            body = self.read(answer, doing)
            if "status" not in body:  # the vendor's own client requires it, so this is no proof of a purchase
                raise self.unreadable(answer, doing)
            status = body["status"]
            return Receipt(ref=ref, vendor_status=status if isinstance(status, str) else None)

        path = f"/api/v1/jobs/{quote(ref.job_id, safe='')}/render"
        body: dict[str, JsonValue] = {
            "export_option": request.export_option,
            "output_index": request.output_index,
        }
        return Call(doing, "POST", path, parse, repeat=Repeat.ONCE, body=body, cost=ONE_UNIT)

    def fetch(
        self, ref: JobRef, output: Output, *, url: str | None = None, base_url: str = ""
    ) -> Call[Fetch]:
        """Return the call that reads the job again for a fresh ``output_url``, which may be short-lived.

        While a render is running, the job still has the URL of the earlier render, which must not be taken.
        """
        status = self.status(self.render_of(ref))

        def parse(answer: Answer) -> Fetch:
            found = status.parse(answer)
            still_there(ref, found)
            if found.answer.output_url is None and found.vendor_status != "rendering":
                raise JobError(
                    f"VIDIO job {ref.job_id} is {found.vendor_status!r} and has no rendered file.",
                    todo="Render it first (VidioRenderOperator), and wait for the render.",
                    retryable=True,
                )
            # A ref that was made from a bare id does not know what was there before, so it takes any render
            # that is finished.
            ordered = found.vendor_status == "rendering" or ref.params.get("before") is not None
            if found.state is JobState.RUNNING and ordered:
                raise JobError(
                    f"{ref} is not ready: VIDIO says {found.vendor_status!r}.",
                    todo="Wait for it first.",
                    charged="yes",
                    retryable=True,
                )
            return Fetch(url=found.answer.output_url, kind="video")

        return Call(status.name, status.method, status.path, parse)


VIDIO = Vidio()


def _status_path(job_id: str) -> str:
    return f"/api/v1/jobs/{quote(job_id, safe='')}/status"


def _outputs(job: VidioJob) -> tuple[Output, ...]:
    found = []
    for index, output in enumerate(job.outputs):
        details = without_urls(output.model_dump(mode="json", by_alias=True, exclude={"duration"}))
        assert isinstance(details, dict)
        found.append(Output(index=index, kind="video", duration=output.duration, details=details))
    return tuple(found)


def _reel_status(job: VidioJob) -> JobStatus:
    state = JobState.RUNNING
    if job.status in _FAILED:
        state = JobState.FAILED
    elif job.status in _REEL_READY:
        state = JobState.READY
    return JobStatus(
        state=state,
        vendor_status=job.status,
        known=job.status in _KNOWN,
        outputs=_outputs(job),
        answer=job,
    )


def _render_status(job: VidioJob, ref: JobRef) -> JobStatus:
    """Return the status of this render, as distinct from an earlier and from a later one of the same job."""
    index = ref.params.get("output_index")
    outputs = tuple(output for output in _outputs(job) if output.index == index)
    common: dict[str, Any] = {"vendor_status": job.status, "known": job.status in _KNOWN, "answer": job}
    mine, before = ref.params.get("digest"), ref.params.get("before")
    found = digest(job.output_url) if job.output_url else None
    if job.status in _FAILED:
        return JobStatus(state=JobState.FAILED, **common)
    # Once the digest of this render is known, any other URL is a later render's.
    if mine and (job.status == "rendering" or (job.status == "rendered" and found not in (None, mine))):
        return JobStatus(
            state=JobState.GONE,
            error="a later render of the same job has replaced this one, and VIDIO keeps only the last. Run "
            "render and download in turn",
            charged="yes",
            **common,
        )
    # Only "rendering" proves that the vendor accepted the render. Where the answer to the purchase was lost,
    # it may not have happened at all.
    if job.status != "rendered" or found is None:
        return JobStatus(state=JobState.RUNNING, proven=job.status == "rendering", **common)
    outputs = outputs or (Output(index=index if isinstance(index, int) else 0, kind="video"),)
    # The status is "rendered" from the earlier render, too, so the same URL says nothing yet about this one.
    if before == found and not mine:
        return JobStatus(
            state=JobState.RUNNING,
            outputs=outputs,
            proven=False,
            ready_after=SAME_RENDER_AFTER,
            ref_params={"digest": found},
            **common,
        )
    return JobStatus(state=JobState.READY, outputs=outputs, ref_params={"digest": found}, **common)
