"""Every hour: clips of each new video under a prefix, downloaded to one folder a day; clips of a video are
bought once.

Set the Airflow variables ``vizard_source_prefix`` (such as ``s3://aws_default@footage/incoming/``) and
``vizard_clips_prefix``. Vizard fetches a file by its URL: if the storage cannot sign one, as a local disk
cannot, also set ``vizard_source_url`` to the URL at which that folder can be read. Each run takes
the files that were changed since the end of the previous run's interval, so an outage loses none. It
writes what it found to ``runs/….json`` beside the clips. A manual run or a backfill of an interval that
was checked before finds nothing, so no two runs buy clips of the same file. A retried or cleared run has
the same files in the same order, whatever happened to the folder since, and each file's task finds what it
bought: with ``on_clear="reuse"`` a Clear buys nothing again either.

Vizard allows three new projects a minute and twenty an hour; further tasks wait for their turn without a
worker. ``timeout`` counts from a task's start and includes that wait, so it is long here.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from airflow.sdk import DAG, Asset, ObjectStoragePath, Variable, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_vidai.operators.vizard import VizardClipsOperator

log = logging.getLogger(__name__)

VIDEOS = {".mp4", ".3gp", ".avi", ".mov"}
#: The name of a run's record: the end of its data interval, in UTC.
STAMP = "%Y%m%dT%H%M%S"

watched = Asset("vizard_watched_clips")

with DAG(
    dag_id="vizard_watch_folder",
    dag_display_name="Vizard: watched folder",
    description="Clips of every video that arrived under a prefix",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["vidai", "vizard"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
) as dag:

    @task(task_display_name="Find new videos")
    def new_videos(
        data_interval_start: datetime | None = None,
        data_interval_end: datetime | None = None,
        run_id: str | None = None,
        dag_run: Any = None,
    ) -> list[str]:
        """List the videos that were changed up to the interval's end and are in no other run's list."""
        # A run that is triggered without a logical date has no interval: it takes the hour before.
        until = data_interval_end or dag_run.run_after.replace(minute=0, second=0, microsecond=0)
        begins = since = data_interval_start or until - timedelta(hours=1)
        runs = ObjectStoragePath(Variable.get("vizard_clips_prefix")) / "runs"
        records = runs.iterdir() if runs.exists() else ()
        ends = sorted(path.stem for path in records if path.suffix == ".json")
        end = until.strftime(STAMP)

        def record(stem: str) -> dict[str, Any]:
            return json.loads((runs / f"{stem}.json").read_text())

        if end in ends:
            kept = record(end)
            if kept["run_id"] == run_id:
                return kept["videos"]
            log.info("%s has checked this interval already: nothing is left to buy.", kept["run_id"])
            return []
        earlier = [stem for stem in ends if stem < end]
        if earlier:
            since = datetime.strptime(earlier[-1], STAMP).replace(tzinfo=timezone.utc)
        later = next((record(stem) for stem in ends if stem > end), None)
        if later:
            until = min(until, datetime.fromisoformat(later["since"]))
            if until <= max(since, begins):
                log.info("%s has checked this time already: nothing is left to buy.", later["run_id"])
                return []
        there = ObjectStoragePath(Variable.get("vizard_source_prefix")).iterdir()
        videos = sorted((path for path in there if path.suffix.lower() in VIDEOS), key=str)
        found = [str(path) for path in videos if since <= path.fs.modified(path.path) < until]
        runs.mkdir(parents=True, exist_ok=True)
        kept = {"run_id": run_id, "since": since.isoformat(), "videos": found}
        (runs / f"{end}.json").write_text(json.dumps(kept))
        return found

    @task(task_display_name="Name their addresses")
    def addresses(videos: list[str]) -> list[str]:
        """Return where Vizard can fetch each video: its storage path, or its public URL."""
        public = Variable.get("vizard_source_url", default=None)
        return [f"{public}{quote(video.rpartition('/')[2])}" if public else video for video in videos]

    VizardClipsOperator.partial(
        task_id="clips",
        task_display_name="Cut the clips",
        doc_md="Buys the clips of one video, waits for them in the triggerer, and downloads them.",
        map_index_template="{{ task.video_url.rpartition('/')[2] }}",
        prefer_length=["30-60s"],
        aspect_ratio="9:16",
        min_viral_score=6,
        drop_source=True,
        deferrable=True,
        on_clear="reuse",
        timeout=timedelta(hours=12),
        download_to="{{ var.value.vizard_clips_prefix }}/"
        "{{ data_interval_start | default(dag_run.run_after, true) | ds }}/",
        outlets=[watched],
    ).expand(video_url=addresses(new_videos()))
