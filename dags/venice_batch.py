"""Every line of a file becomes a video: a hundred or a thousand of them in one task.

The file is in object storage. Each line is a JSON object with the arguments of one video, and an ``id``:

    {"id": "fox", "prompt": "A red fox in fresh snow"}
    {"id": "harbour", "prompt": "A harbour at dawn", "duration": 10}

One task buys them all, waits for all in one trigger, and downloads each as soon as it is ready. At the end it
writes a manifest: what became of each line, what it cost, and where its file is. The task succeeds if no more
lines fail than the form allows.

To buy again what failed, clear the task; what has landed stays. ``vidgo_prompt_batch`` does the same with one
mapped task per line, which suits a few dozen.

Needs a connection ``venice_default`` with the API key as its password. More than 100 lines, or an Airflow
before 3.3, also need ``[vidai] ledger_path``.

Without other places in the form, the file is ``prompts.jsonl`` in the folder that the Airflow Variable
``vidai_media`` names (such as ``s3://aws_default@media`` or ``file:///data/media``), and videos and manifest
are written to ``campaign/`` of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_provider_vidai.batch.operators import VeniceBatchOperator

campaign = Asset("venice_batch")

with DAG(
    dag_id="venice_batch",
    dag_display_name="Venice: many videos in one task",
    description="Make a video from every line of a file, in one task, with a manifest",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "venice"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    params={
        "prompts": Param(
            None,
            type=["null", "string"],
            title="Prompts",
            description="Storage URI or path of a file of JSON lines, CSV or Parquet. "
            "If empty: prompts.jsonl of the folder that the Variable vidai_media names.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=1,
            maximum=30,
            title="Duration",
            description="Seconds of each video, unless its line has another duration.",
        ),
        "max_cost_usd": Param(
            2.0,
            type="number",
            minimum=0,
            title="Maximum price (USD)",
            description="Of one video. Each is bought only if a fresh quote is not higher.",
        ),
        "max_failures": Param(
            0,
            type="integer",
            minimum=0,
            title="Failures allowed",
            description="How many lines may fail without failing the task.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: campaign/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:
    VeniceBatchOperator(
        task_id="make",
        task_display_name="Make them all",
        doc_md="Buys a video for each line, waits for all of them in the triggerer, and downloads them.",
        requests="{{ params.prompts or var.value.vidai_media ~ '/prompts.jsonl' }}",
        common={
            "model": "wan-2.6-text-to-video",
            "duration": "{{ params.duration }}",
            "resolution": "720p",
            "aspect_ratio": "16:9",
        },
        max_cost_usd="{{ params.max_cost_usd }}",
        max_failures="{{ params.max_failures }}",
        download_to="{{ params.destination or var.value.vidai_media ~ '/campaign/' }}"
        "{{ dag_run.run_after | ts_nodash }}/",
        outlets=[campaign],
    )
