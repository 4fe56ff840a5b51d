"""The sandbox, a connection to it, and footage in it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sandbox.server import Sandbox, serve
from tests.support.task import FastLoops, Task
from tests.support.videos import talk, video
from tests.support.web import web

KEY = "sandbox-key-4f9d1c"
#: A video that the status call itself delivers, as the body of its answer.
VIDEO = {
    "model": "wan-2.6-text-to-video",
    "prompt": "a sunset over the ocean",
    "duration": 5,
    "resolution": "720p",
    "aspect_ratio": "16:9",
}
#: Jobs take a few real milliseconds, and the time that their media work really needs.
SPEED = 3000.0
#: How many seconds of its clock a vendor keeps what it made: an hour of real time. A day would be half a
#: minute, and a busy machine may come later for a file.
KEPT = 3600 * SPEED


@pytest.fixture(autouse=True)
def _fast(hurry: list[float]) -> None:
    """Shorten the package's pauses in every test."""


@pytest.fixture(scope="module")
def database() -> None:
    """Airflow's metadata database, new and empty."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def dags_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder of DAGs, the only one that Airflow reads."""
    folder = tmp_path / "dags"
    folder.mkdir()
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": "dags-folder", "classpath": local, "kwargs": {"path": str(folder)}}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    return folder


@pytest.fixture
def fast() -> Iterator[None]:
    """Triggers that wait a hundredth of their time."""
    asyncio.set_event_loop_policy(FastLoops())
    yield
    asyncio.set_event_loop_policy(None)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of purchases in files, as every Airflow can keep them."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with serve(speed=SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    """A sandbox in the state of a fresh start."""
    server.control.reset()
    return server


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    return sandbox.control


@pytest.fixture
def ended(control: Control) -> Callable[[], None]:
    """Wait until the last job that was bought has ended, without a status check."""

    def wait() -> None:
        until = time.monotonic() + 10
        while control.purchases()[-1]["state"] not in ("processed", "rendered", "failed", "error"):
            assert time.monotonic() < until, control.purchases()
            threading.Event().wait(0.02)

    return wait


@pytest.fixture
def vidio(sandbox: Sandbox, connect: Any) -> VidioHook:
    """A hook on a connection to the sandbox.

    The connection's timeout is long, because the event loop's clock is faster than the sandbox's answers."""
    return VidioHook(connect(host=f"{sandbox.url}/vidio", password=KEY, extra={"timeout": 600}))


@pytest.fixture
def venice(sandbox: Sandbox, connect: Any) -> VeniceHook:
    """A hook on a connection to the sandbox, which makes small videos and has no rate limits.

    Its rate limits would run in real time, and the event loop of these tests is faster.
    """
    free = {"queue_per_minute": 0, "retrieve_per_minute": 0, "share_per_minute": 0, "error_budget": 0}
    sandbox.control.settings(venice={**free, "short_side": 64, "media_ttl": KEPT})
    host = f"{sandbox.url}/venice/api/v1"
    extra = {"timeout": 600, "polls_per_minute": 6000}
    return VeniceHook(connect("venice_default", conn_type="venice", host=host, password=KEY, extra=extra))


@pytest.fixture
def vidgo(sandbox: Sandbox, connect: Any) -> VidgoHook:
    """A hook on a connection to the sandbox, which makes small videos and short songs."""
    sandbox.control.settings(vidgo={"short_side": 64, "song_seconds": 2.0, "file_ttl": KEPT})
    host = f"{sandbox.url}/vidgo"
    return VidgoHook(
        connect("vidgo_default", conn_type="vidgo", host=host, password=KEY, extra={"timeout": 600})
    )


@pytest.fixture
def task_of() -> Any:
    """Make the task that buys an image, a video or music of Vidgo."""

    def make(model: str = "gpt-4o-image", asked: Any = None, **changes: Any) -> Task:
        arguments = {"task_id": "made", "poll_interval": 0.05, "deferrable": False, **changes}
        asked = {"prompt": "a lake", "size": "1:1"} if asked is None else asked
        return Task(lambda: VidgoGenerateOperator(model=model, input=asked, **arguments))

    return make


@pytest.fixture
def video_of() -> Any:
    """Make the task that buys a video."""

    def make(**changes: Any) -> Task:
        arguments = {"task_id": "video", **VIDEO, "poll_interval": 0.05, "deferrable": False, **changes}
        return Task(lambda: VeniceVideoOperator(**arguments))

    return make


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two seconds."""
    return video(tmp_path_factory.mktemp("footage") / "my clip #1 é.mp4", seconds=2)


@pytest.fixture
def footage(vidio: VidioHook, clip: Path) -> str:
    """The key of an uploaded video."""
    return str(vidio.upload(str(clip))["input_key"])


@pytest.fixture
def reel_of(footage: str) -> Any:
    """Make the task that buys a reel."""

    def make(**changes: Any) -> Task:
        arguments = {
            "task_id": "reel",
            "input_keys": [footage],
            "video_category": "others",
            "output_length": 1,
            "aspect_ratio": "square",
            "poll_interval": 0.05,
            "deferrable": False,
            **changes,
        }
        return Task(lambda: VidioHighlightReelOperator(**arguments))

    return make


@pytest.fixture
def reel(reel_of: Any) -> dict[str, Any]:
    """A finished reel, as its task returned it."""
    return dict(reel_of().run())


@pytest.fixture
def render_of() -> Any:
    """Make the task that renders a job."""

    def make(job: Any, **changes: Any) -> Task:
        arguments = {"task_id": "render", "job": job, "poll_interval": 0.05, "deferrable": False, **changes}
        return Task(lambda: VidioRenderOperator(**arguments))

    return make


@pytest.fixture
def vizard(sandbox: Sandbox, connect: Any) -> VizardHook:
    """A hook on a connection to the sandbox, which does not limit how many projects are created."""
    sandbox.control.settings(vizard={"creates_per_minute": 0, "creates_per_hour": 0})
    host = f"{sandbox.url}/vizard/hvizard-server-front/open-api/v1"
    extra = {"timeout": 600}
    return VizardHook(connect("vizard_default", conn_type="vizard", host=host, password=KEY, extra=extra))


@pytest.fixture(scope="session")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a folder with videos: ``talk.mp4`` of 100 seconds, ``short.mp4`` and ``silent.mp4`` of 8."""
    folder = tmp_path_factory.mktemp("talks")
    talk(folder / "talk.mp4", 100)
    talk(folder / "short.mp4", 8)
    talk(folder / "silent.mp4", 8, quiet=True)
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    with web(folder) as url:
        yield url


@pytest.fixture
def clips_of(talks: str) -> Any:
    """Make the task that buys clips."""

    def make(**changes: Any) -> Task:
        arguments = {
            "task_id": "clips",
            "video_url": f"{talks}/short.mp4",
            "max_clips": 2,
            "poll_interval": 1,
            "deferrable": False,
            **changes,
        }
        return Task(lambda: VizardClipsOperator(**arguments))

    return make
