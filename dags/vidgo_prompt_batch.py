"""Every line of a CSV file becomes a picture, a video or a song: one mapped task per line.

The file is in object storage and has a column ``model``; every other column is a field of that model's
input (``prompt``, ``size``, ``duration``, ...), and empty cells are left out:

    model,prompt,size,duration
    nano-banana,a lighthouse at dawn,16:9,
    sora-2,waves below the lighthouse,,10

Two things keep a long file from costing more than it should. ``min_credits`` stops a purchase when the
account has fewer credits than that before it; the balance after the purchase is not checked. The pool
``vidgo`` limits how many tasks run at the same time. Create it with

    airflow pools set vidgo 10 "Running Vidgo tasks" --include-deferred

The option ``--include-deferred`` matters: tasks that wait in the triggerer must count too. Airflow starts
no task of a pool that does not exist.

A line that fails is retried by itself and does not hold up the other lines. Needs a connection
``vidgo_default``.
"""

from __future__ import annotations

import csv
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, ObjectStoragePath, Param, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

batch = Asset("vidgo_batch")

with DAG(
    dag_id="vidgo_prompt_batch",
    description="Make a picture, a video or a song from every line of a CSV file",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    params={
        "prompts": Param(
            "file:///data/prompts.csv",
            type="string",
            minLength=1,
            title="Prompts",
            description="Storage URI or path of a CSV file with a column named model.",
        ),
        "min_credits": Param(
            200,
            type="integer",
            minimum=0,
            title="Minimum balance (credits)",
            description="Each purchase is made only if the account has at least this many credits.",
        ),
        "destination": Param(
            "file:///data/batch/",
            type="string",
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path.",
        ),
    },
) as dag:

    @task
    def orders(params: dict) -> list[dict]:
        """Read one order from each line."""
        with ObjectStoragePath(params["prompts"]).open("r", encoding="utf-8-sig", newline="") as file:
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
        min_credits="{{ params.min_credits }}",
        deferrable=True,
        download_to="{{ params.destination }}{{ dag_run.run_after | ts_nodash }}/",
        outlets=[batch],
        pool="vidgo",
    ).expand_kwargs(orders())
