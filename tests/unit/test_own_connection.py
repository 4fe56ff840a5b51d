"""A job is checked and landed with the connection that it was bought with."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.venice import VeniceDownloadOperator, VeniceReleaseOperator
from airflow_provider_vidai.operators.vidgo import VidgoDownloadOperator
from airflow_provider_vidai.operators.vidio import VidioDownloadOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardDownloadOperator
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from tests.support.raw import answer, serving
from tests.support.task import Task

pytestmark = pytest.mark.usefixtures("hurry")

KINDS = {"vidio": "render", "venice": "generate", "vizard": "project", "vidgo": "media"}
SENSORS = [VidioJobSensor, VeniceVideoSensor, VizardProjectSensor, VidgoTaskSensor]
CASES: list[tuple[type, dict[str, Any]]] = [
    *(
        (kind, {"destination": "/tmp/landed/"})
        for kind in (
            VidioDownloadOperator,
            VeniceDownloadOperator,
            VizardDownloadOperator,
            VidgoDownloadOperator,
        )
    ),
    (VeniceReleaseOperator, {}),
    (VidioRenderOperator, {}),
    *((kind, {"deferrable": deferrable, "timeout": 1}) for kind in SENSORS for deferrable in (False, True)),
]


@pytest.mark.parametrize(("kind", "given"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_job_is_asked_for_with_the_connection_it_was_bought_with(
    kind: Any, given: dict[str, Any], connect: Any
) -> None:
    vendor = kind.hook_class.vendor_name
    with serving(answer(400, b"{}")) as bought, serving(answer(400, b"{}")) as changed:
        for conn_id, server in (("bought_with", bought), ("changed_to", changed)):
            connect(conn_id, conn_type=vendor, password=conn_id, host=server.url)
        job = {
            "vendor": vendor,
            "conn_id": "bought_with",
            "job_id": "12",
            "kind": KINDS[vendor],
            "params": {"model": "m"},
        }
        named = {f"{vendor}_conn_id": "changed_to"}
        task = Task(lambda: kind(task_id="t", job=job, **named, **given))
        with contextlib.suppress(AirflowException, TaskDeferred):
            task.begin()
        assert bought.requests
        assert changed.requests == []
        assert not any("changed_to" in str(request.headers) for request in bought.requests)


@pytest.mark.parametrize("kind", SENSORS, ids=lambda kind: kind.__name__)
def test_a_deferred_sensor_waits_with_the_connection_of_the_job(kind: Any, connect: Any) -> None:
    vendor = kind.hook_class.vendor_name
    job = {"vendor": vendor, "conn_id": "bought_with", "job_id": "12", "kind": KINDS[vendor]}
    with serving(answer(503, b"{}")) as server:
        connect("bought_with", conn_type=vendor, host=server.url)
        named = {f"{vendor}_conn_id": "changed_to", "deferrable": True}
        task = Task(lambda: kind(task_id="t", job={**job, "params": {"model": "m"}}, **named))
        with pytest.raises(TaskDeferred) as deferred:
            task.begin()
    assert deferred.value.trigger.ref["conn_id"] == "bought_with"
