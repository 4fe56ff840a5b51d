"""The object store's calls: uploads and downloads, streamed to and from disk."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_vidai.sandbox.storage import Blob, complaint
from airflow_provider_vidai.sandbox.wire import KEY_HEADERS, Exchange, cut_after_delivery

CHUNK = 1 << 20


async def put(exchange: Exchange) -> Response:
    """Take an upload."""
    request = exchange.request
    blob = exchange.world.storage.get(request.path_params["key"])
    refusal = exchange.world.storage.refusal(request, blob) or _put_refusal(request, blob)
    if refusal or blob is None:
        async for _ in request.stream():  # a client that is still sending would not read the answer
            pass
        return refusal or complaint(404, "NoSuchKey", "The specified key does not exist.")
    incoming = blob.path.with_name(secrets.token_hex(8) + ".part")
    try:
        digest = await _receive(request, incoming)
    except (ClientDisconnect, asyncio.CancelledError):
        incoming.unlink(missing_ok=True)
        raise
    incoming.replace(blob.path)
    blob.mark_complete()
    return Response(headers={"etag": f'"{digest}"'})


def _put_refusal(request: Request, blob: Blob | None) -> Response | None:
    headers = request.headers
    if KEY_HEADERS.intersection(headers.keys()):
        return complaint(400, "InvalidRequest", "An API key must not be sent to storage.")
    if "content-length" not in headers:
        return complaint(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if blob and headers.get("content-type") not in blob.types:
        return complaint(403, "SignatureDoesNotMatch", "Content-Type is not the one that was signed.")
    return None


async def _receive(request: Request, path: Path) -> str:
    """Stream the body to disk, in few large writes off the event loop; return its MD5."""
    # MD5, because it is what S3 returns as the ETag of a file that was uploaded with one PUT.
    digest, waiting = hashlib.md5(usedforsecurity=False), bytearray()
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in request.stream():
            digest.update(chunk)
            waiting += chunk
            if len(waiting) >= CHUNK:
                await asyncio.to_thread(file.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(file.write, bytes(waiting))
    return digest.hexdigest()


async def get(exchange: Exchange) -> Response:
    """Serve a file, or a range of it."""
    request, storage = exchange.request, exchange.world.storage
    blob = storage.get(request.path_params["key"])
    refusal = storage.refusal(request, blob)
    if refusal:
        return refusal
    if blob is None or blob.etag is None or exchange.world.clock.now() >= blob.until:
        return complaint(404, "NoSuchKey", "The specified key does not exist.")
    size = blob.path.stat().st_size
    headers = {"etag": blob.etag, "content-type": blob.types[0]}
    span = None
    if exchange.world.settings.ranges and not exchange.fault("no_range"):
        headers["accept-ranges"] = "bytes"
        span = asked_range(request, blob.etag, size)
    if span and span[0] >= span[1]:
        response = complaint(416, "InvalidRange", "The requested range is not satisfiable")
        response.headers["content-range"] = f"bytes */{size}"
        return response
    first, end = span or (0, size)
    headers["content-length"] = str(end - first)
    if span:
        headers["content-range"] = f"bytes {first}-{end - 1}/{size}"
    return Stream(_read(exchange, blob.path, first, end), 206 if span else 200, headers)


def asked_range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return the start and end of the requested range: empty if impossible, None for the whole file."""
    if request.headers.get("if-range", etag) != etag:
        return None
    unit, _, value = request.headers.get("range", "").partition("=")
    first, dash, last = value.strip().partition("-")
    if unit != "bytes" or not dash or not (first + last).isdecimal():
        return None
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


class Stream(StreamingResponse):
    """A streamed answer whose source is closed even if the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()


async def _read(exchange: Exchange, path: Path, first: int, end: int) -> AsyncGenerator[bytes, None]:
    storage, request = exchange.world.storage, exchange.request
    with await asyncio.to_thread(path.open, "rb") as file:
        file.seek(first)
        while first < end:
            allowance = storage.allowance(request)
            if allowance == 0:
                await cut_after_delivery(request.scope)
            chunk = await asyncio.to_thread(file.read, min(CHUNK, end - first, allowance or CHUNK))
            if allowance is not None:
                storage.spend(request, len(chunk))
            first += len(chunk)
            yield chunk
