"""Vizard in the sandbox: what is on the wire, code by code, and the clips that it really cuts."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import av
import httpx
import pytest

from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sandbox.server import Sandbox
from tests.support.raw import RawServer, answer
from tests.support.videos import talk
from tests.support.web import web


class Vizard:
    """Plain calls to the sandbox's Vizard."""

    def __init__(self, url: str, key: str = "a-key") -> None:
        base = f"{url}/vizard/hvizard-server-front/open-api/v1"
        self.http = httpx.Client(base_url=base, headers={"VIZARDAI_API_KEY": key}, timeout=20)

    def create(self, url: str, **changes: Any) -> dict[str, Any]:
        request = {"lang": "en", "videoUrl": url, "videoType": 1, "ext": "mp4", "preferLength": [0]}
        body = {name: value for name, value in {**request, **changes}.items() if value is not ...}
        return self.post("create", body)

    def post(self, call: str, body: Any) -> dict[str, Any]:
        response = self.http.post(f"/project/{call}", json=body)
        assert response.status_code == 200
        return dict(response.json())

    def query(self, project: Any) -> dict[str, Any]:
        return dict(self.http.get(f"/project/query/{project}").raise_for_status().json())

    def done(self, url: str, **changes: Any) -> dict[str, Any]:
        """Buy a project, and wait for its end."""
        created = self.create(url, **changes)
        assert created["code"] == 2000, created
        deadline = time.monotonic() + 60
        while (found := self.query(created["projectId"]))["code"] == 1000:
            assert found["videos"] == []
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    sandbox.control.settings(vizard={"creates_per_minute": 0, "creates_per_hour": 0})
    return sandbox.control


@pytest.fixture
def vizard(sandbox: Sandbox, control: Control) -> Iterator[Vizard]:
    vizard = Vizard(sandbox.url)
    yield vizard
    vizard.http.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    talk(folder / "talk.mp4", 100)
    talk(folder / "short.mp4", 8)
    talk(folder / "silent.mp4", 8, quiet=True)
    talk(folder / "fourminutes.mp4", 240, quiet=True, size=(32, 18))
    (folder / "broken.mp4").write_bytes(b"no video")
    with web(folder) as url:
        yield url


def keep(video: dict[str, Any], path: Path) -> Path:
    path.write_bytes(httpx.get(video["videoUrl"]).raise_for_status().content)
    return path


# --- the clips ------------------------------------------------------------------------------------

LENGTHS = {1: (10, 30), 2: (30, 60), 3: (60, 90), 4: (90, 180)}


@pytest.mark.parametrize("asked", LENGTHS)
def test_clips_are_as_long_as_asked_and_play(vizard: Vizard, site: str, tmp_path: Path, asked: int) -> None:
    least, most = LENGTHS[asked]
    videos = vizard.done(f"{site}/talk.mp4", preferLength=[asked], maxClipNumber=2)["videos"]
    if asked == 4:
        assert videos == [], "nothing of more than a hundred seconds is in a hundred"
        return
    for video in videos:
        assert least * 1000 <= video["videoMsDuration"] <= most * 1000
    with av.open(str(keep(videos[0], tmp_path / "clip.mp4"))) as container:
        frames = sum(1 for _ in container.decode(video=0))
        assert frames == pytest.approx(videos[0]["videoMsDuration"] / 100, abs=2), "ten in a second"
        assert len(container.streams.audio) == 1


@pytest.mark.parametrize(("ratio", "aspect"), [(1, 9 / 16), (2, 1), (3, 4 / 5), (4, 16 / 9)])
def test_clips_have_the_asked_for_aspect(
    vizard: Vizard, site: str, tmp_path: Path, ratio: int, aspect: float
) -> None:
    videos = vizard.done(f"{site}/short.mp4", ratioOfClip=ratio, maxClipNumber=1)["videos"]
    with av.open(str(keep(videos[0], tmp_path / "clip.mp4"))) as container:
        picture = container.streams.video[0]
        assert picture.width / picture.height == pytest.approx(aspect, abs=0.06)


def test_the_best_clip_is_where_most_happens_and_no_two_overlap(vizard: Vizard, site: str) -> None:
    videos = vizard.done(f"{site}/talk.mp4", preferLength=[1], maxClipNumber=4)["videos"]
    scores = [float(video["viralScore"]) for video in videos]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    spans = sorted(tuple(map(int, re.findall(r"second (\d+)", video["transcript"]))) for video in videos)
    assert max(end for _, end in spans) >= 95, "it moves and sounds most at the end"
    assert all(before[1] <= after[0] + 1 for before, after in itertools.pairwise(spans))


def test_a_query_signs_again_and_an_old_url_expires(vizard: Vizard, site: str, control: Control) -> None:
    control.settings(vizard={"url_ttl": 0.2})
    done = vizard.done(f"{site}/short.mp4", maxClipNumber=1)
    first = done["videos"][0]["videoUrl"]
    time.sleep(0.3)
    assert httpx.get(first).status_code == 403
    control.settings(vizard={"url_ttl": 60})
    assert httpx.get(vizard.query(done["projectId"])["videos"][0]["videoUrl"]).status_code == 200


def test_a_clips_url_is_formed_as_the_vendors_cdn_forms_them_and_opens_nothing_else(
    vizard: Vizard, site: str, control: Control
) -> None:
    control.settings(vizard={"url_ttl": 600})
    before = time.time()
    first, other = (
        one["videoUrl"]
        for one in vizard.done(f"{site}/talk.mp4", preferLength=[1], maxClipNumber=2)["videos"]
    )
    parts = urlsplit(first)
    assert re.fullmatch(r"/storage/vizard/video/export/20\d{6}/1786\d+-[0-9a-f]{32}\.mp4", parts.path), (
        parts.path
    )
    assert [name for name, _ in parse_qsl(parts.query)] == ["Expires", "Signature", "Key-Pair-Id"]
    query = dict(parse_qsl(parts.query))
    assert before + 600 <= int(query["Expires"]) <= time.time() + 601
    assert re.fullmatch(r"[\w~-]+", query["Signature"])

    assert httpx.get(first).content[4:8] == b"ftyp"
    assert httpx.get(first, headers={"Range": "bytes=0-3"}).status_code == 206
    later = first.replace(f"Expires={query['Expires']}", f"Expires={int(query['Expires']) + 9}")
    signature = query["Signature"]
    wrong = [
        later,
        f"{other.partition('?')[0]}?{parts.query}",
        first.replace(signature, signature[:-8] + "AAAAAAA_"),
        first.replace(signature, "%C3%A9"),
        first.partition("?")[0],
    ]
    assert [httpx.get(url).status_code for url in wrong] == [403] * len(wrong)
    assert httpx.put(first, content=b"x").status_code == 403


def test_what_is_not_a_file_is_stood_in_for(vizard: Vizard, control: Control, tmp_path: Path) -> None:
    control.settings(vizard={"footage": str(talk(tmp_path / "any.mp4", 8))})
    done = vizard.done("https://www.youtube.com/watch?v=abc", videoType=2, ext=..., maxClipNumber=1)
    assert len(done["videos"]) == 1


def test_edit_mode_gives_the_whole_video_once(vizard: Vizard, site: str, control: Control) -> None:
    (video,) = vizard.done(f"{site}/short.mp4", getClips=0, preferLength=...)["videos"]
    assert video["videoMsDuration"] == pytest.approx(8000, abs=200)
    assert "viralScore" not in video
    assert control.purchases("vizard")[0]["kind"] == "edit"


# --- the wire -------------------------------------------------------------------------------------


def test_the_fields_are_the_documented_ones(vizard: Vizard, site: str) -> None:
    created = vizard.create(f"{site}/short.mp4")
    assert set(created) == {"code", "projectId", "shareLink", "errMsg"}
    assert isinstance(created["projectId"], int)
    done = vizard.done(f"{site}/short.mp4", projectName="A talk", maxClipNumber=1)
    assert done["projectName"] == "A talk"
    (video,) = done["videos"]
    assert {name: type(value) for name, value in video.items()} == {
        "videoId": int,
        "videoUrl": str,
        "videoMsDuration": int,
        "title": str,
        "transcript": str,
        "viralScore": str,
        "viralReason": str,
        "relatedTopic": str,
        "clipEditorUrl": str,
    }
    assert isinstance(json.loads(video["relatedTopic"]), list)


def test_lengths_may_be_the_text_of_a_list(vizard: Vizard, site: str) -> None:
    assert vizard.create(f"{site}/short.mp4", preferLength="[0]")["code"] == 2000


WRONG = [
    ({"lang": ...}, -1000),
    ({"videoUrl": ...}, -1000),
    ({"videoType": ...}, 4006),
    ({"videoType": "1"}, 4006),
    ({"videoType": 8}, 4006),
    ({"videoType": 15}, 4006),
    ({"videoType": 2}, 4009),
    ({"videoUrl": "ftp://x/a.mp4"}, 4009),
    ({"videoUrl": "nothing"}, 4009),
    ({"ext": ...}, 4006),
    ({"ext": "mkv"}, 4004),
    ({"preferLength": ...}, 4006),
    ({"preferLength": [0, 1]}, 4006),
    ({"preferLength": [5]}, 4006),
    ({"preferLength": []}, 4006),
    ({"preferLength": "auto"}, 4006),
    ({"ratioOfClip": 5}, 4006),
    ({"maxClipNumber": 0}, 4006),
    ({"maxClipNumber": 101}, 4006),
    ({"templateId": "x"}, 4006),
    ({"getClips": 2}, 4006),
    ({"subtitleSwitch": 2}, 4006),
    ({"emojiSwitch": "on"}, 4006),
    ({"clipModel": "clip_v9"}, 4006),
    ({"webhookUrl": "nowhere"}, 4006),
    ({"keywords": 5}, 4006),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_a_wrong_project_is_refused_by_its_code_and_costs_nothing(
    vizard: Vizard, site: str, control: Control, changes: dict[str, Any], code: int
) -> None:
    refusal = vizard.create(f"{site}/short.mp4", **changes)
    assert refusal["code"] == code
    assert refusal["errMsg"]
    assert "projectId" not in refusal
    assert control.purchases("vizard") == []


def test_invalid_json_is_an_invalid_parameter(vizard: Vizard) -> None:
    assert vizard.http.post("/project/create", content=b"{").json()["code"] == -1000


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("none.mp4", {}, 4008),
        ("broken.mp4", {}, 4005),
        ("fourminutes.mp4", {"getClips": 0}, 4005),
        ("short.mp4", {"keywords": "zebra"}, 2000),
    ],
)
def test_a_query_says_what_is_wrong_with_a_source(
    vizard: Vizard, site: str, name: str, changes: dict[str, Any], code: int
) -> None:
    done = vizard.done(f"{site}/{name}", **changes)
    assert (done["code"], done["videos"]) == (code, [])


@pytest.mark.parametrize("code", [4002, 4004, 4007, 4010, 4999])
def test_any_end_can_be_ordered(vizard: Vizard, site: str, control: Control, code: int) -> None:
    control.fault("vizard", "create", "fail_job", word=str(code))
    assert vizard.done(f"{site}/short.mp4")["code"] == code


@pytest.mark.parametrize(
    "call", ["create", "query", "social_accounts", "ai_social", "publish_video", "publish"]
)
def test_any_call_can_be_answered_with_any_code(
    vizard: Vizard, site: str, control: Control, call: str
) -> None:
    control.fault("vizard", call, "code", code=4321, message="words")
    path = {"query": "query/1", "social_accounts": "social-accounts"}.get(call)
    reported = vizard.http.get(f"/project/{path}").json() if path else vizard.post(call.replace("_", "-"), {})
    assert reported == {"code": 4321, "errMsg": "words"}


def test_without_a_good_key_everything_is_4001(vizard: Vizard, control: Control) -> None:
    del vizard.http.headers["VIZARDAI_API_KEY"]
    assert vizard.create("https://x/a.mp4")["code"] == 4001
    assert vizard.query(1)["code"] == 4001
    vizard.http.headers["Authorization"] = "Bearer a-key"
    assert vizard.query(1)["code"] == 4001, "there is no such scheme"


def test_another_accounts_project_and_a_deleted_one_are_not_there(
    sandbox: Sandbox, vizard: Vizard, site: str, control: Control
) -> None:
    project = vizard.done(f"{site}/short.mp4", maxClipNumber=1)["projectId"]
    assert Vizard(sandbox.url, "another-key").query(project)["code"] == 4006
    control.advance(8 * 86_400)
    assert vizard.query(project)["code"] == 4006


# --- limits and money -----------------------------------------------------------------------------


def test_three_projects_in_a_minute_and_twenty_in_an_hour_of_the_sandboxs_time(
    vizard: Vizard, site: str, control: Control
) -> None:
    control.settings(speed=0, vizard={"creates_per_minute": 3, "creates_per_hour": 20})
    wrong = {"videoType": ...}  # whatever a request asks for, it counts
    codes = []
    for _ in range(8):
        codes += [vizard.create(f"{site}/short.mp4", **wrong)["code"] for _ in range(4)]
        control.advance(61)
    assert codes[:24] == [4006, 4006, 4006, 4003] * 6
    assert codes[24:] == [4006, 4006, 4003, 4003, *[4003] * 4], "the twenty-first has to wait for the hour"
    control.advance(3600)
    assert vizard.create(f"{site}/short.mp4", **wrong)["code"] == 4006


def test_a_minute_of_source_costs_a_credit_and_a_quarter_more_by_the_second_model(
    vizard: Vizard, site: str, control: Control
) -> None:
    for model in ("clip_v1", "clip_v2"):
        vizard.done(f"{site}/talk.mp4", clipModel=model, preferLength=[4])
    first, second = (one["amount"] for one in control.purchases("vizard"))
    assert first == pytest.approx(100 / 60, abs=0.05)
    assert second == pytest.approx(first * 1.25, abs=0.001)
    assert control.balance("vizard", "a-key") == pytest.approx(6000 - first - second, abs=0.01)


def test_an_account_without_credits_buys_nothing(vizard: Vizard, site: str, control: Control) -> None:
    control.balance("vizard", "a-key", 0)
    assert vizard.create(f"{site}/short.mp4")["code"] == 4007
    control.balance("vizard", "a-key", 0.01)
    assert vizard.done(f"{site}/short.mp4")["code"] == 4007


# --- the webhook ----------------------------------------------------------------------------------


def _received(server: RawServer, count: int = 1) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    while len(server.requests) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [json.loads(request.body) for request in server.requests]


@pytest.mark.parametrize("word", [None, "4002"])
def test_a_webhook_gets_the_querys_answer_once_and_unsigned(
    vizard: Vizard, site: str, control: Control, word: str | None
) -> None:
    server = RawServer(answer(500))
    if word:
        control.fault("vizard", "create", "fail_job", word=word)
    done = vizard.done(f"{site}/short.mp4", webhookUrl=f"{server.url}/hook", maxClipNumber=1)
    (reported,) = _received(server)
    time.sleep(0.3)
    server.close()
    assert len(server.requests) == 1, "a failed delivery is not repeated"
    request = server.requests[0]
    assert (request.method, request.target) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert not [name for name in request.headers if "sign" in name or "vizard" in name]
    for one in (reported, done):
        for video in one["videos"]:
            video["videoUrl"] = video["videoUrl"].partition("?")[0]
    assert reported == done


def test_a_workspaces_webhook_is_called_for_every_project(
    vizard: Vizard, site: str, control: Control
) -> None:
    server = RawServer(answer(200, keep=False))
    control.settings(vizard={"webhook_url": server.url})
    ids = {vizard.done(f"{site}/short.mp4", maxClipNumber=1)["projectId"] for _ in range(2)}
    assert {one["projectId"] for one in _received(server, 2)} == ids
    server.close()


# --- captions and publishing ------------------------------------------------------------------------


@pytest.fixture
def clip(vizard: Vizard, site: str) -> int:
    return int(vizard.done(f"{site}/short.mp4", maxClipNumber=1)["videos"][0]["videoId"])


def test_a_caption_is_in_the_asked_for_tone_with_a_title_for_youtube_only(vizard: Vizard, clip: int) -> None:
    plain = vizard.post("ai-social", {"finalVideoId": clip})
    asked = {"finalVideoId": clip, "aiSocialPlatform": 4, "tone": 4, "voice": 1}
    assert set(plain) == {"code", "aiSocialContent", "errMsg"}
    youtube = vizard.post("ai-social", asked)
    assert set(youtube) == {"code", "aiSocialContent", "aiSocialTitle", "errMsg"}
    assert youtube["aiSocialContent"] != plain["aiSocialContent"]
    for wrong in ({"aiSocialPlatform": 8}, {"tone": 5}, {"voice": 2}):
        assert vizard.post("ai-social", {"finalVideoId": clip, **wrong})["code"] == 4006
    assert vizard.post("ai-social", {"finalVideoId": 1})["code"] == 4006
    assert vizard.post("ai-social", {})["code"] == -1000


def test_where_nothing_is_said_there_is_no_caption(vizard: Vizard, site: str) -> None:
    silent = vizard.done(f"{site}/silent.mp4", maxClipNumber=1)["videos"][0]["videoId"]
    assert vizard.post("ai-social", {"finalVideoId": silent})["code"] == 4002


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 2000),
        ({"publishTime": 1_999_999_999_000, "title": "t"}, 2000),
        ({"socialAccountId": ...}, -1000),
        ({"socialAccountId": 7000}, -1000),
        ({"socialAccountId": "1"}, 4011),
        ({"socialAccountId": "7003"}, 4011),
        ({"socialAccountId": "7004"}, 4004),
        ({"finalVideoId": ...}, -1000),
        ({"finalVideoId": 12}, 4006),
        ({"publishTime": "soon"}, 4006),
        ({"post": "x" * 2201}, 4006),
        ({"title": "x" * 101}, 4006),
    ],
)
def test_publishing_is_accepted_or_refused_by_its_code(
    vizard: Vizard, clip: int, control: Control, changes: dict[str, Any], code: int
) -> None:
    request = {"finalVideoId": clip, "socialAccountId": "7000", "post": "", **changes}
    body = {name: value for name, value in request.items() if value is not ...}
    assert vizard.post("publish-video", body)["code"] == code
    assert len(control.purchases("vizard", "publish")) == (code == 2000)


def test_a_post_on_x_with_a_url_costs_ten_credits(vizard: Vizard, clip: int, control: Control) -> None:
    for post in ("no link", "see https://example.com"):
        vizard.post("publish-video", {"finalVideoId": clip, "socialAccountId": "7002", "post": post})
    assert [one["amount"] for one in control.purchases("vizard", "publish")] == [0, 10]


def test_the_older_call_publishes_too(vizard: Vizard, clip: int, control: Control) -> None:
    assert vizard.post("publish", {"finalVideoId": clip})["code"] == 2000
    assert len(control.purchases("vizard", "publish")) == 1


def test_the_first_generation_had_two_calls(vizard: Vizard, control: Control) -> None:
    control.settings(vizard={"generation": "2024"})
    assert vizard.http.get("/project/social-accounts").status_code == 404
    assert vizard.http.post("/project/publish-video", json={}).status_code == 404
