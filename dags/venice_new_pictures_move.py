"""The second half of a pipeline of two DAGs: each picture that lands in a folder becomes a short video.

A watcher in the triggerer lists the folder every half minute, and starts a run with all pictures that are
new since. What was there when the watcher started for the first time is left alone, because each video costs
money; ``max_cost_usd`` limits its price. ``vidgo_new_pictures`` is the first half. A restart of the triggerer
and a retry animate no picture twice.

A run that you trigger by hand animates the pictures of another folder, which the form names.

Needs a connection ``venice_default``. The Airflow Variable ``vidai_media`` names a folder, such as
``s3://aws_default@media`` or ``file:///data/media``: ``new-pictures/`` in it is watched, and videos are
written to ``moving/``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, ObjectStoragePath, Param, Variable, task

from airflow_provider_vidai.events.watch import VidaiFilesWatcher, news
from airflow_provider_vidai.operators.venice import VeniceVideoOperator

PICTURES = (".jpg", ".jpeg", ".png", ".webp")

landing = VidaiFilesWatcher(folder="{{ var.value.vidai_media }}/new-pictures/", suffixes=PICTURES)
new_pictures = Asset("vidai_new_pictures", watchers=[AssetWatcher(name="landing", trigger=landing)])

with DAG(
    dag_id="venice_new_pictures_move",
    dag_display_name="Pipeline 2: new pictures move (Venice)",
    description="Animate each picture that lands in a folder, each within a price limit",
    doc_md=__doc__,
    schedule=[new_pictures],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "venice", "pipeline"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    params={
        "pictures": Param(
            None,
            type=["null", "string"],
            title="Pictures",
            description="Only for a run by hand: a folder with pictures, as a storage URI or path. "
            "If empty: pictures/ of the folder that the Variable vidai_media names.",
        ),
        "prompt": Param(
            "Gentle movement, as if the picture came to life",
            type="string",
            format="multiline",
            minLength=1,
            title="Prompt",
            description="How the pictures move; the same for all of them.",
        ),
        "max_cost_usd": Param(
            1.0, type="number", exclusiveMinimum=0, title="Maximum price (USD)", description="For each video."
        ),
    },
) as dag:

    @task(task_display_name="Find the new pictures", inlets=[new_pictures])
    def pictures(params: dict, **context: Any) -> list[str]:
        """Return the pictures that started this run, or those of a folder in a run by hand."""
        if context["dag_run"].run_type == "asset_triggered":
            return [file["path"] for file in news(context)]
        folder = ObjectStoragePath(params["pictures"] or f"{Variable.get('vidai_media')}/pictures/")
        return [str(path) for path in sorted(folder.iterdir(), key=str) if path.suffix.lower() in PICTURES]

    VeniceVideoOperator.partial(
        task_id="animate",
        task_display_name="Animate a picture",
        doc_md="Buys a video of one picture, waits for it in the triggerer, and downloads it.",
        map_index_template="{{ task.image_url.rpartition('/')[2] }}",
        model="wan-2.6-image-to-video",
        prompt="{{ params.prompt }}",
        duration=5,
        resolution="720p",
        max_cost_usd="{{ params.max_cost_usd }}",
        deferrable=True,
        # A run that is cleared must not pay again for the pictures that move already.
        on_clear="reuse",
        download_to="{{ var.value.vidai_media }}/moving/",
        max_active_tis_per_dagrun=10,
    ).expand(image_url=pictures())
