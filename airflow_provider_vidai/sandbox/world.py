"""The sandbox's state, shared by the vendors, the storage and the control side."""

import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from airflow_provider_vidai.sandbox.accounts import Accounts
from airflow_provider_vidai.sandbox.book import Book
from airflow_provider_vidai.sandbox.calls import Calls
from airflow_provider_vidai.sandbox.clock import Clock
from airflow_provider_vidai.sandbox.faults import Faults
from airflow_provider_vidai.sandbox.limits import Windows
from airflow_provider_vidai.sandbox.settings import Settings
from airflow_provider_vidai.sandbox.storage import Storage
from airflow_provider_vidai.sandbox.studio import Studio


class World:
    """The sandbox's state.

    :param speed: how many times faster than real time jobs run.
    :param data: the folder in which the book and files are kept, which the next start continues; None is a
        temporary one, deleted when the sandbox stops.
    :raises ValueError: if the speed is not a number, or is negative.
    """

    def __init__(self, speed: float = 1.0, data: Path | None = None) -> None:
        self._speed = speed
        self._data = data
        self._start()

    def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vidai-sandbox-", dir=self._data))
        self.settings = Settings()
        self.clock = Clock(self.settings.speed)
        self.change({"speed": self._speed})
        self.book = Book(self._data)
        self.accounts = Accounts()
        self.faults = Faults()
        self.calls = Calls()
        self.storage = Storage(self.folder)
        self.studio = Studio()
        self.windows = Windows(self.clock.wall)
        #: The same in virtual time, for limits that scale with the speed.
        self.fast_windows = Windows(self.clock.now)
        self._tasks: set[asyncio.Task[None]] = set()
        self._granted: dict[tuple[str, str], float] = {}
        #: Each vendor's jobs by id.
        self.jobs: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background until it is done, or the sandbox stops or is reset."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def change(self, settings: dict[str, Any]) -> None:
        """Change settings.

        :raises ValueError: if one is invalid; the message says why.
        """
        self.settings.change(settings)
        self.clock.run_at(self.settings.speed)

    def balance(self, vendor: str, account: str) -> float:
        """Return what an account has left to spend at a vendor.

        :raises ValueError: if the vendor has no balance.
        """
        granted = self._granted.get((vendor, account))
        if granted is None:
            granted = getattr(getattr(self.settings, vendor, None), "balance", None)
        if granted is None:
            raise ValueError(f"{vendor} has no balance")
        return round(granted - self.book.spent(vendor, account), 6)

    def set_balance(self, vendor: str, account: str, amount: float) -> None:
        """Set what an account has left to spend.

        :raises ValueError: if the vendor has no balance.
        """
        self.balance(vendor, account)
        self._granted[vendor, account] = amount + self.book.spent(vendor, account)

    async def reset(self) -> None:
        """Start over, as if freshly started: cut held requests, and delete all files."""
        self.faults.clear(drop=True)
        self._stop_tasks()
        # First, because work that is still running would write its files into the new folder.
        await asyncio.to_thread(self.studio.close)
        folder = self.folder
        self.book.forget()
        self._start()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """Stop all work, and delete the folder if it is a temporary one."""
        self.book.keep()
        self._stop_tasks()
        await asyncio.to_thread(self.studio.close)
        if self._data is None:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
