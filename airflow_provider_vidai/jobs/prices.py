"""The user's own price list, ``[vidai] prices``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.cost import Cost, Unit
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.jobs.text import validated


class Price(BaseModel):
    """One line of the price list.

    :param kind: the kind of job; None means every kind.
    :param model: the model's name; None means every model.
    :param amount: what one job costs, in ``unit``; None where the vendor's own amount counts.
    :param unit: ``usd``, ``credits``, ``minutes`` or ``units``.
    :param usd_per_unit: what one unit is worth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vendor: VendorName
    kind: str | None = None
    model: str | None = None
    amount: float | None = Field(default=None, ge=0)
    unit: Unit
    usd_per_unit: float | None = Field(default=None, ge=0)

    def matches(self, vendor: str, kind: str, model: str | None) -> bool:
        """Whether the line is about such a job."""
        return self.vendor == vendor and self.kind in (None, kind) and self.model in (None, model)


def read_prices(lines: Sequence[Any]) -> tuple[Price, ...]:
    """Return the price list.

    :raises InputError: naming the line and the field that is wrong.
    """
    found = []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, Mapping):
            raise InputError(f"[vidai] prices, line {number}, must be a JSON object.")
        found.append(validated(Price, line, what=f"[vidai] prices, line {number}"))
    return tuple(found)


def priced(
    stated: Mapping[str, JsonValue] | None,
    prices: Sequence[Price],
    *,
    vendor: str,
    kind: str,
    model: str | None,
    worth: Mapping[str, float],
    unknown: str,
) -> Cost:
    """Return the cost of a job: what the vendor states, completed from the price list.

    The first line that matches counts, in the vendor's unit where the vendor states an amount. It never
    replaces such an amount.

    :param worth: what the vendor says that its units are worth, in USD.
    :param unknown: why there is no amount, where there is none.
    """
    cost = Cost.of(stated)
    lines = (line for line in prices if line.matches(vendor, kind, model) and cost.unit in (None, line.unit))
    line = next(lines, None)
    if line is not None and not cost.known and line.amount is not None:
        cost = Cost(amount=line.amount, unit=line.unit, source="list")
    if cost.amount is None:
        return Cost(reason=cost.reason or unknown)
    each = {**worth, "usd": 1.0}.get(str(cost.unit))
    if line is not None and line.usd_per_unit is not None:
        each = line.usd_per_unit
    if cost.usd is not None or each is None:
        return cost
    return cost.model_copy(update={"usd": round(cost.amount * each, 6)})
