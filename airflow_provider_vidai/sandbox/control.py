"""The control side: account book, faults, settings and log, for tests and for people."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from airflow_provider_vidai.sandbox.accounts import Refusal, account_of
from airflow_provider_vidai.sandbox.book import Media
from airflow_provider_vidai.sandbox.media.poster import poster
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.page import POLICY, page
from airflow_provider_vidai.sandbox.wire import JSON
from airflow_provider_vidai.sandbox.world import World

#: The path of a connection's host below the sandbox's URL, where it is not just the vendor's name.
HOSTS = {"venice": "venice/api/v1", "vizard": "vizard/hvizard-server-front/open-api/v1"}
#: A file is what a vendor made: a browser must not take it for a page. It may show it alone in a tab.
SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": POLICY,
}

Action = Callable[[Request, dict[str, Any]], Awaitable[Any]]


def routes(world: World, vendors: Mapping[str, Collection[str]]) -> list[BaseRoute]:
    """Return the control side of ``world``.

    :param vendors: the names of the calls of each vendor.
    """
    side = _Control(world, vendors)
    table: list[tuple[str, str, Action]] = [
        ("GET", "/book", side.book),
        ("GET", "/calls", side.calls),
        ("GET", "/settings", side.settings),
        ("PUT", "/settings", side.change_settings),
        ("PATCH", "/settings", side.change_settings),
        ("POST", "/clock", side.advance),
        ("GET", "/faults", side.faults),
        ("POST", "/faults", side.order_fault),
        ("DELETE", "/faults", side.clear_faults),
        ("GET", "/faults/{id}", side.fault),
        ("DELETE", "/faults/{id}", side.remove_fault),
        ("POST", "/faults/{id}/release", side.release_fault),
        ("POST", "/accounts", side.account),
        ("POST", "/balance", side.balance),
        ("POST", "/reset", side.reset),
    ]
    return [
        Route("/sandbox", side.page),
        Route("/sandbox/files/{entry:int}/{number:int}", side.file),
        Route("/sandbox/files/{entry:int}/{number:int}/poster", side.poster),
        *(Route("/sandbox" + path, _answering(action), methods=[verb]) for verb, path, action in table),
    ]


def _answering(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """Read the JSON body whatever its content type, and answer with JSON, also on an error."""

    async def answer(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            return JSON(await action(request, body))
        except KeyError as error:
            return JSON({"error": f"there is no {error.args[0]}"}, 404)
        except ValueError as error:
            return JSON({"error": str(error)}, 400)

    return answer


class _Control:
    def __init__(self, world: World, vendors: Mapping[str, Collection[str]]) -> None:
        self._world = world
        self._vendors = vendors

    async def book(self, _: Request, __: dict[str, Any]) -> Any:
        return self._world.book.as_json()

    async def calls(self, _: Request, __: dict[str, Any]) -> Any:
        return {"calls": self._world.calls.as_json()}

    async def settings(self, _: Request, __: dict[str, Any]) -> Any:
        return asdict(self._world.settings)

    async def change_settings(self, _: Request, body: dict[str, Any]) -> Any:
        self._world.change(body)
        return asdict(self._world.settings)

    async def advance(self, _: Request, body: dict[str, Any]) -> Any:
        self._world.clock.advance(float(body.get("advance", 0)))
        return {"now": self._world.clock.now()}

    async def faults(self, _: Request, __: dict[str, Any]) -> Any:
        return {"faults": self._world.faults.as_json()}

    async def order_fault(self, _: Request, body: dict[str, Any]) -> Any:
        vendor, call = body.get("vendor", "*"), body.get("call", "*")
        if vendor not in ("*", *self._vendors):
            raise ValueError(f"unknown vendor {vendor!r}; there are: {', '.join(self._vendors)}")
        calls = {name for one in self._vendors if vendor in ("*", one) for name in self._vendors[one]}
        if call not in ("*", *calls):
            raise ValueError(f"unknown call {call!r}; there are: {', '.join(sorted(calls))}")
        return self._world.faults.order(body).as_json()

    async def fault(self, request: Request, _: dict[str, Any]) -> Any:
        return self._world.faults[request.path_params["id"]].as_json()

    async def remove_fault(self, request: Request, _: dict[str, Any]) -> Any:
        self._world.faults.remove(request.path_params["id"])
        return {}

    async def clear_faults(self, _: Request, __: dict[str, Any]) -> Any:
        self._world.faults.clear()
        return {}

    async def release_fault(self, request: Request, body: dict[str, Any]) -> Any:
        fault = self._world.faults[request.path_params["id"]]
        fault.release(drop=bool(body.get("drop")))
        return fault.as_json()

    async def account(self, _: Request, body: dict[str, Any]) -> Any:
        vendor = body.get("vendor")
        if not isinstance(vendor, str):
            raise ValueError("vendor must be given")
        if "only" in body:
            self._world.accounts.accept_only(vendor, body["only"])
        elif isinstance(body.get("key"), str):
            answer = body.get("answer")
            refusal = Refusal(int(answer["status"]), answer.get("body", {})) if answer else None
            self._world.accounts.refuse(vendor, body["key"], refusal)
        else:
            raise ValueError("either key (with answer) or only must be given")
        return {}

    async def balance(self, _: Request, body: dict[str, Any]) -> Any:
        vendor, key, amount = body.get("vendor"), body.get("key"), body.get("amount")
        if not isinstance(vendor, str) or not isinstance(key, str):
            raise ValueError("vendor and key must be given")
        if amount is not None:
            self._world.set_balance(vendor, account_of(key), float(amount))
        return {"balance": self._world.balance(vendor, account_of(key))}

    async def reset(self, _: Request, __: dict[str, Any]) -> Any:
        await self._world.reset()
        return {}

    async def page(self, request: Request) -> Response:
        base = str(request.base_url)
        hosts = {vendor: base + HOSTS.get(vendor, vendor) for vendor in self._vendors}
        return HTMLResponse(page(self._world, base, hosts), headers={"content-security-policy": POLICY})

    async def file(self, request: Request) -> Response:
        found = self._media(request)
        if found is None:
            return Response("no such file", 404)
        return FileResponse(found.path, media_type=found.type, headers=SAFE)

    async def poster(self, request: Request) -> Response:
        found = self._media(request)
        try:
            if found is None:
                raise MediaError("no such file")
            return Response(
                await asyncio.to_thread(poster, found.path), media_type="image/jpeg", headers=SAFE
            )
        except MediaError as error:
            return Response(str(error), 404)

    def _media(self, request: Request) -> Media | None:
        """Return the file that the path names by its place in the book."""
        entry_id, number = int(request.path_params["entry"]), int(request.path_params["number"])
        try:
            return self._world.book[entry_id].media()[number]
        except (KeyError, IndexError):
            return None
