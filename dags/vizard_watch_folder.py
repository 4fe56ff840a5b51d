"""Every hour: clips of each new video under a prefix, landed beside one another; each video is bought once.

Set the Airflow variables ``vizard_source_prefix`` (such as ``s3://aws_default@footage/incoming/``, in a
storage that can sign URLs: Vizard fetches a file by its URL) and ``vizard_clips_prefix``. A file belongs to
the run in whose data interval it was last changed, so no two runs buy the same file. What a run found is
kept as ``runs/….json`` beside the clips: run again, it has the same files in the same order, whatever became
of the folder, and each file's task knows what it bought. A retry goes on with that, and with
``on_clear="reuse"`` clearing the run buys nothing again either.

Vizard lets three projects be created in a minute and twenty in an hour; what is more waits for its turn
without a worker. ``timeout`` counts from a task's start and includes that: it is long here.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, ObjectStoragePath, Variable, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_vidai.operators.vizard import VizardClipsOperator

VIDEOS = {".mp4", ".3gp", ".avi", ".mov"}

watched = Asset("vizard_watched_clips")

with DAG(
    dag_id="vizard_watch_folder",
    description="Clips of every video that arrived under a prefix",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["vidai", "vizard"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:

    @task
    def new_videos(data_interval_start: datetime, data_interval_end: datetime) -> list[str]:
        """List the videos that were changed during the interval, by name; once for each interval."""
        prefix = ObjectStoragePath(Variable.get("vizard_source_prefix"))
        runs = ObjectStoragePath(Variable.get("vizard_clips_prefix")) / "runs"
        kept = runs / f"{data_interval_start:%Y%m%dT%H%M%S}.json"
        if kept.exists():
            return json.loads(kept.read_text())
        found = []
        for path in sorted(prefix.iterdir(), key=str):
            if path.suffix.lower() in VIDEOS:
                changed = path.fs.modified(path.path)
                if data_interval_start <= changed < data_interval_end:
                    found.append(str(path))
        runs.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
        return found

    VizardClipsOperator.partial(
        task_id="clips",
        prefer_length=["30-60s"],
        aspect_ratio="9:16",
        min_viral_score=6,
        drop_source=True,
        deferrable=True,
        on_clear="reuse",
        timeout=timedelta(hours=12),
        download_to="{{ var.value.vizard_clips_prefix }}/{{ ds }}/",
        outlets=[watched],
    ).expand(video_url=new_videos())
