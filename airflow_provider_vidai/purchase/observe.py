"""The seam for whatever watches purchases, such as budgets and books: what it is notified of, and when.

The ledger (:mod:`airflow_provider_vidai.purchase.ledger`) notifies them: what it writes is what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from airflow_provider_vidai.errors import Charged, VidaiError
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.search import Beside

#: How a purchase ended: its job delivered, failed, or is gone.
Outcome = Literal["ready", "failed", "gone"]


@dataclass(frozen=True)
class Reuse:
    """Which purchases of other tasks serve a task too.

    :param request: the fingerprint of its request and account.
    :param max_age: seconds.
    """

    request: str
    max_age: float


class Elsewhere(VidaiError):
    """Another task has bought the same, and this one uses it.

    :param receipt: of that purchase.
    :param notes: notes that this task's record keeps.
    """

    def __init__(self, receipt: Receipt, notes: Mapping[str, JsonValue]) -> None:
        super().__init__("Another task has bought the same.")
        self.receipt, self.notes = receipt, dict(notes)


@dataclass(frozen=True)
class Buyer:
    """The task that buys.

    :param lap: what distinguishes the laps of a loop, and the parts of a task; empty for neither.
    :param account: returns the account's hash; called only when something is bought.
    :param budget: the operator's own ``budget``, as it was given.
    :param reuse: which purchases of other tasks serve this one too; None for none.
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
    reuse: Reuse | None = None


class Observer(Protocol):
    """Watches the purchases of one task."""

    def begins(
        self, record: Record, replaced: Record | None, known: Callable[[], set[str]]
    ) -> Mapping[str, JsonValue]:
        """Take note of a purchase before its intent is written. An error refuses it, and nothing is sent.

        :param replaced: the record that the intent takes the place of.
        :param known: returns the nonces of all purchases that the task has on record.
        :returns: notes that the purchase's record keeps.
        :raises VidaiError: the purchase is refused.
        :raises Elsewhere: another task has bought the same.
        """

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Take note that nothing was bought.

        :param begun: whether the intent had been written.
        """

    def bought(self, record: Record) -> None:
        """Take note that the vendor has the job. It may be reported again, also after the job's end."""

    def ended(
        self, record: Record, outcome: Outcome, charged: Charged, cost: Mapping[str, JsonValue] | None
    ) -> None:
        """Take note of how the job ended. It may be reported again.

        :param cost: what the purchase cost, where its end says it.
        """


@runtime_checkable
class Knows(Protocol):
    """An observer that also keeps a book of what others buy."""

    def beside(self, record: Record) -> tuple[Beside, ...] | None:
        """Return the account's other purchases; None where they are not known."""


@runtime_checkable
class Shares(Protocol):
    """An observer that lets tasks share purchases."""

    def begun(self, record: Record) -> None:
        """Take note that the intent is written. An error refuses the purchase, and nothing is sent.

        :raises VidaiError: the purchase is refused.
        """

    def landed(self, record: Record, result: Mapping[str, JsonValue]) -> None:
        """Take note of what the task returns, once its files, if it has any, are landed."""


@runtime_checkable
class Counts(Protocol):
    """An observer that is also notified of the jobs that are on record."""

    def recorded(self, record: Record, *, late: bool) -> None:
        """Take note that the record of a job is written. It may be reported again.

        :param late: whether its purchase was thought lost, or could not be recorded by the try that sent it.
        """


class Observers:
    """All observers of the purchases of one task.

    Before the money is spent, each of them may refuse. From then on none of them can fail the task.
    """

    def __init__(self, observers: Sequence[Observer] = (), log: Log | None = None) -> None:
        self._observers = observers
        self._log = log

    def begins(
        self, record: Record, replaced: Record | None, known: Callable[[], set[str]]
    ) -> dict[str, JsonValue]:
        """Ask all. The first refusal is final; those asked before it are notified that nothing was bought."""
        notes: dict[str, JsonValue] = {}
        for number, observer in enumerate(self._observers):
            try:
                notes.update(observer.begins(record, replaced, known))
            except BaseException:
                # Even when the task is killed here, the others must release what they have reserved.
                noted = record.model_copy(update={"notes": notes})
                self._notify("withdrawn", noted, of=self._observers[:number], begun=False)
                raise
        return notes

    def beside(self, record: Record) -> tuple[Beside, ...] | None:
        """Return the account's other purchases, from an observer's book; None where they are not known."""
        for observer in self._observers:
            try:
                found = observer.beside(record) if isinstance(observer, Knows) else None
            except Exception as error:  # noqa: BLE001 - then it is not known
                self._warn("read the account's other purchases", observer, error)
                return None
            if found is not None:
                return found
        return None

    @property
    def know_others(self) -> bool:
        """Whether an observer keeps a book of the account's purchases."""
        return any(isinstance(one, Knows) and getattr(one, "know_others", True) for one in self._observers)

    def begun(self, record: Record) -> None:
        """Ask all who share purchases; see :meth:`Shares.begun`."""
        for observer in self._observers:
            if isinstance(observer, Shares):
                observer.begun(record)

    def landed(self, record: Record, result: Mapping[str, JsonValue]) -> None:
        """Notify all who share purchases; see :meth:`Shares.landed`."""
        self._notify("landed", record, result, of=[one for one in self._observers if isinstance(one, Shares)])

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Notify all; see :meth:`Observer.withdrawn`."""
        self._notify("withdrawn", record, begun=begun)

    def bought(self, record: Record) -> None:
        """Notify all; see :meth:`Observer.bought`."""
        self._notify("bought", record)

    def recorded(self, record: Record, *, late: bool) -> None:
        """Notify those that take note of it; see :meth:`Counts.recorded`."""
        counts = [one for one in self._observers if isinstance(one, Counts)]
        self._notify("recorded", record, of=counts, late=late)

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
                self._warn(f"take note that this purchase is {what}", observer, error)

    def _warn(self, what: str, observer: object, error: Exception) -> None:
        if self._log is not None:
            kind = type(error).__name__
            self._log.warning("%s did not %s: %s: %s", type(observer).__name__, what, kind, error)


#: For a ledger without observers.
NOBODY = Observers()
