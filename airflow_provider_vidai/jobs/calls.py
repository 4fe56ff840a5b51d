"""The three network primitives, as data: a call, a file to fetch, a file to put.

Vendors build them and ``net`` and ``files`` carry them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Literal, TypeVar

from pydantic import JsonValue

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.output import OutputKind

T = TypeVar("T")


class Repeat(Enum):
    """Whether a call may be sent again. What buys may not: each repetition could buy once more."""

    SAFE = "safe"
    ONCE = "once"


@dataclass(frozen=True)
class Call(Generic[T]):
    """One small JSON exchange, as data.

    :param name: what the call does, for logs and errors ("create a highlight reel").
    :param path: below the account's base URL.
    :param parse: turns the answer, whatever its status, into the result or raises a VidaiError.
    :param repeat: ONCE for every call that buys.
    :param timeout: seconds; None means the connection's timeout.
    :param cost: of a purchase: what it will cost, where that is known before it is sent.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    parse: Callable[[Answer], T]
    repeat: Repeat = Repeat.SAFE
    query: tuple[tuple[str, str], ...] = ()
    body: dict[str, JsonValue] | None = None
    timeout: float | None = None
    cost: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True)
class Fetch:
    """A file to download.

    :param url: it may be signed, so it is never shown. With the key it is a path below the account's base
        URL, so that the key can't be sent to another host; without the key it is absolute.
    :param with_key: send the account's key.
    :param kind: what the vendor announced. A file of another kind is downloaded with a warning.
    :param same_host: follow redirects on the URL's own host only.
    :param once: the vendor gave this URL once and has no other, so the file is lost when the URL is dead.
    """

    url: str = field(repr=False)
    kind: OutputKind
    method: Literal["GET", "POST", "DELETE"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: dict[str, JsonValue] | None = field(default=None, repr=False)
    with_key: bool = False
    same_host: bool = False
    once: bool = False


@dataclass(frozen=True)
class Put:
    """A file to upload to a signed URL. The URL is a secret, and the account's key is not sent to it."""

    url: str = field(repr=False)
    content_type: str
