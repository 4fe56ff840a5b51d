"""Mapped tasks are listed by what they make, and their files are named after it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow import settings

from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag

DAG = """
from airflow.sdk import DAG
from airflow_provider_vidai.operators.vidgo import VidgoDownloadOperator, VidgoGenerateOperator

with DAG("titles", schedule=None, render_template_as_native_obj={native}):
    made = VidgoGenerateOperator.partial(
        task_id="made", model="gpt-4o-image", poll_interval=0.05, {more}
    ).expand(input=[{{"prompt": prompt, "size": "1:1"}} for prompt in {prompts!r}])
    VidgoDownloadOperator.partial(task_id="landed", destination={destination!r}).expand(job=made.output)
"""


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the DAG; return the labels of each task's mapped instances, in order."""
    (tmp_path / "dags").mkdir()
    monkeypatch.setattr(settings, "DAGS_FOLDER", str(tmp_path / "dags"))

    def run(prompts: list[str], *, more: str = "", native: bool = False) -> dict[str, list[str]]:
        destination = f"{tmp_path.as_uri()}/landed/"
        text = DAG.format(prompts=prompts, more=more, native=native, destination=destination)
        (tmp_path / "dags" / "titles.py").write_text(text)
        ran = dag_bag(tmp_path / "dags" / "titles.py").get_dag("titles").test()
        assert ran.state == "success", [(ti.task_id, ti.state) for ti in ran.get_task_instances()]
        found: dict[str, list[str]] = {}
        for instance in sorted(ran.get_task_instances(), key=lambda one: one.map_index):
            found.setdefault(instance.task_id, []).append(instance.rendered_map_index)
        return found

    return run


@pytest.mark.usefixtures("database", "vidgo")
def test_a_mapped_item_and_its_file_are_called_by_the_prompts_first_words(
    labels: Any, control: Control, tmp_path: Path
) -> None:
    control.settings(speed=1000)
    found = labels(["A red fox: in the snow", "A lake + a boat"])
    assert found["made"] == ["A red fox: in the snow", "A lake + a boat"]
    assert found["landed"] == found["made"], "the title travels with the job"
    names = sorted(path.name for path in (tmp_path / "landed").iterdir())
    assert [name.rpartition("-0.")[0][:14] for name in names] == ["a-lake-a-boat-", "a-red-fox-in-t"]
    assert not any(re.search(r"[:+\s]", name) for name in names)


@pytest.mark.usefixtures("database", "vidgo")
def test_the_dags_own_template_wins(labels: Any, control: Control) -> None:
    control.settings(speed=1000)
    own = "map_index_template='{{ task.input.prompt[:3] }}'"
    assert labels(["A red fox", "A lake"], more=own)["made"] == ["A r", "A l"]


@pytest.mark.usefixtures("database", "vidgo")
def test_a_prompt_that_reads_as_a_number_fails_no_dag_with_native_objects(
    labels: Any, control: Control
) -> None:
    control.settings(speed=1000)
    assert labels(["2026", "A lake"], native=True)["made"] == ["“2026”", "A lake"]
