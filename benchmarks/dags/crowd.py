"""A run buys as many Venice jobs as its parameter says, at one of two accounts."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator

#: Three models that take 32, 72 and 116 s in the sandbox.
MODELS = [
    {"model": "grok-imagine-text-to-video-private", "duration": "5s", "resolution": "480p"},
    {"model": "veo3.1-fast-text-to-video", "duration": "4s", "resolution": "720p"},
    {"model": "wan-2-7-text-to-video", "duration": "5s", "resolution": "720p"},
]

for account in ("a", "b"):
    with DAG(
        f"crowd_{account}",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"jobs": 100},
        max_active_tasks=1000,
    ) as dag:

        @task
        def wanted(params: dict) -> list[dict[str, str]]:
            """Return the arguments of each job."""
            return [
                {"prompt": f"One of a crowd, number {number}", **MODELS[number % len(MODELS)]}
                for number in range(params["jobs"])
            ]

        VeniceVideoOperator.partial(
            task_id="paid",
            aspect_ratio="16:9",
            venice_conn_id=f"venice_{account}",
            deferrable=True,
            timeout=3600,
        ).expand_kwargs(wanted())
    globals()[dag.dag_id] = dag
