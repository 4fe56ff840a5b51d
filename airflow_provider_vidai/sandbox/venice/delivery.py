"""How Venice delivers videos: as the answer to a poll, or by a secret download link."""

import asyncio
import functools
import tempfile
from collections.abc import AsyncGenerator, Callable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from av.video.frame import VideoFrame
from starlette.responses import Response

from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.storage_wire import Stream, asked_range
from airflow_provider_vidai.sandbox.venice.jobs import VENDOR, Job
from airflow_provider_vidai.sandbox.wire import (
    HTML_PAGE,
    JSON,
    KEY_HEADERS,
    Calls,
    Exchange,
    cut_after_delivery,
)

#: Small, because most clients hang up once the first bytes show that the answer is a video.
CHUNK = 64 << 10
SHARE = "/storage/private-share/v1/share/read/"
#: The link is on another name of the same host, so that clients see two hosts, as with the real vendor.
OTHER_NAMES = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}


def share_url(exchange: Exchange, job: Job) -> str:
    """Return a job's download link."""
    url = exchange.request.base_url
    host = url.hostname or ""
    return str(url.replace(hostname=OTHER_NAMES.get(host, host), path=SHARE + (job.share or "")))


async def deliver(
    exchange: Exchange, job: Job, *, delete: bool = False, ranges: bool = False, cut_at: int | None = None
) -> Response:
    """Return the video, or what a fault orders instead.

    :param delete: whether to delete it once its delivery has started.
    :param ranges: whether to support ``Range`` requests.
    :param cut_at: after how many bytes the connection is cut.
    """
    spoil = exchange.fault("spoil_media")
    how = spoil.options["how"] if spoil else None
    if how in REPLACEMENTS:
        return await asyncio.to_thread(REPLACEMENTS[how])
    size = job.video.path.stat().st_size
    first, end, status = 0, size, 200
    headers = {"content-type": "application/octet-stream" if how == "octet_stream" else "video/mp4"}
    span = asked_range(exchange.request, job.video.etag or "", size) if ranges else None
    if span and span[0] < span[1]:
        (first, end), status = span, 206
        headers["content-range"] = f"bytes {first}-{end - 1}/{size}"
    if ranges:
        headers |= {"accept-ranges": "bytes", "etag": job.video.etag or ""}
    if how == "truncated":
        end = first + (end - first) // 2
    if how == "cut":
        cut_at = first + (end - first) // 2
    if exchange.world.settings.venice.content_length:
        headers["content-length"] = str(end - first)
    file = await asyncio.to_thread(job.video.path.open, "rb")
    # As the vendor does it: the file goes when its delivery starts. A client whose transfer breaks has lost
    # it.
    if delete:
        job.deleted = True
        exchange.world.storage.drop(job.video.key)
    return Stream(_read(exchange, file, first, end, cut_at), status, headers)


@functools.cache
def placeholder() -> bytes:
    """Return a black video of a few kB, which the vendor may deliver with HTTP 200 for a moderated one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "placeholder.mp4"
        black = np.zeros((96, 64), np.uint8)
        pictures = (VideoFrame.from_ndarray(black, format="yuv420p") for _ in range(8))
        encode(path, pictures, None, Fraction(8), (64, 64))
        return path.read_bytes()


#: Spoiled deliveries that contain nothing of the video.
REPLACEMENTS: dict[str | None, Callable[[], Response]] = {
    "html": lambda: Response(HTML_PAGE, media_type="text/html"),
    "empty": lambda: Response(media_type="video/mp4"),
    "placeholder": lambda: Response(placeholder(), media_type="video/mp4"),
    "bad_gateway": lambda: JSON(
        {"error": "The media could not be fetched from the provider. Please try again."}, 502
    ),
}


async def _read(
    exchange: Exchange, file: BinaryIO, first: int, end: int, cut_at: int | None
) -> AsyncGenerator[bytes, None]:
    with file:
        file.seek(first)
        while first < end:
            if cut_at is not None and first >= cut_at:
                await cut_after_delivery(exchange.request.scope)
            chunk = await asyncio.to_thread(
                file.read, min(CHUNK, end - first, (cut_at or end) - first or CHUNK)
            )
            first += len(chunk)
            yield chunk


def _shared(exchange: Exchange) -> Job | Response:
    """Return the job of a download link, or an error."""
    world, token = exchange.world, exchange.request.path_params["token"]
    # The link alone is enough, on a host of its own. A client that adds its key has leaked the key to it.
    if KEY_HEADERS.intersection(exchange.request.headers.keys()):
        return JSON({"error": "An API key must not be sent here."}, 400)
    jobs: list[Job] = list(world.jobs[VENDOR].values())
    job = next((one for one in jobs if one.share == token), None)
    if job is None:
        return JSON({"error": "Not found"}, 404)
    if job.deleted or world.clock.now() - job.began >= world.settings.venice.media_ttl:
        return JSON({"error": "This link has expired or was revoked."}, 410)
    return job


async def share(exchange: Exchange) -> Response:
    """Deliver a video to anyone who knows its link."""
    job = _shared(exchange)
    if isinstance(job, Response):
        return job
    settings = exchange.world.settings.venice
    quota = exchange.world.windows.take((VENDOR, "share", job.id), settings.share_per_minute)
    if not quota.allowed:
        return JSON({"error": "Too many requests"}, 429)
    if not job.timeline.ended or job.timeline.failed:
        return JSON({"error": "Not found"}, 404)
    expired = exchange.fault("expired_url")
    if expired:
        job.deleted = True
        if not expired.options["after_bytes"]:
            return JSON({"error": "This link has expired or was revoked."}, 410)
        return await deliver(exchange, job, cut_at=expired.options["after_bytes"])
    ranges = settings.share_ranges and exchange.world.settings.ranges and not exchange.fault("no_range")
    return await deliver(exchange, job, ranges=ranges)


async def revoke(exchange: Exchange) -> Response:
    """Revoke a download link."""
    job = _shared(exchange)
    if isinstance(job, Response):
        return job
    job.deleted = True
    if job.timeline.ended:
        exchange.world.storage.drop(job.video.key)
    return Response(status_code=204)


SHARE_CALLS: Calls = {
    "share": ("GET", SHARE + "{token}", share),
    "revoke": ("DELETE", SHARE + "{token}", revoke),
}
