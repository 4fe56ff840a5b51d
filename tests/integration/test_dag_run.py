"""Example DAGs from their first task to their last, in one process, against the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag
from tests.support.web import web

DAGS = Path(__file__).parents[2] / "dags"


def ran(dag_id: str, **conf: Any) -> None:
    """Run a DAG to its end, which must be a good one."""
    dag: Any = dag_bag(DAGS / f"{dag_id}.py").get_dag(dag_id)
    run = dag.test(run_conf=conf)
    assert run.state == "success", [(ti.task_id, ti.state) for ti in run.get_task_instances()]


def seconds(path: Path) -> float:
    """Decode all of a video or a song; return how long it is."""
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(container.streams[0])) > 0
        return float(container.duration / av.time_base)


@pytest.mark.usefixtures("database", "vidio", "fast")
def test_the_highlight_reel_dag_lands_a_video_of_the_requested_length_and_shape(
    control: Control, media: Path, clip: Path, tmp_path: Path
) -> None:
    control.settings(speed=1000)
    ran(
        "vidio_highlight_reel",
        footage=[str(media), f"file://{clip}"],
        destination=f"{tmp_path.as_uri()}/reels/",
        output_length=3,
        aspect_ratio="portrait",
        video_category="travel",
        music_category="documentary",
        output_index=1,
    )
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


@pytest.mark.usefixtures("database", "vidgo", "fast")
def test_a_prompt_becomes_a_picture_a_video_and_music_in_one_set_of_files(
    control: Control, tmp_path: Path
) -> None:
    ran(
        "vidgo_image_to_video_with_music",
        prompt="a lake",
        motion="gentle waves",
        music="calm piano",
        duration=4,
        resolution="480p",
        destination=f"{tmp_path.as_uri()}/",
    )
    (folder,) = tmp_path.iterdir()
    suffixes = sorted(path.suffix for path in folder.iterdir())
    assert suffixes == [".jpg", ".jpg", ".jpg", ".mp3", ".mp3", ".mp4"]
    (video,) = folder.glob("*.mp4")
    assert seconds(video) == pytest.approx(4, abs=0.2)
    assert all(seconds(song) > 1 for song in folder.glob("*.mp3"))
    bought = {one["request"]["model"]: one["request"]["input"] for one in control.purchases("vidgo")}
    assert set(bought) == {"nano-banana-2", "seedance-2.0/image-to-video", "generate-music"}
    (picture,) = bought["seedance-2.0/image-to-video"]["image_urls"]
    assert "/vidgo/temp/" in picture, "the landed picture was uploaded for the video"


@pytest.mark.usefixtures("database", "vidgo", "fast")
def test_every_line_of_a_csv_file_becomes_what_it_asks_for(control: Control, tmp_path: Path) -> None:
    lines = ["model,prompt,size,duration", "gpt-4o-image,a lake,3:2,", "kling-2.5-turbo-pro,waves,,5"]
    (tmp_path / "prompts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    ran(
        "vidgo_prompt_batch",
        prompts=(tmp_path / "prompts.csv").as_uri(),
        destination=f"{tmp_path.as_uri()}/made/",
        min_credits=50,
    )
    (folder,) = (tmp_path / "made").iterdir()
    assert sorted(path.suffix for path in folder.iterdir()) == [".mp4", ".png"]
    asked = {one["request"]["model"]: one["request"]["input"] for one in control.purchases("vidgo")}
    assert len(control.purchases("vidgo")) == 2, "one for each line, in whatever order Airflow runs them"
    assert asked == {
        "gpt-4o-image": {"prompt": "a lake", "size": "3:2"},
        "kling-2.5-turbo-pro": {"prompt": "waves", "duration": 5},
    }


@pytest.mark.usefixtures("database", "vidio", "venice", "vidgo", "vizard", "fast")
def test_four_vendors_make_clips_of_generated_footage(control: Control, tmp_path: Path) -> None:
    control.settings(vizard={"short_side": 64})
    with web(tmp_path) as url:
        ran(
            "multi_vendor_reel",
            scenes=["waves at dawn"],
            reel_length=15,
            max_clips=2,
            destination=f"{tmp_path.as_uri()}/",
            public_url=f"{url}/",
        )
    (folder,) = tmp_path.iterdir()
    takes, (reel,), clips = (list(folder.glob(one)) for one in ("footage/*.mp4", "*.mp4", "clips/*.mp4"))
    assert [round(seconds(take)) for take in takes] == [10, 10]
    assert seconds(reel) == pytest.approx(15, abs=0.5)
    assert clips
    for clip in clips:
        assert seconds(clip) > 1
        with av.open(str(clip)) as container:
            picture = container.streams.video[0]
            assert picture.width / picture.height == pytest.approx(9 / 16, abs=0.05)
    sold = [(one["vendor"], one["kind"]) for one in control.purchases()]
    assert sorted(sold) == [
        ("venice", "generate"),
        ("vidgo", "media"),
        ("vidio", "reel"),
        ("vidio", "render"),
        ("vizard", "project"),
    ]
