"""The vendors' object store: signed, expiring URLs; uploads and downloads streamed from and to disk."""

import asyncio
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from airflow_provider_vidai.sandbox.wire import KEY_HEADERS, Exchange, cut_after_delivery

CHUNK = 1 << 20
NAME_BYTES = 255


@dataclass
class Blob:
    """A place in the store, empty until something was put there.

    :param account: who owns it; None if it is the vendor's own.
    :param types: the content types that an upload may have.
    :param public: whether it can be had without a signature.
    :param until: the virtual second from which on it is gone, if it ever is.
    """

    key: str
    vendor: str
    account: str | None
    path: Path
    types: tuple[str, ...]
    public: bool = False
    etag: str | None = None
    until: float = math.inf

    def fill(self, content: bytes) -> None:
        """Keep ``content`` here."""
        self.path.write_bytes(content)
        self.landed()

    def landed(self) -> None:
        """Tell that the file at ``path`` is whole."""
        stat = self.path.stat()
        self.etag = (
            '"'
            + hashlib.sha256(f"{self.key} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:32]
            + '"'
        )


class Storage:
    """What is kept where, and who may touch it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_bytes(32)
        self._blobs: dict[str, Blob] = {}
        self._allowance: dict[str, int] = {}

    def place(self, key: str, vendor: str, account: str | None, *types: str, public: bool = False) -> Blob:
        """Make a place for ``key``.

        :raises ValueError: if the key cannot be a path below the data folder, or belongs to another account.
        """
        parts = PurePosixPath(key).parts
        if key != "/".join(parts) or any(part in ("..", "/") or _too_long(part) for part in parts):
            raise ValueError("not a usable file name")
        there = self._blobs.get(key)
        if there and (there.vendor, there.account) != (vendor, account):
            raise ValueError("this key is taken")
        if there:
            there.types = types
            return there
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError("not a usable file name") from error
        self._blobs[key] = blob = Blob(key, vendor, account, path, types, public)
        return blob

    def get(self, key: str) -> Blob | None:
        """Return the place of ``key``, empty or not."""
        return self._blobs.get(key)

    def drop(self, key: str) -> None:
        """Delete what is kept there."""
        blob = self._blobs.pop(key, None)
        if blob:
            blob.path.unlink(missing_ok=True)

    def sign(self, method: str, key: str, ttl: float, after_bytes: int | None = None) -> str:
        """Return a signed path, good for ``ttl`` seconds.

        :param after_bytes: how much may be downloaded with it before it expires, if that is limited.
        """
        expires, nonce = str(time.time() + ttl), secrets.token_hex(8)
        signature = self._signature(method, key, expires, nonce)
        if after_bytes is not None:
            self._allowance[signature] = after_bytes
        return quote(key) + "?" + urlencode({"expires": expires, "nonce": nonce, "signature": signature})

    def _signature(self, method: str, key: str, expires: str, nonce: str) -> str:
        return hmac.new(self._secret, "\n".join((method, key, expires, nonce)).encode(), "sha256").hexdigest()

    def refusal(self, request: Request, blob: Blob | None) -> Response | None:
        """Return why the URL's signature does not allow the request, if it does not."""
        if blob and blob.public and request.method == "GET":
            return None
        query = request.query_params
        given = {name: query.get(name, "") for name in ("expires", "nonce", "signature")}
        key = request.path_params["key"]
        wanted = self._signature(request.method, key, given["expires"], given["nonce"])
        if not hmac.compare_digest(given["signature"].encode(), wanted.encode()):
            return complaint(403, "SignatureDoesNotMatch", "The signature does not match the request.")
        if float(given["expires"]) <= time.time() or self._allowance.get(wanted) == 0:
            return complaint(403, "AccessDenied", "Request has expired")
        return None

    def allowance(self, request: Request) -> int | None:
        """Return how many bytes may still be downloaded with the request's URL, if that is limited."""
        return self._allowance.get(request.query_params.get("signature", ""))

    def spend(self, request: Request, count: int) -> None:
        """Take ``count`` bytes from the URL's allowance."""
        self._allowance[request.query_params["signature"]] -= count


def _too_long(part: str) -> bool:
    return "\0" in part or len(part.encode(errors="surrogateescape")) > NAME_BYTES


def complaint(status: int, code: str, message: str) -> Response:
    """Return an error as object stores word it."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{error}', status, media_type="application/xml")


async def put(exchange: Exchange) -> Response:
    """Take an upload."""
    request = exchange.request
    blob = exchange.world.storage.get(request.path_params["key"])
    refusal = exchange.world.storage.refusal(request, blob) or _put_refusal(request, blob)
    if refusal or blob is None:
        async for _ in request.stream():  # a client that is still sending would not see the answer
            pass
        return refusal or complaint(404, "NoSuchKey", "The specified key does not exist.")
    incoming = blob.path.with_name(secrets.token_hex(8) + ".part")
    try:
        digest = await _receive(request, incoming)
    except (ClientDisconnect, asyncio.CancelledError):
        incoming.unlink(missing_ok=True)
        raise
    incoming.replace(blob.path)
    blob.landed()
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
    """Return first byte and end of the single range asked for; empty if it cannot be; None for the whole."""
    if request.headers.get("if-range", etag) != etag:
        return None
    unit, _, wish = request.headers.get("range", "").partition("=")
    first, dash, last = wish.strip().partition("-")
    if unit != "bytes" or not dash or not (first + last).isdecimal():
        return None
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


class Stream(StreamingResponse):
    """A streamed answer whose source is closed even when the connection is cut."""

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
