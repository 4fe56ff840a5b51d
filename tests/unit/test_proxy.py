"""The proxy that system tests put before S3 fails in the ways that it says, and only then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tools.proxy import Proxy

SEEN: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        SEEN.append(f"{self.path} {body.decode()}")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    SEEN.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Proxy(server.server_address[1]) as running:
        yield running
    server.shutdown()
    server.server_close()


def put(proxy: Proxy, path: str, **headers: str) -> str:
    with httpx.Client(trust_env=False, timeout=0.5) as client:
        return client.put(proxy.url + path, content=b"1", headers=headers).text


def test_everything_is_forwarded(proxy: Proxy) -> None:
    assert put(proxy, "/a") == "ok"
    assert SEEN == ["/a 1"]


def test_a_lost_answer_is_one_to_a_request_that_the_server_has_processed(proxy: Proxy) -> None:
    loss = proxy.lose("^PUT /ledger.*if-none-match", times=1)
    assert put(proxy, "/ledger/1") == "ok"
    with pytest.raises(httpx.TransportError):
        put(proxy, "/ledger/2", **{"If-None-Match": "*"})
    assert put(proxy, "/ledger/3", **{"If-None-Match": "*"}) == "ok", "one answer was to be lost"
    assert SEEN == ["/ledger/1 1", "/ledger/2 1", "/ledger/3 1"]
    assert loss.lost == ["PUT /ledger/2 HTTP/1.1"]


def test_a_server_that_refuses_or_hangs_gets_nothing_until_it_is_back(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(httpx.TransportError):
        put(proxy, "/refused")
    proxy.restore()
    proxy.hang()
    with pytest.raises(httpx.ReadTimeout):
        put(proxy, "/hung")
    assert SEEN == []
    proxy.restore()
    assert put(proxy, "/back") == "ok"
