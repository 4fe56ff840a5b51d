"""No web page of somebody else's reaches the sandbox; everything else does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider_vidai.sandbox.server import Sandbox, serve

OWN = [
    *(
        "127.0.0.1",
        "127.0.0.1:{port}",
        "localhost:{port}",
        "LOCALHOST",
        "localhost.",
        "vendor.localhost:{port}",
    ),
    *("[::1]:{port}", "192.168.1.7:80", "10.0.0.1", socket.gethostname()),
]
FOREIGN = [
    *("evil.example", "evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "evil"),
    *(
        "localhost@evil.example",
        "evil.example.",
        "notlocalhost",
        "xn--localhost",
        "[::1",
        "127.0.0.1:80@evil.example",
    ),
]
CHANGES = [
    ("POST", "/sandbox/reset"),
    ("POST", "/sandbox/faults"),
    ("PATCH", "/sandbox/settings"),
    ("DELETE", "/sandbox/faults"),
    ("OPTIONS", "/sandbox/reset"),
    ("POST", "/venice/api/v1/video/queue"),
    ("GET", "/sandbox/book"),
]


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Sandbox]:
    """A sandbox that listens on every address of this machine."""
    with serve(host="0.0.0.0", names=["sandbox.corp.example"]) as sandbox:
        yield sandbox


def ask(sandbox: Sandbox, method: str = "GET", path: str = "/sandbox/book", **headers: str) -> httpx.Response:
    port = urlsplit(sandbox.url).port
    named = {name.replace("_", "-"): value.format(port=port) for name, value in headers.items()}
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", headers=named, content=b"{}")


def refused(answer: httpx.Response, *parts: str) -> bool:
    assert answer.status_code == 403, answer.text
    assert all(word in answer.json()["error"] for word in parts), answer.text
    return True


@pytest.mark.parametrize("host", OWN)
def test_it_answers_to_its_own_names(sandbox: Sandbox, everywhere: Sandbox, host: str) -> None:
    for one in (sandbox, everywhere):
        assert ask(one, host=host).status_code == 200
        assert ask(one, path="/sandbox", host=host).status_code == 200
        assert ask(one, path="/vidgo/api/generate/status/x", host=host).status_code != 403


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_was_made_to_point_here_reaches_nothing(sandbox: Sandbox, host: str) -> None:
    for method, path in CHANGES:
        refused(ask(sandbox, method, path, host=host), "Host", "DNS rebinding", "--allow-host")
    assert ask(sandbox, path="/storage/x", host=host).status_code == 403


@pytest.mark.parametrize("host", [host for host in FOREIGN if "." in host])
def test_listening_beyond_this_machine_makes_no_foreign_name_its_own(everywhere: Sandbox, host: str) -> None:
    refused(ask(everywhere, "POST", "/sandbox/reset", host=host), "Host")


@pytest.mark.parametrize(
    "host", ["sandbox", "sandbox:{port}", "sandbox.corp.example:{port}", socket.getfqdn()]
)
def test_beyond_this_machine_it_is_reached_by_a_real_name(everywhere: Sandbox, host: str) -> None:
    assert ask(everywhere, host=host).status_code == 200
    own = f"http://{host}"
    assert ask(everywhere, "POST", "/sandbox/reset", host=host, origin=own).status_code == 200


def test_any_name_is_good_where_that_is_asked_for() -> None:
    with serve(host="0.0.0.0", names=["*"]) as sandbox:
        assert ask(sandbox, host="whatever.example").status_code == 200
        refused(ask(sandbox, "POST", "/sandbox/reset", host="whatever.example", origin="http://evil.example"))


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://evil.example:{port}", "null", "http://localhost:3000", "file://"),
        *("http://127.0.0.1", "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}@evil.example"),
        *("http://127.0.0.1:99999", "chrome-extension://abc", "", "http://[::1"),
    ],
)
def test_a_web_page_of_another_origin_changes_and_reads_nothing(sandbox: Sandbox, origin: str) -> None:
    sandbox.control.fault("vidio", "status", "status", status=503)
    for method, path in CHANGES:
        answer = ask(sandbox, method, path, origin=origin, content_type="text/plain")
        refused(answer, "web page", "Origin")
        assert "access-control-allow-origin" not in answer.headers
    assert len(sandbox.control.faults()) == 1
    assert sandbox.control.settings()["speed"] > 1


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_of_a_page_without_an_origin_is_believed(sandbox: Sandbox, site: str) -> None:
    refused(ask(sandbox, "POST", "/sandbox/reset", sec_fetch_site=site), site)
    assert ask(sandbox, path="/sandbox", sec_fetch_site=site).status_code == 200, (
        "a link to it may be followed"
    )


def test_its_own_pages_and_ordinary_clients_go_on_working(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    own = f"http://127.0.0.1:{port}"
    assert ask(sandbox, "POST", "/sandbox/reset", origin=own).status_code == 200
    assert ask(sandbox, "POST", "/sandbox/reset", origin=own, sec_fetch_site="same-origin").status_code == 200
    assert ask(sandbox, "POST", "/sandbox/reset", sec_fetch_site="none").status_code == 200
    assert ask(sandbox, "POST", "/sandbox/reset").status_code == 200
    # Behind a proxy that speaks TLS for it, the page's scheme is not the sandbox's own.
    assert (
        ask(sandbox, "POST", "/sandbox/reset", host="localhost", origin="https://localhost").status_code
        == 200
    )


def test_a_client_of_http_1_0_names_no_host(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port)) as connection:
        connection.sendall(b"GET /sandbox/book HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(100)
