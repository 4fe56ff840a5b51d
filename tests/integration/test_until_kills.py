"""Whatever is killed while attempts are made, no attempt is bought twice, and the total is never exceeded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowFailException
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.quality.checks import Checks
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.task_groups.attempts import all_records
from airflow_provider_vidai.task_groups.generate import generate_until_good
from tests.integration.conftest import KEPT, VIDEO
from tests.support.kills import Killed, Killer, drive, killer_for
from tests.support.task import Task

pytestmark = [
    pytest.mark.usefixtures("venice", "hurry"),
    pytest.mark.media,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("VIDAI_EXPLORE"), reason="`make explore` runs these: ten minutes"),
]

#: The first attempt is too short, the second is good; their prices add up to 1.65 USD, and no third one fits.
LIMIT = 1.7
#: (whether the trigger waits, whether the purchases are recorded in object storage)
WAYS = {"deferred": (True, False), "waiting, in object storage": (False, True)}


@pytest.fixture
def killer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killer]:
    found = killer_for(tmp_path, monkeypatch)
    yield found
    found.disarm()


def until(folder: Path, *, deferrable: bool) -> Task:
    def make() -> Any:
        return generate_until_good(
            make=VeniceVideoOperator(
                task_id="video",
                **VIDEO,
                poll_interval=0.2,
                deferrable=deferrable,
                download_to=f"{folder}/landed/",
            ),
            check=Checks(min_seconds=8),
            max_total=LIMIT,
            vary={"duration": [5, 10]},
            keep="best",
        )

    return Task(make)


def settled_by_a_person(task: Task, control: Control) -> None:
    """Record what the vendor has of a purchase of unknown outcome, and clear the task."""
    maker = task.operator._with(task.operator._given("request"))
    made = all_records(task.context(), maker, most=1)
    ((number, entry, record),) = [one for one in made if one[2].receipt is None]
    arrived = control.purchases("venice")[number - 1 :]
    if arrived:
        ref = JobRef(
            vendor="venice",
            conn_id="venice_default",
            job_id=arrived[0]["job_id"],
            kind="generate",
            params={"model": VIDEO["model"]},
        )
        receipt = Receipt(ref=ref, cost=record.cost)
        entry.write(record.model_copy(update={"phase": "bought", "receipt": receipt}))
    else:
        entry.write(None)
    task.clear()


def durations(control: Control) -> list[str]:
    return [one["request"]["duration"] for one in control.purchases("venice")]


@pytest.mark.parametrize("way", WAYS)
def test_killed_anywhere_no_attempt_is_bought_twice_and_the_total_is_kept(
    way: str, control: Control, killer: Killer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferrable, storage = WAYS[way]
    killed: list[str] = []
    stopped: list[str] = []
    number, ended = 0, False
    limits = {"queue_per_minute": 0, "retrieve_per_minute": 0, "error_budget": 0}
    while not ended:
        number += 1
        folder = tmp_path / str(number)
        if storage:
            monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(folder / "ledger"))
        control.reset()
        control.settings(venice={**limits, "short_side": 64, "media_ttl": KEPT})
        task = until(folder, deferrable=deferrable).retry()
        killer.arm(number)
        try:
            result = drive(task, killer)
            ended = True
        except Killed as place:
            killed.append(str(place))
            killer.revive()
            assert len(durations(control)) <= 2
            try:
                result = drive(task.retry(), killer)
            except AirflowFailException as error:
                stopped.append(str(error))
                settled_by_a_person(task, control)
                result = drive(task, killer)
        killer.revive()
        task.check(result)
        assert durations(control) == ["5s", "10s"], killed[-1:]
        assert sum(one["amount"] for one in control.purchases("venice")) <= LIMIT
        assert [one["cost"]["usd"] for one in result["attempts"]] == [0.55, 1.1]
        assert (result["attempt"], result["total"]["usd"], result["good"]) == (2, 1.65, True)
        assert [Path(file["path"].removeprefix("file://")).exists() for file in result["files"]] == [True]
        assert len(list((folder / "landed").glob("*.mp4"))) == 1
    assert len(killed) >= 28, killed
    assert all("its outcome is unknown" in error for error in stopped)
    # Of the two attempts, only between the intent and its receipt.
    assert 2 <= len(stopped) <= 12
