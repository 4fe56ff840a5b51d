"""How the vendors' own books are read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.books import Before
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.venice.api import VENICE
from airflow_provider_vidai.vendors.venice.billing import VeniceBooks
from airflow_provider_vidai.vendors.vidgo.api import VIDGO
from airflow_provider_vidai.vendors.vidgo.billing import VidgoBooks

LINE = {
    "amount": -0.55,
    "currency": "USD",
    "inferenceDetails": {"requestId": "r1", "promptTokens": None},
    "notes": "API Inference",
    "pricePerUnitUsd": 0.55,
    "sku": "wan-2-6-text-to-video-unit",
    "timestamp": "2026-11-28T10:00:00.123Z",
    "units": 1,
}


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())


def test_what_a_key_and_an_account_can_spend_is_read_to_the_last_digit() -> None:
    books = VeniceBooks()
    key = books.spendable(VENICE).parse(answer({"data": {"balances": {"USD": 50.231, "DIEM": 1.5}}}))
    assert (key.amount, key.unit, key.renewed) == (Decimal("51.731"), "usd", True)
    before = Before.of(key, "account")
    assert before is not None
    assert before.renewed, "DIEM is full again each day"
    body = {"balances": {"diem": None, "usd": 25}, "consumptionCurrency": "USD"}
    assert books.balance(VENICE).parse(answer(body)).amount == 25
    bundled = books.balance(VENICE).parse(answer({**body, "consumptionCurrency": "BUNDLED_CREDITS"}))
    assert bundled.hidden
    assert Before.of(bundled, "account") is None
    credits_left = VidgoBooks().spendable(VIDGO).parse(answer({"code": 200, "data": {"credits_amount": 7}}))
    assert (credits_left.amount, credits_left.unit) == (Decimal(7), "credits")


def test_the_usage_history_names_what_was_charged_and_what_no_balance_shows() -> None:
    call = VeniceBooks().history(VENICE, 1_700_000_000.0)
    assert ("startTimestamp", "2023-11-14T22:13:20Z") in call.query
    lines = [LINE, {**LINE, "currency": "BUNDLED_CREDITS", "inferenceDetails": None}]
    one, other = call.parse(answer({"data": lines, "nextCursor": None}))
    assert (one.amount, one.request, one.visible) == (Decimal("0.55"), "r1", True)
    assert one.of("wan-2.6-text-to-video")
    assert (other.request, other.visible) == (None, False)
    assert one.key != other.key


@pytest.mark.parametrize(
    "body", [{"data": [LINE], "nextCursor": "more"}, {"data": [{"sku": "x"}], "nextCursor": None}, {}, []]
)
def test_a_history_that_is_not_whole_proves_nothing(body: Any) -> None:
    with pytest.raises(ApiError):
        VeniceBooks().history(VENICE, 0.0).parse(answer(body))


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"balances": {"USD": "much"}}}])
def test_a_balance_that_cannot_be_read_is_no_balance(body: Any) -> None:
    with pytest.raises(VidaiError):
        VeniceBooks().spendable(VENICE).parse(answer(body))
    with pytest.raises(VidaiError):
        VidgoBooks().spendable(VIDGO).parse(answer(body))


def test_vendors_without_books_say_so() -> None:
    assert {name for name in get_args(VendorName) if VENDORS[name].books is None} == {"vidio", "vizard"}
