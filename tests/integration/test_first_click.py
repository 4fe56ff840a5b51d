"""A newcomer's first click: each example DAG runs from its own form, with what `make up` provides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.sdk import Param

from airflow_provider_vidai.hooks.vidio import AspectRatio, MusicCategory, VideoCategory
from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag
from tests.support.examples import BUYS
from tools.provide import make_media, served, variables

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def bag() -> Any:
    return dag_bag(DAGS)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make up` fills it, with smaller videos."""
    folder = tmp_path_factory.mktemp("provided")
    make_media(folder, short_side=90)
    return folder


@pytest.fixture
def media(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder, with the Variables that name it."""
    folder = tmp_path / "media"
    shutil.copytree(footage, folder)
    with served(folder) as url:
        for key, (value, _) in variables(folder.as_uri(), url).items():
            monkeypatch.setenv(f"AIRFLOW_VAR_{key.upper()}", value)
        yield folder


def test_every_example_is_clicked_here(bag: Any) -> None:
    assert set(bag.dags) == set(BUYS)


@pytest.mark.slow
@pytest.mark.usefixtures("database", "fast", "ledger", "vidio", "venice", "vidgo", "vizard")
@pytest.mark.parametrize("dag_id", BUYS)
def test_an_example_runs_green_from_its_own_defaults(dag_id: str, control: Control, media: Path) -> None:
    control.settings(vizard={"short_side": 64, "footage": ""})
    dag = dag_bag(DAGS / f"{dag_id}.py").get_dag(dag_id)
    there = {path for path in media.rglob("*") if path.is_file()}

    # What a person approves is marked as approved; tests/system has a person approve over Airflow's API.
    run = dag.test(logical_date=datetime.now(timezone.utc), mark_success_pattern="approve")

    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]
    buys, folder = BUYS[dag_id]
    bought = sorted(f"{one['vendor']} {one['kind']}" for one in control.purchases())
    assert bought == buys or (buys is None and {*bought} == {"vizard caption", "vizard project"})
    landed = {path for path in media.rglob("*") if path.is_file()} - there
    assert landed
    assert {path.relative_to(media).parts[0] for path in landed} == {folder}
    manifests = [path for path in landed if path.suffix == ".jsonl"]
    assert bool(manifests) == (dag_id == "venice_batch")
    lines = [json.loads(line) for path in manifests for line in path.read_text().splitlines()]
    assert {line["state"] for line in lines} <= {"landed"}
    assert len(landed) == len(lines) + 1 or not manifests


@pytest.mark.slow
@pytest.mark.usefixtures("database", "fast", "vidio", "vizard")
@pytest.mark.parametrize("dag_id", ["vidio_nightly_batch", "vizard_watch_folder"])
def test_a_scheduled_example_runs_green_without_a_logical_date(
    dag_id: str, control: Control, media: Path
) -> None:
    control.settings(vizard={"short_side": 64})
    run = dag_bag(DAGS / f"{dag_id}.py").get_dag(dag_id).test(logical_date=None)
    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]
    buys, folder = BUYS[dag_id]
    assert sorted(f"{one['vendor']} {one['kind']}" for one in control.purchases()) == buys
    assert any((media / folder).rglob("*.mp4"))


def fields(bag: Any) -> Iterator[tuple[str, str, Param]]:
    for dag in bag.dags.values():
        for name in dag.params:
            yield dag.dag_id, name, dag.params.get_param(name)


def test_every_field_of_a_form_has_a_title_and_its_default_is_valid(bag: Any) -> None:
    for dag_id, name, param in fields(bag):
        assert param.schema.get("title"), (dag_id, name)
        param.resolve()


def test_a_choice_is_a_list_of_texts_and_never_a_switch_with_three_positions(bag: Any) -> None:
    for dag_id, name, param in fields(bag):
        types = param.schema.get("type", [])
        assert types != ["null", "boolean"], (dag_id, name)
        if choices := param.schema.get("enum"):
            assert None not in choices, (dag_id, name)
            assert types == "string", (dag_id, name)
        for value in param.schema.get("values_display", {}).values():
            assert value[0] == value[0].upper(), (dag_id, name, value)


def test_several_choices_of_a_list_are_picked_and_not_typed(bag: Any) -> None:
    lists = {
        (dag_id, name): param.schema
        for dag_id, name, param in fields(bag)
        if "enum" in param.schema.get("items", {})
    }
    assert ("vizard_clip_factory", "prefer_length") in lists
    for schema in lists.values():
        assert schema["examples"] == schema["items"]["enum"] == [*schema["values_display"]]


def test_the_forms_choices_are_all_that_the_vendor_knows(bag: Any) -> None:
    params = bag.dags["vidio_highlight_reel"].params
    for name, values in (
        ("video_category", get_args(VideoCategory)),
        ("aspect_ratio", get_args(AspectRatio)),
        ("music_category", ("none", *get_args(MusicCategory))),
    ):
        schema = params.get_param(name).schema
        assert tuple(schema["enum"]) == tuple(schema["values_display"]) == values


def test_a_field_for_a_place_says_what_an_empty_one_means(bag: Any) -> None:
    places = {"footage", "pictures", "prompts", "destination"}
    found = [(dag_id, name, param) for dag_id, name, param in fields(bag) if name in places]
    assert len(found) >= 10
    for dag_id, name, param in found:
        assert param.value is None, (dag_id, name)
        assert "the Variable vidai_media" in str(param.description), (dag_id, name)


def test_dags_and_tasks_have_names_for_people_and_are_explained(bag: Any) -> None:
    for dag in bag.dags.values():
        assert dag.dag_display_name != dag.dag_id
        assert dag.description
        assert "\n" not in dag.description
        for one in dag.tasks:
            assert one.task_display_name != one.task_id, (dag.dag_id, one.task_id)
            assert one.doc_md, (dag.dag_id, one.task_id)


def test_every_mapped_task_is_named_by_what_it_works_on(bag: Any) -> None:
    mapped = [
        (dag.dag_id, one) for dag in bag.dags.values() for one in dag.tasks if hasattr(one, "partial_kwargs")
    ]
    assert len(mapped) >= 13
    for dag_id, one in mapped:
        assert one.partial_kwargs.get("map_index_template"), (dag_id, one.task_id)
