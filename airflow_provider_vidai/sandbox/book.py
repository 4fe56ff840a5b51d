"""The account book: every purchase, so that a test can prove what was bought and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidai.sandbox.clock import Timeline


@dataclass
class Entry:
    """One purchase.

    :param account: hash of the key that paid.
    :param amount: price in the vendor's ``currency``; Vizard's is known only once the source is measured.
    :param refundable: whether the vendor refunds the amount if the job fails.
    """

    id: int
    vendor: str
    account: str
    kind: str
    job_id: str
    amount: float
    currency: str
    request: Mapping[str, Any]
    timeline: Timeline
    refundable: bool
    at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))

    @property
    def refunded(self) -> bool:
        """Whether the amount was refunded."""
        return self.refundable and self.timeline.failed

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
            "state": self.timeline.status,
            "request": dict(self.request),
        }


class Book:
    """All purchases, oldest first."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def purchase(self, **facts: Any) -> Entry:
        """Record a purchase; ``facts`` are the fields of :class:`Entry`."""
        entry = Entry(id=len(self._entries) + 1, **facts)
        self._entries.append(entry)
        return entry

    def spent(self, vendor: str, account: str) -> float:
        """Return what an account has spent at a vendor, refunds deducted."""
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
