"""What arrives at a statsd server and in OpenLineage's file while a real Airflow buys and lands a picture."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.support.statsd import Listener
from tests.system.conftest import HERE, RUN, SETTINGS, SOON, SPEED, eventually, nowhere_in_the_clear
from tools.stack import Stack

PROMPT = "a lake that nobody else knows"


@pytest.fixture
def statsd() -> Iterator[Listener]:
    pytest.importorskip("statsd")
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def measured(statsd: Listener) -> Iterator[Stack]:
    """A stack that sends metrics and lineage."""
    pytest.importorskip("airflow.providers.openlineage")
    home = Path(tempfile.mkdtemp(prefix="vidai-metrics-"))
    transport = {"type": "file", "log_file_path": f"{home}/lineage.json", "append": True}
    settings = {
        **SETTINGS,
        **{f"metrics.{name}": value for name, value in statsd.settings.items()},
        "openlineage.transport": json.dumps(transport),
        # A busy machine takes longer than ten seconds to send it.
        "openlineage.execution_timeout": "60",
        "vidai.prices": json.dumps([{"vendor": "vidgo", "amount": 6, "unit": "credits"}]),
    }
    with Stack(home, dags=HERE / "dags", speed=SPEED, settings=settings) as running:
        yield running
    shutil.rmtree(home)


def lineage(stack: Stack, task: str) -> list[dict[str, Any]]:
    """Return the datasets that OpenLineage has of a task which is complete."""
    file = stack.home / "lineage.json"
    lines = file.read_text().splitlines() if file.exists() else []
    events = [json.loads(line) for line in lines]
    return [
        output
        for event in events
        if event["eventType"] == "COMPLETE" and event["job"]["name"] == task
        for output in event["outputs"]
    ]


def test_a_purchase_and_its_file_arrive_at_statsd_and_in_the_lineage_without_a_secret(
    measured: Stack, statsd: Listener
) -> None:
    Control(measured.sandbox_url).settings(speed=SPEED, vidgo={"short_side": 64})
    dag_id = "vidgo_picture_landed"
    conf = {"mark": PROMPT, "folder": f"{measured.home}/landed"}
    run = measured.api.trigger(dag_id, conf)
    assert run.wait(RUN) == "success"
    result = run.xcom("paid")
    (landed,) = result["files"]

    tags = {"vendor": "vidgo", "kind": "media", "dag": dag_id}
    assert statsd.wait("vidai.landed_bytes", timeout=SOON, **tags) == [landed["bytes"]]
    assert statsd.wait("vidai.bought", timeout=SOON, **tags) == [1]
    millionths = round(result["cost"]["usd"] * 1_000_000)
    assert statsd.wait("vidai.cost_usd_millionths", timeout=SOON, **tags) == [millionths]
    (milliseconds,) = statsd.wait("vidai.ready_after", timeout=SOON, **tags)
    assert milliseconds > 0
    assert statsd.values("vidai.lost") == statsd.values("vidai.failed") == []

    (output,) = eventually("dataset", lambda: lineage(measured, f"{dag_id}.paid"))
    assert (output["namespace"], output["name"]) == ("file", landed["uri"].removeprefix("file://"))
    facet = output["facets"]["vidaiJob"]
    cost = result["cost"]["amount"]
    wanted = {"vendor": "vidgo", "kind": "media", "jobId": result["job_id"], "costAmount": cost}
    assert wanted.items() <= facet.items()

    key = measured.secrets.vendor_key
    ours = [line for line in statsd.lines if "vidai" in line]
    print("\n".join(sorted({line.partition(":")[0] for line in ours})))  # noqa: T201
    for secret in (key, PROMPT, measured.sandbox_url):
        assert not [line for line in statsd.lines if secret in line]
        assert secret not in json.dumps(output)
    # Airflow's own lineage has the run's conf, and with it the prompt.
    nowhere_in_the_clear(measured, key)
