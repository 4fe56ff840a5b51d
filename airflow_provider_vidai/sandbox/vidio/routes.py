"""VIDIO: highlight reels from uploaded footage.

The order of the statuses and all error bodies are inferred: the vendor documents neither.
"""

import json
import math
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.accounts import Refusal, account_of
from airflow_provider_vidai.sandbox.clock import Timeline
from airflow_provider_vidai.sandbox.media import music, reel
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vidio.jobs import (
    CATEGORIES,
    VENDOR,
    Reel,
    Render,
    outputs,
    start_reel,
    start_render,
)
from airflow_provider_vidai.sandbox.wire import JSON, Calls, Exchange, Handler

UPLOAD_QUERY = (
    *("job_id", "file_name", "file_type", "media_type"),
    *("width", "height", "duration", "to_be_downscaled"),
)
#: The allowed values of enumerated fields.
ENUMS = {
    "video_category": tuple(CATEGORIES),
    "aspect_ratio": tuple(reel.SHAPES),
    "music_category": tuple(music.STYLES),
}
EXPORT_OPTIONS = ("premium",)
#: Further content types that a client may send for a suffix, because platforms' tables differ.
OTHER_TYPES = {
    "avi": ("video/x-msvideo", "video/vnd.avi"),
    "m4v": ("video/mp4", "video/x-m4v"),
    "mkv": ("video/x-matroska", "video/matroska"),
    "mov": ("video/quicktime",),
    "webp": ("image/webp",),
}


def signed_in(handler: Callable[[Exchange, str], Awaitable[Response]]) -> Handler:
    """Admit only calls with a valid ``x-api-key``, and pass their account on."""

    async def handle(exchange: Exchange) -> Response:
        key = exchange.request.headers.get("x-api-key", "")
        account = account_of(key)
        refusal = exchange.world.accounts.refusal(VENDOR, account)
        if not key or not exchange.world.accounts.knows(VENDOR, account):
            refusal = Refusal(401, {"error": "Invalid API key"})
        if refusal:
            return JSON(refusal.body, refusal.status)
        return await handler(exchange, account)

    return handle


def _error(status: int, message: str) -> JSON:
    return JSON({"error": message}, status)


@signed_in
async def upload_url(exchange: Exchange, account: str) -> Response:
    """Return a signed URL for an upload."""
    query = exchange.request.query_params
    missing = [name for name in UPLOAD_QUERY if not query.get(name)]
    if missing:
        return _error(400, f"Missing query parameters: {', '.join(missing)}")
    problem = _upload_problem(query)
    if problem:
        return _error(400, problem)
    key = f"uploads/{query['job_id']}/{query['file_name']}"
    types = _content_types(query["file_type"], query["media_type"])
    try:
        exchange.world.storage.place(key, VENDOR, account, *types)
    except ValueError as error:
        return _error(400, f"file_name: {error}")
    return JSON({"url": exchange.sign("PUT", key, ttl=0 if exchange.fault("expired_url") else None)})


def _upload_problem(query: Mapping[str, str]) -> str | None:
    if query["media_type"] not in ("video", "image"):
        return "media_type must be video or image"
    if "/" in query["job_id"]:
        return "job_id must not contain a slash"
    for name, kind in (("width", int), ("height", int), ("duration", float)):
        try:
            if kind(query[name]) >= 0:
                continue
        except ValueError:
            pass
        return f"{name} must be a number"
    return None


def _content_types(file_type: str, media_type: str) -> list[str]:
    """Return the content types that a client may send; platforms' tables differ, the fallback does not."""
    guessed = mimetypes.MimeTypes().guess_type(f"file.{file_type}")[0]
    return [*([guessed] if guessed else []), *OTHER_TYPES.get(file_type, ()), f"{media_type}/{file_type}"]


@signed_in
async def create_highlight_reel(exchange: Exchange, account: str) -> Response:
    """Sell a reel."""
    request = await _json_object(exchange)
    problem = "the body must be a JSON object" if request is None else _reel_problem(request)
    if request is None or problem:
        return _error(400, problem or "")
    footage: list[Blob] = []
    for key in request["input_keys"]:
        blob = exchange.world.storage.get(key)
        if blob is None or blob.etag is None or blob.account != account:
            return _error(404, f"No such upload: {key}")
        footage.append(blob)
    job = start_reel(exchange.world, account, request, footage, exchange.fault("fail_job"))
    exchange.world.jobs[VENDOR][job.id] = job
    _buy(exchange, job, "reel", request, job.timeline, job.thumbnails)
    return JSON({"job_id": job.id, "status": "submitted"})


def _buy(
    exchange: Exchange, job: Reel, kind: str, request: dict[str, Any], timeline: Timeline, files: list[Blob]
) -> None:
    """Record a purchase. VIDIO's prices are not published, so everything costs one unit.

    :param files: what the job makes; it may be filled later.
    """
    exchange.world.book.purchase(
        vendor=VENDOR,
        account=job.account,
        kind=kind,
        job_id=job.id,
        amount=1,
        currency="unit",
        request=request,
        timeline=timeline,
        refundable=exchange.world.settings.refund_failed,
        files=lambda: files,
    )


async def _json_object(exchange: Exchange) -> dict[str, Any] | None:
    try:
        body = json.loads(await exchange.request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _reel_problem(request: dict[str, Any]) -> str | None:
    """Return what is wrong with the request, naming the field."""
    keys = request.get("input_keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        return "input_keys must be a non-empty list of strings"
    if not _is_number(request.get("output_length")) or request["output_length"] <= 0:
        return "output_length must be a number greater than 0"
    for name, allowed in ENUMS.items():
        left_out = name == "music_category" and request.get(name) is None
        if not left_out and request.get(name) not in allowed:
            return f"{name} must be one of {', '.join(allowed)}"
    for name in ("music_volume", "original_audio_volume"):
        volume = request.get(name)
        if volume is not None and not (_is_number(volume) and 0 <= volume <= 100):
            return f"{name} must be a number from 0 to 100"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@signed_in
async def status(exchange: Exchange, account: str) -> Response:
    """Return the status of a reel and its render."""
    job = _job(exchange, account)
    if job is None:
        return _error(404, "Job not found")
    vendor_status = job.status(exchange.world.storage)
    if job.rendering and job.rendered and vendor_status == "rendering" and exchange.fault("stale_rendered"):
        vendor_status = "rendered"
    answer: dict[str, Any] = {"job_id": job.id, "status": vendor_status}
    if vendor_status == "rendered" and job.rendered:
        answer["outputs"] = outputs(exchange, job)
        if not exchange.fault("missing_output_url"):
            answer["output_url"] = _output_url(exchange, job.rendered)
    other = exchange.fault("vendor_status")
    return JSON({**answer, "status": other.options["word"]} if other else answer)


def _job(exchange: Exchange, account: str) -> Reel | None:
    job = exchange.world.jobs[VENDOR].get(exchange.request.path_params["job_id"])
    return job if job and job.account == account else None


def _output_url(exchange: Exchange, render: Render) -> str:
    expired = exchange.fault("expired_url")
    if expired is None:
        return exchange.sign("GET", render.video.key)
    after = expired.options["after_bytes"]
    return exchange.sign("GET", render.video.key, ttl=0 if after is None else None, after_bytes=after)


@signed_in
async def render(exchange: Exchange, account: str) -> Response:
    """Sell a render."""
    job = _job(exchange, account)
    if job is None:
        return _error(404, "Job not found")
    request = await _json_object(exchange)
    if request is None:
        return _error(400, "the body must be a JSON object")
    vendor_status = job.status(exchange.world.storage)
    if vendor_status not in ("processed", "rendered") or job.rendering:
        return _error(409, f"Job cannot be rendered now: it is {vendor_status}")
    problem = _render_problem(request, job.plan.result())
    if problem:
        return _error(400, problem)
    sold = start_render(exchange.world, job, request.get("output_index", 0), exchange.fault("fail_job"))
    _buy(exchange, job, "render", request, sold.timeline, [sold.video])
    return JSON({"status": "rendering"})


def _render_problem(request: dict[str, Any], plan: reel.Plan) -> str | None:
    if request.get("export_option", "premium") not in EXPORT_OPTIONS:
        return f"export_option must be one of {', '.join(EXPORT_OPTIONS)}"
    index = request.get("output_index", 0)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(plan.candidates):
        return f"output_index must be a whole number from 0 to {len(plan.candidates) - 1}"
    return None


CALLS: Calls = {
    "upload_url": ("GET", "/api/v1/uploads/upload-url", upload_url),
    "create_highlight_reel": ("POST", "/api/v1/jobs/highlight-reel", create_highlight_reel),
    "status": ("GET", "/api/v1/jobs/{job_id}/status", status),
    "render": ("POST", "/api/v1/jobs/{job_id}/render", render),
}
