"""Every example DAG on Celery, by schedule and by hand, with all of its files on S3.

Part of ``make test-celery ALL=1``. No DAG is changed: where they read and write is in Variables.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.support.examples import BUYS
from tests.system.conftest import BACKEND, EXAMPLES, RUN, SPEED, answer, asked, eventually
from tools.celery import WORKERS, CeleryStack
from tools.provide import make_media, variables
from tools.rest import Run

pytestmark = pytest.mark.skipif(BACKEND != "celery", reason="runs on Celery only: make test-celery")

Way = Literal["scheduled", "by-hand"]
SCHEDULED = ("vidio_nightly_batch", "vizard_watch_folder")
#: They ask a person.
APPROVED = ("venice_text_to_video", "venice_until_good")
#: The first half of the pipeline, and the second one, which starts when a picture lands.
PAINTS, MOVES = "vidgo_new_pictures", "venice_new_pictures_move"
MADE = frozenset({".mp4", ".jpg", ".png", ".webp", ".mp3", ".wav"})


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The footage of `make up`, in small."""
    folder = tmp_path_factory.mktemp("provided")
    make_media(folder, short_side=90)
    return folder


@pytest.fixture(scope="module")
def scheduled(stack: CeleryStack, media: Path) -> dict[str, Run]:
    """Run the scheduled DAGs by their schedules, to their end."""
    _small(stack)
    _provide(stack, media, "scheduled")
    for dag_id in SCHEDULED:
        stack.api.wait_for_dag(dag_id)
        stack.api.call("PATCH", f"dags/{dag_id}", body={"is_paused": False})
    runs = {}
    for dag_id in SCHEDULED:
        found = functools.partial(_runs, stack, dag_id, "scheduled")
        runs[dag_id] = eventually(f"scheduled run of {dag_id}", found)[0]
    for run in runs.values():
        run.wait(RUN)
    return runs


def _small(stack: CeleryStack) -> None:
    vizard = {"creates_per_minute": 0, "creates_per_hour": 0, "footage": "", "short_side": 64}
    vidgo = {"uploads_per_minute": 0, "short_side": 64}
    Control(stack.sandbox_url).settings(speed=SPEED, venice={"short_side": 64}, vizard=vizard, vidgo=vidgo)


def _provide(stack: CeleryStack, media: Path, way: Way) -> None:
    """Put the footage into a folder of the bucket, and let the Variables name that."""
    stack.s3.put(media, f"{way}/")
    there = {one["key"] for one in stack.api.collect("variables", "variables")}
    for key, (value, _) in variables(f"s3://aws_default@{stack.s3.bucket}/{way}", None).items():
        method, path = ("PATCH", f"variables/{key}") if key in there else ("POST", "variables")
        stack.api.call(method, path, body={"key": key, "value": value})


def _runs(stack: CeleryStack, dag_id: str, run_type: str) -> list[Run]:
    found = stack.api.collect(f"dags/{dag_id}/dagRuns", "dag_runs", run_type=run_type)
    return [Run(stack.api, dag_id, one["dag_run_id"]) for one in found]


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def landed(stack: CeleryStack, run: Run, way: Way) -> set[str]:
    """Return the keys of the files that a run says it has written, also in the manifest of a batch."""
    folder = re.compile(rf"s3://(?:[^@/]*@)?{stack.s3.bucket}/({way}/{BUYS[run.dag_id][1]}/.*[^/])$")

    def keys(value: Any) -> set[str]:
        return {match[1] for text in texts(value) if (match := folder.match(text))}

    found = set[str]()
    for one in run.xcoms():
        if one["key"] == "return_value":
            found |= keys(run.xcom(one["task_id"], map_index=one["map_index"]))
    for manifest in [key for key in found if key.endswith(".jsonl")]:
        body = stack.s3.client().get_object(Bucket=stack.s3.bucket, Key=manifest)["Body"].read()
        found |= keys([json.loads(line) for line in body.splitlines()])
    return found


def check(stack: CeleryStack, runs: dict[str, Run], way: Way) -> None:
    """Assert that all runs are green, and that what they wrote is in the bucket and on no local disk."""
    in_bucket = {*stack.s3.keys(f"{way}/")}
    for dag_id, run in runs.items():
        states = {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in run.tasks()}
        assert run.state == "success", (dag_id, states)
        files = landed(stack, run, way)
        assert {Path(file).suffix for file in files} & MADE, (dag_id, files)
        assert files <= in_bucket, dag_id
    homes = [stack.home.parent / name for name in (*WORKERS, "triggerer", "triggerer-2")]
    assert all(home.is_dir() for home in homes)
    assert [path for home in homes for path in home.rglob("*") if path.suffix in MADE] == []


def test_the_scheduled_examples_run_by_schedule_on_s3(stack: CeleryStack, scheduled: dict[str, Run]) -> None:
    check(stack, scheduled, "scheduled")
    book = Control(stack.sandbox_url).purchases()
    assert {"vidio reel", "vidio render", "vizard project"} <= {kind(one) for one in book}


def kind(purchase: dict[str, Any]) -> str:
    return f"{purchase['vendor']} {purchase['kind']}"


@pytest.mark.usefixtures("scheduled")
def test_all_examples_run_by_hand_from_their_defaults_on_s3_and_landed_files_start_the_next_dag(
    stack: CeleryStack, media: Path
) -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*BUYS}
    _small(stack)
    _provide(stack, media, "by-hand")
    before = len(Control(stack.sandbox_url).purchases())
    runs = {dag_id: stack.api.trigger(dag_id) for dag_id in BUYS if dag_id != PAINTS}
    for dag_id in APPROVED:
        asked(runs[dag_id])
        answer(runs[dag_id], "Approve")
    for dag_id, run in runs.items():
        assert run.wait(RUN) == "success", (dag_id, {task["task_id"]: task["state"] for task in run.tasks()})
    # By now the watcher of the second half has seen the folder empty: it leaves alone what was there before.
    runs[PAINTS] = stack.api.trigger(PAINTS)
    assert runs[PAINTS].wait(RUN) == "success"
    pictures = len(runs[PAINTS].xcom("orders"))

    def moving() -> list[Run] | None:
        # Pictures that land apart may start a run each.
        found = _runs(stack, MOVES, "asset_triggered")
        ended = all(run.state == "success" for run in found)
        return found if ended and sum(len(run.xcom("pictures")) for run in found) == pictures else None

    for run in eventually("videos of the new pictures", moving, RUN):
        check(stack, {MOVES: run}, "by-hand")
    check(stack, runs, "by-hand")
    bought = Counter(map(kind, Control(stack.sandbox_url).purchases()[before:]))
    factory = Counter({"vizard project": 1, "vizard caption": bought["vizard caption"]})
    first_click = sum((Counter(buys) for buys, _ in BUYS.values() if buys), factory)
    assert bought == first_click + Counter({"venice generate": pictures})
