"""Many requests in one task, against the sandbox: purchase, waiting, landing, manifest, failures, retries."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.batch.operators import (
    VeniceBatchOperator,
    VidgoBatchOperator,
    VizardBatchOperator,
)
from airflow_provider_vidai.batch.trigger import BatchTrigger, packed, unpacked
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.sandbox.client import Control
from tests.support.task import Task

pytestmark = pytest.mark.slow

COMMON = {"model": "gpt-4o-image", "size": "1:1"}


@pytest.fixture(autouse=True)
def _ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))


@pytest.fixture
def batch_of(vidgo: VidgoHook, tmp_path: Path) -> Any:
    """Make the task that buys a picture for each request."""

    def make(requests: Any, **changes: Any) -> Task:
        arguments = {
            "task_id": "batch",
            "common": COMMON,
            "download_to": f"{tmp_path}/out/",
            "poll_interval": 0.05,
            **changes,
        }
        return Task(lambda: VidgoBatchOperator(requests=requests, **arguments))

    return make


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"lake number {number}"} for number in range(count)]


def manifest_of(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(result["manifest"].removeprefix("file://")).read_text().splitlines()]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").glob("*.png"))


def states(result: Any) -> Counter[str]:
    return Counter(str(line["state"]) for line in manifest_of(result))


def bought(control: Control) -> list[dict[str, Any]]:
    return list(control.purchases("vidgo"))


# --- the whole way ------------------------------------------------------------------------------


def test_each_request_becomes_a_file_and_a_line_of_the_manifest(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    asset = Asset("campaign")
    task = batch_of(prompts(12), outlets=[asset])
    result = task.run()
    lines = manifest_of(result)
    assert [line["request"] for line in lines] == list(range(1, 13))
    assert {line["job"]["job_id"] for line in lines} == {one["job_id"] for one in bought(control)}
    assert states(result) == {"landed": 12}
    assert len(pictures(tmp_path)) == 12
    assert {result[name] for name in ("requests", "bought", "ready", "landed")} == {12}
    assert task.instance.xcoms["progress"]["words"].startswith("12 of 12 landed, 12 bought, 0 failed")
    assert task.instance.xcoms["manifest"] == result["manifest"]
    assert len(task.instance.xcoms["media"]["files"]) == 12
    assert [file["uri"] for file in task.outlet_events[asset].extra["files"]] == [result["manifest"]]
    assert {one["request"]["input"]["prompt"] for one in bought(control)} == {
        one["prompt"] for one in prompts(12)
    }
