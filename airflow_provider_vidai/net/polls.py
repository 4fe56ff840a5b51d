"""The asynchronous driver of a Call, for the status checks of triggers, over aiohttp.

A status check over aiohttp takes less than half the work that it takes over httpx, and its pool does not slow
down with a thousand waiting jobs. Only triggerers need it, so it is imported when the first client opens and
not with every DAG file.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.exchange import MAX_HEADER, Body, meaning, request_of, timeout_of
from airflow_provider_vidai.net.policy import Proxy, broken, never_opened, proxy_for, tls

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class AsyncClient:
    """The connections of one event loop to one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._http: aiohttp.ClientSession | None = None
        self._proxy: Proxy | None = None
        self._opening = asyncio.Lock()
        # Callers queue here and not for a connection: there the time for their call would already be running.
        self._turns = asyncio.Semaphore(account.max_connections)

    async def open(self) -> None:
        """Prepare for connections, once.

        :raises InputError: when the account's CA bundle or proxy cannot be used.
        """
        if self._http is not None:
            return
        async with self._opening:
            if self._http is None:
                # In a thread, because the import and the certificates take a tenth of a second, for which
                # every other trigger of this event loop would stand still.
                self._proxy, verify = await asyncio.to_thread(_prepare, self.account)
                self._http = _session(self.account, verify)

    async def asend(self, call: Call[T]) -> T:
        """Send ``call`` once and return what its answer means.

        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        await self.open()
        assert self._http is not None
        async with self._turns:
            body = await _exchange(self._http, self._proxy, self.account, call)
        return meaning(self.account, call, body.answer())

    async def aclose(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _prepare(account: Account) -> tuple[Proxy | None, ssl.SSLContext]:
    import aiohttp  # noqa: F401 - imported here, in a thread, so that the event loop finds it loaded

    return proxy_for(account, account.base_url), tls(account)


def _session(account: Account, verify: ssl.SSLContext) -> aiohttp.ClientSession:
    import aiohttp

    async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # aiohttp would send the request again by itself. Only the trigger may decide that.
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


async def _exchange(
    http: aiohttp.ClientSession, proxy: Proxy | None, account: Account, call: Call[Any]
) -> Body:
    import aiohttp
    from yarl import URL

    request = request_of(account, call)
    headers, to_proxy = request.headers, proxy.headers if proxy else {}
    if request.url.scheme == "http":
        # aiohttp sends a proxy's headers only when it opens a tunnel. Without TLS there is none.
        headers, to_proxy = headers | to_proxy, {}
    with _failures(account, call):
        async with http.request(
            call.method,
            # The path is percent-encoded already, and yarl must not rewrite it.
            URL(str(request.url), encoded=True),
            headers=headers,
            data=request.body,
            proxy=URL(proxy.url) if proxy else None,
            proxy_headers=to_proxy,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_of(account, call)),
        ) as response:
            found = Body(account, response.status, response.headers)
            async for chunk in response.content.iter_any():
                if found.add(chunk):
                    break
            return found


@contextlib.contextmanager
def _failures(account: Account, call: Call[Any]) -> Iterator[None]:
    """Turn what aiohttp raises into an ApiError that says whether the request can have arrived."""
    import aiohttp

    try:
        yield
    except VidaiError:
        raise
    # These three come before a byte of the request is sent. The texts of the last two are replaced, because
    # they may contain the whole URL.
    except aiohttp.ClientConnectorError as error:
        raise never_opened(account, call, str(error)) from None
    except aiohttp.ConnectionTimeoutError:
        raise never_opened(account, call, "it took too long") from None
    except aiohttp.ClientHttpProxyError as error:
        raise never_opened(account, call, f"the proxy answered HTTP {error.status}") from None
    except asyncio.TimeoutError as error:
        raise broken(account, call, error, "the answer came too slowly") from None
    except aiohttp.ClientResponseError as error:
        raise broken(account, call, error, error.message) from None
    except (aiohttp.InvalidURL, ValueError) as error:
        raise broken(account, call, error) from None
    except Exception as error:  # noqa: BLE001 - the request may have left, whatever it is
        raise broken(account, call, error, str(error)) from None
