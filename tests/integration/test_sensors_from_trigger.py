"""Sensors that start and end in the triggerer: which may, what they return, what is left to a worker."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from airflow_provider_vidai.triggers.start import StartTrigger
from tests.support.task import Task, run_fast

SENSORS = [
    (VidgoTaskSensor, {"kind": "music"}),
    (VizardProjectSensor, {}),
    (VidioJobSensor, {"until": "rendered"}),
    (VeniceVideoSensor, {"model": "wan-2.6-text-to-video"}),
]


def sensor(**changes: Any) -> VidgoTaskSensor:
    return VidgoTaskSensor(**{"task_id": "wait", "job": "j-1", "deferrable": True, **changes})


class OtherSensor(VidgoTaskSensor):
    def poke(self, context: Any) -> Any:
        return super().poke(context)


@pytest.mark.parametrize(("kind", "more"), SENSORS)
@pytest.mark.parametrize("job", ["j-1", 17, "{{ params.job }}", "{{dag_run.conf['job'] }}"])
def test_every_sensor_of_a_known_job_starts_in_the_triggerer(
    kind: Any, more: dict[str, Any], job: Any
) -> None:
    found = kind(task_id="wait", job=job, deferrable=True, timeout=60, **more)
    assert found.start_from_trigger is True
    asked = found.start_trigger_args
    assert asked.timeout.total_seconds() == 120
    trigger = StartTrigger(**asked.trigger_kwargs)
    assert trigger.job == job
    assert json.loads(json.dumps(trigger.serialize()[1])) == asked.trigger_kwargs
    assert callable(getattr(found, asked.next_method))


@pytest.mark.parametrize(
    "changes",
    [
        {"deferrable": False},
        {"job": {"vendor": "vidgo", "conn_id": "c", "job_id": "j", "kind": "media"}},
        {"job": "{{ ti.xcom_pull(task_ids='made') }}"},
        {"job": "{{ params.job }}{% if ti %}{% endif %}"},
        {"job": "{{ params.job.format(ti) }}"},
        {"job": None},
        {"job": ""},
        {"kind": "{{ params.kind }}"},
        {"vidgo_conn_id": "{{ params.conn }}"},
        {"kind": "neither"},
        {"timeout": 0},
        {"outlets": [Asset("videos")]},
        {"on_success_callback": print},
    ],
)
def test_who_needs_a_worker_starts_on_one(changes: dict[str, Any]) -> None:
    assert sensor(**changes).start_from_trigger is False


def test_a_job_of_an_upstream_task_needs_a_worker() -> None:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        made = VidgoGenerateOperator(task_id="made", model="gpt-4o-image", input={"prompt": "a lake"})
        waits = sensor(job=made.output)
    assert waits.start_from_trigger is False
    assert waits.upstream_task_ids == {"made"}


def test_a_sensor_of_your_own_that_does_more_needs_a_worker() -> None:
    assert OtherSensor(task_id="wait", job="j-1", deferrable=True).start_from_trigger is False


def ended(task: Task, **rendered: Any) -> Any:
    """Return the event with which the triggerer ends the first try of a sensor."""
    task.retry()
    asked = task.make().start_trigger_args.trigger_kwargs
    trigger = StartTrigger(**{**json.loads(json.dumps(asked)), **rendered})

    async def events() -> list[Any]:
        return [event async for event in trigger.run()]

    (event,) = run_fast(events())
    return event


def in_worker(task: Task, event: Any) -> Any:
    operator = task.make()
    kwargs = {"event": json.loads(json.dumps(event.payload))}
    return operator.resume_execution(operator.start_trigger_args.next_method, kwargs, task.context())


def test_a_ready_job_ends_its_sensor_with_what_a_worker_would_return(vidgo: Any, control: Control) -> None:
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})
    event = ended(Task(lambda: sensor(job="{{ params.job }}")), job=job["job_id"])
    assert isinstance(event, TaskSuccessEvent)
    on_worker = Task(lambda: sensor(job=job["job_id"], deferrable=False, poke_interval=0.1)).run()
    assert event.xcoms == {"return_value": on_worker}
    assert on_worker["state"] == "ready"


def test_a_sensor_that_returns_nothing_pushes_nothing(vidgo: Any) -> None:
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})
    event = ended(Task(lambda: sensor(job=job["job_id"], do_xcom_push=False)))
    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms is None


def test_a_failed_job_fails_on_a_worker_with_its_whole_message(vidgo: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "fail_job", message="too dark")
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})
    task = Task(lambda: sensor(job=job["job_id"]))
    event = ended(task)
    assert not isinstance(event, TaskSuccessEvent)
    with pytest.raises(AirflowException, match="too dark"):
        in_worker(task, event)


def test_a_job_that_is_not_ready_in_time_ends_as_on_a_worker(vidgo: Any, control: Control) -> None:
    control.settings(speed=0)
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})
    task = Task(lambda: sensor(job=job["job_id"], timeout=20))
    with pytest.raises(AirflowException, match="is not ready yet"):
        in_worker(task, ended(task))


@pytest.mark.parametrize("text", ["{{ params.job }}", "None", "", '{"job_id": "j-1"}'])
def test_what_is_no_bare_id_once_it_is_rendered_is_left_to_a_worker(vidgo: Any, text: str) -> None:
    event = ended(Task(lambda: sensor(job="{{ params.job }}")), job=text)
    assert (type(event).__name__, event.payload) == ("TriggerEvent", None)
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1"})
    task = Task(lambda: sensor(job=job["job_id"], poke_interval=0.1)).retry()
    try:
        result = in_worker(task, event)
    except TaskDeferred as deferred:
        result = task.resume(deferred)
    assert result["state"] == "ready"


def test_airflow_keeps_what_the_triggerer_needs_in_the_serialised_dag() -> None:
    from airflow.serialization import serialized_objects

    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        sensor(job="{{ params.job }}")
    there = vars(serialized_objects)
    kind: Any = there.get("DagSerialization") or there["SerializedDAG"]
    task = kind.from_dict(json.loads(json.dumps(kind.to_dict(dag)))).get_task("wait")
    assert task.start_from_trigger is True
    assert task.start_trigger_args.trigger_cls == "airflow_provider_vidai.triggers.start.StartTrigger"
