"""The operators as DAG authors meet them, and the example DAGs."""

from __future__ import annotations

import inspect
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, TaskGroup, task

from airflow_provider_vidai.batch.base import BatchOperator
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators import venice, vidgo, vidio, vizard
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.venice import (
    VeniceDownloadOperator,
    VeniceQuoteOperator,
    VeniceReleaseOperator,
    VeniceTranscribeOperator,
    VeniceVideoOperator,
)
from airflow_provider_vidai.operators.vidgo import (
    VidgoDownloadOperator,
    VidgoGenerateOperator,
    VidgoUploadImageOperator,
)
from airflow_provider_vidai.operators.vidio import (
    VidioDownloadOperator,
    VidioHighlightReelOperator,
    VidioRenderOperator,
    VidioUploadOperator,
)
from airflow_provider_vidai.operators.vizard import (
    VizardCaptionOperator,
    VizardClipsOperator,
    VizardDownloadOperator,
    VizardPublishOperator,
)
from airflow_provider_vidai.quality.checks import Checks
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from airflow_provider_vidai.task_groups.generate import generate_until_good
from airflow_provider_vidai.task_groups.until import GenerateUntilGoodOperator
from tests.support.dags import dag_bag, stored

DAGS = Path(__file__).parents[2] / "dags"

#: What each class must be given; none of it exists, so that a constructor that reads it would fail.
REQUIRED: dict[type[BaseOperator], dict[str, Any]] = {
    VidioUploadOperator: {"source": "s3://nowhere/a.mp4"},
    VidioHighlightReelOperator: {
        "input_keys": ["uploads/x/a.mp4"],
        "video_category": "no such category",
        "output_length": -5,
        "aspect_ratio": "round",
    },
    VidioRenderOperator: {"job": "no such job"},
    VidioDownloadOperator: {"job": "no such job", "destination": "nosuch://x/"},
    VidioJobSensor: {"job": "no such job"},
    VeniceQuoteOperator: {"model": "no such model"},
    VeniceVideoOperator: {"model": "no such model", "duration": -5, "image_url": "nosuch://x"},
    VeniceDownloadOperator: {"job": "no such job", "destination": "nosuch://x/"},
    VeniceReleaseOperator: {"job": "no such job"},
    VeniceTranscribeOperator: {"url": "nosuch://x"},
    VeniceVideoSensor: {"job": "no such job"},
    VizardClipsOperator: {"video_url": "nosuch://x", "prefer_length": ["long"], "max_clips": -5},
    VizardDownloadOperator: {"clip": "no such clip", "destination": "nosuch://x/"},
    VizardCaptionOperator: {"clip": "no such clip", "tone": "loud"},
    VizardPublishOperator: {"clip": "no such clip", "social_account_id": "none", "dry_run": "perhaps"},
    VizardProjectSensor: {"job": "no such job"},
    VidgoGenerateOperator: {"model": "no such model", "input": {"image_urls": ["nosuch://x"]}},
    VidgoDownloadOperator: {"job": "no such job", "destination": "nosuch://x/"},
    VidgoUploadImageOperator: {"source": "nosuch://x"},
    VidgoTaskSensor: {"job": "no such job"},
}
SENSORS = {VidioJobSensor, VeniceVideoSensor, VizardProjectSensor, VidgoTaskSensor}
each = pytest.mark.parametrize("kind", REQUIRED, ids=lambda kind: kind.__name__)


def conn_id_of(kind: Any) -> str:
    return f"{kind.hook_class.vendor_name}_conn_id"


def test_every_public_operator_is_examined_here() -> None:
    public = {
        thing
        for module in (vidio, venice, vizard, vidgo)
        for name, thing in vars(module).items()
        if isinstance(thing, type)
        and issubclass(thing, BaseOperator)
        and thing.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert public == set(REQUIRED) - SENSORS


@each
def test_every_template_field_is_an_attribute(kind: type[BaseOperator]) -> None:
    operator = kind(task_id="t", **REQUIRED[kind])
    for name in operator.template_fields:
        assert hasattr(operator, name), name


@each
def test_what_a_user_sets_for_the_vendor_is_a_template_field(kind: type[BaseOperator]) -> None:
    own = {
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert own <= set(kind.template_fields)


@each
def test_a_constructor_does_no_work(kind: type[BaseOperator], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_VIDIO_DEFAULT", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_VENICE_DEFAULT", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_VIZARD_DEFAULT", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_VIDGO_DEFAULT", raising=False)
    operator = kind(task_id="t", **{conn_id_of(kind): "no_such_connection"}, **REQUIRED[kind])
    for name, value in REQUIRED[kind].items():
        assert getattr(operator, name) is value


@each
def test_arguments_are_by_keyword_only_and_unknown_ones_refused(kind: type[BaseOperator]) -> None:
    with pytest.raises(TypeError):
        kind("t", *REQUIRED[kind].values())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        kind(task_id="t", colour="red", **REQUIRED[kind])


@each
def test_templates_are_rendered(kind: type[BaseOperator]) -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        operator = kind(task_id="t", **{**REQUIRED[kind], conn_id_of(kind): "team_{{ team }}"})
    operator.render_template_fields({"team": "b"})
    assert getattr(operator, conn_id_of(kind)) == "team_b"


@each
def test_an_operator_can_be_mapped_and_the_dag_serialised(kind: type[BaseOperator]) -> None:
    field, value = next(iter(REQUIRED[kind].items()))
    rest = {name: given for name, given in REQUIRED[kind].items() if name != field}

    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as dag:

        @task
        def values() -> list[Any]:
            return [value]

        kind.partial(task_id="literal", retries=3, **rest).expand(**{field: [value, value]})
        kind.partial(task_id="computed", **rest).expand(**{field: values()})
        kind(task_id="plain", **REQUIRED[kind])
    assert {"literal", "computed", "plain"} <= set(stored(dag).task_dict)


def test_whatever_lands_files_can_have_them_checked() -> None:
    landing = {kind for kind in REQUIRED if {"download_to", "destination"} & _accepts(kind)}
    assert len(landing) == 9
    assert all("check" in _accepts(kind) for kind in landing)


def _accepts(kind: type[BaseOperator]) -> set[str]:
    parents = [one for one in kind.__mro__ if one.__module__.startswith("airflow_provider_vidai")]
    makers: list[Any] = [vars(one)["__init__"] for one in parents if "__init__" in vars(one)]
    return {name for made in makers for name in inspect.signature(made).parameters}


def test_results_go_from_operator_to_operator() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        upload = VidioUploadOperator.partial(task_id="upload").expand(source=["a.mp4", "b.mp4"])
        reel = VidioHighlightReelOperator(
            task_id="reel",
            input_keys=upload.output,
            video_category="others",
            output_length=30,
            aspect_ratio="square",
        )
        render = VidioRenderOperator(task_id="render", job=reel.output)
        VidioDownloadOperator(task_id="download", job=render.output, destination="out/")
    assert [dag.get_task(name).upstream_task_ids for name in ("reel", "render", "download")] == [
        {"upload"},
        {"reel"},
        {"render"},
    ]


@pytest.fixture(scope="module")
def bag() -> Any:
    return dag_bag(DAGS)


def test_the_example_dags_import_without_errors(bag: Any) -> None:
    assert bag.import_errors == {}
    assert {path.stem for path in DAGS.glob("*.py")} == set(bag.dags)


def test_the_example_dags_are_explained_and_wait_in_the_triggerer(bag: Any) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md
        assert dag.tags
        # A task that makes attempts has the operator that buys each of them.
        made = [(one, getattr(one, "make", one)) for one in dag.tasks]
        buyers = [(one, buyer) for one, buyer in made if issubclass(_class(buyer), JobOperator)]
        # A batch always waits in the triggerer.
        batches = [one for one in dag.tasks if issubclass(_class(one), BatchOperator)]
        assert buyers or batches
        assert all(one.retries for one in batches)
        for one, buyer in buyers:
            given = buyer.partial_kwargs if hasattr(buyer, "partial_kwargs") else vars(buyer)
            assert given["deferrable"], one.task_id
            assert one.retries, "a paid job that was not waited for to its end is waited for again"


def _class(one: Any) -> type:
    return one.operator_class if hasattr(one, "partial_kwargs") else type(one)


# --- attempts in a DAG ------------------------------------------------------------------------


def attempts(**video: Any) -> GenerateUntilGoodOperator:
    maker = VeniceVideoOperator(
        task_id="video", **{"model": "m", "prompt": "a fox", "download_to": "x/", "retries": 5, **video}
    )
    return generate_until_good(make=maker, check=Checks(), vary={"prompt": ["a", "b"]})


def test_what_makes_attempts_is_no_task_and_its_task_is_named_like_it() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1), default_args={"pool": "paid"}) as dag:

        @task
        def wish() -> str:
            return "a lake"

        first = wish()
        explicit = attempts(negative_prompt=first, task_display_name="Video")
        with TaskGroup("scene"):
            attempts()
        late = generate_until_good(
            make=lambda: VeniceVideoOperator(task_id="late", model="m", download_to="x/"), check="tiktok"
        )
        explicit >> late
    assert set(dag.task_dict) == {"wish", "video", "scene.video", "late"}
    assert {type(dag.get_task(name)) for name in ("video", "late")} == {GenerateUntilGoodOperator}
    assert (explicit.retries, explicit.pool, explicit.task_display_name) == (5, "paid", "Video")
    assert (explicit.upstream_task_ids, dag.get_task("wish").downstream_task_ids) == ({"wish"}, {"video"})
    again = stored(dag)
    assert set(again.task_dict) == set(dag.task_dict)
    assert again.get_task("video").downstream_task_ids == {"late"}
    assert again.get_task("video").task_type == "GenerateUntilGoodOperator"


def test_a_dag_with_attempts_is_the_same_in_each_parsing() -> None:
    def serialised() -> str:
        with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
            generate_until_good(
                make=VeniceVideoOperator(task_id="video", model="m", download_to="x/"),
                check=Checks(),
                max_total={"amount": 3, "unit": "usd"},
                vary={"prompt": lambda number, _: str(number), "duration": [5, 10]},
            )
        found = stored(dag).get_task("video")
        return str({name: getattr(found, name) for name in found.template_fields})

    assert serialised() == serialised()
    assert "'duration': [5, 10]" in serialised()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vary": "seed", "make": VidgoGenerateOperator}, "seed is not in the request of VidgoGenerateOp"),
        ({"vary": "download_to"}, "download_to is not in the request of VeniceVideoOperator"),
        ({"vary": "prompt"}, "prompt needs its values, as in {'prompt': "),
        ({"vary": {"prompt": []}}, "prompt must have a list of values, or a function"),
        ({"vary": "prompt.seed"}, "prompt is not a dict, so it has no seed"),
        ({"check": Checks()}, "make must not have a check: give that"),
        ({"make": VeniceQuoteOperator}, "make must be an operator that buys a job"),
    ],
)
def test_what_cannot_be_attempted_is_an_error_when_the_dag_is_read(
    arguments: dict[str, Any], message: str
) -> None:
    kind = arguments.get("make", VeniceVideoOperator)
    given = {"check": arguments["check"]} if "check" in arguments else {}
    request = REQUIRED[kind] if kind is VidgoGenerateOperator else {"model": "m", "prompt": "a"}
    with pytest.raises(InputError, match=re.escape(message)):
        generate_until_good(
            make=kind(task_id="t", **{**request, **given}), check=Checks(), vary=arguments.get("vary", ())
        )


def test_what_makes_attempts_must_not_be_connected() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        before, video, after = (
            VeniceVideoOperator(task_id=name, model="m", download_to="x/") for name in ("a", "b", "c")
        )
        before >> video
        until = generate_until_good(make=video, check=Checks())
        assert (until.upstream_task_ids, before.downstream_task_ids) == ({"a"}, {"b"})
        before >> after
        with pytest.raises(InputError, match="Connect the task that generate_until_good returns"):
            generate_until_good(make=before, check=Checks())
