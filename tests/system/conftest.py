"""A real Airflow with the sandbox, shared by all system tests of a session."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from airflow_provider_vidai.sandbox.client import Control
from tools.rest import RestError, Run
from tools.stack import Stack

T = TypeVar("T")
MEDIA = Path(__file__).resolve().parent.parent / "media" / "big_buck_bunny_5s.mp4"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        # A worker that died with its task is noticed after this long instead of minutes.
        "scheduler.task_instance_heartbeat_timeout": "12",
        "scheduler.task_instance_heartbeat_timeout_detection_interval": "3",
    }
    dags = Path(__file__).parent / "dags"
    with Stack(tmp_path_factory.mktemp("airflow"), dags=dags, speed=20.0, settings=settings) as running:
        yield running


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[Control]:
    control = Control(stack.sandbox_url)
    yield control
    control.clear_faults()


@pytest.fixture
def footage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of a freshly uploaded clip, so that each test finds its own purchases in the book."""
    from airflow_provider_vidai.hooks.vidio import VidioHook

    for name, value in stack.env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    return str(VidioHook().upload(str(MEDIA))["input_key"])


def eventually(what: str, look: Callable[[], T | None], timeout: float = 60.0) -> T:
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


def kill_task(run: Run, task_id: str, *, worker: bool = False) -> None:
    """SIGKILL the process of a running task; with ``worker`` also the one that supervises it."""
    pid = eventually("pid of the task", lambda: run.task(task_id)["pid"])
    victims = [psutil.Process(pid).ppid(), pid] if worker else [pid]
    for victim in victims:
        os.kill(victim, 9)


def messages(run: Run, task_id: str, try_number: int) -> str:
    """The log of one try, as a person reads it; empty before it has begun."""
    try:
        return run.log(task_id, try_number)
    except RestError:
        return ""
