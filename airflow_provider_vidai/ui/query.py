"""What the address of a page asks for. Nothing else of a request is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

from fastapi import Request

from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.operators.media import MEDIA

#: Airflow's own bound for the names of DAGs, runs and tasks.
_LONGEST = 250
_KEY = re.compile(rf"{MEDIA}(_\d{{1,6}})?")
#: Older versions of Airflow leave the placeholder of an address as it is when it has no value.
_UNFILLED = re.compile(r"\{[A-Z_]+\}")


class BadQuery(ValueError):
    """The address asks for nothing that can exist."""


@dataclass(frozen=True)
class Item:
    """One XCom ``media`` of one task instance."""

    task: TaskKey
    key: str = MEDIA

    def query(self, **more: Any) -> str:
        """Return the query that names it."""
        named = {**self.task._asdict(), "key": self.key, **more}
        return urlencode(named, quote_via=quote)


def read_query(request: Request) -> dict[str, str]:
    """Return the parameters of the address.

    A plus sign stays one, because Airflow 3.1 puts run ids into the address as they are.

    :raises BadQuery: when a parameter is there twice: two readers could each take another one.
    """
    found: dict[str, str] = {}
    for pair in request.scope["query_string"].decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if not name:
            continue
        if name in found:
            raise BadQuery(f"{name[:40]} is given twice")
        value = unquote(value)
        if not _UNFILLED.fullmatch(value):
            found[name] = value
    return found


def name_in(query: dict[str, str], name: str) -> str:
    """Return a name of a DAG, a run or a task.

    :raises BadQuery: when it is missing, or stands for all of them, as ``~`` does in Airflow's API.
    """
    value = query.get(name, "")
    if not 0 < len(value) <= _LONGEST or value in ("~", ".", "..") or not value.isprintable() or "/" in value:
        raise BadQuery(f"{name} is missing or not a name")
    return value


def number_in(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number.

    :raises BadQuery: when it is none, or out of bounds.
    """
    value = query.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise BadQuery(f"{name} is not a number from {least} to {most}")
    return int(value)


def task_in(query: dict[str, str]) -> TaskKey:
    """Return the task instance that the address names."""
    names = [name_in(query, name) for name in ("dag_id", "run_id", "task_id")]
    return TaskKey(names[0], names[1], names[2], number_in(query, "map_index", -1, -1, 10**9 - 1))


def item_in(query: dict[str, str]) -> Item:
    """Return the XCom that the address names."""
    key = query.get("key", MEDIA)
    if not _KEY.fullmatch(key):
        raise BadQuery("key is not one of a media record")
    return Item(task_in(query), key)


def is_media_key(key: Any) -> bool:
    """Whether an XCom's key is one of a media record."""
    return isinstance(key, str) and _KEY.fullmatch(key) is not None
