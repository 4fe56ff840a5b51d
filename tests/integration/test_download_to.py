"""A paid task that lands its files itself: what goes wrong after the purchase says that it was paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowException, AirflowFailException
from airflow_provider_vidai.operators.vidgo import VidgoDownloadOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.support.task import Task

pytestmark = pytest.mark.usefixtures("vidgo", "hurry")

HOUR = 3600.0


def failing(task: Task, *parts: str, for_good: bool) -> str:
    """Run a task that fails, and return what a person reads."""
    with pytest.raises(AirflowException) as caught:
        task.run()
    said = str(caught.value)
    for part in parts:
        assert part in said
    assert isinstance(caught.value, AirflowFailException) is for_good
    return said


@pytest.mark.parametrize(("status", "for_good"), [(500, False), (400, False)])
def test_files_that_cannot_be_landed_now_are_landed_by_a_retry_or_clear_and_bought_once(
    task_of: Any, control: Control, tmp_path: Path, status: int, for_good: bool
) -> None:
    task = task_of(download_to=f"{tmp_path}/").retry()
    control.fault("vidgo", "status", "status", status=status, skip=1, times=4)
    said = failing(
        task, "is ready, but its files could not be downloaded", "nothing is bought again", for_good=for_good
    )
    assert said.endswith("It was charged.")
    control.clear_faults()
    result = (task.clear() if for_good else task.retry()).run()
    assert [Path(file["uri"]).suffix for file in result["files"]] == [".png"]
    assert len(control.purchases()) == 1


@pytest.mark.parametrize("go_on", [Task.retry, Task.clear])
def test_a_job_that_is_not_there_once_while_it_is_landed_is_not_bought_again(
    task_of: Any, control: Control, tmp_path: Path, go_on: Any
) -> None:
    task = task_of(download_to=f"{tmp_path}/").retry()
    lost = {"detail": "Not found"}
    control.fault("vidgo", "status", "status", status=404, body=lost, skip=1, times=1)
    said = failing(
        task, "files could not be downloaded", "has none of them", "It was charged.", for_good=False
    )
    assert "may have been" not in said
    assert len(go_on(task).run()["files"]) == 1
    assert len(control.purchases()) == 1


def test_several_files_that_do_not_fit_one_name_were_paid_for_all_the_same(
    task_of: Any, control: Control, tmp_path: Path
) -> None:
    task = task_of(asked={"prompt": "a lake", "size": "1:1", "n": 2}, download_to=f"{tmp_path}/one.png")
    failing(task, "end it with '/'", "It was charged.", for_good=True)
    task.make = task_of(asked={"prompt": "a lake", "size": "1:1", "n": 2}, download_to=f"{tmp_path}/").make
    assert len(task.clear().run()["files"]) == 2
    assert len(control.purchases()) == 1


@pytest.mark.parametrize("on_clear", ["fresh", "reuse"])
def test_a_job_whose_files_are_gone_before_they_were_landed_is_bought_again_by_a_clear_alone(
    task_of: Any, control: Control, tmp_path: Path, on_clear: str
) -> None:
    (tmp_path / "full").write_text("a file, where a folder is wanted")
    task = task_of(download_to=f"{tmp_path}/full/x/", on_clear=on_clear).retry()
    failing(task, "It was charged.", for_good=True)
    (tmp_path / "full").unlink()
    kept = task.store.record
    kept["receipt"]["ref"]["params"]["bought_at"] -= 25 * HOUR
    task.store.values["vidai_purchase"] = json.dumps(kept)
    failing(task.retry(), "keeps files for 24 hours", "on_clear='fresh'", "It was charged.", for_good=True)
    assert len(control.purchases()) == 1, "a retry does not buy again"
    if on_clear == "reuse":
        failing(task.clear(), "keeps files for 24 hours", for_good=True)
        assert len(control.purchases()) == 1
    else:
        assert task.clear().run()["state"] == "ready"
        assert len(control.purchases()) == 2


def test_a_template_that_renders_to_nothing_asks_for_nothing(
    task_of: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "files" not in task_of(download_to="None", timeout="None", poll_interval="None").run()
    assert list(tmp_path.iterdir()) == []
    job = task_of().run()
    failing(
        Task(lambda: VidgoDownloadOperator(task_id="d", job=job, destination="None")),
        "destination is required",
        for_good=True,
    )
