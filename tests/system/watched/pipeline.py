"""Two DAGs: one buys pictures and waits for none of them, those that are ready start the other one."""

from __future__ import annotations

import json
from datetime import datetime

from airflow.sdk import DAG, Asset, AssetWatcher, ObjectStoragePath, Variable, task

from airflow_provider_vidai.events.watch import VidaiJobsWatcher, news
from airflow_provider_vidai.hooks.vidgo import VidgoHook

START = datetime(2026, 1, 1)

watcher = VidaiJobsWatcher(jobs="{{ var.value.watched_jobs }}", poll_interval=5)
finished = Asset("finished_pictures", watchers=[AssetWatcher(name="vidgo", trigger=watcher)])

with DAG("submits", schedule=None, start_date=START, params={"count": 20}):

    @task
    def submit(params: dict) -> list[str]:
        """Buy the pictures, and add them to the folder of jobs that are watched."""
        folder = ObjectStoragePath(Variable.get("watched_jobs"))
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [
            VidgoHook().submit("gpt-4o-image", {"prompt": f"Number {number}", "size": "1:1"})
            for number in range(params["count"])
        ]
        for job in jobs:
            (folder / f"{job['job_id']}.json").write_text(json.dumps(dict(job)))
        return [job["job_id"] for job in jobs]

    submit()  # type: ignore[call-arg]

with DAG("reacts", schedule=[finished], start_date=START, catchup=False):

    @task(inlets=[finished])
    def take(**context) -> list[str]:
        """Return the jobs that are this run's own."""
        return [job["job_id"] for job in news(context) if job["state"] == "ready"]

    take()
