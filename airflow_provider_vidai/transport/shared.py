"""What the triggers of one process share: per event loop and account one client and one budget."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator

from airflow_provider_vidai.transport.account import Account
from airflow_provider_vidai.transport.budget import Budget
from airflow_provider_vidai.transport.http import AsyncClient


class Line:
    """An account's line: its client and its budget."""

    def __init__(self, account: Account) -> None:
        self.client = AsyncClient(account)
        self.budget = Budget(account.polls_per_minute)
        self.users = 0


_LINES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Line]] = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def line(account: Account) -> AsyncIterator[Line]:
    """Share the account's line; it is closed when its last user leaves."""
    lines = _LINES.setdefault(asyncio.get_running_loop(), {})
    shared = lines.get(account.id)
    if shared is None:
        shared = lines[account.id] = Line(account)
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del lines[account.id]
            await shared.client.aclose()
