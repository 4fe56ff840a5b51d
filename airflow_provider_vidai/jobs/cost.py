"""What a purchase costs, as numbers and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

#: What an amount counts. A unit is one reel, render or other job.
Unit = Literal["usd", "credits", "minutes", "units"]
#: Where an amount is from: ``quoted`` before the purchase, ``reported`` by the vendor afterwards, or a price
#: ``list`` (the vendor's published rule, or ``[vidai] prices``).
Source = Literal["quoted", "reported", "list", "unknown"]

#: The keys under which a vendor's module states an amount, with its unit and source, the best first.
_STATED: Final[tuple[tuple[str, Unit, Source], ...]] = (
    ("usd", "usd", "reported"),
    ("quote_usd", "usd", "quoted"),
    ("credits", "credits", "reported"),
    ("minutes", "minutes", "list"),
    ("units", "units", "list"),
)
_NOTES: Final[Mapping[Source, str]] = {
    "quoted": " (quoted)",
    "list": " (list price)",
}


class Cost(BaseModel):
    """The cost of one purchase. What is below zero or no finite number is no cost.

    :param amount: None where it is not known; never 0 for that.
    :param unit: what ``amount`` counts.
    :param usd: the amount in USD, where that is known.
    :param source: where the amount is from.
    :param reason: why the amount is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    amount: float | None = Field(default=None, ge=0)
    unit: Unit | None = None
    usd: float | None = Field(default=None, ge=0)
    source: Source = "unknown"
    reason: str | None = None

    @classmethod
    def of(cls, stated: Mapping[str, JsonValue] | None) -> Cost:
        """Read a receipt's cost in any form that a record can have; one that makes no sense is not known."""
        given = stated or {}
        # A vendor may state nonsense, and a later version a form that this one cannot read. Then the cost is
        # unknown, never 0.
        try:
            if "source" in given:
                return cls.model_validate(given)
            for key, unit, source in _STATED:
                found = given.get(key)
                if isinstance(found, (int, float)) and not isinstance(found, bool):
                    return cls(amount=found, unit=unit, usd=found if unit == "usd" else None, source=source)
        except ValidationError:
            pass
        return cls()

    @property
    def known(self) -> bool:
        """Whether there is an amount."""
        return self.amount is not None

    def in_unit(self, unit: str) -> float | None:
        """Return the amount in ``unit``; None where that is not known."""
        if unit == "usd":
            return self.usd
        return self.amount if self.unit == unit else None

    def fields(self, stated: Mapping[str, JsonValue] | None = None) -> dict[str, Any]:
        """Return the cost as a receipt keeps it: with what the vendor states, and without what is None."""
        return {**(stated or {}), **self.model_dump(exclude_none=True)}

    def __str__(self) -> str:
        if self.amount is None or self.unit is None:
            return self.reason or "no known price"
        if self.unit == "usd":
            return f"{self.amount:g} USD{_NOTES.get(self.source, '')}"
        plural = self.unit[:-1] if self.amount == 1 else self.unit
        worth = "" if self.usd is None else f", {self.usd:.4g} USD"
        # The vendor's own rule needs no note; a price from a list does.
        note = "" if self.source == "list" and not worth else _NOTES.get(self.source, "")
        return f"{self.amount:g} {plural}{worth}{note}"


def amount(cost: Mapping[str, JsonValue] | None) -> tuple[float, str] | None:
    """Return the amount and its unit for people; None where nothing states an amount."""
    found = Cost.of(cost)
    if found.amount is None or found.unit is None:
        return None
    return found.amount, "USD" if found.unit == "usd" else found.unit


def price(cost: Mapping[str, JsonValue] | None) -> str | None:
    """Return the amount as text, such as ``0.55 USD (quoted)``; None where nothing states one."""
    found = Cost.of(cost)
    return str(found) if found.known else None


def bought_for(cost: Mapping[str, JsonValue] | None, label: str) -> str:
    """Return how the sentence about a purchase ends.

    :param label: the vendor.
    """
    found = Cost.of(cost)
    return f" for {found}" if found.known else f" ({found.reason or f'{label} reports no price'})"
