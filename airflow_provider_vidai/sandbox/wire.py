"""What surrounds the handler of every vendor call: the log and the ordered faults."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_vidai.sandbox.calls import Line
from airflow_provider_vidai.sandbox.faults import REPLACEMENTS, Fault

if TYPE_CHECKING:
    from airflow_provider_vidai.sandbox.world import World

#: Headers that carry an API key at one of the vendors.
KEY_HEADERS = frozenset({"x-api-key", "authorization", "vizardai_api_key"})
SLICES_PER_SECOND = 10
SEND_BUFFER = 64 << 10
HTML_PAGE = "<!DOCTYPE html><html><body><h1>We will be right back</h1></body></html>"


class Connection(H11Protocol):
    """An HTTP connection that gives its requests access to the TCP transport, so that they can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Pass the transport on in each request's ``state``."""
        super().connection_made(transport)
        # asyncio sets TCP_NODELAY only on sockets opened with an explicit TCP protocol. Without it,
        # each answer takes 40 ms.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Local connections buffer megabytes. The log would count bytes as sent that a client never read if it
        # hung up early.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.app_state = {**self.app_state, "transport": transport}


class Cut(Exception):
    """The connection was cut on purpose; nothing more can be sent on it."""


class JSON(Response):
    """A compact JSON answer, as the vendors send it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body's bytes."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Exchange:
    """One request, with what a handler needs."""

    def __init__(self, world: "World", vendor: str, call: str, request: Request) -> None:
        self.world = world
        self.vendor = vendor
        self.call = call
        self.request = request

    def fault(self, kind: str) -> Fault | None:
        """Return the fault of this kind that affects this call, if any, and count it."""
        return self.world.faults.take_due(self.vendor, self.call, (kind,)).get(kind)

    def sign(self, method: str, key: str, ttl: float | None = None, after_bytes: int | None = None) -> str:
        """Return a signed URL of a stored file, on the host that the request named."""
        ttl = self.world.settings.url_ttl if ttl is None else ttl
        return (
            str(self.request.base_url) + "storage/" + self.world.storage.sign(method, key, ttl, after_bytes)
        )


Handler = Callable[[Exchange], Awaitable[Response]]
#: A vendor's calls by name: method, path below the vendor's prefix, and handler.
Calls = Mapping[str, tuple[str, str, Handler]]


class Endpoint:
    """One call of one vendor, as an ASGI application.

    :param vendor: its name, or a function that finds it from the request.
    :param reads: whether to read the request's body first. A held request is then processed even if its
        client has hung up meanwhile, as it would be at the vendor.
    """

    def __init__(
        self,
        world: "World",
        vendor: str | Callable[[Request], str],
        call: str | Callable[[Request], str],
        handler: Handler,
        reads: bool = True,
    ) -> None:
        self._world = world
        self._vendor = vendor
        self._call = call
        self._handler = handler
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or fail as ordered."""
        request = Request(scope, receive)
        vendor = self._vendor if isinstance(self._vendor, str) else self._vendor(request)
        call = self._call if isinstance(self._call, str) else self._call(request)
        line = _line(vendor, call, request)
        self._world.calls.add(line)
        faults = self._world.faults.take_due(vendor, call)
        slow = faults.get("slow")
        if slow and slow.when == "before":
            request = Request(scope, _slow_receive(receive, slow.options["bytes_per_second"]))
        try:
            if self._reads:
                await request.body()
            response = await self._answer(Exchange(self._world, vendor, call, request), faults)
            await response(scope, receive, _Sender(scope, send, line, faults).send)
        except Cut:
            await _gone(receive)
        except ClientDisconnect:
            pass  # the client hung up before its request was complete: nobody is left to answer

    async def _answer(self, exchange: Exchange, faults: dict[str, Fault]) -> Response:
        """Return the vendor's answer, or the one that a fault orders instead."""
        await _interrupt(exchange.request.scope, faults, "before")
        replacement = _replacement(faults, "before")
        if replacement:
            return replacement
        response = await self._handler(exchange)
        await _interrupt(exchange.request.scope, faults, "after")
        return _replacement(faults, "after") or _altered(response, faults)


def _line(vendor: str, call: str, request: Request) -> Line:
    names = sorted(request.headers.keys())
    path = request.url.path
    if "token" in request.path_params:  # the token alone allows the download
        path = path.replace(request.path_params["token"], "…")
    return Line(vendor, call, request.method, path, names, bool(KEY_HEADERS.intersection(names)))


async def _interrupt(scope: Scope, faults: dict[str, Fault], when: str) -> None:
    """Hold the request, or cut the connection before the first byte of the answer."""
    hold = faults.get("hold")
    if hold and hold.when == when and not await hold.hold():
        cut(scope)
    reset = faults.get("reset")
    if reset and reset.when == when and reset.options["after_bytes"] is None:
        cut(scope)


def _replacement(faults: dict[str, Fault], when: str) -> Response | None:
    """Return the answer that replaces the vendor's, if a fault orders one."""
    fault = next(
        (faults[kind] for kind in REPLACEMENTS if kind in faults and faults[kind].when == when), None
    )
    if fault is None:
        return None
    options = fault.options
    if fault.kind == "status":
        body = {"error": "made up by the sandbox"} if options["body"] is None else options["body"]
        if isinstance(body, str):
            return Response(body, options["status"], options["headers"])
        return JSON(body, options["status"], options["headers"])
    if fault.kind == "redirect":
        return Response(status_code=options["status"], headers={"location": options["to"]})
    if fault.kind == "html":
        return Response(HTML_PAGE, options["status"], media_type="text/html")
    content = b"" if fault.kind == "empty" else b"\x00\xff{]garbage"
    return Response(content, options["status"], media_type="application/json")


def with_odd_values(answer: Any) -> Any:
    """Return an answer that keeps its meaning, with a lone surrogate and a NUL in every text for people.

    An object gets further members: a number of 400 digits, one that is not finite, and a list 900 deep.
    """
    if isinstance(answer, dict):
        deep: list[Any] = []
        for _ in range(900):
            deep = [deep]
        odd = {"odd": {"digits": 10**400, "infinite": float("inf"), "deep": deep}}
        return {**{name: _odd_texts(value) for name, value in answer.items()}, **odd}
    return _odd_texts(answer)


def _odd_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _odd_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_odd_texts(item) for item in value]
    # A single word may be a status or an id, and a URL contains no space.
    return f"{value} \ud83d\x00" if isinstance(value, str) and " " in value else value


def _altered(response: Response, faults: dict[str, Fault]) -> Response:
    """Return the vendor's answer, truncated, mislabelled or with odd values if a fault orders it."""
    if "odd_values" in faults and hasattr(response, "body"):
        body = json.dumps(with_odd_values(json.loads(bytes(response.body)))).encode()
        response = Response(body, response.status_code, media_type="application/json")
    if "truncated_json" in faults and hasattr(response, "body"):
        body = bytes(response.body)
        response = Response(body[: len(body) // 2], response.status_code, media_type="application/json")
    if "wrong_type" in faults:
        response.headers["content-type"] = faults["wrong_type"].options["content_type"]
    return response


class _Sender:
    """Sends an answer, counts its bytes, and slows or cuts it if a fault orders it."""

    def __init__(self, scope: Scope, send: Send, line: Line, faults: dict[str, Fault]) -> None:
        self._scope = scope
        self._send = send
        self._line = line
        slow = faults.get("slow")
        self._pace = slow.options["bytes_per_second"] if slow and slow.when == "after" else None
        self._truncate = faults.get("truncate")
        reset = faults.get("reset")
        self._reset_at = reset.options["after_bytes"] if reset else None
        self._bytes_left: int | None = self._reset_at

    async def send(self, message: Message) -> None:
        """Pass on one ASGI message."""
        if message["type"] == "http.response.start":
            self._line.status = message["status"]
            if self._truncate:
                self._bytes_left = _cut_after(self._truncate, dict(message["headers"]))
            await self._send(message)
            return
        body = message.get("body", b"")
        if self._bytes_left is not None and len(body) >= self._bytes_left:
            await self._send_body(body[: self._bytes_left], more=True)
            await self._end_early()
        await self._send_body(body, message.get("more_body", False))
        if self._bytes_left is not None:
            self._bytes_left -= len(body)

    async def _send_body(self, body: bytes, more: bool) -> None:
        step = max(1, int(self._pace / SLICES_PER_SECOND)) if self._pace else max(1, len(body))
        for start in range(0, len(body), step):
            part = body[start : start + step]
            self._line.bytes += len(part)
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
            if self._pace:
                await asyncio.sleep(len(part) / self._pace)
        if not more:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end_early(self) -> None:
        if self._reset_at is None:
            self._scope["state"]["transport"].close()
            raise Cut
        await cut_after_delivery(self._scope)


def _cut_after(truncate: Fault, headers: dict[bytes, bytes]) -> int:
    """Return after how many bytes of the body the answer ends."""
    after: int | None = truncate.options["after_bytes"]
    return (
        int(int(headers.get(b"content-length", 0)) * truncate.options["fraction"]) if after is None else after
    )


def cut(scope: Scope) -> None:
    """Close the TCP connection with a reset.

    :raises Cut: always, so that nothing more is sent.
    """
    transport: asyncio.Transport = scope["state"]["transport"]
    # With a linger time of zero, closing sends a reset instead of an orderly end.
    no_linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    transport.abort()
    raise Cut


async def cut_after_delivery(scope: Scope) -> None:
    """Close the TCP connection with a reset after everything sent so far has arrived.

    :raises Cut: always.
    """
    transport: asyncio.Transport = scope["state"]["transport"]
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - asyncio has no event for it
        await asyncio.sleep(0.005)
    # The buffer is empty once the kernel has the bytes. A reset now could still discard what is on its way.
    await asyncio.sleep(0.05)
    cut(scope)


async def _gone(receive: Receive) -> None:
    """Wait until the server has noticed that the connection is cut."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _slow_receive(receive: Receive, pace: float) -> Receive:
    async def slowly() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / pace)
        return message

    return slowly
