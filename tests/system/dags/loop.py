"""Loops that buy in each of their laps; Airflow has loops since 3.4."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task_group

from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.quality.checks import Checks
from airflow_provider_vidai.task_groups.generate import generate_until_good


@task_group
def lap() -> None:
    VeniceVideoOperator(
        task_id="paid",
        model="wan-2.6-text-to-video",
        prompt="{{ params.mark }}",
        duration="5s",
        aspect_ratio="16:9",
        resolution="720p",
        poll_interval=1,
        retries=2,
        retry_delay=timedelta(seconds=1),
    )


@task_group
def lap_of_attempts() -> None:
    generate_until_good(
        make=VeniceVideoOperator(
            task_id="until_good",
            model="wan-2.6-text-to-video",
            prompt="{{ params.mark }}",
            duration="5s",
            aspect_ratio="16:9",
            resolution="720p",
            poll_interval=1,
            deferrable=True,
            download_to="{{ params.folder }}",
            retries=2,
            retry_delay=timedelta(seconds=1),
        ),
        check=Checks(min_seconds=8, on_failure="report"),
        max_attempts=2,
        max_total=1.2,
        keep="best",
    )


if hasattr(lap, "loop"):
    with DAG("loop", schedule=None, start_date=datetime(2026, 1, 1), params={"mark": "mark"}):
        lap.loop(max_iterations=3)

if hasattr(lap_of_attempts, "loop"):
    with DAG(
        "loop_of_attempts",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"mark": "mark", "folder": "/nowhere/"},
    ):
        lap_of_attempts.loop(max_iterations=2)
