"""Which addresses a file may be fetched from or sent to: the public internet, and not this network.

A URL in a vendor's answer is somebody else's text. Followed blindly, it would make a worker read from, or
write to, what only this network can reach: a cloud's metadata service, a database, the worker's own loopback.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_vidai.errors import TransferError
from airflow_provider_vidai.net.account import Account

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IPv6 networks whose addresses contain an IPv4 address in their last 32 bits, to which the traffic goes.
_IPV4_INSIDE = tuple(
    map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "::ffff:0:0:0/96"))
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_internal(text: str) -> bool:
    """Whether an IP address is anything but one host on the public internet."""
    return _is_internal(ipaddress.ip_address(text.partition("%")[0]))


def _is_internal(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if any(address in network for network in _IPV4_INSIDE):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_internal(inner)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast


def _literal_address(host: str) -> str | None:
    """Return the address that ``host`` is, in whatever spelling, or None for a name."""
    plain = unicodedata.normalize("NFKC", host).strip("[]").rstrip(".").partition("%")[0]
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    try:
        # This is how the system reads it when it connects: 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1.
        return socket.inet_ntoa(socket.inet_aton(plain)) if plain[:1].isdigit() else None
    except (OSError, ValueError):
        return None


def _addresses(host: str) -> list[str]:
    literal = _literal_address(host)
    if literal is not None:
        return [literal]
    # Any machine may take these names for itself (RFC 6761), whatever this machine's resolver says of them.
    if host.rstrip(".").lower().rpartition(".")[2] == "localhost":
        return ["127.0.0.1"]
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


class Reach:
    """The check of every address from or to which one account's files are moved.

    An account whose own host is internal, as a sandbox's is, may have its files there too.
    """

    def __init__(self, account: Account) -> None:
        self._label = account.label
        self._own_host = urlsplit(account.base_url).hostname or ""

    @cached_property
    def _own_host_is_internal(self) -> bool:
        return any(map(is_internal, _addresses(self._own_host)))

    def check(self, url: str, *, by_proxy: bool = False) -> None:
        """Make sure that ``url`` can be opened, and that its host may be.

        A name is resolved here only if a proxy will connect to it. Otherwise the open connection is checked
        (see :meth:`pool`), because a name can resolve to another address a moment later.

        :raises TransferError: when it cannot be opened, or must not be.
        """
        try:
            parts = urllib3.util.parse_url(url)
            usable = urlsplit(url).port != 0 and not _CONTROL.search(url)
        except (ValueError, urllib3.exceptions.HTTPError):
            usable, parts = False, urllib3.util.Url()
        if not usable or parts.scheme not in ("http", "https") or not parts.host:
            raise TransferError(
                f"{self._label} names an address for the file that is not a usable http(s) URL. "
                "Nothing was transferred."
            )
        found = _addresses(parts.host) if by_proxy else [_literal_address(parts.host)]
        for address in found:
            if address is not None:
                self.admit(address)

    def admit(self, address: str) -> None:
        """Make sure that ``address`` may be connected to.

        :raises TransferError: when it must not be.
        """
        if is_internal(address) and not self._own_host_is_internal:
            raise TransferError(
                f"{self._label} names an address for the file that leads to {address}, which is not on the "
                "public internet. It was not opened: only an account whose own host is internal, like a "
                "sandbox's, may have its files there. Nothing was transferred.",
                retryable=False,
            )

    def pool(self, **options: Any) -> urllib3.PoolManager:
        """Return a pool of direct connections; each is checked before a byte is sent on it."""
        reach = self

        # urllib3 opens every connection's socket in _new_conn, before TLS and before the request. It is
        # private, but it is the only place where the address is final and nothing has been sent yet.
        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return reach._admitted(super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return reach._admitted(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        pool = urllib3.PoolManager(**options)
        pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
        return pool

    def _admitted(self, sock: socket.socket) -> socket.socket:
        try:
            self.admit(str(sock.getpeername()[0]))
        except BaseException:
            sock.close()
            raise
        return sock
