"""Venice's operators against the sandbox: price, purchase, waiting, delivery, release."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.operators.venice import (
    VeniceDownloadOperator,
    VeniceQuoteOperator,
    VeniceReleaseOperator,
    VeniceTranscribeOperator,
    VeniceVideoOperator,
)
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from tests.integration.conftest import KEPT, KEY, VIDEO
from tests.support.task import Task
from tests.support.videos import picture, video

pytestmark = pytest.mark.usefixtures("venice")

LINK = {**VIDEO, "model": "grok-imagine-text-to-video-private"}
REFERENCES = {**VIDEO, "model": "seedance-2-0-reference-to-video-basic"}
INLINE_AND_LINK = pytest.mark.parametrize("wanted", [VIDEO, LINK], ids=["inline", "link"])


def task_of(kind: type, **arguments: Any) -> Task:
    return Task(lambda: kind(task_id="t", **arguments))


def download_of(job: Any, destination: Any, **changes: Any) -> Task:
    return task_of(VeniceDownloadOperator, job=job, destination=destination, **changes)


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


# --- the chain --------------------------------------------------------------------------------


@INLINE_AND_LINK
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_prompt_goes_in_and_a_video_comes_out(
    video_of: Any, control: Control, tmp_path: Path, wanted: dict, deferrable: bool
) -> None:
    job = video_of(**wanted, deferrable=deferrable).run()
    (landed,) = download_of(job, f"{tmp_path}/out/").run()

    assert (job["vendor"], job["kind"], job["state"]) == ("venice", "generate", "ready")
    assert job["params"] == {"model": wanted["model"]}
    assert job["cost"]["quote_usd"] > 0
    assert ("sealed_url" in job) is (wanted is LINK)
    path = tmp_path / "out" / f"a-sunset-over-the-ocean-{job['job_id'][-12:]}-0.mp4"
    assert landed["uri"] == path.as_uri()
    assert landed["released"] == "expires"
    with av.open(str(path)) as container:
        assert container.duration / av.time_base == pytest.approx(5, abs=0.3)
    (entry,) = control.purchases("venice")
    assert entry["request"]["duration"] == "5s"


@INLINE_AND_LINK
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_video_can_be_landed_in_the_same_task(
    video_of: Any, tmp_path: Path, wanted: dict, deferrable: bool
) -> None:
    asset, alias = Asset("videos"), AssetAlias("clips")
    task = video_of(**wanted, download_to=f"{tmp_path}/", deferrable=deferrable, outlets=[asset, alias])
    result = task.run()
    (landed,) = result["files"]
    file = tmp_path / f"a-sunset-over-the-ocean-{result['job_id'][-12:]}-0.mp4"
    assert file.stat().st_size == landed["bytes"]
    assert task.outlet_events[asset].extra == {"files": [landed], "cost": result["cost"]}
    assert task.instance.xcoms["cost"] == result["cost"], "it is there from the purchase on"
    (event,) = task.outlet_events[alias].asset_alias_events
    assert event.extra == {**landed, "cost": result["cost"]}


def test_the_sealed_url_survives_a_worker_that_dies_after_the_purchase(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    task = video_of(**LINK, deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    job = task.retry().run()
    (landed,) = download_of(job, f"{tmp_path}/a.mp4").run()
    assert landed["duration"] == pytest.approx(5, abs=0.3)
    assert bought(control) == 1


def test_the_sealed_url_is_found_again_when_the_deferral_lost_what_it_took_along(video_of: Any) -> None:
    task = video_of(**LINK, deferrable=True).retry()
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    caught.value.kwargs = None
    job = task.resume(caught.value)
    assert job["sealed_url"] == task.store.record["receipt"]["secret"]


@pytest.mark.parametrize("delivery", ["inline", "link", "url"])
@pytest.mark.parametrize("length", [True, False])
def test_each_way_of_delivery_lands_the_same_video(
    video_of: Any, control: Control, tmp_path: Path, delivery: str, length: bool
) -> None:
    control.settings(venice={"delivery": delivery, "content_length": length})
    job = video_of().run()
    (landed,) = download_of(job, f"{tmp_path}/a.mp4").run()
    assert landed["duration"] == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("how", ["html", "empty", "truncated", "cut", "bad_gateway"])
def test_what_is_no_whole_video_is_never_landed_and_asked_for_again(
    video_of: Any, control: Control, tmp_path: Path, how: str
) -> None:
    job = video_of().run()
    (whole,) = download_of(job, f"{tmp_path}/a.mp4").run()
    (tmp_path / "a.mp4").unlink()
    control.fault("venice", "retrieve", "spoil_media", how=how, skip=1)
    task = download_of(job, f"{tmp_path}/a.mp4")
    for _ in range(2):  # a retry at most
        with contextlib.suppress(AirflowException):
            (landed,) = task.run()
            break
        assert list(tmp_path.iterdir()) == []
        task.retry()
    assert (landed["sha256"], landed["bytes"]) == (whole["sha256"], whole["bytes"])


def test_octets_that_begin_like_a_video_are_one(video_of: Any, control: Control, tmp_path: Path) -> None:
    control.fault("venice", "retrieve", "spoil_media", how="octet_stream", times=100)
    (landed,) = download_of(video_of(deferrable=True).run(), f"{tmp_path}/a.mp4").run()
    assert landed["duration"] == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("later", [False, True], ids=["same task", "own task"])
def test_a_delivery_url_that_is_dead_is_asked_once_and_said_to_be_the_end(
    video_of: Any, control: Control, tmp_path: Path, later: bool
) -> None:
    control.fault("venice", "share", "expired_url")
    task = video_of(**LINK, **({} if later else {"download_to": f"{tmp_path}/"}))
    parts = (
        "gone for good",
        "HTTP 410",
        "came with the purchase",
        "clear the task that bought it",
        "It was charged.",
    )
    if later:
        stopped(download_of(task.run(), f"{tmp_path}/"), *parts)
    else:
        stopped(task, *parts)
    assert len(control.calls("venice", "share")) == 1
    assert bought(control) == 1
    task.clear().run()
    assert bought(control) == 2


def test_a_delivery_url_that_is_not_found_for_a_moment_is_not_given_up(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    control.fault("venice", "share", "status", status=404, times=2, body={"error": "Not found"})
    (landed,) = download_of(video_of(**LINK).run(), f"{tmp_path}/").run()
    assert landed["bytes"] > 0
    control.fault("venice", "share", "status", status=404, times=None, body={"error": "Not found"})
    stopped(download_of(video_of(**LINK).run(), f"{tmp_path}/"), "gone for good", "HTTP 404")


def test_a_gateway_that_finds_nothing_for_a_while_fails_no_video(video_of: Any, control: Control) -> None:
    control.fault(
        "venice",
        "retrieve",
        "status",
        status=404,
        times=5,
        body={"message": "no Route matched with those values"},
    )
    assert video_of().run()["state"] == "ready"
    assert bought(control) == 1


def test_a_bare_id_of_a_linked_video_says_what_is_missing(video_of: Any, tmp_path: Path) -> None:
    job = video_of(**LINK).run()
    task = download_of(job["job_id"], f"{tmp_path}/a.mp4", model=LINK["model"])
    stopped(task, "sealed_url", "only once", "It was charged.")


# --- what is sent -----------------------------------------------------------------------------


def test_an_image_is_sent_as_what_it_is(video_of: Any, control: Control, tmp_path: Path) -> None:
    image = picture(tmp_path / "wrongly-named.png.jpg", size=(320, 240))
    job = video_of(
        model="wan-2.6-image-to-video", aspect_ratio=None, image_url=str(image), prompt="{'as': 'JSON'}"
    ).run()
    assert job["state"] == "ready"
    (entry,) = control.purchases("venice")
    assert json.dumps(entry["request"]).count("data:image/jpeg;base64,") <= 1
    assert entry["request"]["prompt"] == "{'as': 'JSON'}"


def test_a_kept_request_is_recognised_whatever_is_inlined(
    video_of: Any, control: Control, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    image = picture(tmp_path / "a.png", size=(320, 240))
    asked = {"model": "wan-2.6-image-to-video", "aspect_ratio": None, "image_url": str(image)}
    task = video_of(**asked).retry()
    task.run()
    picture(image, size=(322, 240))
    task.retry().run()
    assert bought(control) == 1
    assert "request differs" not in capfd.readouterr().out


def test_numbers_and_truths_may_come_as_text(video_of: Any, control: Control) -> None:
    video_of(
        duration="10 seconds",
        audio="False",
        max_cost_usd="5",
        options="{'resolution': '1080P'}",
        resolution=None,
    ).run()
    (entry,) = control.purchases("venice")
    assert {name: entry["request"][name] for name in ("duration", "audio", "resolution")} == {
        "duration": "10s",
        "audio": False,
        "resolution": "1080p",
    }


# --- price ------------------------------------------------------------------------------------


def test_the_guides_video_can_be_bought(control: Control, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "venice-operators.md").read_text()
    example = guide.partition("### VeniceVideoOperator")[2].partition("```python")[2].partition("```")[0]
    image = str(picture(tmp_path / "sea.jpg", size=(640, 480)))
    arguments: dict[str, Any] = {}
    exec(
        example.replace("s3://aws_default@pictures/sea.jpg", image),
        {"VeniceVideoOperator": lambda **given: arguments.update(given)},
    )
    changes = {"deferrable": False, "poll_interval": 0.05}
    assert Task(lambda: VeniceVideoOperator(**{**arguments, **changes})).run()["state"] == "ready"
    (entry,) = control.purchases("venice")
    assert entry["request"]["bitrate_mode"] == "high"


def test_a_quote_costs_nothing(control: Control) -> None:
    assert task_of(VeniceQuoteOperator, **VIDEO).run() == {"quote_usd": 0.55}
    assert bought(control) == 0


@pytest.mark.parametrize(
    "asked",
    [
        {**VIDEO, "resolution": "1080P"},
        {"model": "minimax-h3-text-to-video", "prompt": "x", "duration": 6, "resolution": "2k"}
        | {"aspect_ratio": "16:9"},
        {"model": "topaz-video-upscale", "duration": 5, "upscale_factor": "2", "video_url": "source"},
        {"model": "topaz-video-upscale", "duration": "2.5s", "video_url": "source"},
        {"model": "wan-2-7-video-to-video", "prompt": "x", "video_url": "source"},
    ],
    ids=str,
)
def test_a_quote_takes_what_a_purchase_takes_and_returns_the_same_price(
    video_of: Any, tmp_path: Path, asked: dict
) -> None:
    if asked.get("video_url"):
        asked = {**asked, "video_url": str(video(tmp_path / "a.mp4", seconds=1, size=(320, 240)))}
    nothing = dict.fromkeys(VIDEO)
    quote = task_of(VeniceQuoteOperator, **asked).run()
    assert quote["quote_usd"] == video_of(**{**nothing, **asked}).run()["cost"]["quote_usd"]


def test_a_quote_needs_no_more_than_a_price_depends_on(control: Control) -> None:
    asked = {"model": "wan-2.6-image-to-video", "duration": "5 s", "resolution": "720p"}
    assert task_of(VeniceQuoteOperator, **asked, aspect_ratio="16:9").run() == {"quote_usd": 0.55}
    assert task_of(
        VeniceQuoteOperator, model="kling-2.6-pro-text-to-video", duration=5, resolution="720p"
    ).run()
    control.fault("venice", "models", "status", status=404)
    assert task_of(VeniceQuoteOperator, **asked).run() == {"quote_usd": 0.55}
    stopped(task_of(VeniceQuoteOperator, **{**asked, "duration": 7}), "duration", "5s, 10s, 15s")


@pytest.mark.parametrize("kind", [VeniceQuoteOperator, VeniceVideoOperator])
def test_an_argument_of_the_operator_is_no_option(kind: type, control: Control) -> None:
    arguments = {**REFERENCES, "reference_video_urls": ["https://example.com/a.mp4"]}
    stopped(
        task_of(kind, **arguments, options={"reference_video_total_duration": 6}),
        "options must not hold reference_video_total_duration",
    )
    if kind is VeniceVideoOperator:
        stopped(task_of(kind, **VIDEO, options={"max_cost_usd": 1}), "options must not hold max_cost_usd")
    assert bought(control) == 0


def test_nothing_dearer_than_allowed_is_bought(video_of: Any, control: Control) -> None:
    stopped(video_of(max_cost_usd=0.5), "max_cost_usd", "0.55", "Nothing was bought")
    assert bought(control) == 0
    assert video_of(max_cost_usd=0.55).run()["cost"]["quote_usd"] == 0.55


def test_a_price_that_cannot_be_read_buys_nothing_under_a_limit(video_of: Any, control: Control) -> None:
    control.fault("venice", "quote", "status", status=500, times=4)
    task = video_of(max_cost_usd=1)
    with pytest.raises(AirflowException):
        task.run()
    assert bought(control) == 0
    control.fault("venice", "quote", "status", status=500, times=4)
    assert video_of().run()["cost"] is None


def test_reference_videos_are_measured_for_the_price(video_of: Any, control: Control, tmp_path: Path) -> None:
    clips = [str(video(tmp_path / f"{name}.mp4", seconds=3, size=(480, 480))) for name in "ab"]
    arguments = {**REFERENCES, "reference_video_urls": clips}
    with_total = task_of(VeniceQuoteOperator, **REFERENCES, reference_video_total_duration=6).run()
    assert task_of(VeniceQuoteOperator, **arguments).run() == with_total
    stopped(
        task_of(VeniceQuoteOperator, **REFERENCES, reference_video_urls=["https://example.com/a.mp4"]),
        "reference_video_total_duration",
    )
    assert bought(control) == 0


# --- wrong requests: named, refused, and nothing bought ---------------------------------------


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"duration": 7}, ["duration", "'7s'", "5s, 10s, 15s"]),
        ({"duration": "soon"}, ["duration", "number of seconds"]),
        ({"resolution": "999p"}, ["resolution", "1080p, 720p"]),
        ({"aspect_ratio": None}, ["aspect_ratio", "is required", "16:9"]),
        (
            {"model": "wan-2.6-image-to-video", "image_url": "https://example.com/a.png"},
            ["aspect_ratio", "takes none"],
        ),
        ({"model": "wan-2-7-text-to-video", "audio": False}, ["audio", "leave it out"]),
        ({"model": "topaz-video-upscale", "resolution": "2x"}, ["resolution", "upscale_factor"]),
        ({"prompt": "x" * 20_001}, ["prompt", "20000"]),
        ({"max_cost_usd": "cheap"}, ["max_cost_usd"]),
        ({"options": {"prompt": "twice"}}, ["options", "prompt"]),
        ({"options": {"anon_user_id": "a||b"}}, ["anon_user_id"]),
        ({"image_url": "/no/such/file.png"}, ["/no/such/file.png", "does not exist"]),
        ({"model": "no-such-model"}, ["no-such-model"]),
        ({"options": {"seed": 1}}, ["seed"]),
    ],
    ids=str,
)
def test_a_wrong_request_is_named_and_nothing_is_bought(
    video_of: Any, control: Control, changes: dict, parts: list
) -> None:
    stopped(video_of(**changes), *parts)
    assert bought(control) == 0


def test_too_many_bytes_are_refused_before_they_are_read_or_sent(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.write(b"\x89PNG")
        file.truncate(27_000_000)
    stopped(
        video_of(model="wan-2.6-image-to-video", aspect_ratio=None, image_url=str(huge)),
        "36.0 MB",
        "35 MB",
        "public URL",
    )
    stopped(
        video_of(
            model="wan-2.6-image-to-video",
            aspect_ratio=None,
            image_url="data:image/png;base64," + "A" * 36_000_000,
        ),
        "36.0 MB",
    )
    assert bought(control) == 0


def test_a_lack_of_consent_says_what_to_agree_to_and_how(
    video_of: Any, control: Control, tmp_path: Path
) -> None:
    image = str(picture(tmp_path / "a.png", size=(640, 480)))
    asked = {
        "model": "seedance-2-0-image-to-video",
        "aspect_ratio": None,
        "resolution": None,
        "image_url": image,
    }
    stopped(
        video_of(**asked), "consent", "I have the right to use the faces", "confirmed_legal_right", "charged"
    )
    assert bought(control) == 0
    agreed = dict.fromkeys(
        ("confirmed_terms_and_privacy", "confirmed_legal_right", "confirmed_screening_acknowledged"), True
    )
    assert video_of(**asked, consents={"seedance": agreed}).run()["state"] == "ready"


# --- how jobs end -----------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("fate", "parts"),
    [
        ({"status": 422, "refunded": True}, ["422", "content policy", "The charge was refunded."]),
        ({"status": 422, "refunded": False}, ["422", "It was charged."]),
        ({"status": 400}, ["400", "rejected the request"]),
        ({"status": 500}, ["500", "Inference processing failed"]),
        ({"status": 200}, ["FAILED", "generation failed"]),
    ],
    ids=str,
)
def test_a_failed_job_says_why_and_what_became_of_the_money(
    video_of: Any, control: Control, fate: dict, parts: list, deferrable: bool
) -> None:
    control.fault("venice", "queue", "reject_job", **fate)
    task = video_of(deferrable=deferrable).retry()
    stopped(task, *parts)
    checks = len(control.calls("venice", "retrieve"))
    assert checks <= 10, "a failed job is not checked forever, which would use up the error budget"
    stopped(task.retry())
    assert bought(control) == 1


def test_a_providers_refunded_failure_is_bought_again_by_a_retry(video_of: Any, control: Control) -> None:
    body = {"error": "The provider is out of order.", "credits_refunded": True}
    control.fault("venice", "queue", "reject_job", status=422, body=body)
    task = video_of().retry()
    with pytest.raises(AirflowException, match="A retry buys it again") as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException)
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 2


@pytest.mark.parametrize("refusal", ["object", "text"])
def test_what_the_policy_refuses_is_not_bought_again_by_a_retry_though_it_was_refunded(
    video_of: Any, control: Control, refusal: str
) -> None:
    control.settings(venice={"refusal": refusal})
    control.fault("venice", "queue", "reject_job", status=422, refunded=True)
    task = video_of().retry()
    stopped(task, "content policy", "The charge was refunded.")
    stopped(task.retry())
    assert bought(control) == 1


def test_the_reason_of_a_failure_is_shown_without_the_urls_in_it(
    video_of: Any, control: Control, capfd: pytest.CaptureFixture
) -> None:
    error = "cannot read https://files.example/a.png?sig=s3cr3t"
    control.fault("venice", "queue", "reject_job", status=200, body={"status": "FAILED", "error": error})
    task = video_of(deferrable=True)
    assert "s3cr3t" not in stopped(task, "cannot read (URL)")
    assert "s3cr3t" not in repr(task.everything_shown()) + capfd.readouterr().out


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_error_fails_no_job(video_of: Any, control: Control, status: int) -> None:
    control.fault("venice", "retrieve", "status", status=status, times=3)
    assert video_of(deferrable=True).run()["state"] == "ready"


def test_an_expired_job_is_gone(video_of: Any, control: Control, tmp_path: Path) -> None:
    job = video_of().run()
    control.advance(KEPT)
    stopped(download_of(job, f"{tmp_path}/a.mp4"), "gone", "Request ID is invalid")


# --- nothing is bought twice ------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_purchase_whose_answer_was_lost_is_not_sent_again(
    video_of: Any, control: Control, when: str
) -> None:
    control.fault("venice", "queue", "reset", when=when)
    task = video_of(**LINK).retry()
    stopped(task, "outcome is unknown", "It may have been charged.", "Clear the task to buy again")
    stopped(task.retry(), "outcome is unknown")
    assert bought(control) == (when == "after")


@pytest.mark.parametrize("by", ["quota", "overloaded", "errors"])
def test_a_rate_limit_when_buying_is_waited_out(
    video_of: Any, control: Control, by: str, hurry: list
) -> None:
    control.fault("venice", "queue", "limited", by=by, seconds=40)
    assert video_of().run()["state"] == "ready"
    assert bought(control) == 1
    # Venice names a moment in whole seconds, and so does its clock.
    assert any(28 <= pause <= 45 for pause in hurry), hurry


@pytest.mark.parametrize(("headers", "sent_again"), [({"retry-after": "2"}, True), ({}, False)])
def test_a_purchase_refused_for_capacity_is_sent_again_only_if_the_vendor_says_when(
    video_of: Any, control: Control, headers: dict, sent_again: bool
) -> None:
    control.fault("venice", "queue", "status", status=503, headers=headers)
    task = video_of()
    if sent_again:
        task.run()
    else:
        stopped(task, "outcome is unknown")
    assert bought(control) == sent_again


@pytest.mark.parametrize("status", [401, 402, 403])
def test_an_account_that_cannot_buy_bought_nothing(video_of: Any, control: Control, status: int) -> None:
    control.fault("venice", "queue", "status", status=status, body={"error": "Insufficient USD balance"})
    stopped(video_of(), f"HTTP {status}", "Insufficient USD balance", "Nothing was charged.")
    assert bought(control) == 0


# --- release ----------------------------------------------------------------------------------


@INLINE_AND_LINK
def test_a_landed_video_is_deleted_when_asked_for(
    video_of: Any, control: Control, tmp_path: Path, wanted: dict
) -> None:
    job = video_of(**wanted).run()
    task = download_of(job, f"{tmp_path}/a.mp4", delete_after=True)
    (landed,) = task.run()
    assert landed["released"] == ("revoked" if wanted is LINK else "deleted")
    assert (tmp_path / "a.mp4").stat().st_size == landed["bytes"]
    with pytest.raises(AirflowException):
        download_of(job, f"{tmp_path}/b.mp4").run()
    assert not (tmp_path / "b.mp4").exists()


@INLINE_AND_LINK
def test_a_video_is_released_once_and_releasing_it_again_is_no_failure(video_of: Any, wanted: dict) -> None:
    job = video_of(**wanted).run()
    release = task_of(VeniceReleaseOperator, job=job)
    expected = {"job_id": job["job_id"], "released": "revoked" if wanted is LINK else "deleted"}
    assert release.run() == expected
    assert release.retry().run() == expected


@pytest.mark.parametrize("job", [None, "None", ""])
def test_without_a_job_there_is_nothing_to_release(job: Any) -> None:
    assert task_of(VeniceReleaseOperator, job=job).run() is None


def test_a_running_job_can_not_be_released(video_of: Any, control: Control) -> None:
    control.settings(speed=0)
    task = video_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    released = task_of(VeniceReleaseOperator, job=task.instance.xcoms["job_id"], model=VIDEO["model"]).run()
    assert released["released"] == "expires"


def test_releasing_a_linked_video_that_is_still_being_made_leaves_it_its_url(
    venice: Any, control: Control, tmp_path: Path
) -> None:
    control.settings(speed=0)
    job = venice.queue(**LINK)
    assert task_of(VeniceReleaseOperator, job=job).run()["released"] == "expires"
    control.settings(speed=3000)
    control.fault("venice", "retrieve", "status", status=500)
    assert task_of(VeniceReleaseOperator, job=job).run()["released"] == "expires"
    done = venice.wait_for_completion(job, poll_interval=0.05)
    assert download_of(done, f"{tmp_path}/a.mp4").run()
    assert task_of(VeniceReleaseOperator, job=done).run()["released"] == "revoked"


def test_what_cannot_be_released_expires(video_of: Any, control: Control) -> None:
    job = video_of().run()
    control.fault("venice", "retrieve", "status", status=500)
    assert task_of(VeniceReleaseOperator, job=job).run()["released"] == "expires"


# --- sensor, transcript, hook -----------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_bought_elsewhere_is_waited_for(
    venice: Any, tmp_path: Path, deferrable: bool, control: Control
) -> None:
    job = venice.queue(**LINK)
    result = task_of(VeniceVideoSensor, job=job, deferrable=deferrable, poke_interval=0.05).run()
    assert result["state"] == "ready"
    assert result["sealed_url"] == job["sealed_url"]
    assert download_of(result, f"{tmp_path}/a.mp4").run()
    bare = venice.queue(**VIDEO)["job_id"]
    assert (
        task_of(VeniceVideoSensor, job=bare, model=VIDEO["model"], poke_interval=0.05).run()["job_id"] == bare
    )


def test_a_bare_id_needs_its_model() -> None:
    stopped(task_of(VeniceVideoSensor, job="019f5620", poke_interval=0.05), "model=", "Nothing was sent")


@pytest.mark.parametrize("endpoint", ["retired", "live"])
@pytest.mark.parametrize("response_format", ["json", "text"])
def test_a_transcript_is_bought_where_it_is_offered(
    control: Control, endpoint: str, response_format: str, sandbox: Any
) -> None:
    control.settings(venice={"transcriptions": endpoint})
    url = "https://example.com/talk.mp4"
    task = task_of(VeniceTranscribeOperator, url=url, response_format=response_format).retry()
    first = task.run()
    if response_format == "json":
        assert set(first) == {"transcript", "lang"}
        assert first["transcript"]
    else:
        assert isinstance(first, str)
    assert task.retry().run() == first
    assert bought(control) == 1


def test_a_transcript_that_was_cut_is_paid_for_kept_and_reported_as_incomplete(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    message = {"content": '{"transcript": "Hello, and wel'}
    body = {"choices": [{"message": message, "finish_reason": "length"}]}
    control.fault("venice", "chat", "status", status=200, body=body)
    task = task_of(VeniceTranscribeOperator, url="https://example.com/talk.mp4").retry()
    result = task.run()
    assert result == {"transcript": "Hello, and wel", "lang": None, "complete": False}
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "incomplete" in warning
    assert "It was charged" in warning
    assert task.retry().run() == result
    assert len(control.calls("venice", "chat")) == 1


def test_the_hook_does_all_that_the_vendors_clients_do(venice: Any, tmp_path: Path) -> None:
    assert any(row["id"] == VIDEO["model"] for row in venice.list_models())
    assert venice.valid_parameters(VIDEO["model"])["durations"] == ["5s", "10s", "15s"]
    assert venice.quote(**VIDEO) == {"quote_usd": 0.55}
    image = picture(tmp_path / "a.png", size=(320, 240)).read_bytes()
    seen: list[Any] = []
    job = venice.complete(
        "wan-2.6-image-to-video",
        prompt="waves",
        image=image,
        duration_seconds="5",
        poll_interval=0.05,
        on_status=seen.append,
    )
    assert seen[-1].state == "ready"
    assert venice.retrieve(job).state == "ready"
    data = venice.get_video_data(job)
    landed = venice.download(job["job_id"], f"{tmp_path}/a.mp4", model="wan-2.6-image-to-video")
    assert len(data) == landed["bytes"]
    assert venice.release(job)["released"] == "deleted"
    assert venice.test_connection()[0]


def test_a_wrong_key_fails_the_connections_test(venice: Any, control: Control) -> None:
    control.accept_only("venice", ["another"])
    good, message = venice.test_connection()
    assert not good
    assert "password" in message


# --- secrets ----------------------------------------------------------------------------------


def test_neither_key_nor_link_gets_out(
    video_of: Any,
    tmp_path: Path,
    control: Control,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    control.fault("venice", "file", "status", status=503)
    video = video_of(**LINK, deferrable=True, download_to=f"{tmp_path}/a/", outlets=[AssetAlias("clips")])
    job = video.run()
    download = download_of(job, f"{tmp_path}/b/", delete_after=True)
    shown = [job, download.run(), video.everything_shown(), download.everything_shown()]
    output = capfd.readouterr()
    everything = repr(shown) + caplog.text + output.out + output.err
    assert "Landed" in everything
    for secret in (KEY, "private-share", "/share/read/"):
        assert secret not in everything


def test_a_catalogue_that_cannot_be_read_keeps_nobody_from_buying(video_of: Any, control: Control) -> None:
    control.fault("venice", "models", "status", status=404, times=10)
    assert video_of().run()["state"] == "ready"
