"""Venice's own books: what a key can spend, and what the account was charged.

Source: the vendor's contract (swagger 20260821). Everything under ``/billing`` needs an admin key; any key
may read what it can spend itself. Venice takes DIEM first, then the bundled credits of a plan, then USD. One
DIEM pays for one USD a day: the balance of DIEM is full again at 00:00 UTC.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.books import Charge, Reading
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.vendors.base import BookCalls, Vendor
from airflow_provider_vidai.vendors.fields import LenientStr

#: What a purchase can be paid with and no balance shows.
_BUNDLED = "BUNDLED_CREDITS"
#: Lines of the usage history in one answer; the most that Venice returns.
_PAGE = 1000


class _KeyBalances(BaseModel):
    usd: Decimal = Field(default=Decimal(0), alias="USD")
    diem: Decimal = Field(default=Decimal(0), alias="DIEM")


class _Key(BaseModel):
    balances: _KeyBalances


class _KeyAnswer(BaseModel):
    data: _Key


class _Balances(BaseModel):
    usd: Decimal | None = None
    diem: Decimal | None = None


class _BalanceAnswer(BaseModel):
    balances: _Balances
    currency: LenientStr = Field(default=None, alias="consumptionCurrency")


class _Details(BaseModel):
    request: LenientStr = Field(default=None, alias="requestId")


class _Line(BaseModel):
    amount: Decimal
    currency: str
    sku: str
    timestamp: str
    details: _Details | None = Field(default=None, alias="inferenceDetails")

    def charge(self) -> Charge:
        return Charge(
            product=self.sku,
            # The history has what was taken as a negative amount, and what was given back as a positive one.
            amount=-self.amount,
            visible=self.currency != _BUNDLED,
            at=self.timestamp,
            request=self.details.request if self.details else None,
        )


class _HistoryAnswer(BaseModel):
    data: list[_Line]
    more: Any = Field(default=None, alias="nextCursor")


class VeniceBooks(BookCalls):
    """The calls that read them."""

    def spendable(self, vendor: Vendor) -> Call[Reading]:
        """Return the call that reads what the key can still spend."""
        doing = "read what the key can spend"

        def parse(answer: Answer) -> Reading:
            found = vendor.parse(_KeyAnswer, answer, doing).data.balances
            return Reading(amount=found.usd + found.diem, unit="usd", renewed=found.diem > 0)

        return Call(doing, "GET", "/api_keys/rate_limits", parse)

    def balance(self, vendor: Vendor) -> Call[Reading]:
        """Return the call that reads the account's balance, with an admin key."""
        doing = "read the balance"

        def parse(answer: Answer) -> Reading:
            found = vendor.parse(_BalanceAnswer, answer, doing)
            diem = found.balances.diem or Decimal(0)
            amount = (found.balances.usd or Decimal(0)) + diem
            return Reading(amount=amount, unit="usd", hidden=found.currency == _BUNDLED, renewed=diem > 0)

        return Call(doing, "GET", "/billing/balance", parse)

    def history(self, vendor: Vendor, since: float) -> Call[tuple[Charge, ...]]:
        """Return the call that reads what the account was charged, with an admin key."""
        doing = "read the usage history"
        start = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

        def parse(answer: Answer) -> tuple[Charge, ...]:
            found = vendor.parse(_HistoryAnswer, answer, doing)
            # An incomplete history could lack the very charge, and would seem to prove that nothing was
            # bought.
            if found.more:
                raise vendor.unreadable(answer, doing, f"there are more than {_PAGE} lines")
            return tuple(line.charge() for line in found.data)

        query = (("startTimestamp", start), ("pageSize", str(_PAGE)))
        return Call(doing, "GET", "/billing/usage-history", parse, query=query)
