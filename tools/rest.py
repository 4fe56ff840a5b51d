"""Airflow's REST API, as far as the tools and the system tests need it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

FINISHED = frozenset({"success", "failed"})
_PAGE = 100
# Airflow's API server can stand in its own way on SQLite: who writes waits for the event loop, and that one
# for the lock, until SQLite gives up and the answer is a 500 to a request that did nothing.
_PAUSES = (0.5, 2.0, 4.0)


class RestError(RuntimeError):
    """The API refused a request; the message has the request, the status and the answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WaitTimeoutError(TimeoutError):
    """Something did not happen in time; the message has the last state."""


def answers(url: str) -> bool:
    """Whether something at ``url`` answers well."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def in_words(event: str | Mapping[str, Any]) -> str:
    """Return one event of a task's log for a person; the names of loggers and files are left out."""
    if isinstance(event, str):
        return event
    errors = (f"{error['exc_type']}: {error['exc_value']}" for error in event.get("error_detail") or ())
    return " | ".join((f"{event.get('level') or '':<8} {event.get('event', '')}", *errors))


class AirflowApi:
    """The stable REST API of a local Airflow without log-in (``simple_auth_manager_all_admins``)."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        # trust_env: a proxy of the user's can't reach this machine's loopback.
        self._client = httpx.Client(base_url=f"{base_url}/api/v2/", timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """Send one request and return its JSON; raise `RestError` when it is refused or not answered."""
        for pause in (*_PAUSES, None):
            try:
                answer = self._client.request(method, path, json=body, params=query)
                status, text = answer.status_code, answer.text
            except httpx.TransportError as error:
                status, text = 503, repr(error)
            if status < 400:
                return json.loads(text) if text else None
            if status == 401 and self._log_in():
                return self.call(method, path, body=body, **query)
            may_be_done = method == "POST" and status != 500
            if status < 500 or may_be_done or pause is None:
                break
            time.sleep(pause)
        raise RestError(f"{method} {path}: {status} {text[:500]}", status)

    def _log_in(self) -> bool:
        """Take the token that Airflow before 3.3 wants even where everybody is an admin."""
        if "Authorization" in self._client.headers:
            return False
        token = self._client.get(f"{self._base_url}/auth/token").json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        return True

    def collect(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """Return all items of a paged collection."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", path, limit=_PAGE, offset=len(items), **query)
            items += page[key]
            if not page[key] or len(items) >= page["total_entries"]:
                return items

    def live_jobs(self, job_type: str) -> list[dict[str, Any]]:
        """Return the heartbeating jobs of a type: SchedulerJob, DagProcessorJob or TriggererJob."""
        return self.collect("jobs", "jobs", job_type=job_type, is_alive=True)

    def import_errors(self) -> dict[str, str]:
        """Return what went wrong in each DAG file that can't be imported."""
        errors = self.collect("importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until a DAG has been parsed, and return its details (``params`` and all)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return dict(self.call("GET", f"dags/{dag_id}/details"))
            except RestError as error:
                if error.status != 404:
                    raise
            if time.monotonic() > deadline:
                reasons = "".join(f"\n{name}:\n{trace}" for name, trace in self.import_errors().items())
                raise WaitTimeoutError(f"no DAG {dag_id} after {timeout:.0f} s{reasons}")
            time.sleep(0.25)

    def trigger(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, *, run_id: str | None = None
    ) -> Run:
        """Unpause a DAG, once it has been parsed, and start a run of it; by default under a new id."""
        self.wait_for_dag(dag_id)
        self.call("PATCH", f"dags/{dag_id}", body={"is_paused": False})
        # Airflow requires the field. A DAG has no two runs with the same date, but many with none.
        body = {"conf": dict(conf or {}), "logical_date": None, "dag_run_id": run_id}
        started = self.call("POST", f"dags/{dag_id}/dagRuns", body=body)
        return Run(self, dag_id, started["dag_run_id"])


class Run:
    """One DAG run. A task instance is named by its task id and, if mapped, its map index."""

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str) -> None:
        self.api, self.dag_id, self.run_id = api, dag_id, run_id
        self._path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self.api.call("GET", self._path)["state"])

    def tasks(self) -> list[dict[str, Any]]:
        """Return all task instances as the API describes them."""
        return self.api.collect(f"{self._path}/taskInstances", "task_instances")

    def task(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return one task instance: ``state``, ``try_number``, ``max_tries``, ``pid`` and more."""
        return dict(self.api.call("GET", self._task(task_id, map_index)))

    def xcoms(self) -> list[dict[str, Any]]:
        """Return the keys of all XComs of the run: ``task_id``, ``map_index``, ``key``."""
        return self.api.collect(f"{self._path}/taskInstances/~/xcomEntries", "xcom_entries")

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return one XCom's value, None when there is none."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.api.call("GET", path, map_index=map_index)["value"]
        except RestError as error:
            if error.status == 404:
                return None
            raise

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return a try's log, one event a line: level, message, and the exceptions it carries."""
        path = f"{self._path}/taskInstances/{task_id}/logs/{try_number}"
        answer = self.api.call("GET", path, map_index=map_index, full_content=True)
        return "\n".join(in_words(event) for event in answer["content"])

    def clear(self, *task_ids: str, downstream: bool = False, only_failed: bool = False) -> None:
        """Clear task instances, as a person would in the UI."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": list(task_ids),
            "only_failed": only_failed,
            "include_downstream": downstream,
        }
        self.api.call("POST", f"dags/{self.dag_id}/clearTaskInstances", body=body)

    def mark(self, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark one task instance ``success``, ``failed`` or ``skipped``, as a person would in the UI."""
        self.api.call("PATCH", self._task(task_id, map_index), body={"new_state": state})

    def fail(self) -> None:
        """Mark the whole run failed."""
        self.api.call("PATCH", self._path, body={"state": "failed"})

    def wait(self, timeout: float) -> str:
        """Wait for the end of the run, and return its state."""
        deadline = time.monotonic() + timeout
        while (state := self.state) not in FINISHED:
            if time.monotonic() > deadline:
                standing = {f"{t['task_id']}[{t['map_index']}]": t["state"] for t in self.tasks()}
                raise WaitTimeoutError(f"{self.dag_id} is {state} after {timeout:.0f} s: {standing}")
            time.sleep(0.25)
        return state

    def wait_for_task(
        self, task_id: str, states: Iterable[str], timeout: float, map_index: int = -1
    ) -> dict[str, Any]:
        """Wait until a task instance is in one of the states, and return it."""
        wanted, deadline = frozenset(states), time.monotonic() + timeout
        while (task := self.task(task_id, map_index))["state"] not in wanted:
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    f"{task_id} is {task['state']} after {timeout:.0f} s, not {set(wanted)}"
                )
            time.sleep(0.1)
        return task

    def _task(self, task_id: str, map_index: int) -> str:
        path = f"{self._path}/taskInstances/{task_id}"
        return path if map_index < 0 else f"{path}/{map_index}"
