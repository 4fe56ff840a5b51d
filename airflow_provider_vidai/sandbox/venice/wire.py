"""What surrounds every call of Venice: keys, limits, bodies and headers."""

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.accounts import account_of
from airflow_provider_vidai.sandbox.limits import Quota
from airflow_provider_vidai.sandbox.venice.jobs import VENDOR
from airflow_provider_vidai.sandbox.venice.values import complaint, of_type
from airflow_provider_vidai.sandbox.wire import JSON, Exchange, Handler

#: How an admin key begins; the key of its account follows.
ADMIN = "admin-"
MAX_BODY_BYTES = 35_000_000
ERROR_SECONDS = BLOCK_SECONDS = 30.0
VERSION = "20261118.090000"
TOO_MANY_ERRORS = (
    "Too many failed attempts (> {limit}) resulting in a non-success status code. "
    "Please wait 30s and try again. "
    "See https://docs.venice.ai/api-reference/rate-limiting for more information."
)
PAYMENT = {
    "x402Version": 2,
    "error": "Payment required",
    "accepts": [{"scheme": "exact", "network": "eip155:8453", "asset": "USDC", "maxTimeoutSeconds": 300}],
}


@dataclass
class Context:
    """One call, with its account and body.

    :param account: the account of its key; None without a key.
    :param body: the JSON object in its body.
    """

    exchange: Exchange
    account: str | None
    body: dict[str, Any]

    @property
    def admin(self) -> bool:
        """Whether the key is an admin key."""
        return ADMIN in self.exchange.request.headers.get("authorization", "")

    @property
    def model(self) -> str:
        """The requested model's name, or an empty string."""
        name = self.body.get("model")
        return name if isinstance(name, str) else ""


ContextHandler = Callable[[Context], Awaitable[Response]]


class Refused(Exception):
    """The call is answered with an error."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.answer = JSON(body, status, dict(headers or {}))


def error(status: int, message: str) -> Refused:
    """Return a refusal in Venice's most common shape."""
    return Refused(status, {"error": message})


def no_credential() -> Refused:
    """Return the refusal of a call without a key: a 402 that offers payment from a wallet."""
    payment = base64.b64encode(json.dumps(PAYMENT).encode()).decode()
    return Refused(402, PAYMENT, {"payment-required": payment})


def call(
    handler: ContextHandler, keyless: bool = False, limit: str | None = None, reads: bool = True
) -> Handler:
    """Return the handler of a call.

    :param keyless: whether it works without a key.
    :param limit: the setting with the number of calls per minute that an account may make.
    :param reads: whether it has a JSON body.
    """

    async def handle(exchange: Exchange) -> Response:
        quota, context, balance = None, None, 0.0
        try:
            account = _account(exchange, keyless)
            context = Context(exchange, account, {})
            balance = exchange.world.balance(VENDOR, account or "")
            quota = _within_limits(exchange, account, limit)
            if reads:
                context.body = await _json(exchange)
            _within_error_budget(context)
            response = await handler(context)
        except Refused as refused:
            response = refused.answer
        response.headers.update(_common_headers())
        if context:
            _count_error(context, response.status_code)
            response.headers.update(_headers(context, quota, balance))
        return response

    return handle


def _account(exchange: Exchange, keyless: bool) -> str | None:
    header = exchange.request.headers.get("authorization")
    if header is None and keyless:
        return None
    if header is None:
        raise no_credential()
    scheme, _, key = header.partition(" ")
    account = account_of(key.strip().removeprefix(ADMIN))
    refusal = exchange.world.accounts.refusal(VENDOR, account)
    if refusal:
        raise Refused(refusal.status, refusal.body)
    if scheme.lower() != "bearer" or not key.strip() or not exchange.world.accounts.knows(VENDOR, account):
        # Where no key is needed, Venice ignores an invalid one.
        if keyless:
            return None
        raise error(401, "Authentication failed")
    return account


async def _json(exchange: Exchange) -> dict[str, Any]:
    content = await exchange.request.body()
    if len(content) > MAX_BODY_BYTES:
        text = "Request body exceeds the maximum allowed size."
        raise Refused(413, {"code": "PAYLOAD_TOO_LARGE", "error": text})
    if exchange.request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise error(400, "'Content-Type' must be 'application/json'")
    try:
        body = json.loads(content)
    except ValueError:
        raise error(400, "Invalid JSON request") from None
    if not isinstance(body, dict):
        raise Refused(400, complaint(list(of_type("object", body))))
    return body


def _within_limits(exchange: Exchange, account: str | None, limit: str | None) -> Quota | None:
    """Count the call against its limit.

    :raises Refused: if there were too many, or if a fault orders it.
    """
    ordered = exchange.fault("limited")
    if ordered and ordered.options["by"] == "overloaded":
        payment = str(round(ordered.options["seconds"]))
        raise Refused(
            429, {"error": "The model is overloaded. Please try again later."}, {"retry-after": payment}
        )
    if ordered and ordered.options["by"] == "errors":
        raise _too_many_errors(exchange, ordered.options["seconds"])
    if ordered:
        raise _too_often(exchange, Quota(False, 0, ordered.options["seconds"]), limit)
    if limit is None or account is None:
        return None
    most = _limit(exchange, limit)
    if not most:
        return None  # then no header mentions a limit either
    quota = exchange.world.windows.take((VENDOR, account, limit), most)
    if not quota.allowed:
        raise _too_often(exchange, quota, limit)
    return quota


def _limit(exchange: Exchange, limit: str | None) -> int:
    most: int = getattr(exchange.world.settings.venice, limit or "queue_per_minute")
    return most


def _too_often(exchange: Exchange, quota: Quota, limit: str | None) -> Refused:
    headers = {**_quota_headers(exchange, quota, _limit(exchange, limit)), "x-ratelimit-type": "user"}
    return Refused(429, {"error": "Rate limit exceeded"}, headers)


def _quota_headers(exchange: Exchange, quota: Quota, most: int) -> dict[str, str]:
    factor = 1000 if exchange.world.settings.venice.reset_unit == "ms" else 1
    return {
        "x-ratelimit-limit-requests": str(most),
        "x-ratelimit-remaining-requests": str(quota.remaining),
        "x-ratelimit-reset-requests": str(round((time.time() + quota.resets_in) * factor)),
    }


def _too_many_errors(exchange: Exchange, seconds: float) -> Refused:
    limit = exchange.world.settings.venice.error_budget
    resets = str(round((time.time() + seconds) * 1000))
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-resets": resets, "x-ratelimit-type": "api_key"}
    return Refused(429, {"error": TOO_MANY_ERRORS.format(limit=limit)}, headers)


def _within_error_budget(context: Context) -> None:
    if context.account:
        seconds = context.exchange.world.windows.blocked((VENDOR, context.account, "errors", context.model))
        if seconds:
            raise _too_many_errors(context.exchange, seconds)


def _count_error(context: Context, status: int) -> None:
    """Count a 4xx answer; too many of them block the account for this model."""
    world, most = context.exchange.world, context.exchange.world.settings.venice.error_budget
    # Neither a 429 nor a 5xx counts (the vendor's skills of 2026-10).
    if most and context.account and 400 <= status < 500 and status != 429:
        name = (VENDOR, context.account, "errors", context.model)
        if world.windows.note(name, ERROR_SECONDS) > most:
            world.windows.block(name, BLOCK_SECONDS)


def _common_headers() -> dict[str, str]:
    """Return the headers of every answer."""
    return {"x-venice-version": VERSION, "cf-ray": f"{time.time_ns() & 0xFFFFFFFFFFFFFFFF:016x}-FRA"}


def _headers(context: Context, quota: Quota | None, balance: float) -> dict[str, str]:
    """Return the headers of an answer to a known account.

    :param balance: its balance before the call.
    """
    headers: dict[str, str] = {}
    if context.account:
        headers["x-venice-balance-usd"] = f"{balance:.2f}"
        headers["x-venice-balance-diem"] = "0"
    if context.model.isascii() and context.model.isprintable() and context.model:
        headers["x-venice-model-id"] = context.model
    limits = {"queue": "queue_per_minute", "retrieve": "retrieve_per_minute"}
    if quota and context.exchange.call in limits:
        headers.update(
            _quota_headers(context.exchange, quota, _limit(context.exchange, limits[context.exchange.call]))
        )
    return headers
