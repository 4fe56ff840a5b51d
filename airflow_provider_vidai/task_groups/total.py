"""The limit of what all attempts may cost together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from airflow_provider_vidai.arguments import guard
from airflow_provider_vidai.errors import FREE, Charged, InputError
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.task_groups.attempts import NOTE, note_of, outcome_of


def limit_of(value: Any) -> Cost | None:
    """Return what all attempts may cost together; None for no limit.

    :param value: a number (USD), a ``Cost``, or a dict of its ``amount`` and ``unit``.
    :raises InputError: when it is something else.
    """
    value = literal(value)
    if isinstance(value, Mapping):
        if strange := sorted({*map(str, value)} - {*Cost.model_fields}):
            # A misspelt unit would otherwise make credits into USD.
            raise InputError(f"max_total has an amount and a unit, and no {', '.join(strange)}.")
        value = validated(Cost, value, what="max_total")
    given = value.amount if isinstance(value, Cost) else value
    unit = (value.unit or "usd") if isinstance(value, Cost) else "usd"
    if given is None and value is not None:
        raise InputError("max_total needs an amount.")
    amount = guard("max_total", given)
    return None if amount is None else Cost(amount=amount, unit=unit)


class TotalExceededError(InputError):
    """One more attempt would cost more than is allowed."""


class Total:
    """Watches the purchase of one attempt: all of them together may cost so much.

    :param number: the attempt's.
    :param records: returns the purchases of all attempts; see :func:`all_records`.
    """

    def __init__(
        self, limit: Cost | None, number: int, records: Callable[[], Iterable[tuple[int, Entry, Record]]]
    ) -> None:
        self._limit = limit
        self._number = number
        self._records = records
        #: The nonces of purchases whose jobs turned out to be free of charge.
        self._free: set[str] = set()

    def begins(
        self,
        record: Record,
        replaced: Record | None,
        known: Callable[[], set[str]],  # noqa: ARG002
    ) -> Mapping[str, JsonValue]:
        """Refuse an attempt that does not fit, or whose price is not known.

        :raises InputError: nothing was bought.
        """
        limit = self._limit
        if limit is None:
            return {}
        unit = str(limit.unit)
        # What an earlier purchase may have cost still counts when its record gives way to this one.
        carried = Decimal(0) if replaced is None else self._spent(self._number, replaced, unit)
        nonce = None if replaced is None else replaced.nonce
        others = [self._spent(made, one, unit) for made, _, one in self._records() if one.nonce != nonce]
        price, spent = Cost.of(record.cost).in_unit(unit), carried + sum(others)
        if price is None:
            raise _unknown(self._number, unit, str(Cost.of(record.cost)))
        if spent + Decimal(str(price)) > Decimal(str(limit.amount)):
            raise TotalExceededError(
                f"Attempt {self._number} would cost {price:g} {unit}, and of the {limit.amount:g} {unit} of "
                f"max_total, {float(spent):g} are spent.",
                todo="Raise max_total and clear the task.",
                fate="This attempt was not bought.",
            )
        return {NOTE: {"carried": str(carried)}}

    def _spent(self, number: int, record: Record, unit: str) -> Decimal:
        note, outcome = note_of(record), outcome_of(record)
        if note.get("over"):  # a person has cleared the finished task since, which buys afresh
            return Decimal(0)
        carried = Decimal(str(note.get("carried", 0)))
        if record.nonce in self._free or (outcome is not None and outcome.charged in FREE):
            return carried
        reported = outcome.result.get("cost") if outcome and outcome.result else None
        receipt = record.receipt.cost if record.receipt else None
        costs = [Cost.of(cost).in_unit(unit) for cost in (reported, receipt, record.cost)]
        amount = next((one for one in costs if one is not None), None)
        if amount is None:
            raise _unknown(number, unit, str(Cost.of(receipt)))
        return carried + Decimal(str(amount))

    def withdrawn(self, record: Record, *, begun: bool) -> None:
        """Do nothing: the sum is taken from the records."""

    def bought(self, record: Record) -> None:
        """Do nothing, likewise."""

    def ended(self, record: Record, _outcome: str, charged: Charged, _cost: Any) -> None:
        """Take note of a job that cost nothing: its record may give way to another purchase at once."""
        if charged in FREE:
            self._free.add(record.nonce)


def _unknown(number: int, unit: str, why: str) -> InputError:
    return InputError(
        f"max_total is in {unit}, and what attempt {number} costs in {unit} is not known ({why}).",
        todo="Name its price in [vidai] prices, then clear the task.",
        fate="This attempt was not bought.",
    )
