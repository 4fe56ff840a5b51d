"""The seam for whoever watches purchases, such as budgets and books: what they hear of, and when.

The ledger (:mod:`airflow_provider_vidai.purchase.ledger`) notifies them: what it writes is what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.record import Record

#: How a purchase ended: its job delivered, failed, or is gone.
Outcome = Literal["ready", "failed", "gone"]


@dataclass(frozen=True)
class Buyer:
    """The task that buys.

    :param lap: what distinguishes the laps of a loop; empty outside of loops.
    :param account: returns the account's hash; called only when something is bought.
    :param budget: the operator's own ``budget``, as it was given.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    lap: tuple[str, ...]
    vendor: str
    label: str
    account: Callable[[], str]
    budget: Any
    log: Log


class Observer(Protocol):
    """Somebody who watches the purchases of one task."""

    def begins(
        self, record: Record, replaced: Record | None, known: Callable[[], set[str]]
    ) -> Mapping[str, JsonValue]:
        """Hear of a purchase before its intent is written, and refuse it by raising: nothing is sent then.

        :param replaced: the record that the intent takes the place of.
        :param known: returns the nonces of all purchases that the task has on record.
        :returns: notes that the purchase's record keeps.
        :raises VidaiError: the purchase is refused.
        """

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Hear that nothing was bought.

        :param begun: whether the intent had been written.
        """

    def bought(self, record: Record) -> None:
        """Hear that the vendor has the job. It may be reported again, also after the job's end."""

    def ended(
        self, record: Record, outcome: Outcome, charged: Charged, cost: Mapping[str, JsonValue] | None
    ) -> None:
        """Hear how the job ended. It may be reported again.

        :param cost: what the purchase cost, where its end says it.
        """


@runtime_checkable
class Finder(Protocol):
    """An observer that also hears of lost purchases that were found again."""

    def found(self, record: Record) -> None:
        """Hear that the vendor has a job whose purchase was thought lost, or was never recorded."""


class Observers:
    """All who watch the purchases of one task.

    Before the money is spent, each of them may refuse. From then on none of them can fail the task.
    """

    def __init__(self, observers: Sequence[Observer] = (), log: Log | None = None) -> None:
        self._observers = observers
        self._log = log

    def begins(
        self, record: Record, replaced: Record | None, known: Callable[[], set[str]]
    ) -> dict[str, JsonValue]:
        """Ask all; the first refusal is final, and those asked before it hear that nothing was bought."""
        notes: dict[str, JsonValue] = {}
        for number, observer in enumerate(self._observers):
            try:
                notes.update(observer.begins(record, replaced, known))
            except BaseException:
                noted = record.model_copy(update={"notes": notes})
                self._notify("withdrawn", noted, of=self._observers[:number], begun=False)
                raise
        return notes

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Notify all; see :meth:`Observer.withdrawn`."""
        self._notify("withdrawn", record, begun=begun)

    def bought(self, record: Record) -> None:
        """Notify all; see :meth:`Observer.bought`."""
        self._notify("bought", record)

    def found(self, record: Record) -> None:
        """Notify those who want to hear of it; see :meth:`Finder.found`."""
        self._notify("found", record, of=[one for one in self._observers if isinstance(one, Finder)])

    def ended(
        self,
        record: Record,
        outcome: Outcome,
        charged: Charged,
        cost: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Notify all; see :meth:`Observer.ended`."""
        self._notify("ended", record, outcome, charged, cost)

    def _notify(self, what: str, *facts: Any, of: Sequence[Observer] | None = None, **more: Any) -> None:
        for observer in self._observers if of is None else of:
            try:
                getattr(observer, what)(*facts, **more)
            except Exception as error:  # noqa: BLE001 - the job is paid for, and matters more than its books
                if self._log is not None:
                    self._log.warning(
                        "%s did not take note that this purchase is %s: %s: %s",
                        type(observer).__name__,
                        what,
                        type(error).__name__,
                        error,
                    )


#: For a ledger that nobody watches.
NOBODY = Observers()
