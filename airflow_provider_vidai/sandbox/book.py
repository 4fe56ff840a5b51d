"""The account book: every purchase, so that a test can prove what was bought, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidai.sandbox.clock import Walk


@dataclass
class Entry:
    """One purchase.

    :param account: a hash of the key that bought.
    :param amount: what it cost, in the vendor's own ``currency``; some know it only once the job has begun.
    :param refundable: whether the vendor gives the amount back if the job fails.
    """

    id: int
    vendor: str
    account: str
    kind: str
    job_id: str
    amount: float
    currency: str
    request: Mapping[str, Any]
    walk: Walk
    refundable: bool
    at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))

    @property
    def refunded(self) -> bool:
        """Whether the amount was given back."""
        return self.refundable and self.walk.failed

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control side shows it."""
        return {
            "id": self.id,
            "at": self.at,
            "vendor": self.vendor,
            "account": self.account,
            "kind": self.kind,
            "job_id": self.job_id,
            "amount": self.amount,
            "currency": self.currency,
            "charged": True,
            "refunded": self.refunded,
            "state": self.walk.word,
            "request": dict(self.request),
        }


class Book:
    """All purchases, oldest first."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def purchase(self, **facts: Any) -> Entry:
        """Write down a purchase; ``facts`` are the fields of :class:`Entry`."""
        entry = Entry(id=len(self._entries) + 1, **facts)
        self._entries.append(entry)
        return entry

    def spent(self, vendor: str, account: str) -> float:
        """Return what an account has spent at a vendor, without what it got back."""
        mine = (one for one in self._entries if (one.vendor, one.account) == (vendor, account))
        return sum(one.amount for one in mine if not one.refunded)

    def as_json(self) -> dict[str, Any]:
        """Return ``{"entries": […], "totals": {"purchases", "charged", "refunded"}}``."""
        entries = [entry.as_json() for entry in self._entries]
        return {
            "entries": entries,
            "totals": {
                "purchases": len(entries),
                "charged": sum(entry["charged"] for entry in entries),
                "refunded": sum(entry["refunded"] for entry in entries),
            },
        }
