"""Uploads to and downloads from signed URLs."""

import http.client
import resource
import time
from urllib.parse import urlsplit

import httpx
import pytest


@pytest.fixture
def url(vidio) -> str:
    """A URL to put an MP4 to."""
    return vidio.upload_url(job_id="u").raise_for_status().json()["url"]


@pytest.fixture
def video(vidio, key) -> str:
    """The URL of a rendered video."""
    return vidio.rendered(vidio.processed(key))["output_url"]


def put(url: str, content: bytes = b"video", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.put(url, content=content, headers={"content-type": "video/mp4", **named})


# --- uploads


def test_an_upload_needs_nothing_but_its_signed_url(vidio, url):
    assert put(url).status_code == 200
    assert vidio.create("uploads/u/clip.mp4").status_code == 200


def test_an_upload_can_be_repeated(url):
    assert [put(url).status_code, put(url).status_code] == [200, 200]


def test_asking_for_another_url_does_not_undo_an_upload(vidio, key):
    assert vidio.upload_url(job_id=key.split("/")[1]).status_code == 200
    assert vidio.create(key).status_code == 200


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
def test_a_key_must_never_be_sent_to_storage(vidio, url, header):
    assert put(url, **{header: "a-key"}).status_code == 400
    assert vidio.create("uploads/u/clip.mp4").status_code == 404


def test_an_upload_of_another_type_is_refused(url):
    answer = put(url, content_type="application/octet-stream")
    assert answer.status_code == 403
    assert "SignatureDoesNotMatch" in answer.text


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("a.mkv", ["video/mkv", "video/x-matroska"]),
        ("a.m4v", ["video/m4v", "video/mp4"]),
        ("a.mov", ["video/quicktime"]),
        ("a.avi", ["video/x-msvideo"]),
        ("a.webm", ["video/webm"]),
    ],
)
def test_types_that_differ_between_platforms_are_all_taken(vidio, name, types):
    url = vidio.upload_url(name).json()["url"]
    assert [put(url, content_type=one).status_code for one in types] == [200] * len(types)


def test_an_upload_without_a_length_is_refused(url):
    answer = httpx.put(url, content=iter([b"fi", b"lm"]), headers={"content-type": "video/mp4"})
    assert answer.status_code == 411


def test_an_upload_that_breaks_off_leaves_nothing(vidio, url):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("content-type", "video/mp4")
    connection.putheader("content-length", "1000")
    connection.endheaders(b"x" * 500)
    connection.close()
    time.sleep(0.1)
    assert vidio.create("uploads/u/clip.mp4").status_code == 404


def test_an_expired_upload_url_is_refused(sandbox, vidio):
    sandbox.control.settings(url_ttl=0.05)
    url = vidio.upload_url().json()["url"]
    time.sleep(0.1)
    answer = put(url)
    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code>" in answer.text


@pytest.mark.parametrize("part", ["signature", "expires", "nonce"])
def test_a_signature_that_was_touched_is_refused(url, part):
    assert put(url.replace(f"{part}=", f"{part}=1")).status_code == 403
    assert put(url.replace(f"{part}=", "other=")).status_code == 403


def test_a_signature_is_good_for_one_file_and_one_method_only(vidio, url):
    other = vidio.upload_url(job_id="v").json()["url"]
    assert put(url.partition("?")[0] + "?" + other.partition("?")[2]).status_code == 403
    assert put(url).status_code == 200
    assert httpx.get(url).status_code == 403


def test_an_upload_of_any_size_takes_little_memory(url):
    """The sandbox runs in this process, so its memory is this process's."""
    size = 300 << 20

    def content():
        for _ in range(size >> 20):
            yield b"x" * (1 << 20)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = httpx.put(
        url, content=content(), headers={"content-type": "video/mp4", "content-length": str(size)}, timeout=60
    )
    assert answer.status_code == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


# --- downloads


def test_a_download_is_whole_and_says_what_it_is(video):
    answer = httpx.get(video)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("fields", "first", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=100-99999999", 100, None),
    ],
)
def test_a_range_is_served(video, fields, first, end):
    whole = httpx.get(video).content
    part = httpx.get(video, headers={"range": fields})
    assert part.status_code == 206
    assert part.content == whole[first:end]
    begin = first % len(whole)
    assert part.headers["content-range"] == f"bytes {begin}-{begin + len(part.content) - 1}/{len(whole)}"


def test_a_range_beyond_the_end_cannot_be_served(video):
    size = len(httpx.get(video).content)
    answer = httpx.get(video, headers={"range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("fields", ["bytes=0-1,5-6", "pages=1-2", "bytes=", "bytes=x-y", "bytes"])
def test_a_range_that_is_not_understood_is_ignored(video, fields):
    assert httpx.get(video, headers={"range": fields}).status_code == 200


def test_a_range_is_only_served_of_the_same_file(video):
    etag = httpx.get(video).headers["etag"]
    same = httpx.get(video, headers={"range": "bytes=5-", "if-range": etag})
    other = httpx.get(video, headers={"range": "bytes=5-", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_ranges_can_be_switched_off(sandbox, video):
    sandbox.control.settings(ranges=False)
    answer = httpx.get(video, headers={"range": "bytes=5-9"})
    assert answer.status_code == 200
    assert "accept-ranges" not in answer.headers


def test_an_expired_download_url_is_refused_and_a_new_one_is_good(sandbox, vidio, key):
    job_id = vidio.processed(key)
    vidio.rendered(job_id)
    sandbox.control.settings(url_ttl=0.05)
    old = vidio.status(job_id).json()["output_url"]
    time.sleep(0.1)
    answer = httpx.get(old)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    sandbox.control.settings(url_ttl=60)
    assert httpx.get(vidio.status(job_id).json()["output_url"]).status_code == 200


def test_nothing_is_served_without_a_signature_but_thumbnails(sandbox, vidio, key):
    answer = vidio.rendered(vidio.processed(key))
    assert httpx.get(answer["output_url"].partition("?")[0]).status_code == 403
    assert httpx.get(f"{sandbox.url}/storage/{key}").status_code == 403
    assert httpx.get(f"{sandbox.url}/storage/out/none.jpg").status_code == 403
    assert httpx.get(f"{sandbox.url}/storage/{answer['outputs'][0]['thumbnail']}").status_code == 200


def test_no_path_leads_out_of_the_data_folder(sandbox):
    for path in ("/storage/../../etc/passwd", "/storage/%2e%2e/%2e%2e/etc/passwd", "/storage//etc/passwd"):
        parts = urlsplit(sandbox.url)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.request("GET", path)
        assert connection.getresponse().status in (403, 404)
        connection.close()
