"""The same requests as mapped tasks and as one batch."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_provider_vidai.batch.operators import VidgoBatchOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

SHARED = {"deferrable": True, "download_to": "{{ params.download_to }}"}


@task
def requests(params: dict, *, batch: bool) -> list[dict]:
    """Return the requests."""
    asked = [{"prompt": f"picture number {one}", "size": "1:1"} for one in range(params["count"])]
    return asked if batch else [{"model": "gpt-4o-image", "input": one} for one in asked]


for dag_id in ("batch_mapped", "batch_one"):
    with DAG(
        dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"count": 300, "download_to": "/tmp/out/"},
        max_active_tasks=1000,
    ) as dag:
        if dag_id == "batch_mapped":
            VidgoGenerateOperator.partial(task_id="paid", **SHARED).expand_kwargs(requests(batch=False))
        else:
            VidgoBatchOperator(
                task_id="paid",
                requests=requests(batch=True),
                common={"model": "gpt-4o-image"},
                download_to="{{ params.download_to }}",
            )
    globals()[dag_id] = dag
