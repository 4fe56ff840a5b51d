"""A real Airflow and a real browser. Without Debian's ``chromium`` or its like, these tests are skipped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tools.rest import Run
from tools.stack import PROJECT, Stack

SPEED = 20.0
MEDIA = PROJECT / "tests" / "media" / "big_buck_bunny_5s.mp4"
#: Seconds that a run may take on a busy machine.
RUN = 600.0
#: Milliseconds that anything on a page may take on a busy machine.
PATIENCE = 60_000
#: Without the last ones, a browser looks up its maker's hosts all the time.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("There is no chromium here: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="pip install 'airflow-provider-vidai[browser]'"
    )
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stack(chromium: Any) -> Iterator[Stack]:  # without a browser none is started
    home = Path(tempfile.mkdtemp(prefix="vidai-browser-")) / "airflow"
    home.mkdir()
    with Stack(home, speed=SPEED, settings={"vidai.media_roots": str(home)}) as running:
        sizes = {"short_side": 64}
        Control(running.sandbox_url).settings(speed=SPEED, venice=sizes, vidgo=sizes, vizard=sizes)
        yield running
    shutil.rmtree(home.parent)


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, chromium: Any, stack: Stack) -> Iterator[Any]:
    """A page of one size. Whatever the browser complains about fails the test."""
    width, height = request.param
    page = chromium.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    # Before Airflow 3.3 even an Airflow where everybody is an admin wants a login, which this address grants.
    page.goto(f"{stack.url}/auth/token/login")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    page.close()
    assert complaints == []


def finished(stack: Stack, dag_id: str, conf: dict[str, Any]) -> Run:
    """Run a DAG and return the run, which succeeded."""
    run = stack.api.trigger(dag_id, conf)
    assert run.wait(timeout=RUN) == "success"
    return run
