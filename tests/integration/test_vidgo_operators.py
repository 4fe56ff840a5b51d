"""Vidgo's operators against the sandbox: purchase, uploads, waiting, delivery, balance, lease."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import Asset, AssetAlias
from PIL import Image

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.operators.vidgo import VidgoDownloadOperator, VidgoUploadImageOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from tests.integration.conftest import KEPT, KEY
from tests.support.task import Task
from tests.support.videos import picture, video
from tests.support.web import web

pytestmark = pytest.mark.usefixtures("vidgo")

CALLBACK = "https://your-domain.com/callback"
SONG = {
    "prompt": "first line\nsecond line",
    "style": "Classical",
    "title": "Peaceful Piano Meditation",
    "custom_mode": True,
    "instrumental": True,
    "mv": "V5",
}
DAY = 24 * 3600


def download_of(job: Any, destination: Any, **changes: Any) -> Task:
    return Task(lambda: VidgoDownloadOperator(task_id="t", job=job, destination=str(destination), **changes))


def upload_of(source: Any) -> Task:
    return Task(lambda: VidgoUploadImageOperator(task_id="t", source=str(source)))


def stopped(task: Task, *parts: str) -> str:
    """Run a task that must fail for good with ``parts`` in its message; return all that it said."""
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    for part in parts:
        assert part in str(caught.value)
    assert KEY not in str(caught.value)
    return str(caught.value)


def bought(control: Control) -> int:
    return int(control.book()["totals"]["purchases"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- the chain --------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_prompt_goes_in_and_a_picture_comes_out(
    task_of: Any, control: Control, tmp_path: Path, deferrable: bool
) -> None:
    job = task_of(deferrable=deferrable).run()
    (landed,) = download_of(job, f"{tmp_path}/out/").run()
    assert (job["vendor"], job["kind"], job["state"], job["vendor_status"]) == (
        *("vidgo", "media", "ready"),
        "finished",
    )
    path = tmp_path / "out" / f"a-lake-{job['job_id'][-12:]}-0.png"
    assert (landed["uri"], landed["content_type"]) == (path.as_uri(), "image/png")
    with Image.open(path) as opened:
        assert opened.size == (64, 64)
    (entry,) = control.purchases("vidgo")
    assert entry["request"] == {"model": "gpt-4o-image", "input": {"prompt": "a lake", "size": "1:1"}}


@pytest.mark.parametrize("deferrable", [False, True])
def test_files_can_be_landed_in_the_same_task(task_of: Any, tmp_path: Path, deferrable: bool) -> None:
    asset, alias = Asset("pictures"), AssetAlias("all")
    asked = {"prompt": "a lake", "size": "1:1", "n": 4}
    task = task_of(asked=asked, download_to=f"{tmp_path}/", deferrable=deferrable, outlets=[asset, alias])
    result = task.run()
    assert names(tmp_path) == [f"a-lake-{result['job_id'][-12:]}-{number}.png" for number in range(4)]
    assert len({(tmp_path / name).read_bytes() for name in names(tmp_path)}) == 4
    assert task.outlet_events[asset].extra == {"files": result["files"]}
    assert len(task.outlet_events[alias].asset_alias_events) == 4


def test_several_files_do_not_go_into_one(task_of: Any, tmp_path: Path) -> None:
    job = task_of(asked={"prompt": "a lake", "n": 2}).run()
    stopped(download_of(job, tmp_path / "a.png"), "has 2 files", "end it with '/'")
    assert names(tmp_path) == []


def test_a_last_frame_is_not_taken_for_the_video(task_of: Any, tmp_path: Path) -> None:
    asked = {"prompt": "waves", "duration": 4, "resolution": "480p", "return_last_frame": True}
    job = task_of("seedance-2.0/text-to-video", asked).run()
    assert [one["kind"] for one in job["outputs"]] == ["image", "video"]
    frame, video = download_of(job, f"{tmp_path}/").run()
    assert (frame["content_type"], Path(frame["uri"]).suffix) == ("image/jpeg", ".jpg")
    assert (video["content_type"], Path(video["uri"]).suffix) == ("video/mp4", ".mp4")
    assert video["duration"] == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize(("model", "kind"), [("generate-lyrics", "media"), ("gpt-4o-image", "music")])
def test_a_kind_that_is_not_the_models_buys_nothing(
    task_of: Any, control: Control, model: str, kind: str
) -> None:
    task = task_of(model, {"prompt": "rain"}, callback_url=CALLBACK, kind=kind)
    stopped(task, "kind: ", model, "Nothing was sent.")
    assert bought(control) == 0


def test_the_sensor_and_the_download_take_a_bare_id_by_its_kind(task_of: Any, tmp_path: Path) -> None:
    song = task_of("generate-lyrics", {"prompt": "rain"}, callback_url=CALLBACK).run()

    def sensor(**arguments: Any) -> Task:
        return Task(
            lambda: VidgoTaskSensor(
                task_id="t", job=song["job_id"], poke_interval=0.05, deferrable=True, **arguments
            )
        )

    assert sensor(kind="music").run()["outputs"] == song["outputs"]
    stopped(sensor(), "is a music task", "kind='music'")
    stopped(sensor(kind="musik"), "kind must be media or music")
    (landed,) = download_of(song["job_id"], tmp_path / "song.txt", kind="music").run()
    assert (tmp_path / "song.txt").stat().st_size == landed["bytes"]


def test_numbers_lists_and_truths_may_come_as_text(task_of: Any, control: Control) -> None:
    asked = "{'prompt': '{\"as\": \"JSON\"}', 'n': '2', 'size': '3:2', 'mask_url': 'None'}"
    task_of(asked=asked, callback_url="None", min_credits="5").run()
    (entry,) = control.purchases("vidgo")
    assert entry["request"]["input"] == {"prompt": '{"as": "JSON"}', "n": 2, "size": "3:2"}


# --- music ------------------------------------------------------------------------------------


def played(path: Path) -> float:
    """Decode all of a sound or video; return how long it sounds, having made sure that it can be heard."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        blocks = [frame.to_ndarray().astype(float) for frame in container.decode(audio=0)]
    assert max(abs(block).max() for block in blocks) > 0
    return sum(block.shape[-1] // (2 if block.shape[0] == 1 else 1) for block in blocks) / rate


#: model -> (what more it is asked, names of what is landed; * stands for the task's id)
RESULTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "convert-to-wav": ({}, ["*-0.wav"]),
    "separate-vocals": ({}, ["instrumental-*-1.mp3", "vocal-*-0.mp3"]),
    "stem-split": (
        {},
        [
            *("backing-vocals-*-0.mp3", "bass-*-1.mp3", "brass-*-2.mp3", "drums-*-3.mp3", "fx-*-4.mp3"),
            *("guitar-*-5.mp3", "keyboard-*-6.mp3", "percussion-*-7.mp3", "strings-*-8.mp3"),
            *("synth-*-9.mp3", "vocal-*-10.mp3", "woodwinds-*-11.mp3"),
        ],
    ),
    "create-music-video": ({}, ["*-0.mp4"]),
    "generate-music-cover": ({}, ["*-0.png", "*-1.png"]),
    "generate-persona": ({"name": "n", "description": "d"}, ["persona-*-0.txt"]),
    "get-timestamped-lyrics": ({}, ["timestamped-lyrics-*-0.txt"]),
    "generate-lyrics": ({"prompt": "rain in june"}, ["rain-in-june-*-0.txt"]),
    "boost-music-style": ({"content": "pop"}, ["style-*-0.txt"]),
    "upload-and-separate-vocals": (
        {"audio_url": ...},
        [
            *("bass-*-0.mp3", "drums-*-1.mp3", "guitar-*-3.mp3", "other-*-5.mp3", "piano-*-2.mp3"),
            "vocals-*-4.mp3",
        ],
    ),
    "extend-music": ({"default_param_flag": False, "mv": "V5"}, ["song"]),
    "upload-and-cover-audio": (
        {"upload_url": ..., "prompt": "x", "custom_mode": False, "instrumental": True, "mv": "V5"},
        ["song"],
    ),
    "upload-and-extend-audio": (
        {"upload_url": ..., "default_param_flag": False, "instrumental": True, "continue_at": 1, "mv": "V5"},
        ["song"],
    ),
    "add-instrumental": ({"upload_url": ..., "title": "t", "tags": "x", "negative_tags": "y"}, ["song"]),
    "add-vocals": (
        {"upload_url": ..., "prompt": "x", "title": "t", "style": "s", "negative_tags": "y"},
        ["song"],
    ),
    "replace-section": (
        {
            "prompt": "x",
            "tags": "x",
            "title": "t",
            "full_lyrics": "l",
            "infill_start_s": 0.5,
            "infill_end_s": 1.5,
        },
        ["song"],
    ),
}


@pytest.fixture
def song(task_of: Any) -> dict[str, Any]:
    return dict(task_of("generate-music", SONG).run())


def test_a_song_comes_in_two_versions_with_their_covers(song: dict, tmp_path: Path) -> None:
    landed = download_of(song, f"{tmp_path}/").run()
    job = song["job_id"]
    assert [Path(file["uri"]).name for file in landed] == [
        f"peaceful-piano-meditation-{job}-0.mp3",
        f"peaceful-piano-meditation-{job}-1.mp3",
        f"peaceful-piano-meditation-cover-{job}-2.jpg",
        f"peaceful-piano-meditation-cover-{job}-3.jpg",
    ]
    assert [file["content_type"] for file in landed] == ["audio/mpeg"] * 2 + ["image/jpeg"] * 2
    assert played(Path(landed[0]["uri"].removeprefix("file://"))) == pytest.approx(2.0, abs=0.1)
    assert [one["duration"] for one in song["outputs"]] == [2.0, 1.5, None, None]
    assert song["outputs"][0]["details"]["audio_id"]


@pytest.fixture
def uploaded(media: Path) -> Iterator[str]:
    """The public URL of a video with sound, as a song that somebody brings along."""
    with web(media.parent) as url:
        yield f"{url}/{media.name}"


@pytest.mark.parametrize("model", RESULTS)
def test_every_music_models_result_is_landed_under_sensible_names_and_plays(
    task_of: Any, song: dict, uploaded: str, tmp_path: Path, model: str
) -> None:
    more, expected = RESULTS[model]
    about = {"task_id": song["job_id"], "audio_id": song["outputs"][0]["details"]["audio_id"]}
    asked = {**about, **{name: uploaded if value is ... else value for name, value in more.items()}}
    job = task_of(model, asked, callback_url=CALLBACK).run()
    assert job["kind"] == "music"
    landed = download_of(job, f"{tmp_path}/").run()
    found = [name.replace(job["job_id"], "*").replace(job["job_id"][-8:], "*") for name in names(tmp_path)]
    if expected == ["song"]:
        assert sorted(Path(name).suffix for name in found) == [".jpg", ".jpg", ".mp3", ".mp3"]
    else:
        assert found == sorted(expected)
    for file in landed:
        path = Path(file["uri"].removeprefix("file://"))
        if file["content_type"].startswith(("audio/", "video/")):
            assert played(path) > 0.9
        elif file["content_type"].startswith("image/"):
            Image.open(path).verify()
        else:
            assert path.read_text().strip() == job["outputs"][0]["details"]["text"].strip()


# --- pictures are uploaded when buying --------------------------------------------------------


def test_a_local_picture_is_uploaded_and_then_bought_with(
    task_of: Any, control: Control, tmp_path: Path
) -> None:
    image, other = (picture(tmp_path / name, size=(96, 64)) for name in ("sea.png", "land.gif"))
    asked = {"prompt": "at night", "image_urls": [str(image), other.as_uri()]}
    task = task_of("gpt-4o-image-edit", asked)
    assert task.run()["state"] == "ready"
    calls = [line["call"] for line in control.calls("vidgo") if line["call"] in ("upload_base64", "submit")]
    assert calls == ["upload_base64", "upload_base64", "submit"]
    sent = control.purchases("vidgo")[0]["request"]["input"]["image_urls"]
    assert all("/storage/vidgo/temp/" in url for url in sent)
    assert "/storage/" not in task.everything_shown()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp"])
def test_an_uploaded_picture_can_be_used_by_another_task(
    task_of: Any, control: Control, tmp_path: Path, suffix: str
) -> None:
    result = upload_of(picture(tmp_path / f"sea{suffix}", size=(96, 64))).run()
    assert set(result) == {"sealed_url", "file_name", "content_type", "bytes", "expires_at"}
    assert "http" not in json.dumps(result)
    for given in (result, str(result), json.dumps(result)):
        assert task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": [given]}).run()["state"] == "ready"
    assert len(control.calls("vidgo", "upload_base64")) == 1


def test_a_picture_in_the_web_is_fetched_by_the_vendor(
    vidgo: VidgoHook, control: Control, tmp_path: Path
) -> None:
    first = vidgo.upload_image(str(picture(tmp_path / "a.png")))
    again = upload_of(first.file_url).run()
    assert again["content_type"] == "image/png"
    assert len(control.calls("vidgo", "upload_url")) == 1


@pytest.mark.parametrize("make", ["video", "bmp", "text"])
def test_what_is_no_picture_that_is_taken_is_refused_before_it_is_sent(
    task_of: Any, control: Control, tmp_path: Path, make: str
) -> None:
    path = tmp_path / f"a.{make}"
    if make == "video":
        path = video(tmp_path / "a.mp4")
    elif make == "bmp":
        path = picture(tmp_path / "a.bmp")
    else:
        path.write_text("no picture")
    message = stopped(task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": [str(path)]}), str(path))
    assert "Nothing was sent." in message
    stopped(upload_of(path), str(path))
    assert control.calls("vidgo") == []


def test_a_picture_that_is_not_there_buys_nothing(task_of: Any, control: Control) -> None:
    stopped(task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": ["/no/such.png"]}), "does not exist")
    stopped(task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": [5]}), "is not a picture")
    assert bought(control) == 0


def test_more_pictures_than_the_limit_lets_in_are_waited_for(
    task_of: Any, control: Control, tmp_path: Path, hurry: list[float]
) -> None:
    control.settings(vidgo={"uploads_per_minute": 0})  # its own limit would take a real minute
    images = [str(picture(tmp_path / name)) for name in ("a.png", "a.jpg", "a.gif")]
    control.fault("vidgo", "upload_base64", "limited", skip=2, times=3)
    asked = {"prompt": "x", "image_urls": images}
    assert task_of("gpt-4o-image-edit", asked).run()["state"] == "ready"
    assert hurry[:3] == [12.0] * 3
    assert bought(control) == 1


def test_a_purchase_that_is_sent_again_does_not_upload_its_pictures_again(
    task_of: Any, control: Control, tmp_path: Path
) -> None:
    control.settings(vidgo={"uploads_per_minute": 0})  # its own limit would take a real minute
    images = [str(picture(tmp_path / name)) for name in ("a.png", "a.jpg", "a.gif")]
    control.fault("vidgo", "submit", "limited", times=4)
    task = task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": [*images, images[0]]})
    assert task.run()["state"] == "ready"
    assert len(control.calls("vidgo", "submit")) == 5
    assert len(control.calls("vidgo", "upload_base64")) == 3
    sent = control.purchases("vidgo")[0]["request"]["input"]["image_urls"]
    assert (len(set(sent)), sent[0]) == (3, sent[3])
    assert bought(control) == 1


def test_a_picture_that_changed_between_two_purchases_is_uploaded_again(
    vidgo: VidgoHook, control: Control, tmp_path: Path
) -> None:
    image = picture(tmp_path / "a.png")
    asked = {"prompt": "x", "image_urls": [str(image)]}
    vidgo.submit("gpt-4o-image-edit", asked)
    image.write_bytes(picture(tmp_path / "b.png", size=(48, 48)).read_bytes())
    vidgo.submit("gpt-4o-image-edit", asked)
    urls = [one["request"]["input"]["image_urls"][0] for one in control.purchases("vidgo")]
    assert len(set(urls)) == 2


def test_a_limit_of_uploads_that_holds_on_gives_the_worker_back(
    task_of: Any, control: Control, tmp_path: Path, hurry: list[float]
) -> None:
    control.settings(vidgo={"uploads_per_minute": 0})  # its own limit would take a real minute
    image = str(picture(tmp_path / "a.png"))
    hold = control.fault("vidgo", "upload_base64", "limited", times=None)
    task = task_of("gpt-4o-image-edit", {"prompt": "x", "image_urls": [image]}, deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    paused = caught.value
    assert paused.method_name == "execute_after_wait"
    assert task.store.record is None, "no intent is on record"
    assert bought(control) == 0
    control.remove_fault(hold)
    with pytest.raises(TaskDeferred) as caught:
        task.resumed(paused, {"moment": "now"})
    assert task.resume(caught.value)["state"] == "ready"
    assert bought(control) == 1


def test_a_failed_upload_buys_nothing_and_can_be_retried(
    task_of: Any, control: Control, tmp_path: Path
) -> None:
    asked = {"prompt": "x", "image_urls": [str(picture(tmp_path / "a.png"))]}
    control.fault("vidgo", "upload_base64", "status", status=500, times=7)
    task = task_of("gpt-4o-image-edit", asked).retry()
    with pytest.raises(AirflowException) as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert bought(control) == 0
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


# --- wrong requests: named, refused, and nothing bought ---------------------------------------


@pytest.mark.parametrize(
    ("model", "asked", "parts"),
    [
        ("gpt-4o-image-edit", {"prompt": "x"}, ["image_urls", "is required"]),
        ("gpt-image-2", {"prompt": "x", "image_urls": ["https://x/a.png"]}, ["image_urls", "takes none"]),
        ("stem-split", {"task_id": "t", "audio_id": "a"}, ["callback_url", "is required"]),
        ("sora-2", {}, ["prompt", "is required"]),
        ("", {"prompt": "x"}, ["model"]),
        ("sora-2", "a lake", ["input", "dict"]),
        ("sora-2", {"prompt": "x", "duration": 12}, ["duration must be one of 10, 15"]),
        ("no-such-model", {"prompt": "x"}, ["Unsupported model"]),
        ("generate-lyrics", {"prompt": "word " * 201}, ["200 words"]),
        ("get-timestamped-lyrics", {"task_id": "t", "audio_id": "a"}, ["Task not found"]),
        ("wan2.6-video-to-video", {"prompt": "x", "video_urls": ["/a.mp4"]}, ["video_urls", "public URL"]),
    ],
    ids=str,
)
def test_a_wrong_request_is_named_and_nothing_is_bought(
    task_of: Any, control: Control, model: str, asked: Any, parts: list
) -> None:
    callback = CALLBACK if model == "generate-lyrics" else None
    stopped(task_of(model, asked, callback_url=callback), *parts)
    assert bought(control) == 0


def test_a_model_that_is_new_is_sent_with_a_notice(
    task_of: Any, control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "airflow_provider_vidai.hooks.vidgo"):
        assert task_of("seedream-9", {"prompt": "x", "colour": "red"}).run()["state"] == "ready"
    assert "'seedream-9' is not a model that this package knows" in caplog.text
    assert control.purchases("vidgo")[0]["request"]["input"] == {"prompt": "x", "colour": "red"}


# --- balance ----------------------------------------------------------------------------------


def test_too_low_a_balance_says_how_much_is_missing_and_buys_nothing(
    task_of: Any, control: Control, vidgo: VidgoHook
) -> None:
    control.balance("vidgo", KEY, 30)
    assert vidgo.balance() == 30
    stopped(task_of(min_credits=100), "has 30 credits", "70 fewer than the 100", "Nothing was bought.")
    assert control.calls("vidgo", "submit") == []
    assert task_of(min_credits=30).run()["state"] == "ready"
    assert vidgo.balance() == 24
    stopped(task_of(min_credits="lots"), "min_credits")


def test_a_balance_that_cannot_be_read_buys_nothing(task_of: Any, control: Control) -> None:
    control.fault("vidgo", "balance", "status", status=500, times=4)
    task = task_of(min_credits=1).retry()
    with pytest.raises(AirflowException) as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert bought(control) == 0


def test_an_empty_account_bought_nothing(task_of: Any, control: Control) -> None:
    control.balance("vidgo", KEY, 1)
    stopped(task_of(), "HTTP 402", "Insufficient credits", "Nothing was charged.")
    assert bought(control) == 0


# --- the lease --------------------------------------------------------------------------------


def aged(job: dict[str, Any], hours: float) -> dict[str, Any]:
    """Return a job as if it had been bought so long ago."""
    bought_at = job["params"]["bought_at"] - hours * 3600
    return {**job, "params": {**job["params"], "bought_at": bought_at}}


def test_a_download_says_how_long_is_left(
    task_of: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = task_of().run()
    with caplog.at_level(logging.INFO, "airflow_provider_vidai.hooks.vidgo"):
        download_of(aged(job, 20.01), f"{tmp_path}/").run()
    assert "keeps its files for another 3 h 59 min" in caplog.text


def test_a_result_of_25_hours_ago_is_refused_politely(task_of: Any, control: Control, tmp_path: Path) -> None:
    job = task_of().run()
    control.advance(KEPT)
    message = stopped(download_of(aged(job, 25.01), f"{tmp_path}/"), "was bought 25 h 00 min ago", "24 hours")
    assert "download_to" in message
    assert names(tmp_path) == []
    assert bought(control) == 1
    with pytest.raises(AirflowException, match="404"):
        download_of(job["job_id"], f"{tmp_path}/").run()  # nobody knows how old it is
    assert names(tmp_path) == []


def test_lyrics_do_not_expire(task_of: Any, tmp_path: Path) -> None:
    job = task_of("generate-lyrics", {"prompt": "rain"}, callback_url=CALLBACK).run()
    assert len(download_of(aged(job, 48), f"{tmp_path}/").run()) == 1


def test_a_url_that_runs_out_is_asked_for_again(task_of: Any, control: Control, tmp_path: Path) -> None:
    job = task_of().run()
    control.fault("vidgo", "status", "expired_url", skip=1)
    (landed,) = download_of(job, f"{tmp_path}/").run()
    assert landed["bytes"] > 0


# --- how tasks end ----------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_task_says_why_and_that_it_was_refunded(
    task_of: Any, control: Control, deferrable: bool
) -> None:
    control.fault("vidgo", "submit", "fail_job")
    task = task_of(deferrable=deferrable).retry()
    stopped(task, "violates our content policy", "The charge was refunded.", "would not buy it again")
    stopped(task.retry())
    assert bought(control) == 1
    assert control.purchases("vidgo")[0]["refunded"]


def test_a_congested_task_is_bought_again_by_a_retry(task_of: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "fail_job", message="Generation congested")
    task = task_of().retry()
    with pytest.raises(AirflowException, match="A retry buys it again") as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert task.retry().run()["state"] == "ready"
    assert [one["refunded"] for one in control.purchases("vidgo")] == [True, False]


def test_a_finished_task_whose_files_come_late_is_not_given_up(task_of: Any, control: Control) -> None:
    control.fault("vidgo", "status", "missing_output_url", times=2)
    assert task_of(deferrable=True).run()["state"] == "ready"
    control.fault("vidgo", "status", "missing_output_url", times=None)
    stopped(task_of(), "has no files", "It may have been charged.")


def test_an_unknown_status_is_waited_for(task_of: Any, control: Control) -> None:
    control.fault("vidgo", "status", "vendor_status", word="succeeded", times=2)
    assert task_of(deferrable=True).run()["state"] == "ready"


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_passing_error_fails_no_task(task_of: Any, control: Control, status: int) -> None:
    control.fault("vidgo", "status", "status", status=status, times=3)
    assert task_of(deferrable=True).run()["state"] == "ready"


# --- nothing is bought twice ------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_purchase_whose_answer_was_lost_is_not_sent_again(
    task_of: Any, control: Control, when: str
) -> None:
    control.fault("vidgo", "submit", "reset", when=when)
    task = task_of().retry()
    stopped(task, "outcome is unknown", "It may have been charged.", "Clear the task to buy again")
    stopped(task.retry(), "outcome is unknown")
    assert bought(control) == (when == "after")


@pytest.mark.parametrize("inside", [False, True], ids=["HTTP status", "code in HTTP 200"])
@pytest.mark.parametrize(("status", "kind"), [(500, "internal_error"), (502, "upstream_error"), (408, "x")])
def test_an_ambiguous_answer_is_a_lost_purchase(
    task_of: Any, control: Control, status: int, kind: str, inside: bool
) -> None:
    body = {"code": status, "error": {"message": "upstream", "type": kind}}
    control.fault("vidgo", "submit", "status", status=200 if inside else status, body=body, when="after")
    stopped(task_of(), "outcome is unknown", "It may have been charged.")
    assert bought(control) == 1


def test_limits_without_a_time_are_waited_out_by_doubling(
    task_of: Any, control: Control, hurry: list[float]
) -> None:
    control.fault("vidgo", "submit", "limited", times=4)
    assert task_of().run()["state"] == "ready"
    assert hurry[:4] == [1.0, 2.0, 4.0, 8.0]
    assert bought(control) == 1


def test_a_busy_server_is_asked_again(task_of: Any, control: Control) -> None:
    body = {"code": 503, "error": {"message": "The server is busy.", "type": "service_error"}}
    control.fault("vidgo", "submit", "status", status=503, body=body, times=2)
    assert task_of().run()["state"] == "ready"
    assert bought(control) == 1


def test_what_a_song_has_already_is_returned_only_when_it_is_named(
    task_of: Any, control: Control, song: dict, tmp_path: Path
) -> None:
    about = {"task_id": song["job_id"], "audio_id": song["outputs"][0]["details"]["audio_id"]}
    first = task_of("convert-to-wav", about, callback_url=CALLBACK).run()
    again = task_of("convert-to-wav", about, callback_url=CALLBACK)
    stopped(again, "WAV record already exists", "Nothing was charged.")
    control.settings(vidgo={"names_existing": True})
    job = task_of("convert-to-wav", about, callback_url=CALLBACK).run()
    assert (job["job_id"], job["cost"]["credits"], job["cost"]["usd"]) == (first["job_id"], 0, 0)
    assert len(download_of(job, f"{tmp_path}/").run()) == 1
    assert bought(control) == 2


# --- secrets and the hook ---------------------------------------------------------------------


def test_no_key_no_file_url_and_no_callback_token_leaves_the_task(
    task_of: Any, control: Control, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    asked = {"prompt": "x", "image_urls": [str(picture(tmp_path / "a.png"))]}
    hook = f"{CALLBACK}?token=s3cr3t"
    task = task_of("gpt-4o-image-edit", asked, callback_url=hook, download_to=f"{tmp_path}/", deferrable=True)
    task.run()
    everything = task.everything_shown() + "".join(capfd.readouterr())
    for secret in (KEY, "/storage/", "s3cr3t"):
        assert secret not in everything


def test_the_hook_does_what_the_quickstart_does(vidgo: VidgoHook, tmp_path: Path) -> None:
    seen: list[str] = []
    job = vidgo.submit("gpt-4o-image", {"prompt": "a lake", "size": "1:1", "n": 1}, CALLBACK)
    assert job["vendor_status"] == "not_started"
    done = vidgo.wait_for_task(
        job, poll_interval=0.01, on_status=lambda status: seen.append(status.vendor_status)
    )
    assert seen[-1] == "finished"
    assert vidgo.status(done).state.value == "ready"
    assert [file["content_type"] for file in vidgo.download(done, f"{tmp_path}/")] == ["image/png"]
    song = vidgo.submit("generate-lyrics", {"prompt": "rain"}, CALLBACK)
    vidgo.wait_for_task(song["job_id"], kind="music", poll_interval=0.01)
    assert vidgo.music_detail(song["job_id"]).outputs[0].kind == "text"
    assert vidgo.test_connection() == (True, "Vidgo accepts the API key. The account has 9992 credits.")


def test_a_wrong_key_is_reported(sandbox: Any, vidgo: VidgoHook) -> None:
    sandbox.control.accept_only("vidgo", ["another"])
    good, message = vidgo.test_connection()
    assert not good
    assert "Invalid API key" in message
