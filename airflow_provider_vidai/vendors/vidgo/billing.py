"""Vidgo's own books: the balance. It charges a task when it is submitted (its documents since 2026-08-22)."""

from __future__ import annotations

from decimal import Decimal

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.books import Reading
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.vendors.base import BookCalls, Vendor
from airflow_provider_vidai.vendors.vidgo.answers import BalanceAnswer

DOING = "read the balance"


class VidgoBooks(BookCalls):
    """The call that reads it."""

    def spendable(self, vendor: Vendor) -> Call[Reading]:
        """Return the call that reads how many credits the account has."""

        def parse(answer: Answer) -> Reading:
            found = vendor.parse(BalanceAnswer, answer, DOING).data.credits_amount
            return Reading(amount=Decimal(str(found)), unit="credits")

        return Call(DOING, "GET", "/api/user/balance", parse)
