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


def amount(cost: Mapping[str, JsonValue] | None) -> tuple[float, str, str] | None:
    """Return the amount, its unit, and a note on where it is from; None where nothing states an amount."""
    for key, unit, note in _AMOUNTS:
        found = (cost or {}).get(key)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return found, unit, note
    return None


def price(cost: Mapping[str, JsonValue] | None) -> str | None:
    """Return the amount as text, such as ``0.55 USD (quoted)``; None where nothing states one."""
    found = amount(cost)
    return None if found is None else f"{found[0]:g} {found[1]}{found[2]}"


def bought_for(cost: Mapping[str, JsonValue] | None, label: str) -> str:
    """Return how the sentence about a purchase ends.

    :param label: the vendor.
    """
    text = price(cost)
    return f" ({label} reports no price)" if text is None else f" for {text}"
