"""The asynchronous driver of a Call, for triggers; its only need is status.

aiohttp carries it: less than half the work per look of httpx, and a pool that does not slow down.
Only triggerers need it, so it is imported when the first of them opens and not with every DAG file.
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
from airflow_provider_vidai.net.exchange import (
    MAX_HEADER,
    Body,
    broken,
    meaning,
    never_opened,
    proxy_of,
    request_of,
    setting_up,
    timeout_of,
)

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

T = TypeVar("T")


class AsyncClient:
    """The connections of one event loop to one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._http: aiohttp.ClientSession | None = None
        self._proxy: URL | None = None
        self._opening = asyncio.Lock()
        # Callers queue here and not for a connection, where the time for their call would run already.
        self._turns = asyncio.Semaphore(account.max_connections)

    async def open(self) -> None:
        """Make what connections need, once.

        :raises InputError: when the account's CA bundle or proxy cannot be used.
        """
        if self._http is not None:
            return
        async with self._opening:
            if self._http is None:
                # An import and a set of certificates take a tenth of a second: not in the event loop.
                self._proxy, verify = await asyncio.to_thread(_prepare, self.account)
                self._http = _session(self.account, verify)

    async def asend(self, call: Call[T]) -> T:
        """Send ``call`` once and return what its answer means.

        :raises VidaiError: see :mod:`airflow_provider_vidai.errors`.
        """
        await self.open()
        assert self._http is not None
        async with self._turns:
            body = await _look(self._http, self._proxy, self.account, call)
        return meaning(self.account, call, body.answer())

    async def aclose(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _prepare(account: Account) -> tuple[URL | None, ssl.SSLContext]:
    import aiohttp  # noqa: F401 - only to have it imported
    from yarl import URL

    with setting_up(account):
        proxy = proxy_of(account)
        return URL(proxy) if proxy else None, account.ssl_context


def _session(account: Account, verify: ssl.SSLContext) -> aiohttp.ClientSession:
    import aiohttp

    async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # These aiohttp would answer by sending again; a look is repeated by nobody but its trigger.
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


async def _look(http: aiohttp.ClientSession, proxy: URL | None, account: Account, call: Call[Any]) -> Body:
    import aiohttp
    from yarl import URL

    request = request_of(account, call)
    with _failures(account, call):
        async with http.request(
            call.method,
            URL(str(request.url), encoded=True),
            headers=request.headers,
            data=request.body,
            proxy=proxy,
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
    # These three come before a byte of the request is sent. The texts of the last two may tell the whole URL.
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
