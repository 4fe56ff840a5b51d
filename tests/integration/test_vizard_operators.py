"""Vizard's operators against the sandbox: clips, their files, captions, publishing."""

from __future__ import annotations

import json
import logging
import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Asset, AssetAlias, ObjectStoragePath

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.errors import InputError, JobGone
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.operators.vizard import (
    VizardCaptionOperator,
    VizardDownloadOperator,
    VizardPublishOperator,
)
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from tests.integration.conftest import KEY
from tests.support.shelf import shelf
from tests.support.task import Task
from tests.support.videos import talk

pytestmark = pytest.mark.usefixtures("vizard")

TIKTOK, YOUTUBE, X, INSTAGRAM, LINKEDIN = "7000", "7001", "7002", "7003", "7004"


def task_of(kind: type, **arguments: Any) -> Task:
    return Task(lambda: kind(task_id="t", **arguments))


def download_of(job: Any, destination: Any, **changes: Any) -> Task:
    return task_of(VizardDownloadOperator, job=job, destination=str(destination), **changes)


def publish_of(clip: Any, account: str = TIKTOK, **changes: Any) -> Task:
    return task_of(VizardPublishOperator, clip=clip, social_account_id=account, **changes)


def stopped(task: Task, *parts: str) -> str:
    """Run a task that must fail for good with ``parts`` in its message; return all that it said."""
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    for part in parts:
        assert part in str(caught.value)
    assert KEY not in str(caught.value)
    return str(caught.value)


def bought(control: Control, kind: str = "project") -> int:
    return len(control.purchases("vizard", kind))


def seconds_of(path: Path) -> float:
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 10
        return float(container.duration / av.time_base)


@pytest.fixture
def job(clips_of: Any) -> dict[str, Any]:
    """A finished project, as its task returned it."""
    return dict(clips_of().run())


@pytest.fixture
def clip(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["outputs"][0])


# --- the chain --------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_talk_goes_in_and_its_best_clips_come_out(
    clips_of: Any, talks: str, control: Control, tmp_path: Path, deferrable: bool
) -> None:
    asked = {"video_url": f"{talks}/talk.mp4", "prefer_length": ["<30s"], "max_clips": 3}
    job = clips_of(**asked, aspect_ratio="1:1", deferrable=deferrable).run()
    landed = download_of(job, f"{tmp_path}/").run()

    assert (job["vendor"], job["kind"], job["state"]) == ("vizard", "project", "ready")
    scores = [output["details"]["viral_score"] for output in job["outputs"]]
    assert len(scores) == len(landed) == 3
    assert scores == sorted(scores, reverse=True)
    assert set(job["outputs"][0]) == {"index", "kind", "title", "duration", "details"}
    reported = {"video_id", "project_id", "viral_score", "viral_reason", "transcript", "topics", "editor_url"}
    assert reported <= set(job["outputs"][0]["details"])
    for output, file in zip(job["outputs"], landed, strict=True):
        assert file["width"] == file["height"]
        assert 10 <= file["duration"] <= 30
        assert file["duration"] == pytest.approx(output["duration"], abs=0.3)
        assert file["video_id"] == output["details"]["video_id"]
        assert seconds_of(Path(file["uri"].removeprefix("file://"))) == pytest.approx(file["duration"])
    assert len({file["uri"] for file in landed}) == 3
    (entry,) = control.purchases("vizard")
    assert entry["request"] == {
        "lang": "auto",
        "videoUrl": f"{talks}/talk.mp4",
        "videoType": 1,
        "ext": "mp4",
        "preferLength": [1],
        "ratioOfClip": 2,
        "maxClipNumber": 3,
    }
    assert entry["amount"] == pytest.approx(100 / 60, abs=0.05)


@pytest.mark.parametrize(
    ("ratio", "aspect"), [("9:16", 9 / 16), ("1:1", 1), ("4:5", 4 / 5), ("16:9", 16 / 9), (2, 1)]
)
def test_a_short_video_is_edited_in_the_asked_for_aspect(
    clips_of: Any, tmp_path: Path, ratio: Any, aspect: float, control: Control
) -> None:
    job = clips_of(
        mode="edit", max_clips=None, aspect_ratio=ratio, download_to=f"{tmp_path}/edited.mp4"
    ).run()
    (output,) = job["outputs"]
    (file,) = job["files"]
    assert job["kind"] == "edit"
    assert output["details"]["viral_score"] is None
    assert file["width"] / file["height"] == pytest.approx(aspect, abs=0.06)
    assert file["duration"] == pytest.approx(8, abs=0.3)
    assert bought(control, "edit") == 1


def test_clips_can_be_landed_in_the_same_task(clips_of: Any, tmp_path: Path) -> None:
    alias = AssetAlias("clips")
    task = clips_of(download_to=f"{tmp_path}/clips/", outlets=[alias], deferrable=True)
    job = task.run()
    assert {Path(file["uri"]).name for file in job["files"]} == {
        path.name for path in (tmp_path / "clips").iterdir()
    }
    assert len(task.outlet_events[alias].asset_alias_events) == len(job["files"]) > 1


def test_several_clips_for_one_file_are_refused_before_anything_is_bought(
    clips_of: Any, control: Control, tmp_path: Path
) -> None:
    stopped(clips_of(download_to=f"{tmp_path}/clip.mp4"), "download_to", "Nothing was sent")
    assert bought(control) == 0


def test_only_clips_above_the_score_are_kept_everywhere(clips_of: Any, talks: str, tmp_path: Path) -> None:
    asked = {"video_url": f"{talks}/talk.mp4", "prefer_length": "<30s", "max_clips": 5}
    every = clips_of(**asked).run()["outputs"]
    limit = sorted(output["details"]["viral_score"] for output in every)[len(every) // 2]
    job = clips_of(**asked, min_viral_score=str(limit), deferrable=True).run()
    kept = [output["details"]["viral_score"] for output in job["outputs"]]
    assert 0 < len(kept) < len(every)
    assert min(kept) >= limit
    assert len(download_of(job, f"{tmp_path}/").run()) == len(kept)
    waited = task_of(VizardProjectSensor, job=job, deferrable=False).run()
    assert len(waited["outputs"]) == len(kept)


def test_another_score_is_no_reason_to_buy_again(clips_of: Any, control: Control) -> None:
    task = clips_of(on_clear="reuse")
    assert task.run()["outputs"]
    kept = clips_of(on_clear="reuse", min_viral_score=10)
    kept.store, kept.instance, kept.dag_run = task.store, task.clear().instance, task.dag_run
    assert kept.run()["outputs"] == []
    assert bought(control) == 1


@pytest.fixture
def bucket(talks: str) -> Any:
    """An object store whose signed URLs lead to the videos; yields the URI of its bucket."""
    with shelf() as (store, uri):
        for name in ("short.mp4", "talk.mp4"):
            with urllib.request.urlopen(f"{talks}/{name}") as answer:
                store.files[f"bucket/{name}"] = answer.read()
        store.sign_at = talks
        yield uri, store


def test_a_file_in_an_object_storage_is_signed_for_the_vendor_and_nobody_else(
    clips_of: Any, control: Control, bucket: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uri, store = bucket
    caplog.set_level(logging.DEBUG)
    task = clips_of(video_url=f"{uri}/talk.mp4", prefer_length="<30s", max_clips=1)
    task.run()
    (entry,) = control.purchases("vizard")
    assert "signature=" in entry["request"]["videoUrl"]
    assert store.signed == [("bucket/talk.mp4", 24 * 3600)]
    assert "signature" not in task.everything_shown() + caplog.text
    assert task.operator.video_url == f"{uri}/talk.mp4"


@pytest.fixture
def s3(connect: Any, talks: str) -> Iterator[str]:
    """A bucket of a real S3 server with a video; yields its URI. moto keeps buckets for the whole process."""
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    extra = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    connect("aws_vizard", conn_type="aws", login="an-id", password="a-secret", extra=extra)
    path = ObjectStoragePath("s3://aws_vizard@vizard-sources/in/short.mp4")
    path.fs.mkdir("vizard-sources")
    with urllib.request.urlopen(f"{talks}/short.mp4") as answer:
        path.write_bytes(answer.read())
    yield "s3://aws_vizard@vizard-sources"
    server.stop()


def test_amazons_s3_signs_a_url_by_which_the_vendor_gets_the_video(
    clips_of: Any, control: Control, s3: str
) -> None:
    job = clips_of(video_url=f"{s3}/in/short.mp4").run()
    assert len(job["outputs"]) == 2
    (entry,) = control.purchases("vizard")
    assert "Signature=" in entry["request"]["videoUrl"]
    assert entry["request"]["ext"] == "mp4"


def test_the_copy_of_the_source_is_left_out_on_request(clips_of: Any, control: Control, bucket: Any) -> None:
    control.settings(vizard={"source_copy": True})
    asked = {"video_url": f"{bucket[0]}/talk.mp4", "prefer_length": "<30s", "max_clips": 2}
    for drop in (False, True):  # the best clips never include it; drop_source leaves it out in any case
        kept = clips_of(**asked, drop_source=drop).run()["outputs"]
        assert kept
        assert max(one["duration"] for one in kept) <= 30


def warnings_of_a_source(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    caplog.clear()
    return [text for text in found if "copy of the source" in text]


@pytest.fixture
def long_talk(control: Control, tmp_path: Path) -> dict[str, Any]:
    """What asks for short clips of a talk of four minutes, which comes back among them."""
    footage = str(talk(tmp_path / "long.mp4", 240, size=(32, 18), quiet=True))
    control.settings(vizard={"source_copy": True, "footage": footage})
    url = "https://www.youtube.com/watch?v=abc"
    return {"video_url": url, "prefer_length": "<30s", "max_clips": None}


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_output_that_is_far_longer_than_the_others_and_is_kept_is_warned_of(
    clips_of: Any, long_talk: dict[str, Any], caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    job = clips_of(**long_talk, deferrable=deferrable).run()
    assert job["outputs"][-1]["duration"] > 180
    (warning,) = warnings_of_a_source(caplog)
    assert f"output {job['outputs'][-1]['index']} lasts 240 s" in warning
    assert "drop_source=True" in warning


def test_a_copy_of_the_source_that_is_not_kept_is_not_warned_of(
    clips_of: Any, long_talk: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for choice in ({"drop_source": True}, {"max_clips": 2}, {"min_viral_score": 0}):
        kept = clips_of(**{**long_talk, **choice}).run()["outputs"]
        assert max(one["duration"] for one in kept) <= 30
        assert warnings_of_a_source(caplog) == []


def test_the_hook_and_the_download_warn_of_a_far_longer_output_too(
    vizard: VizardHook, long_talk: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {name: value for name, value in long_talk.items() if value is not None}
    job = vizard.wait_for_project(vizard.create_project(**asked))
    assert len(warnings_of_a_source(caplog)) == 1
    download_of(job, f"{tmp_path}/all/").run()
    assert len(warnings_of_a_source(caplog)) == 1
    task_of(VizardDownloadOperator, clip=job["outputs"][0], destination=f"{tmp_path}/one/").run()
    assert warnings_of_a_source(caplog) == []


def test_a_storage_that_cannot_sign_is_named_and_nothing_is_bought(
    clips_of: Any, control: Control, tmp_path: Path
) -> None:
    mine = talk(tmp_path / "mine.mp4", 3)
    stopped(clips_of(video_url=str(mine)), "mine.mp4", "can't sign", "S3, GCS, Azure", "Nothing was sent")
    stopped(clips_of(video_url=mine.as_uri()), "can't sign")
    stopped(clips_of(video_url=f"{tmp_path}/none.mp4"), "none.mp4 does not exist")
    assert bought(control) == 0
    assert control.calls("vizard", "create") == []


def test_a_source_that_is_too_long_to_be_edited_is_not_sent(
    clips_of: Any, control: Control, bucket: Any, tmp_path: Path
) -> None:
    uri, store = bucket
    store.files["bucket/long.mp4"] = talk(tmp_path / "long.mp4", 200, quiet=True).read_bytes()
    stopped(
        clips_of(video_url=f"{uri}/long.mp4", mode="edit", max_clips=None), "3.3 minutes", "edits up to 3"
    )
    assert control.calls("vizard", "create") == []


# --- titles, expiry, deletion -------------------------------------------------------------------

NASTY = ["a/b/../../etc/passwd", "🎬🔥 wow 🎉" * 20, "x" * 300, "..", "../../up", "con.mp4\0", "日本語" * 100]


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_any_title_lands_as_a_safe_file_name(clips_of: Any, tmp_path: Path, name: str) -> None:
    job = clips_of(project_name=name, download_to=f"{tmp_path}/in/here/").run()
    assert job["outputs"][0]["title"] == name.replace("\0", "")  # no NUL is stored anywhere
    landed = sorted((tmp_path / "in" / "here").iterdir())
    assert len(landed) == len(job["outputs"]) == 2
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == landed
    ids = {output["details"]["video_id"] for output in job["outputs"]}
    assert {path.stem.rpartition("-")[2] for path in landed} == ids
    assert all(path.suffix == ".mp4" and len(path.name.encode()) <= 255 for path in landed)


def test_a_url_that_expired_before_the_download_is_asked_for_again(
    job: dict[str, Any], control: Control, tmp_path: Path
) -> None:
    # Of both clips, at the check before and when the first URL is asked for.
    control.fault("vizard", "query", "expired_url", times=4)
    landed = download_of(job, f"{tmp_path}/").run()
    assert all(seconds_of(Path(file["uri"].removeprefix("file://"))) > 1 for file in landed)
    assert any(line["status"] == 403 for line in control.calls("vizard", "file"))


def test_a_url_that_expires_midway_is_resumed_with_a_fresh_one(
    job: dict[str, Any], control: Control, tmp_path: Path
) -> None:
    control.fault("vizard", "query", "expired_url", times=4, after_bytes=4000)
    (whole, *_) = download_of(job, f"{tmp_path}/whole/").run()
    control.clear_faults()
    (again, *_) = download_of(job, f"{tmp_path}/again/").run()
    assert whole["sha256"] == again["sha256"]
    assert [path.name for path in (tmp_path / "whole").iterdir() if path.name.startswith(".")] == []
    assert any(line["status"] == 206 for line in control.calls("vizard", "file"))


def test_a_project_that_was_deleted_says_so(job: dict[str, Any], control: Control, tmp_path: Path) -> None:
    control.advance(8 * 86_400)
    stopped(download_of(job, f"{tmp_path}/"), "is gone", "7 days")
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_is_no_longer_in_its_project_says_so(clip: dict[str, Any], tmp_path: Path) -> None:
    other = {**clip, "details": {**clip["details"], "video_id": "4711"}}
    stopped(task_of(VizardDownloadOperator, clip=other, destination=f"{tmp_path}/"), "no clip 4711", "7 days")


def test_one_clip_is_landed_by_itself_with_what_is_said_in_it(clip: dict[str, Any], tmp_path: Path) -> None:
    one = {"clip": clip, "destination": f"{tmp_path}/"}
    (text,) = task_of(VizardDownloadOperator, transcript="txt", **one).run()
    (as_json,) = task_of(VizardDownloadOperator, transcript="json", **one).run()
    said = clip["details"]["transcript"]
    assert said.startswith("This is short")
    path = Path(text["uri"].removeprefix("file://"))
    assert path.with_suffix(".txt").read_text() == said
    assert text["transcript_uri"] == path.with_suffix(".txt").as_uri()
    kept = json.loads(path.with_suffix(".json").read_text())
    assert kept["transcript"] == said
    assert kept["viral_score"] == clip["details"]["viral_score"]
    assert kept["title"] == clip["title"]
    assert as_json["sha256"] == text["sha256"]
    assert len(list(tmp_path.iterdir())) == 3


def test_one_clip_by_its_id_lands_at_an_exact_name(
    job: dict[str, Any], clip: dict[str, Any], tmp_path: Path
) -> None:
    wanted = {"clip": clip["details"]["video_id"], "transcript": "txt"}
    (file,) = download_of(job["job_id"], tmp_path / "exact.mov", **wanted).run()
    assert file["uri"] == (tmp_path / "exact.mov").as_uri()
    assert (tmp_path / "exact.txt").read_text()
    stopped(task_of(VizardDownloadOperator, clip="12", destination=f"{tmp_path}/"), "job is required")
    stopped(download_of(job, f"{tmp_path}/", transcript="srt"), "must be txt or json")


def test_keywords_that_match_nothing_are_a_success_without_clips(
    clips_of: Any, control: Control, tmp_path: Path
) -> None:
    job = clips_of(keywords=["zebra"], deferrable=True).run()
    assert job["state"] == "ready"
    assert job["outputs"] == []
    assert download_of(job, f"{tmp_path}/").run() == []
    assert clips_of(keywords="short").run()["outputs"]


# --- every code ---------------------------------------------------------------------------------

#: What the vendor answers a create with -> what the task's message contains, whether a record is kept.
CREATE_CODES = {
    -1000: ("a parameter is invalid", "Nothing was charged"),
    4001: ("the API key is invalid", "password field", "Nothing was charged"),
    4002: ("the creation failed", "outcome is unknown", "It may have been charged", "Clear the task"),
    4004: ("format is not supported", "mp4, 3gp, avi and mov", "Nothing was charged"),
    4005: ("broken, or too long", "Nothing was charged"),
    4006: ("a parameter is illegal", "Nothing was charged"),
    4007: ("too few minutes", "top it up", "Nothing was charged"),
    4008: ("cannot be downloaded", "public https URL", "Nothing was charged"),
    4009: ("the URL is invalid", "Nothing was charged"),
    4010: ("language was not detected", "language=", "Nothing was charged"),
    4999: ("does not document", "outcome is unknown", "It may have been charged"),
}


@pytest.mark.parametrize("code", CREATE_CODES)
def test_a_code_that_refuses_a_project_fails_the_task_readably_and_a_retry_buys_nothing(
    clips_of: Any, control: Control, code: int
) -> None:
    control.fault("vizard", "create", "code", code=code, message="the vendor's own words")
    task = clips_of()
    message = stopped(task, *CREATE_CODES[code], str(code), "the vendor's own words")
    assert bought(control) == 0
    lost = "outcome is unknown" in message
    assert (task.store.record is not None) is lost
    if lost:
        stopped(task.retry(), "outcome is unknown")
        assert bought(control) == 0


def test_a_lost_answer_to_a_purchase_is_not_sent_again(clips_of: Any, control: Control) -> None:
    control.fault("vizard", "create", "code", when="after", code=4002)
    task = clips_of()
    stopped(task, "It may have been charged")
    stopped(task.retry(), "It may have been charged")
    assert bought(control) == 1
    task.clear().run()
    assert bought(control) == 2


@pytest.mark.parametrize("fault", [{"fault": "reset", "when": "after"}, {"fault": "status", "status": 502}])
def test_an_answer_that_never_came_is_a_lost_purchase(
    clips_of: Any, control: Control, fault: dict[str, Any]
) -> None:
    control.fault("vizard", "create", **fault)
    stopped(clips_of(), "outcome is unknown", "It may have been charged")


def test_too_many_projects_in_a_minute_are_waited_for_and_then_bought_once(
    clips_of: Any, control: Control, hurry: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    control.fault("vizard", "create", "code", code=4003, times=2)
    assert clips_of().run()["state"] == "ready"
    assert bought(control) == 1
    said = capfd.readouterr().out
    # How often the status is checked afterwards depends on the machine: only these pauses have a bound.
    announced = [int(seconds) for seconds in re.findall(r"Nothing was bought; .* (\d+) s\.", said)]
    assert len(announced) == 2
    assert 61 + 61 * 1.25 - 1 < sum(announced) < 61 + 61 * 1.25 * 1.5 + 1, "a minute, and then longer"
    assert sum(hurry) > sum(announced) - 1, "they were waited for"


def test_too_many_projects_in_a_minute_hold_no_worker_and_burn_no_try(
    clips_of: Any, control: Control
) -> None:
    control.fault("vizard", "create", "code", code=4003, times=2)
    task = clips_of(deferrable=True).retry()
    deferred = _deferred(task.begin)
    for waited in (1, 2):
        assert isinstance(deferred.trigger, DateTimeTrigger)
        assert deferred.kwargs["waited"] == waited
        assert task.store.record is None, "nothing was bought, and a killed try could buy"
        again = deferred
        deferred = _deferred(lambda again=again: task.resumed(again, {"moment": "now"}))
    assert deferred.method_name == "execute_complete"
    assert task.resume(deferred)["state"] == "ready"
    assert bought(control) == 1
    assert task.instance.try_number == 1


def _deferred(begin: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        begin()
    return caught.value


def test_an_http_429_is_waited_for_like_the_code(clips_of: Any, control: Control) -> None:
    control.fault("vizard", "create", "status", status=429)
    task = clips_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    moment = caught.value.trigger.moment.timestamp()
    assert moment - time.time() == pytest.approx(61, abs=3)
    assert task.store.record is None


#: What a query ends with -> what the task's message contains.
QUERY_CODES = {
    4002: ("the clipping failed",),
    4004: ("mp4, 3gp, avi and mov",),
    4005: ("Check that it plays",),
    4007: ("top it up",),
    4008: ("public https URL",),
    4009: ("Check video_url and source",),
    4010: ("Give language=",),
    4011: ("does not document",),
    4999: ("does not document",),
    -1000: ("7 days",),
    4006: ("7 days",),
}


@pytest.mark.parametrize("code", QUERY_CODES)
def test_a_code_that_ends_a_project_fails_the_task_readably_and_a_retry_buys_nothing(
    clips_of: Any, control: Control, code: int
) -> None:
    control.fault("vizard", "create", "fail_job", word=str(code))
    task = clips_of(deferrable=code % 2 == 0)
    stopped(task, *QUERY_CODES[code], str(code), "It may have been charged", "lear the task")
    stopped(task.retry(), *QUERY_CODES[code])
    assert bought(control) == 1
    job = control.purchases("vizard")[0]["job_id"]
    stopped(task_of(VizardProjectSensor, job=job, deferrable=False), *QUERY_CODES[code])


@pytest.mark.parametrize(
    ("code", "deferrable"), [("4003", False), ("1001", False), ("4999", False), ("4999", True)]
)
def test_a_passing_code_ends_no_paid_project(
    clips_of: Any, control: Control, code: str, deferrable: bool
) -> None:
    fault = {"fault": "code", "code": 4003} if code == "4003" else {"fault": "vendor_status", "word": code}
    control.fault("vizard", "query", times=2, **fault)
    assert clips_of(deferrable=deferrable).run()["state"] == "ready"
    assert bought(control) == 1


def test_a_refused_key_while_waiting_keeps_the_job(clips_of: Any, control: Control) -> None:
    control.fault("vizard", "query", "code", code=4001, times=2)
    task = clips_of(deferrable=True)
    with pytest.raises(AirflowException, match=r"the API key is invalid.*buys nothing") as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


def test_a_sensor_survives_a_limit_and_is_stopped_by_a_refused_key(
    job: dict[str, Any], control: Control
) -> None:
    control.fault("vizard", "query", "code", code=4003, times=1)
    waited = task_of(VizardProjectSensor, job=job, deferrable=False, poke_interval=0.05)
    assert waited.run()["outputs"] == job["outputs"]
    control.fault("vizard", "query", "code", code=4001, times=1)
    with pytest.raises(AirflowException, match="API key is invalid"):
        task_of(VizardProjectSensor, job=job, deferrable=False).run()


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_project_made_elsewhere_is_waited_for(vizard: VizardHook, talks: str, deferrable: bool) -> None:
    project = vizard.create_project(f"{talks}/short.mp4", max_clips=1)
    waited = task_of(VizardProjectSensor, job=project["job_id"], deferrable=deferrable, poke_interval=0.05)
    assert len(waited.run()["outputs"]) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.mp4", "public https URL"),
        ("broken.mp4", "Check that it plays"),
    ],
)
def test_the_project_says_what_is_wrong_with_a_source(
    clips_of: Any, talks: str, name: str, text: str
) -> None:
    stopped(clips_of(video_url=f"{talks}/{name}"), text)


def test_an_account_without_minutes_buys_nothing(clips_of: Any, control: Control) -> None:
    control.balance("vizard", KEY, 0)
    stopped(clips_of(), "4007", "top it up", "Nothing was charged")
    control.balance("vizard", KEY, 0.01)
    stopped(clips_of(), "4007", "It may have been charged")


# --- captions and publishing ----------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["general", "youtube", "x", 3])
def test_a_caption_is_written_once(clip: dict[str, Any], control: Control, platform: Any) -> None:
    task = task_of(VizardCaptionOperator, clip=clip, platform=platform, tone="catchy", voice="third_person")
    caption = task.run()
    assert caption["caption"].startswith("Wow! They show short")
    assert (caption["title"] is not None) is (platform == "youtube")
    assert task.retry().run() == caption
    assert bought(control, "caption") == 1


def test_a_clip_without_speech_gets_no_caption_and_says_so(clips_of: Any, talks: str) -> None:
    silent = clips_of(video_url=f"{talks}/silent.mp4").run()["outputs"][0]
    stopped(task_of(VizardCaptionOperator, clip=silent), "no speech", "caption=''", "Nothing was charged")


def test_a_clip_is_published_once_however_often_the_task_is_tried(
    clip: dict[str, Any], control: Control
) -> None:
    moment = datetime.now(timezone.utc) + timedelta(days=1)
    task = publish_of(clip, YOUTUBE, caption="Look!", title="A talk", publish_at=moment.isoformat())
    result = task.run()
    assert result == {
        "video_id": clip["details"]["video_id"],
        "social_account_id": YOUTUBE,
        "publish_at": round(moment.timestamp() * 1000),
        "accepted": True,
    }
    assert task.retry().run() == result
    (entry,) = control.purchases("vizard", "publish")
    assert entry["request"] == {
        "finalVideoId": int(clip["details"]["video_id"]),
        "socialAccountId": YOUTUBE,
        "publishTime": result["publish_at"],
        "post": "Look!",
        "title": "A talk",
    }


def test_a_publishing_whose_answer_was_lost_is_not_repeated_by_a_retry(
    clip: dict[str, Any], control: Control
) -> None:
    control.fault("vizard", "publish_video", "reset", when="after")
    task = publish_of(clip)
    stopped(task, "outcome is unknown")
    stopped(task.retry(), "outcome is unknown")
    assert bought(control, "publish") == 1
    task.clear().run()
    assert bought(control, "publish") == 2, "a person's go-ahead"


def test_a_retry_with_resubmit_publishes_again(clip: dict[str, Any], control: Control) -> None:
    control.fault("vizard", "publish_video", "reset", when="before")
    task = publish_of(clip, on_lost_submit="resubmit")
    with pytest.raises(AirflowException, match="next try buys again"):
        task.run()
    assert task.retry().run()["accepted"]
    assert bought(control, "publish") == 1


def test_a_dry_run_checks_everything_and_publishes_nothing(clip: dict[str, Any], control: Control) -> None:
    assert publish_of(clip, dry_run="True").run()["accepted"] is False
    stopped(publish_of(clip, INSTAGRAM, dry_run=True), "expired")
    assert control.calls("vizard", "publish_video") == []


@pytest.mark.parametrize(
    ("account", "changes", "text"),
    [
        (INSTAGRAM, {}, "'expired'"),
        (LINKEDIN, {}, "'locked' in Vizard (beyond what the plan allows)"),
        ("9", {}, "there is no account '9'"),
        (X, {"caption": "x" * 281}, "x takes 280"),
        (TIKTOK, {"caption": "x" * 2201}, "tiktok takes 2200"),
        (YOUTUBE, {"title": "x" * 101}, "title"),
        (TIKTOK, {"publish_at": "2020-01-01T00:00:00"}, "is in the past"),
        (TIKTOK, {"publish_at": "tomorrow"}, "publish_at must be a date and time"),
        (TIKTOK, {"clip": "no clip"}, "clip: expected"),
        (TIKTOK, {"clip": {"title": "x"}}, "has no video_id"),
        (TIKTOK, {"dry_run": "perhaps"}, "dry_run must be true or false"),
    ],
)
def test_what_cannot_be_published_is_refused_before_anything_is_sent(
    clip: dict[str, Any], control: Control, account: str, changes: dict[str, Any], text: str
) -> None:
    stopped(publish_of(changes.pop("clip", clip), account, **changes), text, "Nothing was sent")
    assert control.calls("vizard", "publish_video") == []


PUBLISH_CODES = {
    -1000: ("a parameter is invalid", "Nothing was charged"),
    4001: ("the API key is invalid", "Nothing was charged"),
    4004: ("needs a higher plan", "Nothing was charged"),
    4006: ("a parameter is illegal", "Nothing was charged"),
    4011: ("no such social account", "Nothing was charged"),
    4999: ("does not document", "outcome is unknown"),
}


@pytest.mark.parametrize("code", PUBLISH_CODES)
def test_a_code_that_refuses_a_publishing_fails_the_task_readably(
    clip: dict[str, Any], control: Control, code: int
) -> None:
    control.fault("vizard", "publish_video", "code", code=code)
    stopped(publish_of(clip), *PUBLISH_CODES[code])
    assert bought(control, "publish") == 0


CAPTION_CODES = {
    -1000: "a parameter is invalid",
    4001: "the API key is invalid",
    4002: "no speech",
    4006: "a parameter is illegal",
    4007: "too few minutes",
}


@pytest.mark.parametrize("code", CAPTION_CODES)
def test_a_code_that_refuses_a_caption_fails_the_task_readably(
    clip: dict[str, Any], control: Control, code: int
) -> None:
    control.fault("vizard", "ai_social", "code", code=code)
    stopped(task_of(VizardCaptionOperator, clip=clip), CAPTION_CODES[code], "Nothing was charged")


@pytest.mark.parametrize("call", ["publish_video", "ai_social"])
def test_a_limit_on_other_calls_is_waited_for_and_they_are_sent_once_more(
    clip: dict[str, Any], control: Control, hurry: list[float], call: str
) -> None:
    control.fault("vizard", call, "code", code=4003)
    kind: Any = (
        publish_of if call == "publish_video" else lambda one: task_of(VizardCaptionOperator, clip=one)
    )
    assert kind(clip).run()["video_id"] == clip["details"]["video_id"]
    assert 60.0 in hurry


# --- wrong requests -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"prefer_length": ["auto", "<30s"]}, "prefer_length must be 'auto' alone"),
        ({"prefer_length": ["long"]}, "prefer_length must be one of auto"),
        ({"aspect_ratio": "3:2"}, "aspect_ratio must be one of 9:16, 1:1, 4:5, 16:9"),
        ({"max_clips": 101}, "max_clips"),
        ({"max_clips": 0}, "max_clips"),
        ({"source": "napster"}, "source must be one of file, youtube"),
        ({"video_url": "https://example.com/watch"}, "ext must be one of mp4, 3gp, avi, mov"),
        ({"video_url": "https://example.com/a.mkv"}, "ext must be one of mp4"),
        ({"ext": "webm"}, "ext must be one of mp4"),
        ({"video_url": "https://"}, "video_url must be an http(s) URL"),
        ({"min_viral_score": 11}, "min_viral_score"),
        ({"mode": "edit", "max_clips": None, "keywords": "x"}, "keywords is for mode='clips' only"),
        ({"subtitles": "perhaps"}, "subtitles must be true or false"),
        ({"template_id": "abc"}, "template_id"),
    ],
)
def test_a_wrong_request_is_named_and_nothing_is_sent(
    clips_of: Any, control: Control, changes: dict[str, Any], text: str
) -> None:
    stopped(clips_of(**changes), text, "Nothing was sent")
    assert control.calls("vizard") == []


def test_neither_key_nor_url_gets_out(
    clips_of: Any, control: Control, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    task = clips_of(deferrable=True, outlets=[Asset("a")], download_to=f"{tmp_path}/")
    job = task.run()
    shown = json.dumps(job) + task.everything_shown() + caplog.text + repr(vars(task.operator))
    assert "signature=" not in shown
    assert "invite=" not in shown
    assert KEY not in shown
    assert all(not line["key"] for line in control.calls("vizard", "file"))
    assert control.calls("vizard", "file")


# --- the hook -------------------------------------------------------------------------------------


def test_the_hook_does_all_that_the_api_has(vizard: VizardHook, talks: str, tmp_path: Path) -> None:
    seen: list[str] = []
    project = vizard.create_project(f"{talks}/short.mp4", max_clips="2", language="Russian")
    assert project["state"] == "running"
    done = vizard.wait_for_project(
        project, poll_interval=0.05, on_status=lambda status: seen.append(status.vendor_status)
    )
    assert seen[-1] == "2000 done"
    whole = vizard.query_project(project["job_id"])
    assert whole.code == 2000
    assert whole.project_name == "short"
    assert whole.share_link not in (None, "")
    assert "invite" not in repr(whole)
    assert len(whole.videos) == len(done["outputs"]) == 2
    landed = vizard.download(done, f"{tmp_path}/", transcript="txt")
    assert len(landed) == 2
    with pytest.raises(InputError, match="end it with '/'"):
        vizard.download(done, f"{tmp_path}/one.mp4")
    with pytest.raises(JobGone):
        vizard.download(done, f"{tmp_path}/", clip="4711")
    accounts = {account.platform: account for account in vizard.list_social_accounts()}
    assert accounts["tiktok"].status == "active"
    clip = done["outputs"][0]
    assert vizard.social_caption(clip, "tiktok", tone=4)["caption"].startswith("Would you")
    assert vizard.publish(clip, accounts["tiktok"].id)["accepted"] is True


def test_a_wrong_key_fails_the_connections_test(vizard: VizardHook, control: Control) -> None:
    assert vizard.test_connection() == (True, "Vizard accepts the API key; 6 social accounts are connected.")
    control.accept_only("vizard", ["another"])
    good, said = vizard.test_connection()
    assert not good
    assert "the API key is invalid" in said


def test_the_documented_name_of_the_accounts_is_understood_too(vizard: VizardHook, control: Control) -> None:
    control.settings(vizard={"accounts_key": "accounts"})
    assert len(vizard.list_social_accounts()) == 6


def test_accounts_that_cannot_be_read_keep_nobody_from_publishing(
    clip: dict[str, Any], control: Control
) -> None:
    control.fault("vizard", "social_accounts", "status", status=500, times=None)
    assert publish_of(clip).run()["accepted"] is True
