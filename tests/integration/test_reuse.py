"""``reuse="same_request"``: operators of different runs share one purchase in the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import VIDEO
from tests.support.books import Of, rows

pytestmark = pytest.mark.slow

QUICK = {"task_id": "made", "poll_interval": 0.05, "deferrable": False, "reuse": "same_request"}


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[vidai] ledger_path`` names."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def image(run: str, prompt: str = "a lake", **more: Any) -> Of:
    return Of(
        lambda: VidgoGenerateOperator(model="nano-banana", input={"prompt": prompt}, **{**QUICK, **more}),
        *("dag", run),
    )


def test_a_later_run_returns_the_landed_files_and_costs_nothing(
    control: Control, vidgo: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first, other = image("a", download_to=f"{tmp_path}/a/"), image("b", download_to=f"{tmp_path}/b/")
    result = first.run()
    again = other.run()
    assert again["files"] == result["files"]
    assert other.instance.xcoms["job_id"] == result["job_id"]
    assert other.retry().run()["files"] == result["files"]
    image("c", prompt="a sea", download_to=f"{tmp_path}/c/").run()
    image("d", download_to=f"{tmp_path}/d/", reuse=None).run()
    assert len(control.purchases()) == len(rows(capsys, "jobs")) == 3


def test_a_task_attaches_to_the_job_that_another_runs_task_waits_for(
    control: Control, venice: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def video(run: str) -> Of:
        return Of(
            lambda: VeniceVideoOperator(
                **VIDEO, **{**QUICK, "deferrable": True}, download_to=f"{tmp_path}/{run}/"
            ),
            *("dag", run),
        )

    first, second = video("a").retry(), video("b").retry()
    with pytest.raises(TaskDeferred) as waits:
        first.begin()
    with pytest.raises(TaskDeferred) as attached:
        second.begin()
    jobs = [
        task.check(task.resume(one.value))["job_id"] for task, one in ((second, attached), (first, waits))
    ]
    assert jobs[0] == jobs[1]
    (row,) = rows(capsys, "spend", "--by", "vendor")
    assert (row["jobs"], row["usd"]) == (1, 0.55)
    assert len(control.purchases()) == 1


def test_a_wrong_word_and_a_missing_ledger_buy_nothing(
    control: Control, vidgo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AirflowException, match="reuse must be 'same_request' or None"):
        image("a", reuse="always").run()
    with pytest.raises(AirflowException, match="reuse_max_age"):
        image("a", reuse_max_age="soon").run()
    monkeypatch.delenv("AIRFLOW__VIDAI__LEDGER_PATH")
    with pytest.raises(AirflowException, match="reuse needs"):
        image("b").run()
    assert control.purchases() == []


def test_a_claim_holds_no_prompt_and_no_key(control: Control, vidgo: Any, ledger: Path) -> None:
    image("a", prompt="a secret lake").run()
    (claim,) = (ledger / "reuse").rglob("*.json")
    assert set(json.loads(claim.read_text())) == {"owner", "nonce", "at", "open"}
