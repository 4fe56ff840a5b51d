"""What the two drivers of a Call share: the request that is sent, and how much of the answer is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx

from airflow_provider_vidai.answers import MAX_ANSWER, Answer
from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.policy import HEADERS, impossible_request

T = TypeVar("T")

#: Bytes that are read of an answer that is media: enough for a container's signature. Venice answers the
#: status check of a finished job with the video itself, and the triggerer must not download it.
MEDIA_HEAD = 64
#: The longest header line that is accepted, in bytes. aiohttp's own limit of 8190 could turn an answer with a
#: long signed URL in a header into a failed status check; httpcore accepts more by itself.
MAX_HEADER = 1 << 16
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
    headers, body = {**account.key_headers, **HEADERS}, None
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
        raise impossible_request(account, call, error) from None
    return Request(url, headers, body)


def timeout_of(account: Account, call: Call[Any]) -> float:
    """Return the seconds that ``call`` may take from its first to its last byte."""
    return call.timeout or account.timeout


def meaning(account: Account, call: Call[T], answer: Answer) -> T:
    """Return what an answer means.

    An answer that ``call.parse`` cannot process is a failed call and not a crash: the job that it is about is
    paid for.
    """
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


class Body:
    """Collects as much of a response's body as matters."""

    def __init__(self, account: Account, status: int, headers: Mapping[str, str]) -> None:
        self._account, self._status = account, status
        self._headers = {key.lower(): value for key, value in headers.items()}
        media = self._headers.get("content-type", "").lower().startswith(_MEDIA_TYPES)
        self._media = 200 <= status < 300 and media
        self._limit = MEDIA_HEAD if self._media else MAX_ANSWER
        self._read = bytearray()
        # A server may compress although it was asked not to. Unpacking stops at the limit, so that a few kB
        # which unpack to gigabytes cannot fill the memory.
        gzipped = self._headers.get("content-encoding", "").lower() in ("gzip", "deflate")
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if gzipped else None
        self.complete = False

    def add(self, chunk: bytes) -> bool:
        """Add a chunk; return True when nothing more needs to be read."""
        room = self._limit + 1 - len(self._read)
        self._read += self._unpacker.decompress(chunk, room) if self._unpacker else chunk[:room]
        self.complete = len(self._read) > self._limit
        return self.complete

    def answer(self) -> Answer:
        """Return what was read as an Answer, without the account's key where the vendor repeats it."""
        whole = not self._media and not self.complete
        return Answer.read(
            self._status, self._headers, bytes(self._read[: self._limit]), whole, self._account.hidden
        )
