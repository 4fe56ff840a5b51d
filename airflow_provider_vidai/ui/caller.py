"""Airflow's public API, called in this process and as the user who opened the page.

So Airflow itself decides what this user may read, for every single DAG, and the plugin needs no port, no
token and no database session.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import Request

#: Entries of a list that Airflow returns at a time, and that are read of one list at most.
PAGE, MOST = 100, 2000
#: The only headers of the user's request that are passed on.
_IDENTITY = ("cookie", "authorization")


class Refused(Exception):
    """Airflow did not answer with what was asked for.

    :param status: the HTTP status for the user.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"Airflow answered {status}")
        self.status = status


class Caller:
    """Reads Airflow's API with the rights of the user behind ``request``."""

    def __init__(self, request: Request) -> None:
        identity = {name: request.headers[name] for name in _IDENTITY if name in request.headers}
        # The module of the running API server: importing another app would start one.
        app = sys.modules["airflow.api_fastapi.main"].app
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://airflow/api/v2",
            headers=identity,
        )

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, *path: str, **params: Any) -> Any:
        """Return the JSON at ``path``, whose parts are quoted here.

        :raises Refused: when Airflow answers with an error.
        """
        # In Airflow's API, ~ stands for all DAGs, runs or tasks.
        url = "/".join(quote(part, safe="~") for part in path)
        answer = await self._client.get(url, params={k: v for k, v in params.items() if v is not None})
        if answer.status_code != 200:
            raise Refused(answer.status_code if answer.status_code in (401, 403, 404) else 502)
        return answer.json()

    async def every(self, *path: str, within: str, **params: Any) -> list[dict[str, Any]]:
        """Return all entries of a list, up to ``MOST``."""
        found: list[dict[str, Any]] = []
        while len(found) < MOST:
            page = await self.get(*path, limit=PAGE, offset=len(found), **params)
            entries = page.get(within) or []
            found += entries
            if not entries or len(found) >= page.get("total_entries", 0):
                break
        return found

    async def xcom(self, task: tuple[str, str, str, int], key: str) -> Any:
        """Return an XCom's value.

        :raises Refused: also when there is none.
        """
        dag_id, run_id, task_id, map_index = task
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        return _decoded((await self.get(*path, map_index=map_index)).get("value"))


def _decoded(value: Any) -> Any:
    """Return a value that a version of Airflow may return as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # a text of 200,000 brackets is one that is nested too deeply
        return value


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is a JSON object, and an empty one otherwise: people can edit XComs."""
    return value if isinstance(value, dict) else {}
