"""What public integrations observed on the wire is understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobFailed, VidaiError
from airflow_provider_vidai.hooks.venice import TIMEOUT, VeniceHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.purchase.decide import may_buy_again
from airflow_provider_vidai.vendors.venice.api import VENICE
from airflow_provider_vidai.vendors.venice.requests import VideoRequest
from airflow_provider_vidai.vendors.vizard.api import VIZARD

PROJECT = JobRef(vendor="vizard", conn_id="c", job_id="1", kind="project")


def reply(body: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())


def video(body: Any, status: int = 200, model: str = "wan-3-0-reference-to-video") -> JobStatus:
    return VENICE.retrieve(model, "Q1").parse(reply(body, status))


def refused_at_queue(body: Any, status: int = 422, model: str = "wan-2.6-text-to-video") -> Exception:
    call = VENICE.queue(VideoRequest(model=model, prompt="x"), conn_id="c", seal=str)
    with pytest.raises(VidaiError) as caught:
        call.parse(reply(body, status))
    return caught.value


# --- Venice ---------------------------------------------------------------------------------------

TOO_LONG = "Total reference audio duration is too long. Maximum is 30 seconds."


@pytest.mark.parametrize(
    "body",
    [
        {"error": TOO_LONG},
        {"error": TOO_LONG, "credits_refunded": True},
        {"error": {"message": TOO_LONG, "credits_refunded": True}},
        {"error": "Audio must be at least 2 seconds", "credits_refunded": True},
    ],
)
def test_what_the_input_is_to_blame_for_is_never_bought_again_by_a_retry(body):
    found = video(body, 422)
    assert (found.state, found.blame) == (JobState.FAILED, "input")
    assert not may_buy_again(found)


def test_a_providers_own_failure_that_was_refunded_may_still_be_bought_again():
    assert may_buy_again(video({"error": "The provider failed", "credits_refunded": True}, 422))


@pytest.mark.parametrize(
    ("refunded", "money"), [(False, "It was charged."), (True, "The charge was refunded.")]
)
@pytest.mark.parametrize("nested", [True, False])
def test_a_refusal_at_the_queue_states_the_fate_of_the_money_as_the_answer_does(refunded, money, nested):
    inner = {"message": "policy", "type": "provider_content_policy"}
    body = (
        {"error": {**inner, "credits_refunded": refunded}}
        if nested
        else {"error": inner, "credits_refunded": refunded}
    )
    error = refused_at_queue(body)
    assert isinstance(error, JobFailed)
    assert money in str(error)
    assert "Nothing was charged" not in str(error)
    assert not error.retryable


def test_a_refusal_at_the_queue_that_says_nothing_of_credits_cost_nothing():
    error = refused_at_queue({"error": "Invalid request parameters"}, 400)
    assert isinstance(error, InputError)
    assert "Nothing was charged" in str(error)


def test_a_video_is_waited_for_twice_as_long_as_the_worst_one_seen_took():
    assert TIMEOUT == VeniceVideoOperator.default_timeout == 3600.0
    assert "an hour" in (VeniceHook.wait_for_completion.__doc__ or "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "The provider gave up"}, "The provider gave up"),
        ({"error": "E17", "details": "frame 3 is black"}, "E17: frame 3 is black"),
        ({"error": {"message": "no", "code": "x"}, "message": "no"}, "no"),
        ({"details": {"odd": 1}}, None),
    ],
)
def test_the_reason_of_a_failure_with_http_200_is_shown_whichever_field_has_it(body, reason):
    found = video({"status": "FAILED", **body})
    assert (found.state, found.error) == (JobState.FAILED, reason)


def test_a_refund_reported_within_the_error_of_a_failed_status_counts():
    body = {"status": "FAILED", "error": {"message": "no", "credits_refunded": True}}
    assert video(body).charged == "refunded"


def test_a_refusal_of_a_face_hints_at_the_picture_and_not_the_prompt():
    body = {"error": {"message": "refused by the content policy", "type": "provider_content_policy"}}
    for model in ("seedance-2-0-image-to-video-basic", "seedance-2-5-reference-to-video"):
        assert "person's face" in str(refused_at_queue(body, model=model))
        assert "person's face" in (video(body, 422, model).error or "")
    assert "face" not in str(refused_at_queue(body))
    assert "face" not in str(refused_at_queue({"error": "duration"}, 400, "seedance-2-0-basic"))


# --- Vizard ---------------------------------------------------------------------------------------


def clips(*given: tuple[float, float], **params: Any) -> list[float]:
    """Return the seconds of the clips that are given out, of (score, seconds) each."""
    videos = [
        {"videoId": n, "videoMsDuration": 1000 * seconds, "viralScore": str(score), "title": str(n)}
        for n, (score, seconds) in enumerate(given)
    ]
    body = {"code": 2000, "projectId": 1, "videos": videos}
    outputs = VIZARD.status(PROJECT.with_params(**params)).parse(reply(body)).outputs
    return [output.duration or 0.0 for output in outputs]


SOURCE = (9.9, 720.0)


def test_the_copy_of_the_source_is_never_the_best_clip():
    assert clips(SOURCE, (8.0, 40.0), (5.0, 30.0), max_clips=1) == [40.0]
    assert clips(SOURCE, (8.0, 40.0), (5.0, 30.0), min_viral_score=9) == []
    assert clips((9.9, 190.0), (8.0, 40.0), max_clips=1, source_seconds=192.0) == [40.0]


def test_a_copy_of_the_source_that_nobody_asked_to_drop_comes_last():
    assert clips(SOURCE, (8.0, 40.0), (5.0, 30.0)) == [40.0, 30.0, 720.0]


@pytest.mark.parametrize("seconds", [190.0, 240.0, 720.0])
def test_what_is_over_three_minutes_and_three_times_the_next_is_dropped_as_the_source(seconds):
    assert clips((9.9, seconds), (8.0, 40.0), drop_source=True) == [40.0]


@pytest.mark.parametrize("given", [[(9.0, 170.0), (8.0, 20.0)], [(9.0, 195.0), (8.0, 90.0)], [(9.0, 600.0)]])
def test_a_long_clip_is_not_taken_for_the_source(given):
    assert clips(*given, max_clips=1) == [given[0][1]]


@pytest.mark.parametrize(
    "body",
    [
        {"socialAccounts": [{"id": "a"}]},
        {"data": [{"id": "a"}]},
        {"code": 2000, "data": {"accounts": [{"id": "a"}]}},
        {"accounts": {"a": {}}},
        [{"id": "a"}],
    ],
)
def test_a_list_of_accounts_in_an_unknown_wrapper_is_unreadable_and_not_empty(body):
    with pytest.raises(ApiError, match="unreadable"):
        VIZARD.social_accounts().parse(reply(body))


@pytest.mark.parametrize(
    "body", [{"publishAccounts": []}, {"accounts": None}, {"code": 2000, "accounts": []}]
)
def test_an_empty_list_of_accounts_is_empty(body):
    assert VIZARD.social_accounts().parse(reply(body)).accounts == []


def test_an_odd_list_of_accounts_does_not_make_a_good_key_a_bad_one():
    assert "accepts the API key" in VIZARD.check().parse(reply({"data": []}))
