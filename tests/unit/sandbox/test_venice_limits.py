"""Venice's limits, and everything that can be ordered to go wrong with it."""

import time

import httpx
import pytest

from airflow_provider_vidai.sandbox.client import ControlError

ENDED = {"model": "wan-2.6-text-to-video", "queue_id": "x"}


# --- limits


@pytest.mark.parametrize(("setting", "default"), [("queue_per_minute", 40), ("retrieve_per_minute", 120)])
def test_only_so_many_calls_a_minute(sandbox, venice, other_venice, setting, default):
    sandbox.control.settings(speed=0, venice={setting: default, "error_budget": 0})

    def ask(one) -> httpx.Response:
        return one.queue(prompt=...) if setting == "queue_per_minute" else one.retrieve(ENDED)

    assert {ask(venice).status_code for _ in range(default)} == {400}
    refused = ask(venice)
    assert (refused.status_code, refused.json()) == (429, {"error": "Rate limit exceeded"})
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-limit-requests"] == str(default)
    assert refused.headers["x-ratelimit-type"] == "user"
    assert "retry-after" not in refused.headers
    assert "x-ratelimit-resets" not in refused.headers
    reset = int(refused.headers["x-ratelimit-reset-requests"]) / 1000
    assert time.time() + 40 < reset <= time.time() + 60
    assert ask(other_venice).status_code == 400
    sandbox.control.advance(60)
    assert ask(venice).status_code == 400


def test_the_window_slides(sandbox, venice):
    sandbox.control.settings(speed=0, venice={"retrieve_per_minute": 2})
    seen = []
    for _ in range(6):
        seen.append(venice.retrieve(ENDED).status_code)
        sandbox.control.advance(20)
    assert seen == [400, 400, 429, 400, 400, 429]


def test_limits_run_in_real_time_whatever_the_speed(sandbox, venice):
    sandbox.control.settings(speed=100_000, venice={"retrieve_per_minute": 1})
    assert [venice.retrieve(ENDED).status_code for _ in range(3)] == [400, 429, 429]


@pytest.mark.parametrize("budget", [50, 20])
def test_too_many_errors_block_an_account_for_that_model(sandbox, venice, other_venice, budget):
    sandbox.control.settings(speed=0, venice={"error_budget": budget})
    assert {venice.retrieve(ENDED).status_code for _ in range(budget + 1)} == {400}
    blocked = venice.retrieve(ENDED)
    assert blocked.status_code == 429
    text = f"Too many failed attempts (> {budget}) resulting in a non-success status code."
    assert blocked.json()["error"].startswith(text)
    assert blocked.headers["x-ratelimit-remaining"] == "0"
    assert int(blocked.headers["x-ratelimit-resets"]) / 1000 == pytest.approx(time.time() + 30, abs=3)
    assert venice.queue().status_code == 429
    assert venice.queue(model=venice.LINKED).status_code == 200
    assert other_venice.queue().status_code == 200
    sandbox.control.advance(31)
    assert venice.queue().status_code == 200


def test_errors_that_are_spread_out_do_not_block(sandbox, venice):
    sandbox.control.settings(speed=0, venice={"error_budget": 2})
    for _ in range(6):
        assert venice.retrieve(ENDED).status_code == 400
        sandbox.control.advance(15)


# --- the three kinds of 429, on order


@pytest.mark.parametrize(
    ("by", "there", "away"),
    [
        ("quota", "x-ratelimit-reset-requests", "retry-after"),
        ("overloaded", "retry-after", "x-ratelimit-resets"),
        ("errors", "x-ratelimit-resets", "retry-after"),
    ],
)
def test_each_kind_of_limit_can_be_ordered(sandbox, venice, by, there, away):
    sandbox.control.fault("venice", "queue", "limited", by=by, seconds=7)
    answer = venice.queue()
    assert answer.status_code == 429
    assert there in answer.headers
    assert away not in answer.headers
    reported = float(answer.headers[there])
    assert reported == 7 if by == "overloaded" else reported / 1000 == pytest.approx(time.time() + 7, abs=2)
    assert sandbox.control.purchases() == []
    assert venice.queue().status_code == 200


@pytest.mark.parametrize(
    "order", [{"fault": "limited", "by": "x"}, {"fault": "spoil_media", "how": "x"}, {"fault": "spoil_media"}]
)
def test_an_impossible_order_is_refused(sandbox, order):
    kind = order.pop("fault")
    with pytest.raises(ControlError, match="400"):
        sandbox.control.fault("venice", "retrieve", kind, **order)


# --- the frame's faults


@pytest.mark.parametrize(("when", "bought"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("kind", ["reset", "status", "html", "empty", "garbage"])
def test_a_purchase_can_be_lost_before_or_after_it_is_charged(sandbox, venice, kind, when, bought):
    sandbox.control.fault("venice", "queue", kind, when=when)
    if kind == "reset":
        with pytest.raises(httpx.ReadError):
            venice.queue()
    else:
        assert b"queue_id" not in venice.queue().content
    assert len(sandbox.control.purchases("venice")) == bought


def test_an_answer_can_be_truncated_or_mislabelled(sandbox, venice):
    sandbox.control.fault("venice", "queue", "truncated_json")
    assert venice.queue().content.startswith(b'{"model":')
    sandbox.control.fault("venice", "retrieve", "wrong_type", content_type="text/plain")
    assert venice.retrieve(venice.bought()).headers["content-type"].startswith("text/plain")


def test_a_poll_can_be_slow(sandbox, venice):
    job = venice.bought()
    size = len(venice.settled(job).content)
    sandbox.control.fault("venice", "retrieve", "slow", bytes_per_second=size * 2)
    begin = time.monotonic()
    assert len(venice.retrieve(job).content) == size
    assert time.monotonic() - begin > 0.3


@pytest.mark.parametrize("kind", ["truncate", "reset"])
def test_a_download_link_can_break_midway(sandbox, venice, kind):
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    sandbox.control.fault("venice", "share", kind, after_bytes=1000)
    with pytest.raises(httpx.TransportError):
        httpx.get(job["download_url"])
    assert httpx.get(job["download_url"]).status_code == 200


# --- statuses


@pytest.mark.parametrize("word", ["IN_QUEUE", "completed", ""])
def test_a_status_can_be_unknown(sandbox, venice, word):
    job = venice.bought()
    sandbox.control.fault("venice", "retrieve", "vendor_status", word=word)
    assert venice.retrieve(job).json()["status"] == word
    assert venice.settled(job).headers["content-type"] == "video/mp4"


# --- jobs that fail


@pytest.mark.parametrize("refunded", [True, False])
def test_a_job_that_was_screened_says_so_on_every_poll(sandbox, venice, refunded):
    sandbox.control.fault("venice", "queue", "reject_job", refunded=refunded)
    job = venice.bought()
    answers = [venice.settled(job), venice.retrieve(job)]
    for answer in answers:
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert (error["type"], error["credits_refunded"]) == ("provider_content_policy", refunded)
    assert [one["refunded"] for one in sandbox.control.purchases()] == [refunded]
    left = 1000 if refunded else 999.45
    assert sandbox.control.balance("venice", "a-key") == left


def test_a_refusal_may_be_a_text(sandbox, venice):
    sandbox.control.settings(venice={"refusal": "text", "refund_failed": False})
    sandbox.control.fault("venice", "queue", "fail_job")
    answer = venice.settled(venice.bought())
    assert answer.status_code == 422
    assert isinstance(answer.json()["error"], str)
    assert answer.json()["credits_refunded"] is False


@pytest.mark.parametrize(
    ("status", "reported"),
    [
        (200, '{"status":"FAILED","error":"Video generation failed","error_code":"GENERATION_FAILED"}'),
        (400, "request_id"),
        (500, '{"error":"Inference processing failed"}'),
    ],
)
def test_a_job_can_fail_with_any_status(sandbox, venice, status, reported):
    sandbox.control.fault("venice", "queue", "reject_job", status=status)
    answer = venice.settled(venice.bought())
    assert answer.status_code == status
    assert reported in answer.text


def test_a_poisoned_job_answers_500_from_the_first_poll_on_for_ever(sandbox, venice):
    sandbox.control.settings(speed=0)
    sandbox.control.fault("venice", "queue", "reject_job", status=500, after=0, refunded=False)
    job = venice.bought()
    assert {venice.retrieve(job).status_code for _ in range(5)} == {500}
    assert [one["refunded"] for one in sandbox.control.purchases()] == [False]


def test_a_job_can_fail_with_any_body(sandbox, venice):
    sandbox.control.fault("venice", "queue", "reject_job", status=418, body={"error": "teapot"})
    answer = venice.settled(venice.bought())
    assert (answer.status_code, answer.json()) == (418, {"error": "teapot"})


def test_media_that_cannot_be_read_fails_the_job_and_is_refunded(sandbox, venice):
    job = venice.bought(
        model="wan-2.6-image-to-video", aspect_ratio=..., image_url="data:image/png;base64,AAAA"
    )
    answer = venice.settled(job)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "credits_refunded", "hint"}
    assert [one["refunded"] for one in sandbox.control.purchases()] == [True]


# --- deliveries that go wrong, at whichever poll they come


@pytest.mark.parametrize("model", ["MODEL", "LINKED"])
@pytest.mark.parametrize(
    ("how", "status", "kind"),
    [
        ("html", 200, "text/html; charset=utf-8"),
        ("empty", 200, "video/mp4"),
        ("octet_stream", 200, "application/octet-stream"),
        ("bad_gateway", 502, "application/json"),
        ("truncated", 200, "video/mp4"),
        ("placeholder", 200, "video/mp4"),
    ],
)
def test_a_delivery_can_be_spoiled_once(sandbox, venice, model, how, status, kind):
    name = getattr(venice, model)
    call = "retrieve" if model == "MODEL" else "share"
    sandbox.control.fault("venice", call, "spoil_media", how=how)
    job = venice.bought(model=name)
    first = venice.settled(job)
    if call == "share":
        first = httpx.get(job["download_url"])
    whole = venice.retrieve(job) if call == "retrieve" else httpx.get(job["download_url"])
    assert (first.status_code, first.headers["content-type"]) == (status, kind)
    assert (whole.headers["content-type"], whole.content[4:8]) == ("video/mp4", b"ftyp")
    if how == "empty":
        assert first.content == b""
    if how == "truncated":
        assert len(first.content) == len(whole.content) // 2
    if how == "octet_stream":
        assert first.content == whole.content
    if how == "placeholder":  # it plays, and is far too small to be what was asked for
        assert first.content[4:8] == b"ftyp"
        assert len(first.content) < 5000


@pytest.mark.parametrize("reported", [True, False])
def test_a_delivery_can_be_cut(sandbox, venice, reported):
    sandbox.control.settings(venice={"content_length": reported})
    sandbox.control.fault("venice", "retrieve", "spoil_media", how="cut")
    job = venice.bought()
    with pytest.raises(httpx.TransportError):
        venice.settled(job)
    assert venice.retrieve(job).content[4:8] == b"ftyp"


def test_a_video_that_is_deleted_as_it_breaks_is_lost(sandbox, venice):
    job = venice.bought()
    venice.settled(job)
    sandbox.control.fault("venice", "retrieve", "spoil_media", how="cut")
    with pytest.raises(httpx.TransportError):
        venice.retrieve(job, delete_media_on_completion=True)
    assert venice.retrieve(job).status_code == 404


# --- links


def test_a_purchase_can_come_without_the_link_it_should_have(sandbox, venice):
    sandbox.control.fault("venice", "queue", "missing_output_url")
    job = venice.bought(model=venice.LINKED)
    assert "download_url" not in job
    assert venice.settled(job).json() == {"status": "COMPLETED"}


@pytest.mark.parametrize("call", ["queue", "share"])
def test_a_link_can_be_expired(sandbox, venice, call):
    sandbox.control.fault("venice", call, "expired_url")
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    assert [httpx.get(job["download_url"]).status_code for _ in range(2)] == [410, 410]


def test_a_link_can_expire_midway(sandbox, venice):
    sandbox.control.fault("venice", "share", "expired_url", after_bytes=500)
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    with pytest.raises(httpx.TransportError):
        httpx.get(job["download_url"])
    assert httpx.get(job["download_url"]).status_code == 410


def test_a_range_can_be_refused_once(sandbox, venice):
    sandbox.control.settings(venice={"share_ranges": True})
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    sandbox.control.fault("venice", "share", "no_range")
    part = {"range": "bytes=0-3"}
    assert [httpx.get(job["download_url"], headers=part).status_code for _ in range(2)] == [200, 206]


# --- settings and balance


@pytest.mark.parametrize(
    "change",
    [
        {"complet": "live"},
        {"complete": "sometimes"},
        {"queue_per_minute": -1},
        {"queue_per_minute": 1.5},
        {"strict": 1},
        {"balance": "much"},
        5,
    ],
)
def test_a_wrong_setting_of_a_vendor_is_refused_and_nothing_changes(sandbox, change):
    before = sandbox.control.settings()
    with pytest.raises(ControlError, match="400"):
        sandbox.control.settings(url_ttl=5, venice=change)
    assert sandbox.control.settings() == before


def test_a_vendor_without_a_balance_says_so(sandbox):
    with pytest.raises(ControlError, match="vidio has no balance"):
        sandbox.control.balance("vidio", "a-key", 5)
    with pytest.raises(ControlError, match="400"):
        sandbox.control.balance("venice", None)
