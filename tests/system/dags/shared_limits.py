"""Hundreds of deferred jobs of two vendors: far more status checks are due than their limits allow."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

with DAG(
    "shared_limits",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"mark": "", "jobs": 150, "poll_interval": 20},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
    max_active_tasks=64,
):

    @task
    def prompts(params: dict) -> list[str]:
        """Return a prompt for each job of a vendor; no two are the same."""
        return [f"{params['mark']} {number}" for number in range(params["jobs"])]

    @task
    def inputs(params: dict) -> list[dict]:
        """Return the same prompts as Vidgo takes them."""
        return [{"prompt": f"{params['mark']} {number}"} for number in range(params["jobs"])]

    VeniceVideoOperator.partial(
        task_id="venice",
        model="grok-imagine-text-to-video-private",
        resolution="480p",
        aspect_ratio="16:9",
        duration=5,
        poll_interval="{{ params.poll_interval }}",
        deferrable=True,
    ).expand(prompt=prompts())

    VidgoGenerateOperator.partial(
        task_id="vidgo",
        model="gpt-image-2",
        poll_interval="{{ params.poll_interval }}",
        deferrable=True,
    ).expand(input=inputs())
