"""What `make up` stores in Airflow: what is missing, and nothing in place of what a person set."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.provide import provide
from tools.rest import AirflowApi

URL = "http://127.0.0.1:4321/"
SANDBOX = "http://127.0.0.1:8765"
CONNECTIONS = {
    "vidio_default": json.dumps({"conn_type": "vidio", "host": f"{SANDBOX}/vidio", "password": "key"}),
    "vidgo_default": json.dumps({"conn_type": "vidgo", "host": f"{SANDBOX}/vidgo", "password": "key"}),
}


class Airflow(ThreadingHTTPServer):
    """As much of Airflow's REST API as is needed: connections, Variables, pools, and a DAG with two tasks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.stored: dict[str, dict[str, dict[str, Any]]] = {"connections": {}, "variables": {}, "pools": {}}


class _Answers(BaseHTTPRequestHandler):
    server: Airflow

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        kind, _, name = self.path.removeprefix("/api/v2/").partition("?")[0].partition("/")
        if kind == "dags" and name:
            self._answer(200, {"tasks": [{"pool": "default_pool"}, {"pool": "vidgo"}]})
        elif kind == "dags":
            self._answer(200, {"dags": [{"dag_id": "one"}], "total_entries": 1})
        elif kind == "pools":
            self._answer(200, {"pools": [{"name": "default_pool"}], "total_entries": 1})
        elif name in self.server.stored[kind]:
            self._answer(200, self.server.stored[kind][name])
        else:
            self._answer(404, {})

    def do_PATCH(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        kind = self.path.removeprefix("/api/v2/").partition("/")[0]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = body.get("connection_id") or body.get("key") or body.get("name")
        self.server.stored[kind][name] = body
        self._answer(200, body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(airflow: Airflow) -> Iterator[AirflowApi]:
    api = AirflowApi(f"http://127.0.0.1:{airflow.server_address[1]}")
    yield api
    api.close()


def test_what_is_missing_is_made(airflow: Airflow, api: AirflowApi, tmp_path: Path) -> None:
    assert provide(api, CONNECTIONS, tmp_path, URL) == []
    assert airflow.stored["connections"]["vidio_default"]["host"] == f"{SANDBOX}/vidio"
    assert airflow.stored["connections"]["vidgo_default"]["password"] == "key"
    assert airflow.stored["variables"]["vidai_media"]["value"] == tmp_path.as_uri()
    assert airflow.stored["variables"]["vidai_media_url"]["value"] == "http://127.0.0.1:4321"
    assert all(one["description"] for one in airflow.stored["variables"].values())


def test_a_pool_that_a_task_is_in_is_made_and_counts_waiting_tasks(
    airflow: Airflow, api: AirflowApi, tmp_path: Path
) -> None:
    provide(api, CONNECTIONS, tmp_path, URL)
    assert set(airflow.stored["pools"]) == {"vidgo"}
    assert airflow.stored["pools"]["vidgo"]["include_deferred"] is True


def test_a_connection_with_a_real_key_is_left_alone_and_named(
    airflow: Airflow, api: AirflowApi, tmp_path: Path
) -> None:
    own = {"connection_id": "vidgo_default", "conn_type": "vidgo", "host": None, "password": "***"}
    airflow.stored["connections"]["vidgo_default"] = own
    (line,) = provide(api, CONNECTIONS, tmp_path, URL)
    assert "vidgo_default is your own" in line
    assert airflow.stored["connections"]["vidgo_default"] is own


def test_the_ports_of_an_earlier_start_are_replaced(
    airflow: Airflow, api: AirflowApi, tmp_path: Path
) -> None:
    provide(api, CONNECTIONS, tmp_path, URL)
    moved = {name: value.replace("8765", "9999") for name, value in CONNECTIONS.items()}
    assert provide(api, moved, tmp_path, "http://127.0.0.1:5555/") == []
    assert airflow.stored["connections"]["vidio_default"]["host"] == "http://127.0.0.1:9999/vidio"
    assert airflow.stored["variables"]["vidai_media_url"]["value"] == "http://127.0.0.1:5555"


def test_a_variable_that_a_person_set_stays(airflow: Airflow, api: AirflowApi, tmp_path: Path) -> None:
    own = {"key": "vidai_media", "value": "s3://aws_default@media"}
    airflow.stored["variables"]["vidai_media"] = own
    provide(api, CONNECTIONS, tmp_path, URL)
    assert airflow.stored["variables"]["vidai_media"] is own
