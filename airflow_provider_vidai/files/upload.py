"""A file on its way to a vendor's storage: streamed, checked, and sent again where that is harmless."""

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
    """Stream ``source`` to the signed URL that ``locate`` gives, without the account's key.

    Putting the same bytes to the same place again is harmless, so passing failures are repeated,
    each time with a fresh URL.

    :raises TransferError: when it did not arrive.
    """
    for tries in range(1, FRUITLESS_TRIES + 1):
        put = locate()
        try:
            return _put(account, put, source)
        except Interrupted as why:
            if tries == FRUITLESS_TRIES:
                raise _not_uploaded(source, f"failed {tries} times: {why}") from None
            log.warning("Uploading %s: %s; trying again with a fresh URL.", shown_name(source.path), why)
            time.sleep(2.0 ** (tries - 1))
    return None


def _put(account: Account, put: Put, source: Source) -> None:
    body = reported(_exactly(source), f"Uploading {shown_name(source.name)}", source.size)
    with Streams(account) as streams:
        status = streams.put(put, body, source.size)
    if 200 <= status < 300:
        return
    said = f"the storage answered HTTP {status}"
    if status in LEASE_OVER | PASSING:
        raise Interrupted(said)
    raise _not_uploaded(source, said, retryable=False)


def _exactly(source: Source) -> Iterator[bytes]:
    """Read the file, and make sure that it is as long as was told."""
    sent = 0
    try:
        for chunk in source.chunks():
            sent += len(chunk)
            if sent > source.size:
                break
            yield chunk
    except VidaiError:
        raise
    except Exception as error:  # a store's own errors are of any kind
        raise _not_uploaded(source, f"it cannot be read: {error}") from error
    if sent != source.size:
        raise _not_uploaded(source, "the file changed while it was being sent")


def _not_uploaded(source: Source, why: str, *, retryable: bool = True) -> TransferError:
    return TransferError(
        f"Uploading {shown_name(source.path)}: {why}. Nothing was charged.", retryable=retryable
    )
