"""Who may talk to the sandbox: clients other than web pages, and its own pages.

Any web page that somebody opens in a browser can send requests to this machine. Two headers identify such
requests, and no page can change either: ``Origin`` names the page that sends the request, and ``Host`` is the
name that the browser resolved, even if a hostile name server made it point to this machine (DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_vidai.sandbox.wire import JSON

#: Methods that change nothing here: a page may link to the sandbox and show its media.
HARMLESS = frozenset({"GET", "HEAD"})
DEFAULT_PORTS = {"http": 80, "https": 443}


class Doors:
    """The host names that the sandbox answers to.

    It answers to IP addresses, ``localhost``, this machine's own name, and the names given here. A sandbox
    that listens beyond this machine also answers to names without a dot, for example a container's: no name
    server outside the local network can serve one.

    :param host: the address or name on which it listens.
    :param names: other names by which it is reached; ``*`` allows any.
    """

    def __init__(self, host: str = "127.0.0.1", names: Iterable[str] = ()) -> None:
        self._any = "*" in names
        self._local = _is_loopback(host)
        own = {"localhost", socket.gethostname(), host, *names}
        if not self._local:
            own.add(socket.getfqdn())
        self._names = {_plain(name) for name in own}

    def answers_to(self, host: str) -> bool:
        """Return whether a ``Host`` header names the sandbox."""
        name = _plain(_split(host).hostname or "")
        return (
            self._any
            or name in self._names
            or name.endswith(".localhost")
            or _address(name) is not None
            or (not self._local and bool(name) and "." not in name)
        )


class Guard:
    """ASGI middleware that admits only requests from allowed clients."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with the reason."""
        why = self._refusal(scope) if scope["type"] == "http" else None
        if why is None:
            await self._app(scope, receive, send)
        else:
            await JSON({"error": why}, 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host"), headers.get("origin")
        if host is not None and not self._doors.answers_to(host):
            return (
                f"The sandbox does not answer to the Host {host!r}: it answers to addresses, localhost, "
                "this machine's own name, and the names given by --host and --allow-host, so that no web "
                "page can reach it by DNS rebinding. To use this name, start the sandbox with --allow-host."
            )
        if origin is None and scope["method"] not in HARMLESS:
            site = headers.get("sec-fetch-site", "none")
            origin = None if site in ("none", "same-origin") else f"another site ({site})"
        if origin is not None and not _same(origin, host or ""):
            return (
                f"The sandbox takes no requests from the web page {origin!r}, only from its own pages and "
                "from clients that are not web pages and send no Origin."
            )
        return None


def _same(origin: str, host: str) -> bool:
    """Return whether a page's origin is the host that the request went to."""
    page = _split(origin.partition("://")[2])
    default = DEFAULT_PORTS.get(origin.partition("://")[0])
    asked = _split(host)
    try:
        ports = (page.port or default, asked.port or default)
    except ValueError:
        return False
    return bool(page.hostname) and page.hostname == asked.hostname and ports[0] == ports[1]


def _split(host: str) -> SplitResult:
    try:
        return urlsplit(f"//{host}")
    except ValueError:  # for example half of an IPv6 address
        return urlsplit("//")


def _plain(name: str) -> str:
    return name.lower().rstrip(".").strip("[]")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    found = _address(_plain(host))
    return found.is_loopback if found else _plain(host) == "localhost"
