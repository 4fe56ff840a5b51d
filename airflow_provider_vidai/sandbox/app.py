"""The sandbox as one ASGI application: each vendor under its prefix, the storage, the control side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from airflow_provider_vidai.sandbox import control, storage_wire
from airflow_provider_vidai.sandbox.doors import Doors, Guard
from airflow_provider_vidai.sandbox.venice import routes as venice
from airflow_provider_vidai.sandbox.venice.delivery import SHARE_CALLS
from airflow_provider_vidai.sandbox.vidgo import routes as vidgo
from airflow_provider_vidai.sandbox.vidio import routes as vidio
from airflow_provider_vidai.sandbox.vizard import routes as vizard
from airflow_provider_vidai.sandbox.wire import JSON, Calls, Endpoint, Exchange
from airflow_provider_vidai.sandbox.world import World

VENDORS = {"vidio": vidio.CALLS, "venice": venice.CALLS, "vizard": vizard.CALLS, "vidgo": vidgo.CALLS}
#: Calls that a vendor serves outside of its API's prefix.
ELSEWHERE: dict[str, Calls] = {"venice": SHARE_CALLS}
#: Calls that every vendor's storage serves.
STORAGE_CALLS = {"put": storage_wire.put, "file": storage_wire.get}
#: What vendors call, for faults.
CALLBACKS = {"vidgo": ["callback"], "vizard": ["webhook"]}
UNKNOWN = "unknown"


def make_app(world: World, doors: Doors) -> Starlette:
    """Return the application that serves ``world`` to the clients that ``doors`` admits."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await world.close()

    routes: list[BaseRoute] = [
        *(Mount(f"/{vendor}", routes=_routes(world, vendor, calls)) for vendor, calls in VENDORS.items()),
        *(route for vendor, calls in ELSEWHERE.items() for route in _calls(world, vendor, calls)),
        _storage(world),
        *control.routes(
            world,
            {
                vendor: [
                    *calls,
                    *ELSEWHERE.get(vendor, ()),
                    *CALLBACKS.get(vendor, ()),
                    *STORAGE_CALLS,
                    UNKNOWN,
                ]
                for vendor, calls in VENDORS.items()
            },
        ),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, doors=doors)])


def _routes(world: World, vendor: str, calls: Calls) -> list[BaseRoute]:
    unknown = Route("/{path:path}", Endpoint(world, vendor, UNKNOWN, _no_such_call))
    return [*_calls(world, vendor, calls), unknown]


def _calls(world: World, vendor: str, calls: Calls) -> list[BaseRoute]:
    return [
        Route(path, Endpoint(world, vendor, call, handler), methods=[method])
        for call, (method, path, handler) in calls.items()
    ]


async def _no_such_call(exchange: Exchange) -> JSON:
    return JSON({"error": f"Cannot {exchange.request.method} {exchange.request.url.path}"}, 404)


def _storage(world: World) -> Route:
    def owner(request: Request) -> str:
        blob = world.storage.get(request.path_params["key"])
        return blob.vendor if blob else "storage"

    def call(request: Request) -> str:
        return "put" if request.method == "PUT" else "file"

    async def serve(exchange: Exchange) -> Response:
        return await STORAGE_CALLS[exchange.call](exchange)

    endpoint = Endpoint(world, owner, call, serve, reads=False)
    return Route("/storage/{key:path}", endpoint, methods=["GET", "PUT"])
