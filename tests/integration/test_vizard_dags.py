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

pytestmark = pytest.mark.usefixtures("database", "vizard", "fast")


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
    conf = {"video_url": f"{talks}/short.mp4", "max_clips": 2, "min_viral_score": 0}
    published = {"social_account_id": "7000", "dry_run": False}
    destination = f"{tmp_path.as_uri()}/"
    run = dag_of("vizard_clip_factory").test(run_conf={**conf, **published, "destination": destination})
    assert sorted(states(run)["caption"]) == ["failed", "success"]
    assert states(run)["publish"] == ["success"], (states(run)["posts"], states(run)["publish"])
    assert len(control.purchases("vizard", "publish")) == 1
    assert len(list(tmp_path.rglob("*.mp4"))) == 2


def test_the_clip_factory_has_nothing_to_do_where_nothing_is_found(
    control: Control, talks: str, tmp_path: Path
) -> None:
    conf = {"video_url": f"{talks}/short.mp4", "keywords": "zebra", "destination": f"{tmp_path.as_uri()}/"}
    run = dag_of("vizard_clip_factory").test(run_conf=conf)
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


HOUR = datetime(2026, 5, 5, 10, tzinfo=timezone.utc)


@pytest.fixture
def incoming(
    talks: str, media: Path, control: Control, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Dated]:
    """The watched store, with two videos of the hour, one of the hour before, and something else."""
    with shelf(Dated) as (store, uri):
        store.sign_at = talks
        for name, minutes in (("a.mp4", 5), ("b.mp4", 59), ("old.mp4", -1), ("notes.txt", 5)):
            arrive(store, name, minutes, media)
        control.settings(vizard={"footage": ""})
        monkeypatch.setenv("AIRFLOW_VAR_VIZARD_SOURCE_PREFIX", f"{uri}/in/")
        monkeypatch.setenv("AIRFLOW_VAR_VIZARD_CLIPS_PREFIX", tmp_path.as_uri())
        yield store


def arrive(store: Dated, name: str, minutes: int, media: Path) -> None:
    store.files[f"bucket/in/{name}"] = media.read_bytes()
    store.changed[f"bucket/in/{name}"] = HOUR + timedelta(minutes=minutes)


def found_by(run_id: str, hour: int = 0, hours: float = 1) -> list[str]:
    """Return the names that a run finds whose interval begins so many hours after ten o'clock."""
    start = HOUR + timedelta(hours=hour)
    task: Any = dag_of("vizard_watch_folder").get_task("new_videos")
    names = task.python_callable(start, start + timedelta(hours=hours), run_id)
    return [name.rpartition("/")[2] for name in names]


def test_the_watched_folders_new_videos_are_bought_once_whatever_becomes_of_the_folder(
    incoming: Dated, media: Path
) -> None:
    assert found_by("ten") == ["a.mp4", "b.mp4"]
    del incoming.files["bucket/in/a.mp4"]
    assert found_by("ten") == ["a.mp4", "b.mp4"], "a rerun has the same files in their order"
    assert found_by("eleven", 1) == []
    arrive(incoming, "late.mp4", 70, media)
    assert found_by("eleven", 1) == [], "what a run found stays what it found"


def test_a_manual_run_of_an_hour_that_was_processed_finds_nothing_to_buy(incoming: Dated) -> None:
    assert found_by("scheduled") == ["a.mp4", "b.mp4"]
    assert found_by("manual") == []
    assert found_by("scheduled") == ["a.mp4", "b.mp4"]
    found_by("next", 1)
    assert found_by("manual again") == []


def test_a_manual_run_that_comes_first_leaves_nothing_to_the_scheduled_one(incoming: Dated) -> None:
    assert found_by("manual") == ["a.mp4", "b.mp4"]
    assert found_by("scheduled") == []


def test_what_came_while_nothing_ran_is_found_by_the_next_run(incoming: Dated, media: Path) -> None:
    found_by("ten")
    for name, minutes in (("outage.mp4", 100), ("now.mp4", 310), ("later.mp4", 365)):
        arrive(incoming, name, minutes, media)
    assert found_by("fifteen", 5) == ["now.mp4", "outage.mp4"]
    assert found_by("sixteen", 6) == ["later.mp4"]


def test_a_backfill_finds_what_no_run_has_processed_and_nothing_else(incoming: Dated, media: Path) -> None:
    found_by("ten")
    arrive(incoming, "outage.mp4", 100, media)
    assert found_by("fifteen", 5) == ["outage.mp4"]
    assert found_by("backfill of the outage", 1) == []
    assert found_by("backfill of the past", -1) == ["old.mp4"]
    assert found_by("backfill of the past", -1) == ["old.mp4"]
    assert found_by("another backfill of the past", -1) == []


def test_a_backfill_by_other_intervals_buys_no_file_again(incoming: Dated, media: Path) -> None:
    found_by("ten")
    arrive(incoming, "outage.mp4", 100, media)
    assert found_by("fifteen", 5) == ["outage.mp4"]
    assert found_by("from eight to two", -2, 6) == []
    assert found_by("from eight to half past ten", -2, 2.5) == ["old.mp4"]
