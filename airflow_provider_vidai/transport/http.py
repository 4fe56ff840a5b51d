"""Two drivers of a Call, one synchronous and one asynchronous, over one body of logic.

They follow no redirect, send the key to nothing but the account's own host, read at most 1 MiB of
an answer (and only the first bytes of media), and turn every network failure into an ApiError that
says whether the request can have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx

from airflow_provider_vidai.errors import ApiError, InputError, VidaiError
from airflow_provider_vidai.models import MAX_ANSWER, Answer, Call, Repeat
from airflow_provider_vidai.transport.account import USER_AGENT, Account
from airflow_provider_vidai.transport.retry import pause_before_retry

T = TypeVar("T")

# httpx logs each request's full URL at INFO, and a signed URL is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

#: Of an answer that is media, this much is read: enough for a container's signature.
MEDIA_HEAD = 64
_MEDIA_TYPES = ("video/", "image/", "audio/", "application/octet-stream")
# The request itself is impossible; the text of these may hold the key.
_IMPOSSIBLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
# These fail before a byte of the request is sent.
_NEVER_OPENED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
)


class Client:
    """The synchronous driver, for hooks and operators."""

    _http: httpx.Client | None = None

    def __init__(self, account: Account) -> None:
        self.account = account

    def send(self, call: Call[T], *, attempts: int = 4) -> T:
        """Run ``call`` and return what its answer means.

        SAFE calls are repeated on passing failures; ONCE calls are sent exactly once, on a
        connection of their own, because one that is reused may have been closed by the server and
        the failure would look like a lost purchase.

        :param attempts: how often a SAFE call is sent at most; 1 for status calls, whose retry is
            the next look.
        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        if call.repeat is Repeat.ONCE:
            with self._open() as http:
                return self._exchange(http, call)
        for attempt in range(1, attempts + 1):
            try:
                return self._exchange(self._kept(), call)
            except ApiError as error:
                pause = pause_before_retry(error, attempt, attempts, jitter=random.random())  # noqa: S311
                if pause is None:
                    raise
                log.warning("%s Trying again in %.0f s.", error, pause)
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the kept connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __del__(self) -> None:
        self.close()

    def _kept(self) -> httpx.Client:
        if self._http is None:
            self._http = self._open()
        return self._http

    def _open(self) -> httpx.Client:
        account = self.account
        with _setting_up(account):
            return httpx.Client(
                verify=account.ssl_context, proxy=account.proxy, trust_env=account.proxy is None
            )

    def _exchange(self, http: httpx.Client, call: Call[T]) -> T:
        deadline = time.monotonic() + _timeout(self.account, call)
        with _failures(self.account, call), http.stream(**_request(self.account, call)) as response:
            body = _Body(response)
            if not body.complete:
                for chunk in response.iter_raw():
                    if body.add(chunk):
                        break
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("the answer came too slowly")
        return _meaning(self.account, call, body.answer())


class AsyncClient:
    """The asynchronous driver, for triggers; its only need is status."""

    def __init__(self, account: Account) -> None:
        self.account = account
        limits = httpx.Limits(
            max_connections=account.max_connections, max_keepalive_connections=account.max_connections
        )
        with _setting_up(account):
            self._http = httpx.AsyncClient(
                verify=account.ssl_context,
                proxy=account.proxy,
                trust_env=account.proxy is None,
                limits=limits,
            )
        # httpx searches its pool for every waiting request, so callers queue here and not there.
        self._turns = asyncio.Semaphore(account.max_connections)

    async def asend(self, call: Call[T]) -> T:
        """Send ``call`` once and return what its answer means.

        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        async with self._turns:
            body = await self._exchange(call)
        return _meaning(self.account, call, body.answer())

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _exchange(self, call: Call[Any]) -> _Body:
        with _failures(self.account, call):
            try:
                return await asyncio.wait_for(self._read(call), _timeout(self.account, call))
            except asyncio.TimeoutError:
                raise httpx.ReadTimeout("the answer came too slowly") from None

    async def _read(self, call: Call[Any]) -> _Body:
        async with self._http.stream(**_request(self.account, call)) as response:
            body = _Body(response)
            if not body.complete:
                chunks: AsyncIterator[bytes] = response.aiter_raw()
                async for chunk in chunks:
                    if body.add(chunk):
                        break
            return body


@contextlib.contextmanager
def _setting_up(account: Account) -> Iterator[None]:
    """Turn what a CA bundle or a proxy makes impossible into an error of the connection's."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"The connection to {account.label} cannot be set up: {error}. Check ca_bundle and proxy in its "
            "extra. Nothing was sent."
        ) from None


def _meaning(account: Account, call: Call[T], answer: Answer) -> T:
    """Return what an answer means; one that nobody can read is a failed call and not a crash."""
    try:
        return call.parse(answer)
    except VidaiError:
        raise
    except Exception as error:
        raise ApiError(
            f"{account.label} answered '{call.name}' with HTTP {answer.status}, and reading that failed: "
            f"{type(error).__name__}.",
            status=answer.status,
            retryable=True,
        ) from error


def _timeout(account: Account, call: Call[Any]) -> float:
    return call.timeout or account.timeout


def _request(account: Account, call: Call[Any]) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": account.base_url + call.path,
        "params": list(call.query) or None,
        "json": call.body,
        # An uncompressed answer cannot swell in memory; all of them are small.
        "headers": {**account.key_headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        "timeout": _timeout(account, call),
        "follow_redirects": False,
    }


@contextlib.contextmanager
def _failures(account: Account, call: Call[Any]) -> Iterator[None]:
    """Turn network failures into an ApiError that tells whether the request can have arrived."""
    try:
        yield
    except _NEVER_OPENED as error:
        bad_certificate = "CERTIFICATE" in str(error).upper()
        remedy = (
            "Its certificate is not trusted: set ca_bundle in the connection"
            if bad_certificate
            else "Check the connection's host, and the network from this machine"
        )
        raise ApiError(
            f"Could not connect to {account.label} at {account.base_url} to {call.name}: "
            f"{error or type(error).__name__}. {remedy}.",
            retryable=not bad_certificate,
            processed="no",
        ) from None
    except _IMPOSSIBLE as error:
        raise ApiError(
            f"The request to {account.label} at {account.base_url} to {call.name} could not be made "
            f"({type(error).__name__}): check the connection's host and key. Nothing was sent.",
            processed="no",
        ) from None
    except (httpx.HTTPError, zlib.error) as error:
        raise ApiError(
            f"The connection to {account.label} at {account.base_url} broke while trying to {call.name}: "
            f"{type(error).__name__} ({error or 'no details'}).",
            retryable=True,
        ) from None


class _Body:
    """Collects as much of a response's body as matters."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        headers = response.headers
        self._media = response.is_success and headers.get("content-type", "").lower().startswith(_MEDIA_TYPES)
        self._limit = MEDIA_HEAD if self._media else MAX_ANSWER
        self._read = bytearray()
        # Asked not to, a server may compress all the same; it is unpacked no further than the limit.
        gzipped = headers.get("content-encoding", "").lower() in ("gzip", "deflate")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if gzipped else None
        self.complete = False

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; return True when no more is wanted."""
        room = self._limit + 1 - len(self._read)
        self._read += self._unpacker.decompress(chunk, room) if self._unpacker else chunk[:room]
        self.complete = len(self._read) > self._limit
        return self.complete

    def answer(self) -> Answer:
        headers = {key.lower(): value for key, value in self._response.headers.items()}
        whole = not self._media and not self.complete
        return Answer(self._response.status_code, headers, bytes(self._read[: self._limit]), whole)
