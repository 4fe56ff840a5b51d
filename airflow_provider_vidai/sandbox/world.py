"""All that the sandbox knows: shared by the vendors, the storage and the control side."""

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

    :param speed: how many times faster than life jobs go.
    :param data: below which folder files are kept; None is a temporary one that goes when the sandbox does.
    :raises ValueError: if the speed is no such number.
    """

    def __init__(self, speed: float = 1.0, data: Path | None = None) -> None:
        self._speed = speed
        self._data = data
        self._begin()

    def _begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vidai-sandbox-", dir=self._data))
        self.settings = Settings()
        self.clock = Clock(self.settings.speed)
        self.change({"speed": self._speed})
        self.book = Book()
        self.accounts = Accounts()
        self.faults = Faults()
        self.calls = Calls()
        self.storage = Storage(self.folder)
        self.studio = Studio()
        self.windows = Windows(self.clock.wall)
        #: The same for limits that pass at the jobs' speed.
        self.fast_windows = Windows(self.clock.now)
        self._tasks: set[asyncio.Task[None]] = set()
        self._granted: dict[tuple[str, str], float] = {}
        #: Each vendor's jobs by id.
        self.jobs: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside the calls, until it is done or the sandbox ends or begins anew."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def change(self, settings: dict[str, Any]) -> None:
        """Change settings.

        :raises ValueError: saying what is wrong with them.
        """
        self.settings.change(settings)
        self.clock.run_at(self.settings.speed)

    def balance(self, vendor: str, account: str) -> float:
        """Return what an account has left to spend at a vendor.

        :raises ValueError: if the vendor knows no balance.
        """
        granted = self._granted.get((vendor, account))
        if granted is None:
            granted = getattr(getattr(self.settings, vendor, None), "balance", None)
        if granted is None:
            raise ValueError(f"{vendor} has no balance")
        return round(granted - self.book.spent(vendor, account), 6)

    def set_balance(self, vendor: str, account: str, amount: float) -> None:
        """Let an account have this much left to spend.

        :raises ValueError: if the vendor knows no balance.
        """
        self.balance(vendor, account)
        self._granted[vendor, account] = amount + self.book.spent(vendor, account)

    async def reset(self) -> None:
        """Begin anew, as freshly started; what is held is cut, and files go in any case."""
        self.faults.clear(drop=True)
        self._stop_tasks()
        # Before the rest: work that still ran would put its files into the new folder.
        await asyncio.to_thread(self.studio.close)
        folder = self.folder
        self._begin()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """Stop what runs, and delete a temporary folder."""
        self._stop_tasks()
        await asyncio.to_thread(self.studio.close)
        if self._data is None:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
