"""The network policy that all three clients obey: headers, proxy, TLS, and what a failure proves.

Three clients carry the traffic, because each was measured to be the best at its part: httpcore for calls,
aiohttp for status checks in the triggerer, urllib3 for file bodies. Left alone, each would read the
environment, the trust store and its own errors in its own way. They ask this module instead.

A request can fail in three ways, and the difference is money:

* It *never opened*: no byte of the request left, so the vendor did nothing. Sending again is safe.
* It *broke*: the request left, or may have left. Nothing that a library raises then proves that the vendor
  did not act on it.
* It is *impossible*: the connection's settings or the request itself are wrong. Nothing left, and sending
  again cannot help.
"""

from __future__ import annotations

import base64
import ssl
import urllib.request
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from airflow_provider_vidai import __version__
from airflow_provider_vidai.answers import clean_text
from airflow_provider_vidai.errors import ApiError, InputError
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.redaction import redacted, without_bytes

USER_AGENT = f"airflow-provider-vidai/{__version__}"
#: Headers of every request. A compressed answer could swell in memory, and a compressed file has ranges and a
#: length other than the file's own; so none is asked for.
HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """A proxy, in a form that every client understands in the same way.

    :param url: scheme, host and port only.
    :param headers: what the proxy must be sent; empty without a user and password.
    """

    url: str
    headers: dict[str, str]


def proxy_for(account: Account, url: str) -> Proxy | None:
    """Return the proxy through which ``account`` reaches ``url``; None for a direct connection.

    The connection's own proxy comes first and serves every URL. Otherwise ``HTTP_PROXY`` or ``HTTPS_PROXY``
    is used, by the URL's scheme, then ``ALL_PROXY``, unless ``NO_PROXY`` names the host.

    :raises InputError: when the proxy's URL cannot be used.
    """
    address = account.proxy or _proxy_of_environment(url)
    return _parsed(account, address) if address else None


def _proxy_of_environment(url: str) -> str | None:
    # The clients' own ways of reading the environment differ, and some also send what ~/.netrc has for the
    # host.
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None  # no request can be made for this URL, and the error about that says more
    # The host alone as well, because an IPv6 address does not match once a port follows it.
    if urllib.request.proxy_bypass(host) or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    proxies = urllib.request.getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    # curl and its followers accept "proxy:3128" here, so the variable is often set so.
    return f"http://{found}" if found and "://" not in found else found


def _parsed(account: Account, address: str) -> Proxy:
    try:
        url = httpx.URL(address)
        port = url.port or _PORTS.get(url.scheme, 0)
        usable = url.scheme in _PORTS and bool(url.host) and 0 < port < 1 << 16
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        # The URL is not quoted: it may hold a password.
        raise impossible(account, "its proxy, or the environment's, is not an http(s) URL")
    host = url.raw_host.decode()
    headers = {}
    if url.username or url.password:
        # In UTF-8: aiohttp and urllib3 alone would use Latin-1, and a proxy would see two different logins.
        login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {login}"
    return Proxy(f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{port}", headers)


def tls(account: Account) -> ssl.SSLContext:
    """Return the TLS settings for the account's host, its files and its proxy: one object for all clients.

    :raises InputError: when the CA bundle cannot be used.
    """
    try:
        return _context(account.verify)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise impossible(account, str(error)) from None


# Kept per process, because a context with the system's certificates takes about 30 ms to make.
@lru_cache(maxsize=8)
def _context(verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    if not verify:
        return httpx.create_ssl_context(verify=False)
    # The system's store, because that is where a company adds its own authority. It is Python's own way of
    # reading it, and not the truststore package: the answer must not depend on what else happens to be
    # installed.
    context = ssl.create_default_context()
    # A bare container image may have no store at all. Then certifi's, which httpx brings along.
    return context if _trusts_anybody(context) else httpx.create_ssl_context()


def _trusts_anybody(context: ssl.SSLContext) -> bool:
    folder = ssl.get_default_verify_paths().capath
    # OpenSSL reads a folder of certificates only when it meets one of them, so the context does not count
    # these.
    return bool(context.cert_store_stats()["x509_ca"] or (folder and any(Path(folder).glob("*.[0-9]"))))


def never_opened(account: Account, call: Call[Any], why: str) -> ApiError:
    """Return the error of a request that did not leave, because there was no connection."""
    untrusted = is_untrusted(why)
    remedy = (
        "Its certificate is not trusted: set ca_bundle in the connection"
        if untrusted
        else "Check the connection's host, and the network from this machine"
    )
    return ApiError(
        f"Could not connect to {account.label} at {account.shown_url} to {call.name}: "
        f"{_shown(account, why)}.",
        todo=f"{remedy}.",
        retryable=not untrusted,
        processed="no",
    )


def broken(account: Account, call: Call[Any], error: Exception, text: str = "") -> ApiError:
    """Return the error of a request that left, or may have left, and got no answer.

    :param text: the library's text, which may quote what the server sent.
    """
    return ApiError(
        f"The connection to {account.label} at {account.shown_url} broke while trying to {call.name}: "
        f"{type(error).__name__} ({_shown(account, text) or 'no details'}).",
        retryable=True,
    )


def impossible(account: Account, why: str) -> InputError:
    """Return the error of a connection whose proxy or CA bundle cannot be used."""
    return InputError(
        f"The connection to {account.label} cannot be set up: {why}. Check ca_bundle and proxy in its extra."
    )


def impossible_request(account: Account, call: Call[Any], error: Exception) -> ApiError:
    """Return the error of a request that cannot be written as HTTP. Another attempt would fail likewise."""
    return ApiError(
        f"The request to {account.label} at {account.shown_url} to {call.name} could not be made "
        f"({type(error).__name__}): check the connection's host and key, and the values given. "
        "Nothing was sent.",
        processed="no",
    )


def is_untrusted(why: str) -> bool:
    """Whether a library's text says that the server's certificate is not trusted: no retry changes that."""
    return "CERTIFICATE" in why.upper()


def _shown(account: Account, text: str) -> str:
    """Return a library's text without secrets: it may quote what came from outside."""
    return redacted(without_bytes(account.hidden.text(clean_text(text))))[:300]
