"""Which API keys are valid. Only hashes of keys are kept, never the keys."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """The answer to every call of a closed account."""

    status: int
    body: Any


def account_of(key: str) -> str:
    """Return the short name of a key's account."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


class Accounts:
    """Any non-empty key is valid unless configured otherwise."""

    def __init__(self) -> None:
        self._refusals: dict[tuple[str, str], Refusal] = {}
        self._only: dict[str, frozenset[str]] = {}

    def refuse(self, vendor: str, key: str, refusal: Refusal | None) -> None:
        """Answer this account with ``refusal`` from now on; None opens it again."""
        if refusal is None:
            self._refusals.pop((vendor, account_of(key)), None)
        else:
            self._refusals[vendor, account_of(key)] = refusal

    def accept_only(self, vendor: str, keys: Iterable[str] | None) -> None:
        """Accept only these keys of the vendor; None accepts any key again."""
        if keys is None:
            self._only.pop(vendor, None)
        else:
            self._only[vendor] = frozenset(map(account_of, keys))

    def knows(self, vendor: str, account: str) -> bool:
        """Whether the account exists at the vendor."""
        return vendor not in self._only or account in self._only[vendor]

    def refusal(self, vendor: str, account: str) -> Refusal | None:
        """Return the answer to the account's calls if it is closed, else None."""
        return self._refusals.get((vendor, account))
