"""The control side: the book, the log, the settings, the page, the command."""

import asyncio
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from airflow_provider_vidai.sandbox.client import Control, ControlError
from airflow_provider_vidai.sandbox.server import serve
from airflow_provider_vidai.sandbox.vizard.jobs import start_project
from airflow_provider_vidai.sandbox.world import World

# --- the book


def test_the_book_shows_what_was_bought_by_whom_and_how_it_ended(sandbox, vidio, other, key, clip):
    job_id = vidio.processed(key, output_length=1)
    vidio.rendered(job_id)
    other.create(other.upload(clip.read_bytes()))
    book = sandbox.control.book()
    facts = ("id", "vendor", "kind", "job_id", "amount", "currency", "charged", "refunded", "state")
    assert [tuple(entry[fact] for fact in facts) for entry in book["entries"][:2]] == [
        (1, "vidio", "reel", job_id, 1, "unit", True, False, "processed"),
        (2, "vidio", "render", job_id, 1, "unit", True, False, "rendered"),
    ]
    assert book["entries"][0]["request"]["output_length"] == 1
    assert book["entries"][1]["request"] == {"export_option": "premium", "output_index": 0}
    first, second, third = (entry["account"] for entry in book["entries"])
    assert first == second != third
    assert book["totals"] == {"purchases": 3, "charged": 3, "refunded": 0}
    assert [entry["id"] for entry in sandbox.control.purchases("vidio", "reel")] == [1, 3]


def test_a_failed_job_is_refunded_only_if_so_set(sandbox, vidio, key):
    for refund in (False, True):
        sandbox.control.settings(refund_failed=refund)
        sandbox.control.fault("vidio", "create_highlight_reel", "fail_job")
        vidio.wait(vidio.create(key).json()["job_id"], "failed")
    assert [entry["refunded"] for entry in sandbox.control.purchases()] == [False, True]
    assert sandbox.control.book()["totals"] == {"purchases": 2, "charged": 2, "refunded": 1}


def test_what_costs_nothing_is_not_in_the_book(sandbox, vidio, key):
    vidio.status("x")
    vidio.create("missing")
    assert sandbox.control.purchases() == []


# --- the log


def test_every_call_is_logged_with_its_outcome(sandbox, vidio, clip):
    key = vidio.upload(clip.read_bytes())
    answer = vidio.status("none")
    calls = sandbox.control.calls()
    assert [(call["call"], call["method"], call["status"], call["key"]) for call in calls] == [
        ("upload_url", "GET", 200, True),
        ("put", "PUT", 200, False),
        ("status", "GET", 404, True),
    ]
    assert calls[1]["path"] == f"/storage/{key}"
    assert calls[2]["bytes"] == len(answer.content)
    assert "x-api-key" in calls[2]["headers"]
    assert [call["call"] for call in sandbox.control.calls("vidio", "put")] == ["put"]


def test_a_call_that_got_no_answer_has_no_status(sandbox, vidio):
    sandbox.control.fault("vidio", "status", "reset")
    with pytest.raises(httpx.ReadError):
        vidio.status("x")
    assert sandbox.control.calls()[-1]["status"] is None


def test_neither_keys_nor_signatures_are_kept(sandbox, vidio, key):
    answer = vidio.rendered(vidio.processed(key))
    httpx.get(answer["output_url"])
    sandbox.control.close_account("vidio", "a-key", 402, {})
    reported = "".join(
        httpx.get(f"{sandbox.url}/sandbox{part}").text for part in ("", "/book", "/calls", "/faults")
    )
    assert "a-key" not in reported.replace("x-api-key", "")
    assert "signature" not in reported


# --- settings, accounts, reset


def test_settings_can_be_read_and_changed(sandbox):
    before = sandbox.control.settings()
    assert set(before) == {
        *("speed", "url_ttl", "ranges", "refund_failed", "media_fps"),
        *("venice", "vizard", "vidgo"),
    }
    assert sandbox.control.settings(speed=3, ranges=False) == {**before, "speed": 3.0, "ranges": False}
    assert sandbox.control.settings() == {**before, "speed": 3.0, "ranges": False}


@pytest.mark.parametrize(
    "change", [{"sped": 1}, {"speed": "fast"}, {"speed": -1}, {"ranges": 1}, {"media_fps": 0}]
)
def test_a_wrong_setting_is_refused_and_nothing_changes(sandbox, change):
    before = sandbox.control.settings()
    with pytest.raises(ControlError, match="400"):
        sandbox.control.settings(url_ttl=5, **change)
    assert sandbox.control.settings() == before


def test_a_new_speed_counts_from_now_on(sandbox, vidio, key):
    sandbox.control.settings(speed=0)
    job_id = vidio.create(key).json()["job_id"]
    assert vidio.status(job_id).json()["status"] == "submitted"
    sandbox.control.settings(speed=10_000)
    vidio.wait(job_id, "processed")


def test_measuring_more_finely_still_makes_a_reel(sandbox, vidio, key):
    sandbox.control.settings(media_fps=12.5)
    assert vidio.processed(key)


@pytest.mark.parametrize("account", [{}, {"vendor": "vidio"}, {"vendor": "vidio", "key": 1}])
def test_an_account_must_be_named(sandbox, account):
    answer = httpx.post(sandbox.url + "/sandbox/accounts", json=account)
    assert answer.status_code == 400


def test_a_reset_leaves_nothing(sandbox, vidio, key):
    job_id = vidio.processed(key)
    sandbox.control.fault("vidio", "*", "status", times=None)
    sandbox.control.settings(url_ttl=1)
    sandbox.control.reset()
    assert sandbox.control.book()["entries"] == sandbox.control.faults() == sandbox.control.calls() == []
    assert sandbox.control.settings()["url_ttl"] == 3600
    assert vidio.status(job_id).status_code == 404
    assert vidio.create(key).status_code == 404


def test_work_that_a_reset_ends_leaves_nothing_in_what_begins(tmp_path):
    world = World(data=tmp_path)

    def work(stop):
        stop.wait(10)
        world.storage.place("vizard/1/clip.mp4", "vizard", None).fill(b"late")

    done = world.studio.submit(work)
    asyncio.run(world.reset())
    assert done.exception() is None
    assert world.storage.get("vizard/1/clip.mp4") is None
    assert list(world.folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [world.folder]


def test_what_does_not_exist_is_said_to(sandbox):
    with pytest.raises(ControlError, match="404"):
        sandbox.control.release("999")
    assert httpx.get(sandbox.url + "/sandbox/nonsense").status_code == 404


def test_the_page_explains_itself_to_a_person(sandbox, vidio):
    vidio.status("<script>")
    page = httpx.get(sandbox.url + "/sandbox")
    assert page.headers["content-type"].startswith("text/html")
    assert f"{sandbox.url}/vidio<" in page.text
    assert f"{sandbox.url}/venice/api/v1<" in page.text
    assert "curl -X POST" in page.text
    assert "<script>" not in page.text


def test_the_page_shows_each_job_with_its_player_state_and_price(sandbox, vidio, key):
    vidio.rendered(vidio.processed(key, output_length=1))
    text = httpx.get(sandbox.url + "/sandbox").text
    render, reel = re.findall(r'<tr><td class="media">.*?</tr>', text, re.DOTALL)
    assert (
        '<video controls preload="none" poster="/sandbox/files/2/0/poster" src="/sandbox/files/2/0"' in render
    )
    assert '<img loading="lazy" src="/sandbox/files/1/0/poster"' in reel
    assert '<span class="state done">rendered</span>' in render
    assert "1 unit<" in reel
    assert "<b>2 units</b>" in text


def test_the_page_shows_what_was_refunded_and_what_failed(sandbox, vidio, key):
    sandbox.control.settings(refund_failed=True)
    sandbox.control.fault("vidio", "create_highlight_reel", "fail_job")
    vidio.wait(vidio.create(key).json()["job_id"], "failed")
    text = httpx.get(sandbox.url + "/sandbox").text
    assert "<s>1 unit</s><small>refunded</small>" in text
    assert '<span class="state failed">failed</span>' in text
    assert "<b>0 units</b>" in text


def test_the_page_shows_a_request_as_text(sandbox, vidio, clip):
    vidio.create(vidio.upload(clip.read_bytes(), "<b>bold.mp4"))
    text = httpx.get(sandbox.url + "/sandbox").text
    assert "&lt;b&gt;bold.mp4" in text
    assert "<b>bold" not in text


def test_a_delivered_file_can_be_played_and_seeked_in(sandbox, vidio, key):
    vidio.rendered(vidio.processed(key, output_length=1))
    whole = httpx.get(sandbox.url + "/sandbox/files/2/0")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.content[4:8] == b"ftyp"
    part = httpx.get(sandbox.url + "/sandbox/files/2/0", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    poster = httpx.get(sandbox.url + "/sandbox/files/2/0/poster")
    assert (poster.headers["content-type"], poster.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")


@pytest.mark.parametrize("path", ["0/0", "1/0", "2/7", "9/0", "1/..%2f0", "1/0/poster"])
def test_no_other_file_is_served(sandbox, vidio, key, path):
    sandbox.control.settings(speed=0)
    vidio.create(key)
    assert httpx.get(f"{sandbox.url}/sandbox/files/{path}").status_code == 404


# --- a start after a start


def test_the_book_survives_a_restart_with_its_files(tmp_path, clip, vidio_at):
    with serve(speed=10_000, data=tmp_path) as sandbox:
        vidio = vidio_at(sandbox.url)
        job_id = vidio.processed(vidio.upload(clip.read_bytes()), output_length=1)
        vidio.rendered(job_id)
        before = sandbox.control.book()
    with serve(speed=10_000, data=tmp_path) as sandbox:
        assert sandbox.control.book() == before
        assert httpx.get(sandbox.url + "/sandbox/files/2/0").content[4:8] == b"ftyp"
        assert "rendered" in httpx.get(sandbox.url + "/sandbox").text
        assert vidio_at(sandbox.url).status(job_id).status_code == 404
        vidio_at(sandbox.url).create(vidio_at(sandbox.url).upload(clip.read_bytes()))
        assert [entry["id"] for entry in sandbox.control.purchases()] == [1, 2, 3]


def test_a_job_that_a_restart_ended_is_shown_as_stopped(tmp_path, clip, vidio_at):
    with serve(speed=0, data=tmp_path) as sandbox:
        vidio_at(sandbox.url).create(vidio_at(sandbox.url).upload(clip.read_bytes()))
    with serve(speed=0, data=tmp_path) as sandbox:
        assert [entry["state"] for entry in sandbox.control.purchases()] == ["stopped"]
        assert '<span class="state failed">stopped</span>' in httpx.get(sandbox.url + "/sandbox").text


def test_a_killed_sandbox_sells_no_id_again(tmp_path):
    sold = project(World(data=tmp_path))
    with (tmp_path / "book.jsonl").open("a") as book:
        book.write('\n{"entry": {"id"')
    assert [project(World(data=tmp_path)) for _ in range(2)] == [sold + 1, sold + 2]
    assert project(World()) == sold, "without a folder there is nothing to continue"


def project(world):
    """Return the id of a project of Vizard's, whose book nobody saves at the end."""
    request = {"videoUrl": "https://cdn-docs.vizard.ai/openapi/sample.mp4", "preferLength": [0]}
    try:
        return start_project(world, "account", request, None).id
    finally:
        world.studio.close()


def test_a_reset_forgets_earlier_starts_too(tmp_path, clip, vidio_at):
    for _ in range(2):
        with serve(speed=0, data=tmp_path) as sandbox:
            vidio_at(sandbox.url).create(vidio_at(sandbox.url).upload(clip.read_bytes()))
            sandbox.control.reset()
    with serve(data=tmp_path) as sandbox:
        assert sandbox.control.purchases() == []


# --- running it


def test_several_sandboxes_run_beside_each_other():
    with serve() as one, serve() as two:
        one.control.fault("vidio", "status", "status")
        assert two.control.faults() == []


def test_files_stay_in_a_folder_that_was_given_and_go_from_one_that_was_not(tmp_path):
    with serve(data=tmp_path) as sandbox:
        url = httpx.get(
            sandbox.url + "/vidio/api/v1/uploads/upload-url",
            params={
                "job_id": "u",
                "file_name": "a.mp4",
                "file_type": "mp4",
                "media_type": "video",
                "width": 1,
                "height": 1,
                "duration": 1,
                "to_be_downscaled": "true",
            },
            headers={"x-api-key": "k"},
        ).json()["url"]
        httpx.put(url, content=b"video", headers={"content-type": "video/mp4"})
    (kept,) = tmp_path.glob("*/uploads/u/a.mp4")
    assert kept.read_bytes() == b"video"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_stops_cleanly(tmp_path, stop):
    command = [sys.executable, "-m", "airflow_provider_vidai.sandbox", "--port", "0", "--speed", "7"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout
        url = re.search(r"http://127\.0\.0\.1:\d+", running.stdout.readline())
        assert url
        assert Control(url.group()).settings()["speed"] == 7
        assert len(list(tmp_path.iterdir())) == 1
        running.send_signal(stop)
        _, errors = running.communicate(timeout=20)
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [["--speed", "-1"], ["--port", "1", "--host", "203.0.113.1"]])
def test_the_command_says_what_is_wrong_with_its_options(wrong):
    ran = subprocess.run(
        [sys.executable, "-m", "airflow_provider_vidai.sandbox", *wrong], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "error:" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_it_listens_on_this_machine_only_by_default():
    shown = subprocess.run(
        [sys.executable, "-m", "airflow_provider_vidai.sandbox", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "127.0.0.1" in shown.stdout
    assert "8765" in shown.stdout
