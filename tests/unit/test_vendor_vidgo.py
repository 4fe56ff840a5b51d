"""Vidgo as data: what is sent, and what every answer means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, InputError, JobError, JobFailed, JobGone, VidaiError
from airflow_provider_vidai.files.storage import destination_path
from airflow_provider_vidai.jobs.calls import Call, Repeat
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.vidgo.answers import (
    BY_ITS_DOCUMENTS,
    EMPTY_BELIEVED,
    TaskAnswer,
    files_of,
)
from airflow_provider_vidai.vendors.vidgo.api import LEASE, UPLOAD_PAUSE, VIDGO, lease_left, parse_webhook
from airflow_provider_vidai.vendors.vidgo.catalogue import MODELS, kind_of
from airflow_provider_vidai.vendors.vidgo.requests import check, understood, with_images

TASK = "task-unified-1757165031-uyujaw3d"
NOW = 1_795_168_800.4
REF = JobRef(vendor="vidgo", conn_id="studio", job_id=TASK, kind="media")
SONG = JobRef(vendor="vidgo", conn_id="studio", job_id="8FDN1I7M7Q68DDG8", kind="music")
PICTURE = {"file_url": "https://storage.vidgo.ai/generated/image-abc123.jpg", "file_type": "image"}
VIDEO = {"file_url": "https://storage.vidgo.ai/generated/video-abc123.mp4", "file_type": "video"}
TRACK = {
    "audio_id": "62e4542a",
    "audio_url": "https://storage.vidgo.ai/audio/a.mp3",
    "image_url": "https://storage.vidgo.ai/audio/a.jpeg",
    "title": "Peaceful Piano Meditation",
    "tags": "Classical",
    "duration": 240.0,
    "prompt": "",
}


def reply(body: object, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"content-type": "application/json", **headers}, raw)


def task(status: str = "finished", files: Any = None, **more: Any) -> dict[str, Any]:
    data = {"task_id": TASK, "status": status, "files": [] if files is None else files}
    return {
        "code": 200,
        "data": {**data, "created_time": "2025-11-12T10:30:00", "error_message": None, **more},
    }


def error(status: int, kind: str = "validation_error", message: str = "no", **more: Any) -> dict[str, Any]:
    return {"code": status, "error": {"message": message, "type": kind, **more}}


def status_of(body: object, status: int = 200, ref: JobRef = REF) -> JobStatus:
    return VIDGO.status(ref).parse(reply(body, status))


def submitted(model: str = "gpt-4o-image", **changes: Any) -> Call[Receipt]:
    arguments = {"kind": "media", "conn_id": "studio", "now": NOW, **changes}
    asked = arguments.pop("asked", {"prompt": "a lake"})
    return VIDGO.submit(model, asked, **arguments)


def refused(call: Call[Any], answer: Answer) -> VidaiError:
    with pytest.raises(VidaiError) as caught:
        call.parse(answer)
    return caught.value


def delivered(*files: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = files_of(TaskAnswer(status="finished", files=list(files)))
    assert [file.output.index for file in found] == list(range(len(found)))
    return [(file.output.kind, file.output.title) for file in found]


# --- the catalogue --------------------------------------------------------------------------------


def test_it_has_every_model_of_the_vendors_pages() -> None:
    families = [model.family for model in MODELS.values()]
    assert {family: families.count(family) for family in set(families)} == {
        "image": 34,
        "video": 62,
        "music": 17,
    }


@pytest.mark.parametrize(
    ("model", "asked", "names"),
    [
        ("gpt-4o-image", {}, ["prompt"]),
        ("gpt-4o-image", {"prompt": ""}, ["prompt"]),
        ("gpt-4o-image-edit", {"prompt": "x"}, ["image_urls"]),
        ("gpt-4o-image-edit", {"prompt": "x", "image_urls": []}, ["image_urls"]),
        ("gpt-image-2", {"prompt": "x", "image_urls": ["https://x/a.png"], "n": 2}, ["image_urls", "n"]),
        ("flux-2-pro", {"prompt": "x"}, ["size", "resolution"]),
        ("kling-2.6", {"prompt": "x", "sound": False}, ["aspect_ratio", "duration"]),
        ("veo3.1/text-to-video", {"prompt": "x", "image_urls": ["https://x/a.png"]}, ["image_urls"]),
        (
            "seedance-2.5/reference-to-video",
            {"prompt": "x", "duration": 4, "resolution": "480p"},
            ["reference_image_urls or reference_video_urls"],
        ),
        ("kling-3.0/pro", {"image_urls": ["https://x/a"], "duration": 5}, ["multi_shots", "multi_prompt"]),
        ("stem-split", {"task_id": "t", "audio_id": "a"}, ["callback_url"]),
        ("generate-music", {"prompt": "x"}, ["custom_mode", "instrumental", "mv"]),
        ("sora-2", {"prompt": "x", "reference_video_urls": ["/data/a.mp4"]}, ["reference_video_urls"]),
        ("add-vocals", {"upload_url": "s3://x/a.mp3"}, ["upload_url", "prompt", "title", "style"]),
        (
            "kling-3.0/pro",
            {"kling_elements": [{"element_input_video_urls": ["a.mp4"]}]},
            ["element_input_video"],
        ),
    ],
)
def test_what_is_missing_or_must_not_be_there_is_named(model: str, asked: dict, names: list[str]) -> None:
    with pytest.raises(InputError, match=r"Nothing was sent\.$") as caught:
        check(model, asked, None)
    assert str(caught.value).startswith(f"{model}: ")
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("model", "asked", "callback"),
    [
        ("kling-2.6", {"prompt": "x", "sound": False, "aspect_ratio": "1:1", "duration": 5}, None),
        ("happy-horse", {"image_urls": ["https://x/a.png"]}, None),
        ("generate-music", {"prompt": "", "custom_mode": True, "instrumental": True, "mv": "V5"}, None),
        ("stem-split", {"task_id": "t", "audio_id": "a"}, "https://x/cb"),
        ("a-model-of-next-year", {"whatever": 1}, None),
        ("minimax/h3/reference-to-video", {"prompt": "x", "reference_video_urls": ["https://x/a"]}, None),
    ],
)
def test_what_fits_passes_and_so_does_an_unknown_model(model: str, asked: dict, callback: str | None) -> None:
    check(model, asked, callback)


def test_a_models_kind_is_the_tables_and_else_its_names() -> None:
    assert [kind_of(name) for name in ("sora-2", "boost-music-style", "convert-to-wav")] == [
        "media",
        "music",
        "music",
    ]
    assert [kind_of(name) for name in ("sora-9", "generate-music-v9", "lyrics-2")] == [
        "media",
        "music",
        "music",
    ]


def test_what_a_template_made_text_of_is_what_it_was() -> None:
    rendered = {
        "prompt": "10",
        "duration": "10",
        "style_weight": "0.65",
        "instrumental": "True",
        "sound": "false",
        "size": "1:1",
        "aspect_ratio": "None",
        "image_urls": "['https://x/a.png', 'https://x/b.png']",
        "reference_image_urls": "https://x/c.png",
        "start_image_url": "{'sealed_url': 'abc'}",
        "multi_prompt": "[{'prompt': '5', 'duration': '5'}]",
        "seed": 7,
    }
    assert understood(rendered) == {
        "prompt": "10",
        "duration": 10,
        "style_weight": 0.65,
        "instrumental": True,
        "sound": False,
        "size": "1:1",
        "image_urls": ["https://x/a.png", "https://x/b.png"],
        "reference_image_urls": ["https://x/c.png"],
        "start_image_url": {"sealed_url": "abc"},
        "multi_prompt": [{"prompt": "5", "duration": 5}],
        "seed": 7,
    }


def test_sequences_of_airflows_own_are_lists_and_nothing_is_left_out() -> None:
    class Lazy(Sequence):  # what a mapped task's output is
        def __getitem__(self, index: Any) -> Any:
            return ["https://x/a.png", {"sealed_url": "abc"}][index]

        def __len__(self) -> int:
            return 2

    found = understood({"image_urls": Lazy(), "mask_url": None, "reference_image_urls": ("https://x/b.png",)})
    assert found == {
        "image_urls": ["https://x/a.png", {"sealed_url": "abc"}],
        "reference_image_urls": ["https://x/b.png"],
    }


def test_fields_that_are_not_known_are_left_as_they_are() -> None:
    odd = {"prompt": "a", "colour": ["red"], "depth": {"x": "1"}, "size": {"width": 100, "height": 50}}
    assert understood(odd) == odd


def test_every_picture_of_a_request_is_placed_and_nothing_else() -> None:
    asked = {
        "prompt": "x.png",
        "image_urls": ["a.png", "b.png"],
        "mask_url": "m.png",
        "video_urls": ["https://x/v.mp4"],
        "kling_elements": [{"name": "n", "element_input_urls": ["c.png"]}],
    }
    assert with_images(asked, lambda path: f"<{path}>") == {
        "prompt": "x.png",
        "image_urls": ["<a.png>", "<b.png>"],
        "mask_url": "<m.png>",
        "video_urls": ["https://x/v.mp4"],
        "kling_elements": [{"name": "n", "element_input_urls": ["<c.png>"]}],
    }


# --- buying ---------------------------------------------------------------------------------------


def test_a_purchase_is_one_call_with_model_and_callback_at_the_top() -> None:
    call = submitted(callback_url="https://x/cb?token=1")
    assert (call.method, call.path, call.repeat) == ("POST", "/api/generate/submit", Repeat.ONCE)
    assert call.body == {
        "model": "gpt-4o-image",
        "input": {"prompt": "a lake"},
        "callback_url": "https://x/cb?token=1",
    }
    assert "callback_url" not in (submitted().body or {})
    assert VIDGO.key_header("k") == {"Authorization": "Bearer k"}
    assert VENDORS["vidgo"] is VIDGO


@pytest.mark.parametrize(
    "data",
    [
        {"task_id": TASK, "status": "not_started", "created_time": "2025-11-12T10:30:00"},
        {"task_id": TASK},
        {"task_id": TASK, "status": None, "extra": {"a": 1}},
    ],
)
def test_a_purchase_gives_a_job_with_our_own_time_of_it(data: dict) -> None:
    receipt = submitted().parse(reply({"code": 200, "data": data}))
    assert receipt.ref == REF.with_params(bought_at=int(NOW), model="gpt-4o-image")
    assert receipt.vendor_status == "not_started"


@pytest.mark.parametrize(
    "body", [{}, {"code": 200}, {"code": 200, "data": {}}, {"data": {"task_id": ""}}, b"<html>"]
)
def test_a_success_without_a_task_may_have_been_charged(body: object) -> None:
    failed = refused(submitted(), reply(body))
    assert isinstance(failed, ApiError)
    assert failed.processed == "maybe"


REFUSALS = [
    (400, "validation_error", InputError, None),
    (400, "content_moderation_error", InputError, None),
    (413, "content_too_long_error", InputError, None),
    (401, "authentication_error", ApiError, "no"),
    (402, "insufficient_credits_error", ApiError, "no"),
    (403, "permission_denied_error", ApiError, "no"),
    (429, "rate_limit_error", ApiError, "no"),
    (503, "service_error", ApiError, "no"),
    (503, "something_else", ApiError, "maybe"),
    (408, "timeout_error", ApiError, "maybe"),
    (500, "internal_error", ApiError, "maybe"),
    (502, "upstream_error", ApiError, "maybe"),
]


@pytest.mark.parametrize("inside", [False, True], ids=["HTTP status", "code in HTTP 200"])
@pytest.mark.parametrize(("status", "kind", "raised", "processed"), REFUSALS)
def test_a_refusal_says_whether_anything_was_bought(
    status: int, kind: str, raised: type, processed: str | None, inside: bool
) -> None:
    answer = reply(error(status, kind, "because of x"), 200 if inside else status)
    failed = refused(submitted(), answer)
    assert isinstance(failed, raised)
    assert "because of x" in str(failed)
    assert getattr(failed, "processed", None) == processed


def test_the_error_for_an_empty_account_says_to_top_it_up() -> None:
    failed = refused(submitted(), reply(error(402, message="Insufficient credits"), 402))
    assert isinstance(failed, ApiError)
    assert failed.account
    assert "top up" in str(failed)


def test_a_limit_without_a_time_leaves_the_pause_to_who_waits() -> None:
    failed = refused(submitted(), reply(error(429), 429))
    assert isinstance(failed, ApiError)
    assert (failed.retryable, failed.retry_after) == (True, None)


def test_a_conflict_that_names_no_task_is_refused_and_costs_nothing() -> None:
    asked = {"task_id": "8FDN1I7M7Q68DDG8", "audio_id": "a"}
    text = "WAV record already exists for this audio"
    for body in (
        error(409, "conflict_error", text),
        error(409, "conflict_error", text, task_id=asked["task_id"]),
    ):
        failed = refused(submitted("convert-to-wav", asked=asked, kind="music"), reply(body, 409))
        assert isinstance(failed, InputError)
        assert text in str(failed)
        assert str(failed).endswith("Nothing was charged.")


@pytest.mark.parametrize(
    "body",
    [
        error(409, "conflict_error", "exists", task_id="WAV0000000000001"),
        {**error(409, "conflict_error", "exists"), "data": {"task_id": "WAV0000000000001"}},
        {"code": 409, "task_id": "WAV0000000000001"},
    ],
)
def test_a_conflict_that_names_the_task_is_that_task_and_costs_nothing(body: dict) -> None:
    asked = {"task_id": "8FDN1I7M7Q68DDG8", "audio_id": "a"}
    receipt = submitted("convert-to-wav", asked=asked, kind="music").parse(reply(body, 409))
    assert receipt.ref == JobRef(vendor="vidgo", conn_id="studio", job_id="WAV0000000000001", kind="music")
    assert receipt.cost == {"credits": 0}


# --- asking after a task --------------------------------------------------------------------------


def test_media_and_music_are_polled_at_different_endpoints() -> None:
    media, music = VIDGO.status(REF), VIDGO.status(SONG)
    assert (media.method, media.path, media.query) == ("GET", f"/api/generate/status/{TASK}", ())
    assert (music.path, music.query) == ("/api/generate/detail/music", (("task_id", SONG.job_id),))
    odd = VIDGO.status(REF.model_copy(update={"job_id": "a/b?c"}))
    assert odd.path == "/api/generate/status/a%2Fb%3Fc"


@pytest.mark.parametrize(
    ("word", "state", "known"),
    [
        ("not_started", JobState.RUNNING, True),
        ("running", JobState.RUNNING, True),
        ("finished", JobState.READY, True),
        ("failed", JobState.FAILED, True),
        ("succeeded", JobState.RUNNING, False),
        ("FINISHED", JobState.READY, True),
    ],
)
def test_the_four_statuses_and_no_others_are_known(word: str, state: JobState, known: bool) -> None:
    found = status_of(task(word, [PICTURE]))
    assert (found.state, found.known, found.vendor_status) == (state, known, word)


@pytest.mark.parametrize(
    ("progress", "share"), [(45, 0.45), ("45", 0.45), (0, 0.0), (130, 1.0), (None, None), ("?", None)]
)
def test_progress_is_a_share(progress: Any, share: float | None) -> None:
    assert status_of(task("running", progress=progress)).progress == share


@pytest.mark.parametrize(
    ("text", "blame"),
    [
        ("The prompt violates our content policy", "policy"),
        ("Failed to download the input", "input"),
        ("Generation congested", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_failed_task_comes_with_http_200_and_is_refunded(text: str | None, blame: str) -> None:
    found = status_of(task("failed", progress=0, error_message=text))
    assert (found.state, found.charged, found.blame) == (JobState.FAILED, "refunded", blame)
    assert found.error == (f"{text}; {BY_ITS_DOCUMENTS}" if text else BY_ITS_DOCUMENTS)


@pytest.mark.parametrize("name", ["message", "task_error", "failure_reason", "error"])
@pytest.mark.parametrize("reason", ["too dark", {"message": "too dark"}])
def test_the_reason_of_a_failure_is_read_from_whichever_field_has_it(name: str, reason: Any) -> None:
    found = status_of(task("failed", **{name: reason}))
    assert found.error == f"too dark; {BY_ITS_DOCUMENTS}"


def test_a_finished_task_without_files_is_not_believed_at_once() -> None:
    found = status_of(task("finished", []))
    assert (found.state, found.repeats_needed, found.charged) == (JobState.FAILED, EMPTY_BELIEVED, "maybe")


@pytest.mark.parametrize("body", [error(404, message="Task not found"), {"detail": "Task not found"}])
def test_a_task_that_is_not_there_is_gone(body: dict) -> None:
    found = status_of(body, 404)
    assert (found.state, found.error, found.proven) == (JobState.GONE, "Task not found", False)


def test_a_gateways_page_says_nothing_about_a_task() -> None:
    failed = refused(VIDGO.status(REF), Answer(404, {"content-type": "text/html"}, b"<html>nope</html>"))
    assert isinstance(failed, ApiError)
    assert failed.retryable


def test_a_music_task_polled_at_the_wrong_endpoint_is_not_given_up() -> None:
    text = "This is a music task: query it at /api/generate/detail/music"
    with pytest.raises(InputError, match="kind='music'"):
        status_of(error(400, message=text), 400)


@pytest.mark.parametrize("files", [None, {}, "x", [None, 5, "x"], [{"file_url": None}], [{}]])
def test_odd_files_do_not_make_a_task_unreadable(files: Any) -> None:
    assert status_of(task("running", files)).state is JobState.RUNNING
    assert status_of({"data": {"status": "finished", "files": files}}).state is JobState.FAILED


# --- what a task delivers -------------------------------------------------------------------------


def test_the_type_decides_what_a_file_is_and_not_its_place() -> None:
    assert delivered(PICTURE, VIDEO) == [("image", None), ("video", None)]
    assert delivered(VIDEO, PICTURE) == [("video", None), ("image", None)]
    assert delivered({**VIDEO, "file_type": "IMAGE"}) == [("image", None)]


@pytest.mark.parametrize(
    ("url", "kind"),
    [("a.webp", "image"), ("a.MP3?x=1", "audio"), ("a.mp4", "video"), ("a", "video")],
)
def test_a_missing_file_type_is_read_from_the_name(url: str, kind: str) -> None:
    assert delivered({"file_url": f"https://x/{url}", "file_type": "other"}) == [(kind, None)]


def packed(**parts: Any) -> str:
    return json.dumps(parts)


MUSIC: dict[str, Any] = {
    "generate-music": (
        [TRACK, {**TRACK, "audio_id": "8e755734"}],
        [
            *[("audio", "Peaceful Piano Meditation")] * 2,
            *[("image", "Peaceful Piano Meditation cover")] * 2,
        ],
    ),
    "get-timestamped-lyrics": (
        [{"timestampe_lyrics": "[00:00.00] First line\n[00:05.23] Second line"}],
        [("text", "timestamped lyrics")],
    ),
    "generate-lyrics": ([{"title": "Rain", "text": "[Verse]\nla"}], [("text", "Rain")]),
    "boost-music-style": ([{"style": "Enhanced"}], [("text", "style")]),
    "generate-persona": ([{"persona_id": "persona_abc123"}], [("text", "persona")]),
    "convert-to-wav": ([{"wav_url": "https://x/output.wav"}], [("audio", None)]),
    "create-music-video": ([{"video_url": "https://x/music_video.mp4"}], [("video", None)]),
    "separate-vocals": (
        [{"separate_vocals": packed(vocal_url="https://x/v", instrumental_url="https://x/i")}],
        [("audio", "vocal"), ("audio", "instrumental")],
    ),
    "separate-vocals, older": (
        [{"vocal_removal": packed(vocal_url="https://x/v", instrumental_url="https://x/i")}],
        [("audio", "vocal"), ("audio", "instrumental")],
    ),
    "upload-and-separate-vocals": (
        [{"vocal_removal": packed(bass="https://x/bass.mp3", drums="", other=None)}],
        [("audio", "bass")],
    ),
    "stem-split": (
        [{"stem_split": packed(backing_vocals_url="https://x/b.mp3", bass_url="", fx_url="https://x/f.mp3")}],
        [("audio", "backing vocals"), ("audio", "fx")],
    ),
    "stem-split, unpacked": (
        [{"stem_split": {"drums_url": "https://x/d.mp3"}}],
        [("audio", "drums")],
    ),
    "generate-music-cover": (
        [{"generate_cover": json.dumps([PICTURE, PICTURE])}],
        [("image", None), ("image", None)],
    ),
}


@pytest.mark.parametrize("model", MUSIC)
def test_every_shape_of_a_music_result_is_understood(model: str) -> None:
    files, kinds = MUSIC[model]
    assert delivered(*files) == kinds


def test_a_song_has_all_that_the_vendor_reports_and_no_url() -> None:
    found = status_of(task(files=[TRACK]), ref=SONG)
    song = found.outputs[0]
    assert song.duration == 240.0
    assert song.details == {"audio_id": "62e4542a", "tags": "Classical", "prompt": ""}
    assert "https://" not in json.dumps([one.model_dump(mode="json") for one in found.outputs])
    assert "https://" not in repr(found)
    assert "https://" not in json.dumps(found.model_dump(mode="json"))


@pytest.mark.parametrize("field", ["text", "timestampe_lyrics", "style", "persona_id"])
def test_a_text_is_delivered_with_the_answer(field: str) -> None:
    (file,) = files_of(TaskAnswer(status="finished", files=[{field: "[x] word"}]))
    assert (file.url, file.output.details) == (None, {"text": "[x] word"})


def test_a_files_url_is_read_afresh_when_it_is_downloaded() -> None:
    found = status_of(task(files=[PICTURE, VIDEO]))
    for output, expected in zip(found.outputs, (PICTURE, VIDEO), strict=True):
        fetch = VIDGO.fetch(REF, output).parse(reply(task(files=[PICTURE, VIDEO])))
        assert (fetch.url, fetch.kind, fetch.with_key) == (expected["file_url"], expected["file_type"], False)
    assert VIDGO.fetch(SONG, Output(index=0, kind="audio")).query == (("task_id", SONG.job_id),)


@pytest.mark.parametrize(
    ("body", "status", "raised"),
    [
        (task("failed"), 200, JobFailed),
        ({"detail": "Task not found"}, 404, JobGone),
        (task(files=[PICTURE]), 200, JobError),
        (task("running"), 200, JobError),
    ],
)
def test_a_file_that_is_not_there_is_not_another_one(body: dict, status: int, raised: type) -> None:
    assert isinstance(refused(VIDGO.fetch(REF, Output(index=0, kind="video")), reply(body, status)), raised)


def test_file_names_distinguish_songs_of_one_title() -> None:
    one = Output(index=1, kind="audio", title="Peace")
    assert VIDGO.file_stem(SONG, one) == "peace-8FDN1I7M7Q68DDG8-1"
    assert VIDGO.file_stem(REF, Output(index=0, kind="image")) == f"{TASK}-0"


@pytest.mark.parametrize("letter", ["x", "漢", "𠜎"])
def test_two_songs_of_one_long_title_are_two_files(letter: str) -> None:
    songs = [Output(index=index, kind="audio", title=letter * 80) for index in (0, 1)]
    names = [destination_path("/music/", VIDGO.file_stem(SONG, song), ".mp3").name for song in songs]
    assert [name[-23:] for name in names] == ["-8FDN1I7M7Q68DDG8-0.mp3", "-8FDN1I7M7Q68DDG8-1.mp3"]


def test_files_are_kept_for_a_day_after_our_own_time_of_purchase() -> None:
    assert lease_left(REF.with_params(bought_at=round(NOW)), round(NOW) + 3600) == LEASE - 3600
    assert lease_left(REF, NOW) is None
    assert lease_left(REF.with_params(bought_at="yesterday"), NOW) is None


# --- callbacks ------------------------------------------------------------------------------------

FLAT = {"task_id": TASK, "status": "finished", "files": [PICTURE], "error_message": None}


@pytest.mark.parametrize(
    "body",
    [FLAT, {"code": 200, "data": FLAT}, json.dumps(FLAT), json.dumps({"code": 200, "data": FLAT}).encode()],
    ids=["flat", "wrapped", "text", "bytes"],
)
def test_a_callback_is_understood_in_either_form(body: Any) -> None:
    job_id, status = parse_webhook(body)
    assert (job_id, status.state) == (TASK, JobState.READY)
    assert [one.kind for one in status.outputs] == ["image"]


def test_a_callback_of_a_song_and_of_a_failure() -> None:
    _, song = parse_webhook({"code": 200, "data": {**FLAT, "files": [TRACK]}})
    assert [one.kind for one in song.outputs] == ["audio", "image"]
    _, failed = parse_webhook({**FLAT, "status": "failed", "files": [], "error_message": "no"})
    assert (failed.state, failed.error) == (JobState.FAILED, f"no; {BY_ITS_DOCUMENTS}")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", "[]", {}, {"data": None}, {"task_id": TASK}, {"status": "finished"}, "[" * 9999, b"\xff"],
)
def test_what_is_no_callback_is_refused(body: Any) -> None:
    with pytest.raises(InputError, match="not what Vidgo sends"):
        parse_webhook(body)


# --- balance and uploads --------------------------------------------------------------------------


def test_the_balance_is_read_and_proves_the_key() -> None:
    answer = reply({"code": 200, "data": {"email": "a@b.c", "credits_amount": "17276"}})
    assert VIDGO.balance().parse(answer) == 17276.0
    assert VIDGO.check().parse(answer) == "Vidgo accepts the API key. The account has 17276 credits."
    failed = refused(VIDGO.check(), reply(error(401, "authentication_error", "Invalid API key"), 401))
    assert "Invalid API key" in str(failed)


UPLOADED = {
    "success": True,
    "code": 200,
    "data": {"file_url": "https://storage.vidgo.ai/temp/x.png", "file_name": "x.png", "file_size": "12"},
}


def test_uploads_go_by_their_two_ways_and_without_a_name() -> None:
    inline, fetched = VIDGO.upload("data:image/png;base64,AA=="), VIDGO.upload_from("https://x/a.png")
    assert (inline.path, inline.body) == (
        "/api/common/upload/base64",
        {"base64_data": "data:image/png;base64,AA=="},
    )
    assert (fetched.path, fetched.body) == ("/api/common/upload/url", {"file_url": "https://x/a.png"})
    found = inline.parse(reply(UPLOADED))
    assert (found.file_url, found.file_size) == ("https://storage.vidgo.ai/temp/x.png", 12)
    assert "https" not in repr(found)


def test_an_upload_over_the_limit_says_when_the_next_is_let_in() -> None:
    failed = refused(VIDGO.upload("x"), reply({"detail": "Rate limit exceeded"}, 429))
    assert isinstance(failed, ApiError)
    assert (failed.retryable, failed.retry_after) == (True, UPLOAD_PAUSE)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "Unsupported file type: video/mp4"}, "Unsupported file type: video/mp4"),
        (
            {"detail": [{"loc": ["body", "file"], "msg": "Field required", "type": "missing"}]},
            "file: Field required",
        ),
        (error(400, message="task_id is required"), "task_id is required"),
        ({"message": "something"}, "something"),
    ],
)
def test_errors_are_understood_in_both_shapes(body: dict, text: str) -> None:
    assert text in str(refused(VIDGO.upload("x"), reply(body, 422)))


def test_an_error_shows_no_url() -> None:
    failed = refused(submitted(), reply(error(400, message="cannot read https://x/a.png?sig=s3cr3t"), 400))
    assert "s3cr3t" not in str(failed)
