"""Venice's text about videos: chats and transcriptions."""

import base64
import json

import httpx
import pytest

WATCHES = "qwen3-vl-235b-a22b"


def chat(venice, *urls, **more) -> httpx.Response:
    parts = [{"type": "video_url", "video_url": {"url": url}} for url in urls]
    messages = [{"role": "user", "content": [{"type": "text", "text": "Transcribe this."}, *parts]}]
    return venice.http.post("/chat/completions", json={"model": WATCHES, "messages": messages, **more})


@pytest.fixture
def video(clip) -> str:
    return "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()


def test_a_chat_about_a_video_answers_its_transcript_and_costs_something(sandbox, venice, video):
    answer = chat(venice, video).json()
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert "3.0 seconds" in choice["message"]["content"]
    (entry,) = sandbox.control.purchases("venice", "chat")
    assert 0 < entry["amount"] < 0.01
    assert entry["job_id"] == answer["id"]
    assert "base64,…" in json.dumps(entry["request"], ensure_ascii=False)


def test_a_chat_can_answer_in_json(venice, video):
    form = {"type": "json_schema", "json_schema": {"name": "transcript", "schema": {}}}
    content = chat(venice, video, response_format=form).json()["choices"][0]["message"]["content"]
    assert set(json.loads(content)) == {"transcript", "lang"}


def test_a_page_with_a_video_in_it_is_transcribed_too(venice):
    assert chat(venice, "http://127.0.0.1:1/watch").json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"model": "nonsense"}, 404),
        ({"model": "wan-2.6-text-to-video"}, 404),
        ({"model": "venice-uncensored"}, 400),
        ({"messages": []}, 400),
        ({"stream": True}, 400),
    ],
)
def test_a_wrong_chat_is_refused(sandbox, venice, video, more, status):
    assert chat(venice, video, **more).status_code == status
    assert sandbox.control.purchases() == []


@pytest.mark.parametrize("url", ["data:video/mp4;base64,AAAA", "video.mp4", None])
def test_a_video_that_cannot_be_read_is_refused(venice, url):
    assert chat(venice, url).status_code == 400


def test_a_chat_needs_money(sandbox, venice, video):
    sandbox.control.balance("venice", "a-key", 0)
    assert chat(venice, video).status_code == 402


def test_the_catalogue_says_which_chat_model_accepts_video(venice):
    rows = venice.http.get("/models").json()["data"]
    watching = [row["id"] for row in rows if row["model_spec"]["capabilities"]["supportsVideoInput"]]
    assert watching == [WATCHES]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer a-key"}])
def test_transcriptions_are_retired(sandbox, headers):
    answer = httpx.post(
        sandbox.url + "/venice/api/v1/video/transcriptions", json={"url": "https://a/b"}, headers=headers
    )
    assert answer.status_code == 410
    assert answer.headers["deprecation"] == "true"
    assert answer.headers["link"].startswith('</api/v1/chat/completions>; rel="successor-version"')


def test_transcriptions_may_still_answer(sandbox, venice, video):
    sandbox.control.settings(venice={"transcriptions": "live"})
    answer = venice.http.post("/video/transcriptions", json={"url": video})
    assert set(answer.json()) == {"transcript", "lang"}
    text = venice.http.post("/video/transcriptions", json={"url": video, "response_format": "text"})
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text == answer.json()["transcript"]
    assert [one["amount"] for one in sandbox.control.purchases("venice", "transcription")] == [0.02, 0.02]
    for wrong in ({}, {"url": "x"}, {"url": video, "response_format": "srt"}, {"url": video, "lang": "en"}):
        assert venice.http.post("/video/transcriptions", json=wrong).status_code == 400
    url = sandbox.url + "/venice/api/v1/video/transcriptions"
    assert httpx.post(url, json={"url": video}).status_code == 402
