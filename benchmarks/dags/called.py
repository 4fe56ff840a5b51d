"""A run buys as many Vidgo pictures as its parameter says; Vidgo calls when each is ready, or does not."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

#: Nobody listens there, but the sandbox's log shows when it would have called.
NOWHERE = "http://127.0.0.1:9/"

for name, callback_url in (("called", None), ("polled", NOWHERE)):
    with DAG(
        name,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"jobs": 50},
        max_active_tasks=1000,
    ) as dag:

        @task
        def wanted(params: dict) -> list[dict[str, str]]:
            """Return the input of each job."""
            return [{"prompt": f"Number {number}", "size": "1:1"} for number in range(params["jobs"])]

        VidgoGenerateOperator.partial(
            task_id="paid",
            model="gpt-4o-image",
            callback_url=callback_url,
            deferrable=True,
            timeout=3600,
            retries=1,
            retry_delay=timedelta(seconds=1),
        ).expand(input=wanted())
    globals()[dag.dag_id] = dag
