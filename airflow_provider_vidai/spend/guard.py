"""Checks each purchase against its budgets: reserve, buy, settle."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

from pydantic import JsonValue

from airflow_provider_vidai.errors import (
    FREE,
    Charged,
    InputError,
    LedgerError,
    OverBudgetError,
    VidaiError,
)
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.operators.settings import json_setting
from airflow_provider_vidai.purchase.limits import BudgetWait
from airflow_provider_vidai.purchase.observe import Buyer, Outcome
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.spend.budgets import Budget, budgets_of, counted
from airflow_provider_vidai.spend.files import Files, ledger_files
from airflow_provider_vidai.spend.holds import Holds, task_of

#: The folder of the budgets below ``[vidai] ledger_path``.
FOLDER: Final = "budget"
#: The key of a record's notes under which its holds are found again.
NOTES: Final = "holds"
#: Seconds after a window opens within which the waiting tasks come back, so that they do not come together.
_SPREAD = 10.0
_NOT_RELEASED = "held unknown bought settled"


class BudgetGuard:
    """Watches one task's purchases for its budgets.

    A purchase is refused if its budgets can't be read or written before it.
    """

    def __init__(self, buyer: Buyer, *, clock: Callable[[], float] = time.time) -> None:
        self._buyer = buyer
        self._clock = clock

    def begins(
        self, record: Record, replaced: Record | None, known: Callable[[], set[str]]
    ) -> dict[str, JsonValue]:
        """Hold the purchase's amount in all of its budgets.

        :raises InputError: when it does not fit, or that is not known.
        :raises BudgetWait: when it may fit later.
        :raises LedgerError: when the budgets can't be read or written.
        """
        budgets = [
            one for one in budgets_of(self._buyer, json_setting("budgets")) if one.counts(self._buyer, record)
        ]
        if replaced is not None:
            # Its record goes. What it still holds stays held, and no later try may take it.
            state = "unknown" if replaced.receipt is None else "bought"
            self._guarded(lambda: self._change(replaced, lambda _: {"state": state}, only="held"))
        if not budgets:
            return {}
        _require_storage()
        held: list[JsonValue] = []
        noted = record.model_copy(update={"notes": {NOTES: held}})
        try:
            for budget in budgets:
                self._hold(budget, record, known, held)
        except BaseException:
            with contextlib.suppress(Exception):  # it stays held then, and the task's next try takes it
                self.withdrawn(noted, begun=False)
            raise
        return {NOTES: held}

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Release what is held: nothing was bought."""
        for holds, hold in _held(record):
            holds.release(int(str(hold["number"])), record.nonce, begun=begun)

    def bought(self, record: Record) -> None:
        """Hold what the purchase really cost."""
        # A purchase may be reported again after its job's end, and a settled amount must stay.
        cost = record.receipt.cost if record.receipt else None
        self._change(record, lambda hold: {**_amount(hold, cost), "state": "bought"}, only="held unknown")

    def ended(
        self,
        record: Record,
        outcome: Outcome,  # noqa: ARG002
        charged: Charged,
        cost: Mapping[str, JsonValue] | None,
    ) -> None:
        """Settle what is held: it stays spent, or is released if it was refunded."""
        if charged in FREE:
            self.withdrawn(record, begun=True)
        else:
            self._change(record, lambda hold: {**_amount(hold, cost), "state": "settled"}, only=_NOT_RELEASED)

    def _hold(
        self, budget: Budget, record: Record, known: Callable[[], set[str]], held: list[JsonValue]
    ) -> None:
        now = datetime.fromtimestamp(self._clock(), timezone.utc)
        amount = _amount_in(budget, Cost.of(record.cost))
        scope = budget.scope(self._buyer, record, now)
        buyer = self._buyer
        task = task_of((buyer.dag_id, buyer.run_id, buyer.task_id, buyer.map_index, *buyer.lap))
        limit = Decimal(str(budget.limit))
        holds = Holds(_files(scope), clock=self._clock)
        number, before = self._guarded(
            # A hold of this task whose purchase is not in its ledger is from a try that ended before it wrote
            # its intent. This purchase takes the place of that hold.
            lambda: holds.hold(record.nonce, task, amount, limit, lambda one: one not in known())
        )
        if number is None:
            raise _refused(budget, amount, before.total, now)
        held.append({"scope": [*scope], "number": number, "unit": budget.unit})
        self._warn(budget, before.total, before.total + amount, limit)

    def _change(
        self, record: Record, changes: Callable[[Mapping[str, Any]], dict[str, Any]], only: str = ""
    ) -> None:
        """Change all that is held for a purchase, where it is in one of the states ``only``."""
        for holds, hold in _held(record):
            holds.change(int(str(hold["number"])), record.nonce, only=only.split(), **changes(hold))

    @staticmethod
    def _guarded(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except VidaiError:
            raise
        except Exception as error:
            # Whatever the storage raised, the sum is not known, and a guard that cannot be read lets nothing
            # through.
            raise LedgerError(
                f"The budgets could not be read or written: {type(error).__name__}: {error}"
            ) from error

    def _warn(self, budget: Budget, before: Decimal, after: Decimal, limit: Decimal) -> None:
        share = None if budget.warn_at is None else limit * Decimal(str(budget.warn_at))
        # Only the purchase that crosses the line warns, so the callback is called once.
        if share is None or not before < share <= after:
            return
        self._buyer.log.warning(
            "Budget %r: %s of %s %s are spent or held.",
            budget.name,
            f"{float(after):g}",
            f"{float(limit):g}",
            budget.unit,
        )
        if budget.callback is None:
            return
        facts = {
            "budget": budget.name,
            "unit": budget.unit,
            "limit": float(limit),
            "used": float(after),
            "dag_id": self._buyer.dag_id,
            "run_id": self._buyer.run_id,
            "task_id": self._buyer.task_id,
        }
        try:
            module, _, name = budget.callback.rpartition(".")
            getattr(import_module(module), name)(facts)
        except Exception as error:  # noqa: BLE001 - a notice that fails is no reason to buy nothing
            self._buyer.log.warning("The callback of budget %r failed: %s", budget.name, error)


def _held(record: Record) -> Iterator[tuple[Holds, dict[str, JsonValue]]]:
    """Yield what is held for a purchase, as its record notes it."""
    found = record.notes.get(NOTES)
    for hold in found if isinstance(found, list) else ():
        if isinstance(hold, dict) and isinstance(hold["scope"], list):
            yield Holds(_files([str(name) for name in hold["scope"]])), hold


def _files(scope: Sequence[str]) -> Files:
    files = ledger_files(FOLDER, *scope)
    if files is None:
        raise InputError("budgets need [vidai] ledger_path, which is not set.", fate="Nothing was bought.")
    return files


def _require_storage() -> None:
    """Refuse a storage on which two tasks could both take the last of a budget."""
    if not _files(()).creates_exclusively:
        raise InputError(
            "budgets need a storage that creates files exclusively, and [vidai] ledger_path is on another "
            "one: use S3 or a disk that all workers share.",
            fate="Nothing was bought.",
        )


def _amount_in(budget: Budget, cost: Cost) -> Decimal:
    found = budget.amount(cost)
    if found is None:
        raise InputError(
            f"Budget {budget.name!r} is in {budget.unit}, and what this purchase costs in {budget.unit} is "
            f"not known ({cost.reason or cost}).",
            todo="Name its price in [vidai] prices, then clear the task.",
            fate="Nothing was bought.",
        )
    return Decimal(str(found))


def _amount(hold: Mapping[str, Any], cost: Mapping[str, JsonValue] | None) -> dict[str, Any]:
    """Return the change of a hold's amount to the real cost, where that is known in its unit."""
    found = counted(Cost.of(cost), str(hold["unit"]))
    return {} if found is None else {"amount": Decimal(str(found))}


def _refused(budget: Budget, amount: Decimal, used: Decimal, now: datetime) -> VidaiError:
    per = f" (per {', '.join(budget.per)})" if budget.per else ""
    what = (
        f"Budget {budget.name!r} is used up: {float(used):g} of {budget.limit:g} {budget.unit} are spent or "
        f"held{per}, and this purchase would add {float(amount):g}."
    )
    # A purchase that costs more than the whole limit would wait for ever.
    if budget.on_exceed == "wait" and amount <= Decimal(str(budget.limit)):
        seconds = (budget.opens(now) - now).total_seconds() + random.uniform(0, _SPREAD)  # noqa: S311
        return BudgetWait(seconds, what)
    return OverBudgetError(
        what,
        todo="Raise the limit, or wait for its next window; then clear the task.",
        fate="Nothing was bought.",
    )
