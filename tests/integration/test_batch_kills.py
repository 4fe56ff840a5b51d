"""A batch of forty requests, killed wherever it writes or sends: nothing is bought or landed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from airflow_provider_vidai._compat import TaskDeferred
from airflow_provider_vidai.batch.operators import VidgoBatchOperator
from airflow_provider_vidai.batch.trigger import BatchTrigger
from airflow_provider_vidai.sandbox.client import Control
from tests.support.processes import Killed, in_a_process
from tests.support.task import Task, first_event, rebuilt, run_fast
from tools.rest import answers
from tools.settings import choose_port

# They fork, which needs a process without threads, and take three minutes.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("VIDAI_EXPLORE"), reason="`make explore` runs these, on their own"),
]

ITEMS = 40
#: After how many visible things each try is killed: while it plans, buys, waits and lands.
DEATHS = (2, 25, 60, 100, 9, 90, 110, 40, 120, 60, 130, 80)


def prompts(count: int) -> list[str]:
    return [f"lake {number}" for number in range(count)]


class Batch:
    """A batch whose tries run in processes of their own."""

    def __init__(self, folder: Path, control: Control) -> None:
        self.folder, self.control = folder, control
        self.file = folder / "requests.jsonl"
        self.write(prompts(ITEMS))
        self.task = Task(
            lambda: VidgoBatchOperator(
                task_id="batch",
                requests=str(self.file),
                common={"model": "gpt-4o-image", "size": "1:1"},
                download_to=f"{folder}/out/",
                poll_interval=0.05,
            ),
            retries=1000,
        )

    def write(self, prompts: list[str]) -> None:
        """Write the file of requests."""
        self.prompts = prompts
        self.file.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in prompts))

    def ends(self, dies_at: int | None = None) -> bool:
        """Run the task's current try; return whether it succeeded, and not failed for what had been lost."""
        failure = in_a_process(self.task.run, self.folder / "answer.json", dies_at)
        assert failure is None or "requests failed, and 0 were not bought" in failure
        return failure is None

    def killed(self, deaths: Iterator[int]) -> int:
        """Kill one try after the other; return how many were killed before they had done all."""
        count = 0
        for dies_at in deaths:
            self.task.retry()
            try:
                self.ends(dies_at)
            except Killed:
                count += 1
            self.nothing_is_bought_twice()
        return count

    def purchases(self) -> Counter[str]:
        """Return how often each prompt was bought."""
        return Counter(one["request"]["input"]["prompt"] for one in self.control.purchases("vidgo"))

    def nothing_is_bought_twice(self) -> None:
        """Check the account book: what was refunded may be bought again."""
        paid = [one for one in self.control.purchases("vidgo") if not one["refunded"]]
        assert set(Counter(one["request"]["input"]["prompt"] for one in paid).values()) <= {1}

    def manifest(self) -> list[dict[str, Any]]:
        """Return the manifest's lines."""
        (path,) = (self.folder / "out").glob("manifest-*.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a sandbox in a process of its own.

    A thread of this process that works for a sandbox could hold a lock while the process forks.
    """
    port = choose_port()
    command = [sys.executable, "-m", "airflow_provider_vidai.sandbox", "--port", str(port), "--speed", "3000"]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path_factory.mktemp("sandbox") / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 120
            while not answers(f"{url}/sandbox/book"):
                assert process.poll() is None
                assert time.monotonic() < until
                threading.Event().wait(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def control(elsewhere: str) -> Control:
    control = Control(elsewhere)
    control.reset()
    # A day of the sandbox's, for which Vidgo keeps files, takes half a minute.
    control.settings(vidgo={"short_side": 64, "file_ttl": 1e9})
    return control


@pytest.fixture
def batch(
    elsewhere: str, control: Control, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Batch:
    connect("vidgo_default", conn_type="vidgo", host=f"{elsewhere}/vidgo", extra={"timeout": 600})
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    return Batch(tmp_path, control)


def deferred_by_a_worker(batch: Batch) -> TaskDeferred:
    """Run the task's next try until it gives its worker back, and return what Airflow stores then."""
    stored = batch.folder / "deferred.json"

    def begin() -> None:
        try:
            batch.task.begin()
        except TaskDeferred as deferred:
            arguments = deferred.trigger.serialize()[1]
            stored.write_text(json.dumps([arguments, deferred.method_name, deferred.kwargs]))

    batch.task.retry()
    assert in_a_process(begin, batch.folder / "answer.json") is None
    arguments, method_name, kwargs = json.loads(stored.read_text())
    return TaskDeferred(trigger=BatchTrigger(**arguments), method_name=method_name, kwargs=kwargs)


def killed_while_it_checks(trigger: BatchTrigger, control: Control, checks: int) -> None:
    """Run a trigger in a process that is killed once it has made a number of status checks."""
    before = len(control.calls("vidgo", "status"))
    child = os.fork()
    if not child:
        try:
            run_fast(first_event(rebuilt(trigger)))
        finally:
            os._exit(0)
    while len(control.calls("vidgo", "status")) < before + checks:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it has ended by itself"
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def settled_by_a_clear(batch: Batch) -> list[dict[str, Any]]:
    """End the batch: a retry ends what can be ended, and a Clear buys what was lost; return the manifest."""
    batch.task.retry()
    if not batch.ends():
        batch.nothing_is_bought_twice()
        batch.task.clear()
        assert batch.ends()
    return batch.manifest()


def check_against_the_account_book(batch: Batch, lines: list[dict[str, Any]], *, landed: bool = True) -> None:
    """Check that the manifest knows of each purchase, and that each file is there once.

    :param landed: whether all requests must have landed.
    """
    book = {one["job_id"] for one in batch.control.purchases("vidgo")}
    known = {line["job"]["job_id"] for line in lines if line["job"]}
    earlier = [one for line in lines for one in line["earlier"]]
    known |= {one["job_id"] for one in earlier} - {None}
    lost = [one for one in (*lines, *earlier) if one["charged"] == "maybe"]
    assert known <= book
    # What was lost may have been bought, or not have arrived: nobody but the book knows.
    assert 0 <= len(book - known) <= len(lost)
    if landed:
        assert [line["state"] for line in lines if not line["removed"]] == ["landed"] * len(batch.prompts)
    pictures = [path.name for path in (batch.folder / "out").glob("*.png")]
    assert len(pictures) == len([line for line in lines if line["files"]])


def test_whenever_it_is_killed_each_request_is_bought_once_and_landed_once(batch: Batch) -> None:
    # How many deaths it takes until nothing is left to do depends on what each of them leaves.
    assert batch.killed(iter(DEATHS)) >= 7
    lines = settled_by_a_clear(batch)
    check_against_the_account_book(batch, lines)
    lost = {line["request"] for line in lines if line["earlier"]}
    twice = {prompt for prompt, count in batch.purchases().items() if count > 1}
    assert twice <= {batch.prompts[number - 1] for number in lost}


def test_killing_only_the_triggerer_loses_and_doubles_nothing(batch: Batch, control: Control) -> None:
    control.settings(speed=1e-9)
    waiting = deferred_by_a_worker(batch)
    for checks in (1, ITEMS + 5):
        killed_while_it_checks(cast(BatchTrigger, waiting.trigger), control, checks)
    assert batch.purchases() == dict.fromkeys(batch.prompts, 1)
    control.settings(speed=3000)

    def resume() -> None:
        batch.task.check(batch.task.resume(waiting))

    assert in_a_process(resume, batch.folder / "answer.json") is None
    check_against_the_account_book(batch, batch.manifest())
    assert batch.purchases() == dict.fromkeys(batch.prompts, 1)


def test_killed_and_edited_between_tries_it_buys_what_is_new_and_reports_what_is_gone(batch: Batch) -> None:
    assert batch.killed(iter((30, 70, 120))) == 3
    batch.write([*batch.prompts[:10], *batch.prompts[12:], "a new lake"])
    assert batch.killed(iter((20, 60))) == 2
    batch.task.clear()
    assert batch.killed(iter((40,))) <= 1
    lines = settled_by_a_clear(batch)
    check_against_the_account_book(batch, lines)
    assert batch.purchases()["a new lake"] >= 1
    gone = {line["request"] for line in lines if line["removed"]}
    assert gone <= {None}


def test_with_failures_lost_answers_and_two_kills_the_manifest_equals_the_account_book(
    batch: Batch, control: Control
) -> None:
    batch.write(prompts(100))
    for number in range(5):
        failure = {"skip": 20 * number + 7, "message": "Generation congested"}
        control.fault("vidgo", "submit", "fail_job", **failure)
    for number in range(2):
        control.fault("vidgo", "submit", "reset", when="after", skip=50 * number + 13)
    assert batch.killed(iter((120, 350))) == 2
    batch.task.retry()
    assert not batch.ends()  # some failed, free of charge or with an unknown outcome
    lines = batch.manifest()
    check_against_the_account_book(batch, lines, landed=False)
    assert {line["state"] for line in lines} == {"landed", "failed"}
    lines = settled_by_a_clear(batch)
    check_against_the_account_book(batch, lines)
    refunded = {one["job_id"] for one in control.purchases("vidgo") if one["refunded"]}
    free = {one["job_id"] for line in lines for one in line["earlier"] if one["charged"] == "refunded"}
    assert free == refunded
    assert len(refunded) >= 4
