"""Vidgo pictures that a budget is for."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

with DAG(
    "held",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"count": 50, "mark": "mark"},
    max_active_tasks=1000,
):

    @task
    def wanted(params: dict) -> list[dict[str, str]]:
        return [{"prompt": f"{params['mark']} {number}", "size": "1:1"} for number in range(params["count"])]

    VidgoGenerateOperator.partial(
        task_id="paid",
        model="gpt-4o-image",
        deferrable=True,
        retries=3,
        retry_delay=timedelta(seconds=1),
    ).expand(input=wanted())
