"""An account at a vendor: the URL, the key and the settings that a connection gives."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

from airflow_provider_vidai.redaction import Hidden, shown_media


@dataclass(frozen=True)
class Account:
    """One account at one vendor, as the network layer needs it.

    :param label: the vendor's name, for messages.
    :param base_url: without a trailing slash.
    :param key_headers: the headers that carry the key; never shown.
    :param polls_per_minute: status checks allowed per minute; None for no limit.
    :param max_connections: connections open at once for status checks.
    :param timeout: seconds for one call, from first to last byte.
    :param verify: True to check certificates, False to accept any, or the path of a CA bundle.
    :param proxy: URL of the proxy for calls and files; None for the environment's.
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
        """The account at the vendor, as a hash that does not reveal the key.

        It is the same for every connection that leads there. Vendors count status checks by account, so
        whatever is limited is counted under this id.
        """
        text = "\0".join((self.base_url, *self.key_headers.values()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def sharing_key(self) -> Hashable:
        """What two accounts must have in common to share one client: every field.

        It is made from the dataclass's own list of fields, so that a new setting cannot be forgotten here. A
        client that ignored one would send one connection's traffic with another connection's settings.
        """
        # The URL and the key are in the id, as a hash.
        settings = (one.name for one in fields(self) if one.name not in ("base_url", "key_headers"))
        return self.id, *(getattr(self, name) for name in settings)

    @property
    def shown_url(self) -> str:
        """The base URL as messages show it, without a user or password."""
        return str(shown_media(self.base_url))

    @property
    def hidden(self) -> Hidden:
        """What removes the account's key from an answer, in any form in which a vendor may repeat it."""
        return _hidden(tuple(self.key_headers.values()))


# Kept, because every answer is searched for the key, and the patterns for that depend on the key alone.
@lru_cache(maxsize=64)
def _hidden(values: tuple[str, ...]) -> Hidden:
    return Hidden(values)
