"""Counts a task's purchases, and reports them as spans."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.metrics import counts
from airflow_provider_vidai.metrics.spans import span
from airflow_provider_vidai.purchase.observe import Buyer, Outcome
from airflow_provider_vidai.purchase.record import Record


class Counter:
    """Counts what happens to the purchases of one try. A purchase is counted by the try that sent it."""

    def __init__(self, buyer: Buyer) -> None:
        self._buyer = buyer
        self._sent: set[str] = set()

    def begins(
        self,
        record: Record,
        replaced: Record | None,  # noqa: ARG002
        known: Callable[[], set[str]],  # noqa: ARG002
    ) -> dict[str, JsonValue]:
        """Remember that this try sends a purchase."""
        self._sent.add(record.nonce)
        return {}

    def withdrawn(self, record: Record, *, begun: bool) -> None:  # noqa: ARG002
        """Forget it: nothing was bought."""
        self._sent.discard(record.nonce)

    def bought(self, record: Record) -> None:
        """Count nothing yet: if this is never recorded, whoever finds the job again counts it."""

    def recorded(self, record: Record, *, late: bool) -> None:
        """Count a job and its cost, once. The try that sent it did not count it if it was found late."""
        if not late and record.nonce not in self._sent:
            return
        self._sent.discard(record.nonce)
        if late:
            counts.count(counts.FOUND, self._tags(record))
        self._count(record)

    def ended(
        self,
        record: Record,
        outcome: Outcome,
        charged: Charged,
        cost: Mapping[str, JsonValue] | None,  # noqa: ARG002
    ) -> None:
        """Report how long the job took."""
        began, now = record.bought_at or record.intended_at, time.time()
        if outcome == "ready":
            counts.measure(counts.READY_AFTER, self._tags(record), now - began)
        attributes = {**self._attributes(record), "outcome": outcome, "charged": charged}
        span("vidai.job", began, now, attributes, failed=outcome != "ready")

    def _count(self, record: Record) -> None:
        tags, cost = self._tags(record), self._cost(record)
        counts.count(counts.BOUGHT, tags)
        if cost.usd:
            counts.count(counts.COST, tags, round(cost.usd * 1_000_000))
        bought_at = record.bought_at or time.time()
        span("vidai.purchase", record.intended_at, bought_at, self._attributes(record))

    def _tags(self, record: Record) -> dict[str, str]:
        return {"vendor": self._buyer.vendor or record.vendor, "kind": record.kind, "dag": self._buyer.dag_id}

    def _attributes(self, record: Record) -> dict[str, Any]:
        receipt, cost = record.receipt, self._cost(record)
        job = receipt.ref.job_id if receipt and receipt.ref else None
        facts = {
            "model": record.model,
            "job_id": job,
            "cost": cost.amount,
            "unit": cost.unit,
            "usd": cost.usd,
        }
        return {**self._tags(record), **facts, "try_number": record.try_number}

    @staticmethod
    def _cost(record: Record) -> Cost:
        return Cost.of(record.receipt.cost if record.receipt else record.cost)


def observer(buyer: Buyer) -> Counter:
    """Return who counts the purchases of ``buyer``."""
    return Counter(buyer)
