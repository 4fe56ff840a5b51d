"""Vizard's example DAGs from their first task to their last, in one process, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag
from tests.support.shelf import Shelf, shelf

DAGS = Path(__file__).parents[2] / "dags"

pytestmark = pytest.mark.usefixtures("database", "vizard")


@pytest.fixture(scope="module")
def database() -> None:
    """Airflow's metadata database, new and empty."""
    from airflow.utils.db import initdb

    initdb()


def dag_of(name: str) -> Any:
    return dag_bag(DAGS / f"{name}.py").get_dag(name)


def states(run: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for ti in run.get_task_instances():
        found.setdefault(ti.task_id, []).append(str(ti.state))
    return found


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_clip_factory_lands_captions_and_publishes_what_scores_well(
    control: Control, talks: str, tmp_path: Path, dry_run: bool
) -> None:
    run = dag_of("vizard_clip_factory").test(
        run_conf={
            "video_url": f"{talks}/talk.mp4",
            "prefer_length": ["<30s"],
            "aspect_ratio": "4:5",
            "max_clips": 3,
            "min_viral_score": 5.5,
            "platform": "youtube",
            "tone": "catchy",
            "social_account_id": "7001",
            "dry_run": dry_run,
            "destination": f"{tmp_path.as_uri()}/",
        }
    )
    assert run.state == "success", states(run)
    kept = states(run)["download"]
    assert set(kept) == {"success"}
    landed = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path.suffix for path in landed] == [".json", ".mp4"] * len(kept)
    scores = [json.loads(path.read_text())["viral_score"] for path in landed[::2]]
    assert min(scores) >= 5.5
    assert len(control.purchases("vizard", "project")) == 1
    assert len(control.purchases("vizard", "caption")) == len(kept)
    posts = control.purchases("vizard", "publish")
    assert len(posts) == (0 if dry_run else len(kept))
    assert all(post["request"]["post"].startswith("Wow!") for post in posts)


def test_a_clip_without_a_caption_holds_up_no_other(control: Control, talks: str, tmp_path: Path) -> None:
    control.fault("vizard", "ai_social", "code", code=4002)
    told = {"video_url": f"{talks}/short.mp4", "max_clips": 2, "min_viral_score": 0, "dry_run": False}
    run = dag_of("vizard_clip_factory").test(run_conf={**told, "destination": f"{tmp_path.as_uri()}/"})
    assert sorted(states(run)["caption"]) == ["failed", "success"]
    assert states(run)["publish"] == ["success"], (states(run)["posts"], states(run)["publish"])
    assert len(control.purchases("vizard", "publish")) == 1
    assert len(list(tmp_path.rglob("*.mp4"))) == 2


def test_the_clip_factory_has_nothing_to_do_where_nothing_is_found(
    control: Control, talks: str, tmp_path: Path
) -> None:
    told = {"video_url": f"{talks}/short.mp4", "keywords": "zebra", "destination": f"{tmp_path.as_uri()}/"}
    run = dag_of("vizard_clip_factory").test(run_conf=told)
    assert run.state == "success", states(run)
    assert states(run)["clips"] == ["success"]
    assert set(states(run)["download"]) == set(states(run)["caption"]) == {"skipped"}
    assert list(tmp_path.iterdir()) == []
    assert len(control.purchases("vizard")) == 1


class Dated(Shelf):
    """A store that knows when each file was changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[str, datetime] = {}

    def modified(self, path: str) -> datetime:
        return self.changed[self._strip_protocol(path)]


@pytest.fixture
def incoming(talks: str, media: Path) -> Iterator[tuple[Dated, str]]:
    """A store with two videos of the hour, one of the hour before, and something else."""
    hour = datetime(2026, 5, 5, 10, tzinfo=timezone.utc)
    with shelf(Dated) as (store, uri):
        store.sign_at = talks
        for name, minutes in (("a.mp4", 5), ("b.mp4", 59), ("old.mp4", -1), ("notes.txt", 5)):
            store.files[f"bucket/in/{name}"] = media.read_bytes()
            store.changed[f"bucket/in/{name}"] = hour + timedelta(minutes=minutes)
        yield store, uri


def test_the_watched_folders_new_videos_are_bought_once_whatever_becomes_of_the_folder(
    control: Control, incoming: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, talks: str
) -> None:
    store, uri = incoming
    control.settings(vizard={"footage": ""})
    monkeypatch.setenv("AIRFLOW_VAR_VIZARD_SOURCE_PREFIX", f"{uri}/in/")
    monkeypatch.setenv("AIRFLOW_VAR_VIZARD_CLIPS_PREFIX", tmp_path.as_uri())
    list_videos: Any = dag_of("vizard_watch_folder").get_task("new_videos").python_callable
    hour = datetime(2026, 5, 5, 10, tzinfo=timezone.utc)
    first = list_videos(hour, hour + timedelta(hours=1))
    assert [name.rpartition("/")[2] for name in first] == ["a.mp4", "b.mp4"]
    del store.files["bucket/in/a.mp4"]
    assert list_videos(hour, hour + timedelta(hours=1)) == first, "a rerun has the same files in their order"
    before = list_videos(hour - timedelta(hours=1), hour)
    assert [name.rpartition("/")[2] for name in before] == ["old.mp4"]
    assert list_videos(hour + timedelta(hours=1), hour + timedelta(hours=2)) == []
