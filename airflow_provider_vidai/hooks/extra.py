"""The extra fields of a connection."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from airflow.sdk import Connection
from pydantic import BaseModel, ConfigDict, Field, field_validator

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import validated

__all__ = ["ConnectionExtra", "extra_of"]


class ConnectionExtra(BaseModel):
    """The connection's extra fields.

    :param polls_per_minute: status calls per minute; overrides the limit that the vendor publishes.
    :param max_connections: connections that one triggerer opens for status calls.
    :param timeout: seconds that one call may take.
    :param verify: whether the server's certificate is checked.
    :param ca_bundle: path of a CA bundle that it is checked with.
    :param proxy: URL of an HTTP proxy.
    :param sole_buyer: whether nobody else buys on the account: only deployments that share this one's
        ``[vidai] ledger_path``, and only with this key. A purchase whose answer was lost is then searched for
        by the account's balance.
    :param admin_api_key: Venice's key for the account's usage history, by which such a purchase is searched
        for whoever else buys.
    """

    model_config = ConfigDict(extra="ignore")

    polls_per_minute: float | None = Field(default=None, gt=0)
    max_connections: int = Field(default=20, gt=0)
    timeout: float = Field(default=30.0, gt=0, le=3600)
    verify: bool = True
    ca_bundle: str | None = None
    proxy: str | None = None
    sole_buyer: bool = False
    admin_api_key: str | None = Field(default=None, repr=False)

    @field_validator("ca_bundle")
    @classmethod
    def _is_here(cls, value: str | None) -> str | None:
        # The connection is read before the intent to buy is written, so a bad path is found out in time.
        if value and not Path(value).is_file():
            raise ValueError("there is no such file on this machine")
        return value

    @field_validator("proxy")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be the http(s) URL of a proxy")
        return value


def extra_of(connection: Connection) -> ConnectionExtra:
    """Return the extra fields of a connection.

    :raises InputError: when they are not usable.
    """
    extra = connection.extra_dejson
    if not isinstance(extra, dict):
        raise InputError(f"Connection {connection.conn_id!r}: extra must be a JSON object.")
    # Airflow's form may store a field that was left empty as an empty text.
    given = {name: value for name, value in extra.items() if value != ""}
    return validated(ConnectionExtra, given, what=f"Connection {connection.conn_id!r}, extra")
