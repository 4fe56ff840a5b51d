"""What the triggers of one process share: in each event loop, one budget per account and one client.

And the reading of a connection: in a triggerer it takes some 20 ms, one at a time.
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
    """A line to an account: its client and its budget."""

    def __init__(self, account: Account, budget: Budget) -> None:
        self.client = AsyncClient(account)
        self.budget = budget
        self.users = 0


class _Reading(NamedTuple):
    since: float
    account: asyncio.Task[Account]


#: An account, and how it is reached.
_Settings = tuple[str, bool | str, str | None, float, int]

_LINES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Settings, Line]] = (
    weakref.WeakKeyDictionary()
)
_READINGS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Reading]] = (
    weakref.WeakKeyDictionary()
)

#: For so many seconds the account that one trigger has read serves the others too.
READING_LASTS = 60.0


async def read_once(
    key: Hashable, read: Callable[[], Coroutine[Any, Any, Account]], *, since: float = 0.0
) -> Account:
    """Return what ``read`` returns, or what it returned to another trigger within the last minute.

    :param key: what is read.
    :param since: what was read before this moment (seconds since the epoch) is of no use.
    :raises Exception: what ``read`` raises, to all who wait for it and to nobody later.
    """
    readings = _READINGS.setdefault(asyncio.get_running_loop(), {})
    found, now = readings.get(key), time.time()
    if found is None or found.since < max(since, now - READING_LASTS) or _failed(found.account):
        found = readings[key] = _Reading(now, asyncio.create_task(read()))
    # A trigger that is cancelled must not take the reading from the others.
    return await asyncio.shield(found.account)


def _failed(reading: asyncio.Task[Account]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


@contextlib.asynccontextmanager
async def line(account: Account) -> AsyncIterator[Line]:
    """Share the account's line; it is closed when its last user leaves.

    Connections that lead to one account with other settings have lines of their own, on one budget:
    the vendor counts by account.

    :raises InputError: when the account's CA bundle or proxy cannot be used.
    """
    lines = _LINES.setdefault(asyncio.get_running_loop(), {})
    key: _Settings = (account.id, account.verify, account.proxy, account.timeout, account.max_connections)
    shared = lines.get(key)
    if shared is None:
        of_account = (other.budget for known, other in lines.items() if known[0] == account.id)
        budget = next(of_account, None) or Budget(account.polls_per_minute)
        shared = lines[key] = Line(account, budget)
    shared.users += 1
    try:
        await shared.client.open()
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del lines[key]
            await shared.client.aclose()
