"""Vidgo's calls, as its fact sheet says."""

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

CALLBACK = "https://your-domain.com/callback"
SONG = {"prompt": "la la", "custom_mode": False, "instrumental": False, "mv": "V5"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def money(sandbox) -> list[tuple[str, float, bool]]:
    return [(one["kind"], one["amount"], one["refunded"]) for one in sandbox.control.purchases("vidgo")]


# --- the reference exchange -----------------------------------------------------------------------


def test_the_reference_exchange_of_the_fact_sheet(sandbox, vidgo):
    sandbox.control.settings(speed=0)
    answer = vidgo.submit(callback_url=CALLBACK, prompt="a lake", size="1:1", n=1)
    task = answer.json()["data"]
    assert answer.status_code == 200
    assert answer.json()["code"] == 200
    assert re.fullmatch(r"task-unified-\d{10}-[a-z0-9]{8}", task["task_id"])
    assert task["status"] == "not_started"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", task["created_time"])

    def reported():
        return vidgo.status(task["task_id"]).json()["data"]

    assert (reported()["status"], reported()["progress"], reported()["files"]) == ("not_started", 0, [])
    sandbox.control.advance(18)
    assert (reported()["status"], reported()["progress"], reported()["files"]) == ("running", 50, [])
    sandbox.control.advance(30)
    found = vidgo.ended(task["task_id"])
    assert found["progress"] == 100
    assert found["error_message"] is None
    assert [file["file_type"] for file in found["files"]] == ["image"]
    assert money(sandbox) == [("media", 6, False)]


def test_music_is_polled_elsewhere_and_reports_no_progress(sandbox, vidgo):
    task = vidgo.bought("generate-music", **SONG)
    assert re.fullmatch(r"[A-Z0-9]{16}", task)
    assert "progress" not in vidgo.ended(task)
    wrong = vidgo.http.get(f"/generate/status/{task}")
    assert (wrong.status_code, wrong.json()["detail"][:20]) == (400, "This is a music task")
    media = vidgo.http.get("/generate/detail/music", params={"task_id": vidgo.bought()})
    assert (media.status_code, media.json()["error"]["type"]) == (404, "resource_not_found_error")


# --- keys and accounts ----------------------------------------------------------------------------

EVERYWHERE = [
    ("POST", "/generate/submit", "error"),
    ("GET", "/generate/status/x", "detail"),
    ("GET", "/generate/detail/music?task_id=x", "error"),
    ("GET", "/user/balance", "error"),
    *(("POST", f"/common/upload/{how}", "detail") for how in ("base64", "url", "stream")),
]


@pytest.mark.parametrize(("method", "path", "shape"), EVERYWHERE)
@pytest.mark.parametrize("header", ["", "Bearer", "Basic a-key", "Bearer wrong"])
def test_a_bad_key_is_refused_in_the_shape_of_the_call(sandbox, method, path, shape, header):
    sandbox.control.accept_only("vidgo", ["a-key"])
    headers = {"authorization": header} if header else {}
    answer = httpx.request(method, f"{sandbox.url}/vidgo/api{path}", json={}, headers=headers)
    assert answer.status_code == 401
    if shape == "detail":
        assert set(answer.json()) == {"detail"}
    else:
        assert answer.json()["code"] == 401
        assert answer.json()["error"]["type"] == "authentication_error"


def test_the_status_pages_errors_have_either_shape(sandbox, vidgo):
    assert vidgo.status("task-x").json() == {"detail": "Task not found"}
    sandbox.control.settings(vidgo={"status_errors": "error"})
    assert vidgo.status("task-x").json()["error"]["type"] == "resource_not_found_error"


def test_a_task_of_another_account_is_forbidden(vidgo, other_vidgo):
    answer = other_vidgo.status(vidgo.bought())
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "You do not have permission to access this resource",
    )


def test_errors_can_come_as_a_code_in_a_success(sandbox, vidgo):
    sandbox.control.settings(vidgo={"http_errors": False})
    answer = vidgo.submit(prompt="")
    assert (answer.status_code, answer.json()["code"]) == (200, 400)
    assert money(sandbox) == []


def test_a_limit_has_no_retry_after(sandbox, vidgo):
    sandbox.control.settings(vidgo={"calls_per_minute": 2})
    answers = [vidgo.http.get("/user/balance") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error"]["type"] == "rate_limit_error"
    assert "retry-after" not in answers[-1].headers


# --- what is bought -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "fields", "says"),
    [
        (None, {}, "model is required"),
        ("no-such-thing", {"prompt": "x"}, "Unsupported model"),
        ("gpt-4o-image", {"prompt": ...}, "prompt is required"),
        ("gpt-4o-image", {"prompt": "x", "n": 5}, "n must be between 1 and 4"),
        ("gpt-4o-image-edit", {"prompt": "x"}, "image_urls is required"),
        ("gpt-4o-image-edit", {"prompt": "x", "image_urls": ["/data/a.png"]}, "public http(s) URL"),
        ("gpt-image-2", {"prompt": "x", "n": 1}, "n is not supported"),
        ("gpt-image-2", {"prompt": "x", "image_urls": ["http://x/a"]}, "use gpt-image-2-edit"),
        ("qwen-image-3.0/edit", {"prompt": "x"}, "image_urls is required"),
        ("veo3.1/image-to-video", {"prompt": "x", "image_urls": ["http://x/a"]}, "exactly 2"),
        ("sora-2", {"prompt": "x", "duration": 12}, "duration must be one of 10, 15"),
        (
            "seedance-2",
            {"prompt": "x", "image_urls": ["http://x"], "reference_image_urls": ["http://x"]},
            "combined",
        ),
        ("minimax/h3/reference-to-video", {"prompt": "x"}, "reference_image_urls or"),
        ("stem-split", {"task_id": "x", "audio_id": "y"}, "callback_url is required"),
        ("generate-music", {"prompt": "x"}, "custom_mode is required"),
    ],
)
def test_a_wrong_purchase_is_refused_with_its_reason_and_costs_nothing(sandbox, vidgo, model, fields, says):
    answer = vidgo.submit(model, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "validation_error"
    assert says in answer.json()["error"]["message"]
    assert money(sandbox) == []


def test_new_models_are_sold_by_their_familys_name(sandbox, vidgo):
    assert vidgo.submit("gpt-image-9", prompt="x").status_code == 200
    assert vidgo.submit("seedance-9/text-to-video", prompt="x").status_code == 200


def test_too_long_a_prompt_for_lyrics_has_a_status_of_its_own(vidgo):
    answer = vidgo.submit("generate-lyrics", CALLBACK, prompt="word " * 201)
    assert (answer.status_code, answer.json()["code"]) == (413, 413)


def test_credits_go_with_the_purchase_and_come_back_with_a_failure(sandbox, vidgo):
    def left() -> float:
        return vidgo.http.get("/user/balance").json()["data"]["credits_amount"]

    before = left()
    vidgo.ended(vidgo.bought(n=4))
    assert left() == before - 24
    sandbox.control.fault("vidgo", "submit", "fail_job", message="Generation congested")
    failed = vidgo.ended(vidgo.bought())
    assert (failed["status"], failed["error_message"], failed["files"]) == (
        "failed",
        "Generation congested",
        [],
    )
    assert failed["progress"] == 0
    assert left() == before - 24
    sandbox.control.balance("vidgo", "a-key", 5)
    poor = vidgo.submit()
    assert (poor.status_code, poor.json()["error"]["type"]) == (402, "insufficient_credits_error")
    assert len(money(sandbox)) == 2


@pytest.mark.parametrize(
    ("model", "fields", "price"),
    [
        ("gpt-image-2", {"quality": "high", "resolution": "4K"}, 48),
        ("gpt-image-2", {}, 2),
        ("sora-2", {"duration": 10}, 10),
        ("veo3.1-fast-official", {"duration": 4, "sound": False}, 40),
        ("veo3.1-fast-official", {"duration": 4, "resolution": "4k"}, 140),
    ],
)
def test_prices_are_the_vendors_where_it_publishes_them(sandbox, vidgo, model, fields, price):
    vidgo.bought(model, prompt="x", **fields)
    assert money(sandbox) == [("media", price, False)]


def test_a_picture_that_cannot_be_fetched_fails_the_task_and_costs_nothing(sandbox, vidgo):
    reported = vidgo.ended(
        vidgo.bought("gpt-4o-image-edit", prompt="x", image_urls=[f"{sandbox.url}/storage/no"])
    )
    assert reported["status"] == "failed"
    assert reported["error_message"].startswith("Failed to download the input")
    assert money(sandbox) == [("media", 6, True)]


# --- what is made of songs ------------------------------------------------------------------------


@pytest.fixture
def song(vidgo) -> dict:
    task = vidgo.bought("generate-music", title="Peace", style="Classical", **SONG)
    return {"task_id": task, "audio_id": vidgo.ended(task)["files"][0]["audio_id"]}


@pytest.mark.parametrize(
    ("model", "thing"),
    [
        ("convert-to-wav", "WAV record"),
        ("create-music-video", "Music video"),
        ("stem-split", "Stem split"),
        ("separate-vocals", "Separation"),
        ("generate-persona", "Persona"),
    ],
)
def test_the_same_is_made_of_a_song_only_once(sandbox, vidgo, song, model, thing):
    more = {"name": "n", "description": "d"} if model == "generate-persona" else {}
    first = vidgo.bought(model, CALLBACK, **song, **more)
    again = vidgo.submit(model, CALLBACK, **song, **more)
    assert again.status_code == 409
    assert again.json()["error"] == {
        "message": f"{thing} already exists for this audio",
        "type": "conflict_error",
    }
    sandbox.control.settings(vidgo={"names_existing": True})
    assert vidgo.submit(model, CALLBACK, **song, **more).json()["error"]["task_id"] == first
    assert len(money(sandbox)) == 2


def test_a_song_that_is_not_there_is_not_found(vidgo, other_vidgo, song):
    for account, asked in (
        (vidgo, {**song, "audio_id": "other"}),
        (vidgo, {**song, "task_id": "OTHER"}),
        (other_vidgo, song),
    ):
        answer = account.submit("get-timestamped-lyrics", **asked)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "resource_not_found_error")


# --- files ----------------------------------------------------------------------------------------


def test_files_are_public_for_a_day_and_then_gone(sandbox, vidgo):
    task = vidgo.bought()
    url = vidgo.ended(task)["files"][0]["file_url"]
    assert "?" not in url
    sandbox.control.settings(speed=0)
    sandbox.control.advance(86_000 - 40)
    assert httpx.get(url).status_code == 200
    sandbox.control.advance(1000)
    assert httpx.get(url).status_code == 404
    assert vidgo.status(task).json()["data"]["files"][0]["file_url"] == url, "nothing renews it"


# --- uploads --------------------------------------------------------------------------------------


def form(content: bytes, name: str = "a.png", **fields: str) -> dict:
    return {"files": {"file": (name, content)}, "data": fields}


def test_a_picture_is_taken_in_three_ways_and_can_be_fetched_again(sandbox, vidgo):
    text = base64.b64encode(PNG).decode()
    ways = [
        ("base64", {"json": {"base64_data": text}}),
        ("base64", {"json": {"base64_data": f"data:image/png;base64,{text}", "upload_path": "pics/mine"}}),
        ("stream", form(PNG, upload_path="a", file_name="b.png")),
        ("stream", form(PNG, uploadPath="a", fileName="c.png")),
    ]
    kept = []
    for how, body in ways:
        answer = vidgo.http.post(f"/common/upload/{how}", **body)
        assert answer.status_code == 200, answer.text
        reported = answer.json()["data"]
        assert (answer.json()["success"], answer.json()["code"]) == (True, 200)
        assert reported["file_url"] == reported["download_url"]
        assert reported["upload_path"].startswith("temp")
        assert (reported["mime_type"], reported["file_size"]) == ("image/png", len(PNG))
        assert httpx.get(reported["file_url"]).content == PNG
        kept.append(reported)
    assert [one["upload_path"] for one in kept] == ["temp", "temp/pics/mine", "temp/a", "temp/a"]
    assert [one["file_name"] for one in kept[2:]] == ["b.png", "c.png"]
    again = vidgo.http.post("/common/upload/url", json={"file_url": kept[0]["file_url"]})
    assert httpx.get(again.json()["data"]["file_url"]).content == PNG
    sandbox.control.advance(259_300)
    assert httpx.get(kept[0]["file_url"]).status_code == 404


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Invalid file data"),
        (b"\0\0\0\x20ftypisom" + bytes(50), "Unsupported file type: video/mp4"),
        (b"<svg xmlns=''/>", "Unsupported file type: image/svg+xml"),
        (b"plain words", "Unsupported file type: application/octet-stream"),
        (PNG[:20], "Invalid file data"),
    ],
)
def test_what_is_no_picture_is_refused(vidgo, content, says):
    answer = vidgo.http.post("/common/upload/stream", **form(content))
    assert (answer.status_code, answer.json()) == (400, {"detail": says})


@pytest.mark.parametrize(
    ("how", "body", "status", "says"),
    [
        ("base64", {"base64_data": "data:image/png,xx"}, 400, "Invalid data URL format"),
        ("base64", {"base64_data": "AA A="}, 400, "Invalid Base64 encoding"),
        ("base64", {}, 422, None),
        ("url", {}, 422, None),
        ("url", {"file_url": "ftp://x/a.png"}, 400, "Invalid URL: only http and https are supported"),
        ("stream", {}, 422, None),
    ],
)
def test_uploads_complain_in_the_other_shape(vidgo, how, body, status, says):
    answer = vidgo.http.post(f"/common/upload/{how}", json=body)
    assert answer.status_code == status
    if says:
        assert answer.json() == {"detail": says}
    else:
        assert answer.json()["detail"][0]["msg"] == "Field required"


def test_five_uploads_a_minute_are_let_in(sandbox, vidgo):
    sandbox.control.settings(vidgo={"uploads_per_minute": 5})
    body = {"base64_data": base64.b64encode(PNG).decode()}
    answers = [vidgo.http.post("/common/upload/base64", json=body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json() == {"detail": "Rate limit exceeded"}
    sandbox.control.advance(61)
    assert vidgo.http.post("/common/upload/base64", json=body).status_code == 200


# --- callbacks ------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    """Hears callbacks, and answers each with the next of its statuses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.recorded: list[dict] = []
        self.paths: list[str] = []
        #: When each call came, and when it was about to be answered.
        self.times: list[tuple[float, float]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook?token=s3cr3t"

    def wait(self, count: int, seconds: float = 10) -> list[dict]:
        until = time.monotonic() + seconds
        while len(self.recorded) < count:
            assert time.monotonic() < until, self.recorded
            time.sleep(0.01)
        return self.recorded


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        came = time.monotonic()
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.times.append((came, time.monotonic()))
        self.server.paths.append(self.path)
        self.server.recorded.append(json.loads(body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def settled(sandbox, count: int) -> list[int | None]:
    """Wait until so many callbacks are in the log, and a little for more; return their statuses."""
    until = time.monotonic() + 10
    while len(sandbox.control.calls("vidgo", "callback")) < count:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.2)
    return [call["status"] for call in sandbox.control.calls("vidgo", "callback")]


def test_a_callback_is_flat_for_media_and_wrapped_for_music(sandbox, vidgo, receiver):
    task = vidgo.bought(callback_url=receiver.url)
    (body,) = receiver.wait(1)
    assert set(body) == {"task_id", "status", "files", "created_time", "error_message"}
    assert (body["task_id"], body["status"], body["files"][0]["file_type"]) == (task, "finished", "image")
    assert httpx.get(body["files"][0]["file_url"]).status_code == 200
    song = vidgo.bought("generate-music", receiver.url, **SONG)
    wrapped = receiver.wait(2)[1]
    assert (wrapped["code"], wrapped["data"]["task_id"]) == (200, song)
    sandbox.control.settings(vidgo={"callback": "wrapped"})
    vidgo.bought(callback_url=receiver.url)
    assert set(receiver.wait(3)[2]) == {"code", "data"}


def test_the_sandboxs_callbacks_are_understood_by_the_package(sandbox, vidgo, receiver):
    from airflow_provider_vidai.vendors.vidgo.api import parse_webhook

    sandbox.control.fault("vidgo", "submit", "fail_job", skip=2)
    expected = {
        vidgo.bought(callback_url=receiver.url): "finished",
        vidgo.bought("generate-lyrics", receiver.url, prompt="rain"): "finished",
        vidgo.bought(callback_url=receiver.url): "failed",
    }
    reported = dict(parse_webhook(body) for body in receiver.wait(3))
    assert {job_id: status.vendor_status for job_id, status in reported.items()} == expected


def test_a_callback_that_fails_is_sent_again_and_one_that_is_refused_is_not(sandbox, vidgo, receiver):
    receiver.statuses = [500, 503, 200]
    vidgo.bought(callback_url=receiver.url)
    assert settled(sandbox, 3) == [500, 503, 200]
    assert receiver.recorded[0] == receiver.recorded[2]
    receiver.statuses = [404]
    vidgo.bought(callback_url=receiver.url)
    assert settled(sandbox, 4)[3:] == [404]
    assert all(call["path"] == "/hook" for call in sandbox.control.calls("vidgo", "callback"))


def test_a_callback_is_given_up_after_five_more_times(sandbox, vidgo):
    vidgo.bought(callback_url="http://127.0.0.1:9/hook")
    assert settled(sandbox, 6) == [None] * 6


def test_nothing_is_sent_off_this_machine(sandbox, vidgo):
    vidgo.bought(callback_url=CALLBACK)
    assert settled(sandbox, 1) == [None]


def test_a_callback_waits_between_its_times_as_long_as_the_vendor_does(sandbox, vidgo, receiver):
    sandbox.control.settings(speed=20)
    receiver.statuses = [500, 500, 500, 200]
    vidgo.bought(callback_url=receiver.url)
    receiver.wait(4, 20)
    gaps = [(came - answered) * 20 for (_, answered), (came, _) in itertools.pairwise(receiver.times)]
    # From before an answer to after the next call, a pause is never measured too short, however busy the
    # machine is; that may lengthen it by seconds.
    for gap, pause in zip(gaps, (1, 2, 4), strict=True):
        assert 0.9 * pause <= gap <= 1.1 * pause + 60


@pytest.mark.parametrize(("what", "count"), [("lost", 0), ("doubled", 2), ("delayed", 1), ("early", 2)])
def test_a_callback_can_be_lost_doubled_delayed_or_sent_too_early(sandbox, vidgo, receiver, what, count):
    sandbox.control.settings(speed=0)
    sandbox.control.fault("vidgo", "callback", "callback", what=what, seconds=0.5)
    task = vidgo.bought(callback_url=receiver.url)
    if what == "early":
        (claimed,) = receiver.wait(1)
        assert (claimed["task_id"], claimed["status"], claimed["files"]) == (task, "finished", [])
    sandbox.control.advance(3600)
    time.sleep(1.5)
    assert [body["status"] for body in receiver.recorded] == ["finished"] * count
    assert all(body["task_id"] == task for body in receiver.recorded)


def test_a_forged_callback_has_another_address_and_says_what_is_not_true_yet(sandbox, vidgo, receiver):
    sandbox.control.settings(speed=0)
    sandbox.control.fault("vidgo", "callback", "callback", what="forged")
    vidgo.bought(callback_url=receiver.url)
    (forged,) = receiver.wait(1)
    assert (forged["status"], forged["files"]) == ("finished", [])
    sandbox.control.advance(3600)
    receiver.wait(2)
    assert receiver.paths == ["/HOOK?token=s3cr3t", "/hook?token=s3cr3t"]


def test_callbacks_can_come_in_another_order_than_their_tasks_ended(sandbox, vidgo, receiver):
    sandbox.control.settings(speed=0)
    sandbox.control.fault("vidgo", "callback", "callback", what="reordered", seconds=20)
    tasks = [vidgo.bought(callback_url=receiver.url) for _ in range(2)]
    sandbox.control.advance(3600)
    assert [body["task_id"] for body in receiver.wait(2)] == tasks[::-1]
