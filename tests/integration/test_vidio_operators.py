"""VIDIO's operators against the sandbox: the whole chain, its inputs, and what it lets out."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.errors import JobError, JobGone
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.operators.vidio import (
    VidioDownloadOperator,
    VidioUploadOperator,
)
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import KEY, SPEED
from tests.support.raw import Peer, answer, serving
from tests.support.task import Task
from tests.support.videos import picture, video

pytestmark = pytest.mark.usefixtures("vidio")


def upload_of(source: Any, **changes: Any) -> Task:
    return Task(lambda: VidioUploadOperator(task_id="upload", source=source, **changes))


def download_of(job: Any, destination: Any, **changes: Any) -> Task:
    arguments = {"task_id": "download", "job": job, "destination": destination, **changes}
    return Task(lambda: VidioDownloadOperator(**arguments))


def stopped(task: Task, *parts: str) -> str:
    """Run a task that must fail for good with ``parts`` in its message; return all that it said."""
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    for part in parts:
        assert part in str(caught.value)
    assert KEY not in str(caught.value)
    return str(caught.value)


# --- the chain --------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_footage_goes_in_and_a_highlight_reel_comes_out(
    reel_of: Any, render_of: Any, control: Control, media: Path, tmp_path: Path, deferrable: bool
) -> None:
    uploaded = upload_of(str(media)).run()
    reel = reel_of(
        input_keys=[uploaded], output_length=2, aspect_ratio="portrait", deferrable=deferrable
    ).run()
    rendered = render_of(reel, deferrable=deferrable).run()
    (landed,) = download_of(rendered, f"{tmp_path}/out/").run()

    assert uploaded["input_key"].endswith("/big_buck_bunny_5s.mp4")
    assert (uploaded["width"], uploaded["height"], uploaded["media_type"]) == (1280, 720, "video")
    assert (reel["vendor"], reel["kind"], reel["state"]) == ("vidio", "reel", "ready")
    assert (rendered["kind"], rendered["vendor_status"]) == ("render", "rendered")
    assert rendered["job_id"] == reel["job_id"]
    assert [output["index"] for output in rendered["outputs"]] == [0]
    file = tmp_path / "out" / f"big-buck-bunny-5s-{reel['job_id'][-12:]}-0.mp4"
    assert landed["uri"] == file.as_uri()
    with av.open(str(file)) as container:
        shape = container.streams.video[0]
        assert (shape.width, shape.height) == (landed["width"], landed["height"])
        assert shape.width < shape.height
        assert container.duration / av.time_base == pytest.approx(2, abs=0.3)
    assert [one["kind"] for one in control.purchases("vidio")] == ["reel", "render"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_render_can_be_landed_in_the_same_task(
    reel: dict, render_of: Any, tmp_path: Path, deferrable: bool
) -> None:
    result = render_of(reel, download_to=f"{tmp_path}/", deferrable=deferrable).run()
    (landed,) = result["files"]
    assert (tmp_path / f"my-clip-1-é-{reel['job_id'][-12:]}-0.mp4").stat().st_size == landed["bytes"]


def test_the_job_id_is_pushed_before_the_waiting_and_again_on_a_retry(reel_of: Any) -> None:
    task = reel_of(deferrable=True)
    task.retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    first = task.instance.xcoms["job_id"]
    result = task.retry().run()
    assert task.instance.xcoms["job_id"] == first == result["job_id"]


def test_a_picture_is_footage_too(reel_of: Any, tmp_path: Path, control: Control) -> None:
    uploaded = upload_of(str(picture(tmp_path / "a.jpg", size=(80, 60)))).run()
    assert (uploaded["media_type"], uploaded["duration"]) == ("image", 0.0)
    assert (uploaded["width"], uploaded["height"]) == (80, 60)


def test_the_order_of_footage_is_kept(reel_of: Any, control: Control, tmp_path: Path) -> None:
    keys = [upload_of(str(video(tmp_path / f"{name}.mp4"))).run() for name in "cab"]
    reel_of(input_keys=keys).run()
    (bought,) = control.purchases("vidio")
    assert bought["request"]["input_keys"] == [key["input_key"] for key in keys]


def test_numbers_and_lists_may_come_as_text(
    reel_of: Any, render_of: Any, footage: str, control: Control
) -> None:
    job = reel_of(
        input_keys=str([{"input_key": footage}]),
        output_length="1",
        music_category="corporate",
        music_volume="70",
        original_audio_volume="12.5",
        timeout="600",
        poll_interval="0.05",
    ).run()
    render_of(str(job), output_index="0").run()
    reel, render = control.purchases("vidio")
    assert reel["request"] == {
        "input_keys": [footage],
        "video_category": "others",
        "output_length": 1,
        "aspect_ratio": "square",
        "music_category": "corporate",
        "music_volume": 70,
        "original_audio_volume": 12.5,
    }
    assert render["request"] == {"export_option": "premium", "output_index": 0}


@pytest.mark.parametrize(
    "shape",
    [
        lambda key: [key],
        lambda key: (key,),
        lambda key: [{"input_key": key, "width": 64}],
        lambda key: {"input_key": key},
        lambda key: key,
        lambda key: json.dumps([key]),
        lambda key: repr([{"input_key": key}]),
        lambda key: [json.dumps({"input_key": key})],
        lambda key: iter([key]),
    ],
    ids=["list", "tuple", "results", "result", "key", "JSON", "literal", "list of JSON", "iterator"],
)
def test_footage_may_be_named_in_any_way(reel_of: Any, footage: str, control: Control, shape: Any) -> None:
    reel_of(input_keys=shape(footage)).run()
    (bought,) = control.purchases("vidio")
    assert bought["request"]["input_keys"] == [footage]


@pytest.mark.parametrize(
    "form",
    [
        lambda job: job,
        json.dumps,
        repr,
        lambda job: job["job_id"],
        lambda job: f" {job['job_id']} ",
        lambda job: {name: job[name] for name in ("vendor", "conn_id", "job_id", "kind")},
    ],
    ids=["dict", "JSON", "literal", "bare id", "padded id", "ref only"],
)
def test_a_job_may_be_named_in_any_way(reel: dict, render_of: Any, form: Any, tmp_path: Path) -> None:
    rendered = render_of(form(reel)).run()
    assert rendered["job_id"] == reel["job_id"]
    (landed,) = download_of(form(rendered), f"{tmp_path}/a.mp4").run()
    assert (tmp_path / "a.mp4").stat().st_size == landed["bytes"]


def test_the_jobs_own_connection_wins(reel_of: Any, render_of: Any, connect: Any, sandbox: Any) -> None:
    connect("team_b", host=f"{sandbox.url}/vidio", password=KEY)
    job = reel_of(vidio_conn_id="team_b").run()
    assert job["conn_id"] == "team_b"
    connect("vidio_default", password="another-key", host="http://127.0.0.1:9")
    rendered = render_of(job).run()
    assert rendered["conn_id"] == "team_b"


def test_another_vendors_job_is_refused(render_of: Any, control: Control) -> None:
    job = {"vendor": "venice", "conn_id": "venice_default", "job_id": "J1", "kind": "generate"}
    said = stopped(render_of(job), "venice", "not of vidio", "Nothing was sent")
    assert "job" in said
    assert control.calls() == []


def test_landed_files_are_reported_to_assets(reel: dict, render_of: Any, tmp_path: Path) -> None:
    asset, alias = Asset("reels"), AssetAlias("clips")
    rendered = render_of(reel).run()
    task = download_of(rendered, f"{tmp_path}/a.mp4", outlets=[asset, alias])
    (landed,) = task.run()
    cost = {"amount": 1.0, "unit": "units", "units": 1, "source": "list"}
    assert task.outlet_events[asset].extra == {"files": [landed], "cost": cost}
    (event,) = task.outlet_events[alias].asset_alias_events
    assert event.dest_asset_key.uri.endswith("/a.mp4")
    assert event.extra == {**landed, "cost": cost}


def test_downloading_again_replaces_the_file(reel: dict, render_of: Any, tmp_path: Path) -> None:
    rendered = render_of(reel).run()
    (tmp_path / "a.mp4").write_bytes(b"an older file")
    task = download_of(rendered, f"{tmp_path}/a.mp4")
    assert task.run() == task.retry().run()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# --- secrets ----------------------------------------------------------------------------------


def test_neither_key_nor_signed_url_gets_out(
    reel_of: Any,
    render_of: Any,
    media: Path,
    tmp_path: Path,
    control: Control,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
    hurry: list,
) -> None:
    caplog.set_level(logging.DEBUG)
    for call in ("put", "file"):
        control.fault("vidio", call, "status", status=503)
    control.fault("vidio", "file", "truncate", skip=1)
    control.fault("vidio", "status", "status", status=500, times=2)
    upload = upload_of(str(media))
    reel = reel_of(input_keys=[upload.run()], music_category="corporate", deferrable=True)
    render = render_of(reel.run(), deferrable=True, outlets=[Asset("reels"), AssetAlias("clips")])
    result = render.run()
    download = download_of(result, f"{tmp_path}/")
    shown = [download.run(), result]
    for task in (upload, reel, render, download):
        shown.append(task.everything_shown())
        shown.append({name: getattr(task.operator, name) for name in task.operator.template_fields})
    output = capfd.readouterr()
    everything = repr(shown) + caplog.text + output.out + output.err
    assert "landed" in everything.lower()
    for secret in (KEY, "signature=", "expires=", "/storage/"):
        assert secret not in everything


# --- wrong requests: named, refused, and nothing bought ----------------------------------------


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"video_category": "sports"},
            ["video_category", "podcast", "ball-sports", "travel", "others", "'sports'"],
        ),
        ({"aspect_ratio": "16:9"}, ["aspect_ratio", "landscape", "portrait", "square", "'16:9'"]),
        ({"music_category": "polka"}, ["music_category", "corporate", "trending_vlogs", "'polka'"]),
        ({"music_volume": 101}, ["music_volume", "less than or equal to 100", "101"]),
        ({"music_volume": "loud"}, ["music_volume", "number", "'loud'"]),
        ({"original_audio_volume": -1}, ["original_audio_volume", "greater than or equal to 0", "-1"]),
        ({"original_audio_volume": True}, ["original_audio_volume", "must be a number"]),
        ({"output_length": 0}, ["output_length", "greater than 0"]),
        ({"output_length": "nan"}, ["output_length"]),
        ({"input_keys": []}, ["input_keys is required"]),
        ({"input_keys": "[]"}, ["input_keys is required"]),
        ({"input_keys": [""]}, ["input_keys is required"]),
        ({"input_keys": [7]}, ["input_keys", "string"]),
        ({"download_to": "/tmp/"}, ["download_to", "VidioRenderOperator"]),
        ({"timeout": 0}, ["timeout", "positive number of seconds"]),
        ({"timeout": "soon"}, ["timeout", "'soon'"]),
        ({"on_lost_submit": "retry"}, ["on_lost_submit", "'fail', 'resubmit'", "'retry'"]),
        ({"on_clear": "never"}, ["on_clear", "'fresh', 'reuse'", "'never'"]),
        ({"poll_interval": -1}, ["poll_interval", "positive number of seconds"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_wrong_request_is_named_and_nothing_is_bought(
    reel_of: Any, control: Control, changes: dict, parts: list[str], deferrable: bool
) -> None:
    task = reel_of(**changes, deferrable=deferrable)
    stopped(task, *parts, "Nothing was sent")
    assert task.store.record is None
    assert control.calls("vidio", "create_highlight_reel") == []
    assert control.purchases() == []


@pytest.mark.parametrize("keys", [None, 7, [{"key": "uploads/x/a.mp4"}], {"file": "a.mp4"}], ids=str)
def test_footage_that_names_no_key_is_refused(reel_of: Any, control: Control, keys: Any) -> None:
    stopped(reel_of(input_keys=keys), "input_keys", "Nothing was sent")
    assert control.purchases() == []


def test_several_wrong_fields_are_named_at_once(reel_of: Any, control: Control) -> None:
    stopped(
        reel_of(video_category="x", aspect_ratio="y", music_volume=500),
        "video_category",
        "aspect_ratio",
        "music_volume",
    )


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"output_index": -1}, ["output_index", "greater than or equal to 0"]),
        ({"output_index": "first"}, ["output_index", "whole number", "'first'"]),
        ({"output_index": 1.5}, ["output_index", "whole number"]),
    ],
    ids=str,
)
def test_a_wrong_render_is_named_and_nothing_is_bought(
    reel: dict, render_of: Any, control: Control, changes: dict, parts: list[str]
) -> None:
    task = render_of(reel, **changes)
    stopped(task, *parts, "Nothing was sent")
    assert [one["kind"] for one in control.purchases()] == ["reel"]


@pytest.mark.parametrize("rendered", [False, True])
def test_an_output_that_does_not_exist_is_refused(
    reel: dict, render_of: Any, control: Control, rendered: bool
) -> None:
    """VIDIO reports the outputs only once something is rendered; before that it refuses by itself."""
    if rendered:
        render_of(reel).run()
    before = len(control.purchases())
    task = render_of(reel, output_index=99)
    stopped(task, "output_index")
    assert task.store.record is None
    assert len(control.purchases()) == before


@pytest.mark.parametrize("job", [None, "", "  ", [], {}, {"job_id": "J1"}, True, "[1, 2]"], ids=repr)
def test_what_names_no_job_is_refused(render_of: Any, control: Control, job: Any, tmp_path: Path) -> None:
    stopped(render_of(job), "job", "Nothing was sent")
    stopped(download_of(job, f"{tmp_path}/"), "job", "Nothing was sent")
    assert control.calls() == []


def test_a_job_that_does_not_exist_is_said_so(render_of: Any, control: Control, tmp_path: Path) -> None:
    stopped(render_of("no-such-job"), "no-such-job", "404")
    with pytest.raises(AirflowException, match=r"no-such-job cannot be found.*A retry checks again"):
        download_of("no-such-job", f"{tmp_path}/").run()
    assert control.purchases() == []
    assert list(tmp_path.iterdir()) == []


def test_a_job_id_cannot_lead_to_another_path(render_of: Any, control: Control) -> None:
    stopped(render_of("../../uploads/upload-url?x="), "404")
    assert control.purchases() == []


def test_a_job_that_is_not_processed_yet_is_not_rendered(
    reel_of: Any, render_of: Any, control: Control
) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True)
    task.retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    render = render_of(task.instance.xcoms["job_id"])
    with pytest.raises(
        AirflowException, match=r"not processed yet; this render was not sent\. Nothing was charged"
    ) as caught:
        render.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert render.store.record is None
    assert len(control.purchases()) == 1


def test_a_job_that_is_not_rendered_cannot_be_downloaded(reel: dict, tmp_path: Path) -> None:
    with pytest.raises(AirflowException, match="not ready"):
        download_of(reel, f"{tmp_path}/").run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda folder: folder / "none.mp4", ["none.mp4 does not exist"]),
        (lambda folder: folder, ["is a directory"]),
        (lambda folder: _write(folder / "a.mp4", b"this is no video" * 99), ["is plain text"]),
        (lambda folder: _write(folder / "a", b"x"), ["has no extension"]),
        (lambda folder: _write(folder / "a.mp4", b""), ["is empty"]),
        (
            lambda folder: _write(folder / "a.txt", b"x"),
            ["is plain text, not a video or an image"],
        ),
        (lambda folder: "gs://bucket/a.mp4", ["Install the Airflow provider", "amazon"]),
    ],
    ids=["missing", "directory", "unreadable", "no extension", "empty", "other extension", "no filesystem"],
)
def test_footage_that_cannot_be_used_is_refused_and_nothing_is_sent(
    control: Control, tmp_path: Path, make: Any, parts: list[str]
) -> None:
    path = str(make(tmp_path))
    stopped(upload_of(path), path, *parts, "Nothing was sent")
    assert control.calls() == []


def test_a_wrong_key_is_explained_and_nothing_is_bought(
    reel_of: Any, render_of: Any, control: Control, clip: Path, tmp_path: Path
) -> None:
    tasks = [reel_of(), render_of("J1"), upload_of(str(clip)), download_of("J1", f"{tmp_path}/")]
    control.accept_only("vidio", ["another key"])
    for task in tasks:
        stopped(task, "401", "Check the API key in the connection's password field")
        assert task.store.record is None
    assert control.purchases() == []


@pytest.mark.parametrize(("status", "word"), [(402, "top up its balance or plan"), (403, "check the plan")])
def test_a_closed_account_is_explained_and_nothing_is_bought(
    reel_of: Any, control: Control, status: int, word: str
) -> None:
    task = reel_of()
    control.close_account("vidio", KEY, status, {"error": "your plan has ended"})
    stopped(task, str(status), "your plan has ended", word)
    assert task.store.record is None
    control.open_account("vidio", KEY)
    task.retry().run()
    assert len(control.purchases()) == 1


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refusal_because_of_the_account_states_the_fate_of_the_money(
    reel_of: Any, control: Control, status: int
) -> None:
    task = reel_of()
    control.close_account("vidio", KEY, status, {"error": "no"})
    assert "othing was charged" in stopped(task)


def test_footage_that_the_vendor_does_not_have_is_refused(reel_of: Any, control: Control) -> None:
    task = reel_of(input_keys=["uploads/elsewhere/a.mp4"])
    stopped(task, "No such upload", "Nothing was charged")
    assert task.store.record is None
    assert control.purchases() == []


@pytest.mark.parametrize("destination", ["gs://bucket/out/", "nosuch://x/"])
def test_a_destination_that_can_never_be_written_fails_for_good(
    reel: dict, render_of: Any, destination: str
) -> None:
    stopped(download_of(render_of(reel).run(), destination), destination)


def test_a_destination_that_is_a_directory_is_explained(reel: dict, render_of: Any, tmp_path: Path) -> None:
    stopped(download_of(render_of(reel).run(), str(tmp_path)), "end it with '/'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("destination", ["gs://bucket/out/", "nosuch://x/"])
def test_a_destination_that_can_never_be_written_is_refused_before_anything_is_bought(
    reel: dict, render_of: Any, control: Control, destination: str
) -> None:
    stopped(render_of(reel, download_to=destination), destination, "Nothing was sent")
    assert control.purchases(kind="render") == []


# --- one render at a time ----------------------------------------------------------------------


def test_several_outputs_are_rendered_and_downloaded_in_turn(
    reel: dict, render_of: Any, control: Control, tmp_path: Path
) -> None:
    landed = []
    for index in (0, 1):
        rendered = render_of(reel, output_index=index).run()
        assert [output["index"] for output in rendered["outputs"]] == [index]
        landed += download_of(rendered, f"{tmp_path}/").run()
    assert len({file["uri"] for file in landed}) == 2
    assert [one["request"]["output_index"] for one in control.purchases(kind="render")] == [0, 1]


def test_a_render_is_refused_while_another_one_runs(reel: dict, render_of: Any, control: Control) -> None:
    control.settings(speed=0)
    first = render_of(reel, deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        first.begin()
    # The vendor does not show the first one at once; then only its own refusal protects it.
    unseen = render_of(reel, output_index=1)
    with pytest.raises(AirflowException, match=r"Nothing was charged") as caught:
        unseen.run()
    control.advance(10)
    seen = render_of(reel, output_index=1)
    with pytest.raises(AirflowException, match=r"rendering already.*Nothing was charged") as caught_again:
        seen.run()
    for error, task in ((caught.value, unseen), (caught_again.value, seen)):
        assert not isinstance(error, AirflowFailException)
        assert task.store.record is None
    assert len(control.purchases(kind="render")) == 1


def test_a_render_is_not_taken_for_the_one_before_it(reel: dict, render_of: Any, control: Control) -> None:
    first = render_of(reel).run()
    control.fault("vidio", "status", "stale_rendered", times=None)
    second = render_of(reel, output_index=1, deferrable=True).run()
    assert second["params"]["before"] == first["params"]["digest"]
    assert second["params"]["digest"] != first["params"]["digest"]


def test_a_download_whose_render_was_replaced_fails_clearly(
    reel: dict, render_of: Any, control: Control, tmp_path: Path
) -> None:
    first = render_of(reel).run()
    render_of(reel, output_index=1).run()
    said = stopped(download_of(first, f"{tmp_path}/"), "later render", "VIDIO keeps only the last")
    assert "Run render and download in turn" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_retry_after_a_failed_download_never_lands_a_later_render(
    reel: dict, render_of: Any, control: Control, tmp_path: Path, deferrable: bool
) -> None:
    folder = tmp_path / "out"
    first = render_of(reel, download_to=f"{folder}/", deferrable=deferrable)
    folder.write_text("a file where the folder should be")
    with pytest.raises(AirflowException, match="its files could not be downloaded"):
        first.run()
    folder.unlink()
    render_of(reel, output_index=1).run()
    stopped(first.retry(), "later render")
    assert not folder.exists()
    assert first.clear().run()["outputs"][0]["index"] == 0
    assert [one["request"]["output_index"] for one in control.purchases(kind="render")] == [0, 1, 0]


def test_a_download_while_a_later_render_runs_fails_clearly(
    reel: dict, render_of: Any, control: Control, tmp_path: Path
) -> None:
    first = render_of(reel).run()
    control.settings(speed=0)
    second = render_of(reel, output_index=1, deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        second.begin()
    control.advance(10)
    stopped(download_of(first, f"{tmp_path}/"), "later render")
    assert list(tmp_path.iterdir()) == []


def test_a_hooks_download_never_takes_the_render_before(
    vidio: VidioHook, reel: dict, control: Control, tmp_path: Path
) -> None:
    job = reel["job_id"]
    vidio.render(job)
    vidio.wait_for_render(job, poll_interval=0.05)
    first = vidio.download(job, str(tmp_path / "first.mp4"))
    control.settings(speed=0)
    vidio.render(job, 1)
    for _ in range(2):  # before the vendor shows that it renders, and while it does
        with pytest.raises(JobError, match="is not ready") as caught:
            vidio.download(job, str(tmp_path / "second.mp4"))
        assert (caught.value.retryable, caught.value.charged) == (True, "yes")
        control.advance(10)
    control.settings(speed=SPEED)
    vidio.wait_for_render(job, poll_interval=0.05)
    assert vidio.download(job, str(tmp_path / "second.mp4"))["sha256"] != first["sha256"]


def test_a_hooks_download_never_takes_a_later_render_that_another_made(
    vidio: VidioHook, reel: dict, render_of: Any, tmp_path: Path
) -> None:
    job = reel["job_id"]
    vidio.render(job)
    vidio.wait_for_render(job, poll_interval=0.05)
    render_of(reel, output_index=1).run()
    with pytest.raises(JobGone, match="later render"):
        vidio.download(job, str(tmp_path / "a.mp4"))


def test_a_hook_downloads_a_render_that_equals_the_one_before_once_it_was_waited_for(
    connect: Any, media: Path, tmp_path: Path, hurry: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = time.time()
    monkeypatch.setattr(time, "time", lambda: begin + sum(hurry))  # time passes as it is slept through

    def vendor(peer: Peer) -> None:
        if peer.request.path == "/file.mp4":
            answer(200, media.read_bytes(), content_type="video/mp4")(peer)
        elif peer.request.method == "POST":
            answer(200, {"job_id": "J1", "status": "rendering"})(peer)
        else:
            url = f"{server.url}/file.mp4"
            answer(200, {"job_id": "J1", "status": "rendered", "output_url": url, "outputs": []})(peer)

    with serving(vendor) as server:
        hook = VidioHook(connect(host=server.url))
        hook.render("J1")
        with pytest.raises(JobError, match="is not ready"):
            hook.download("J1", str(tmp_path / "a.mp4"))
        hook.wait_for_render("J1")
        assert sum(hurry) >= 60
        assert hook.download("J1", str(tmp_path / "a.mp4"))["bytes"] == media.stat().st_size


# --- files in trouble --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"status": 503}),
        ("status", {"status": 403}),
        ("reset", {}),
        ("reset", {"after_bytes": 100_000}),
        ("truncate", {}),
        ("html", {"status": 503}),
        ("expired_url", {}),
    ],
    ids=str,
)
def test_a_download_in_trouble_gets_there(
    reel: dict, render_of: Any, control: Control, tmp_path: Path, fault: str, options: dict, hurry: list
) -> None:
    rendered = render_of(reel).run()
    whole = download_of(rendered, f"{tmp_path}/whole.mp4").run()[0]
    control.fault("vidio", "status" if fault == "expired_url" else "file", fault, **options)
    landed = download_of(rendered, f"{tmp_path}/a.mp4").run()[0]
    assert landed["sha256"] == whole["sha256"]


@pytest.mark.parametrize(
    ("fault", "options"), [("status", {"status": 503}), ("reset", {}), ("expired_url", {})], ids=str
)
def test_an_upload_in_trouble_gets_there(
    reel_of: Any, clip: Path, control: Control, fault: str, options: dict, hurry: list
) -> None:
    control.fault("vidio", "upload_url" if fault == "expired_url" else "put", fault, **options)
    uploaded = upload_of(str(clip)).run()
    reel_of(input_keys=[uploaded]).run()
    calls = control.calls("vidio", "put")
    assert calls[-1]["status"] == 200
    assert not any(call["key"] for call in calls)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
