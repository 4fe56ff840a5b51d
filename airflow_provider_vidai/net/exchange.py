"""What both drivers of a Call share: what is sent, how much is read, and what a failure proves.

After a request left, nothing that a library raises proves that the vendor did not act on it. A failure
counts as "not processed" only if it was met while the request was made, or while connecting.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from airflow_provider_vidai.answers import MAX_ANSWER, Answer, clean_text
from airflow_provider_vidai.errors import ApiError, InputError, VidaiError
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import USER_AGENT, Account
from airflow_provider_vidai.redaction import redacted, without_bytes

T = TypeVar("T")

#: Of an answer that is media, this much is read: enough for a container's signature.
MEDIA_HEAD = 64
#: The longest line of an answer's head that is taken, in bytes.
MAX_HEADER = 1 << 16
# An uncompressed answer cannot swell in memory; all of them are small.
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
_MEDIA_TYPES = ("video/", "image/", "audio/", "application/octet-stream")


class Request(NamedTuple):
    """A Call as it is sent to an account."""

    url: httpx.URL
    headers: dict[str, str]
    body: bytes | None


def request_of(account: Account, call: Call[Any]) -> Request:
    """Return what is sent for ``call``.

    :raises ApiError: when no such request can be made; it proves that nothing was sent.
    """
    headers, body = {**account.key_headers, **_HEADERS}, None
    try:
        if call.body is not None:
            body = json.dumps(call.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        url = httpx.URL(account.base_url + call.path + (f"?{urlencode(call.query)}" if call.query else ""))
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.InvalidURL("not an http(s) URL")
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ValueError("a header contains characters that cannot be sent")
    except Exception as error:  # noqa: BLE001 - the text of any of these may hold the key
        raise ApiError(
            f"The request to {account.label} at {account.shown_url} to {call.name} could not be made "
            f"({type(error).__name__}): check the connection's host and key, and the values given. "
            "Nothing was sent.",
            processed="no",
        ) from None
    return Request(url, headers, body)


def timeout_of(account: Account, call: Call[Any]) -> float:
    """Return the seconds that ``call`` may take from its first to its last byte."""
    return call.timeout or account.timeout


def proxy_of(account: Account) -> str | None:
    """Return the URL of the proxy to the account's host.

    :raises ValueError: when it is no http(s) URL.
    """
    proxy = account.proxy or _proxy_of_environment(account.base_url)
    if proxy and (httpx.URL(proxy).scheme not in ("http", "https") or not httpx.URL(proxy).host):
        raise ValueError("a proxy must be an http(s) URL")
    return proxy


def _proxy_of_environment(url: str) -> str | None:
    # The libraries' own ways of reading it would also send what ~/.netrc holds for the host.
    parts, proxies = urlsplit(url), urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


@contextlib.contextmanager
def setting_up(account: Account) -> Iterator[None]:
    """Turn what a CA bundle or a proxy makes impossible into an error of the connection's."""
    try:
        yield
    except (OSError, ImportError, ssl.SSLError) as error:
        raise _not_set_up(account, str(error)) from None
    except (ValueError, httpx.InvalidURL):
        # The text of these may hold the proxy's URL, and that its password.
        raise _not_set_up(account, "its proxy, or the environment's, is no http(s) URL") from None


def _not_set_up(account: Account, why: str) -> InputError:
    return InputError(
        f"The connection to {account.label} cannot be set up: {why}. Check ca_bundle and proxy in its extra."
    )


def meaning(account: Account, call: Call[T], answer: Answer) -> T:
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


def never_opened(account: Account, call: Call[Any], why: str) -> ApiError:
    """Return the error of a request that did not leave, because there was no connection."""
    bad_certificate = "CERTIFICATE" in why.upper()
    remedy = (
        "Its certificate is not trusted: set ca_bundle in the connection"
        if bad_certificate
        else "Check the connection's host, and the network from this machine"
    )
    return ApiError(
        f"Could not connect to {account.label} at {account.shown_url} to {call.name}: "
        f"{_shown(account, why)}. {remedy}.",
        retryable=not bad_certificate,
        processed="no",
    )


def broken(account: Account, call: Call[Any], error: Exception, words: str = "") -> ApiError:
    """Return the error of a request that left, or may have left, and got no answer.

    :param words: the library's text, which may quote what the server sent.
    """
    return ApiError(
        f"The connection to {account.label} at {account.shown_url} broke while trying to {call.name}: "
        f"{type(error).__name__} ({_shown(account, words) or 'no details'}).",
        retryable=True,
    )


def _shown(account: Account, words: str) -> str:
    """Return a library's text, which may quote what came from outside."""
    return redacted(without_bytes(account.hidden.text(clean_text(words))))[:300]


class Body:
    """Collects as much of a response's body as matters."""

    def __init__(self, account: Account, status: int, headers: Mapping[str, str]) -> None:
        self._account, self._status = account, status
        self._headers = {key.lower(): value for key, value in headers.items()}
        media = self._headers.get("content-type", "").lower().startswith(_MEDIA_TYPES)
        self._media = 200 <= status < 300 and media
        self._limit = MEDIA_HEAD if self._media else MAX_ANSWER
        self._read = bytearray()
        # Asked not to, a server may compress all the same; it is unpacked no further than the limit.
        gzipped = self._headers.get("content-encoding", "").lower() in ("gzip", "deflate")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if gzipped else None
        self.complete = False

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; return True when no more is wanted."""
        room = self._limit + 1 - len(self._read)
        self._read += self._unpacker.decompress(chunk, room) if self._unpacker else chunk[:room]
        self.complete = len(self._read) > self._limit
        return self.complete

    def answer(self) -> Answer:
        """Return what was read, without the account's key where the vendor repeats it."""
        whole = not self._media and not self.complete
        return Answer.read(
            self._status, self._headers, bytes(self._read[: self._limit]), whole, self._account.hidden
        )
