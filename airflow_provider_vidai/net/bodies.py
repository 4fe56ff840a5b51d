"""Long bodies in and out, over urllib3: several times less work per byte than httpx.

Nothing here follows a redirect with the key, or from https to http, or tells a URL.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from airflow_provider_vidai.answers import clean_text
from airflow_provider_vidai.errors import TransferError, VidaiError
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.net.account import USER_AGENT, Account
from airflow_provider_vidai.net.reach import Reach

# urllib3 logs each request's path with its query at DEBUG, and a signed URL is a secret.
logging.getLogger("urllib3").setLevel(logging.INFO)
# It warns of a header that it cannot read, with the whole URL.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

#: The most that is read from the network at a time, in bytes.
READ = 1 << 20
#: The same where several connections fill buffers at once.
PIECE = 1 << 18
_MOST_REDIRECTS = 5
#: How often in a row a transfer is resumed without having moved a byte.
FRUITLESS_TRIES = 5
#: A signed URL is a lease: these statuses say that it ran out, and a fresh URL may work.
LEASE_OVER = frozenset({403, 404, 410})
#: Statuses of a trouble that passes.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Interrupted(Exception):
    """The transfer stopped for a reason that may pass."""


class Stream:
    """A body on its way in."""

    def __init__(self, account: Account, response: urllib3.BaseHTTPResponse) -> None:
        self._label = account.label
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = urllib3.HTTPHeaderDict(
            {name: account.hidden.text(clean_text(value)) for name, value in response.headers.items()}
        )

    def chunks(self) -> Iterator[bytes]:
        """Yield what has arrived, as it arrives, so that an interruption loses nothing.

        :raises Interrupted: when the connection breaks.
        """
        with _interruptions(self._label):
            # The length is checked by the caller, who knows how to go on from a short body.
            while chunk := self._response.read1(READ):
                yield chunk

    def first(self, size: int) -> bytes:
        """Return the first ``size`` bytes, or all there are."""
        head = bytearray(size)
        return bytes(head[: self.fill(memoryview(head))])

    def fill(self, room: memoryview) -> int:
        """Read into ``room`` until it is full or the body ends; return how many bytes came."""
        filled = 0
        with _interruptions(self._label):
            while chunk := self._response.read1(min(len(room) - filled, PIECE)):
                room[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        return filled


class Streams:
    """The connections of one transfer.

    :param connections: how many may be open at once.
    """

    def __init__(self, account: Account, connections: int = 1) -> None:
        self._account = account
        self._connections = connections
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._reach = Reach(account)

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.clear()

    @contextlib.contextmanager
    def get(self, fetch: Fetch, headers: Mapping[str, str]) -> Iterator[Stream]:
        """Open the file of ``fetch``.

        :raises Interrupted: when there is no connection.
        :raises TransferError: when it redirects to somewhere it may not.
        """
        body = None if fetch.body is None else json.dumps(fetch.body).encode()
        sent = {**_COMMON, "Accept-Encoding": "identity", **fetch.headers, **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        if fetch.with_key:
            sent |= self._account.key_headers
        url = self._account.base_url + fetch.url if fetch.with_key else fetch.url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._send(fetch.method, url, sent, body)
            try:
                if fetch.with_key or response.status not in _REDIRECTS:
                    yield Stream(self._account, response)
                    return
                url = self._redirected(url, response.headers.get("Location", ""), fetch.same_host)
            finally:
                response.close()
        raise TransferError(f"{self._account.label}'s storage redirects in circles. Nothing was landed.")

    def put(self, put: Put, body: Iterator[bytes], size: int) -> int:
        """Send ``body``, ``size`` bytes, and return the status of the answer.

        :raises Interrupted: when the connection breaks.
        """
        headers = {**_COMMON, "Content-Type": put.content_type, "Content-Length": str(size)}
        response = self._send("PUT", put.url, headers, body)
        response.close()
        return response.status

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> urllib3.BaseHTTPResponse:
        with _interruptions(self._account.label):
            return self._pool(url).request(  # which checks the URL, also after a redirect
                method, url, headers=headers, body=body, redirect=False, retries=False, preload_content=False
            )

    def _redirected(self, url: str, location: str, same_host: bool) -> str:
        try:
            target = urljoin(url, location)
            scheme, host = urlsplit(target).scheme, urlsplit(target).netloc
        except ValueError:
            target, scheme, host = "", "", ""
        elsewhere = same_host and host != urlsplit(url).netloc
        downgraded = url.startswith("https:") and scheme == "http"
        if not location or scheme not in ("http", "https") or downgraded or elsewhere:
            where = "another host" if elsewhere and scheme else scheme or "nowhere"
            raise TransferError(
                f"{self._account.label}'s storage redirects to {where}, which is not followed. "
                "Nothing was landed.",
                retryable=False,
            )
        return target

    def _pool(self, url: str) -> urllib3.PoolManager:
        self._reach.check(url)
        proxy = self._account.proxy or _proxy_of_environment(url)
        if proxy:
            self._reach.check(url, by_proxy=True)
        if proxy not in self._pools:
            options: dict[str, Any] = {
                "ssl_context": self._account.ssl_context,
                "timeout": self._account.timeout,
                "maxsize": self._connections,
            }
            self._pools[proxy] = _over(proxy, options) if proxy else self._reach.pool(**options)
        return self._pools[proxy]


_COMMON = {"User-Agent": USER_AGENT}


def _over(proxy: str, options: Mapping[str, Any]) -> urllib3.ProxyManager:
    """Return a pool over a proxy, with the user and password of its URL, which urllib3 leaves out."""
    parts = urllib3.util.parse_url(proxy)
    headers = None
    if parts.auth:
        user, _, password = parts.auth.partition(":")
        # In UTF-8, as the API's calls send it; urllib3's own helper knows only Latin-1.
        told = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        headers = {"Proxy-Authorization": f"Basic {told}"}
    return urllib3.ProxyManager(parts._replace(auth=None).url, proxy_headers=headers, **options)


def _proxy_of_environment(url: str) -> str | None:
    """Return the proxy that the usual environment variables name for ``url``."""
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


@contextlib.contextmanager
def _interruptions(label: str) -> Iterator[None]:
    try:
        yield
    except VidaiError:
        raise
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        # The text of some of these holds the URL, which is a secret.
        raise Interrupted(f"the connection to {label}'s storage broke ({type(error).__name__})") from None
