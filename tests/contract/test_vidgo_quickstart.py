"""Vidgo's quickstart, as it is written, against the sandbox: only the host is another one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from airflow_provider_vidai.sandbox.server import Sandbox, serve

QUICKSTART = Path(__file__).parent / "quickstart"
API = "https://api.vidgo.ai"
#: The quickstart waits two seconds between its polls.
SPEED = 60.0
EXAMPLE_TASK = "task-unified-1757165031-uyujaw3d"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(speed=SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control.reset()
    return running


def written(name: str, sandbox: Sandbox, **instead: str) -> str:
    """Return a piece of the quickstart, with the sandbox's host and ``instead`` of what it makes up."""
    text = (QUICKSTART / name).read_text()
    assert API in text or "payload" in name
    for old, new in {API: f"{sandbox.url}/vidgo", **instead}.items():
        text = text.replace(old, new)
    return text


def run(*command: str) -> str:
    """Run a program; return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def bought(out: str) -> str:
    found = re.search(r"Task ID: (\S+)", out)
    assert found, out
    return found[1]


def followed(sandbox: Sandbox, task: str) -> str:
    """Run the quickstart's own polling; return the URL that it ends with."""
    out = run(sys.executable, "-c", written("status.py.txt", sandbox, **{EXAMPLE_TASK: task}))
    lines = out.splitlines()
    assert lines[0].startswith("Status: ")
    assert "Status: finished, Progress: 100%" in lines
    found = re.search(r"Image URL: (\S+)", lines[-1])
    assert found, out
    return found[1]


def submitted(sandbox: Sandbox, payload: str) -> str:
    """Run the quickstart's request with another of its payloads."""
    request = written("image.py.txt", sandbox)
    begin, end = request.index("payload = {"), request.index("response = requests.post")
    return bought(run(sys.executable, "-c", request[:begin] + written(payload, sandbox) + request[end:]))


def asked(sandbox: Sandbox, path: str) -> dict[str, Any]:
    headers = {"authorization": "Bearer YOUR_API_KEY"}
    return dict(httpx.get(f"{sandbox.url}/vidgo/api/generate/{path}", headers=headers).json())


def test_the_image_is_bought_followed_and_opens(sandbox: Sandbox, tmp_path: Path) -> None:
    task = bought(run(sys.executable, "-c", written("image.py.txt", sandbox)))
    (tmp_path / "image").write_bytes(httpx.get(followed(sandbox, task)).content)
    with Image.open(tmp_path / "image") as image:
        image.load()
        assert image.size == (1024, 1024)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_buys_and_asks_as_well(sandbox: Sandbox) -> None:
    import json

    answer = json.loads(run("sh", "-c", written("image.sh", sandbox)))
    assert answer["code"] == 200
    task = answer["data"]["task_id"]
    reported = json.loads(run("sh", "-c", written("status.sh", sandbox, **{EXAMPLE_TASK: task})))
    assert reported["data"]["task_id"] == task


def test_the_video_is_as_long_and_wide_as_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    url = followed(sandbox, submitted(sandbox, "video_payload.py.txt"))
    (tmp_path / "video.mp4").write_bytes(httpx.get(url).content)
    with av.open(str(tmp_path / "video.mp4")) as container:
        picture = container.streams.video[0]
        assert container.duration / av.time_base == pytest.approx(10, abs=0.2)
        assert picture.width / picture.height == pytest.approx(16 / 9, abs=0.01)
        assert sum(1 for _ in container.decode(video=0)) == 240


def test_the_music_is_bought_and_polled_where_music_is(sandbox: Sandbox) -> None:
    task = submitted(sandbox, "music_payload.py.txt")
    (entry,) = sandbox.control.purchases("vidgo")
    assert (entry["job_id"], entry["request"]["model"]) == (task, "generate-music")
    sandbox.control.advance(200)
    until = time.monotonic() + 30
    while (reported := asked(sandbox, f"detail/music?task_id={task}"))["data"]["status"] != "finished":
        assert time.monotonic() < until, reported
        time.sleep(0.05)
    assert [file["title"] for file in reported["data"]["files"]] == ["Peaceful Piano Meditation"] * 2


def test_the_answer_has_the_fields_of_the_documented_one(sandbox: Sandbox) -> None:
    task = bought(run(sys.executable, "-c", written("image.py.txt", sandbox)))
    followed(sandbox, task)
    reported = asked(sandbox, f"status/{task}")
    assert set(reported) == {"code", "data"}
    assert set(reported["data"]) == {
        "task_id",
        "status",
        "progress",
        "files",
        "created_time",
        "error_message",
    }
    assert [set(file) for file in reported["data"]["files"]] == [{"file_url", "file_type"}]
