"""Two drivers of a Call, one synchronous and one asynchronous, over one body of logic.

They follow no redirect, send the key to nothing but the account's own host, read at most 4 MiB of
an answer (and only the first bytes of media), and turn every network failure into an ApiError that
says whether the request can have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import ssl
import time
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from airflow_provider_vidai.errors import ApiError, InputError, VidaiError
from airflow_provider_vidai.models import MAX_ANSWER, Answer, Call, Repeat
from airflow_provider_vidai.transport.account import USER_AGENT, Account
from airflow_provider_vidai.transport.retry import pause_before_retry

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

# httpx logs each request's full URL at INFO, and a signed URL is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

#: Of an answer that is media, this much is read: enough for a container's signature.
MEDIA_HEAD = 64
#: The longest line of an answer's head that is taken, in bytes.
MAX_HEADER = 1 << 16
# An uncompressed answer cannot swell in memory; all of them are small.
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
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
                    if attempts > 1:  # a status call's owner tells the fate of the job
                        error.args = (f"{error} Nothing was charged for this call.",)
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
            body = _Body(response.status_code, response.headers)
            if not body.complete:
                for chunk in response.iter_raw():
                    if body.add(chunk):
                        break
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("the answer came too slowly")
        return _meaning(self.account, call, body.answer())


class AsyncClient:
    """The asynchronous driver, for triggers; its only need is status.

    aiohttp carries it: less than half the work per look of httpx, and a pool that does not slow down.
    Only triggerers need it, so it is imported when the first of them opens and not with every DAG file.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._http: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._opening = asyncio.Lock()
        # Callers queue here and not for a connection, where the time for their call would run already.
        self._turns = asyncio.Semaphore(account.max_connections)

    async def open(self) -> None:
        """Make what connections need, once.

        :raises InputError: when the account's CA bundle or proxy cannot be used.
        """
        if self._http is not None:
            return
        async with self._opening:
            if self._http is None:
                # An import and a set of certificates take a tenth of a second: not in the event loop.
                self._proxy, verify = await asyncio.to_thread(_prepare, self.account)
                self._http = _session(self.account, verify)

    async def asend(self, call: Call[T]) -> T:
        """Send ``call`` once and return what its answer means.

        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        await self.open()
        assert self._http is not None
        async with self._turns:
            body = await _look(self._http, self._proxy, self.account, call)
        return _meaning(self.account, call, body.answer())

    async def aclose(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _prepare(account: Account) -> tuple[str | None, ssl.SSLContext]:
    import aiohttp  # noqa: F401 - only to have it imported

    with _setting_up(account):
        proxy = account.proxy or _proxy_of_environment(account.base_url)
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise ValueError("a proxy for triggers must be an http(s) URL")
        return proxy, account.ssl_context


def _proxy_of_environment(url: str) -> str | None:
    # aiohttp's own way of reading it would also send what ~/.netrc holds for the host.
    parts, proxies = urlsplit(url), urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _session(account: Account, verify: ssl.SSLContext) -> aiohttp.ClientSession:
    import aiohttp

    async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # These aiohttp would answer by sending again; a look is repeated by nobody but its trigger.
            raise aiohttp.ClientConnectionError(str(error)) from None

    return aiohttp.ClientSession(
        middlewares=(once,),
        connector=aiohttp.TCPConnector(limit=account.max_connections, ssl=verify),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
    )


async def _look(http: aiohttp.ClientSession, proxy: str | None, account: Account, call: Call[Any]) -> _Body:
    import aiohttp
    from yarl import URL

    body, headers = None, {**account.key_headers, **_HEADERS}
    if call.body is not None:
        body = json.dumps(call.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        headers["Content-Type"] = "application/json"
    query = f"?{urlencode(call.query)}" if call.query else ""
    with _afailures(account, call):
        async with http.request(
            call.method,
            URL(account.base_url + call.path + query, encoded=True),
            headers=headers,
            data=body,
            proxy=proxy,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=_timeout(account, call)),
        ) as response:
            found = _Body(response.status, response.headers)
            async for chunk in response.content.iter_any():
                if found.add(chunk):
                    break
            return found


@contextlib.contextmanager
def _setting_up(account: Account) -> Iterator[None]:
    """Turn what a CA bundle or a proxy makes impossible into an error of the connection's."""
    try:
        yield
    except (OSError, ImportError) as error:
        raise _not_set_up(account, str(error)) from None
    except (ValueError, httpx.InvalidURL):
        # The text of these may hold the proxy's URL, and that its password.
        raise _not_set_up(account, "its proxy, or the environment's, is no http(s) URL") from None


def _not_set_up(account: Account, why: str) -> InputError:
    return InputError(
        f"The connection to {account.label} cannot be set up: {why}. Check ca_bundle and proxy in its "
        "extra. Nothing was sent."
    )


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
        "headers": {**account.key_headers, **_HEADERS},
        "timeout": _timeout(account, call),
        "follow_redirects": False,
    }


@contextlib.contextmanager
def _failures(account: Account, call: Call[Any]) -> Iterator[None]:
    """Turn network failures into an ApiError that tells whether the request can have arrived."""
    try:
        yield
    except _NEVER_OPENED as error:
        raise _never_opened(account, call, str(error) or type(error).__name__) from None
    except _IMPOSSIBLE as error:
        raise _impossible(account, call, error) from None
    except (httpx.HTTPError, zlib.error) as error:
        raise _broken(account, call, type(error).__name__, str(error)) from None


@contextlib.contextmanager
def _afailures(account: Account, call: Call[Any]) -> Iterator[None]:
    """Do what :func:`_failures` does, for aiohttp."""
    import aiohttp

    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise _never_opened(account, call, str(error)) from None
    # The texts of the next four may tell the whole URL.
    except aiohttp.ConnectionTimeoutError:
        raise _never_opened(account, call, "it took too long") from None
    except aiohttp.ClientHttpProxyError as error:
        raise _never_opened(account, call, f"the proxy answered HTTP {error.status}") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise _impossible(account, call, error) from None
    except aiohttp.ClientResponseError as error:
        raise _broken(account, call, type(error).__name__, error.message) from None
    except (asyncio.TimeoutError, aiohttp.ClientError, OSError, zlib.error) as error:
        slow = isinstance(error, asyncio.TimeoutError)
        words = "the answer came too slowly" if slow else str(error)
        raise _broken(account, call, type(error).__name__, words) from None
    except ValueError as error:
        raise _impossible(account, call, error) from None


def _never_opened(account: Account, call: Call[Any], why: str) -> ApiError:
    bad_certificate = "CERTIFICATE" in why.upper()
    remedy = (
        "Its certificate is not trusted: set ca_bundle in the connection"
        if bad_certificate
        else "Check the connection's host, and the network from this machine"
    )
    return ApiError(
        f"Could not connect to {account.label} at {account.shown_url} to {call.name}: {why}. {remedy}.",
        retryable=not bad_certificate,
        processed="no",
    )


def _impossible(account: Account, call: Call[Any], error: Exception) -> ApiError:
    return ApiError(
        f"The request to {account.label} at {account.shown_url} to {call.name} could not be made "
        f"({type(error).__name__}): check the connection's host and key. Nothing was sent.",
        processed="no",
    )


def _broken(account: Account, call: Call[Any], what: str, words: str) -> ApiError:
    return ApiError(
        f"The connection to {account.label} at {account.shown_url} broke while trying to {call.name}: "
        f"{what} ({words or 'no details'}).",
        retryable=True,
    )


class _Body:
    """Collects as much of a response's body as matters."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers = status, headers
        media = headers.get("content-type", "").lower().startswith(_MEDIA_TYPES)
        self._media = 200 <= status < 300 and media
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
        headers = {key.lower(): value for key, value in self._headers.items()}
        whole = not self._media and not self.complete
        return Answer(self._status, headers, bytes(self._read[: self._limit]), whole)
