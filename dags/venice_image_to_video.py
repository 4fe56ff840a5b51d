"""Every picture in a folder of object storage becomes a video: one mapped task per picture.

The pictures are sent inside the requests (about 26 MB each at most), so they need no public URL. The task
that buys a video also downloads it. The maximum price keeps a mistyped model from costing more than it
should.

``max_active_tis_per_dagrun`` limits how many videos are made at the same time. Unlike a pool, it also
counts tasks that wait in the triggerer. Needs a connection ``venice_default``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, ObjectStoragePath, Param, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}

videos = Asset("venice_videos")

with DAG(
    dag_id="venice_image_to_video",
    description="Animate every picture under a prefix",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "venice"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "pictures": Param(
            "file:///data/pictures/",
            type="string",
            minLength=1,
            title="Pictures",
            description="A folder: a storage URI or path.",
        ),
        "prompt": Param(
            "Gentle movement, as if the picture came to life",
            type="string",
            format="multiline",
            minLength=1,
            title="Prompt",
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
        "duration": Param(5, type="integer", minimum=1, maximum=30, title="Duration", description="Seconds."),
        "resolution": Param(
            "720p", type=["null", "string"], examples=["480p", "720p", "1080p"], title="Resolution"
        ),
        "max_cost_usd": Param(
            1.0, type="number", exclusiveMinimum=0, title="Maximum price (USD)", description="For each video."
        ),
        "destination": Param(
            "file:///data/videos/",
            type="string",
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path.",
        ),
    },
) as dag:

    @task
    def pictures(params: dict) -> list[str]:
        """List the pictures of the folder by name."""
        folder = ObjectStoragePath(params["pictures"])
        return [str(path) for path in sorted(folder.iterdir(), key=str) if path.suffix.lower() in PICTURES]

    VeniceVideoOperator.partial(
        task_id="animate",
        model="{{ params.model }}",
        prompt="{{ params.prompt }}",
        duration="{{ params.duration }}",
        resolution="{{ params.resolution }}",
        max_cost_usd="{{ params.max_cost_usd }}",
        deferrable=True,
        download_to="{{ params.destination }}",
        outlets=[videos],
        max_active_tis_per_dagrun=10,
    ).expand(image_url=pictures())
