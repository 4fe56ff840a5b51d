"""Whatever a server answers: every parser of every vendor takes it, or refuses it in this package's words."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_vidai.answers import MAX_ANSWER, MAX_DEPTH, Answer, clean
from airflow_provider_vidai.errors import LONGEST_WAIT, ApiError, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.redaction import Hidden
from airflow_provider_vidai.triggers.job import JobEvent, read_event, sendable
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.venice import speech as venice_speech
from airflow_provider_vidai.vendors.venice.api import VENICE
from airflow_provider_vidai.vendors.venice.requests import VideoRequest
from airflow_provider_vidai.vendors.vidgo import api as vidgo
from airflow_provider_vidai.vendors.vidgo.api import VIDGO
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest, UploadRequest
from airflow_provider_vidai.vendors.vizard import api as vizard
from airflow_provider_vidai.vendors.vizard.api import VIZARD
from airflow_provider_vidai.vendors.vizard.requests import ProjectRequest
from airflow_provider_vidai.vendors.vizard.social import CaptionRequest, PublishRequest

pytestmark = pytest.mark.slow

REEL = JobRef(vendor="vidio", conn_id="c", job_id="J1", kind="reel")
RENDER = JobRef(
    vendor="vidio", conn_id="c", job_id="J1", kind="render", params={"output_index": 0, "before": None}
)
CLIPS = JobRef(vendor="vizard", conn_id="c", job_id="17", kind="project")
VIDEO = JobRef(vendor="venice", conn_id="c", job_id="Q1", kind="generate", params={"model": "m"})
MEDIA = JobRef(vendor="vidgo", conn_id="c", job_id="T1", kind="media")
SONG = JobRef(vendor="vidgo", conn_id="c", job_id="T1", kind="music")
FIRST = Output(index=0, kind="video")
SIGNED = "https://cdn.example/a.mp4?Signature=5ea1ed"

#: An answer of each kind as a vendor really gives it, under the calls that may get it.
REAL: list[tuple[dict[str, Any], list[Call[Any] | Callable[[Answer], Any]]]] = [
    (
        {
            "job_id": "J1",
            "status": "rendered",
            "progress": 100,
            "output_url": SIGNED,
            "video_category": "travel",
            "error": None,
            "created_at": "2026-01-01T00:00:00Z",
            "output_jsons": [
                {
                    "title": "A",
                    "duration": 12.5,
                    "fps": 30,
                    "width": 1080,
                    "height": 1920,
                    "tracks": [{"clips": [{"src": SIGNED, "start": 0.0, "end": 2.5}]}],
                }
            ],
            "outputs": [{"index": 0, "title": "A", "thumbnail": "t.jpg", "duration": 12.5}],
            "upload_url": SIGNED,
            "url": SIGNED,
        },
        [
            VIDIO.check(),
            VIDIO.job("J1"),
            VIDIO.status(REEL),
            VIDIO.status(RENDER),
            VIDIO.create_reel(
                ReelRequest(
                    input_keys=["k"], video_category="travel", output_length=30, aspect_ratio="portrait"
                ),
                conn_id="c",
            ),
            VIDIO.render(RENDER, RenderRequest()),
            VIDIO.upload_url(
                UploadRequest(file_name="a.mp4", media_type="video", width=1, height=1, duration=1),
                upload_id="u",
            ),
            VIDIO.fetch(RENDER, FIRST),
        ],
    ),
    (
        {
            "id": "Q1",
            "queue_id": "Q1",
            "model": "m",
            "status": "PROCESSING",
            "quote": 1.25,
            "success": True,
            "average_execution_time": 120000,
            "execution_duration": 5000,
            "download_url": SIGNED,
            "url": SIGNED,
            "error": {"message": "no", "details": {"prompt": {"_errors": ["too long"]}}},
            "credits_refunded": True,
            "data": [
                {
                    "id": "m",
                    "type": "video",
                    "model_spec": {"name": "M", "constraints": {"durations": ["5s"]}},
                }
            ],
            "choices": [{"message": {"content": "words"}, "finish_reason": "stop"}],
            "usage": {"total_tokens": 5},
            "transcript": "words",
            "lang": "en",
        },
        [
            VENICE.check(),
            VENICE.models(),
            VENICE.status(VIDEO),
            VENICE.complete(VIDEO),
            VENICE.fetch(VIDEO, FIRST),
            VENICE.queue(
                VideoRequest(model="m", prompt="p", duration="5s"), conn_id="c", seal=lambda text: "sealed"
            ),
            venice_speech.is_old_endpoint_alive(),
            venice_speech.by_endpoint(venice_speech.TranscriptRequest(url="https://a.example/b")),
            venice_speech.by_chat(venice_speech.TranscriptRequest(url="https://a.example/b"), "m"),
        ],
    ),
    (
        {
            "code": 2000,
            "projectId": 17,
            "projectName": "P",
            "shareLink": "https://vizard.ai/s",
            "errMsg": "",
            "videos": [
                {
                    "videoId": 5,
                    "videoUrl": SIGNED,
                    "videoMsDuration": 30000,
                    "title": "T",
                    "transcript": "words",
                    "viralScore": "9.5",
                    "viralReason": "why",
                    "relatedTopic": '["a"]',
                    "clipEditorUrl": SIGNED,
                }
            ],
            "accounts": [
                {"id": "7", "platform": "TikTok", "username": "u", "status": "active", "expiresAt": 1}
            ],
            "aiSocialContent": "words",
            "aiSocialTitle": "title",
        },
        [
            VIZARD.check(),
            VIZARD.project("17"),
            VIZARD.status(CLIPS),
            VIZARD.social_accounts(),
            VIZARD.create(ProjectRequest(video_url="https://a.example/b.mp4"), conn_id="c"),
            VIZARD.caption(CaptionRequest(video_id=5)),
            VIZARD.publish(PublishRequest(video_id=5, social_account_id="7")),
            VIZARD.fetch(CLIPS, FIRST),
            lambda answer: vizard.parse_webhook(answer.body)[1],
        ],
    ),
    (
        {
            "code": 200,
            "message": "ok",
            "data": {
                "task_id": "T1",
                "status": "finished",
                "progress": 100,
                "created_time": "2025-11-12T10:30:00",
                "files": [{"file_url": SIGNED, "file_type": "video"}],
                "error_message": None,
                "credits": 10,
                "audio_url": SIGNED,
                "audio_id": "a",
                "duration": 240.0,
                "title": "T",
                "tags": "x",
                "balance": 12.5,
                "credits_amount": 5,
            },
            "error": {"message": "no", "type": "validation_error"},
        },
        [
            VIDGO.check(),
            VIDGO.balance(),
            VIDGO.status(MEDIA),
            VIDGO.status(SONG),
            VIDGO.fetch(MEDIA, FIRST),
            VIDGO.upload_from("https://a.example/b.png"),
            VIDGO.upload("data:image/png;base64,AAAA"),
            VIDGO.submit("gpt-4o-image", {"prompt": "p"}, kind="media", conn_id="c", now=1e9),
            lambda answer: vidgo.parse_webhook(answer.body)[1],
        ],
    ),
]

PAIRS = [(real, call) for real, calls in REAL for call in calls]
REFS = {"vidio": RENDER, "venice": VIDEO, "vizard": CLIPS, "vidgo": MEDIA}

ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    10**400,
    -(10**30),
    2**64,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "\ud800",
    "x\udfffy",
    "\0",
    "a\0b",
    "None",
    "9" * 400,
    "1e999",
    "NaN",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"\ud800\0": "\ud800"},
    "\u202e",
    "https://[::1",
    "https://a:b:c/",
    "//",
    "١٢",
    "1_000",
    "-0",
    "0x10",
    " 5 ",
    "finished",
    "FAILED",
    "completed",
    2000,
    4003,
    -2,
    404,
    "2026-99-99T99:99:99Z",
]

quick = settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
numbers = st.integers() | st.integers(-(10**420), 10**420) | st.floats()
scalars = st.none() | st.booleans() | numbers | text | st.sampled_from(ODD_VALUES)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
statuses = st.sampled_from(
    [200, 200, 200, 201, 204, 301, 400, 401, 402, 403, 404, 409, 410, 422, 429, 500, 503, 599]
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "date", "x-ratelimit-reset-requests", "location"]),
    text
    | st.sampled_from(
        ["application/json", "text/plain", "video/mp4", "1e999", "inf", "nan", "-5", "99999999999999999"]
    ),
    max_size=3,
)


def parsed_or_refused(call: Any, answer: Answer) -> Any:
    """Let a parser read an answer: it returns, or raises an error of this package that can be reported."""
    try:
        found = (call.parse if isinstance(call, Call) else call)(answer)
    except VidaiError as error:
        encodable([str(error), getattr(error, "retry_after", None)])
        return None
    report(found)
    return found


def encodable(value: Any) -> None:
    """Make sure that a triggerer can send it and that a database can store it."""
    msgspec.msgpack.encode(value)
    assert "\\u0000" not in json.dumps(value, allow_nan=False).replace("\\\\", "")
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def report(found: Any) -> None:
    if isinstance(found, JobStatus):
        ref = REEL
        encodable(JobEvent(end="status", ref=ref, status=found).model_dump(mode="json"))
        assert sendable(JobEvent(end="status", ref=ref, status=found))["end"] == "status"
        encodable(job_result(found.of(ref), found))
    elif isinstance(found, Receipt):
        encodable(found.model_dump(mode="json"))
    elif isinstance(found, (str, int, float, list, dict)):
        encodable(found)
    elif isinstance(found, Fetch):
        encodable(found.url)


def mutated(value: Any, chance: random.Random) -> Any:
    """Return a real answer with one part of it replaced, left out, doubled or wrapped."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        if chance.random() < 0.15:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: mutated(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance), *value[at:]]
    return chance.choice([*ODD_VALUES, [value], {"value": value}, str(value)])


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("which", range(len(PAIRS)))
def test_every_mutation_of_a_real_answer_is_understood_or_refused_with_our_own_error(which: int) -> None:
    real, call = PAIRS[which]
    chance = random.Random(which)
    parsed_or_refused(call, Answer(200, {"content-type": "application/json"}, written(real)))
    for _ in range(100):
        body = real
        for _ in range(chance.choice([1, 1, 2, 4])):
            body = mutated(body, chance)
        raw = written(body)
        if chance.random() < 0.1:
            at = chance.randrange(len(raw))
            raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + chance.randrange(3) :]
        status = chance.choice([200, 200, 200, 400, 404, 422, 429, 500])
        parsed_or_refused(call, Answer(status, {"content-type": "application/json"}, raw))


@quick
@given(which=st.integers(0, len(PAIRS) - 1), body=values, status=statuses, more=headers)
def test_any_json_is_understood_or_refused_with_our_own_error(
    which: int, body: Any, status: int, more: Any
) -> None:
    real, call = PAIRS[which]
    parsed_or_refused(call, Answer(status, more, written(body)))
    parsed_or_refused(
        call, Answer(status, more, written({**real, "data": body, "status": body, "code": body}))
    )


@quick
@given(which=st.integers(0, len(PAIRS) - 1), body=st.binary(max_size=200), status=statuses, more=headers)
def test_any_bytes_are_refused_with_our_own_error(which: int, body: bytes, status: int, more: Any) -> None:
    for raw in (body, b'{"status": "' + body + b'"}'):
        parsed_or_refused(PAIRS[which][1], Answer(status, more, raw))
        parsed_or_refused(PAIRS[which][1], Answer(status, more, raw, whole=False))


@quick
@given(value=values)
def test_what_was_cleaned_can_be_sent_and_stored_and_stays_as_it_is(value: Any) -> None:
    encodable(clean(value))
    assert clean(clean(value)) == clean(value)
    assert Answer(200, {}, written(value)).json() == clean(json.loads(written(value)))


READY: list[tuple[JobRef, dict[str, Any]]] = [
    (REEL, {"job_id": "J1", "status": "processed"}),
    (CLIPS, {"code": 2000, "projectId": 17, "videos": [{"videoId": 5, "videoUrl": SIGNED, "title": "T"}]}),
    (
        MEDIA,
        {
            "code": 200,
            "data": {
                "task_id": "T1",
                "status": "finished",
                "files": [{"file_url": SIGNED, "file_type": "video"}],
            },
        },
    ),
    (VIDEO, {"status": "COMPLETED"}),
]

ODD_ADDITIONS = {
    "a 900-deep list": b"[" * 900 + b"]" * 900,
    "a 20,000-deep list": b"[" * 20_000 + b"]" * 20_000,
    "a 400-digit number": b"1" + b"0" * 400,
    "a 5000-digit number": b"7" * 5000,
    "a number of 1e999": b"1e999",
    "a lone surrogate": rb'"half a pair \ud83d"',
    "a NUL": rb'"a\u0000b"',
    "a raw NUL and a raw line break": b'"a\0b\nc"',
    "a byte that is no UTF-8": b'"caf\xe9"',
    "65 bits": b"18446744073709551616",
    "not a number": b"[NaN, Infinity, -Infinity]",
}


@pytest.mark.parametrize("addition", ODD_ADDITIONS)
@pytest.mark.parametrize("ref, answer", READY, ids=lambda value: getattr(value, "vendor", None))  # noqa: PT006
def test_one_odd_value_does_not_make_a_ready_job_unreadable(
    ref: JobRef, answer: dict[str, Any], addition: str
) -> None:
    raw = written(answer)
    for name in (b"odd", b"progress", b"duration", b"title", b"error"):
        body = raw[:-1] + b', "' + name + b'": ' + ODD_ADDITIONS[addition] + b"}"
        status = (
            VENDORS[ref.vendor].status(ref).parse(Answer(200, {"content-type": "application/json"}, body))
        )
        assert status.state is JobState.READY
        report(status)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * (MAX_ANSWER // 3 - 2) + b"[]]",
        b"[" * MAX_ANSWER,
        b'{"a":' * (MAX_ANSWER // 5),
        b"[" * 60 + b'"' * (MAX_ANSWER - 60),
        b"[" * 60 + b'"' + rb"\\" * (MAX_ANSWER // 2 - 40),
        b'["' + b"%41" * (MAX_ANSWER // 3 - 2) + b'"]',
        b"[" + b"1" * (MAX_ANSWER - 2) + b"]",
        b"[" + b'"%a",' * 99_000 + b"0]",
    ],
    ids=["[],", "[", "{", "quotes", "escapes", "percent", "digits", "strings"],
)
def test_no_answer_holds_the_event_loop_for_long(body: bytes) -> None:
    began = time.process_time()
    with __import__("contextlib").suppress(VidaiError):
        VIDIO.read(
            Answer(200, {}, body, hidden=Hidden(["Bearer sk-0123456789abcdef0123456789abcdef"])), "look"
        )
    assert time.process_time() - began < 3


def test_what_is_too_large_to_be_parsed_is_said() -> None:
    with pytest.raises(VidaiError, match="more than 100,000 values"):
        VIDIO.read(Answer(200, {}, b"[" + b"[]," * 1_000_000 + b"[]]"), "look")


def test_what_is_nested_too_deeply_is_left_out_and_the_rest_stays(caplog: pytest.LogCaptureFixture) -> None:
    deep = b'{"a": "[[", "b": ' + b"[" * 900 + b'"]"' + b"]" * 900 + b', "c": 1}'
    found = Answer(200, {}, deep).json()
    assert (found["a"], found["c"]) == ("[[", 1)
    assert f"more than {MAX_DEPTH} levels" in caplog.text


@pytest.mark.parametrize("wait", ["inf", "nan", "1e999", "-5", "9" * 400, "1e300", "Fri, 99 Foo 9999"])
@pytest.mark.parametrize("status", [429, 503])
def test_no_wait_that_a_vendor_asks_for_is_longer_than_a_timer_takes(wait: str, status: int) -> None:
    answer = Answer(status, {"retry-after": wait, "date": "Fri, 01 Jan 2027 00:00:00 GMT"}, b"{}")
    for vendor in map(VENDORS.__getitem__, get_args(VendorName)):
        error = vendor.refusal(answer, "look")
        asked = error.retry_after if isinstance(error, ApiError) else None
        assert asked is None or 0 <= asked <= LONGEST_WAIT


def test_an_event_that_cannot_be_encoded_becomes_one_that_can_and_never_passes_for_success() -> None:
    status = JobStatus(state=JobState.READY, vendor_status="processed")
    broken = status.model_copy(update={"cost": {"usd": object()}})
    event = sendable(JobEvent.model_construct(end="status", ref=REEL, status=broken, message=""))
    encodable(event)
    with pytest.raises(VidaiError, match="A retry checks the job itself, and buys nothing"):
        read_event(event).ready()
