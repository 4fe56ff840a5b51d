"""The only module of the core that knows which rooms stand above it, by name: each of them can be removed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Final

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.purchase.observe import Buyer, Observers

#: Modules whose function ``observer`` returns who watches a buyer's purchases.
WATCHERS: Final = ("airflow_provider_vidai.spend.watch",)


def observers_of(buyer: Buyer) -> Observers:
    """Return all who watch the purchases of a task.

    :raises InputError: when the task has a budget and nothing here checks budgets.
    """
    found = [importlib.import_module(name).observer(buyer) for name in WATCHERS if _is_here(name)]
    if buyer.budget is not None and not found:
        raise InputError("budget: nothing in this installation checks budgets.")
    return Observers(found, buyer.log)


def _is_here(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its folder was removed
        return False
