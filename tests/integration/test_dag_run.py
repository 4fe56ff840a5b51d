"""An example DAG from its first task to its last, in one process, against the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from airflow_provider_vidai.sandbox.client import Control

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def database() -> None:
    """Airflow's metadata database, new and empty."""
    from airflow.utils.db import initdb

    initdb()


@pytest.mark.usefixtures("database", "vidio")
def test_the_highlight_reel_dag_lands_a_film_of_the_asked_for_length_and_shape(
    control: Control, media: Path, clip: Path, tmp_path: Path
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    control.settings(speed=1000)
    dag: Any = DagBag(dag_folder=str(DAGS / "vidio_highlight_reel.py")).get_dag("vidio_highlight_reel")
    run = dag.test(
        run_conf={
            "footage": [str(media), f"file://{clip}"],
            "destination": f"{tmp_path.as_uri()}/reels/",
            "output_length": 3,
            "aspect_ratio": "portrait",
            "video_category": "travel",
            "music_category": "documentary",
            "output_index": 1,
        }
    )
    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]
    (landed,) = (tmp_path / "reels").iterdir()
    assert landed.suffix == ".mp4"
    with av.open(str(landed)) as container:
        picture = container.streams.video[0]
        assert container.duration / av.time_base == pytest.approx(3, abs=0.3)
        assert picture.width / picture.height == pytest.approx(9 / 16, abs=0.02)
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) > 30
    reel, render = control.purchases("vidio")
    assert (reel["kind"], render["kind"]) == ("reel", "render")
    assert len(reel["request"]["input_keys"]) == 2
    assert render["request"]["output_index"] == 1
