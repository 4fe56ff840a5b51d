"""What the pages show, and what they never serve. Airflow's own API is played by a small app."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_provider_vidai._compat import AIRFLOW
from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord, Still, TaskKey, signed
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.ui import files
from airflow_provider_vidai.ui.app import app
from airflow_provider_vidai.ui.links import MediaLink
from airflow_provider_vidai.ui.plugin import VidaiPlugin
from airflow_provider_vidai.vendors import VENDORS

KEY = "k" * 40
USER = {"Authorization": "Bearer somebody"}
TASK = TaskKey("videos", "manual+1:2", "download", -1)


class Airflow:
    """Airflow's API with XComs in a dict. It refuses strangers, and everybody for the DAG "private"."""

    def __init__(self) -> None:
        self.xcoms: dict[tuple[str, str, str, int, str], Any] = {}
        self.instances: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        instances = "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
        self.app = Starlette(
            routes=[
                Route("/api/v2/dags/{dag}/tasks", self._answer(lambda _: {"tasks": self.tasks})),
                Route(instances + "/{task}/xcomEntries/{key}", self._answer(self._xcom)),
                Route(instances + "/{task}/xcomEntries", self._answer(self._xcoms)),
                Route(instances, self._answer(lambda _: self._list("task_instances", self.instances))),
                Route(instances + "/{task}", self._answer(self._instance)),
                Route(instances + "/{task}/{index:int}", self._answer(self._instance)),
            ]
        )

    def add(self, task: TaskKey, record: Any, key: str = "media", state: str = "success") -> None:
        self.push(task, key, record)
        self.instances.append({"task_id": task.task_id, "map_index": task.map_index, "state": state})

    def push(self, task: TaskKey, key: str, value: Any) -> None:
        self.xcoms[task.dag_id, task.run_id, task.task_id, task.map_index, key] = value

    def _answer(self, find: Any) -> Any:
        def endpoint(request: Request) -> JSONResponse:
            if request.headers.get("authorization") != USER["Authorization"]:
                return JSONResponse({"detail": "who are you?"}, 401)
            if request.path_params["dag"] == "private":
                return JSONResponse({"detail": "no"}, 403)
            found = find(request)
            return JSONResponse({"detail": "none"}, 404) if found is None else JSONResponse(found)

        return endpoint

    def _list(self, name: str, found: list[Any]) -> dict[str, Any]:
        return {name: found, "total_entries": len(found)}

    def _xcom(self, request: Request) -> Any:
        where = request.path_params
        name = (
            where["dag"],
            where["run"],
            where["task"],
            int(request.query_params["map_index"]),
            where["key"],
        )
        return {"value": self.xcoms[name]} if name in self.xcoms else None

    def _xcoms(self, request: Request) -> Any:
        where, index = request.path_params, request.query_params.get("map_index")
        names = ("dag_id", "run_id", "task_id", "map_index", "key")
        found = [dict(zip(names, name, strict=True)) for name in self.xcoms if name[0] != "private"]
        return self._list(
            "xcom_entries",
            [
                one
                for one in found
                if where["dag"] in ("~", one["dag_id"])
                and where["run"] in ("~", one["run_id"])
                and where["task"] in ("~", one["task_id"])
                and index in (None, str(one["map_index"]))
                and request.query_params["xcom_key_pattern"] in one["key"]
            ],
        )

    def _instance(self, request: Request) -> Any:
        index = request.path_params.get("index", -1)
        wanted = (request.path_params["task"], index)
        return next((one for one in self.instances if (one["task_id"], one["map_index"]) == wanted), None)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    found, module = Airflow(), ModuleType("airflow.api_fastapi.main")
    module.app = found.app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.main", module)
    return found


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_ROOTS", f"s3://bucket/videos/, {folder}")
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_KEY", KEY)
    return folder


@pytest.fixture
def browser() -> Iterator[TestClient]:
    with TestClient(app, headers=USER, follow_redirects=False) as client:
        yield client


def landed(path: Path, content: bytes = b"0123456789", **more: Any) -> MediaFile:
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return MediaFile(uri=f"file://{path}", path=f"file://{path}", bytes=len(content), sha256=digest, **more)


def record(*files: MediaFile, task: TaskKey = TASK, key: str = KEY, **more: Any) -> dict[str, Any]:
    facts = {
        "vendor": "vidgo",
        "label": "Vidgo",
        "conn_id": "vidgo_default",
        "job_id": "j-1",
        "kind": "media",
    }
    made = MediaRecord(**{**facts, **more}, files=files)
    return signed(made, task, key).model_dump(mode="json", exclude_none=True)


def address(task: TaskKey = TASK, **more: Any) -> dict[str, Any]:
    return {**task._asdict(), **more}


def get(browser: TestClient, path: str, query: dict[str, Any], **headers: str) -> Any:
    from urllib.parse import quote, urlencode

    return browser.get(f"{path}?{urlencode(query, quote_via=quote)}", headers=headers)


# -- what a user may see


def test_a_landed_file_is_served_to_who_may_read_its_xcom(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    answer = get(browser, "/file", address())
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/media", "/file", "/videos"])
def test_who_is_not_logged_in_sees_nothing(
    airflow: Airflow, media: Path, browser: TestClient, path: str
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4"), request={"prompt": "a secret plan"}))
    answer = get(browser, path, address() if path != "/videos" else {}, Authorization="Bearer nobody")
    assert answer.status_code == 401
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/media", "/file"])
def test_a_dag_that_the_user_may_not_read_stays_closed(
    airflow: Airflow, media: Path, browser: TestClient, path: str
) -> None:
    task = TASK._replace(dag_id="private")
    airflow.add(task, record(landed(media / "a.mp4"), task=task))
    assert get(browser, path, address(task)).status_code == 403
    assert (
        get(browser, path, {"dag_id": "private", "run_id": task.run_id, "task_id": "download"}).status_code
        == 403
    )


def test_the_page_of_all_videos_leaves_out_dags_that_the_user_may_not_read(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    task = TASK._replace(dag_id="private")
    airflow.add(task, record(landed(media / "hidden.mp4"), task=task))
    airflow.add(TASK, record(landed(media / "shown.mp4")))
    page = get(browser, "/videos", {}).text
    assert "shown.mp4" in page
    assert "hidden.mp4" not in page


def test_the_page_of_all_videos_can_be_filtered_by_each_vendor_also_in_a_fresh_server(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    VENDORS.clear()  # as in a process that has met no vendor yet
    airflow.add(TASK, record(landed(media / "shown.mp4")))
    page = get(browser, "/videos", {"vendor": "vizard"}).text
    assert "shown.mp4" not in page, "it is another vendor's"
    for name in get_args(VendorName):
        assert f'value="{name}"' in page


# -- what is never served


def edited(files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**files, "files": [{**files["files"][0], **changes}]}


def test_an_edited_xcom_serves_nothing(airflow: Airflow, media: Path, browser: TestClient) -> None:
    genuine = record(landed(media / "a.mp4"))
    other = landed(media / "other.mp4", b"another one")
    still = Still(path=other.path, bytes=other.bytes).model_dump()
    for forged in (
        edited(genuine, path=other.path, bytes=other.bytes),
        edited(genuine, path="file:///etc/passwd", bytes=Path("/etc/passwd").stat().st_size),
        edited(genuine, content_type="text/html"),
        edited(genuine, poster=still),
        {**genuine, "signature": "0" * 64},
        {**genuine, "signature": "ü"},
        {name: value for name, value in genuine.items() if name != "signature"},
        record(landed(media / "a.mp4"), key="x" * 40),
        record(landed(media / "a.mp4"), task=TASK._replace(task_id="other")),
        record(landed(media / "a.mp4"), task=TASK._replace(map_index=0)),
        record(landed(media / "a.mp4"), task=TASK._replace(run_id="other")),
    ):
        airflow.add(TASK, forged)
        for part in ("main", "poster"):
            answer = get(browser, "/file", address(part=part))
            assert answer.status_code in (403, 404), forged
            assert b"another" not in answer.content
        assert "not the one that the task signed" in get(browser, "/media", address()).text


@pytest.mark.parametrize(
    "value", [None, 5, "media", [], {}, {"files": "x"}, {"vendor": 1}, "{" * 1000, [[[]]]]
)
def test_any_other_value_of_the_xcom_is_no_record(
    airflow: Airflow, media: Path, browser: TestClient, value: Any
) -> None:
    airflow.add(TASK, value)
    assert get(browser, "/file", address()).status_code == 404
    assert get(browser, "/media", address()).status_code == 200


def test_a_file_outside_of_the_roots_is_not_served(
    airflow: Airflow, media: Path, tmp_path: Path, browser: TestClient
) -> None:
    outside = landed(tmp_path / "a.mp4")
    (media / "link.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "media-of-others").mkdir()
    linked = outside.model_copy(update={"path": f"file://{media}/link.mp4"})
    beside = landed(tmp_path / "media-of-others" / "a.mp4")
    above = outside.model_copy(update={"path": f"file://{media}/../a.mp4"})
    elsewhere = outside.model_copy(update={"path": "s3://bucket/videos-of-others/a.mp4"})
    for file in (outside, linked, beside, above, elsewhere):
        airflow.add(TASK, record(file))
        assert get(browser, "/file", address()).status_code == 403, file.path


@pytest.mark.parametrize("roots", ["", " ", ",", " , "])
def test_without_roots_nothing_is_served(
    airflow: Airflow, media: Path, browser: TestClient, monkeypatch: pytest.MonkeyPatch, roots: str
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_ROOTS", roots)
    assert get(browser, "/file", address()).status_code == 403
    assert "media_roots" in get(browser, "/media", address()).text


def test_without_a_key_nothing_is_served(
    airflow: Airflow, media: Path, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4"), key=""))
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_KEY", "too short")
    assert get(browser, "/file", address()).status_code == 403
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_KEY", "")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    assert get(browser, "/file", address()).status_code == 403


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.js", "a.bin", "a"])
def test_only_media_and_plain_text_are_served(
    airflow: Airflow, media: Path, browser: TestClient, name: str
) -> None:
    airflow.add(TASK, record(landed(media / name, b"<script>alert(1)</script>", content_type="text/html")))
    assert get(browser, "/file", address()).status_code == 415


def test_a_file_that_has_changed_or_gone_is_not_served(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    (media / "a.mp4").write_bytes(b"longer than before")
    assert get(browser, "/file", address()).status_code == 409
    (media / "a.mp4").unlink()
    assert get(browser, "/file", address()).status_code == 404
    (media / "a.mp4").mkdir()
    assert get(browser, "/file", address()).status_code == 409


HOSTILE = [
    "",
    "dag_id=videos",
    "dag_id=~&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos&run_id=~&task_id=download",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=~",
    "dag_id=videos&dag_id=private&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=private&run_id=manual%2B1%3A2&task_id=download&dag_id=videos",
    "dag_id=..&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos%2F..%2Fprivate&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos/../private&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=..%2F..",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download%00",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download%0d%0aX-Evil:1",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=" + "d" * 5000,
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=-1",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=1",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=99999999999999999999",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=0x0",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=%D9%A0",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&index=0&index=1",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&map_index=0",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&map_index=-2",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&map_index=1e3",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&key=return_value",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&key=media_x",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&key=media_1",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&key=../media",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&part=sheet",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&part=..",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download&part=MAIN",
    "dag_id=Videos&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos&run_id=manual%201%3A2&task_id=download",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=download%20",
    "dag_id[]=videos&run_id=manual%2B1%3A2&task_id=download",
    "path=%2Fetc%2Fpasswd",
    "dag_id=videos;run_id=manual%2B1%3A2;task_id=download",
    "dag_id=%ff%fe&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos&run_id={RUN_ID}&task_id=download",
    "dag_id=videos&run_id=manual%2B1%3A2&task_id=%E2%80%AEdownload",
    "dag_id=videos%3Fmap_index%3D0&run_id=manual%2B1%3A2&task_id=download",
    "dag_id=videos%23&run_id=manual%2B1%3A2&task_id=download",
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_serves_nothing(
    airflow: Airflow, media: Path, browser: TestClient, query: str
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    private = TASK._replace(dag_id="private")
    airflow.add(private, record(landed(media / "b.mp4", b"private"), task=private))
    answer = browser.get(f"/file?{query}")
    assert answer.status_code in (400, 403, 404), answer.text
    assert b"0123456789" not in answer.content
    assert b"private" not in answer.content


def test_a_path_in_the_address_changes_nothing(airflow: Airflow, media: Path, browser: TestClient) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    (media / "b.mp4").write_bytes(b"another")
    for name in ("path", "uri", "file", "src"):
        assert get(browser, "/file", address(**{name: f"file://{media}/b.mp4"})).content == b"0123456789"


# -- ranges


@pytest.mark.parametrize(
    ("asked", "status", "content", "span"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=9-99", 206, b"9", "bytes 9-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=" + "9" * 4000 + "-", 200, b"0123456789", None),
    ],
)
def test_a_player_gets_the_range_that_it_asks_for(
    airflow: Airflow,
    media: Path,
    browser: TestClient,
    asked: str,
    status: int,
    content: bytes,
    span: str | None,
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    answer = get(browser, "/file", address(), Range=asked)
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("content-range") == span
    assert answer.headers["content-encoding"] == "identity"


def test_a_range_of_another_version_gets_the_whole_file(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    tag = get(browser, "/file", address()).headers["etag"]
    assert get(browser, "/file", address(), Range="bytes=1-2", **{"If-Range": tag}).status_code == 206
    assert get(browser, "/file", address(), Range="bytes=1-2", **{"If-Range": '"other"'}).status_code == 200
    assert get(browser, "/file", address(), **{"If-None-Match": tag}).status_code == 304


def test_a_download_has_the_file_s_own_name(airflow: Airflow, media: Path, browser: TestClient) -> None:
    airflow.add(TASK, record(landed(media / 'ein "Hund" läuft.mp4')))
    header = get(browser, "/file", address(download=1)).headers["content-disposition"]
    assert header == (
        "attachment; filename=\"ein__Hund__l_uft.mp4\"; filename*=UTF-8''ein%20%22Hund%22%20l%C3%A4uft.mp4"
    )


# -- the pages


def test_text_from_outside_is_shown_as_text(airflow: Airflow, media: Path, browser: TestClient) -> None:
    evil = '<script>alert(1)</script>" onload="x'
    file = landed(media / "a.mp4", title=evil, caption=evil)
    airflow.add(TASK, record(file, request={"prompt": evil, evil: evil}, job_id=evil, label=evil))
    for query in (address(), {"dag_id": "videos", "run_id": TASK.run_id}):
        answer = get(browser, "/media", query)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert '" onload="' not in answer.text
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]


def test_a_run_shows_its_files_in_the_order_of_the_dag(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.tasks = [
        {"task_id": "a_last", "downstream_task_ids": []},
        {"task_id": "z_first", "downstream_task_ids": ["middle"]},
        {"task_id": "middle", "downstream_task_ids": ["a_last"]},
    ]
    for name in ("a_last", "middle", "z_first"):
        task = TASK._replace(task_id=name)
        airflow.add(task, record(landed(media / f"{name}.mp4"), task=task))
    page = get(browser, "/media", {"dag_id": "videos", "run_id": TASK.run_id}).text
    places = [page.index(f"{name}.mp4") for name in ("z_first", "middle", "a_last")]
    assert places == sorted(places)


def test_totals_count_a_job_once_however_many_tasks_show_it(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    other = TASK._replace(task_id="make")
    airflow.add(other, record(task=other, cost={"usd": 0.55}, bought_at=1.0))
    airflow.add(TASK, record(landed(media / "a.mp4", duration=61.2)))
    third = TASK._replace(task_id="third")
    airflow.add(third, record(task=third, job_id="j-2", bought_at=1.0))
    page = " ".join(get(browser, "/media", {"dag_id": "videos", "run_id": TASK.run_id}).text.split())
    assert "<strong>1</strong> file, 1:01 in all" in page
    assert "2 jobs, <strong>0.55 USD</strong>" in page
    assert "1 of them without a known price" in page


def test_a_running_job_shows_what_it_does_and_a_failed_one_what_to_do(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.add(TASK, record(bought_at=1.0, expected=300.0), state="deferred")
    airflow.push(TASK, "progress", {"words": "rendering", "progress": 0.4})
    page = get(browser, "/media", address()).text
    assert "rendering" in page
    assert " data-live" in page
    failed = TASK._replace(task_id="failed")
    airflow.add(failed, record(task=failed, bought_at=1.0), state="failed")
    airflow.push(
        failed,
        "failure",
        {
            "what": "It failed.",
            "cost": "It was charged.",
            "todo": "Clear it.",
        },
    )
    page = get(browser, "/media", address(failed)).text
    assert all(text in page for text in ("It failed.", "It was charged.", "Clear it."))
    assert " data-live" not in page


@pytest.mark.parametrize(("state", "said"), [("failed", True), ("up_for_retry", True), ("success", False)])
def test_a_task_that_failed_before_it_bought_anything_says_why_on_its_page_and_on_the_runs(
    airflow: Airflow, browser: TestClient, state: str, said: bool
) -> None:
    facts = {"what": "Invalid API key.", "cost": "Nothing was charged.", "todo": "Check the key."}
    airflow.add(TASK, facts, "failure", state)
    run = {"dag_id": TASK.dag_id, "run_id": TASK.run_id}
    for query in (address(), run):
        page = get(browser, "/media", query).text
        assert all((text in page) == said for text in facts.values())


def test_a_landed_text_is_read_on_the_page(airflow: Airflow, media: Path, browser: TestClient) -> None:
    airflow.add(TASK, record(landed(media / "a.txt", "la la é".encode())))
    assert "la la é" in get(browser, "/media", address()).text


def test_a_task_of_one_s_own_code_shows_every_purchase(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    airflow.add(TASK, record(landed(media / "a.mp4")))
    airflow.push(TASK, "media_1", record(landed(media / "b.mp4")))
    airflow.push(TASK, "media_of_somebody", record(landed(media / "c.mp4")))
    page = get(browser, "/media", address()).text
    assert "a.mp4" in page
    assert "b.mp4" in page
    assert "c.mp4" not in page


def test_the_link_of_a_task_leads_to_its_page() -> None:
    link = MediaLink().get_link(None, ti_key=TaskKey("videos", "manual+1:2 x", "group.task", 3))  # type: ignore[arg-type]
    assert link == "vidai/media?dag_id=videos&run_id=manual%2B1%3A2%20x&task_id=group.task&map_index=3"


def test_every_operator_has_the_link() -> None:
    names = {one.__name__ for one in MediaLink().operators}
    assert {"VidioHighlightReelOperator", "VidgoDownloadOperator", "VeniceVideoOperator"} <= names


def test_a_task_s_tab_is_there_for_every_operator_with_the_link_and_only_where_airflow_can_limit_it() -> None:
    modules = {one.__module__ for one in MediaLink().operators}
    tabs = [view for view in VidaiPlugin.external_views if view["destination"] == "task_instance"]
    assert [set(tab["applies_to"]["task.class_ref.module_path"]) for tab in tabs] == [modules] * (
        AIRFLOW >= (3, 4)
    )
    vendors = {f"airflow_provider_vidai.operators.{vendor}" for vendor in get_args(VendorName)}
    assert modules == {*vendors, "airflow_provider_vidai.task_groups.until"}


# -- XComs that people have edited, and files that change while they are served


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        *[("file", one) for one in ({"duration": "inf"}, {"duration": "nan"}, {"bytes": 10**400})],
        *[("record", one) for one in ({"bought_at": "inf"}, {"bought_at": 1e300}, {"kept_until": -1e18})],
        ("record", {"cost": {"credits": 10**400}}),
        *[("value", "[" * 200_000), ("value", '{"a":' * 200_000)],
    ],
    ids=range(9),
)
def test_one_broken_xcom_leaves_the_pages_of_all_others_as_they_are(
    airflow: Airflow, media: Path, browser: TestClient, where: str, changes: Any
) -> None:
    good = TASK._replace(task_id="good")
    airflow.add(good, record(landed(media / "good.mp4"), task=good))
    broken = record(landed(media / "a.mp4"))
    if where == "value":
        airflow.add(TASK, changes)
    else:
        airflow.add(TASK, edited(broken, **changes) if where == "file" else {**broken, **changes})
    for path, query in (("/media", {"dag_id": "videos", "run_id": TASK.run_id}), ("/videos", {})):
        answer = get(browser, path, query)
        assert (answer.status_code, "good.mp4" in answer.text) == (200, True)
    assert get(browser, "/media", address()).status_code == 200


def test_a_record_with_very_many_files_makes_a_short_page(
    airflow: Airflow, media: Path, browser: TestClient
) -> None:
    made = record(landed(media / "a.mp4"))
    airflow.add(TASK, {**made, "files": made["files"] * 20_000})
    for query in (address(), {"dag_id": "videos", "run_id": TASK.run_id}):
        page = get(browser, "/media", query)
        assert len(page.content) < 1_000_000
        assert "19800 more files are not shown" in page.text


@pytest.mark.parametrize("kind", ["link", "pipe", "file"])
def test_a_file_that_is_exchanged_after_the_check_is_not_sent(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "_limiter", None)
    place = media / "a.mp4"
    found = files.served(MediaRecord(**record(landed(place))), TASK, 0, "main")
    secret = tmp_path / "secret"
    secret.write_bytes(b"SECRETSECR")
    place.rename(media / "kept.mp4")  # its inode stays in use
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to(secret)
    else:
        secret.rename(place)

    async def read() -> bytes:
        return b"".join([piece async for piece in files.pieces(found, 0, 9)])

    with pytest.raises((OSError, files.NotServed)):
        asyncio.run(read())
    monkeypatch.setattr(files, "_limiter", None)
