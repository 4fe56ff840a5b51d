"""Every night: one highlight reel of each new video under a prefix, downloaded to a folder of that night.

Set the Airflow variables ``vidio_footage_prefix`` (such as ``s3://aws_default@footage/incoming/``)
and ``vidio_reels_prefix``. A file belongs to the night in whose data interval it was last changed,
so a rerun of an old night finds the same files, and no two nights buy a reel of the same file. A run that is
triggered without a logical date takes the day before.

``max_active_tis_per_dagrun`` limits how many reels are made at the same time. Unlike a pool, it also
counts tasks that wait in the triggerer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, ObjectStoragePath, Variable, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_vidai.operators.vidio import (
    VidioHighlightReelOperator,
    VidioRenderOperator,
    VidioUploadOperator,
)

VIDEOS = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm"}

reels = Asset("vidio_nightly_reels")

#: The video that a mapped task works on: the upload with the same index knows its name.
FILE_NAME = "{{ ti.xcom_pull(task_ids='upload', map_indexes=ti.map_index).file_name }}"

with DAG(
    dag_id="vidio_nightly_batch",
    dag_display_name="VIDIO: nightly batch",
    description="A highlight reel of every video that arrived during the day",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["vidai", "vidio"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
) as dag:

    @task(task_display_name="Find new footage")
    def new_footage(
        data_interval_start: datetime | None = None,
        data_interval_end: datetime | None = None,
        dag_run: Any = None,
    ) -> list[str]:
        """List the videos that were changed during the interval, by name."""
        until = data_interval_end or dag_run.run_after.replace(hour=0, minute=0, second=0, microsecond=0)
        since = data_interval_start or until - timedelta(days=1)
        prefix = ObjectStoragePath(Variable.get("vidio_footage_prefix"))
        found = []
        for path in sorted(prefix.iterdir(), key=str):
            if path.suffix.lower() in VIDEOS:
                changed = path.fs.modified(path.path)
                if since <= changed < until:
                    found.append(str(path))
        return found

    uploads = VidioUploadOperator.partial(
        task_id="upload",
        task_display_name="Upload",
        doc_md="Uploads one video. Costs nothing.",
        map_index_template="{{ task.source.rpartition('/')[2] }}",
        max_active_tis_per_dagrun=4,
    ).expand(source=new_footage())

    made = VidioHighlightReelOperator.partial(
        task_id="reel",
        task_display_name="Make the reel",
        doc_md="Buys a highlight reel of one video, and waits for it in the triggerer.",
        map_index_template=FILE_NAME,
        video_category="others",
        output_length=30,
        aspect_ratio="landscape",
        deferrable=True,
        max_active_tis_per_dagrun=10,
    ).expand(input_keys=uploads.output)

    VidioRenderOperator.partial(
        task_id="render",
        task_display_name="Render and download it",
        doc_md="Buys a render of one reel, waits for it, and downloads it to the night's folder.",
        map_index_template=FILE_NAME,
        deferrable=True,
        download_to="{{ var.value.vidio_reels_prefix }}/"
        "{{ data_interval_start | default(dag_run.run_after, true) | ds }}/",
        outlets=[reels],
        max_active_tis_per_dagrun=10,
    ).expand(job=made.output)
