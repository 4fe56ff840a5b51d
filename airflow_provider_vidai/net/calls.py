"""The synchronous driver of a Call, for hooks and operators, over httpcore.

It follows no redirect (httpcore has no such feature), sends the key to the account's own host only, reads at
most 4 MiB of an answer (and only the first bytes of media), and turns every network failure into an
ApiError that says whether the request can have arrived.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import httpcore
import httpx

from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.jobs.calls import Call, Repeat
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.deadline import Backend, deadline
from airflow_provider_vidai.net.exchange import Body, meaning, request_of, timeout_of
from airflow_provider_vidai.net.policy import broken, never_opened, proxy_for, tls
from airflow_provider_vidai.net.retry import ATTEMPTS, repeated

T = TypeVar("T")

# httpx logs each request's full URL at INFO, and a signed URL is a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

#: Connections open at once. A hook sends one call after the other; the rest is room for a hook shared by
#: threads.
_CONNECTIONS = 20
#: Seconds for which an idle connection is kept: long enough for the calls of one operator, and shorter than
#: the time after which a server or load balancer closes it without a word.
_KEPT = 5.0
# These come before a byte of the request is sent. Whatever else is raised does not prove that.
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
        # Several threads of a task may share a hook.
        self._opening = threading.Lock()

    def send(self, call: Call[T], *, attempts: int = ATTEMPTS) -> T:
        """Run ``call`` and return what its answer means.

        SAFE calls are repeated as :mod:`airflow_provider_vidai.net.retry` decides. ONCE calls are sent
        exactly once, on a connection of their own: a kept connection may have been closed by the server, and
        the failure would look like a lost purchase.

        :param attempts: how often a SAFE call is sent at most; 1 for status checks, which their caller
            repeats.
        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        if call.repeat is Repeat.ONCE:
            with self._open() as http:
                return self._exchange(http, call)
        return repeated(lambda: self._exchange(self._kept(), call), attempts)

    def close(self) -> None:
        """Close the kept connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __del__(self) -> None:
        self.close()

    def _kept(self) -> httpcore.ConnectionPool:
        with self._opening:
            if self._http is None:
                self._http = self._open()
            return self._http

    def _open(self) -> httpcore.ConnectionPool:
        verify, proxy = tls(self.account), proxy_for(self.account, self.account.base_url)
        over = None
        if proxy:
            secure = verify if proxy.url.startswith("https:") else None  # httpcore refuses it for http
            over = httpcore.Proxy(proxy.url, headers=list(proxy.headers.items()), ssl_context=secure)
        return httpcore.ConnectionPool(
            ssl_context=verify,
            proxy=over,
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
