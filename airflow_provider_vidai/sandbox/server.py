"""Running the sandbox: as a command, or in a thread of a test."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from airflow_provider_vidai.sandbox.app import make_app
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sandbox.doors import Doors
from airflow_provider_vidai.sandbox.wire import Connection
from airflow_provider_vidai.sandbox.world import World

START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    :param url: ``http://host:port``.
    :param control: a client of its control side.
    """

    url: str
    control: Control


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Return a listening socket and its URL; port 0 picks a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Python's default queue holds 128 connections, and load tests open more than that at once.
    listener = socket.create_server((host, port), family=family, backlog=2048)
    name = f"[{host}]" if family == socket.AF_INET6 else host
    return listener, f"http://{name}:{listener.getsockname()[1]}"


class Server(uvicorn.Server):
    """The HTTP server of a world; on shutdown it does not wait for requests that a fault holds."""

    def __init__(self, world: World, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._world = world

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut the held requests, then stop."""
        self._world.faults.clear(drop=True)
        await super().shutdown(sockets)


def make_server(world: World, doors: Doors) -> Server:
    """Return the server of ``world``, not yet running.

    :param doors: the host names that it answers to.
    """
    config = uvicorn.Config(
        make_app(world, doors),
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,  # it would show signed queries
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return Server(world, config)


@contextmanager
def serve(
    speed: float = 1.0,
    port: int = 0,
    host: str = "127.0.0.1",
    data: Path | None = None,
    names: Iterable[str] = (),
) -> Iterator[Sandbox]:
    """Run a sandbox in a thread for as long as the context lasts.

    :param names: other names than ``host`` by which it is reached; see
        :class:`~airflow_provider_vidai.sandbox.doors.Doors`.
    """
    listener, url = listen(host, port)
    server = make_server(World(speed, data), Doors(host, names))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.005)
    try:
        yield Sandbox(url, Control(url))
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
