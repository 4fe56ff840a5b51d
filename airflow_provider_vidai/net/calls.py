"""The synchronous driver of a Call, for hooks and operators.

It follows no redirect (httpcore knows none), sends the key to nothing but the account's own host, reads at
most 4 MiB of an answer (and only the first bytes of media), and turns every network failure into an
ApiError that says whether the request can have arrived.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import httpcore
import httpx

from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Repeat
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.deadline import Backend, deadline
from airflow_provider_vidai.net.exchange import (
    Body,
    broken,
    meaning,
    never_opened,
    proxy_of,
    request_of,
    setting_up,
    timeout_of,
)
from airflow_provider_vidai.net.retry import pause_before_retry

T = TypeVar("T")

# httpx logs each request's full URL at INFO, and a signed URL is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

#: Connections open at once, and the seconds for which one that is idle is kept.
_CONNECTIONS = 20
_KEPT = 5.0
# These fail before a byte of the request is sent; whatever else is raised proves nothing of the kind.
_NEVER_OPENED = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
)


class Client:
    """The connections of one hook to one account."""

    _http: httpcore.ConnectionPool | None = None

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

    def _kept(self) -> httpcore.ConnectionPool:
        if self._http is None:
            self._http = self._open()
        return self._http

    def _open(self) -> httpcore.ConnectionPool:
        with setting_up(self.account):
            verify, proxy = self.account.ssl_context, proxy_of(self.account)
            return httpcore.ConnectionPool(
                ssl_context=verify,
                proxy=_proxy(proxy) if proxy else None,
                max_connections=_CONNECTIONS,
                keepalive_expiry=_KEPT,
                network_backend=Backend(),
            )

    def _exchange(self, http: httpcore.ConnectionPool, call: Call[T]) -> T:
        account = self.account
        request, seconds = request_of(account, call), timeout_of(account, call)
        url = request.url
        with (
            _failures(account, call),
            deadline(seconds),
            http.stream(
                call.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=list(request.headers.items()),
                content=request.body,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)},
            ) as response,
        ):
            body = Body(account, response.status, httpx.Headers(response.headers))
            for chunk in response.iter_stream():
                if body.add(chunk):
                    break
        return meaning(account, call, body.answer())


def _proxy(url: str) -> httpcore.Proxy:
    told = httpx.Proxy(url)
    at = told.url
    return httpcore.Proxy(
        httpcore.URL(scheme=at.raw_scheme, host=at.raw_host, port=at.port, target=at.raw_path),
        auth=told.raw_auth,
    )


@contextlib.contextmanager
def _failures(account: Account, call: Call[Any]) -> Iterator[None]:
    """Turn what httpcore raises into an ApiError that says whether the request can have arrived."""
    try:
        yield
    except VidaiError:
        raise
    except _NEVER_OPENED as error:
        raise never_opened(account, call, str(error) or type(error).__name__) from None
    except Exception as error:  # noqa: BLE001 - the request may have left, whatever it is
        raise broken(account, call, error, str(error)) from None
