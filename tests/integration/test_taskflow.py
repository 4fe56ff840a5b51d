"""@task.vidgo_generate and its like: a function returns the request, and the operator buys it as always."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators import venice, vidgo, vidio, vizard
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.provider_info import TASK_DECORATORS, get_provider_info
from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag, stored
from tests.support.task import Task

PICTURE = {"model": "gpt-4o-image", "input": {"prompt": "a lake", "size": "1:1"}}
START = datetime(2026, 1, 1)


def asking(returns: Callable[[], Any], name: str = "vidgo_generate", **arguments: Any) -> Task:
    """Return the task whose function calls ``returns``, as a worker has it in each of its processes."""

    def make() -> Any:
        with DAG("videos", schedule=None, start_date=START):

            @getattr(task, name)(**{"poll_interval": 0.05, "deferrable": False, **arguments})  # type: ignore[untyped-decorator]
            def paid() -> Any:
                return returns()

            operator = paid().operator
        operator.render_template_fields({"team": "b"})
        return operator

    return Task(make)


def test_each_paid_operator_has_a_decorator_of_its_own() -> None:
    paid = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in (vidio, venice, vizard, vidgo)
        for name, one in vars(module).items()
        if isinstance(one, type)
        and issubclass(one, PaidOperator)
        and one.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert sorted(TASK_DECORATORS.values()) == sorted(paid)
    for entry in get_provider_info()["task-decorators"]:
        module, _, name = entry["class-name"].rpartition(".")
        assert name == entry["name"]
        assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("name", TASK_DECORATORS)
def test_a_decorated_function_is_a_task_of_its_operator_mapped_too(name: str) -> None:
    with DAG("videos", schedule=None, start_date=START) as dag:

        @getattr(task, name)(retries=3, deferrable=True)  # type: ignore[untyped-decorator]
        def paid(one: str = "", run_id: str | None = None) -> dict:
            return {}

        plain = paid("a").operator
        paid.override(task_id="mapped").expand(one=["a", "b"])
    kind = TASK_DECORATORS[name].rpartition(".")[2]
    assert kind in [base.__name__ for base in type(plain).__mro__]
    assert (plain.retries, plain.deferrable) == (3, True)
    assert not plain.multiple_outputs, "the annotation is about the request, and not about the result"
    assert {"paid", "mapped"} <= set(stored(dag).task_dict)


@pytest.mark.parametrize("deferrable", [False, True])
def test_what_the_function_returns_is_bought_once_and_the_task_returns_what_the_operator_does(
    vidgo: Any, control: Control, deferrable: bool
) -> None:
    paid = asking(lambda: PICTURE, deferrable=deferrable)
    result = paid.run()
    (bought,) = control.purchases("vidgo")
    assert result["job_id"] == bought["job_id"]
    assert result["state"] == "ready"
    assert result["title"] == "a lake"
    assert bool(paid.deferrals) is deferrable
    assert paid.store is not None
    assert paid.store.record["phase"] == "done"
    assert paid.operator.input == PICTURE["input"], "Airflow shows the request afterwards"
    assert paid.operator.overwrite_rtif_after_execution


def test_the_record_is_the_operators_so_that_either_finds_what_the_other_bought(
    vidgo: Any, control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    control.settings(speed=0)
    paid = asking(lambda: PICTURE, deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        paid.begin()
    plain = Task(
        lambda: VidgoGenerateOperator(task_id="paid", poll_interval=0.05, deferrable=False, **PICTURE)
    )
    plain.store, plain.dag_run, plain.instance = paid.store, paid.dag_run, paid.instance
    control.settings(speed=3000)
    with caplog.at_level(logging.WARNING):
        assert plain.retry().run()["state"] == "ready"
    assert len(control.purchases("vidgo")) == 1
    assert "differ" not in caplog.text


def test_a_retry_waits_for_the_job_also_if_the_function_returns_another_request(
    vidgo: Any, control: Control
) -> None:
    requests = iter([PICTURE, *[{**PICTURE, "input": {"prompt": "a harbour", "size": "1:1"}}] * 3])
    control.settings(speed=0)
    paid = asking(lambda: next(requests), deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        paid.begin()
    control.settings(speed=3000)
    assert paid.retry().run()["state"] == "ready"
    assert len(control.purchases("vidgo")) == 1


def test_a_long_rate_limit_gives_the_worker_back_and_the_function_is_asked_again(
    vidgo: Any, control: Control
) -> None:
    control.fault("vidgo", "submit", "status", status=429, headers={"Retry-After": "90"}, times=1)
    asked = iter([PICTURE] * 3)
    paid = asking(lambda: next(asked), deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        paid.begin()
    assert caught.value.method_name == "execute_after_wait"
    assert control.purchases() == []
    with pytest.raises(TaskDeferred) as waiting:
        paid.resumed(caught.value, {"moment": "now"})
    assert paid.check(paid.resume(waiting.value))["state"] == "ready"
    assert next(asked, None) is None
    assert len(control.purchases("vidgo")) == 1


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("a lake", "must return the arguments of VidgoGenerateOperator as a dict"),
        (None, "as a dict, not None"),
        ({**PICTURE, "prompt": "a lake"}, "returned prompt, which VidgoGenerateOperator does not take"),
        ({"model": "gpt-4o-image"}, "input is required"),
        ({**PICTURE, "min_credits": 10_000_000}, "credits"),
    ],
)
def test_a_wrong_request_fails_for_good_and_buys_nothing(
    vidgo: Any, control: Control, returned: Any, message: str
) -> None:
    with pytest.raises(AirflowException, match=message):
        asking(lambda: returned).run()
    assert control.purchases() == []


def test_arguments_of_the_decorator_are_templates_and_those_of_the_function_are_not(
    vidgo: Any, control: Control, connect: Any, sandbox: Any
) -> None:
    connect("team_b", conn_type="vidgo", host=f"{sandbox.url}/vidgo", password="key-of-team-b-0123456789")
    request = {"model": "gpt-4o-image", "input": {"prompt": "{{ 1 + 1 }}", "size": "1:1"}}
    assert asking(lambda: request, vidgo_conn_id="team_{{ team }}").run()["conn_id"] == "team_b"
    assert control.purchases("vidgo")[0]["request"]["input"]["prompt"] == "{{ 1 + 1 }}"


def test_a_signed_url_in_the_request_is_sent_and_never_shown(
    vidgo: Any, control: Control, media: Path
) -> None:
    secret = "https://files.example.com/lake.png?signature=0123456789abcdef"
    request = {"model": "gpt-4o-image", "input": {"prompt": "a lake", "size": "1:1", "filesUrl": [secret]}}
    paid = asking(lambda: request, deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        paid.begin()
    assert "0123456789abcdef" not in str(paid.operator.input)
    assert paid.operator.given("input")["filesUrl"] == [secret]
    assert "0123456789abcdef" not in paid.everything_shown() + str(caught.value.trigger.serialize())


FILE = """
from airflow.sdk import DAG, task

with DAG("taskflow", schedule=None):

    @task
    def scenes() -> list[str]:
        return ["A red fox", "A lake"]

    @task.vidgo_generate(poll_interval=0.05, deferrable=True, download_to={destination!r})
    def picture(scene: str, run_id: str | None = None) -> dict:
        assert run_id
        return {{"model": "gpt-4o-image", "input": {{"prompt": scene, "size": "1:1"}}}}

    picture.expand(scene=scenes())
"""


@pytest.fixture
def dag(dags_folder: Path, tmp_path: Path) -> Any:
    (dags_folder / "taskflow.py").write_text(FILE.format(destination=f"{tmp_path.as_uri()}/landed/"))
    return dag_bag(dags_folder / "taskflow.py").get_dag("taskflow")


@pytest.mark.usefixtures("database", "vidgo", "fast")
def test_a_mapped_function_buys_once_for_each_item_and_names_it(
    dag: Any, control: Control, tmp_path: Path
) -> None:
    run = dag.test()
    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]
    asked = sorted(one["request"]["input"]["prompt"] for one in control.purchases("vidgo"))
    assert asked == ["A lake", "A red fox"]
    names = sorted(path.name for path in (tmp_path / "landed").iterdir())
    assert [name.rpartition("-0.")[0][:5] for name in names] == ["a-lak", "a-red"]
    titles = [ti.rendered_map_index for ti in run.get_task_instances() if ti.task_id == "picture"]
    assert sorted(titles) == ["A lake", "A red fox"]
