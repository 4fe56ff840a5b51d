"""Servers whose answers a test controls byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Longer bodies are read, but not kept, so that upload tests do not fill the memory.
KEPT = 16 << 20


@dataclass
class Request:
    """One request as it arrived, with header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Peer:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        self.request: Request
        self.sent = 0
        self.refused = False  # whether the client hung up before the whole answer was sent

    def send(self, data: bytes) -> bool:
        """Send ``data``; return False when the client has hung up."""
        try:
            self.sock.sendall(data)
        except OSError:
            self.refused = True
            return False
        self.sent += len(data)
        return True

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.file.close()  # the socket stays open as long as this file does


#: Answers one request; True keeps the connection open for the next one.
Step = Callable[[Peer], "bool | None"]


def answer(
    status: int = 200,
    body: Any = b"",
    *,
    length: int | None = None,
    keep: bool = False,
    **headers: str,
) -> Step:
    """Answer with ``body``, as JSON unless it is bytes; a header ``content_type`` is Content-Type."""
    if not isinstance(body, bytes):
        headers.setdefault("content_type", "application/json")
        body = json.dumps(body).encode()

    def step(peer: Peer) -> bool:
        peer.send(head(status, length=len(body) if length is None else length, **headers) + body)
        return keep

    return step


def head(status: int = 200, *, length: int | None = None, **headers: str) -> bytes:
    """Return a status line and headers."""
    if length is not None:
        headers["content_length"] = str(length)
    lines = "".join(f"{name.replace('_', '-').title()}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode()


def endless(first: bytes, piece: bytes, *, every: float = 0.0, stop: float = 20.0, **headers: str) -> Step:
    """Answer with a body without an end: ``first``, then ``piece`` again and again."""

    def step(peer: Peer) -> None:
        until = time.monotonic() + stop
        peer.send(head(**headers) + first)
        while time.monotonic() < until and peer.send(piece):
            threading.Event().wait(every)

    return step


def reset(peer: Peer) -> None:
    """Cut the connection before a byte of the answer."""
    peer.reset()


class RawServer:
    """Answers each request with the next of ``steps``, and repeats the last one."""

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._steps = list(steps)
        self._tls = tls
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.requests: list[Request] = []
        self.peers: list[Peer] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the thread that waits for connections
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(sock):
            if not self._tls and sock.recv(1, socket.MSG_PEEK) == b"\x16":
                sock.sendall(head(400, length=0))  # a TLS handshake on a plain server
                return
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock)
            self.peers.append(peer)
            with contextlib.closing(peer.file), contextlib.closing(sock):
                self._converse(peer)

    def _converse(self, peer: Peer) -> None:
        while True:
            request = _read(peer)
            if request is None:
                return
            peer.request = request
            with self._lock:
                self.requests.append(request)
                step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
            if not step(peer):
                peer.sock.shutdown(socket.SHUT_WR)
                return


def _read(peer: Peer) -> Request | None:
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        line = peer.file.readline()
        if not line:
            return None
        raw += line
    first, *rest = raw.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest if one)}
    if headers.get("expect") == "100-continue":
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(method, target, headers, _body(peer.file, headers), raw)


def _body(file: Any, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", 0))
        if length <= KEPT:
            return file.read(length)
        while length:  # too big to be kept
            length -= len(file.read(min(length, 1 << 16)))
        return b""
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return body


@contextlib.contextmanager
def serving(*steps: Step, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Run a :class:`RawServer` for as long as the context lasts."""
    server = RawServer(*steps, tls=tls)
    try:
        yield server
    finally:
        server.close()


def closed_port() -> int:
    """Return a port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]
