"""Sums over the book of purchases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from airflow_provider_vidai.jobs.cost import Unit
from airflow_provider_vidai.spend.book import Line

#: By what purchases can be added up.
GROUPS: Final[Mapping[str, Callable[[Line], str]]] = {
    "dag": lambda line: line.dag_id,
    "day": lambda line: line.day,
    "vendor": lambda line: line.vendor,
    "model": lambda line: f"{line.vendor} {line.model or line.kind}",
    "connection": lambda line: line.connection,
}
UNITS: Final[tuple[Unit, ...]] = ("usd", "credits", "minutes", "units")

#: The states of a purchase for a person, by what the book says of it.
STATES: Final[Mapping[str, str]] = {
    "sent": "unresolved",
    "running": "running",
    "ready": "finished",
    "failed": "failed",
    "gone": "failed",
    "not_bought": "not bought",
}


@dataclass
class Total:
    """What one group of purchases cost.

    :param jobs: purchases that were charged, or may have been.
    :param amounts: what they cost, by the unit in which each vendor bills.
    :param usd: what they cost in USD, as far as that is known.
    :param unpriced: how many of them have no known cost in USD.
    :param refunded: purchases that were refunded, or not charged.
    :param unresolved: purchases whose outcome is not known; they are in no sum.
    """

    group: str
    jobs: int = 0
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    usd: Decimal = Decimal(0)
    unpriced: int = 0
    refunded: int = 0
    unresolved: int = 0

    def add(self, line: Line) -> None:
        """Count one purchase."""
        if line.outcome == "sent":
            self.unresolved += 1
        elif not line.spent:
            self.refunded += 1
        else:
            self.jobs += 1
            self.unpriced += line.usd is None
            self.usd += _exact(line.usd)
            if line.unit is not None:
                self.amounts[line.unit] += _exact(line.amount)

    def fields(self) -> dict[str, Any]:
        """Return the total as JSON and CSV show it."""
        return {
            "group": self.group,
            "jobs": self.jobs,
            "usd": float(self.usd),
            **{f"amount_{unit}": float(self.amounts.get(unit, Decimal(0))) for unit in UNITS},
            "unpriced": self.unpriced,
            "refunded": self.refunded,
            "unresolved": self.unresolved,
        }


def totals(lines: Iterable[Line], by: str) -> list[Total]:
    """Add up purchases by one of :data:`GROUPS`, in the order of the groups' names."""
    found: dict[str, Total] = {}
    for line in lines:
        if line.outcome == "not_bought":
            continue
        group = GROUPS[by](line)
        found.setdefault(group, Total(group)).add(line)
    return [found[group] for group in sorted(found)]


def _exact(amount: float | None) -> Decimal:
    # Through its text: 0.1 + 0.2 is then 0.3.
    return Decimal(str(amount or 0))
