"""File bodies in and out, over urllib3, which takes several times less work per byte than httpx.

A redirect is never followed with the key, nor from https to http. No error and no log line contains a URL,
because a signed URL is a secret.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from airflow_provider_vidai.answers import clean_text
from airflow_provider_vidai.errors import InputError, TransferError, VidaiError
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.policy import HEADERS, Proxy, is_untrusted, proxy_for, tls
from airflow_provider_vidai.net.reach import Reach

# urllib3 logs each request's path with its query at DEBUG, and a signed URL is a secret.
logging.getLogger("urllib3").setLevel(logging.INFO)
# Its warning of an unreadable header contains the whole URL.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

#: Bytes that one read takes from the network at most: large enough that the work per read does not count, and
#: small enough to bound the memory whatever the file's size.
READ = 1 << 20
#: The same where several connections fill buffers at once, each of which needs memory of its own.
PIECE = 1 << 18
#: A storage redirects once, to a region or a CDN; a longer chain is most likely a circle.
_MOST_REDIRECTS = 5
#: How often in a row a transfer is resumed without having moved a byte. With pauses that double, five
#: attempts take about half a minute: longer than a dropped connection needs, and short for a worker to be
#: held for nothing.
FRUITLESS_TRIES = 5
#: Statuses that mean the signed URL has expired; a fresh URL may work.
LEASE_OVER = frozenset({403, 404, 410})
#: Statuses of failures that may pass.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Interrupted(Exception):
    """The transfer stopped for a reason that may pass."""


class Stream:
    """A body that is being received."""

    def __init__(self, account: Account, response: urllib3.BaseHTTPResponse) -> None:
        self._label = account.label
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = urllib3.HTTPHeaderDict(
            {name: account.hidden.text(clean_text(value)) for name, value in response.headers.items()}
        )

    def chunks(self) -> Iterator[bytes]:
        """Yield bytes as they arrive, so that an interruption loses none of them.

        :raises Interrupted: when the connection breaks.
        """
        with _interruptions(self._label):
            # A short body is no error here: the caller checks the length and knows how to resume.
            while chunk := self._response.read1(READ):
                yield chunk

    def first(self, size: int) -> bytes:
        """Return the first ``size`` bytes, or all there are."""
        head = bytearray(size)
        return bytes(head[: self.fill(memoryview(head))])

    def fill(self, buffer: memoryview) -> int:
        """Read into ``buffer`` until it is full or the body ends; return the number of bytes read."""
        filled = 0
        with _interruptions(self._label):
            while chunk := self._response.read1(min(len(buffer) - filled, PIECE)):
                buffer[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        return filled


class Streams:
    """The connections of one transfer.

    :param connections: how many may be open at once.
    """

    def __init__(self, account: Account, connections: int = 1) -> None:
        self._account = account
        self._connections = connections
        # One for direct connections and one for each proxy: storage and API may need different ones.
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
        :raises TransferError: when it must not be opened, or redirects to where it must not.
        """
        body = None if fetch.body is None else json.dumps(fetch.body).encode()
        sent = {**HEADERS, **fetch.headers, **headers}
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
        :raises TransferError: when the URL must not be opened.
        """
        headers = {**HEADERS, "Content-Type": put.content_type, "Content-Length": str(size)}
        response = self._send("PUT", put.url, headers, body)
        response.close()
        return response.status

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> urllib3.BaseHTTPResponse:
        with _interruptions(self._account.label):
            return self._pool(url).request(  # _pool checks the URL, also after a redirect
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
        try:
            proxy, verify = proxy_for(self._account, url), tls(self._account)
        except InputError as error:
            raise TransferError(
                f"{self._account.label}'s storage cannot be reached: {error.reason} Nothing was transferred.",
                retryable=False,
            ) from None
        if proxy:
            self._reach.check(url, by_proxy=True)
        address = proxy.url if proxy else None
        if address not in self._pools:
            options = {
                "ssl_context": verify,
                "timeout": self._account.timeout,
                "maxsize": self._connections,
            }
            self._pools[address] = _over(proxy, options) if proxy else self._reach.pool(**options)
        return self._pools[address]


def _over(proxy: Proxy, options: Mapping[str, Any]) -> urllib3.ProxyManager:
    """Return a pool of connections over a proxy."""
    verify = options["ssl_context"]  # also for the proxy's own certificate, if its URL is an https one
    return urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, proxy_ssl_context=verify, **options)


# A body may be sent or fetched again without harm, so "never opened" and "broken" are the same here:
# both are repeated. Only what is impossible is not.
@contextlib.contextmanager
def _interruptions(label: str) -> Iterator[None]:
    try:
        yield
    except VidaiError:
        raise
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        if is_untrusted(str(error)):
            raise TransferError(
                f"Could not connect to {label}'s storage: its certificate is not trusted. Set ca_bundle in "
                "the connection. Nothing was transferred.",
                retryable=False,
            ) from None
        # Only the type is quoted: the text of some of these holds the URL, which is a secret.
        raise Interrupted(f"the connection to {label}'s storage broke ({type(error).__name__})") from None
