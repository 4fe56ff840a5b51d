"""Files in and out: streamed, checked, resumed, and landed whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from airflow_provider_vidai.errors import TransferError
from airflow_provider_vidai.models import Fetch, Put
from airflow_provider_vidai.transport.account import Account
from airflow_provider_vidai.transport.http import USER_AGENT
from airflow_provider_vidai.transport.probe import HEAD, Media, looks_like, probe, suffix_of
from airflow_provider_vidai.transport.storage import (
    CHUNK,
    Landing,
    Source,
    destination_path,
    landing,
    public_uri,
)

log = logging.getLogger(__name__)

#: How often in a row a transfer is taken up again without having moved a byte.
FRUITLESS_TRIES = 5
#: A line in the log at most every so many seconds.
PROGRESS_EVERY = 10.0

# A signed URL is a lease: these say that it ran out, and a fresh one may work.
_LEASE_OVER = frozenset({403, 404, 410})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
    """The transfer stopped for a reason that may pass."""


def upload(account: Account, locate: Callable[[], Put], source: Source) -> None:
    """Stream ``source`` to the signed URL that ``locate`` gives, without the account's key.

    Putting the same bytes to the same place again is harmless, so passing failures are repeated,
    each time with a fresh URL.

    :raises TransferError: when it did not arrive.
    """
    for tries in range(1, FRUITLESS_TRIES + 1):
        put = locate()
        try:
            return _put(account, put, source)
        except _Interrupted as why:
            if tries == FRUITLESS_TRIES:
                raise TransferError(f"Uploading {source.path} failed {tries} times: {why}.") from None
            log.warning("Uploading %s: %s; trying again with a fresh URL.", source.path, why)
            time.sleep(2.0 ** (tries - 1))
    return None


def _put(account: Account, put: Put, source: Source) -> None:
    headers = {"Content-Type": put.content_type, "Content-Length": str(source.size), "User-Agent": USER_AGENT}
    body = _reported(source.chunks(), f"Uploading {source.name}", source.size)
    with _network(account), _storage_client(account) as http:
        response = http.put(put.url, content=body, headers=headers)
    if response.is_success:
        return
    said = f"the storage answered HTTP {response.status_code}"
    if response.status_code in _LEASE_OVER | _PASSING:
        raise _Interrupted(said)
    raise TransferError(f"Uploading {source.path}: {said}.", retryable=False)


def download(account: Account, locate: Callable[[], Fetch], destination: str, stem: str) -> dict[str, Any]:
    """Land the file that ``locate`` finds, and return what was landed.

    :param locate: asks the vendor for a fresh way to the file; called again whenever a URL has run
        out, also midway.
    :param destination: the exact file, or a folder when it ends in ``/``.
    :param stem: the file's name in a folder, without extension.
    :returns: ``{uri, bytes, sha256, content_type, duration, width, height, fps}``, seconds and
        pixels, without the fields that make no sense for the file.
    :raises TransferError: nothing was landed.
    """
    progress = _Progress()
    with contextlib.ExitStack() as stack:
        fruitless = 0
        target: Landing | None = None
        while True:
            before, fetch = progress.received, locate()
            try:
                with _opened(account, fetch, progress) as response:
                    head, chunks = _begin(response, fetch, progress)
                    if target is None:
                        path = destination_path(destination, stem, suffix_of(fetch.kind, head))
                        target = stack.enter_context(landing(path))
                    elif not progress.received:
                        target.open()
                    _pour(chunks, target, progress, stem)
                break
            except _Interrupted as why:
                fruitless = 0 if progress.received > before else fruitless + 1
                if fruitless >= FRUITLESS_TRIES:
                    raise TransferError(f"Downloading {stem} failed: {why}. Nothing was landed.") from None
                log.warning("Downloading %s: %s; going on from byte %d.", stem, why, progress.received)
                time.sleep(min(2.0**fruitless, 30.0) if fruitless else 0.2)
        target.commit()
    return _landed(target, progress)


@dataclass
class _Progress:
    """How far a download has come, and what must stay the same for it to be resumed."""

    received: int = 0
    total: int | None = None
    validator: str | None = None
    content_type: str = ""
    sha256: Any = field(default_factory=hashlib.sha256)

    def restart(self) -> None:
        self.received, self.sha256 = 0, hashlib.sha256()


@contextlib.contextmanager
def _opened(account: Account, fetch: Fetch, progress: _Progress) -> Iterator[httpx.Response]:
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **fetch.headers}
    if fetch.with_key:
        headers.update(account.key_headers)
    if progress.received and progress.validator:
        headers |= {"Range": f"bytes={progress.received}-", "If-Range": progress.validator}
    with (
        _network(account),
        _storage_client(account) as http,
        http.stream(
            fetch.method, fetch.url, headers=headers, json=fetch.body, follow_redirects=not fetch.with_key
        ) as response,
    ):
        yield response


def _begin(response: httpx.Response, fetch: Fetch, progress: _Progress) -> tuple[bytes, Iterator[bytes]]:
    """Check an answer before a byte of it is written; return its first bytes and the whole stream."""
    status = response.status_code
    if status in _LEASE_OVER | _PASSING or status == 416:
        if status == 416:
            progress.restart()
        raise _Interrupted(f"HTTP {status}")
    if status not in (200, 206):
        raise TransferError(
            f"The vendor's storage answered HTTP {status}. Nothing was landed.", retryable=status >= 500
        )
    resumed = status == 206 and response.headers.get("content-range", "").startswith(
        f"bytes {progress.received}-"
    )
    chunks = response.iter_raw(CHUNK)
    if resumed:
        return b"", chunks
    progress.restart()
    length = response.headers.get("content-length")
    progress.total = int(length) if length and length.isdigit() else None
    etag = response.headers.get("etag", "")
    ranged = response.headers.get("accept-ranges") == "bytes" and not etag.startswith("W/")
    progress.validator = (etag or response.headers.get("last-modified")) if ranged else None
    progress.content_type = response.headers.get("content-type", "").partition(";")[0].strip()
    first = next(chunks, b"")
    if len(first) >= HEAD and not looks_like(fetch.kind, first[:HEAD]):
        raise TransferError(
            f"Expected {fetch.kind}, but what came begins with {first[:HEAD]!r} "
            f"({progress.content_type or 'no content type'}). Nothing was landed."
        )
    return first[:HEAD], _chain(first, chunks)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pour(chunks: Iterator[bytes], target: Landing, progress: _Progress, stem: str) -> None:
    for chunk in _reported(chunks, f"Downloading {stem}", progress.total, progress.received):
        target.write(chunk)
        progress.sha256.update(chunk)
        progress.received += len(chunk)
    if progress.total is not None and progress.received != progress.total:
        raise _Interrupted(f"the stream ended at byte {progress.received} of {progress.total}")
    if progress.received < HEAD:
        raise TransferError(f"Downloading {stem}: only {progress.received} bytes came. Nothing was landed.")


def _landed(target: Landing, progress: _Progress) -> dict[str, Any]:
    try:
        with target.path.open("rb") as file:  # type: ignore[no-untyped-call]
            media = probe(file)
    except (ValueError, OSError) as error:
        log.warning("%s was landed whole, but could not be probed: %s", target.path, error)
        media = Media(None, None, None, None)
    facts = {
        "uri": public_uri(target.path),
        "bytes": progress.received,
        "sha256": progress.sha256.hexdigest(),
        "content_type": progress.content_type or None,
        "duration": round(media.duration, 3) if media.duration else None,
        "width": media.width,
        "height": media.height,
        "fps": round(media.fps, 3) if media.fps else None,
    }
    landed = {key: value for key, value in facts.items() if value is not None}
    log.info("Landed %s", ", ".join(f"{key} {value}" for key, value in landed.items()))
    return landed


def _reported(chunks: Iterator[bytes], doing: str, total: int | None, done: int = 0) -> Iterator[bytes]:
    """Pass ``chunks`` on, with a line in the log now and then."""
    told = time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - told >= PROGRESS_EVERY:
            told = time.monotonic()
            share = f" of {total / 1e6:.1f} MB ({100 * done / total:.0f} %)" if total else ""
            log.info("%s: %.1f MB%s", doing, done / 1e6, share)


def _storage_client(account: Account) -> httpx.Client:
    return httpx.Client(
        verify=account.ssl_context,
        proxy=account.proxy,
        trust_env=account.proxy is None,
        timeout=account.timeout,
    )


@contextlib.contextmanager
def _network(account: Account) -> Iterator[None]:
    try:
        yield
    except httpx.LocalProtocolError as error:
        raise TransferError(f"The file changed while it was being sent ({error}).") from None
    except httpx.HTTPError as error:
        # The text of some of these holds the URL, which is a secret.
        raise _Interrupted(
            f"the connection to {account.label}'s storage broke ({type(error).__name__})"
        ) from None
