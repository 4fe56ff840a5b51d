"""Every fault, as a client on the wire sees it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from airflow_provider_vidai.sandbox.client import ControlError
from airflow_provider_vidai.sandbox.server import serve
from airflow_provider_vidai.sandbox.wire import with_odd_values


def purchases(sandbox) -> list[str]:
    return [entry["kind"] for entry in sandbox.control.purchases()]


# --- before or after


@pytest.mark.parametrize(("when", "bought"), [("before", []), ("after", ["reel"])])
def test_a_status_fault_says_no_before_or_after_the_purchase(sandbox, vidio, key, when, bought):
    sandbox.control.fault("vidio", "create_highlight_reel", "status", status=503, when=when)
    assert vidio.create(key).status_code == 503
    assert purchases(sandbox) == bought


@pytest.mark.parametrize(("when", "bought"), [("before", []), ("after", ["reel"])])
def test_a_reset_before_any_byte_hides_whether_it_was_bought(sandbox, vidio, key, when, bought):
    sandbox.control.fault("vidio", "create_highlight_reel", "reset", when=when)
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        vidio.create(key)
    assert purchases(sandbox) == bought


@pytest.mark.parametrize(("when", "bought"), [("before", []), ("after", ["reel"])])
def test_a_hold_waits_before_or_after_the_purchase(sandbox, vidio, key, when, bought):
    hold = sandbox.control.fault("vidio", "create_highlight_reel", "hold", when=when)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(vidio.create, key)
        sandbox.control.wait_held(hold)
        assert purchases(sandbox) == bought
        assert not answer.done()
        sandbox.control.release(hold)
        assert answer.result().status_code == 200
    assert purchases(sandbox) == ["reel"]
    assert vidio.create(key).status_code == 200


@pytest.mark.parametrize(("when", "bought"), [("before", []), ("after", ["reel"])])
def test_what_is_held_can_be_dropped(sandbox, vidio, key, when, bought):
    hold = sandbox.control.fault("vidio", "create_highlight_reel", "hold", when=when)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(vidio.create, key)
        sandbox.control.wait_held(hold)
        sandbox.control.release(hold, drop=True)
        with pytest.raises(httpx.ReadError):
            answer.result()
    assert purchases(sandbox) == bought


def test_a_request_is_processed_on_release_even_if_its_client_is_gone(sandbox, vidio, key):
    hold = sandbox.control.fault("vidio", "create_highlight_reel", "hold", times=None)
    with pytest.raises(httpx.ReadTimeout):
        vidio.http.post(
            "/jobs/highlight-reel",
            json={
                "input_keys": [key],
                "video_category": "travel",
                "output_length": 2,
                "aspect_ratio": "square",
            },
            timeout=0.2,
        )
    sandbox.control.wait_held(hold)
    assert purchases(sandbox) == []
    sandbox.control.release(hold)
    deadline = time.monotonic() + 5
    while purchases(sandbox) != ["reel"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hold_with_a_time_goes_on_by_itself(sandbox, vidio):
    sandbox.control.fault("vidio", "status", "hold", seconds=0.2)
    begin = time.monotonic()
    assert vidio.status("x").status_code == 404
    assert time.monotonic() - begin >= 0.2


def test_removing_or_clearing_a_hold_lets_it_go_on(sandbox, vidio):
    for undo in (sandbox.control.remove_fault, lambda _: sandbox.control.clear_faults()):
        hold = sandbox.control.fault("vidio", "status", "hold")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(vidio.status, "x")
            sandbox.control.wait_held(hold)
            undo(hold)
            assert answer.result().status_code == 404


def test_the_sandbox_stops_though_a_request_is_held():
    with serve() as sandbox:
        hold = sandbox.control.fault("vidio", "status", "hold")

        def ask() -> None:
            with pytest.raises(httpx.TransportError):
                httpx.get(sandbox.url + "/vidio/api/v1/jobs/x/status", timeout=20)

        asking = threading.Thread(target=ask)
        asking.start()
        sandbox.control.wait_held(hold)
    asking.join(5)
    assert not asking.is_alive()


# --- how often


def test_a_fault_happens_as_often_as_ordered(sandbox, vidio):
    fault = sandbox.control.fault("vidio", "status", "status", status=500, times=2, skip=1)
    assert [vidio.status("x").status_code for _ in range(5)] == [404, 500, 500, 404, 404]
    assert sandbox.control.get_fault(fault)["hits"] == 2


def test_a_fault_without_a_limit_happens_until_it_is_removed(sandbox, vidio):
    fault = sandbox.control.fault("vidio", "*", "status", status=500, times=None)
    assert [vidio.status("x").status_code for _ in range(20)] == [500] * 20
    assert vidio.upload_url().status_code == 500
    sandbox.control.remove_fault(fault)
    assert vidio.status("x").status_code == 404


def test_faults_of_a_kind_take_turns_in_the_order_they_were_ordered(sandbox, vidio):
    for status in (500, 502, 429):
        sandbox.control.fault("vidio", "status", "status", status=status)
    assert [vidio.status("x").status_code for _ in range(4)] == [500, 502, 429, 404]


def test_a_fault_meets_only_its_vendor_and_call(sandbox, vidio):
    sandbox.control.fault("vidio", "render", "status", status=500)
    assert vidio.status("x").status_code == 404
    assert vidio.render("x").status_code == 500


@pytest.mark.parametrize(
    "order",
    [
        {"fault": "explode"},
        {"fault": "status", "stauts": 500},
        {"fault": "redirect"},
        {"fault": "vendor_status"},
        {"fault": "reset", "when": "during"},
        {"fault": "truncate", "when": "before"},
        {"fault": "reset", "times": -1},
        {"fault": "reset", "skip": "1"},
        {"fault": "slow", "bytes_per_second": 0},
    ],
)
def test_an_impossible_order_is_refused(sandbox, order):
    with pytest.raises(ControlError, match="400"):
        sandbox.control.fault("vidio", "status", **order)


@pytest.mark.parametrize(("vendor", "call"), [("vidoi", "status"), ("vidio", "staus"), ("*", "staus")])
def test_a_fault_that_could_never_happen_is_refused(sandbox, vendor, call):
    with pytest.raises(ControlError, match="unknown"):
        sandbox.control.fault(vendor, call, "reset")


# --- the answer


def test_a_status_fault_has_any_headers_and_body(sandbox, vidio):
    sandbox.control.fault(
        "vidio", "status", "status", status=429, headers={"Retry-After": "7"}, body={"error": "slow"}
    )
    answer = vidio.status("x")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "7", {"error": "slow"})
    sandbox.control.fault("vidio", "status", "status", status=502, body="<b>Bad gateway</b>")
    assert vidio.status("x").text == "<b>Bad gateway</b>"


@pytest.mark.parametrize(
    ("fault", "when", "begins", "content_type"),
    [
        ("html", "before", b"<!DOCTYPE html>", "text/html; charset=utf-8"),
        ("html", "after", b"<!DOCTYPE html>", "text/html; charset=utf-8"),
        ("empty", "before", b"", "application/json"),
        ("empty", "after", b"", "application/json"),
        ("garbage", "before", b"\x00\xff", "application/json"),
        ("garbage", "after", b"\x00\xff", "application/json"),
        ("truncated_json", "after", b'{"job_id"', "application/json"),
    ],
)
def test_a_purchase_can_be_answered_with_nonsense(sandbox, vidio, key, fault, when, begins, content_type):
    sandbox.control.fault("vidio", "create_highlight_reel", fault, when=when)
    answer = vidio.create(key)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.content.startswith(begins)
    with pytest.raises(ValueError):
        answer.json()
    assert purchases(sandbox) == (["reel"] if when == "after" else [])


def test_a_redirect_goes_where_it_was_ordered(sandbox, vidio):
    sandbox.control.fault("vidio", "status", "redirect", to="http://127.0.0.1:1/elsewhere", status=307)
    answer = vidio.status("x")
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:1/elsewhere")


def test_an_answer_can_have_the_wrong_type(sandbox, vidio, key):
    video = vidio.rendered(vidio.processed(key))["output_url"]
    sandbox.control.fault("vidio", "file", "wrong_type", content_type="text/html")
    answer = httpx.get(video)
    assert answer.headers["content-type"] == "text/html"
    assert answer.content[4:8] == b"ftyp"


def test_an_answer_can_hold_odd_values_and_keeps_its_meaning():
    odd = with_odd_values({"status": "ready", "clips": [{"title": "A goal", "url": "http://a/b?c=d"}]})
    assert odd["status"] == "ready"
    assert odd["clips"] == [{"title": "A goal \ud83d\x00", "url": "http://a/b?c=d"}]
    assert odd["odd"]["digits"] > 2**64


def test_odd_values_are_sent_as_json(sandbox, vidio, key):
    job = vidio.processed(key)
    sandbox.control.fault("vidio", "status", "odd_values")
    answer = vidio.status(job)
    assert answer.headers["content-type"] == "application/json"
    assert '"infinite": Infinity' in answer.text


# --- the body on its way


@pytest.fixture
def video(vidio, key) -> str:
    return vidio.rendered(vidio.processed(key))["output_url"]


def read(url: str) -> tuple[int, int, str]:
    """Return how many bytes were promised and how many came, and what ended it."""
    got = 0
    with httpx.stream("GET", url) as answer:
        promised = int(answer.headers["content-length"])
        try:
            for chunk in answer.iter_raw():
                got += len(chunk)
        except httpx.TransportError as error:
            return promised, got, type(error).__name__
    return promised, got, "end"


def test_a_truncated_download_ends_early_although_its_length_was_stated(sandbox, video):
    sandbox.control.fault("vidio", "file", "truncate", fraction=0.25)
    promised, got, ended = read(video)
    assert (got, ended) == (promised // 4, "RemoteProtocolError")
    assert read(video) == (promised, promised, "end")


@pytest.mark.parametrize("after", [0, 1, 5000])
def test_a_download_can_be_reset_midway(sandbox, video, after):
    sandbox.control.fault("vidio", "file", "reset", after_bytes=after)
    _, got, ended = read(video)
    assert (got, ended) == (after, "ReadError")


def test_a_download_can_be_slow(sandbox, video):
    size = len(httpx.get(video).content)
    sandbox.control.fault("vidio", "file", "slow", bytes_per_second=size * 2)
    begin = time.monotonic()
    assert read(video)[2] == "end"
    assert time.monotonic() - begin > 0.4


def test_an_upload_can_be_slow(sandbox, vidio):
    url = vidio.upload_url().json()["url"]
    sandbox.control.fault("vidio", "put", "slow", when="before", bytes_per_second=1_000_000)
    begin = time.monotonic()
    assert httpx.put(url, content=b"x" * 400_000, headers={"content-type": "video/mp4"}).status_code == 200
    assert time.monotonic() - begin > 0.35


@pytest.mark.parametrize(("when", "there"), [("before", 404), ("after", 200)])
def test_an_upload_can_be_reset_before_or_after_it_is_stored(sandbox, vidio, when, there):
    url = vidio.upload_url(job_id="u").json()["url"]
    sandbox.control.fault("vidio", "put", "reset", when=when)
    with pytest.raises(httpx.TransportError):
        httpx.put(url, content=b"x" * 400_000, headers={"content-type": "video/mp4"})
    assert vidio.create("uploads/u/clip.mp4").status_code == there


# --- what only the vendor can do


def test_a_url_can_be_expired_as_it_is_issued(sandbox, vidio, key):
    sandbox.control.fault("vidio", "upload_url", "expired_url")
    url = vidio.upload_url().json()["url"]
    assert httpx.put(url, content=b"x", headers={"content-type": "video/mp4"}).status_code == 403
    job_id = vidio.processed(key)
    vidio.rendered(job_id)
    sandbox.control.fault("vidio", "status", "expired_url")
    urls = [vidio.status(job_id).json()["output_url"] for _ in range(2)]
    assert [httpx.get(url).status_code for url in urls] == [403, 200]


def test_a_url_can_expire_midway_and_a_new_one_resumes(sandbox, vidio, key):
    job_id = vidio.processed(key)
    whole = httpx.get(vidio.rendered(job_id)["output_url"]).content
    sandbox.control.fault("vidio", "status", "expired_url", after_bytes=1000)
    url = vidio.status(job_id).json()["output_url"]
    _, got, ended = read(url)
    assert (got, ended) == (1000, "ReadError")
    assert httpx.get(url, headers={"range": "bytes=1000-"}).status_code == 403
    fresh = vidio.status(job_id).json()["output_url"]
    assert httpx.get(fresh, headers={"range": "bytes=1000-"}).content == whole[1000:]


def test_ranges_can_be_refused_once(sandbox, video):
    sandbox.control.fault("vidio", "file", "no_range")
    asked = {"range": "bytes=10-"}
    assert [httpx.get(video, headers=asked).status_code for _ in range(2)] == [200, 206]


def test_a_status_can_be_unknown(sandbox, vidio, key):
    job_id = vidio.create(key).json()["job_id"]
    sandbox.control.fault("vidio", "status", "vendor_status", word="gpu_work_pending")
    assert vidio.status(job_id).json()["status"] == "gpu_work_pending"
    assert vidio.wait(job_id, "processed")


@pytest.mark.parametrize("word", ["failed", "error"])
def test_the_next_reel_can_fail(sandbox, vidio, key, word):
    sandbox.control.fault("vidio", "create_highlight_reel", "fail_job", word=word)
    job_id = vidio.create(key).json()["job_id"]
    assert vidio.wait(job_id, word) == {"job_id": job_id, "status": word}
    assert vidio.processed(key)
    assert [entry["refunded"] for entry in sandbox.control.purchases()] == [False, False]


def test_the_next_render_can_fail(sandbox, vidio, key):
    job_id = vidio.processed(key)
    sandbox.control.fault("vidio", "render", "fail_job")
    vidio.render(job_id)
    assert vidio.wait(job_id, "failed") == {"job_id": job_id, "status": "failed"}


def test_a_status_can_show_the_last_render_while_the_next_one_runs(sandbox, vidio, key):
    job_id = vidio.processed(key)
    first = vidio.rendered(job_id)["output_url"].partition("?")[0]
    sandbox.control.settings(speed=0)
    vidio.render(job_id, output_index=1)
    sandbox.control.advance(10)
    sandbox.control.fault("vidio", "status", "stale_rendered", times=2)
    answers = [vidio.status(job_id).json() for _ in range(3)]
    assert [answer["status"] for answer in answers] == ["rendered", "rendered", "rendering"]
    assert answers[0]["output_url"].partition("?")[0] == first
    sandbox.control.advance(100)
    assert vidio.wait(job_id, "rendered")["output_url"].partition("?")[0] != first


def test_a_rendered_job_can_lack_its_url(sandbox, vidio, key):
    job_id = vidio.processed(key)
    vidio.rendered(job_id)
    sandbox.control.fault("vidio", "status", "missing_output_url")
    answers = [vidio.status(job_id).json() for _ in range(2)]
    assert [(answer["status"], "output_url" in answer) for answer in answers] == [
        ("rendered", False),
        ("rendered", True),
    ]


def test_faults_add_up(sandbox, vidio, key):
    """Held after the purchase, then reset: what a worker that dies at the wrong moment sees."""
    hold = sandbox.control.fault("vidio", "create_highlight_reel", "hold", when="after")
    sandbox.control.fault("vidio", "create_highlight_reel", "reset", when="after")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(vidio.create, key)
        sandbox.control.wait_held(hold)
        sandbox.control.release(hold)
        with pytest.raises(httpx.ReadError):
            answer.result()
    assert purchases(sandbox) == ["reel"]
