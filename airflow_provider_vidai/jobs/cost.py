"""What a purchase costs, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

#: The amounts that a receipt's cost may have, and how a person reads each of them.
_AMOUNTS: Final = (
    ("usd", "USD", ""),
    ("quote_usd", "USD", " (quoted)"),
    ("credits", "credits", ""),
    ("minutes", "minutes", ""),
)


def price(cost: Mapping[str, JsonValue] | None) -> str | None:
    """Return the amount, such as ``0.55 USD (quoted)``; None where nothing states one."""
    for key, unit, note in _AMOUNTS:
        amount = (cost or {}).get(key)
        if isinstance(amount, (int, float)) and not isinstance(amount, bool):
            return f"{amount:g} {unit}{note}"
    return None


def bought_for(cost: Mapping[str, JsonValue] | None, label: str) -> str:
    """Return how the sentence about a purchase ends.

    :param label: the vendor.
    """
    amount = price(cost)
    return f" ({label} reports no price)" if amount is None else f" for {amount}"
