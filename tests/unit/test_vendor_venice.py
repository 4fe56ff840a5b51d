"""Venice as data: what is sent, and what every answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobError, JobFailed, JobGone, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.venice import speech as speech
from airflow_provider_vidai.vendors.venice.answers import SERVER_ERRORS_BELIEVED
from airflow_provider_vidai.vendors.venice.api import VENICE, catalogue_row, model_of
from airflow_provider_vidai.vendors.venice.catalogue import Constraints, fitted
from airflow_provider_vidai.vendors.venice.requests import VideoRequest

ASKED = {"model": "wan-2.6-text-to-video", "prompt": "a sunset", "duration": "5s"}
REF = JobRef(
    vendor="venice", conn_id="studio", job_id="Q1", kind="generate", params={"model": ASKED["model"]}
)
MP4 = b"\0\0\0\x20ftypisom" + bytes(52)
LINK = "https://private-share.venice.ai/v1/share/read/t0ken"
BASE = "https://api.venice.ai/api/v1"
INLINE = Output(index=0, kind="video", details={"delivery": "inline"})
BY_LINK = Output(index=0, kind="video", details={"delivery": "link"})
DATE = {"date": "Fri, 20 Nov 2026 10:00:00 GMT"}
NOW = 1_795_168_800


def video(**changes: Any) -> VideoRequest:
    return validated(VideoRequest, {**ASKED, **changes}, what="Video")


def reply(body: object, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"content-type": "application/json", **headers}, raw)


def filmed(body: bytes = MP4, content_type: str = "video/mp4") -> Answer:
    return Answer(200, {"content-type": content_type}, body, whole=False)


def status_of(body: object, status: int = 200) -> JobStatus:
    return VENICE.status(REF).parse(reply(body, status))


def refused(call: Call[Any], answer: Answer) -> Any:
    with pytest.raises(VidaiError) as error:
        call.parse(answer)
    return error.value


def queued(**changes: Any) -> Call[Receipt]:
    return VENICE.queue(video(**changes), conn_id="studio", seal=lambda text: f"sealed({len(text)})")


# --- the rules of a request -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        *((value, "5s") for value in (5, 5.0, "5", "5s", "5 s", " 5 seconds ", "5 second", "5sec", "5 SECS")),
        (12.5, "12.5"),
        ("12.5s", "12.5"),
        (300, "300s"),
        ("1 gen", "1 gen"),
        (None, None),
        ("Auto", None),
    ],
)
def test_a_duration_is_understood_as_people_write_it(given, wire):
    assert video(duration=given).body().get("duration") == wire


@pytest.mark.parametrize("given", [0, -5, "-5", "soon", "", "5m", True, [5], 300.5, "1e3", "5s s"])
def test_what_is_no_duration_is_refused(given):
    with pytest.raises(InputError, match=r"^Video: duration\b.*Nothing was sent\.$"):
        video(duration=given)


@pytest.mark.parametrize("word", ["auto", "-1"])
def test_a_duration_after_the_references_needs_references(word):
    with pytest.raises(InputError, match="reference_video_urls"):
        video(duration=word)
    assert video(duration=word, reference_video_urls="https://x/a.mp4").body()["duration"] == word


POINT = {"time": 0, "azimuth": 0, "elevation": 0, "distance": 1}
PATH = [POINT, {**POINT, "time": 1, "azimuth": 90}]
IMAGE = "https://x/a.png"
AGREED = dict.fromkeys(
    ("confirmed_terms_and_privacy", "confirmed_legal_right", "confirmed_screening_acknowledged"), True
)
REFUSED = [
    ("model", ""),
    ("prompt", ""),
    ("prompt", "x" * 20_001),
    ("upscale_factor", 3),
    ("upscale_factor", True),
    ("image_strength", 1.1),
    ("image_strength", True),
    ("reference_image_urls", [IMAGE] * 31),
    ("reference_video_urls", [IMAGE] * 11),
    ("reference_document_urls", [IMAGE] * 2),
    ("scene_image_urls", [IMAGE] * 5),
    ("elements", [{}]),
    ("elements", [{"frontal_image_url": IMAGE, "video_url": IMAGE}]),
    ("elements", [{"frontal_image_url": IMAGE, "reference_image_urls": [IMAGE] * 4}]),
    ("elements", [{"video_url": IMAGE}] * 5),
    ("keyframes", [{"image_url": IMAGE, "frame_index": -1}]),
    ("keyframes", [{"frame_index": 1}]),
    ("camera_trajectory", [POINT]),
    ("camera_trajectory", [POINT, POINT]),
    ("camera_trajectory", [POINT, {**POINT, "time": 1, "azimuth": 99_999}]),
    ("camera_trajectory", [POINT, {**POINT, "time": 1, "roll": 1}]),
    ("camera_trajectory", [POINT, {**POINT, "time": 1, "elevation": 91}]),
    ("camera_trajectory", [POINT, {**POINT, "time": 1, "distance": 0}]),
    ("consents", {"seedance": {}}),
    ("consents", {"seedance": {**AGREED, "confirmed_legal_right": False}}),
    ("consents", {"seedance": {**AGREED, "more": True}}),
    ("anon_user_id", "a||b"),
    ("anon_user_id", "x" * 129),
    ("grain", 0.2),
    ("softness", 0.5),
    ("target_fps", 15),
    ("slowdown_factor", 3),
    ("output_format", "avi"),
    ("bitrate_mode", "low"),
    ("omni_reference_task_type", "guess"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED, ids=str)
def test_what_the_vendor_does_not_allow_is_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(InputError, match=rf"^Video: .*\b{field}\b.*Nothing was sent\.$"):
        video(image_url=IMAGE, **{field: value})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"upscale_factor": 2, "resolution": "720p"}, "takes either resolution or"),
        ({"reference_audio_urls": [IMAGE]}, "need at least one of"),
        ({"camera_trajectory": PATH}, "camera_trajectory needs image_url"),
        ({"keyframes": [{"image_url": IMAGE, "frame_index": 3}] * 2}, "each frame_index"),
        ({"keyframes": [{"image_url": IMAGE, "frame_index": 121}]}, "duration x 24"),
        ({"duration_seconds": 10}, "two names of one argument"),
        ({"image_url": IMAGE, "image": f"{IMAGE}?other"}, "two names of one argument"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, expected):
    with pytest.raises(InputError, match=expected):
        video(**fields)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"upscale_factor": "2", "audio": "false"}, {"upscale_factor": 2, "audio": False}),
        ({"reference_image_urls": IMAGE}, {"reference_image_urls": [IMAGE]}),
        ({"reference_image_urls": f"['{IMAGE}']"}, {"reference_image_urls": [IMAGE]}),
        ({"elements": str([{"video_url": IMAGE}])}, {"elements": [{"video_url": IMAGE}]}),
        ({"consents": json.dumps({"seedance": AGREED})}, {"consents": {"seedance": AGREED}}),
        ({"camera_trajectory": PATH, "image": IMAGE}, {"camera_trajectory": PATH, "image_url": IMAGE}),
        ({"target_fps": 60.0}, {"target_fps": 60}),
        ({"prompt": '{"shot": 1}'}, {"prompt": '{"shot": 1}'}),
        ({"next_years_field": {"a": 1}}, {"next_years_field": {"a": 1}}),
        ({"seed": 7}, {"seed": 7}),
    ],
    ids=str,
)
def test_fields_may_come_as_text_and_unknown_ones_go_through(given, sent):
    assert video(**given).body() == {**ASKED, **sent}


def test_the_fields_that_are_not_known_here_are_named():
    assert video(seed=7, next_years_field=1).unlisted == ["next_years_field", "seed"]
    assert video().unlisted == []


def test_every_file_of_a_request_is_inlined_and_nothing_else():
    request = video(
        image_url="a",
        reference_image_urls=["b", b"c"],
        elements=[{"frontal_image_url": "d", "reference_image_urls": ["e"]}],
        keyframes=[{"image_url": "f", "frame_index": 0}],
    )
    body = request.with_media(lambda value, field: f"<{value!r}>").body()
    assert body["image_url"] == "<'a'>"
    assert body["reference_image_urls"] == ["<'b'>", "<b'c'>"]
    assert body["elements"] == [{"frontal_image_url": "<'d'>", "reference_image_urls": ["<'e'>"]}]
    assert body["keyframes"] == [{"image_url": "<'f'>", "frame_index": 0}]
    assert body["prompt"] == "a sunset"
    assert request.image_url == "a"


# --- the catalogue --------------------------------------------------------------------------------

LIMITS = Constraints(
    durations=["5s", "10s"],
    resolutions=["720p", "1080P"],
    aspect_ratios=["16:9"],
    audio=True,
    audio_configurable=True,
    prompt_character_limit=20,
)
FITS = {"aspect_ratio": "16:9"}


def misfit(limits: Constraints, **fields: Any) -> str:
    with pytest.raises(InputError) as error:
        fitted(video(**fields), limits)
    assert str(error.value).endswith("Nothing was sent.")
    return str(error.value)


@pytest.mark.parametrize(
    ("limits", "fields", "expected"),
    [
        (LIMITS, {**FITS, "duration": 7}, ["duration: '7s'", "5s, 10s"]),
        (LIMITS, {**FITS, "duration": None}, ["duration is required"]),
        (LIMITS, {**FITS, "resolution": "4k"}, ["resolution: '4k'", "720p, 1080P"]),
        (LIMITS, {"aspect_ratio": "1:1"}, ["aspect_ratio: '1:1'", "16:9"]),
        (LIMITS, {}, ["aspect_ratio is required", "16:9"]),
        (LIMITS, {**FITS, "prompt": "x" * 21}, ["prompt: 21", "20"]),
        (Constraints(aspect_ratios=[]), {"aspect_ratio": "16:9"}, ["aspect_ratio: this model takes none"]),
        (Constraints(resolutions=[]), {"resolution": "720p"}, ["resolution: this model takes none"]),
        (Constraints(durations=[]), {}, ["duration: this model takes none"]),
        (Constraints(resolutions=["2x", "4x"]), {"resolution": "2x"}, ["upscale_factor"]),
        (Constraints(audio_configurable=False, audio=True), {"audio": False}, ["audio: this model always"]),
        (Constraints(audio_input=False), {"audio_url": IMAGE}, ["audio_url"]),
        (LIMITS, {"duration": 7, "resolution": "4k"}, ["duration", "resolution", "aspect_ratio"]),
    ],
    ids=str,
)
def test_what_does_not_fit_the_model_is_named_with_what_does(limits, fields, expected):
    said_ = misfit(limits, **fields)
    for word in expected:
        assert word in said_


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"model_spec": None},
        {"model_spec": {"constraints": None}},
        {"model_spec": {"constraints": {"durations": None, "aspect_ratios": "16:9", "audio": "perhaps"}}},
        {"model_spec": {"constraints": {"durations": 5}, "capabilities": []}},
    ],
)
def test_what_the_catalogue_does_not_say_is_left_to_the_server(row):
    found = catalogue_row([{"id": ASKED["model"], **row}], ASKED["model"])
    assert found is not None
    limits = (found.model_spec and found.model_spec.constraints) or Constraints()
    assert fitted(video(duration=7, audio=False), limits).body()["duration"] == "7s"


def test_a_resolution_is_sent_in_the_catalogues_own_spelling():
    assert fitted(video(**FITS, resolution="1080p"), LIMITS).resolution == "1080P"
    assert fitted(video(duration=12), Constraints(durations=["Auto"])).duration == "12"


def test_the_catalogue_is_asked_for_video_models():
    call = VENICE.models()
    assert (call.method, call.path, call.query) == ("GET", "/models", (("type", "video"),))
    assert call.parse(reply({"data": [{"id": "a"}, 5]})) == [{"id": "a"}]
    assert isinstance(refused(call, reply({"data": None})), ApiError)


# --- exactly what is sent -------------------------------------------------------------------------


def test_a_video_is_bought_by_one_post_with_nothing_but_what_was_asked_for():
    call = queued()
    assert (call.method, call.path, call.query, call.body) == ("POST", "/video/queue", (), ASKED)
    assert call.repeat is Repeat.ONCE


def test_a_quote_holds_what_a_price_depends_on():
    request = video(negative_prompt="rain", reference_image_urls=[IMAGE, IMAGE], image_url=IMAGE)
    call = VENICE.quote(request, reference_video_total_duration=6.5)
    assert call.body == {
        "model": ASKED["model"],
        "duration": "5s",
        "reference_video_total_duration": 6.5,
        "reference_image_count": 2,
    }
    assert call.repeat is Repeat.SAFE
    assert call.parse(reply({"quote": 1})) == 1.0
    assert call.parse(reply({"quote": "0.55"})) == 0.55
    for body in ({"quote": None}, {"quote": -1}, {}):
        assert isinstance(refused(call, reply(body)), ApiError)


def test_a_status_is_asked_for_by_id_and_model_and_deletes_nothing():
    call = VENICE.status(REF)
    assert (call.method, call.path) == ("POST", "/video/retrieve")
    assert call.body == {"model": ASKED["model"], "queue_id": "Q1", "delete_media_on_completion": False}


@pytest.mark.parametrize("params", [{}, {"model": None}, {"model": ""}, {"model": 5}])
def test_a_job_without_its_model_can_not_be_asked_for(params):
    ref = REF.model_copy(update={"params": params})
    with pytest.raises(InputError, match="model="):
        model_of(ref)


def test_the_key_is_a_bearers_and_its_check_costs_nothing():
    assert VENICE.key_header("K") == {"Authorization": "Bearer K"}
    check = VENICE.check()
    assert check.path == "/video/retrieve"
    for answer in (reply({"error": "Request ID is invalid."}, 400), reply({"error": "no"}, 404)):
        assert "accepts" in check.parse(answer)
    balance = {"x-venice-balance-usd": "12.3"}
    assert "12.3 USD" in check.parse(reply({"error": "Request ID is invalid."}, 400, **balance))
    assert refused(check, reply({"error": "Authentication failed"}, 401)).account
    assert isinstance(refused(check, reply({}, 500)), ApiError)


def test_venice_is_found_by_its_name_and_allows_two_polls_a_second():
    assert VENDORS["venice"] is VENICE
    assert (VENICE.base_url, VENICE.limits.polls_per_minute) == (BASE, 120)


# --- what a purchase answers ----------------------------------------------------------------------


@pytest.mark.parametrize("url", [None, 5, [], ""])
def test_a_bought_video_is_known_by_its_id_and_model(url):
    receipt = queued().parse(reply({"model": "x", "queue_id": "Q9", "download_url": url}))
    # Venice can route a request to another model, and finds the job only under that one's name.
    assert receipt.ref == REF.model_copy(update={"job_id": "Q9", "params": {"model": "x"}})
    assert receipt.secret == ("sealed(1)" if url == 5 else None)


def test_the_url_that_comes_once_is_sealed_at_once():
    receipt = queued().parse(reply({"queue_id": "Q9", "download_url": LINK}))
    assert receipt.secret == f"sealed({len(LINK)})"
    assert "t0ken" not in receipt.model_dump_json()


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"queue_id": ""}', b'{"model": "x"}', MP4])
def test_a_success_without_a_readable_id_may_have_bought_something(body):
    error = refused(queued(), reply(body))
    assert isinstance(error, ApiError)
    assert error.processed == "maybe"


VALIDATION = {
    "error": "Invalid request parameters",
    "details": {"_errors": [], "duration": {"_errors": ["Invalid enum value."]}},
    "issues": [
        {"code": "invalid_enum_value", "path": ["duration"], "options": ["5s", "10s"], "message": "Invalid"},
        {"code": "custom", "path": ["aspect_ratio"], "message": "This model does not support aspect_ratio"},
        {
            "code": "invalid_union",
            "path": [],
            "unionErrors": [{"issues": [{"path": ["a", 0], "message": "no"}]}],
        },
    ],
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (VALIDATION, ["duration: Invalid; allowed are 5s, 10s", "aspect_ratio: This model", "a.0: no"]),
        ({"error": "bad", "details": "because"}, ["bad: because"]),
        ({"error": {"message": "face", "recommended_model": "m2"}}, ["face", "recommends the model m2"]),
        ({"error": "no", "hint": "try x", "request_id": "r1"}, ["no", "Hint: try x", "r1"]),
        ({"code": "PAYLOAD_TOO_LARGE", "error": "too large"}, ["too large"]),
        ({"error": f"cannot read {IMAGE}?sig=s3cr3t"}, ["cannot read (URL)"]),
        ({"error": "cannot read data:image/png;base64,s3cr3t=="}, ["cannot read (image/png)"]),
        (b"plain words", ["plain words"]),
    ],
)
@pytest.mark.parametrize("http", [400, 404, 413, 422])
def test_a_refused_request_bought_nothing_and_shows_the_vendors_whole_explanation(body, expected, http):
    error = refused(queued(), reply(body, http))
    assert isinstance(error, InputError)
    for word in (*expected, "Nothing was charged", f"HTTP {http}"):
        assert word in str(error)
    assert "s3cr3t" not in str(error)


def test_a_missing_consent_shows_the_policy_and_what_to_pass():
    body = {
        "error": {"code": "needs_consent", "message": "consent"},
        "consent_flow": "seedance",
        "face_media_roles": ["image"],
        "consent": {"policy_text": "I have the right."},
    }
    error = refused(queued(), reply(body, 409))
    assert isinstance(error, InputError)
    for word in ("I have the right.", "faces in: image", "consents={'seedance': {", *AGREED, "charged"):
        assert word in str(error)


RESET = f"{(NOW + 20) * 1000}"
LIMITED = [
    ({"retry-after": "30"}, 30.0, False),
    ({"retry-after-ms": "1500"}, 1.5, False),
    ({"x-ratelimit-reset-requests": RESET, **DATE}, 20.0, True),
    ({"x-ratelimit-reset-requests": f"{NOW + 20}", **DATE}, 20.0, True),
    ({"x-ratelimit-reset-requests": "20"}, 20.0, True),
    ({"x-ratelimit-reset-requests": RESET}, None, True),
    ({"x-ratelimit-resets": RESET, "x-ratelimit-reset-requests": RESET, **DATE}, 30.0, False),
    ({"x-ratelimit-resets": f"{(NOW + 90) * 1000}", **DATE}, 90.0, False),
    ({"x-ratelimit-resets": "soon"}, 30.0, False),
    ({}, None, False),
]


@pytest.mark.parametrize(("headers", "wait", "everybody"), LIMITED, ids=str)
@pytest.mark.parametrize("call", [queued(), VENICE.status(REF)], ids=["queue", "retrieve"])
def test_each_kind_of_rate_limit_has_its_wait_and_only_the_quota_stops_the_account(
    call, headers, wait, everybody
):
    error = refused(call, reply({"error": "slow down"}, 429, **headers))
    assert isinstance(error, ApiError)
    assert (error.processed, error.retryable) == ("no", True)
    assert (error.retry_after, error.everybody) == (wait, everybody)


@pytest.mark.parametrize(
    ("http", "headers", "processed"),
    [
        (503, {"retry-after": "5"}, "no"),
        (503, {}, "maybe"),
        (500, {"retry-after": "5"}, "maybe"),
        (502, {}, "maybe"),
    ],
)
def test_only_a_503_that_names_a_time_was_not_processed(http, headers, processed):
    error = refused(queued(), reply({"error": "The model is at capacity"}, http, **headers))
    assert isinstance(error, ApiError)
    assert (error.processed, error.retryable) == (processed, True)


# --- what a status means --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("average", "so_far", "progress", "expected"),
    [
        (144_000, 0, 0.0, 108.0),
        (144_000, 53_200, 53.2 / 144, 108.0),
        (144_000, 288_000, 1.0, 108.0),
        ("144000", "144000", 1.0, 108.0),
        (0, 5_000, None, None),
        (None, 5_000, None, None),
        ("long", None, None, None),
        (145_000, -1, None, None),
    ],
)
def test_a_running_job_has_its_progress_and_an_expected_duration(average, so_far, progress, expected):
    status = status_of(
        {"status": "PROCESSING", "average_execution_time": average, "execution_duration": so_far}
    )
    assert (status.state, status.known, status.charged) == (JobState.RUNNING, True, "maybe")
    assert status.progress == pytest.approx(progress)
    assert status.expected == pytest.approx(expected)


@pytest.mark.parametrize(
    "answer",
    [
        filmed(),
        filmed(content_type="application/octet-stream"),
        filmed(content_type=""),
        filmed(b"\0\0\0\x14ftypqt  " + bytes(50)),
        filmed(b"\x1aE\xdf\xa3\x93B\x82\x88matroska" + bytes(46)),
        filmed(b"RIFF\0\0\0\0AVI LIST" + bytes(46)),
    ],
)
def test_the_video_itself_as_the_answer_is_a_finished_job(answer):
    status = VENICE.status(REF).parse(answer)
    assert status.state is JobState.READY
    (output,) = status.outputs
    assert output.details == {"delivery": "inline"}


@pytest.mark.parametrize(
    "answer",
    [
        filmed(b""),
        filmed(b"<html>login</html>"),
        filmed(b"\0" * 64),
        filmed(MP4, "text/html"),
        reply(b""),
        reply(b"<html>"),
        reply([]),
        reply({}),
        reply({"status": None}),
    ],
    ids=repr,
)
def test_what_is_neither_video_nor_status_is_no_answer_and_may_be_asked_again(answer):
    error = refused(VENICE.status(REF), answer)
    assert isinstance(error, ApiError)
    assert error.retryable


@pytest.mark.parametrize(
    ("body", "delivery"),
    [
        ({"status": "COMPLETED"}, "link"),
        ({"status": "completed", "average_execution_time": 1, "execution_duration": 1}, "link"),
        ({"status": "COMPLETED", "url": LINK, "expires_at": "soon"}, "url"),
    ],
)
def test_a_finished_job_says_how_its_video_is_delivered_but_not_where_it_is(body, delivery):
    status = status_of(body)
    assert status.state is JobState.READY
    assert [output.details for output in status.outputs] == [{"delivery": delivery}]
    assert "t0ken" not in status.model_dump_json() + repr(status)


WORDS = [
    *((word, JobState.RUNNING, True) for word in ("QUEUED", "in_progress", "PENDING", "IN_QUEUE", "running")),
    *((word, JobState.FAILED, True) for word in ("FAILED", "error", "CANCELLED", "REJECTED")),
    ("EXPIRED", JobState.GONE, True),
    ("DREAMING", JobState.RUNNING, False),
]


@pytest.mark.parametrize(("word", "state", "known"), WORDS)
def test_older_statuses_are_understood_and_unknown_ones_keep_a_paid_job_running(word, state, known):
    status = status_of({"status": word, "error": "why", "error_code": 7})
    assert (status.state, status.vendor_status, status.known) == (state, word, known)


def test_a_failure_that_comes_with_http_200_shows_no_url_and_no_endless_text():
    status = status_of({"status": "FAILED", "error": f"cannot read {IMAGE}?sig=s3cr3t {'x' * 5000}"})
    assert status.error is not None
    assert status.error.startswith("cannot read (URL) x")
    assert len(status.error) == 600
    assert "s3cr3t" not in status.model_dump_json() + repr(status)
    assert status_of({"status": "FAILED"}).error is None


REPLAYED = [
    (400, {"error": "rejected"}, JobState.FAILED, "maybe", "input", 2),
    (400, {"error": "Request ID is invalid."}, JobState.GONE, "maybe", "unknown", 2),
    (404, {"error": "Media could not be found."}, JobState.GONE, "maybe", "unknown", 2),
    (410, {"error": "gone"}, JobState.GONE, "maybe", "unknown", 4),
    (
        422,
        {"error": {"message": "m", "type": "provider_content_policy", "credits_refunded": True}},
        JobState.FAILED,
        "refunded",
        "policy",
        1,
    ),
    (
        422,
        {"error": {"message": "m", "type": "provider_content_policy", "credits_refunded": False}},
        JobState.FAILED,
        "yes",
        "policy",
        1,
    ),
    (422, {"error": "m", "credits_refunded": True}, JobState.FAILED, "refunded", "vendor", 1),
    (
        422,
        {"error": "rejected by the provider's content policy", "credits_refunded": True},
        JobState.FAILED,
        "refunded",
        "policy",
        1,
    ),
    (422, {"error": {"message": "m"}}, JobState.FAILED, "maybe", "policy", 1),
    (
        500,
        {"error": "Inference processing failed"},
        JobState.FAILED,
        "maybe",
        "unknown",
        SERVER_ERRORS_BELIEVED,
    ),
]


@pytest.mark.parametrize(("http", "body", "state", "charged", "blame", "needed"), REPLAYED)
def test_a_replayed_error_ends_the_job_and_states_the_fate_of_the_money(
    http, body, state, charged, blame, needed
):
    status = status_of(body, http)
    assert (status.state, status.charged, status.blame) == (state, charged, blame)
    assert status.repeats_needed == needed
    assert status.vendor_status == str(http)
    assert status.error


@pytest.mark.parametrize("http", [400, 404, 422, 500])
def test_a_gateways_page_says_nothing_about_a_job(http):
    error = refused(VENICE.status(REF), reply(b"<html>Bad gateway</html>", http))
    assert not isinstance(error, JobError)


@pytest.mark.parametrize("http", [401, 402, 403])
def test_an_account_that_is_refused_says_nothing_about_its_jobs(http):
    error = refused(VENICE.status(REF), reply({"error": "no"}, http))
    assert isinstance(error, ApiError)
    assert error.account


@pytest.mark.parametrize("http", [429, 502, 503, 504])
def test_a_passing_error_says_nothing_about_a_job(http):
    error = refused(VENICE.status(REF), reply({"error": "later"}, http))
    assert isinstance(error, ApiError)
    assert error.retryable


# --- the way to the file --------------------------------------------------------------------------


def test_an_inline_video_is_the_retrieval_itself_and_the_only_one_that_gets_the_key():
    fetch = VENICE.fetch(REF, INLINE, url=LINK, base_url=BASE)
    assert isinstance(fetch, Fetch)
    assert (fetch.method, fetch.url, fetch.with_key) == ("POST", "/video/retrieve", True)
    assert fetch.body == VENICE.status(REF).body


def test_a_linked_video_is_fetched_without_the_key_and_from_that_host_only():
    fetch = VENICE.fetch(REF, BY_LINK, url=LINK, base_url=BASE)
    assert isinstance(fetch, Fetch)
    assert (fetch.method, fetch.url, fetch.with_key, fetch.same_host) == ("GET", LINK, False, True)
    assert "t0ken" not in repr(fetch)


@pytest.mark.parametrize(
    "url",
    [
        "http://private-share.venice.ai/x",
        "https://venice.ai.evil.example/x",
        "https://evilvenice.ai/x",
        "https://localhost/x",
        "ftp://venice.ai/x",
        "",
    ],
)
def test_a_link_to_another_host_is_not_followed(url):
    with pytest.raises(JobError, match="not one of its own hosts"):
        VENICE.link(url, BASE)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://venice.ai/x", BASE),
        (LINK, "http://proxy.example/api"),
        ("http://localhost:9/x", "http://127.0.0.1:9/venice"),
        ("https://proxy.example/x", "https://proxy.example:8443/api"),
    ],
)
def test_the_vendors_hosts_and_the_connections_own_are_followed(url, base):
    assert VENICE.link(url, base).url == url


def test_a_url_in_the_answer_is_asked_for_again_at_each_download():
    call = VENICE.fetch(REF, BY_LINK, base_url=BASE)
    assert isinstance(call, Call)
    assert call.body == VENICE.status(REF).body
    assert call.parse(reply({"status": "COMPLETED", "url": LINK})).url == LINK
    error = refused(call, reply({"status": "COMPLETED"}))
    assert isinstance(error, JobError)
    assert "sealed_url" in str(error)
    assert isinstance(refused(call, reply({"error": "Request ID is invalid."}, 400)), JobGone)
    assert isinstance(refused(call, reply({"error": "no"}, 422)), JobFailed)


@pytest.mark.parametrize(
    ("body", "http", "released"),
    [
        ({"success": True}, 200, True),
        ({"success": False}, 200, False),
        ({"error": "Request ID is invalid."}, 400, False),
        ({"error": "gone"}, 404, False),
    ],
)
def test_completing_says_whether_there_was_something_to_release(body, http, released):
    call = VENICE.complete(REF)
    assert call.body == {"model": ASKED["model"], "queue_id": "Q1"}
    assert call.parse(reply(body, http)) is released


# --- transcripts ----------------------------------------------------------------------------------

TALK = speech.TranscriptRequest(url="https://example.com/talk")


@pytest.mark.parametrize("url", ["talk.mp4", "ftp://x/a", "https://", "data:video/mp4;base64,A"])
def test_only_a_public_url_is_transcribed(url):
    with pytest.raises(InputError, match="url"):
        validated(speech.TranscriptRequest, {"url": url}, what="Transcript")


@pytest.mark.parametrize(
    ("http", "alive"), [(400, True), (422, True), (410, False), (404, False), (500, False)]
)
def test_the_retired_endpoint_is_asked_for_without_buying(http, alive):
    call = speech.is_old_endpoint_alive()
    assert call.body == {}
    assert call.parse(reply({"error": "?"}, http)) is alive


def test_the_first_model_that_takes_video_listens():
    def row(name: str, **spec: Any) -> dict[str, Any]:
        return {"id": name, "model_spec": spec}

    rows = [
        row("deaf", capabilities={"supportsVideoInput": False}),
        row("odd", capabilities="video"),
        row("asleep", offline=True, capabilities={"supportsVideoInput": True}),
        row("listens", capabilities={"supportsVideoInput": True}),
    ]
    assert speech.listening(rows) == "listens"
    assert speech.listening(rows[:3]) is None


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ('{"transcript": "Hi", "lang": "en"}', {"transcript": "Hi", "lang": "en"}),
        ('```json\n{"transcript": "Hi", "lang": "en"}\n```', {"transcript": "Hi", "lang": "en"}),
        ('{"transcript": "Hi", "lang": 5}', {"transcript": "Hi", "lang": None}),
        (
            '<think>He says {hm}.</think>\n{"transcript": "Hi", "lang": "en"}',
            {"transcript": "Hi", "lang": "en"},
        ),
        ('Here it is:\n```json\n{"transcript": "Hi"}\n```\nGood {luck}!', {"transcript": "Hi", "lang": None}),
        ('```{"a": 1}``` or ```{"transcript": "Hi"}```', {"transcript": "Hi", "lang": None}),
        ('Sure! {"transcript": "A {b}\nc", "lang": "en"} Bye.', {"transcript": "A {b}\nc", "lang": "en"}),
        ("<think>Hm.</think> Hi", {"transcript": "Hi", "lang": None}),
        ("Hi", {"transcript": "Hi", "lang": None}),
        ("[1]", {"transcript": "[1]", "lang": None}),
    ],
)
def test_a_chat_models_text_is_the_transcript_however_it_is_wrapped(content, result):
    call = speech.by_chat(TALK, "m")
    assert call.repeat is Repeat.ONCE
    answer = reply({"choices": [{"message": {"content": content}}], "usage": {"total_tokens": 9}})
    receipt = call.parse(answer)
    assert (receipt.ref, receipt.result) == (None, result)
    assert receipt.cost == {"model": "m", "usage": {"total_tokens": 9}}
    text = speech.by_chat(TALK.model_copy(update={"response_format": "text"}), "m").parse(answer)
    assert text.result == result["transcript"]


@pytest.mark.parametrize(
    ("content", "end", "expected", "why"),
    [
        ('{"transcript": "Hello, he sa', "length", "Hello, he sa", "cut at its limit"),
        ('```json\n{"transcript": "\\"Ab\\u00e9\\u00', "length", '"Ab\u00e9', "cut at its limit"),
        ('{"transcript": "Hello\\ud83d', "length", "Hello", "cut at its limit"),
        ('{"transcript": "Hello", "la', "content_filter", "Hello", "cut by a filter"),
        ("Hello, he sa", "length", "Hello, he sa", "cut at its limit"),
        ("<think>What does he", "length", "", "cut at its limit"),
        ("<think>Nothing.</think>", "stop", "", "contains no transcript"),
        ("", None, "", "contains no transcript"),
        (" \n", "stop", "", "contains no transcript"),
        ('{"transcript": "", "lang": null}', "stop", "", "contains no transcript"),
    ],
)
def test_a_cut_or_empty_transcript_that_was_paid_for_is_kept_and_marked_incomplete(
    content, end, expected, why
):
    warnings: list[str] = []
    answer = reply({"choices": [{"message": {"content": content}, "finish_reason": end}]})
    receipt = speech.by_chat(TALK, "m", warn=warnings.append).parse(answer)
    assert receipt.result == {"transcript": expected, "lang": None, "complete": False}
    (warning,) = warnings
    for part in (why, "It was charged.", "model="):
        assert part in warning
    text = TALK.model_copy(update={"response_format": "text"})
    assert speech.by_chat(text, "m", warn=warnings.append).parse(answer).result == expected
    assert len(warnings) == 2


@pytest.mark.parametrize("end", ["stop", None, "tool_calls", 5])
def test_a_complete_transcript_causes_no_warning(end):
    warnings: list[str] = []
    answer = reply({"choices": [{"message": {"content": "Hi"}, "finish_reason": end}]})
    receipt = speech.by_chat(TALK, "m", warn=warnings.append).parse(answer)
    assert receipt.result == {"transcript": "Hi", "lang": None}
    assert warnings == []


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{"message": {"content": None}}]}])
def test_an_answer_without_text_may_have_been_charged(body):
    error = refused(speech.by_chat(TALK, "m"), reply(body))
    assert isinstance(error, ApiError)
    assert error.processed == "maybe"


def test_the_old_endpoint_answers_in_json_or_in_plain_text():
    call = speech.by_endpoint(TALK)
    assert call.body == {"url": TALK.url, "response_format": "json"}
    assert call.parse(reply({"transcript": "Hi", "lang": "en"})).result == {"transcript": "Hi", "lang": "en"}
    assert call.parse(reply({"transcript": "Hi"})).result == {"transcript": "Hi", "lang": None}
    text = speech.by_endpoint(TALK.model_copy(update={"response_format": "text"}))
    assert text.parse(reply(b"Hi", **{"content-type": "text/plain"})).result == "Hi"


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"x-ratelimit-remaining-requests": "37", "x-ratelimit-limit-requests": "120"}, 37),
        ({"x-ratelimit-remaining-requests": "0"}, 0),
        ({"x-ratelimit-remaining": "3"}, None),
        ({"x-ratelimit-remaining-requests": "-1"}, None),
        ({"x-ratelimit-remaining-requests": "many"}, None),
        ({"x-ratelimit-remaining-requests": "9" * 400}, None),
        ({}, None),
    ],
)
def test_a_running_jobs_status_says_how_many_checks_the_account_has_left(headers, left):
    call = VENICE.retrieve("any", "J")
    status = call.parse(
        Answer(200, {"content-type": "application/json", **headers}, b'{"status": "PROCESSING"}')
    )
    assert status.checks_left == left
    assert "checks_left" not in status.model_dump(mode="json")
