"""The only module of the core that knows which rooms stand above it, by name: each of them can be removed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators.settings import text_setting
from airflow_provider_vidai.purchase.observe import Buyer, Observer, Observers

#: Modules whose function ``observer`` returns who watches a buyer's purchases.
WATCHERS: Final = ("airflow_provider_vidai.spend.watch",)


class Unguarded:
    """Refuses each purchase. It stands in for budgets that nothing checks, and purchases that none shares."""

    def begins(self, *_: Any) -> Mapping[str, JsonValue]:
        """Refuse the purchase."""
        raise InputError("budget, reuse: nothing in this installation checks budgets or shares purchases.")

    def withdrawn(self, *_: Any, **__: Any) -> None:
        """Do nothing: what was bought before is not in question."""

    bought = ended = withdrawn


def observers_of(buyer: Buyer, watchers: Sequence[Observer] = ()) -> Observers:
    """Return all who watch the purchases of a task: ``watchers``, and those of the rooms."""
    found: list[Any] = [importlib.import_module(name).observer(buyer) for name in WATCHERS if is_here(name)]
    if not found and (buyer.budget is not None or buyer.reuse is not None or text_setting("budgets")):
        found = [Unguarded()]
    return Observers([*watchers, *found], buyer.log)


def is_here(name: str) -> bool:
    """Whether a module of a room is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its folder was removed
        return False
