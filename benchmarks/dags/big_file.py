"""Files of 600 MB that a task has landed, for ``benchmarks/pages.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord
from airflow_provider_vidai.operators.media import MEDIA, push_media


@dag(schedule=None, params={"folder": "", "files": 3, "bytes": 600_000_000})
def big_file() -> None:
    """Land the files."""

    @task
    def land(**context: Any) -> None:
        params = context["params"]
        files = []
        for number in range(params["files"]):
            path = Path(params["folder"]) / f"{number}.mp4"
            with path.open("wb") as file:
                file.truncate(params["bytes"])
            files.append(MediaFile(uri=f"file://{path}", path=f"file://{path}", bytes=params["bytes"]))
        facts = {"vendor": "vidio", "label": "VIDIO", "conn_id": "none", "job_id": "none", "kind": "render"}
        push_media(context, MEDIA, MediaRecord(**facts, files=files))  # type: ignore[arg-type]

    land()


big_file()
