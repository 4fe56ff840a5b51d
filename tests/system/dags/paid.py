"""DAGs with one paid task each, in every combination that matters when something dies."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

from airflow.sdk import DAG

from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator

for mode, lost in product(("sync", "deferred"), ("fail", "resubmit")):
    with DAG(
        dag_id=f"reel_{mode}_{lost}",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"input_key": "", "output_length": 2},
    ) as dag:
        VidioHighlightReelOperator(
            task_id="reel",
            input_keys=["{{ params.input_key }}"],
            video_category="others",
            output_length="{{ params.output_length }}",
            aspect_ratio="square",
            deferrable=mode == "deferred",
            poll_interval=1,
            on_lost_submit=lost,
            retries=2,
            retry_delay=timedelta(seconds=1),
        )
    globals()[dag.dag_id] = dag
