"""Where calls go and with which key: what a connection boils down to."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from airflow_provider_vidai import __version__
from airflow_provider_vidai.redaction import Hidden, shown_media

USER_AGENT = f"airflow-provider-vidai/{__version__}"


@dataclass(frozen=True)
class Account:
    """One account at one vendor, as the network layer needs it.

    :param label: the vendor's name for messages.
    :param base_url: without a trailing slash.
    :param key_headers: the header that carries the key; never shown.
    :param polls_per_minute: status calls allowed, None for no limit.
    :param max_connections: open at once for status calls.
    :param timeout: seconds for one call, from first to last byte.
    :param verify: False, or True, or the path of a CA bundle.
    """

    label: str
    base_url: str
    key_headers: Mapping[str, str] = field(repr=False)
    polls_per_minute: float | None = None
    max_connections: int = 20
    timeout: float = 30.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """Identify the account across connections without telling its key."""
        text = "\0".join((self.base_url, *self.key_headers.values()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def shown_url(self) -> str:
        """The base URL as messages show it, without a user or password."""
        return str(shown_media(self.base_url))

    @property
    def hidden(self) -> Hidden:
        """The account's key, in any form in which an answer may repeat it."""
        return _hidden(tuple(self.key_headers.values()))

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The TLS settings, made once per process: a context costs about 30 ms."""
        return _ssl_context(self.verify)


@lru_cache(maxsize=64)
def _hidden(values: tuple[str, ...]) -> Hidden:
    return Hidden(values)


@lru_cache(maxsize=8)
def _ssl_context(verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    return httpx.create_ssl_context(verify=verify)
