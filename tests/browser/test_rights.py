"""Who sees what: a second API server with users, roles and a path prefix, over the runs of the first."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.browser.conftest import finished
from tools.processes import Child, end
from tools.rest import Run, answers
from tools.settings import choose_port
from tools.stack import Stack

pytest.importorskip(
    "airflow.providers.fab", reason="pip install 'airflow-provider-vidai[browser]' brings users and roles"
)

PASSWORD = "only-here"
START = 180.0
#: What a person needs besides the right to a DAG itself to open its runs.
VIEWS = ("Website", "DAG Runs", "Task Instances", "XComs", "DAG Code", "DAG Versions", "DAG Dependencies")


@dataclass(frozen=True)
class Guarded:
    """The API server with users."""

    url: str

    def browser_of(self, user: str | None) -> httpx.Client:
        """Return a client with the rights of a user; None is a person without a login."""
        cookies = {} if user is None else {"_token": self.token_of(user)}
        return httpx.Client(base_url=self.url, cookies=cookies, timeout=60, trust_env=False)

    def token_of(self, user: str) -> str:
        """Log a user in; return the token."""
        body = {"username": user, "password": PASSWORD}
        answer = httpx.post(f"{self.url}/auth/token", json=body, timeout=60, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])


@pytest.fixture(scope="module")
def clips(stack: Stack) -> Run:
    return finished(stack, "vizard_clip_factory", {"destination": f"{stack.home}/rights/"})


@pytest.fixture(scope="module")
def video(stack: Stack) -> Run:
    return finished(stack, "vidgo_image_to_video_with_music", {"destination": f"{stack.home}/rights/"})


@pytest.fixture(scope="module")
def guarded(stack: Stack, clips: Run, video: Run) -> Iterator[Guarded]:
    port = choose_port()
    url = f"http://127.0.0.1:{port}/airflow"
    env = {
        **stack.env(),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__PORT": str(port),
        # As in a deployment whose API servers do not serve the tasks.
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/airflow/execution/",
    }

    def airflow(*arguments: str) -> None:
        command = (sys.executable, "-m", "airflow", *arguments)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    airflow("fab-db", "migrate")
    airflow("sync-perm", "--include-dags")
    airflow("roles", "create", "Outsider", "Reader")
    airflow("roles", "add-perms", "Reader", "-r", *VIEWS, f"DAG:{clips.dag_id}", "-a", "can_read")
    airflow("roles", "add-perms", "Outsider", "-r", "Website", "-a", "can_read")
    for user, role in (("reader", "Reader"), ("outsider", "Outsider")):
        airflow(
            *("users", "create", "-u", user, "-p", PASSWORD, "-r", role),
            *("-f", user, "-l", user, "-e", f"{user}@example.org"),
        )
    server = Child(
        "guarded",
        (sys.executable, "-m", "airflow", "api-server"),
        env=env,
        log=stack.home / "logs" / "guarded.log",
        grace=3.0,
    )
    try:
        deadline = time.monotonic() + START
        while not answers(f"{url}/api/v2/monitor/health"):
            assert server.exit_code is None, server.tail()
            assert time.monotonic() < deadline, server.tail()
            time.sleep(0.5)
        yield Guarded(url)
    finally:
        end([server])


def of(run: Run, **more: Any) -> str:
    return urlencode({"dag_id": run.dag_id, "run_id": run.run_id, **more}, quote_via=quote)


def a_file(run: Run) -> str:
    """Return the address of a landed file of a run."""
    for entry in run.xcoms():
        if entry["key"] == "media" and entry["task_id"] in ("download", "video"):  # what lands files
            place = {"map_index": entry["map_index"]} if entry["map_index"] >= 0 else {}
            return f"/vidai/file?{of(run, task_id=entry['task_id'], index=0, **place)}"
    raise AssertionError(f"{run.run_id} has landed nothing")


def test_who_may_read_a_dag_sees_its_media_and_no_other_dag_s(
    guarded: Guarded, clips: Run, video: Run
) -> None:
    with guarded.browser_of("reader") as reader:
        assert reader.get(f"/vidai/media?{of(clips)}").status_code == 200
        assert reader.get(a_file(clips)).status_code == 200
        assert reader.get(f"/vidai/media?{of(video)}").status_code == 403
        assert reader.get(a_file(video)).status_code == 403
        newest = reader.get("/vidai/videos")
        assert newest.status_code == 200
        assert clips.dag_id in newest.text
        assert video.dag_id not in newest.text


def test_who_may_read_no_dag_sees_nothing(guarded: Guarded, clips: Run) -> None:
    with guarded.browser_of("outsider") as outsider:
        assert outsider.get(f"/vidai/media?{of(clips)}").status_code == 403
        assert outsider.get(a_file(clips)).status_code == 403
        assert clips.dag_id not in outsider.get("/vidai/videos").text


def test_who_is_not_logged_in_sees_nothing(guarded: Guarded, clips: Run) -> None:
    with guarded.browser_of(None) as nobody:
        for page in (f"/vidai/media?{of(clips)}", a_file(clips), "/vidai/videos"):
            assert nobody.get(page).status_code == 401


def test_the_pages_work_behind_a_path_prefix(guarded: Guarded, chromium: Any, clips: Run) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "_token", "value": guarded.token_of("reader"), "url": guarded.url}])
    page = context.new_page()
    page.goto(f"{guarded.url}/vidai/media?{of(clips)}")
    poster = page.locator(".card img").first
    assert poster.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    assert page.locator(".card").first.evaluate("one => getComputedStyle(one).borderRadius") != "0px"
    page.locator(".play").first.click()
    page.locator("video").first.evaluate(
        "one => new Promise(done => one.addEventListener('timeupdate', () => one.currentTime > 0 && done()))"
    )
    context.close()
