"""Uploads to a vendor's storage: streamed, checked, and repeated after failures that pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from airflow_provider_vidai.errors import TransferError, VidaiError
from airflow_provider_vidai.files.progress import reported
from airflow_provider_vidai.files.storage import (
    Source,
    shown_name,
)
from airflow_provider_vidai.jobs.calls import Put
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.bodies import FRUITLESS_TRIES, LEASE_OVER, PASSING, Interrupted, Streams

log = logging.getLogger(__name__)


def upload(account: Account, locate: Callable[[], Put], source: Source) -> None:
    """Stream ``source`` to the signed URL that ``locate`` returns, without the account's key.

    An upload buys nothing, and the same bytes replace themselves, so a failure that may pass is followed by
    another attempt with a fresh URL. The lookup of a host's name is not bounded by the account's ``timeout``,
    see :func:`airflow_provider_vidai.files.download.download`.

    :raises TransferError: when the file did not arrive.
    """
    for attempt in range(1, FRUITLESS_TRIES + 1):
        put = locate()
        try:
            return _put(account, put, source)
        except Interrupted as why:
            if attempt == FRUITLESS_TRIES:
                raise _not_uploaded(source, f"{why} ({attempt} attempts)") from None
            log.warning(
                "Uploading %s was interrupted: %s. It starts again with a fresh URL.",
                shown_name(source.path),
                why,
            )
            time.sleep(2.0 ** (attempt - 1))
    return None


def _put(account: Account, put: Put, source: Source) -> None:
    body = reported(_of_announced_size(source), f"Uploading {shown_name(source.name)}", source.size)
    # One PUT with its length, as the vendor's own client sends it: no upload in parts is documented.
    with Streams(account) as streams:
        status = streams.put(put, body, source.size)
    if 200 <= status < 300:
        return
    why = f"the storage answered HTTP {status}"
    # The URL has expired, or the storage is in trouble: another attempt gets a fresh URL.
    if status in LEASE_OVER | PASSING:
        raise Interrupted(why)
    raise _not_uploaded(source, why, retryable=False)


def _of_announced_size(source: Source) -> Iterator[bytes]:
    """Read the file, and make sure that its length is the announced one: it may change meanwhile."""
    sent = 0
    try:
        for chunk in source.chunks():
            sent += len(chunk)
            # More bytes than the announced Content-Length would be read as the next request.
            if sent > source.size:
                break
            yield chunk
    except VidaiError:
        raise
    except Exception as error:  # each store raises errors of its own types
        raise _not_uploaded(source, f"it cannot be read: {error}") from error
    if sent != source.size:
        raise _not_uploaded(source, "the file changed while it was being sent")


def _not_uploaded(source: Source, why: str, *, retryable: bool = True) -> TransferError:
    return TransferError(
        f"Uploading {shown_name(source.path)} failed: {why}. Nothing was charged.", retryable=retryable
    )
