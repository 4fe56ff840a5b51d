"""The only module of the core that knows which rooms stand above it, by name: each of them can be removed."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators.settings import text_setting
from airflow_provider_vidai.purchase.observe import Buyer, Observer, Observers

log = logging.getLogger(__name__)

#: Modules whose function ``observer`` returns who watches a buyer's purchases.
WATCHERS: Final = ("airflow_provider_vidai.spend.watch", "airflow_provider_vidai.metrics.watch")
#: The one of them that checks budgets.
GUARD: Final = "airflow_provider_vidai.spend.watch"
#: Modules whose function ``note`` receives what else happens in a task.
COUNTERS: Final = ("airflow_provider_vidai.metrics.signals",)
#: The module whose function ``facets`` describes landed files to OpenLineage.
LINEAGE: Final = "airflow_provider_vidai.metrics.lineage"


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
    here = [name for name in WATCHERS if is_here(name)]
    found: list[Any] = [importlib.import_module(name).observer(buyer) for name in here]
    guarded = buyer.budget is not None or buyer.reuse is not None or text_setting("budgets")
    if guarded and GUARD not in here:
        found = [Unguarded(), *found]
    return Observers([*watchers, *found], buyer.log)


def report(what: str, **facts: Any) -> None:
    """Report what happened in a task to the rooms that count it. An error there never fails the task.

    :param what: ``landed``, ``waited`` or ``failed``.
    """
    for name in COUNTERS:
        try:
            if is_here(name):
                importlib.import_module(name).note(what, facts)
        except Exception as error:  # noqa: BLE001 - see above
            log.debug("%s did not take note of %s: %s", name, what, type(error).__name__)


def lineage(landed: Any) -> Any:
    """Return what OpenLineage gets about a task that landed files; None for nothing.

    :param landed: see :class:`~airflow_provider_vidai.operators.vendor.LandedFiles`.
    """
    return importlib.import_module(LINEAGE).facets(landed) if landed and is_here(LINEAGE) else None


def is_here(name: str) -> bool:
    """Whether a module of a room is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its folder was removed
        return False
