"""What a purchase costs, as the log says it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_vidai.jobs.cost import bought_for, price


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ({"quote_usd": 0.55}, " for 0.55 USD (quoted)"),
        ({"usd": 0.03}, " for 0.03 USD"),
        ({"usd": 0.6, "quote_usd": 0.55}, " for 0.6 USD"),
        ({"credits": 20}, " for 20 credits"),
        ({"credits": 0}, " for 0 credits"),
        ({"minutes": 12.5}, " for 12.5 minutes"),
        ({"model": "m", "usage": {"total_tokens": 7}}, " (Venice reports no price)"),
        ({"usd": None}, " (Venice reports no price)"),
        ({"credits": True}, " (Venice reports no price)"),
        ({}, " (Venice reports no price)"),
        (None, " (Venice reports no price)"),
    ],
)
def test_the_line_about_a_purchase_ends_with_its_price(cost: Any, text: str):
    assert bought_for(cost, "Venice") == text


def test_no_price_is_none_and_not_nothing():
    assert price(None) is None
    assert price({"usd": 0}) == "0 USD"
