"""The DAGs and tests that the README and the documentation show run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag
from tests.support.pages import PROJECT, Block, blocks
from tests.support.videos import picture, talk, video

DAGS = {block.dag_id: block for block in blocks() if block.dag_id}
CSV = "model,prompt,size,duration\nnano-banana,a lighthouse,16:9,\nsora-2,waves,,10\n"

#: What each DAG buys, as (vendor, kind) of the account book.
BUYS = {
    "highlight_reel": ["vidio reel", "vidio render"],
    "from_vidio_ai": ["vidio reel", "vidio render"],
    "first_video": ["venice generate"],
    "first_paid_job": ["vidgo media"],
    "first_paid_video": ["venice generate"],
    "csv_batch": ["vidgo media"] * 2,
    "approved_video": ["venice generate"],
    "images_to_videos": ["venice generate"] * 2,
    "youtube_clips": ["vizard project"],
    "several_vendors": ["venice generate", "vidgo media", "vidio reel", "vidio render"],
    "one_image": ["vidgo media"],
    "checked_video": ["venice generate"],
    "until_good": ["venice generate"],
}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """What the DAGs of the pages read, by the names of their params."""
    (tmp_path / "prompts.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "images").mkdir()
    talk(tmp_path / "talk.mp4", 20)  # what the sandbox has at every address of YouTube's
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "images" / name, size=(640, 480))
    return {
        "footage": video(tmp_path / "match.mp4", seconds=12).as_uri(),
        "length": 3,
        "prompts": (tmp_path / "prompts.csv").as_uri(),
        "images": (tmp_path / "images").as_uri(),
        "video_url": "https://www.youtube.com/watch?v=abc",
        "destination": f"{(tmp_path / 'landed').as_uri()}/",
    }


def test_every_whole_dag_of_the_pages_is_run_here() -> None:
    assert set(DAGS) == set(BUYS)


@pytest.mark.usefixtures("database", "vidio", "venice", "vidgo", "vizard", "fast")
@pytest.mark.parametrize("dag_id", BUYS)
def test_a_dag_of_the_pages_runs_as_it_stands_there(
    dag_id: str, control: Control, inputs: dict[str, Any], tmp_path: Path, dags_folder: Path
) -> None:
    control.settings(speed=1000, vizard={"short_side": 64, "footage": str(tmp_path / "talk.mp4")})
    dag = written(DAGS[dag_id], dags_folder)
    conf = {name: value for name, value in inputs.items() if name in dag.params}

    # What a person approves is marked as approved; tests/system has a person approve over Airflow's API.
    run = dag.test(run_conf=conf, mark_success_pattern="approve")

    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]
    assert sorted(f"{one['vendor']} {one['kind']}" for one in control.purchases()) == BUYS[dag_id]
    landed = [path for path in (tmp_path / "landed").rglob("*") if path.is_file()]
    assert landed
    assert all(path.stat().st_size for path in landed)


def written(block: Block, folder: Path) -> Any:
    """Return the DAG of a block, read by Airflow from a file of its own."""
    file = folder / f"{block.dag_id}.py"
    # A retry would come after five minutes: what fails here shall fail at once.
    file.write_text(re.sub(r'"retries": \d+', '"retries": 0', block.code), encoding="utf-8")
    bag = dag_bag(file)
    assert bag.import_errors == {}
    return bag.get_dag(block.dag_id)


def test_the_pages_tests_pass(tmp_path: Path) -> None:
    (test,) = [block for block in blocks() if block.is_test]
    for folder in ("dags", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dags" / "one_image.py").write_text(DAGS["one_image"].code, encoding="utf-8")
    (tmp_path / "tests" / "test_one_image.py").write_text(test.code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "tests"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout
