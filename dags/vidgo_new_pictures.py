"""The first half of a pipeline of two DAGs: each prompt becomes a picture, which lands in a folder.

Each picture that lands there starts the second half, ``venice_new_pictures_move``, which watches the folder.
Neither of the two names the other: what a person or a program puts into the folder is animated too.

Needs a connection ``vidgo_default``. The Airflow Variable ``vidai_media`` names a folder, such as
``s3://aws_default@media`` or ``file:///data/media``; pictures land in ``new-pictures/`` of it, a folder for
each run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

with DAG(
    dag_id="vidgo_new_pictures",
    dag_display_name="Pipeline 1: new pictures (Vidgo)",
    description="Make a picture from each prompt; each one that lands starts the second half",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo", "pipeline"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    params={
        "scenes": Param(
            ["A lighthouse at dawn", "The lighthouse keeper at breakfast"],
            type="array",
            items={"type": "string", "minLength": 1},
            minItems=1,
            title="Scenes",
            description="One picture for each of them.",
        ),
        "size": Param("16:9", type="string", title="Aspect ratio", description="Such as 16:9 or 1:1."),
        "min_credits": Param(
            100,
            type="integer",
            minimum=0,
            title="Minimum balance (credits)",
            description="Each purchase is made only if the account has at least this many credits.",
        ),
    },
) as dag:

    @task(task_display_name="Read the prompts")
    def orders(params: dict) -> list[dict]:
        """Return the request of each picture."""
        return [{"prompt": prompt, "size": params["size"]} for prompt in params["scenes"]]

    VidgoGenerateOperator.partial(
        task_id="paint",
        task_display_name="Make a picture",
        doc_md="Buys one picture, waits for it in the triggerer, and downloads it into the watched folder.",
        map_index_template="{{ task.input['prompt'] | truncate(60) }}",
        model="nano-banana-2",
        min_credits="{{ params.min_credits }}",
        deferrable=True,
        download_to="{{ var.value.vidai_media }}/new-pictures/{{ dag_run.run_after | ts_nodash }}/",
        max_active_tis_per_dag=10,
    ).expand(input=orders())
