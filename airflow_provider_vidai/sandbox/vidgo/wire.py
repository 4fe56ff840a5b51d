"""What surrounds every call of Vidgo: keys, limits, bodies, and errors in their two shapes."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.accounts import account_of
from airflow_provider_vidai.sandbox.vidgo.settings import VidgoSettings
from airflow_provider_vidai.sandbox.wire import JSON, Exchange, Handler

VENDOR = "vidgo"
#: The default type of an error, by its status.
TYPES = {
    400: "validation_error",
    401: "authentication_error",
    402: "insufficient_credits_error",
    403: "permission_denied_error",
    404: "resource_not_found_error",
    409: "conflict_error",
    413: "content_too_long_error",
    429: "rate_limit_error",
}


class Refused(Exception):
    """The call is answered with an error.

    :param more: further fields of the error.
    """

    def __init__(self, status: int, message: str, kind: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or TYPES[status]
        self.more = more


@dataclass
class Context:
    """One call, with its account."""

    exchange: Exchange
    account: str

    @property
    def settings(self) -> VidgoSettings:
        """Vidgo's settings."""
        return self.exchange.world.settings.vidgo

    async def json(self) -> dict[str, Any]:
        """Return the body.

        :raises Refused: if it is not a JSON object.
        """
        try:
            body = json.loads(await self.exchange.request.body())
        except ValueError:
            raise Refused(400, "Invalid JSON body", "invalid_request_error") from None
        if not isinstance(body, dict):
            raise Refused(400, "The body must be a JSON object", "invalid_request_error")
        return body


ContextHandler = Callable[[Context], Awaitable[Response]]


def call(handler: ContextHandler, *, details: bool = False, limit: str = "calls_per_minute") -> Handler:
    """Return the handler of a call.

    :param details: whether its errors are ``{"detail"}`` instead of ``{"code", "error"}``.
    :param limit: the setting with the number of calls per minute that an account may make.
    """

    async def handle(exchange: Exchange) -> Response:
        try:
            account = _account(exchange)
            _within_limit(exchange, account, limit)
            return await handler(Context(exchange, account))
        except Refused as refused:
            page = exchange.call == "status" and exchange.world.settings.vidgo.status_errors == "detail"
            return _answer(exchange, refused, details=details or page)

    return handle


def _answer(exchange: Exchange, refused: Refused, *, details: bool) -> Response:
    if refused.kind == "closed":
        return JSON(refused.more["body"], refused.status)
    if details:
        return JSON({"detail": refused.more.get("detail", refused.message)}, refused.status)
    status = refused.status if exchange.world.settings.vidgo.http_errors else 200
    error = {"message": refused.message, "type": refused.kind, **refused.more}
    return JSON({"code": refused.status, "error": error}, status)


def _account(exchange: Exchange) -> str:
    scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
    account = account_of(key.strip())
    refusal = exchange.world.accounts.refusal(VENDOR, account)
    if refusal:
        raise Refused(refusal.status, "", "closed", body=refusal.body)
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused(401, "Not authenticated")
    if not exchange.world.accounts.knows(VENDOR, account):
        raise Refused(401, "Invalid API key")
    return account


def _within_limit(exchange: Exchange, account: str, limit: str) -> None:
    """Count the call against its limit.

    :raises Refused: if there were too many, or if a fault orders it.
    """
    most = getattr(exchange.world.settings.vidgo, limit)
    quota = exchange.world.windows.take((VENDOR, account, limit), most)
    if exchange.fault("limited") or not quota.allowed:
        raise Refused(429, "Rate limit exceeded. Please try again later.", detail="Rate limit exceeded")
