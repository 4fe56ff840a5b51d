"""Venice's books: what a key can spend, and what the account was charged.

An admin key is the account's key after ``admin-``.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.venice.jobs import VENDOR
from airflow_provider_vidai.sandbox.venice.wire import Context, error
from airflow_provider_vidai.sandbox.wire import JSON

#: Lines in one answer, unless the request says otherwise.
PAGE = 1000


async def rate_limits(context: Context) -> Response:
    """Return what a key can spend; any key may ask."""
    left = _left(context)
    return JSON({"data": {"accessPermitted": True, "balances": {"USD": left, "DIEM": 0}, "rateLimits": []}})


async def balance(context: Context) -> Response:
    """Return the account's balance."""
    _require_admin(context)
    currency = context.exchange.world.settings.venice.pays_with
    balances = {"usd": _left(context), "diem": None}
    return JSON(
        {
            "canConsume": True,
            "consumptionCurrency": currency,
            "balances": balances,
            "diemEpochAllocation": 0,
        }
    )


async def history(context: Context) -> Response:
    """Return what the account was charged, oldest first."""
    _require_admin(context)
    asked = context.exchange.request.query_params
    start, size = asked.get("startTimestamp", ""), int(asked.get("pageSize", PAGE))
    until = datetime.now(timezone.utc) - timedelta(seconds=context.exchange.world.settings.venice.usage_lag)
    lines = [line for line in _lines(context, until.isoformat()) if line["timestamp"] >= start]
    return JSON({"data": lines[:size], "nextCursor": "more" if len(lines) > size else None})


def _lines(context: Context, until: str) -> Iterator[dict[str, Any]]:
    for entry in context.exchange.world.book:
        shown = entry.as_json()
        if (entry.vendor, entry.account) != (VENDOR, context.account) or shown["at"] > until:
            continue
        line = {
            "amount": -entry.amount,
            "currency": "USD",
            "inferenceDetails": {
                "completionTokens": None,
                "inferenceExecutionTime": None,
                "promptTokens": None,
                "requestId": entry.job_id,
            },
            "notes": "API Inference",
            "pricePerUnitUsd": entry.amount,
            "sku": f"{shown['request'].get('model', entry.kind)}-video-unit",
            "timestamp": shown["at"].replace("+00:00", "Z"),
            "units": 1,
        }
        yield line
        if entry.refunded:
            yield {**line, "amount": entry.amount, "notes": "Refund"}


def _left(context: Context) -> float:
    return context.exchange.world.balance(VENDOR, context.account or "")


def _require_admin(context: Context) -> None:
    if not context.admin:
        raise error(401, "This endpoint requires an ADMIN API key.")
