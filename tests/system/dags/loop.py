"""A loop that buys a video in each of its laps; Airflow has loops since 3.4."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task_group

from airflow_provider_vidai.operators.venice import VeniceVideoOperator


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


if hasattr(lap, "loop"):
    with DAG("loop", schedule=None, start_date=datetime(2026, 1, 1), params={"mark": "mark"}):
        lap.loop(max_iterations=3)
