"""What a watcher has reported already, kept across restarts of the triggerer where Airflow can (3.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Final

from airflow_provider_vidai.errors import InputError

#: Keys that are remembered, at least. Beyond that, those of things that are no longer there are forgotten.
MOST_KEYS: Final = 10_000
#: Hexadecimal digits of a key. Among a million things, two share one with a chance of 1 in 30 million.
_KEY_LENGTH: Final = 16


def key_of(*facts: object) -> str:
    """Return the key of the thing that ``facts`` identify."""
    return hashlib.sha256("\0".join(map(str, facts)).encode("utf-8", "replace")).hexdigest()[:_KEY_LENGTH]


class Cursor:
    """The keys of what was reported, the oldest first.

    :param store: the state store of the watcher's asset; None before Airflow 3.3.
    :param name: identifies the cursor among those of the asset.
    """

    def __init__(self, store: Any, name: str) -> None:
        self._store = store
        self._name = f"vidai.{name}"
        self._keys: dict[str, None] = {}
        self._written = True
        #: Whether the store was read, and whether it had a cursor.
        self.is_read = store is None
        self.is_new = True

    @property
    def is_kept(self) -> bool:
        """Whether a restart of the triggerer finds it again."""
        return self._store is not None

    def __contains__(self, key: str) -> bool:
        """Whether the thing with this key was reported."""
        return key in self._keys

    async def read(self) -> None:
        """Read the cursor, once.

        :raises InputError: when the watchers of two assets have the same arguments, and so share one trigger.
        """
        if self.is_read:
            return
        try:
            found = await self._store.aget(self._name)
        except ValueError:
            raise InputError(
                "Two assets have watchers with the same arguments: give one of them another cursor."
            ) from None
        if isinstance(found, dict) and isinstance(found.get("keys"), list):
            self._keys, self.is_new = dict.fromkeys(map(str, found["keys"])), False
        self.is_read = True

    def add(self, keys: Iterable[str], there: Collection[str]) -> None:
        """Note what was reported.

        :param there: the keys of all things that are there now.
        """
        self._keys.update(dict.fromkeys(keys))
        self._written, self.is_new = False, False
        for key in [key for key in self._keys if key not in there][: max(len(self._keys) - MOST_KEYS, 0)]:
            del self._keys[key]

    async def keep(self) -> None:
        """Write what was added since."""
        if self._store is not None and not self._written:
            await self._store.aset(self._name, {"keys": list(self._keys)})
        self._written = True
