"""Every picture in a folder of object storage becomes a video: one mapped task per picture.

The pictures are sent inside the requests (about 26 MB each at most), so they need no public URL. The task
that buys a video also downloads it. The maximum price keeps a mistyped model from costing more than it
should.

``max_active_tis_per_dagrun`` limits how many videos are made at the same time. Unlike a pool, it also
counts tasks that wait in the triggerer. Needs a connection ``venice_default``.

The Airflow Variable ``vidai_media`` names a folder, such as ``s3://aws_default@media`` or
``file:///data/media``: pictures are read from ``pictures/`` in it, and videos are written to ``videos/``. The
form can name other places.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, ObjectStoragePath, Param, Variable, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}

videos = Asset("venice_videos")

with DAG(
    dag_id="venice_image_to_video",
    dag_display_name="Venice: pictures to videos",
    description="Animate every picture of a folder, each within a price limit",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "venice"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    params={
        "pictures": Param(
            None,
            type=["null", "string"],
            title="Pictures",
            description="A folder with pictures: a storage URI or path. "
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
        "model": Param(
            "wan-2.6-image-to-video",
            type="string",
            examples=[
                "wan-2.6-image-to-video",
                "kling-2.6-pro-image-to-video",
                "grok-imagine-image-to-video-private",
            ],
            title="Model",
            description="Any image-to-video model of the catalogue.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=1,
            maximum=30,
            title="Duration",
            description="Seconds. Each model allows some durations.",
        ),
        "resolution": Param(
            "720p",
            type=["null", "string"],
            examples=["480p", "720p", "1080p"],
            title="Resolution",
            description="Each model allows some resolutions. If empty: the model's default.",
        ),
        "max_cost_usd": Param(
            1.0, type="number", exclusiveMinimum=0, title="Maximum price (USD)", description="For each video."
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: videos/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:

    @task(task_display_name="Find the pictures")
    def pictures(params: dict) -> list[str]:
        """List the pictures of the folder by name."""
        folder = ObjectStoragePath(params["pictures"] or f"{Variable.get('vidai_media')}/pictures/")
        return [str(path) for path in sorted(folder.iterdir(), key=str) if path.suffix.lower() in PICTURES]

    VeniceVideoOperator.partial(
        task_id="animate",
        task_display_name="Animate a picture",
        doc_md="Buys a video of one picture, waits for it in the triggerer, and downloads it.",
        map_index_template="{{ task.image_url.rpartition('/')[2] }}",
        model="{{ params.model }}",
        prompt="{{ params.prompt }}",
        duration="{{ params.duration }}",
        resolution="{{ params.resolution }}",
        max_cost_usd="{{ params.max_cost_usd }}",
        deferrable=True,
        download_to="{{ params.destination or var.value.vidai_media ~ '/videos/' }}",
        outlets=[videos],
        max_active_tis_per_dagrun=10,
    ).expand(image_url=pictures())
