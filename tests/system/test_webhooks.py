"""Vendors' calls that are lost, doubled, early, forged and out of order, while components die."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from airflow_provider_vidai.hooks.webhook import Webhook
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.hint import Hint
from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import HERE, RUN, SETTINGS, eventually
from tools.rest import Run
from tools.settings import choose_port
from tools.stack import Stack

#: How many jobs; it was also shown with more.
JOBS = int(os.environ.get("VIDAI_WEBHOOK_JOBS", "20"))
#: The share of the calls with which something goes wrong; those about the other jobs are as they should be.
MISHAPS = {"lost": 0.1, "doubled": 0.1, "early": 0.1, "forged": 0.05, "reordered": 0.05, "delayed": 0.05}
#: Seconds for which the jobs are waited for, at most.
LONG = max(RUN, 10.0 * JOBS)
SECRET = secrets.token_hex(32)


@pytest.fixture(scope="module")
def called() -> Iterator[Stack]:
    """A stack with webhooks on."""
    home = Path(tempfile.mkdtemp(prefix="vidai-webhooks-"))
    port = choose_port()
    settings = {
        **SETTINGS,
        "vidai.webhook_secret": SECRET,
        "vidai.webhook_base_url": f"http://127.0.0.1:{port}",
        "vidai.poll_with_webhook": "60",
    }
    with Stack(home, dags=HERE / "dags", speed=0.0, settings=settings, ui_port=port) as running:
        yield running
    shutil.rmtree(home)


def states(run: Run) -> Counter[str]:
    return Counter(task["state"] for task in run.tasks() if task["task_id"] == "paid")


def test_whatever_happens_to_the_calls_every_job_is_bought_once_and_every_task_succeeds(
    called: Stack,
) -> None:
    sandbox = Control(called.sandbox_url)
    sandbox.settings(speed=0, vidgo={"short_side": 64})
    for what, share in MISHAPS.items():
        for _ in range(round(share * JOBS)):
            sandbox.fault("vidgo", "callback", "callback", what=what, seconds=20)
    began = time.monotonic()
    run = called.api.trigger("called", {"count": JOBS})
    eventually(f"{JOBS} deferred tasks", lambda: states(run)["deferred"] == JOBS, LONG)
    called.kill("triggerer")
    sandbox.advance(3600)
    eventually("a resumed task", lambda: states(run)["success"] > 0, RUN)
    called.kill("api-server")
    called.restart("api-server")
    called.restart("triggerer")

    assert run.wait(LONG) == "success"
    purchases = sandbox.purchases("vidgo")
    tries = Counter(task["try_number"] for task in run.tasks() if task["task_id"] == "paid")
    checks = len(sandbox.calls("vidgo", "status"))
    print(  # noqa: T201 - the numbers are the proof
        f"\n{JOBS} jobs in {time.monotonic() - began:.0f} s: {len(purchases)} bought, "
        f"{checks} status checks, tries {dict(tries)}"
    )
    assert len(purchases) == sum(tries.values()) == JOBS
    # So does Airflow call it when a task that was woken too soon fails.
    scheduler = (called.home / "logs" / "scheduler.log").read_text()
    assert "executor reported" not in scheduler.lower()


def test_hostile_calls_wake_nobody_and_leave_the_api_server_well(called: Stack) -> None:
    sandbox = Control(called.sandbox_url)
    sandbox.settings(speed=0)
    run = called.api.trigger("called", {"count": 1, "mark": "hostile"})
    eventually("a deferred task", lambda: states(run)["deferred"] == 1, RUN)
    before = len(sandbox.calls("vidgo", "status"))
    hint = Hint(vendor="vidgo", task=TaskKey("called", run.run_id, "paid", 0), purchase="not this one")
    forged = Webhook("f" * 32, called.url).url(hint) or ""
    other = Webhook(SECRET, called.url).url(hint) or ""
    answers: Counter[int] = Counter()
    with httpx.Client(trust_env=False, timeout=30) as client:
        for _ in range(250):
            answers[client.post(forged, content=b'{"status": "finished"}').status_code] += 1
            answers[client.post(other, content=b"\xff" * 1000).status_code] += 1
        assert client.post(other, content=b"x" * (2 << 20)).status_code == 413
    assert answers == {404: 250, 204: 250}
    time.sleep(10)
    assert states(run) == {"deferred": 1}
    assert len(sandbox.calls("vidgo", "status")) == before
    sandbox.settings(speed=1000)
    sandbox.advance(3600)
    assert run.wait(RUN) == "success"
