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
    """Whether a call may be sent again without asking anybody."""

    SAFE = "safe"
    ONCE = "once"


@dataclass(frozen=True)
class Call(Generic[T]):
    """One small JSON exchange, as data.

    :param name: what it does, for logs and errors ("create a highlight reel").
    :param path: below the account's base URL.
    :param parse: turns the answer, whatever its status, into the result or raises a VidaiError.
    :param repeat: ONCE for everything that buys.
    :param timeout: seconds; None takes the connection's.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    parse: Callable[[Answer], T]
    repeat: Repeat = Repeat.SAFE
    query: tuple[tuple[str, str], ...] = ()
    body: dict[str, JsonValue] | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Fetch:
    """A file to stream out.

    :param url: it may be signed, so it is never shown. With the key it is a path below the account's
        base URL, so that a key can go nowhere else; without, it is absolute.
    :param with_key: send the account's key.
    :param kind: what the file must turn out to be.
    :param same_host: follow redirects on the URL's own host only.
    :param once: the vendor gave the URL once and has no other, so that one that is dead is the end.
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
    """A file to stream in, to a signed URL that is a secret and gets no key."""

    url: str = field(repr=False)
    content_type: str
