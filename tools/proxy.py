"""A TCP proxy before an HTTP server, which can refuse, hang, or lose answers: what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass, field
from types import TracebackType

_CHUNK = 65_536
#: An answer that only asks for the rest of the request: the server has done nothing yet.
_CONTINUE = re.compile(rb"HTTP/1\.1 1\d\d ")


@dataclass
class Loss:
    """Answers to lose.

    :param request: what the head of a request contains whose answer is lost.
    :param times: how many answers.
    :param lost: the request lines whose answers were lost.
    """

    request: re.Pattern[bytes]
    times: int
    lost: list[str] = field(default_factory=list)


class Proxy:
    """A proxy on a free port before one on this machine: ``with Proxy(port) as proxy: ...``.

    :param port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._pass = asyncio.Event()
        self._refusing = False
        self._losses: list[Loss] = []
        self._connections: set[asyncio.StreamWriter] = set()
        self.port = 0

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where clients reach the server through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """Cut all connections, and every new one at once, until `restore`."""
        self._refusing = True
        self._loop.call_soon_threadsafe(self._cut)

    def hang(self) -> None:
        """Keep all connections open and forward nothing, until `restore`."""
        self._loop.call_soon_threadsafe(self._pass.clear)

    def restore(self) -> None:
        """Forward everything again."""
        self._refusing = False
        self._losses.clear()
        self._loop.call_soon_threadsafe(self._pass.set)

    def lose(self, request: str, times: int = 1) -> Loss:
        """Forward the next such requests, and cut the connection instead of returning their answers.

        :param request: a regular expression that the head of the request contains.
        """
        loss = Loss(re.compile(request.encode(), re.IGNORECASE | re.DOTALL), times)
        self._losses.append(loss)
        return loss

    async def _start(self) -> int:
        self._pass.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        self._server.close()
        # Connections that hang wait for this event. They must go on, to notice that they are cut.
        self._pass.set()
        self._cut()
        if serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving, timeout=5)

    def _cut(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._connections |= {writer, server_writer}
        losing = asyncio.Event()
        try:
            await asyncio.gather(
                self._forward(reader, server_writer, losing), self._back(server_reader, writer, losing)
            )
        except OSError:
            pass
        finally:
            self._connections -= {writer, server_writer}
            for one in (writer, server_writer):
                with contextlib.suppress(OSError):
                    one.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while data := await reader.read(_CHUNK):
            await self._pass.wait()
            if self._takes(data):
                losing.set()
            writer.write(data)
            await writer.drain()
        writer.close()

    def _takes(self, data: bytes) -> bool:
        for loss in self._losses:
            if len(loss.lost) < loss.times and loss.request.search(data):
                loss.lost.append(data.partition(b"\r\n")[0].decode("latin-1"))
                return True
        return False

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while data := await reader.read(_CHUNK):
            await self._pass.wait()
            if losing.is_set() and not _CONTINUE.match(data):
                writer.transport.abort()
                return
            writer.write(data)
            await writer.drain()
        writer.close()
