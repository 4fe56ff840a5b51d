"""A real Airflow with the sandbox, shared by all system tests of a session."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.postgres import postgresql
from tools.rest import RestError, Run
from tools.stack import Stack

T = TypeVar("T")
HERE = Path(__file__).parent
MEDIA = HERE.parent / "media" / "big_buck_bunny_5s.mp4"
SPEED = 20.0

SETTINGS = {
    # A worker that died with its task is noticed after this long instead of minutes.
    "scheduler.task_instance_heartbeat_timeout": "12",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "3",
    # Likewise a scheduler, whose running tasks become another one's; by default after five minutes.
    "scheduler.scheduler_health_check_threshold": "12",
    "scheduler.orphaned_tasks_check_interval": "5",
    # Likewise a triggerer.
    "triggerer.job_heartbeat_sec": "2",
    "triggerer.triggerer_health_check_threshold": "8",
}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack; on PostgreSQL or with the ledger on object storage where the environment says so."""
    # Not pytest's own: that one is removed by the next few sessions, even if this one still runs.
    home = Path(tempfile.mkdtemp(prefix="vidai-system-")) / "airflow"
    home.mkdir()
    settings = dict(SETTINGS)
    if os.environ.get("VIDAI_TEST_LEDGER") == "object_storage":
        settings["vidai.ledger_path"] = f"file://{home}/ledger"
    dags = HERE / "dags"
    with (
        postgresql(home) as database,
        Stack(home, dags=dags, database=database, speed=SPEED, settings=settings) as running,
    ):
        yield running
    shutil.rmtree(home.parent)


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[Control]:
    control = Control(stack.sandbox_url)
    control.settings(speed=SPEED)
    yield control
    control.clear_faults()
    control.settings(speed=SPEED)


@pytest.fixture
def footage(stack: Stack, sandbox: Control, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of a freshly uploaded clip, so that each test finds its own purchases in the book."""
    from airflow_provider_vidai.hooks.vidio import VidioHook

    for name, value in stack.env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    return str(VidioHook().upload(str(MEDIA))["input_key"])


@pytest.fixture
def stop(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Make the argument by which the first try of a run stops at a place."""
    return lambda place: {"place": place, "flag": str(tmp_path / "stopped")}


def eventually(what: str, look: Callable[[], T | None], timeout: float = 120.0) -> T:
    """Return the first true thing that ``look`` finds."""
    until = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > until:
            raise AssertionError(f"within {timeout:.0f} s there was no {what}")
        time.sleep(0.2)
    return found


def bought(sandbox: Control, footage: str) -> list[dict[str, Any]]:
    """The reels in the account book that were made of this footage."""
    return [one for one in sandbox.purchases("vidio", "reel") if one["request"]["input_keys"] == [footage]]


def in_state(run: Run, state: str, task_id: str = "reel") -> None:
    """Wait until a task is in a state."""
    eventually(f"{task_id} {state}", lambda: run.task(task_id)["state"] == state)


def kill_task(run: Run, task_id: str = "reel", map_index: int = -1, *, worker: bool = False) -> None:
    """SIGKILL the process of a running task; with ``worker`` also the one that supervises it."""
    pid = eventually("pid of the task", lambda: run.task(task_id, map_index)["pid"])
    victims = [psutil.Process(pid).ppid(), pid] if worker else [pid]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, 9)


def messages(run: Run, try_number: int, task_id: str = "reel", map_index: int = -1) -> str:
    """The log of one try, as a person reads it; empty before it has begun."""
    try:
        return run.log(task_id, try_number, map_index)
    except RestError:
        return ""
