"""What the triggers of one triggerer share: clients, budgets, and connections that were read.

One event loop has one budget per account, and one client per account and settings. A thousand triggers with a
client each would open a thousand connections, and with a budget each exceed the vendor's limit a
thousandfold.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from typing import Any, NamedTuple

from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.budget import Budget
from airflow_provider_vidai.net.polls import AsyncClient


class Line:
    """A line to an account: its client, its budget, and the number of triggers that use them."""

    def __init__(self, account: Account, budget: Budget) -> None:
        self.client = AsyncClient(account)
        self.budget = budget
        self.users = 0


class _Reading(NamedTuple):
    since: float
    account: asyncio.Task[Account]


# By event loop, because neither a client's connections nor a budget's futures work in another loop than their
# own.
_LINES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Line]] = (
    weakref.WeakKeyDictionary()
)
_READINGS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Reading]] = (
    weakref.WeakKeyDictionary()
)

#: Seconds for which triggers share a connection lookup. A triggerer reads connections one at a time, some 20
#: ms each, so a thousand triggers that start together would wait 20 s for the last of them. A minute covers
#: that start, and a changed connection is still noticed soon; after a refused key it is read again at once.
READING_LASTS = 60.0


async def read_once(
    key: Hashable, read: Callable[[], Coroutine[Any, Any, Account]], *, since: float = 0.0
) -> Account:
    """Return what ``read`` returns, or what it returned to another trigger within ``READING_LASTS``.

    :param key: identifies the connection.
    :param since: do not use what was read before this moment (seconds since the epoch).
    :raises Exception: what ``read`` raises, to all callers that wait for it; later callers read again.
    """
    readings = _READINGS.setdefault(asyncio.get_running_loop(), {})
    found, now = readings.get(key), time.time()
    if found is None or found.since < max(since, now - READING_LASTS) or _failed(found.account):
        found = readings[key] = _Reading(now, asyncio.create_task(read()))
    # Shielded: a trigger that is cancelled must not cancel the reading that others wait for.
    return await asyncio.shield(found.account)


def _failed(reading: asyncio.Task[Account]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


@contextlib.asynccontextmanager
async def line(account: Account) -> AsyncIterator[Line]:
    """Share the account's line; it is closed when its last user leaves.

    Connections that lead to one account with different settings have a line each, but one budget, because the
    vendor counts by account.

    :raises InputError: when the account's CA bundle or proxy cannot be used.
    """
    lines = _LINES.setdefault(asyncio.get_running_loop(), {})
    key = account.sharing_key
    shared = lines.get(key)
    if shared is None:
        of_account = (other.budget for other in lines.values() if other.client.account.id == account.id)
        budget = next(of_account, None) or Budget(account.polls_per_minute)
        shared = lines[key] = Line(account, budget)
    shared.users += 1
    try:
        # Counted before the first await: another trigger that leaves meanwhile must not close this line.
        await shared.client.open()
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del lines[key]
            await shared.client.aclose()
