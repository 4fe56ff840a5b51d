"""VIDIO as data: what is sent, byte for byte, and what every answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobError, JobFailed, JobGone, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output, digest
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.base import retry_after, without_urls
from airflow_provider_vidai.vendors.vidio.answers import VidioJob
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from airflow_provider_vidai.vendors.vidio.requests import (
    ReelRequest,
    RenderRequest,
    UploadRequest,
)

ASKED = {
    "input_keys": ["uploads/u1/a.mp4"],
    "video_category": "travel",
    "output_length": 30,
    "aspect_ratio": "landscape",
}
URL = "https://cdn.example/out/one.mp4?sig=s3cr3t"
OTHER_URL = "https://cdn.example/out/two.mp4?sig=s3cr3t"
REEL = JobRef(vendor="vidio", conn_id="studio", job_id="J1", kind="reel")


def reel_request(**changes: object) -> ReelRequest:
    return validated(ReelRequest, {**ASKED, **changes}, what="Highlight reel")


def reply(body: object, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"content-type": "application/json", **headers}, raw)


def render_ref(**params: object) -> JobRef:
    return REEL.model_copy(update={"kind": "render", "params": {"output_index": 0, **params}})


def status_of(ref: JobRef, body: object, status: int = 200) -> JobStatus:
    return VIDIO.status(ref).parse(reply(body, status))


def refused(call: Call[Any], answer: Answer) -> Any:
    with pytest.raises(VidaiError) as error:
        call.parse(answer)
    return error.value


# --- the rules of a reel --------------------------------------------------------------------------

CATEGORIES = (
    *("podcast", "ball-sports", "non-ball-sports", "beauty-product-demo", "wedding", "travel", "others"),
)
MUSIC = (
    *("corporate", "romantic", "sports", "kids_and_comedy", "ambient_and_nature", "horror_and_suspense"),
    *("documentary", "trending_vlogs"),
)
ACCEPTED = [
    *(("video_category", word, word) for word in CATEGORIES),
    *(("aspect_ratio", word, word) for word in ("landscape", "portrait", "square")),
    *(("music_category", word, word) for word in MUSIC),
    *(("output_length", value, wire) for value, wire in ((30, 30), ("30", 30), (30.0, 30), (0.5, 0.5))),
    *(("music_volume", value, wire) for value, wire in ((0, 0), (100, 100), ("50", 50), (12.5, 12.5))),
    *(("original_audio_volume", value, wire) for value, wire in ((0, 0), (100, 100), ("50", 50))),
]


@pytest.mark.parametrize(("field", "value", "wire"), ACCEPTED)
def test_what_the_vendor_allows_is_sent_as_the_vendor_writes_it(field, value, wire):
    sent = reel_request(**{field: value}).body()[field]
    assert sent == wire
    assert type(sent) is type(wire)


REFUSED = [
    *(("video_category", value) for value in ("Travel", "sports", "", 1, ["travel"])),
    *(("aspect_ratio", value) for value in ("16:9", "Landscape", "")),
    *(("music_category", value) for value in ("rock", "", False)),
    *(
        ("output_length", value)
        for value in (0, -5, True, False, "30m", "", "inf", float("inf"), float("nan"))
    ),
    *(
        ("music_volume", value)
        for value in (101, -1, 100.001, True, False, "loud", float("nan"), float("inf"))
    ),
    *(("original_audio_volume", value) for value in (101, -1, True, "loud", float("nan"))),
    *(("input_keys", value) for value in ([], (), "", "[]", [""], [None], [5], [["a"]], ["a", ""])),
    ("input_keys", [{"input_key": None}]),
    ("quality", "best"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_what_the_vendor_does_not_allow_is_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(InputError, match=rf"^Highlight reel: {field}\b.*Nothing was sent\.$"):
        reel_request(**{field: value})


@pytest.mark.parametrize("field", sorted(ASKED))
def test_a_required_field_can_not_be_left_out(field):
    with pytest.raises(InputError, match=f"{field} is required"):
        reel_request(**{field: None})


@pytest.mark.parametrize("value", [5, 2.5, True, {"key": "a"}, [{"key": "a"}], ["a", {"file_name": "b"}]])
def test_input_keys_of_a_wrong_shape_are_an_input_error_like_any_other(value):
    with pytest.raises(InputError, match="input_keys"):
        reel_request(input_keys=value)


def test_a_set_of_keys_is_refused_because_the_order_is_that_of_the_reel():
    with pytest.raises(InputError, match="input_keys"):
        reel_request(input_keys={"a", "b"})


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        pytest.param(["b", "a", "c", "a"], ["b", "a", "c", "a"], id="list"),
        pytest.param(("b", "a"), ["b", "a"], id="tuple"),
        pytest.param((key for key in "ba"), ["b", "a"], id="generator"),
        pytest.param({"b": 1, "a": 2}.keys(), ["b", "a"], id="view"),
        pytest.param("uploads/u/my clip #1.mp4", ["uploads/u/my clip #1.mp4"], id="one key"),
        pytest.param({"input_key": "a", "width": 1}, ["a"], id="one upload"),
        pytest.param([{"input_key": "b", "width": 1}, {"input_key": "a"}], ["b", "a"], id="uploads"),
        pytest.param([{"input_key": "b"}, "a"], ["b", "a"], id="mixed"),
        pytest.param('["b", "a"]', ["b", "a"], id="JSON"),
        pytest.param("['b', 'a']", ["b", "a"], id="Python"),
        pytest.param("[{'input_key': 'b', 'width': None}, 'a']", ["b", "a"], id="Python uploads"),
        pytest.param(["{'input_key': 'b'}", '{"input_key": "a"}'], ["b", "a"], id="uploads as text"),
        pytest.param(["[draft] a.mp4"], ["[draft] a.mp4"], id="brackets in a name"),
    ],
)
def test_input_keys_come_in_any_shape_and_keep_their_order(given, keys):
    assert reel_request(input_keys=given).body()["input_keys"] == keys


# --- exactly what is sent -------------------------------------------------------------------------


def test_a_reel_is_bought_by_one_post_with_nothing_but_what_was_asked_for():
    call = VIDIO.create_reel(reel_request(), conn_id="studio")
    assert (call.method, call.path, call.query) == ("POST", "/api/v1/jobs/highlight-reel", ())
    assert call.repeat is Repeat.ONCE
    assert json.dumps(call.body, separators=(",", ":")) == (
        '{"input_keys":["uploads/u1/a.mp4"],"video_category":"travel","output_length":30,'
        '"aspect_ratio":"landscape"}'
    )


def test_music_is_sent_when_asked_for():
    request = reel_request(
        output_length="12.5", music_category="sports", music_volume=0, original_audio_volume="80"
    )
    assert json.dumps(VIDIO.create_reel(request, conn_id="c").body) == json.dumps(
        {
            **ASKED,
            "output_length": 12.5,
            "music_category": "sports",
            "music_volume": 0,
            "original_audio_volume": 80,
        }
    )


def test_a_render_is_bought_by_one_post_of_its_option_and_index():
    call = VIDIO.render(render_ref(), RenderRequest(output_index=2))
    assert (call.method, call.path, call.query) == ("POST", "/api/v1/jobs/J1/render", ())
    assert call.repeat is Repeat.ONCE
    assert json.dumps(call.body, separators=(",", ":")) == '{"export_option":"premium","output_index":2}'


def test_the_status_of_a_reel_and_of_its_render_is_one_resource():
    for ref in (REEL, render_ref()):
        call = VIDIO.status(ref)
        assert (call.method, call.path) == ("GET", "/api/v1/jobs/J1/status")
        assert (call.query, call.body, call.repeat) == ((), None, Repeat.SAFE)
    assert VIDIO.job("J1").path == VIDIO.fetch(render_ref(), Output(index=0, kind="video")).path == call.path


@pytest.mark.parametrize("job_id", ["a/../b", "a?b=c", "a#b", "a b", "é"])
def test_an_id_can_not_lead_to_another_path(job_id):
    ref = REEL.model_copy(update={"job_id": job_id})
    for path in (VIDIO.status(ref).path, VIDIO.render(ref, RenderRequest()).path, VIDIO.job(job_id).path):
        assert path.count("/") == 5
        assert not set(path) & set("?# é")


def upload(**changes: object) -> UploadRequest:
    values = {"file_name": "my clip #1 é.MP4", "media_type": "video", "width": 1920, "height": 1080}
    return validated(UploadRequest, {**values, "duration": 12.345, **changes}, what="upload")


def test_an_upload_url_is_requested_with_the_names_and_the_order_of_the_vendors_client():
    call = VIDIO.upload_url(upload(), upload_id="u1")
    assert (call.method, call.path, call.body) == ("GET", "/api/v1/uploads/upload-url", None)
    assert call.repeat is Repeat.SAFE
    assert call.query == (
        ("job_id", "u1"),
        ("file_name", "my clip #1 é.MP4"),
        ("file_type", "mp4"),
        ("media_type", "video"),
        ("width", "1920"),
        ("height", "1080"),
        ("duration", "12.345"),
        ("to_be_downscaled", "true"),
    )
    assert call.parse(reply({"url": URL, "expires": 1})) == URL
    assert VIDIO.input_key(upload(), upload_id="u1") == "uploads/u1/my clip #1 é.MP4"


def test_numbers_of_an_upload_may_come_as_text_and_a_still_image_has_no_duration():
    query = dict(VIDIO.upload_url(upload(width="1920", height="1080", duration="0"), upload_id="u1").query)
    assert (query["width"], query["height"], query["duration"]) == ("1920", "1080", "0.0")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("width", value) for value in (0, -1, "wide", 1.5)),
        *(("height", value) for value in (0, -1)),
        *(("duration", value) for value in (-1, float("inf"), float("nan"), "long")),
        *(("media_type", value) for value in ("audio", "Video", "")),
        *(("file_name", value) for value in ("", "clip", ".mp4")),
    ],
)
def test_an_upload_that_the_vendor_would_not_take_is_refused_first(field, value):
    with pytest.raises(InputError, match=rf"{field}\b.*Nothing was sent"):
        upload(**{field: value})


@pytest.mark.parametrize(
    ("name", "media_type", "content_type"),
    [
        ("a.mp4", "video", "video/mp4"),
        ("a.MOV", "video", "video/quicktime"),
        ("a.m4v", "video", "video/m4v"),
        ("a.avi", "video", "video/x-msvideo"),
        ("a.webm", "video", "video/webm"),
        ("a.tar.mp4", "video", "video/mp4"),
        ("a.jpg", "image", "image/jpeg"),
        ("a.JPEG", "image", "image/jpeg"),
        ("a.png", "image", "image/png"),
        ("a.webp", "image", "image/webp"),
        ("a.gif", "image", "image/gif"),
    ],
)
def test_a_file_is_sent_as_the_vendors_client_would_send_it(name, media_type, content_type):
    assert upload(file_name=name, media_type=media_type).content_type == content_type


def test_mkv_is_sent_as_a_host_without_a_table_of_types_would_send_it():
    # Python 3.14 knows the type itself.
    assert upload(file_name="a.mkv").content_type in ("video/mkv", "video/matroska")


def test_a_render_request_has_a_whole_index_from_zero_and_premium_as_its_option():
    assert RenderRequest().model_dump() == {"output_index": 0, "export_option": "premium"}
    assert validated(RenderRequest, {"output_index": "3"}, what="Render").output_index == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [*(("output_index", value) for value in (-1, 1.5, True, "x", "")), ("export_option", "")],
)
def test_a_render_of_nothing_is_refused(field, value):
    with pytest.raises(InputError, match=rf"^Render: {field}:? "):
        validated(RenderRequest, {field: value}, what="Render")


def test_the_key_travels_in_its_header_and_the_check_costs_nothing():
    assert VIDIO.key_header("K") == {"x-api-key": "K"}
    check = VIDIO.check()
    assert (check.method, check.repeat, check.body) == ("GET", Repeat.SAFE, None)
    assert check.path == "/api/v1/uploads/upload-url"
    assert all(value for _, value in check.query)
    assert "accepts" in check.parse(reply({"url": URL}))
    assert refused(check, reply({"error": "Invalid API key"}, 401)).account


def test_vidio_is_found_under_its_name():
    assert VENDORS["vidio"] is VIDIO
    assert (VIDIO.base_url, VIDIO.limits.polls_per_minute) == ("https://api.vidio.ai", None)


# --- what a purchase answers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "job_id", "status"),
    [
        ({"job_id": "J9", "status": "submitted"}, "J9", "submitted"),
        ({"job_id": 9, "status": "submitted", "credits": None}, "9", "submitted"),
        ({"job_id": "J9"}, "J9", None),
        ({"job_id": "J9", "status": None}, "J9", None),
    ],
)
@pytest.mark.parametrize("http", [200, 201, 202])
def test_a_bought_reel_is_known_by_its_id(body, job_id, status, http):
    receipt = VIDIO.create_reel(reel_request(), conn_id="studio").parse(reply(body, http))
    assert receipt == Receipt(
        ref=JobRef(vendor="vidio", conn_id="studio", job_id=job_id, kind="reel"), vendor_status=status
    )


@pytest.mark.parametrize("status", [{"code": 1}, True, ["submitted"]])
def test_an_id_that_can_be_read_is_never_thrown_away_for_what_stands_beside_it(status):
    call = VIDIO.create_reel(reel_request(), conn_id="studio")
    assert call.parse(reply({"job_id": "J9", "status": status})).ref.job_id == "J9"


UNREADABLE = [
    *(b"", b"null", b"[]", b'"J9"', b"<html>gateway</html>", b'{"job_id": "J9", "sta', b"{}"),
    *(b'{"job_id": null}', b'{"job_id": ""}', b'{"job_id": {}}', b'{"status": "submitted"}'),
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_success_without_a_readable_id_may_have_bought_something(body):
    error = refused(VIDIO.create_reel(reel_request(), conn_id="studio"), reply(body))
    assert isinstance(error, ApiError)
    assert error.processed == "maybe"
    assert "VIDIO" in str(error)
    assert "create a highlight reel" in str(error)


def test_a_bought_render_is_known_by_the_ref_it_was_sent_with():
    ref = render_ref(before=None)
    assert VIDIO.render(ref, RenderRequest()).parse(reply({"status": "rendering"})) == Receipt(
        ref=ref, vendor_status="rendering"
    )
    assert VIDIO.render(ref, RenderRequest()).parse(reply({"status": None, "x": 1})) == Receipt(ref=ref)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"status": "rend', b"{}", b'{"error": "sorry"}'])
def test_a_render_with_an_unreadable_answer_may_have_been_bought(body):
    error = refused(VIDIO.render(render_ref(), RenderRequest()), reply(body))
    assert isinstance(error, ApiError)
    assert error.processed == "maybe"


def test_a_render_that_the_vendor_refuses_now_was_not_charged_and_may_be_tried_later():
    error = refused(VIDIO.render(render_ref(), RenderRequest()), reply({"error": "it is rendering"}, 409))
    assert isinstance(error, JobError)
    assert (error.charged, error.retryable) == ("no", True)
    assert "it is rendering" in str(error)


# --- error answers --------------------------------------------------------------------------------

CALLS: dict[str, Call[object]] = {
    "buy": VIDIO.create_reel(reel_request(), conn_id="studio"),
    "status": VIDIO.status(REEL),
    "upload": VIDIO.upload_url(upload(), upload_id="u1"),
}
ACCOUNT_WORDS = {401: "password", 402: "balance or plan", 403: "plan and the key's rights"}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("http", [401, 402, 403])
def test_a_refused_account_bought_nothing_and_the_error_says_what_to_check(name, http):
    error = refused(CALLS[name], reply({"error": "no way"}, http))
    assert isinstance(error, ApiError)
    assert (error.status, error.account, error.processed, error.retryable) == (http, True, "no", False)
    for word in ("VIDIO", f"HTTP {http}", "no way", CALLS[name].name, ACCOUNT_WORDS[http]):
        assert word in str(error)


@pytest.mark.parametrize("http", [400, 404, 405, 409, 410, 413, 415, 422])
@pytest.mark.parametrize("name", ["buy", "upload"])
def test_a_refused_request_is_wrong_and_bought_nothing(name, http):
    error = refused(CALLS[name], reply({"error": {"message": "bad aspect"}}, http))
    assert isinstance(error, InputError)
    for word in ("VIDIO", f"HTTP {http}", "bad aspect", CALLS[name].name, "Nothing was charged"):
        assert word in str(error)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("headers", "wait"),
    [({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after": "-1"}, 0.0), ({"retry-after": "soon"}, None)],
)
def test_too_many_requests_means_not_now_and_was_not_processed(name, headers, wait):
    error = refused(CALLS[name], reply({"error": "slow down"}, 429, **headers))
    assert isinstance(error, ApiError)
    assert (error.status, error.processed, error.retryable) == (429, "no", True)
    assert (error.retry_after, error.account) == (wait, False)
    assert "slow down" in str(error)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("http", [408, 418, 425, 500, 502, 503, 504, 524])
def test_after_a_failing_server_nobody_knows_what_was_processed(name, http):
    error = refused(CALLS[name], reply(b"<html><b>Bad\nGateway</b></html>", http, **{"retry-after": "9"}))
    assert isinstance(error, ApiError)
    assert (error.status, error.processed, error.retryable) == (http, "maybe", True)
    assert (error.retry_after, error.account) == (9.0, False)
    assert "<html><b>Bad Gateway</b></html>" in str(error)


@pytest.mark.parametrize("http", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_host_is_to_be_checked(http):
    error = refused(CALLS["buy"], reply(b"", http, location="https://elsewhere"))
    assert isinstance(error, ApiError)
    assert (error.status, error.retryable, error.processed) == (http, False, "maybe")
    assert "check the host in the connection" in str(error)


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"", b'{"status": "proc', b"[]", b"{}", b'{"status": null}']
)
def test_a_success_that_cannot_be_read_is_no_status_and_may_be_asked_again(body):
    error = refused(CALLS["status"], reply(body))
    assert isinstance(error, ApiError)
    assert (error.status, error.retryable, error.account) == (200, True, False)
    assert "unreadable" in str(error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": "bad key"}, "bad key"),
        ({"error": {"message": "bad key", "code": 7}}, "bad key"),
        ({"error": {"code": 7}}, '{"code": 7}'),
        ({"detail": "bad key"}, '{"detail": "bad key"}'),
        (["bad", "key"], '["bad", "key"]'),
        (b"plain words", "plain words"),
        (b"", ""),
    ],
)
def test_the_vendors_explanation_is_found_in_any_shape(body, expected):
    assert VIDIO.error_text(reply(body, 400)) == expected


def test_a_long_explanation_is_cut():
    assert len(str(refused(CALLS["buy"], reply(b"x" * 50_000, 500)))) < 500
    assert len(str(refused(CALLS["buy"], reply({"detail": "x" * 50_000}, 500)))) < 500


def test_a_long_message_is_cut_too():
    assert len(str(refused(CALLS["buy"], reply({"error": "x" * 50_000}, 500)))) < 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        (
            {"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"},
            60.0,
        ),
        ({"retry-after": "Fri, 20 Nov 2026 09:00:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 -0000", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_seconds_by_the_servers_own_clock(headers, seconds):
    assert retry_after(Answer(429, headers, b"")) == seconds


def test_a_date_that_cannot_be_is_no_wait():
    headers = {
        "retry-after": f"Fri, 20 Nov {'9' * 20} 10:00:00 GMT",
        "date": "Fri, 20 Nov 2026 10:00:00 GMT",
    }
    assert retry_after(Answer(429, headers, b"")) is None


@pytest.mark.parametrize(
    "answer",
    [
        reply({"error": f"cannot read {URL}"}, 400),
        reply({"error": f"cannot read {URL}"}, 500),
        reply(f"cannot read {URL}".encode(), 500),
    ],
)
def test_no_file_url_gets_into_an_error_message(answer):
    message = str(refused(CALLS["buy"], answer))
    assert "cannot read" in message
    assert "s3cr3t" not in message


def test_what_an_unreadable_answer_says_beside_a_url_is_still_shown():
    body = b'{"job": "J9", "link": "https://app.example/J9?sig=s3cr3t"}'
    message = str(refused(CALLS["buy"], reply(body)))
    assert "s3cr3t" not in message
    assert '"job": "J9"' in message


# --- what a status means --------------------------------------------------------------------------

ACTIVE = (
    *("submitted", "queued", "processing", "loaded", "cpu_work_pending", "small_work_pending"),
    "big_work_pending",
)
REEL_STATES = [
    *((word, JobState.RUNNING) for word in ACTIVE),
    *((word, JobState.READY) for word in ("processed", "rendering", "rendered")),
    *((word, JobState.FAILED) for word in ("failed", "error")),
]


@pytest.mark.parametrize(("word", "state"), REEL_STATES)
def test_every_word_of_the_vendor_has_a_state_for_a_reel(word, state):
    status = status_of(REEL, {"job_id": "J1", "status": word})
    assert (status.state, status.vendor_status, status.known) == (state, word, True)
    assert status.charged == "maybe"
    assert status.answer == VidioJob(job_id="J1", status=word)


RENDER_STATES = [
    *((word, JobState.RUNNING) for word in (*ACTIVE, "processed", "rendering", "rendered")),
    *((word, JobState.FAILED) for word in ("failed", "error")),
]


@pytest.mark.parametrize(("word", "state"), RENDER_STATES)
def test_every_word_of_the_vendor_has_a_state_for_a_render_without_a_file(word, state):
    status = status_of(render_ref(before=None), {"status": word})
    assert (status.state, status.vendor_status, status.known) == (state, word, True)


@pytest.mark.parametrize("word", ["paused", "Processed", "cancelled", "", "done"])
@pytest.mark.parametrize("ref", [REEL, render_ref(before=None)])
def test_an_unknown_status_keeps_a_paid_job_running_and_is_marked_unknown(word, ref):
    status = status_of(ref, {"status": word, "output_url": URL})
    assert (status.state, status.known, status.vendor_status) == (JobState.RUNNING, False, word)


@pytest.mark.parametrize("http", [404, 410])
@pytest.mark.parametrize("ref", [REEL, render_ref(before=None)])
def test_a_job_that_the_vendor_does_not_have_is_gone(http, ref):
    status = status_of(ref, {"error": "Job not found"}, http)
    assert (status.state, status.vendor_status, status.error) == (JobState.GONE, str(http), "Job not found")


def test_a_gateways_own_404_page_says_nothing_about_the_job():
    with pytest.raises(ApiError) as error:
        VIDIO.status(REEL).parse(Answer(404, {"content-type": "text/html"}, b"<html>default backend</html>"))
    assert error.value.retryable


@pytest.mark.parametrize("http", [404, 410])
def test_a_job_that_is_not_there_proves_no_purchase(http):
    assert not status_of(render_ref(before=None), {"error": "Job not found"}, http).proven


OUTPUT = {
    "start": None,
    "end": None,
    "thumbnail": "out/t.jpg",
    "duration": 29.97,
    "fps": 59.94,
    "overlays": [
        {
            "id": 3,
            "fileID": "f",
            "originalFileName": "a.mp4",
            "from": 12,
            "content": "https://cdn.example/in.mp4?sig=s3cr3t",
            "durationInFrames": 90,
            "type": "video",
            "src": "https://cdn.example/in.mp4?sig=s3cr3t",
            "videoStartTime": 5425,
        },
        {"id": 876361, "content": "sunny track", "type": "sound", "src": "http://cdn.example/x.wav"},
    ],
}


def test_outputs_say_everything_but_where_the_files_are():
    status = status_of(REEL, {"status": "rendered", "outputs": [OUTPUT, {}], "output_url": URL})
    first, second = status.outputs
    assert (first.index, first.kind, first.duration, second.index) == (0, "video", 29.97, 1)
    assert {key: first.details[key] for key in ("start", "end", "thumbnail", "fps")} == {
        "start": None,
        "end": None,
        "thumbnail": "out/t.jpg",
        "fps": 59.94,
    }
    overlays: Any = first.details["overlays"]
    video, sound = overlays
    assert (video["id"], video["from"], video["durationInFrames"], video["videoStartTime"]) == (
        3,
        12,
        90,
        5425,
    )
    assert (video["fileID"], video["originalFileName"], video["type"]) == ("f", "a.mp4", "video")
    assert sound["content"] == "sunny track"
    assert "src" not in video
    assert "content" not in video


@pytest.mark.parametrize("ref", [REEL, render_ref(before=None), render_ref(before=digest(URL))])
def test_no_url_leaves_with_a_status_or_a_result(ref):
    extra = {**OUTPUT, "preview": {"hls": URL, "all": [URL, "kept"]}}
    status = status_of(ref, {"status": "rendered", "outputs": [extra], "output_url": URL, "share_url": URL})
    for text in (status.model_dump_json(), json.dumps(job_result(status.of(ref), status)), repr(status)):
        assert "://" not in text
        assert "s3cr3t" not in text
    assert "kept" in status.model_dump_json()


def test_the_message_about_a_job_that_is_gone_shows_no_url():
    assert "s3cr3t" not in status_of(REEL, {"error": f"no file at {URL}"}, 404).model_dump_json()


def test_a_job_does_not_show_urls_in_fields_that_the_vendor_added():
    body = {"status": "rendered", "share_url": URL, "outputs": [{"preview": URL, "overlays": [{"x": URL}]}]}
    assert "s3cr3t" not in repr(VIDIO.job("J1").parse(reply(body)))


def test_a_job_does_not_show_the_urls_that_are_documented():
    job = VIDIO.job("J1").parse(reply({"status": "rendered", "outputs": [OUTPUT], "output_url": URL}))
    assert "s3cr3t" not in repr(job)
    assert job.output_url == URL


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": URL, "b": 1, "c": None}, {"b": 1, "c": None}),
        ({"a": {"b": f"see {URL}"}}, {"a": {}}),
        (["x", {"u": "http://h"}], ["x", {}]),
        ("out/t.jpg", "out/t.jpg"),
        (5, 5),
    ],
)
def test_urls_are_taken_out_of_what_is_kept(value, kept):
    assert without_urls(value) == kept


def test_a_scheme_in_capitals_is_a_url_too():
    assert without_urls({"a": "HTTPS://cdn/x?sig=1"}) == {}


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ({"status": "processed"}, 0),
        ({"status": "processed", "outputs": None, "output_url": None, "eta": 3}, 0),
        ({"status": "processed", "outputs": [], "output_url": ""}, 0),
        ({"status": "processed", "outputs": [{"overlays": None, "duration": "29.97", "fps": "59.94"}]}, 1),
        ({"status": "processed", "outputs": [{"overlays": [{"id": "5", "from": "7"}], "score": 1}]}, 1),
    ],
)
def test_answers_are_read_with_what_vendors_really_send(body, outputs):
    status = status_of(REEL, body)
    assert status.state is JobState.READY
    assert len(status.outputs) == outputs
    if outputs and "duration" in body["outputs"][0]:
        assert (status.outputs[0].duration, status.outputs[0].details["fps"]) == (29.97, 59.94)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"job_id": 7}, id="job_id a number"),
        pytest.param({"outputs": [None]}, id="an output null"),
        pytest.param({"outputs": {}}, id="outputs an object"),
        pytest.param({"outputs": [{"duration": "12 s"}]}, id="duration with unit"),
        pytest.param({"outputs": [{"thumbnail": {"key": "a"}}]}, id="thumbnail an object"),
        pytest.param({"outputs": [{"overlays": [{"id": "ov-1"}]}]}, id="overlay id a word"),
        pytest.param({"outputs": [{"overlays": [{"fileID": 7}]}]}, id="fileID a number"),
        pytest.param({"outputs": [{"overlays": [{"from": 0.5}]}]}, id="from a fraction"),
        pytest.param({"outputs": [{"overlays": [None]}]}, id="an overlay null"),
    ],
)
def test_a_paid_job_is_not_unreadable_for_one_odd_field(odd):
    assert status_of(REEL, {"status": "processed", **odd}).state is JobState.READY


# --- renders: this one, the one before, and the one after -----------------------------------------

OLD, NEW = digest(URL), digest(OTHER_URL)


def test_the_first_render_is_ready_when_its_file_is_there():
    status = status_of(render_ref(before=None), {"status": "rendered", "output_url": URL})
    assert (status.state, status.ref_params, status.proven) == (JobState.READY, {"digest": OLD}, True)
    assert status.ready_after is None


def test_a_render_with_another_file_than_before_is_ready():
    status = status_of(render_ref(before=OLD), {"status": "rendered", "output_url": OTHER_URL})
    assert (status.state, status.ref_params, status.proven) == (JobState.READY, {"digest": NEW}, True)


@pytest.mark.parametrize("url", [URL, URL.replace("s3cr3t", "signed-again")])
def test_the_file_of_the_render_before_is_not_taken_for_this_one_in_the_first_minute(url):
    status = status_of(render_ref(before=OLD), {"status": "rendered", "output_url": url})
    assert (status.state, status.ready_after, status.proven) == (JobState.RUNNING, 60.0, False)
    assert status.ref_params == {"digest": OLD}


@pytest.mark.parametrize("word", ["processed", "submitted", "paused"])
@pytest.mark.parametrize("url", [None, URL])
def test_a_stale_word_right_after_the_purchase_keeps_it_running_and_proves_nothing(word, url):
    status = status_of(render_ref(before=OLD), {"status": word, "output_url": url})
    assert (status.state, status.proven, status.ready_after) == (JobState.RUNNING, False, None)


@pytest.mark.parametrize("url", [None, URL])
def test_a_render_that_is_rendering_is_running_and_proves_the_purchase(url):
    status = status_of(render_ref(before=OLD), {"status": "rendering", "output_url": url})
    assert (status.state, status.proven, status.ready_after) == (JobState.RUNNING, True, None)
    assert status.ref_params == {}


@pytest.mark.parametrize("url", [None, ""])
@pytest.mark.parametrize("before", [None, OLD])
def test_a_render_without_its_file_is_not_ready_and_time_does_not_make_it_so(url, before):
    status = status_of(render_ref(before=before), {"status": "rendered", "output_url": url})
    assert (status.state, status.proven, status.ready_after) == (JobState.RUNNING, False, None)


def test_an_output_url_that_is_none_says_nothing_about_the_job():
    try:
        status = status_of(render_ref(before=None), {"status": "rendered", "output_url": "http://[bad/x"})
    except ApiError:
        return
    assert status.state is JobState.RUNNING


def test_a_finished_render_stays_ready_though_its_file_is_the_same_as_the_one_before():
    status = status_of(render_ref(before=OLD, digest=OLD), {"status": "rendered", "output_url": URL})
    assert (status.state, status.ready_after) == (JobState.READY, None)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "rendering"},
        {"status": "rendered", "output_url": OTHER_URL},
        {"status": "rendering", "output_url": URL},
    ],
)
def test_a_render_that_a_later_one_replaced_is_gone_and_was_charged(body):
    status = status_of(render_ref(before=None, digest=OLD), body)
    assert (status.state, status.charged) == (JobState.GONE, "yes")
    assert "later render" in status.error


def test_a_finished_render_whose_url_is_missing_for_a_moment_is_not_gone():
    status = status_of(render_ref(before=None, digest=OLD), {"status": "rendered"})
    assert status.state is JobState.RUNNING


def test_a_render_has_the_one_output_that_was_rendered():
    outputs = [{"duration": 1.0}, {"duration": 2.0}]
    status = status_of(
        render_ref(before=None, output_index=1), {"status": "rendered", "outputs": outputs, "output_url": URL}
    )
    assert [(output.index, output.duration) for output in status.outputs] == [(1, 2.0)]


@pytest.mark.parametrize(
    ("params", "index"), [({"output_index": 1}, 1), ({"output_index": None}, 0), ({}, 0)]
)
def test_a_finished_render_has_an_output_even_if_the_vendor_lists_none(params, index):
    ref = REEL.model_copy(update={"kind": "render", "params": params})
    status = status_of(ref, {"status": "rendered", "outputs": None, "output_url": URL})
    assert [output.index for output in status.outputs] == [index]


# --- buying a render: when it is refused ----------------------------------------------------------


def job(status: str = "processed", outputs: int = 0, output_url: str | None = None) -> VidioJob:
    return VidioJob(job_id="J1", status=status, outputs=[{}] * outputs, output_url=output_url)


@pytest.mark.parametrize("status", ["processed", "rendered"])
def test_a_render_remembers_what_was_there_before_it(status):
    ref = VIDIO.render_ref(REEL, job(status, 3, URL), RenderRequest(output_index=2))
    assert ref == REEL.model_copy(update={"kind": "render", "params": {"output_index": 2, "before": OLD}})
    first = VIDIO.render_ref(REEL, job(status), RenderRequest())
    assert first.params == {"output_index": 0, "before": None}
    assert "s3cr3t" not in ref.model_dump_json()


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_failed_reel_is_not_rendered_and_a_retry_would_not_help(status):
    with pytest.raises(JobFailed, match="nothing to render") as error:
        VIDIO.render_ref(REEL, job(status), RenderRequest())
    assert (error.value.charged, error.value.retryable) == ("no", False)


@pytest.mark.parametrize("status", [*ACTIVE, "rendering", "paused"])
def test_a_reel_that_is_busy_is_not_rendered_now_but_a_retry_may_help(status):
    with pytest.raises(JobError, match="this render was not sent") as error:
        VIDIO.render_ref(REEL, job(status, 3, URL), RenderRequest())
    assert (error.value.charged, error.value.retryable) == ("no", True)
    assert not isinstance(error.value, JobFailed)


def test_an_output_that_the_reel_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(InputError, match=r"output_index 2 is out of range: .* 2 outputs \(0 to 1\)"):
        VIDIO.render_ref(REEL, job("rendered", 2), RenderRequest(output_index=2))
    assert (
        VIDIO.render_ref(REEL, job("rendered", 2), RenderRequest(output_index=1)).params["output_index"] == 1
    )


def test_before_the_first_render_nobody_knows_how_many_outputs_there_are():
    assert VIDIO.render_ref(REEL, job(), RenderRequest(output_index=7)).params["output_index"] == 7


def test_a_reel_and_its_render_lead_to_each_other():
    assert VIDIO.reel_of(render_ref(before=OLD)) == REEL
    assert VIDIO.reel_of(REEL) is REEL
    assert VIDIO.render_of(REEL) == REEL.model_copy(update={"kind": "render"})
    assert VIDIO.render_of(render_ref(before=OLD)) == render_ref(before=OLD)


# --- downloads ------------------------------------------------------------------------------------

VIDEO = Output(index=0, kind="video")


@pytest.mark.parametrize("ref", [REEL, render_ref(before=None), render_ref(before=None, digest=OLD)])
def test_a_download_takes_the_fresh_url_without_the_key(ref):
    fetch = VIDIO.fetch(ref, VIDEO).parse(reply({"status": "rendered", "output_url": URL}))
    assert fetch == Fetch(url=URL, kind="video")
    assert not fetch.with_key
    assert not fetch.headers


@pytest.mark.parametrize(
    ("body", "http", "kind", "retryable"),
    [
        ({"status": "processed"}, 200, JobError, True),
        ({"status": "rendered"}, 200, JobError, True),
        ({"status": "failed"}, 200, JobFailed, False),
        ({"error": "Job not found"}, 404, JobGone, True),
    ],
)
def test_a_download_of_what_is_not_there_fails_clearly(body, http, kind, retryable):
    error = refused(VIDIO.fetch(render_ref(before=None), VIDEO), reply(body, http))
    assert type(error) is kind
    assert error.retryable is retryable
    assert "J1" in str(error)


def test_a_download_never_takes_a_later_render_for_the_one_that_was_bought():
    error = refused(
        VIDIO.fetch(render_ref(before=None, digest=OLD), VIDEO),
        reply({"status": "rendered", "output_url": OTHER_URL}),
    )
    assert isinstance(error, JobGone)
    assert "render and download in turn" in str(error)


@pytest.mark.parametrize("word", ["submitted", "processed", "rendering", "rendered"])
def test_a_download_while_a_render_is_under_way_never_takes_the_one_before(word):
    ref = render_ref(before=digest(URL))
    error = refused(VIDIO.fetch(ref, VIDEO), reply({"status": word, "output_url": URL}))
    assert type(error) is JobError
    assert (error.retryable, error.charged) == (True, "yes")
    assert "not ready" in str(error)


def test_a_download_of_a_bare_job_takes_no_file_while_it_is_rendering():
    for url in (URL, None):
        error = refused(VIDIO.fetch(REEL, VIDEO), reply({"status": "rendering", "output_url": url}))
        assert "not ready" in str(error)


def test_the_fate_of_the_money_is_not_lost_on_the_way_to_a_download():
    call = VIDIO.fetch(render_ref(before=None, digest=OLD), VIDEO)
    assert refused(call, reply({"status": "rendered", "output_url": OTHER_URL})).charged == "yes"


def test_a_download_passes_an_account_error_on():
    assert refused(VIDIO.fetch(REEL, VIDEO), reply({"error": "Invalid API key"}, 401)).account
