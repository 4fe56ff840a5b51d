"""Every line of a CSV file becomes a picture, a video or a song: one mapped task per line.

The file is in object storage and has a column ``model``; every other column is a field of that model's
input (``prompt``, ``size``, ``duration``, ...), and empty cells are left out:

    model,prompt,size,duration
    nano-banana,a lighthouse at dawn,16:9,
    sora-2,waves below the lighthouse,,10

Two things keep a long file from costing more than it should. ``min_credits`` stops a purchase when the
account has fewer credits than that before it; the balance after the purchase is not checked.
``max_active_tis_per_dag`` limits how many tasks run at the same time, over all runs of this DAG; tasks that
wait in the triggerer count too. To share a limit with other DAGs, use a pool that includes deferred tasks.

A line that fails is retried by itself and does not hold up the other lines. Needs a connection
``vidgo_default``.

Without other places in the form, the file is ``prompts.csv`` in the folder that the Airflow Variable
``vidai_media`` names (such as ``s3://aws_default@media`` or ``file:///data/media``), and the results are
written to ``batch/`` of it.
"""

from __future__ import annotations

import csv
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, ObjectStoragePath, Param, Variable, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

batch = Asset("vidgo_batch")

with DAG(
    dag_id="vidgo_prompt_batch",
    dag_display_name="Vidgo: batch of prompts",
    description="Make a picture, a video or a song from every line of a CSV file",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    params={
        "prompts": Param(
            None,
            type=["null", "string"],
            title="Prompts",
            description="Storage URI or path of a CSV file with a column named model. "
            "If empty: prompts.csv of the folder that the Variable vidai_media names.",
        ),
        "min_credits": Param(
            200,
            type="integer",
            minimum=0,
            title="Minimum balance (credits)",
            description="Each purchase is made only if the account has at least this many credits.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: batch/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:

    @task(task_display_name="Read the prompts")
    def orders(params: dict) -> list[dict]:
        """Read one order from each line."""
        table = ObjectStoragePath(params["prompts"] or f"{Variable.get('vidai_media')}/prompts.csv")
        with table.open("r", encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
        return [
            {
                "model": line.pop("model"),
                "input": {name: cell for name, cell in line.items() if name and cell},
            }
            for line in lines
        ]

    VidgoGenerateOperator.partial(
        task_id="make",
        task_display_name="Make it",
        doc_md="Buys what one line asks for, waits for it in the triggerer, and downloads it.",
        map_index_template="{{ task.input.get('prompt', task.model) | truncate(60) }}",
        min_credits="{{ params.min_credits }}",
        deferrable=True,
        download_to="{{ params.destination or var.value.vidai_media ~ '/batch/' }}"
        "{{ dag_run.run_after | ts_nodash }}/",
        outlets=[batch],
        max_active_tis_per_dag=10,
    ).expand_kwargs(orders())
