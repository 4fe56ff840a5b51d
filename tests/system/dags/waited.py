"""What waits without a worker: a sensor, and the reminders of a question."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

from airflow_provider_vidai.events.notifier import SpendNotifier
from airflow_provider_vidai.events.reminder import ApprovalReminder
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor

WHEN: dict[str, Any] = {"schedule": None, "start_date": datetime(2026, 1, 1)}

with DAG("sensed", params={"vidgo": "", "vizard": ""}, **WHEN):
    VidgoTaskSensor(task_id="vidgo", job="{{ params.vidgo }}", deferrable=True)
    VizardProjectSensor(task_id="vizard", job="{{ params.vizard }}", deferrable=True)


def note(context: Any) -> None:
    """Send a message to a file."""
    with Path(context["params"]["messages"]).open("a") as file:
        file.write(f"{context['vidai'].text}\n\n")


with DAG("asked", params={"messages": "", "after": 10}, **WHEN):
    ApprovalOperator(task_id="approve", subject="Buy a video for 0.55 USD?")
    ApprovalReminder(
        task_id="remind",
        approval="approve",
        after="{{ params.after }}",
        times=2,
        notifiers=SpendNotifier(note),
    )
