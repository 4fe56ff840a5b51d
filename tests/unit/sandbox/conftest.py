"""One sandbox for all tests, fresh for each."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from footage import moving_between, sine, video

from airflow_provider_vidai.sandbox.server import Sandbox, serve

SPEED = 2000
SIZE = (160, 90)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with serve(speed=SPEED) as sandbox:
        yield sandbox


class LoggedErrors(logging.Handler):
    """What the HTTP server reports as errors of the sandbox."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    running_sandbox.control.reset()
    errors = LoggedErrors()
    logging.getLogger("uvicorn.error").addHandler(errors)
    yield running_sandbox
    logging.getLogger("uvicorn.error").removeHandler(errors)
    assert not errors.messages


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of video, with the last two moving."""
    return video(
        tmp_path_factory.mktemp("clip") / "clip.mp4", 3, moving_between(1, 3, SIZE), sine(0.3), size=SIZE
    )


class Vidio:
    """Plain calls to the sandbox's VIDIO."""

    def __init__(self, url: str, key: str = "a-key") -> None:
        self.url = url
        self.http = httpx.Client(base_url=url + "/vidio/api/v1", headers={"x-api-key": key}, timeout=10)

    def upload_url(self, name: str = "clip.mp4", **query: Any) -> httpx.Response:
        facts = {
            "job_id": str(uuid.uuid4()),
            "file_name": name,
            "file_type": Path(name).suffix[1:],
            "media_type": "video",
            "width": 320,
            "height": 180,
            "duration": 3.0,
            "to_be_downscaled": "true",
        }
        given = {name: value for name, value in {**facts, **query}.items() if value is not None}
        return self.http.get("/uploads/upload-url", params=given)

    def upload(
        self, content: bytes, name: str = "clip.mp4", content_type: str = "video/mp4", **query: Any
    ) -> str:
        job_id = str(uuid.uuid4())
        url = self.upload_url(name, job_id=job_id, **query).raise_for_status().json()["url"]
        httpx.put(url, content=content, headers={"content-type": content_type}).raise_for_status()
        return f"uploads/{job_id}/{name}"

    def create(self, *keys: str, **changes: Any) -> httpx.Response:
        request = {
            "input_keys": list(keys),
            "video_category": "travel",
            "output_length": 2,
            "aspect_ratio": "landscape",
        }
        return self.http.post("/jobs/highlight-reel", json={**request, **changes})

    def status(self, job_id: str) -> httpx.Response:
        return self.http.get(f"/jobs/{job_id}/status")

    def render(self, job_id: str, **changes: Any) -> httpx.Response:
        return self.http.post(
            f"/jobs/{job_id}/render", json={"export_option": "premium", "output_index": 0, **changes}
        )

    def wait(self, job_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            answer: dict[str, Any] = self.status(job_id).json()
            if answer["status"] in statuses:
                return answer
            assert answer["status"] not in ("failed", "error"), "see the log"
            assert time.monotonic() < deadline, answer
            time.sleep(0.005)

    def processed(self, *keys: str, **changes: Any) -> str:
        """Buy a reel, and wait for it."""
        job_id = str(self.create(*keys, **changes).raise_for_status().json()["job_id"])
        self.wait(job_id, "processed")
        return job_id

    def rendered(self, job_id: str, **changes: Any) -> dict[str, Any]:
        """Buy a render, and wait for it."""
        before = self.status(job_id).json().get("output_url", "").partition("?")[0]
        self.render(job_id, **changes).raise_for_status()
        while True:
            answer = self.wait(job_id, "rendered")
            if answer["output_url"].partition("?")[0] != before:
                return answer


@pytest.fixture
def vidio_at() -> Iterator[Callable[[str], Vidio]]:
    """Make plain calls to the VIDIO of the sandbox at a URL."""
    clients: list[Vidio] = []

    def make(url: str) -> Vidio:
        clients.append(Vidio(url))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture
def vidio(sandbox: Sandbox) -> Iterator[Vidio]:
    vidio = Vidio(sandbox.url)
    yield vidio
    vidio.http.close()


@pytest.fixture
def other(sandbox: Sandbox) -> Iterator[Vidio]:
    """Another account."""
    other = Vidio(sandbox.url, "another-key")
    yield other
    other.http.close()


class Venice:
    """Plain calls to the sandbox's Venice."""

    MODEL = "wan-2.6-text-to-video"
    LINKED = "grok-imagine-text-to-video-private"

    def __init__(self, url: str, key: str = "a-key") -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url + "/venice/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=20
        )

    def order(self, **changes: Any) -> dict[str, Any]:
        order = {
            "model": self.MODEL,
            "prompt": "A cat playing the piano",
            "duration": "5s",
            "resolution": "720p",
            "aspect_ratio": "16:9",
        }
        return {name: value for name, value in {**order, **changes}.items() if value is not ...}

    def quote(self, **changes: Any) -> httpx.Response:
        return self.http.post("/video/quote", json=self.order(**changes))

    def queue(self, **changes: Any) -> httpx.Response:
        return self.http.post("/video/queue", json=self.order(**changes))

    def bought(self, **changes: Any) -> dict[str, Any]:
        job: dict[str, Any] = self.queue(**changes).raise_for_status().json()
        return job

    def retrieve(self, job: dict[str, Any], **more: Any) -> httpx.Response:
        fields = {"model": job["model"], "queue_id": job["queue_id"], **more}
        return self.http.post("/video/retrieve", json=fields)

    def complete(self, job: dict[str, Any]) -> httpx.Response:
        return self.http.post("/video/complete", json={"model": job["model"], "queue_id": job["queue_id"]})

    def settled(self, job: dict[str, Any], seconds: float = 60) -> httpx.Response:
        """Return the first answer that does not say PROCESSING."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.retrieve(job)
            if b'"PROCESSING"' not in answer.content[:30]:
                return answer
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.01)

    def made(self, path: Path, **changes: Any) -> Path:
        """Buy a video, wait for it, and save it."""
        answer = self.settled(self.bought(**changes))
        assert answer.headers["content-type"] == "video/mp4", answer.text
        path.write_bytes(answer.content)
        return path


@pytest.fixture
def venice(sandbox: Sandbox) -> Iterator[Venice]:
    """Venice with small videos, and without rate limits."""
    sandbox.control.settings(venice={"short_side": 90, "retrieve_per_minute": 0, "queue_per_minute": 0})
    venice = Venice(sandbox.url)
    yield venice
    venice.http.close()


@pytest.fixture
def other_venice(sandbox: Sandbox) -> Iterator[Venice]:
    """Another account."""
    other = Venice(sandbox.url, "another-key")
    yield other
    other.http.close()


class Vidgo:
    """Plain calls to the sandbox's Vidgo."""

    def __init__(self, url: str, key: str = "a-key") -> None:
        self.url = url
        headers = {"authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url + "/vidgo/api", headers=headers, timeout=20)

    def submit(self, model: str = "gpt-4o-image", callback_url: str | None = None, **fields: Any) -> Any:
        if "prompt" not in fields and model == "gpt-4o-image":
            fields["prompt"] = "a lake"
        body = {"model": model, "input": {name: value for name, value in fields.items() if value is not ...}}
        return self.http.post("/generate/submit", json={**body, "callback_url": callback_url})

    def bought(self, model: str = "gpt-4o-image", callback_url: str | None = None, **fields: Any) -> str:
        answer = self.submit(model, callback_url, **fields).raise_for_status().json()
        return str(answer["data"]["task_id"])

    def status(self, task_id: str) -> httpx.Response:
        if task_id.startswith("task-"):
            return self.http.get(f"/generate/status/{task_id}")
        return self.http.get("/generate/detail/music", params={"task_id": task_id})

    def ended(self, task_id: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a task; return how it ended."""
        deadline = time.monotonic() + seconds
        while True:
            reported: dict[str, Any] = self.status(task_id).raise_for_status().json()["data"]
            if reported["status"] in ("finished", "failed"):
                return reported
            assert time.monotonic() < deadline, reported
            time.sleep(0.01)

    def made(self, model: str = "gpt-4o-image", callback_url: str | None = None, **fields: Any) -> Any:
        """Buy a task and wait for it; return its files."""
        reported = self.ended(self.bought(model, callback_url, **fields))
        assert reported["status"] == "finished", reported
        return reported["files"]

    def kept(self, url: str, path: Path) -> Path:
        """Keep a file."""
        answer = httpx.get(url).raise_for_status()
        path.write_bytes(answer.content)
        return path


@pytest.fixture
def vidgo(sandbox: Sandbox) -> Iterator[Vidgo]:
    """Vidgo with small pictures, short songs, and without a limit of uploads."""
    sandbox.control.settings(vidgo={"short_side": 90, "song_seconds": 4.0, "uploads_per_minute": 0})
    vidgo = Vidgo(sandbox.url)
    yield vidgo
    vidgo.http.close()


@pytest.fixture
def other_vidgo(sandbox: Sandbox) -> Iterator[Vidgo]:
    """Another account."""
    other = Vidgo(sandbox.url, "another-key")
    yield other
    other.http.close()


@pytest.fixture
def key(vidio: Vidio, clip: Path) -> str:
    """The clip, uploaded."""
    return vidio.upload(clip.read_bytes())
