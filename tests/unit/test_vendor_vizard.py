"""Vizard as data: what is sent, byte for byte, and what every answer means."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_vidai.answers import MAX_ANSWER, Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobError, JobFailed, JobGone, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.vizard.answers import SocialAccount
from airflow_provider_vidai.vendors.vizard.api import VIZARD, parse_webhook
from airflow_provider_vidai.vendors.vizard.codes import TABLE, End, limit_wait, meaning
from airflow_provider_vidai.vendors.vizard.requests import LARGEST, ProjectRequest, source_of
from airflow_provider_vidai.vendors.vizard.social import (
    CaptionRequest,
    PublishRequest,
    clip_checked,
    clip_output,
    video_id_of,
)
from airflow_provider_vidai.vendors.vizard.values import (
    CAPTION_LIMITS,
    EXTENSIONS,
    LANGUAGES,
    PLATFORMS,
    SOURCE_HOSTS,
    SOURCES,
    TONES,
    VOICES,
)

URL = "https://files.example/talks/long%20talk.MP4?sig=s3cr3t"
PROJECT = JobRef(vendor="vizard", conn_id="studio", job_id="17861706", kind="project")


def request_of(**changes: Any) -> ProjectRequest:
    return validated(ProjectRequest, {"video_url": URL, **changes}, what="Project")


def reply(body: object, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"content-type": "application/json", **headers}, raw)


def refused(call: Call[Any], answer: Answer) -> VidaiError:
    with pytest.raises(VidaiError) as error:
        call.parse(answer)
    return error.value


def status_of(body: object, ref: JobRef = PROJECT, status: int = 200) -> JobStatus:
    return VIZARD.status(ref).parse(reply(body, status))


def create(**changes: Any) -> Call[Receipt]:
    return VIZARD.create(request_of(**changes), conn_id="studio")


def video(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "videoId": 900 + number,
        "videoUrl": f"https://cdn-video.vizard.ai/{number}.mp4?sig=s3cr3t",
        "videoMsDuration": 30_500,
        "title": f"Clip {number}",
        "transcript": "See https://example.com, he said.",
        "viralScore": str(number),
        "viralReason": "It moves.",
        "relatedTopic": '["cats", "dogs"]',
        "clipEditorUrl": f"https://vizard.ai/editor?id={number}&type=clip",
        **changes,
    }


def done(*videos: dict[str, Any]) -> dict[str, Any]:
    return {"code": 2000, "projectId": 17861706, "projectName": "talk", "videos": list(videos)}


# --- the request --------------------------------------------------------------------------------


def test_what_is_not_given_is_left_to_the_vendor() -> None:
    assert request_of().body() == {
        "lang": "auto",
        "videoUrl": URL,
        "videoType": 1,
        "ext": "mp4",
        "preferLength": [0],
    }


def test_every_field_goes_out_under_the_vendors_name_and_number() -> None:
    sent = request_of(
        source="file",
        ext=".MOV",
        language="Russian",
        prefer_length=["60-90s", "30-60s"],
        aspect_ratio="4:5",
        template_id="42",
        max_clips="7",
        keywords=["cats", "dogs"],
        remove_silence=True,
        subtitles="false",
        headline=0,
        emoji="on",
        highlight_keywords=1,
        auto_broll=False,
        project_name="Talk",
        clip_model="clip_v2",
        webhook_url="https://me.example/hook?token=1",
    ).body()
    assert sent == {
        "lang": "ru",
        "videoUrl": URL,
        "videoType": 1,
        "ext": "mov",
        "preferLength": [2, 3],
        "ratioOfClip": 3,
        "templateId": 42,
        "maxClipNumber": 7,
        "keywords": "cats, dogs",
        "removeSilenceSwitch": 1,
        "subtitleSwitch": 0,
        "headlineSwitch": 0,
        "emojiSwitch": 1,
        "highlightSwitch": 1,
        "autoBrollSwitch": 0,
        "projectName": "Talk",
        "clipModel": "clip_v2",
        "webhookUrl": "https://me.example/hook?token=1",
    }


def test_edit_mode_sends_what_edit_mode_has() -> None:
    assert request_of(mode="edit", aspect_ratio=2).body() == {
        "lang": "auto",
        "videoUrl": URL,
        "videoType": 1,
        "ext": "mp4",
        "getClips": 0,
        "ratioOfClip": 2,
    }
    assert request_of(mode=0).mode == "edit"


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        ("auto", [0]),
        ([0], [0]),
        ("[0]", [0]),
        (["<30s"], [1]),
        ("30-60s", [2]),
        (2, [2]),
        ("3", [3]),
        (["90s-3min", "<30s", 1], [1, 4]),
        ("['60-90s', '<30s']", [1, 3]),
    ],
)
def test_lengths_are_names_or_numbers(given: Any, wire: list[int]) -> None:
    assert request_of(prefer_length=given).body()["preferLength"] == wire


@pytest.mark.parametrize("given", [["auto", "<30s"], [], "[]", 5, "-1", True, [None], "short"])
def test_lengths_that_are_none_are_refused(given: Any) -> None:
    with pytest.raises(InputError, match=r"^Project: prefer_length must be .*Nothing was sent\.$"):
        request_of(prefer_length=given)


@pytest.mark.parametrize(("word", "number"), SOURCES.items())
def test_a_source_is_a_word_or_the_vendors_number(word: str, number: int) -> None:
    assert request_of(source=word).source == request_of(source=str(number)).source == number
    assert ("ext" in request_of(source=number).body()) is (number == 1)


def test_a_newer_source_goes_out_with_a_notice() -> None:
    request = request_of(source=15)
    assert request.body()["videoType"] == 15
    assert "15" in " ".join(request.notices())
    assert request_of(source="rumble").notices()


@pytest.mark.parametrize(("domain", "word"), SOURCE_HOSTS.items())
def test_the_source_is_found_from_the_host(domain: str, word: str) -> None:
    assert source_of(f"https://www.{domain}/x") == source_of(f"http://{domain}:443/x") == SOURCES[word]
    assert source_of(f"https://{domain}.evil.example/a.mp4") == 1
    assert source_of(f"https://not{domain}/a.mp4") == 1


@pytest.mark.parametrize(
    "url",
    ["https://dl.dropboxusercontent.com/a.mp4", "https://cdn.example/a.mp4", "s3://bucket/a.mp4", "/a.mp4"],
)
def test_anything_else_is_a_file(url: str) -> None:
    assert request_of(video_url=url).source == 1


@pytest.mark.parametrize("ext", EXTENSIONS)
def test_the_extension_is_found_from_the_path(ext: str) -> None:
    assert request_of(video_url=f"https://x.example/a%20b.{ext.upper()}?q=.exe#f").ext == ext
    assert request_of(video_url=f"s3://conn@bucket/a.{ext}").ext == ext


@pytest.mark.parametrize(
    "path",
    ["/talks/talk #1.mp4", "s3://b/what?.mp4", "s3://conn@b/a;b %3F.mp4", "talks/50%.mp4", "a#b/c.mp4"],
)
def test_the_extension_is_found_from_any_name_in_a_storage(path: str) -> None:
    assert request_of(video_url=path).ext == "mp4"


@pytest.mark.parametrize("url", ["https://x.example/watch", "https://x.example/a.mkv", "s3://b/a"])
def test_an_extension_that_is_not_in_the_path_must_be_given(url: str) -> None:
    with pytest.raises(InputError, match="ext must be one of mp4, 3gp, avi, mov, as the path of video_url"):
        request_of(video_url=url)
    assert request_of(video_url=url, ext="avi").ext == "avi"


def test_a_file_in_a_storage_is_of_no_platform() -> None:
    with pytest.raises(InputError, match=r"source must be 'file' for a file in a storage"):
        request_of(video_url="s3://b/a.mp4", source="youtube")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        *((code, code) for code in LANGUAGES),
        *((name, code) for code, name in LANGUAGES.items() if name.isalpha()),
        ("EN", "en"),
        ("zh_tw", "zh-TW"),
        ("he", "iw"),
        ("Mandarin", "zh"),
    ],
)
def test_languages_are_codes_or_names(given: str, code: str) -> None:
    request = request_of(language=given)
    assert request.language == code
    assert request.notices() == []


def test_an_unknown_language_is_sent_with_a_notice() -> None:
    request = request_of(language="tlh")
    assert request.body()["lang"] == "tlh"
    assert "'tlh' is not in Vizard's list" in request.notices()[0]


@pytest.mark.parametrize(
    ("mode", "seconds", "size", "expected"),
    [
        ("clips", 36_001.0, 1, "600.0 minutes long, and Vizard clips up to 600"),
        ("edit", 181.0, 1, "3.0 minutes long, and Vizard edits up to 3"),
        ("clips", None, LARGEST + 1, "has 10.0 GB, and Vizard takes 10"),
    ],
)
def test_a_source_beyond_the_limits_is_refused(
    mode: str, seconds: float | None, size: int, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        request_of(mode=mode).check_source(seconds=seconds, size=size)
    request_of(mode=mode).check_source(seconds=None, size=LARGEST)


def test_urls_are_not_shown() -> None:
    request = request_of(webhook_url="https://me.example/?token=s3cr3t")
    assert "s3cr3t" not in repr(request)


# --- buying -------------------------------------------------------------------------------------


def test_a_purchase_is_sent_once_and_its_id_kept_as_text() -> None:
    call = create()
    assert (call.method, call.path, call.repeat) == ("POST", "/project/create", Repeat.ONCE)
    answer = {"code": 2000, "projectId": 17861706, "shareLink": "https://x/?invite=1", "errMsg": ""}
    receipt = call.parse(reply(answer))
    assert receipt.ref == PROJECT
    assert "invite" not in receipt.model_dump_json()
    assert create(mode="edit").parse(reply(answer)).ref.kind == "edit"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", [{"code": 2000}, {"code": 2000, "projectId": None}, {"code": 2000, "projectId": 0}]
)
def test_a_purchase_without_an_id_may_have_been_made(body: dict[str, Any]) -> None:
    error = refused(create(), reply(body))
    assert isinstance(error, ApiError)
    assert error.processed == "maybe"


def test_the_first_documents_spelling_of_a_projects_id_is_understood() -> None:
    assert create().parse(reply({"code": 2000, "projectid": "17861706"})).ref == PROJECT
    assert parse_webhook({"code": 1000, "projectid": 5})[0] == "5"


@pytest.mark.parametrize("code", [4002, 4999, 5000, 1000, 4001, 4003, 4006, 4007, 4008, -1000])
def test_whatever_else_is_said_where_there_is_an_id_there_is_a_project(code: int) -> None:
    assert create().parse(reply({"code": code, "projectId": 5})).ref.job_id == "5"  # type: ignore[union-attr]


@pytest.mark.parametrize("no_id", [None, 0, "0", ""])
def test_a_refusal_with_an_empty_id_is_a_refusal(no_id: Any) -> None:
    assert isinstance(refused(create(), reply({"code": 4006, "projectId": no_id})), InputError)


ENDS = {
    End.REFUSED: (InputError, {}),
    End.ACCOUNT: (ApiError, {"processed": "no", "account": True, "retryable": False}),
    End.WAIT: (ApiError, {"processed": "no", "account": False, "retryable": True}),
    End.LOST: (ApiError, {"processed": "maybe", "account": False}),
}
ROWS = [
    (call, code) for call in ("create", "publish", "caption") for code in (*TABLE[call], 4321) if code != 2000
]
BUYING: dict[str, Call[Any]] = {
    "create": create(),
    "publish": VIZARD.publish(PublishRequest(video_id=5, social_account_id="7")),
    "caption": VIZARD.caption(CaptionRequest(video_id=5)),
}


@pytest.mark.parametrize(("call", "code"), ROWS)
def test_every_code_of_a_purchase_means_what_the_table_says(call: Any, code: int) -> None:
    means = meaning(call, code)
    kind, facts = ENDS[means.end]
    error = refused(BUYING[call], reply({"code": str(code), "errMsg": "see https://x.example/?k=s3cr3t"}))
    assert isinstance(error, kind)
    assert {name: getattr(error, name) for name in facts} == facts
    assert str(code) in str(error)
    assert means.text in str(error)
    assert means.remedy in str(error)
    assert "s3cr3t" not in str(error)
    if means.end is End.WAIT:
        assert isinstance(error, ApiError)
        assert error.retry_after == limit_wait(call)


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (401, {"processed": "no", "account": True}),
        (429, {"processed": "no", "retryable": True, "retry_after": 61.0}),
        (500, {"processed": "maybe"}),
        (408, {"processed": "maybe"}),
        (302, {"processed": "maybe"}),
    ],
)
def test_http_errors_mean_the_same_without_a_code(status: int, facts: dict[str, Any]) -> None:
    error = refused(create(), reply({"error": "no"}, status))
    assert {name: getattr(error, name) for name in facts} == facts


def test_a_code_counts_whatever_the_status_but_not_beside_a_server_error() -> None:
    assert isinstance(refused(create(), reply({"code": 4006}, 400)), InputError)
    limit = refused(create(), reply({"code": 4003}, 429, **{"retry-after": "120"}))
    assert isinstance(limit, ApiError)
    assert limit.retry_after == 120
    lost = refused(create(), reply({"code": 4006}, 502))
    assert isinstance(lost, ApiError)
    assert lost.processed == "maybe"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", {"message": "hi"}, {"code": None}, {"code": True}])
def test_an_answer_without_a_code_is_unreadable(body: Any) -> None:
    for call in (create(), VIZARD.status(PROJECT)):
        error = refused(call, reply(body))
        assert isinstance(error, ApiError)
        assert error.processed == "maybe"


# --- how it is ------------------------------------------------------------------------------------


def test_a_running_project_has_no_expected_duration() -> None:
    status = status_of({"code": 1000, "projectId": 17861706, "videos": []})
    assert (status.state, status.vendor_status) == (JobState.RUNNING, "1000 processing")
    assert (status.progress, status.expected, status.outputs) == (None, None, ())


def test_clips_come_by_score_with_all_that_the_vendor_reports_except_their_urls() -> None:
    extra = {"thumbnail": "https://cdn.example/t.jpg?sig=s3cr3t", "size": 5}
    status = status_of(done(video(3), video(9, **extra), video(7, viralScore=None, relatedTopic="cats")))
    assert [output.details["video_id"] for output in status.outputs] == ["909", "903", "907"]
    best = status.outputs[0]
    assert (best.index, best.kind, best.title, best.duration) == (0, "video", "Clip 9", 30.5)
    assert best.details == {
        "size": 5,
        "video_id": "909",
        "project_id": "17861706",
        "viral_score": 9.0,
        "viral_reason": "It moves.",
        "transcript": "See https://example.com, he said.",
        "topics": ["cats", "dogs"],
        "editor_url": "https://vizard.ai/editor?id=9&type=clip",
    }
    assert status.outputs[2].details["topics"] == ["cats"]
    assert status.outputs[2].details["viral_score"] is None
    shown = json.dumps(job_result(PROJECT, status)) + status.model_dump_json() + repr(status.answer)
    assert "s3cr3t" not in shown
    assert "cdn-video" not in shown


def test_the_first_generations_clips_are_read_too() -> None:
    first = {
        "projectId": 1,
        "videoUrl": "https://x/1.mp4",
        "videoMsDuration": 1000,
        "title": "One",
        "viralReason": "r",
        "viralScore": 9.5,
        "transcript": "t",
        "relatedTopic": ["a"],
    }
    (output,) = status_of({"code": 2000, "videos": [first]}).outputs
    assert output.details["video_id"] is None
    assert output.details["viral_score"] == 9.5
    assert output.details["project_id"] == "17861706"


@pytest.mark.parametrize(
    "odd", [None, "x", 5, {"a": 1}, [1, None, "x"], [{"videoId": {}, "viralScore": "high"}]]
)
def test_odd_videos_make_no_paid_project_unreadable(odd: Any) -> None:
    assert status_of({"code": "2000", "videos": odd}).state is JobState.READY


def test_no_clips_are_a_success_once_it_was_said_twice() -> None:
    status = status_of(done())
    assert (status.state, status.outputs, status.believed_after) == (JobState.READY, (), 2)
    assert status_of(done(video(1))).believed_after == 1


QUERY_ROWS = [code for code in TABLE["query"] if TABLE["query"][code].end in (End.FAILED, End.GONE)]


@pytest.mark.parametrize("code", QUERY_ROWS)
def test_every_end_of_a_project_says_why_and_what_to_do(code: int) -> None:
    means = TABLE["query"][code]
    status = status_of({"code": code, "errMsg": "own words"})
    assert status.state is (JobState.FAILED if means.end is End.FAILED else JobState.GONE)
    assert status.vendor_status == f"{code} {means.text}"
    assert "own words" in (status.error or "")
    assert status.charged == "maybe"
    assert means.remedy in (status.error or "")


@pytest.mark.parametrize("code", [4001, 4003])
def test_what_is_about_the_call_says_nothing_about_the_project(code: int) -> None:
    error = refused(VIZARD.status(PROJECT), reply({"code": code}))
    assert isinstance(error, ApiError)
    assert error.account is (code == 4001)
    assert error.retryable is (code == 4003)


def test_a_code_that_nobody_documented_is_believed_only_when_repeated() -> None:
    ended, running = status_of({"code": 4321}), status_of({"code": 1500})
    assert (ended.state, ended.known, ended.believed_after) == (JobState.FAILED, False, 5)
    assert (running.state, running.known, running.believed_after) == (JobState.RUNNING, False, 1)


@pytest.mark.parametrize("status", [404, 410])
def test_a_project_that_is_not_there_is_gone(status: int) -> None:
    assert status_of({"error": "no"}, status=status).state is JobState.GONE
    page = Answer(404, {"content-type": "text/html"}, b"<html>")
    assert isinstance(refused(VIZARD.status(PROJECT), page), VidaiError)


def test_the_longest_project_fits_into_what_is_read_of_an_answer() -> None:
    said_in_three_minutes = "\u0928\u092e\u0938\u094d\u0924\u0947 " * 450
    body = json.dumps(done(*(video(n, transcript=said_in_three_minutes) for n in range(100)))).encode()
    assert (1 << 20) < len(body) < MAX_ANSWER


# --- which clips ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, [9, 7, 3, 1]),
        ({"min_viral_score": 7}, [9, 7]),
        ({"min_viral_score": 7.5}, [9]),
        ({"max_clips": 3}, [9, 7, 3]),
        ({"max_clips": 3, "min_viral_score": 8}, [9]),
        ({"min_viral_score": None, "max_clips": None, "drop_source": False}, [9, 7, 3, 1]),
    ],
)
def test_only_the_asked_for_clips_are_there(params: dict[str, Any], kept: list[int]) -> None:
    status = status_of(done(*(video(n) for n in (3, 9, 1, 7))), PROJECT.with_params(**params))
    assert [output.details["viral_score"] for output in status.outputs] == kept


@pytest.mark.parametrize(
    ("seconds", "params", "dropped"),
    [
        (600, {}, True),
        (150, {}, False),
        (150, {"source_seconds": 152.0}, True),
        (150, {"source_seconds": 600.0}, False),
    ],
)
def test_a_copy_of_the_source_is_recognised_by_its_length(
    seconds: float, params: dict[str, Any], dropped: bool
) -> None:
    videos = [video(5), video(9, videoMsDuration=seconds * 1000)]
    ref = PROJECT.with_params(drop_source=True, **params)
    assert len(status_of(done(*videos), ref).outputs) == (1 if dropped else 2)
    assert len(status_of(done(videos[1]), ref).outputs) == 1, "the only one is never dropped"


# --- their files ----------------------------------------------------------------------------------


def fetch(output: Output, body: Any, status: int = 200) -> Fetch:
    found = VIZARD.fetch(PROJECT.with_params(min_viral_score=10), output)
    return found.parse(reply(body, status))


def test_a_fresh_url_is_read_by_the_clips_id_and_fetched_without_the_key() -> None:
    output = status_of(done(video(9), video(3))).outputs[1]
    found = fetch(output, done(video(9), video(4), video(3, videoUrl="https://cdn.example/new?sig=n3w")))
    assert (found.url, found.kind, found.with_key) == ("https://cdn.example/new?sig=n3w", "video", False)
    assert "n3w" not in repr(found)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (done(video(9)), JobGone, "no longer has the clip 903"),
        ({"code": 4006}, JobGone, "7 days"),
        ({"code": 4002}, JobFailed, "4002"),
        ({"code": 1000}, JobError, "is not ready"),
    ],
)
def test_a_file_that_is_not_there_says_why(body: Any, kind: type, expected: str) -> None:
    output = status_of(done(video(3))).outputs[0]
    with pytest.raises(kind, match=expected):
        fetch(output, body)


def test_without_ids_a_clip_is_known_by_its_place_and_title() -> None:
    old = [video(9, videoId=None), video(3, videoId=None)]
    output = status_of(done(*old)).outputs[1]
    assert fetch(output, done(*old)).url == old[1]["videoUrl"]
    with pytest.raises(JobGone):
        fetch(output, done(old[0], video(2, videoId=None)))


def test_two_projects_clips_of_one_title_have_different_names() -> None:
    output = status_of(done(video(9, title="a" * 300))).outputs[0]
    assert VIZARD.file_stem(PROJECT, output) == "a" * 40 + "-909"
    nameless = Output(index=2, kind="video")
    assert VIZARD.file_stem(PROJECT, nameless) == "clip-17861706-2"


# --- the webhook ----------------------------------------------------------------------------------


def test_a_webhooks_body_is_read_like_a_query() -> None:
    body = done(video(3), video(9))
    for given in (body, json.dumps(body), json.dumps(body).encode()):
        project, status = parse_webhook(given)
        assert project == "17861706"
        assert status.outputs == status_of(body).outputs
    failed = parse_webhook({"code": 4002, "projectId": "5", "errMsg": "no"})[1]
    assert failed.state is JobState.FAILED


@pytest.mark.parametrize(
    "body", [b"", b"{", "[]", "null", {}, {"code": 2000}, {"projectId": 1}, b"\xff\xfe", "5"]
)
def test_what_is_no_webhook_is_refused(body: Any) -> None:
    with pytest.raises(InputError, match="not what Vizard sends"):
        parse_webhook(body)


# --- captions and publishing ------------------------------------------------------------------------


def test_a_publishing_goes_out_as_the_vendor_writes_it() -> None:
    request = validated(
        PublishRequest,
        {
            "video_id": "12345678901",
            "social_account_id": 7,
            "caption": "Hi",
            "publish_at": "2026-12-24T18:00:00",
        },
        what="Publishing",
    )
    call = VIZARD.publish(request)
    assert (call.path, call.repeat) == ("/project/publish-video", Repeat.ONCE)
    assert call.body == {
        "finalVideoId": 12345678901,
        "socialAccountId": "7",
        "publishTime": 1798135200000,
        "post": "Hi",
    }
    assert call.parse(reply({"code": 2000})).result == {
        "video_id": "12345678901",
        "social_account_id": "7",
        "publish_at": 1798135200000,
        "accepted": True,
    }


MOMENT = datetime(2026, 12, 24, 18, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "given",
    [
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=5))),
        "2026-12-24 18:00:00+00:00",
        "2026-12-24T19:00:00+01:00",
        "2026-12-24T18:00:00Z",
        "2026-12-24T18:00:00.000z",
        MOMENT.timestamp(),
        str(int(MOMENT.timestamp())),
        MOMENT.timestamp() * 1000,
    ],
)
def test_a_moment_is_milliseconds_on_the_wire(given: Any) -> None:
    request = PublishRequest(video_id=1, social_account_id="7", publish_at=given)
    assert request.publish_at == round(MOMENT.timestamp() * 1000)


@pytest.mark.parametrize(("platform", "most"), CAPTION_LIMITS.items())
def test_a_caption_is_validated_against_its_platform(platform: str, most: int) -> None:
    account = SocialAccount(id="7", platform=platform.upper(), status="Active")
    fits = PublishRequest(video_id=1, social_account_id="7", caption="x" * most)
    assert clip_checked(fits, account) == []
    if most < 5000:
        with pytest.raises(InputError, match=f"takes {most}"):
            clip_checked(fits.model_copy(update={"caption": "x" * (most + 1)}), account)


def test_what_a_post_costs_or_does_not_show_is_said() -> None:
    request = PublishRequest(video_id=1, social_account_id="7", caption="see https://x.example", title="T")
    notices = clip_checked(request, SocialAccount(id="7", platform="X"))
    assert "10 credits" in notices[1]
    assert "title is for YouTube" in notices[0]


@pytest.mark.parametrize("status", ["expired", "locked", "not connected"])
def test_an_account_that_cannot_publish_is_refused(status: str) -> None:
    account = SocialAccount(id="7", platform="tiktok", status=status)
    with pytest.raises(InputError, match=f"'{status}'"):
        clip_checked(PublishRequest(video_id=1, social_account_id="7"), account)


@pytest.mark.parametrize("platform", [*PLATFORMS, 7])
def test_a_caption_is_requested_by_names_or_numbers(platform: Any) -> None:
    for tone in (*TONES, 0):
        for voice in (*VOICES, 1):
            asked = {"video_id": "5", "platform": platform, "tone": tone, "voice": voice}
            body = VIZARD.caption(validated(CaptionRequest, asked, what="Caption")).body
            assert body == {
                "finalVideoId": 5,
                "aiSocialPlatform": PLATFORMS.get(platform, platform),
                "tone": TONES.get(tone, tone),
                "voice": VOICES.get(voice, voice),
            }


def test_a_caption_is_read_with_its_title() -> None:
    call = BUYING["caption"]
    assert call.parse(reply({"code": 2000, "aiSocialContent": "C", "aiSocialTitle": "T"})).result == {
        "video_id": "5",
        "caption": "C",
        "title": "T",
    }
    assert isinstance(refused(call, reply({"code": 2000})), ApiError)


CLIP = status_of(done(video(9))).outputs[0]


@pytest.mark.parametrize(
    "given",
    [
        CLIP,
        CLIP.model_dump(),
        json.dumps(CLIP.model_dump()),
        repr(CLIP.model_dump()),
        {"video_id": 909, "title": "x"},
        909,
        " 909 ",
    ],
)
def test_a_clip_is_named_in_any_way_a_dag_has_it(given: Any) -> None:
    assert video_id_of(given) == "909"


@pytest.mark.parametrize(
    "given", [None, True, "", "x", [], {}, {"details": 5}, {"details": {}}, 1.5, "[909]"]
)
def test_what_names_no_clip_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match=r"clip.*Nothing was sent"):
        video_id_of(given)


def test_a_flat_clip_is_an_output_again() -> None:
    flat = {"title": "T", **CLIP.details}
    assert clip_output(flat).details["project_id"] == "17861706"
    assert clip_output(flat).title == "T"


# --- the vendor -----------------------------------------------------------------------------------


def test_it_is_what_the_rest_of_the_package_needs() -> None:
    assert VENDORS["vizard"] is VIZARD
    assert dict(VIZARD.key_header("k")) == {"VIZARDAI_API_KEY": "k"}
    call = VIZARD.check()
    assert (call.method, call.path) == ("GET", "/project/social-accounts")
    for key in ("publishAccounts", "accounts"):
        assert "1 social" in call.parse(reply({key: [{"id": 7, "platform": "x"}], "total": 1}))
    assert isinstance(refused(call, reply({"code": 4001})), ApiError)


def test_an_id_is_only_ever_an_id_in_a_path() -> None:
    assert VIZARD.status(PROJECT.model_copy(update={"job_id": "../x?y"})).path == "/project/query/..%2Fx%3Fy"
