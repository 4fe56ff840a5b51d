"""Venice's calls, as its fact sheet says."""

import base64
import json
import re
import time

import httpx
import pytest
from footage import pictures

PAID = [
    ("POST", "/video/queue"),
    ("POST", "/video/retrieve"),
    ("POST", "/video/complete"),
    ("POST", "/chat/completions"),
]


def money(sandbox) -> list[tuple[str, float, bool]]:
    return [(one["kind"], one["amount"], one["refunded"]) for one in sandbox.control.purchases("venice")]


# --- the reference exchange


def test_the_reference_exchange_of_the_fact_sheet(sandbox, venice):
    sandbox.control.settings(speed=0)
    fields = {"model": venice.MODEL, "duration": "5s", "resolution": "720p", "aspect_ratio": "16:9"}
    quoted = venice.http.post("/video/quote", json=fields)
    assert (quoted.status_code, quoted.json()) == (200, {"quote": 0.55})
    queued = venice.http.post("/video/queue", json={**fields, "prompt": "…", "audio": True})
    job = queued.json()
    assert queued.status_code == 200
    assert job == {"model": venice.MODEL, "queue_id": job["queue_id"]}
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", job["queue_id"]
    )
    sandbox.control.advance(53.2)
    assert venice.retrieve(job, delete_media_on_completion=False).json() == {
        "status": "PROCESSING",
        "average_execution_time": 145000,
        "execution_duration": 53200,
    }
    sandbox.control.advance(100)
    videos = [venice.settled(job), venice.retrieve(job)]
    for video in videos:
        assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
        assert video.content[4:8] == b"ftyp"
    assert videos[0].content == videos[1].content
    assert money(sandbox) == [("generate", 0.55, False)]


def test_a_link_model_returns_its_link_once_and_delivers_there(sandbox, venice):
    sandbox.control.settings(speed=0)
    job = venice.bought(model=venice.LINKED)
    link = job["download_url"]
    assert "/storage/private-share/v1/share/read/" in link
    assert httpx.get(link).status_code == 404
    assert venice.retrieve(job).json()["status"] == "PROCESSING"
    sandbox.control.advance(60)
    assert venice.settled(job).json() == {"status": "COMPLETED"}
    video = httpx.get(link)
    assert (video.status_code, video.headers["content-type"], video.content[4:8]) == (
        200,
        "video/mp4",
        b"ftyp",
    )
    assert "accept-ranges" not in video.headers


# --- keys


@pytest.mark.parametrize(("method", "path"), PAID)
def test_without_any_key_a_paid_call_offers_to_pay_from_a_wallet(sandbox, method, path):
    answer = httpx.request(method, sandbox.url + "/venice/api/v1" + path, json={})
    assert answer.status_code == 402
    assert json.loads(base64.b64decode(answer.headers["payment-required"])) == answer.json()
    assert answer.json()["x402Version"]


@pytest.mark.parametrize("header", ["Bearer", "Basic a-key", "Bearer wrong"])
@pytest.mark.parametrize(("method", "path"), PAID)
def test_a_bad_key_is_refused(sandbox, method, path, header):
    sandbox.control.accept_only("venice", ["a-key"])
    url = sandbox.url + "/venice/api/v1" + path
    answer = httpx.request(method, url, json={}, headers={"authorization": header})
    assert (answer.status_code, answer.json()) == (401, {"error": "Authentication failed"})


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_models_and_quotes_need_no_key(sandbox, venice, headers):
    sandbox.control.accept_only("venice", ["a-key"])
    base = sandbox.url + "/venice/api/v1"
    assert httpx.get(base + "/models", headers=headers).status_code == 200
    assert httpx.post(base + "/video/quote", json=venice.order(), headers=headers).json() == {"quote": 0.55}


def test_a_quote_for_an_upscale_does_need_a_key(sandbox, venice, clip):
    fields = {"model": "topaz-video-upscale", "video_url": data_uri(clip)}
    assert httpx.post(sandbox.url + "/venice/api/v1/video/quote", json=fields).status_code == 403
    assert venice.http.post("/video/quote", json=fields).json() == {"quote": 0.04}


def data_uri(path, kind="video/mp4") -> str:
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def test_a_closed_account_gets_its_answer_on_every_call(sandbox, venice):
    sandbox.control.close_account("venice", "a-key", 403, {"error": "API access has been disabled"})
    job = {"model": venice.MODEL, "queue_id": "x"}
    for answer in (venice.queue(), venice.retrieve(job), venice.complete(job), venice.quote()):
        assert (answer.status_code, answer.json()) == (403, {"error": "API access has been disabled"})


def test_jobs_of_another_account_are_not_there(venice, other_venice):
    job = venice.bought()
    answer = other_venice.retrieve(job)
    assert (answer.status_code, answer.json()) == (400, {"error": "Request ID is invalid."})


# --- bodies


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_must_be_called_json(venice, kind):
    headers = {"content-type": kind} if kind else {}
    answer = venice.http.post("/video/queue", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "'Content-Type' must be 'application/json'")


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":'])
def test_a_body_must_be_json(venice, body):
    answer = venice.http.post("/video/queue", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid JSON request"})


def test_a_body_must_be_an_object(venice):
    answer = venice.http.post("/video/queue", json=[])
    assert answer.status_code == 400
    assert answer.json()["issues"][0]["message"] == "Expected object, received array"


def test_a_body_must_not_be_too_large(sandbox, venice):
    image = "data:image/png;base64," + "A" * 35_000_000
    answer = venice.queue(model="wan-2.6-image-to-video", aspect_ratio=..., image_url=image)
    assert answer.status_code == 413
    assert answer.json() == {
        "code": "PAYLOAD_TOO_LARGE",
        "error": "Request body exceeds the maximum allowed size.",
    }
    assert money(sandbox) == []


# --- the catalogue


def test_the_catalogue_lists_text_models_unless_asked_for_videos(venice):
    assert {row["type"] for row in venice.http.get("/models").json()["data"]} == {"text"}
    videos = venice.http.get("/models", params={"type": "video"}).json()
    assert videos["type"] == "video"
    assert {row["type"] for row in videos["data"]} == {"video"}
    everything = venice.http.get("/models", params={"type": "all"}).json()["data"]
    assert {row["type"] for row in everything} == {"text", "video"}
    assert venice.http.get("/models", params={"type": "music"}).json()["data"] == []
    assert venice.http.get("/models", params={"type": "nonsense"}).status_code == 400


def test_a_row_says_what_the_model_takes(venice):
    rows = venice.http.get("/models", params={"type": "video"}).json()["data"]
    spec = next(row["model_spec"] for row in rows if row["id"] == venice.MODEL)
    assert "pricing" not in spec
    constraints = spec["constraints"]
    assert constraints["durations"] == ["5s", "10s", "15s"]
    assert constraints["resolutions"] == ["1080p", "720p"]
    assert constraints["aspect_ratios"] == ["16:9", "9:16", "1:1"]
    assert (constraints["audio"], constraints["audio_configurable"]) == (True, True)


def test_every_listed_model_can_be_bought_as_the_catalogue_says(sandbox, venice, clip, tmp_path):
    sandbox.control.settings(speed=0)
    picture = "data:image/png;base64,"
    sources = {
        "image_url": picture,
        "video_url": data_uri(clip),
        "reference_image_urls": [picture],
        "elements": [{"frontal_image_url": picture}],
    }
    for row in venice.http.get("/models", params={"type": "video"}).json()["data"]:
        says = row["model_spec"]["constraints"]
        order = {"model": row["id"], "prompt": "A cat"}
        if row["id"] == "topaz-video-upscale":
            del order["prompt"]
        for name, values in (("duration", "durations"), ("aspect_ratio", "aspect_ratios")):
            if says[values] and says[values] != ["Auto"]:
                order[name] = says[values][0]
        answers = [venice.http.post("/video/queue", json=order)]
        answers += [venice.http.post("/video/queue", json={**order, name: sources[name]}) for name in sources]
        wanted = 503 if row["model_spec"]["offline"] else 200
        assert wanted in {answer.status_code for answer in answers}, (row["id"], answers[-1].text)


# --- prices


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, 0.55),
        ({"duration": "10s"}, 1.10),
        ({"duration": "15s"}, 1.65),
        ({"resolution": "1080p"}, 0.83),
        ({"resolution": "1080p", "duration": "10s"}, 1.65),
        ({"resolution": "1080p", "duration": "15s"}, 2.48),
        ({"resolution": ...}, 0.83),
        ({"model": "wan-3-0-text-to-video", "resolution": "480p"}, 0.33),
        ({"model": "wan-3-0-text-to-video"}, 0.65),
        ({"model": "wan-3-0-text-to-video", "resolution": "1080p", "duration": "30s"}, 7.80),
        ({"model": "kling-2.6-pro-text-to-video", "audio": False}, 0.35),
        ({"model": "kling-2.6-pro-text-to-video"}, 0.44),
        ({"seed": 7, "prompt": 5, "image_url": 1}, 0.55),
        ({"model": "kling-2.6-pro-image-to-video", "audio": False, "image_url": "data:,"}, 0.35),
    ],
)
def test_prices_are_the_published_ones_and_a_quote_drops_what_it_does_not_use(venice, fields, usd):
    assert venice.quote(**fields).json() == {"quote": usd}


def test_what_a_quote_says_is_charged(sandbox, venice):
    for fields in ({}, {"duration": "10s"}, {"model": "kling-2.6-pro-text-to-video", "resolution": ...}):
        quoted = venice.quote(**fields).json()["quote"]
        venice.bought(**fields)
        assert money(sandbox)[-1] == ("generate", quoted, False)


def test_a_quote_lists_the_durations(venice):
    wrong = venice.quote(duration="7s")
    assert wrong.status_code == 400
    assert wrong.json()["issues"][0]["options"] == ["5s", "10s", "15s"]
    without = venice.quote(duration=...)
    assert without.json()["issues"][0]["expected"] == "'5s' | '10s' | '15s'"


def test_reference_videos_cost_more_than_a_quote_without_their_length_says(sandbox, venice, clip):
    fields = {
        "model": "seedance-2-5-reference-to-video-basic",
        "duration": "auto",
        "reference_video_urls": [data_uri(clip)],
        "audio": False,
    }
    low = venice.quote(**fields).json()["quote"]
    true = venice.quote(**fields, reference_video_total_duration=3).json()["quote"]
    assert low < true
    venice.bought(**fields)
    assert money(sandbox) == [("generate", true, False)]


# --- buying


def test_a_purchase_is_taken_from_the_balance_and_refused_without_one(sandbox, venice, other_venice):
    assert sandbox.control.balance("venice", "a-key", 1.0) == 1.0
    answer = venice.queue()
    assert answer.headers["x-venice-balance-usd"] == "1.00"
    assert sandbox.control.balance("venice", "a-key") == 0.45
    poor = venice.queue()
    assert poor.status_code == 402
    assert poor.json()["error"].startswith("Insufficient USD or Diem balance to complete request.")
    assert len(money(sandbox)) == 1
    assert other_venice.queue().status_code == 200
    sandbox.control.balance("venice", "a-key", 5)
    assert venice.queue().status_code == 200
    assert sandbox.control.balance("venice", "a-key") == 4.45


def test_the_book_keeps_neither_media_nor_signatures(sandbox, venice):
    venice.bought(
        model="kling-2.6-pro-image-to-video",
        aspect_ratio=...,
        resolution=...,
        image_url="data:image/png;base64,AAAA",
        end_image_url="http://127.0.0.1:1/a.png?signature=secret",
    )
    (entry,) = sandbox.control.purchases()
    assert entry["request"]["image_url"] == "data:image/png;base64,… (26 characters)"
    assert entry["request"]["end_image_url"] == "http://127.0.0.1:1/a.png"


def test_links_are_not_in_the_log(sandbox, venice):
    link = venice.bought(model=venice.LINKED)["download_url"]
    httpx.get(link)
    reported = httpx.get(sandbox.url + "/sandbox/calls").text + httpx.get(sandbox.url + "/sandbox/book").text
    assert "share/read" in reported
    assert link.rsplit("/", 1)[1] not in reported


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("nonsense", 404, "Specified model not found: nonsense"),
        (..., 400, "model is required"),
        (5, 400, "model must be a string"),
        ("wan-2.5-preview-text-to-video", 503, "The model is temporarily offline. Please try again later."),
    ],
)
def test_a_model_must_be_there(sandbox, venice, name, status, text):
    answer = venice.queue(model=name)
    assert answer.status_code == status
    assert text in answer.text
    assert money(sandbox) == []


def test_a_missing_model_may_be_a_404(sandbox, venice):
    sandbox.control.settings(venice={"missing_model": "404"})
    answer = venice.http.post("/video/retrieve", json={"queue_id": "x"})
    assert (answer.status_code, answer.json()) == (404, {"error": "Model is required"})


def test_faces_need_consent(sandbox, venice):
    order = {
        "model": "seedance-2-0-image-to-video",
        "aspect_ratio": ...,
        "image_url": "data:,",
        "end_image_url": "data:,",
    }
    answer = venice.queue(**order)
    assert answer.status_code == 409
    body = answer.json()
    assert body["error"]["code"] == "needs_consent"
    assert body["face_media_roles"] == ["image", "end_image"]
    assert set(body["consent"]) == {"consent_version", "policy_text"}
    assert money(sandbox) == []
    consents = dict.fromkeys(
        ("confirmed_terms_and_privacy", "confirmed_legal_right", "confirmed_screening_acknowledged"), True
    )
    for wrong in ({**consents, "more": True}, {**consents, "confirmed_legal_right": False}, {}):
        assert venice.queue(**order, consents={"seedance": wrong}).status_code == 400
    assert venice.queue(**order, consents={"seedance": consents}).status_code == 200


# --- retrieving


def test_a_poll_that_deletes_does_so_only_with_the_video(sandbox, venice):
    sandbox.control.settings(speed=0)
    job = venice.bought()
    assert venice.retrieve(job, delete_media_on_completion=True).json()["status"] == "PROCESSING"
    sandbox.control.advance(200)
    venice.settled(job)
    assert venice.retrieve(job, delete_media_on_completion=True).content[4:8] == b"ftyp"
    answer = venice.retrieve(job)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("Media could not be found.")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"queue_id": 5},
        {"queue_id": "x", "extra": 1},
        {"queue_id": "x", "delete_media_on_completion": "yes"},
    ],
)
def test_retrieve_takes_exactly_its_fields(venice, fields):
    answer = venice.http.post("/video/retrieve", json={"model": venice.MODEL, **fields})
    assert answer.status_code == 400
    assert answer.json()["error"] == "Invalid request parameters"


def test_ids_that_are_unknown_or_of_another_model_are_invalid(venice):
    job = venice.bought()
    for wrong in ({**job, "queue_id": "x"}, {**job, "model": venice.LINKED}):
        for answer in (venice.retrieve(wrong), venice.complete(wrong)):
            assert (answer.status_code, answer.json()) == (400, {"error": "Request ID is invalid."})


def test_after_a_day_everything_is_gone(sandbox, venice):
    sandbox.control.settings(speed=0)
    inline, linked = venice.bought(), venice.bought(model=venice.LINKED)
    sandbox.control.advance(24 * 3600 - 1)
    venice.settled(inline)
    venice.settled(linked)
    assert httpx.get(linked["download_url"]).status_code == 200
    sandbox.control.advance(1)
    for job in (inline, linked):
        assert (venice.retrieve(job).status_code, venice.retrieve(job).json()["error"]) == (
            400,
            "Request ID is invalid.",
        )
    assert httpx.get(linked["download_url"]).status_code == 410


def test_completed_may_come_with_times(sandbox, venice):
    sandbox.control.settings(venice={"completed_times": True})
    answer = venice.settled(venice.bought(model=venice.LINKED)).json()
    assert set(answer) == {"status", "average_execution_time", "execution_duration"}


def test_times_are_real_milliseconds(sandbox, venice):
    sandbox.control.settings(speed=10)
    job = venice.bought()
    assert venice.retrieve(job).json()["average_execution_time"] == 14500


@pytest.mark.parametrize("model", ["inline", "link", "url"])
def test_any_delivery_can_be_chosen_for_any_model(sandbox, venice, model):
    sandbox.control.settings(venice={"delivery": model})
    for name in (venice.MODEL, venice.LINKED):
        job = venice.bought(model=name)
        assert ("download_url" in job) == (model == "link")
        answer = venice.settled(job)
        video = answer
        if model == "link":
            assert answer.json() == {"status": "COMPLETED"}
            video = httpx.get(job["download_url"])
        if model == "url":
            assert set(answer.json()) == {"status", "url", "expires_at"}
            video = httpx.get(answer.json()["url"])
        assert (video.headers["content-type"], video.content[4:8]) == ("video/mp4", b"ftyp")


def test_a_video_may_come_without_a_content_length(sandbox, venice):
    sandbox.control.settings(venice={"content_length": False})
    video = venice.settled(venice.bought())
    assert "content-length" not in video.headers
    assert video.content[4:8] == b"ftyp"


def test_a_video_can_be_filled_up_to_any_size_and_still_plays(sandbox, venice, tmp_path):
    sandbox.control.settings(venice={"media_bytes": 3_000_000})
    video = venice.made(tmp_path / "video.mp4")
    assert video.stat().st_size == 3_000_000
    assert len(pictures(video)) == 120


# --- cleaning up


def test_complete_knows_no_id_today(venice):
    job = venice.bought()
    venice.settled(job)
    answer = venice.complete(job)
    assert (answer.status_code, answer.json()) == (400, {"error": "Request ID is invalid."})
    assert venice.retrieve(job).status_code == 200


def test_complete_as_documented_deletes_what_is_done_and_nothing_else(sandbox, venice):
    sandbox.control.settings(speed=0, venice={"complete": "documented"})
    job = venice.bought()
    assert venice.complete(job).json() == {"success": True}
    sandbox.control.advance(200)
    assert venice.settled(job).content[4:8] == b"ftyp"
    assert venice.complete(job).json() == {"success": True}
    assert venice.retrieve(job).status_code == 404


def test_complete_may_say_that_it_could_not(sandbox, venice):
    sandbox.control.settings(venice={"complete": "unsuccessful"})
    job = venice.bought()
    assert (venice.complete(job).status_code, venice.complete(job).json()) == (200, {"success": False})


def test_a_link_can_be_revoked(venice):
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    assert httpx.delete(job["download_url"]).status_code == 204
    assert httpx.get(job["download_url"]).status_code == 410
    assert venice.retrieve(job).json() == {"status": "COMPLETED"}


def test_a_link_revoked_early_never_delivers(sandbox, venice):
    sandbox.control.settings(speed=0)
    job = venice.bought(model=venice.LINKED)
    assert httpx.delete(job["download_url"]).status_code == 204
    sandbox.control.advance(100)
    venice.settled(job)
    assert httpx.get(job["download_url"]).status_code == 410


def test_a_link_nobody_has_is_not_found(sandbox):
    base = sandbox.url + "/storage/private-share/v1/share/read/"
    assert httpx.get(base + "nonsense").status_code == 404
    assert httpx.delete(base + "nonsense").status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_link_takes_no_key(venice, method):
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    answer = httpx.request(method, job["download_url"], headers={"authorization": "Bearer a-key"})
    assert answer.status_code == 400
    assert httpx.get(job["download_url"]).status_code == 200


def test_the_link_has_another_host_so_that_no_key_goes_along_unnoticed(sandbox, venice):
    link = httpx.URL(venice.bought(model=venice.LINKED)["download_url"])
    asked = httpx.URL(sandbox.url)
    assert (asked.host, link.host) == ("127.0.0.1", "localhost")
    assert link.port == asked.port


def test_a_link_asked_for_too_often_says_so(sandbox, venice):
    sandbox.control.settings(venice={"share_per_minute": 2})
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    assert [httpx.get(job["download_url"]).status_code for _ in range(3)] == [200, 200, 429]
    sandbox.control.advance(60)
    assert httpx.get(job["download_url"]).status_code == 200


def test_a_link_serves_ranges_only_if_configured(sandbox, venice):
    job = venice.bought(model=venice.LINKED)
    venice.settled(job)
    part = {"range": "bytes=4-7"}
    assert httpx.get(job["download_url"], headers=part).status_code == 200
    sandbox.control.settings(venice={"share_ranges": True})
    answer = httpx.get(job["download_url"], headers=part)
    assert (answer.status_code, answer.content) == (206, b"ftyp")


def test_a_url_can_be_expired_from_the_start(sandbox, venice):
    sandbox.control.settings(venice={"delivery": "url"})
    job = venice.bought()
    venice.settled(job)
    sandbox.control.fault("venice", "retrieve", "expired_url")
    urls = [venice.retrieve(job).json()["url"] for _ in range(2)]
    assert [httpx.get(url).status_code for url in urls] == [403, 200]


# --- the headers of every answer


def test_every_answer_has_version_and_ray(venice):
    for answer in (venice.http.get("/models"), venice.queue(), venice.queue(model="x")):
        assert {"x-venice-version", "cf-ray"} <= set(answer.headers)


def test_without_a_limit_no_header_mentions_one(venice):
    assert not [name for name in venice.queue().headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1000), ("s", 1)])
def test_limits_are_stated_in_either_unit(sandbox, venice, unit, factor):
    sandbox.control.settings(venice={"reset_unit": unit, "queue_per_minute": 40})
    headers = venice.queue().headers
    assert headers["x-ratelimit-limit-requests"] == "40"
    assert headers["x-ratelimit-remaining-requests"] == "39"
    assert int(headers["x-ratelimit-reset-requests"]) / factor == pytest.approx(time.time() + 60, abs=2)


def test_who_hangs_up_once_the_video_has_begun_is_sent_little_of_it(sandbox, venice):
    sandbox.control.settings(venice={"media_bytes": 50_000_000})
    job = venice.bought()
    deadline = time.monotonic() + 20
    kind = ""
    while kind != "video/mp4":
        assert time.monotonic() < deadline
        with venice.http.stream("POST", "/video/retrieve", json=job) as answer:
            kind = answer.headers["content-type"]
            assert b"ftyp" in next(answer.iter_raw(64)) or kind != "video/mp4"
    time.sleep(0.1)
    assert sandbox.control.calls("venice", "retrieve")[-1]["bytes"] < 2_000_000
