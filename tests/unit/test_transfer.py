"""Files in and out over raw servers: streamed, checked, resumed, landed whole or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import logging
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import ApiError, InputError, TransferError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import source
from airflow_provider_vidai.files.upload import upload
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.net.account import Account
from tests.support.raw import Peer, RawServer, Request, Step, answer, head, reset, serving
from tests.support.shelf import shelf
from tests.support.videos import video

KEY = "key-4f9d1c"
SIGNATURE = "signature-77aa"
MEBIBYTE = 1 << 20
VIDEO = b"\0\0\0\x18ftypisom" + os.urandom(4 * MEBIBYTE)
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>" * 20

pytestmark = [pytest.mark.usefixtures("hurry"), pytest.mark.slow]


def account(**changes: Any) -> Account:
    return Account(
        label="VIDIO",
        key_headers={"x-api-key": KEY},
        **{"base_url": "http://127.0.0.1:9", "timeout": 5.0, **changes},
    )


class Vendor:
    """Gives a fresh signed URL of the server's file for each request."""

    def __init__(self, server: RawServer, **fetch: Any) -> None:
        self.server, self.fetch, self.asked = server, {"kind": "video", **fetch}, 0

    def __call__(self) -> Fetch:
        self.asked += 1
        return Fetch(url=f"{self.server.url}/video?sig={SIGNATURE}{self.asked}", **self.fetch)


def serve(
    content: bytes = VIDEO,
    *,
    stop_at: int | None = None,
    stop_after: int | None = None,
    ranges: bool = True,
    etag: str = '"v1"',
    hang_up: Callable[[Peer], None] | None = Peer.reset,
    **headers: str,
) -> Step:
    """Serve a file as object stores do, up to byte ``stop_at`` of it or ``stop_after`` so many."""

    def step(peer: Peer) -> None:
        asked = peer.request.headers
        first = 0
        if ranges and "range" in asked and asked.get("if-range", etag) == etag:
            first = _first_byte(peer.request)
        headers_sent = {"content_type": "video/mp4", "etag": etag, **headers}
        if ranges:
            headers_sent["accept_ranges"] = "bytes"
        if first:
            headers_sent["content_range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        peer.send(head(206 if first else 200, length=len(content) - first, **headers_sent))
        stop = stop_at if stop_after is None else first + stop_after
        peer.send(content[first:stop])
        if stop is not None and stop < len(content) and hang_up:
            threading.Event().wait(0.05)  # a reset takes back what has not been read yet
            hang_up(peer)

    return step


def _first_byte(request: Request) -> int:
    return int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))


@pytest.fixture(params=["file", "s3"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, Callable[[], dict[str, bytes]]]]:
    """The URI of a folder, and what reads everything in it: hidden and unfinished files too."""
    if request.param == "s3":
        with shelf() as (store, uri):
            yield (
                uri,
                lambda: {
                    **{name.removeprefix("bucket/"): content for name, content in store.files.items()},
                    **{f"unfinished {name}": b"" for name in store.pending},
                },
            )
    else:
        yield (
            str(tmp_path),
            lambda: {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()},
        )


def refused(vendor: Vendor, destination: str) -> TransferError:
    """Download what must not be landed, and return the error, which never holds a secret."""
    with pytest.raises(TransferError) as caught:
        download(account(), vendor, destination, "video")
    assert "Nothing was l" in str(caught.value)
    for secret in (KEY, SIGNATURE):
        assert secret not in str(caught.value)
    return caught.value


# --- downloads that go well -------------------------------------------------------------------


def test_a_landed_file_comes_with_its_length_digest_and_size_on_screen(media: Path, folder: tuple) -> None:
    uri, files = folder
    content = media.read_bytes()
    with serving(serve(content)) as server:
        landed = download(account(), Vendor(server), f"{uri}/out/", "my job")
    kept = (*files().values(), *map(Path.read_bytes, Path(uri).glob("out/my job.mp4")))
    assert kept == (content,)
    assert landed.pop("uri").endswith("/out/my job.mp4")
    assert source(landed.pop("path")).size == len(content)
    assert landed == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "complete": True,
        "content_type": "video/mp4",
        "duration": pytest.approx(5.3, abs=0.1),
        "width": 1280,
        "height": 720,
        "fps": 25.0,
    }


def test_an_exact_destination_is_kept_to_the_letter(folder: tuple) -> None:
    uri, files = folder
    with serving(serve()) as server:
        landed = download(account(), Vendor(server), f"{uri}/take 2.bin", "video")
    assert files() == {"take 2.bin": VIDEO}
    assert "duration" not in landed
    assert "@" not in landed["uri"]


@pytest.mark.parametrize("title", ["../../x", "/etc/passwd", "a/b\\c", "漢字 é", "x" * 3000])
def test_a_title_stays_inside_the_folder(folder: tuple, title: str) -> None:
    uri, files = folder
    with serving(serve()) as server:
        download(account(), Vendor(server), f"{uri}/", title)
    (name,) = files()
    assert "/" not in name
    assert not name.startswith(".")
    assert name.endswith(".mp4")
    assert len(name.encode()) < 256


def test_the_key_goes_to_no_storage_and_redirects_are_followed_without_it(folder: tuple) -> None:
    uri, files = folder
    with (
        serving(serve()) as other,
        serving(answer(302, location=f"{other.url}/moved?sig={SIGNATURE}")) as server,
    ):
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    for request in (*server.requests, *other.requests):
        assert KEY.encode() not in request.head
        assert request.headers["accept-encoding"] == "identity"


def test_a_file_from_the_apis_own_host_gets_the_key_and_no_redirect_is_followed(folder: tuple) -> None:
    uri, files = folder
    with serving(serve()) as thief, serving(answer(302, location=f"{thief.url}/x")) as server:
        with pytest.raises(TransferError):
            download(
                account(base_url=server.url),
                lambda: Fetch(url="/video", kind="video", with_key=True),
                f"{uri}/a.mp4",
                "video",
            )
        assert thief.requests == []
    assert server.requests[0].headers["x-api-key"] == KEY
    assert files() == {}


def test_a_file_of_unannounced_length_is_landed_once_its_end_is_marked(folder: tuple) -> None:
    uri, files = folder

    def chunked(peer: Peer) -> None:
        peer.send(head(content_type="video/mp4", transfer_encoding="chunked"))
        peer.send(f"{len(VIDEO):x}\r\n".encode() + VIDEO + b"\r\n0\r\n\r\n")

    with serving(chunked) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}


def test_memory_stays_bounded_whatever_the_size(tmp_path: Path) -> None:
    size = 64 * MEBIBYTE

    def big(peer: Peer) -> None:
        peer.send(head(length=size, content_type="video/mp4") + VIDEO[:16])
        zeros, left = bytes(MEBIBYTE), size - 16
        while left and peer.send(zeros[:left]):
            left -= min(left, MEBIBYTE)

    with serving(big) as server:
        tracemalloc.start()
        try:
            landed = download(account(), Vendor(server), f"{tmp_path}/big.mp4", "video")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert landed["bytes"] == size == (tmp_path / "big.mp4").stat().st_size
    assert peak < 20 * MEBIBYTE


def test_an_existing_file_is_replaced_only_by_a_whole_one(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(VIDEO[:2000]), serve(PAGE), serve()) as server:
        vendor = Vendor(server)
        download(account(), vendor, f"{uri}/a.mp4", "video")
        refused(vendor, f"{uri}/a.mp4")
        assert files() == {"a.mp4": VIDEO[:2000]}
        download(account(), vendor, f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}


# --- downloads that are interrupted -----------------------------------------------------------


@pytest.mark.parametrize("hang_up", [Peer.reset, None], ids=["reset", "closed early"])
def test_a_cut_stream_is_resumed_from_where_it_stopped(folder: tuple, hang_up: Any) -> None:
    uri, files = folder
    steps = [
        serve(stop_at=2 * MEBIBYTE + 5, hang_up=hang_up),
        serve(stop_at=3 * MEBIBYTE + 9, hang_up=hang_up),
        serve(),
    ]
    with serving(*steps) as server:
        vendor = Vendor(server)
        landed = download(account(), vendor, f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    assert landed["sha256"] == hashlib.sha256(VIDEO).hexdigest()
    assert landed["bytes"] == len(VIDEO)
    assert vendor.asked == 3
    assert "range" not in server.requests[0].headers
    for request in server.requests[1:]:
        assert _first_byte(request) >= MEBIBYTE
        assert request.headers["if-range"] == '"v1"'


@pytest.mark.parametrize("tenth", range(10))
def test_a_video_that_is_cut_at_any_tenth_of_it_is_landed_whole(folder: tuple, tenth: int) -> None:
    uri, files = folder
    cut = len(VIDEO) * tenth // 10
    with serving(serve(stop_at=cut), serve()) as server:
        landed = download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    assert (landed["bytes"], landed["sha256"]) == (len(VIDEO), hashlib.sha256(VIDEO).hexdigest())
    if cut:
        # Of what had come, at most what was on its way inside the kernel is fetched again.
        assert cut - MEBIBYTE < _first_byte(server.requests[1]) <= cut


@pytest.mark.parametrize("tenth", [0, 1, 5, 9])
def test_a_video_that_is_always_cut_at_the_same_place_leaves_nothing(folder: tuple, tenth: int) -> None:
    uri, files = folder
    cut = len(VIDEO) * tenth // 10
    with serving(serve(stop_at=cut, ranges=False)) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable
    assert files() == {}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_url_that_has_expired_is_replaced_by_a_fresh_one(folder: tuple, status: int) -> None:
    uri, files = folder
    with serving(answer(status), serve()) as server:
        vendor = Vendor(server)
        download(account(), vendor, f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    assert vendor.asked == 2
    assert server.requests[0].target != server.requests[1].target


@pytest.mark.parametrize("status", [403, 404, 410, 503])
def test_a_url_that_expires_midway_is_replaced_and_the_file_resumed(folder: tuple, status: int) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5), answer(status), serve()) as server:
        vendor = Vendor(server)
        download(account(), vendor, f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    assert vendor.asked == 3
    assert _first_byte(server.requests[2]) >= MEBIBYTE


def test_a_server_without_ranges_starts_again(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5, ranges=False), serve(ranges=False)) as server:
        landed = download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert "range" not in server.requests[1].headers
    assert files() == {"a.mp4": VIDEO}
    assert landed["sha256"] == hashlib.sha256(VIDEO).hexdigest()


def test_a_whole_file_instead_of_the_range_is_taken_from_its_start(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5), serve(ranges=False)) as server:
        landed = download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert "range" in server.requests[1].headers
    assert files() == {"a.mp4": VIDEO}
    assert landed["bytes"] == len(VIDEO)
    assert landed["sha256"] == hashlib.sha256(VIDEO).hexdigest()


def test_a_file_that_changed_in_between_is_taken_from_its_start(folder: tuple) -> None:
    uri, files = folder
    other = VIDEO[:16] + os.urandom(3 * MEBIBYTE)
    with serving(serve(stop_at=2 * MEBIBYTE + 5), serve(other, etag='"v2"')) as server:
        landed = download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": other}
    assert landed["sha256"] == hashlib.sha256(other).hexdigest()


def test_a_weak_etag_is_not_resumed_by(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5, etag='W/"v1"'), serve(etag='W/"v1"')) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert "range" not in server.requests[1].headers
    assert files() == {"a.mp4": VIDEO}


@pytest.mark.parametrize("first", [0, MEBIBYTE])
def test_a_range_that_was_not_requested_is_never_landed_as_the_file(folder: tuple, first: int) -> None:
    uri, files = folder
    part = (VIDEO[:16] + VIDEO)[: MEBIBYTE // 2]
    span = f"bytes {first}-{first + len(part) - 1}/{len(VIDEO)}"
    wrong = answer(206, part, content_range=span, content_type="video/mp4")
    with serving(serve(stop_at=2 * MEBIBYTE + 5), wrong, serve()) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}


def one_range(first: int, total: int, body: bytes, **headers: str) -> Step:
    """Answer with a range, and with headers about the file that it belongs to."""
    span = f"bytes {first}-{first + len(body) - 1}/{total or '*'}"
    return answer(206, body, content_range=span, content_type="video/mp4", accept_ranges="bytes", **headers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"etag": '"v2"'},
        {},
        {"etag": 'W/"v1"'},
        {"etag": '"v1"', "total": len(VIDEO) + 1},
        {"etag": '"v1"', "total": len(VIDEO) - 1},
        {"last_modified": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
    ids=["another ETag", "no ETag", "a weak ETag", "longer", "shorter", "only a date"],
)
def test_a_resumed_download_never_joins_two_files(folder: tuple, wrong: dict) -> None:
    uri, files = folder
    other = b"\0\0\0\x18ftypisom" + os.urandom(len(VIDEO) - 12)

    def spliced(peer: Peer) -> None:
        at = _first_byte(peer.request)
        extra = {**wrong}
        one_range(at, extra.pop("total", len(VIDEO)), other[at:], **extra)(peer)

    with serving(serve(stop_at=2 * MEBIBYTE + 5), spliced, serve(other, etag='"v2"')) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": other}
    assert "range" not in server.requests[2].headers


def test_a_range_whose_length_contradicts_it_is_not_taken(folder: tuple) -> None:
    uri, files = folder

    def lying(peer: Peer) -> None:
        at = _first_byte(peer.request)
        span = f"bytes {at}-{len(VIDEO) - 1}/{len(VIDEO)}"
        peer.send(head(206, length=100, content_range=span, etag='"v1"') + VIDEO[:100])

    with serving(serve(stop_at=2 * MEBIBYTE + 5), lying, serve()) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}
    assert "range" not in server.requests[2].headers


def test_a_range_that_cannot_be_served_starts_again(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5), answer(416), serve()) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert "range" not in server.requests[2].headers
    assert files() == {"a.mp4": VIDEO}


def test_a_line_that_breaks_every_few_hundred_kilobytes_still_gets_there(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_after=700_000)) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}


def test_a_transfer_that_moves_nothing_is_given_up_and_nothing_is_left(folder: tuple, hurry: list) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5), reset) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable
    assert files() == {}
    assert len(server.requests) < 10
    assert sum(hurry) < 60


def test_a_file_that_never_gets_further_is_given_up_although_bytes_move(folder: tuple, hurry: list) -> None:
    uri, files = folder
    cuts = [serve(stop_at=stop * MEBIBYTE, ranges=False) for stop in (3, 2, 3, 1) * 10]
    with serving(*cuts) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable
    assert files() == {}
    assert len(server.requests) < 10


def test_an_error_of_the_vendor_midway_is_the_error_of_the_task(folder: tuple) -> None:
    uri, files = folder
    with serving(serve(stop_at=2 * MEBIBYTE + 5)) as server:
        vendor = Vendor(server)

        def gone() -> Fetch:
            if vendor.asked:
                raise ApiError("the job is gone")
            return vendor()

        with pytest.raises(ApiError, match="the job is gone"):
            download(account(), gone, f"{uri}/a.mp4", "video")
    assert files() == {}


# --- downloads in several ranges --------------------------------------------------------------

BIG = VIDEO[:16] + os.urandom(MEBIBYTE) * 80


class Capped:
    """A server that caps each connection: an open-ended request trickles, a range comes at once.

    :param trouble: what to do, once, instead of serving the second range.
    """

    def __init__(self, trouble: Step | None = None) -> None:
        self.trouble = trouble
        self.ranges: list[tuple[int, int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> bool | None:
        first, _, last = peer.request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), int(last or len(BIG) - 1) + 1
        headers_sent = {"content_type": "video/mp4", "etag": '"v1"', "accept_ranges": "bytes"}
        if "range" in peer.request.headers:
            headers_sent["content_range"] = f"bytes {start}-{end - 1}/{len(BIG)}"
        if not last:
            self._trickle(peer, start, headers_sent)
            return None
        with self._lock:
            self.ranges.append((start, end))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            trouble, self.trouble = (self.trouble, None) if len(self.ranges) == 2 else (None, self.trouble)
        threading.Event().wait(0.01)
        try:
            if trouble:
                return trouble(peer)
            return peer.send(head(206, length=end - start, **headers_sent) + BIG[start:end])
        finally:
            with self._lock:
                self.under_way -= 1

    def _trickle(self, peer: Peer, start: int, headers_sent: dict[str, str]) -> None:
        peer.send(head(206 if start else 200, length=len(BIG) - start, **headers_sent))
        if self.ranges:  # resumed or begun again after a trouble: all of it comes at once
            peer.send(BIG[start:])
            return
        for at in range(0, len(BIG), 65_536):
            if not peer.send(BIG[at : at + 65_536]):
                return
            threading.Event().wait(0.05)


def test_where_each_connection_is_capped_several_ranges_bring_the_file(tmp_path: Path) -> None:
    server_side = Capped()
    with serving(server_side) as server:
        tracemalloc.start()
        try:
            landed = download(account(), Vendor(server), f"{tmp_path}/a.mp4", "video")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert landed["sha256"] == hashlib.sha256(BIG).hexdigest()
    assert (tmp_path / "a.mp4").read_bytes() == BIG
    assert len(server_side.ranges) > 8
    assert 1 < server_side.most_under_way <= 8
    assert all(KEY.encode() not in request.head for request in server.requests)
    # Both ends of the wire are in this process.
    assert peak < 120 * MEBIBYTE


def other_version(peer: Peer) -> None:
    """Serve the range that was asked for, of another file of the same length."""
    first, last = map(int, peer.request.headers["range"].removeprefix("bytes=").split("-"))
    body = b"\xff" * (last - first + 1)
    answer(206, body, content_range=f"bytes {first}-{last}/{len(BIG)}", etag='"other"')(peer)


@pytest.mark.parametrize(
    "trouble",
    [
        answer(403),
        answer(503),
        reset,
        answer(200, BIG[: 5 * MEBIBYTE], content_type="video/mp4"),
        answer(206, BIG[: 4 * MEBIBYTE], content_range=f"bytes 0-{4 * MEBIBYTE - 1}/{len(BIG)}"),
        answer(206, b"short", content_range="bytes 0-4/5"),
        other_version,
    ],
    ids=["403", "503", "reset", "whole", "other range", "short", "another version"],
)
def test_a_range_in_trouble_costs_neither_order_nor_bytes(tmp_path: Path, trouble: Step) -> None:
    server_side = Capped(trouble)
    with serving(server_side) as server:
        vendor = Vendor(server)
        landed = download(account(), vendor, f"{tmp_path}/a.mp4", "video")
    assert landed["sha256"] == hashlib.sha256(BIG).hexdigest()
    assert landed["bytes"] == len(BIG) == (tmp_path / "a.mp4").stat().st_size
    assert vendor.asked == 2


def test_a_full_disk_while_ranges_are_under_way_leaves_nothing() -> None:
    with shelf() as (store, uri), serving(Capped()) as server:
        store.room = 20 * MEBIBYTE
        assert "no space left" in str(refused(Vendor(server), f"{uri}/a.mp4"))
        assert (store.files, store.pending) == ({}, [])


def test_no_range_is_fetched_any_more_when_the_transfer_has_failed() -> None:
    with shelf() as (store, uri), serving(Capped()) as server:
        store.room = 20 * MEBIBYTE
        error = refused(Vendor(server), f"{uri}/a.mp4")
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith("range")]
    assert error.retryable
    assert left == []


# --- what is no whole file --------------------------------------------------------------------


def test_fewer_bytes_than_announced_are_never_landed(folder: tuple) -> None:
    uri, files = folder
    with serving(answer(body=VIDEO[:100_000], length=200_000, content_type="video/mp4")) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable
    assert files() == {}


def test_a_chunked_stream_without_its_end_is_never_landed(folder: tuple) -> None:
    uri, files = folder

    def endless(peer: Peer) -> None:
        peer.send(head(content_type="video/mp4", transfer_encoding="chunked"))
        peer.send(b"186a0\r\n" + VIDEO[:100_000] + b"\r\n")

    with serving(endless) as server:
        refused(Vendor(server), f"{uri}/a.mp4")
    assert files() == {}


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("left", [0.5, 0.999])
def test_half_a_video_is_never_landed_as_a_whole_one(
    folder: tuple, media: Path, announced: bool, left: float
) -> None:
    uri, files = folder
    whole = media.read_bytes()
    part = whole[: int(len(whole) * left)]

    def short(peer: Peer) -> None:
        peer.send(head(content_type="video/mp4", **({"length": len(part)} if announced else {})) + part)

    with serving(short) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable
    assert "was cut" in str(error)
    assert files() == {}
    with serving(short, serve(whole)) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": whole}


WHOLE = {
    "image": ["exif6.jpg", "png_called.jpg", "animated.webp"],
    "video": ["mediarecorder_no_duration.webm", "screen_recording_vfr.webm", "theora.ogv", "rot90.mov"],
}


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "without a length"])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in WHOLE for name in WHOLE[kind]])
def test_half_a_file_of_any_format_is_never_landed_even_where_its_length_agrees(
    tmp_path: Path, case: Callable[[str], Path], kind: str, name: str, announced: bool
) -> None:
    whole = case(name).read_bytes()
    half = whole[: len(whole) // 2]

    def cut(peer: Peer) -> None:
        peer.send(head(**({"length": len(half)} if announced else {})) + half)

    with serving(cut) as server:
        error = refused(Vendor(server, kind=kind), f"{tmp_path}/a.bin")
    assert "was cut" in str(error)
    assert error.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "proven"),
    [
        ("image", "exif6.jpg", True),
        ("video", "screen_recording_vfr.webm", True),
        ("video", "live_no_duration.mkv", None),
    ],
)
def test_a_landed_file_says_whether_it_is_proven_to_be_whole(
    tmp_path: Path,
    case: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    name: str,
    proven: bool | None,
) -> None:
    with serving(serve(case(name).read_bytes())) as server:
        landed = download(account(), Vendor(server, kind=kind), f"{tmp_path}/a.bin", "video")
    assert landed["complete"] is proven
    assert ("is not proven" in caplog.text) is (proven is None)


def test_a_very_small_video_is_landed_with_a_warning_and_refused_below_min_bytes(
    tmp_path: Path, case: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    content = case("rot90.mov").read_bytes()
    with serving(serve(content)) as server:
        download(account(), Vendor(server), f"{tmp_path}/a.mov", "video", min_bytes=len(content))
        assert "may be a placeholder" in caplog.text
        with pytest.raises(TransferError, match=r"fewer than min_bytes \(100000\).*Nothing was landed") as no:
            download(account(), Vendor(server), f"{tmp_path}/b.mov", "video", min_bytes=100_000)
    assert not no.value.retryable
    assert [path.name for path in tmp_path.iterdir()] == ["a.mov"]


def test_a_page_instead_of_a_video_is_described_and_not_quoted(folder: tuple) -> None:
    with serving(answer(body=PAGE, content_type="text/html")) as server:
        error = refused(Vendor(server), f"{folder[0]}/a.mp4")
    assert "an HTML page" in str(error)
    assert "Sign in" not in str(error)
    assert "b'" not in str(error)


def test_bytes_after_a_video_do_no_harm(folder: tuple, media: Path) -> None:
    uri, files = folder
    body = media.read_bytes() + b"and more that no player minds"
    with serving(serve(body)) as server:
        download(account(), Vendor(server), f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": body}


@pytest.mark.parametrize("kind", ["text/html", "video/mp4"])
def test_a_page_instead_of_a_video_is_never_landed(folder: tuple, kind: str) -> None:
    uri, files = folder
    with serving(answer(body=PAGE, content_type=kind)) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert "Expected video" in str(error)
    assert kind in str(error)
    assert files() == {}


#: Files of which the table of media types knows nothing.
UNLISTED = {
    "JPEG XL": bytes.fromhex("0000000c4a584c200d0a870a") + bytes(range(256)) * 4,
    "RealMedia": b".RMF\0\0\0\x12\0\1" + bytes(range(256)) * 4,
    "an archive": b"PK\3\4\x14\0\0\0" + bytes(range(256)) * 4,
    "noise": bytes(range(1, 256)) * 4,
    "begins like JSON": b"{\0\1\2" + bytes(range(256)) * 4,
    "begins like XML": b"<a \0\1\2" + bytes(range(256)) * 4,
}


@pytest.mark.parametrize("kind", ["video", "image", "audio", "text"])
@pytest.mark.parametrize("name", UNLISTED)
def test_a_file_in_a_container_that_is_not_listed_is_landed_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    content = UNLISTED[name]
    with serving(serve(content, content_type="application/octet-stream")) as server:
        landed = download(account(), Vendor(server, kind=kind), f"{tmp_path}/", "job")
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == content
    assert path.suffix == {"video": ".video", "image": ".img", "audio": ".audio", "text": ".txt"}[kind]
    assert landed["sha256"] == hashlib.sha256(content).hexdigest()
    assert ("because it is paid for" in caplog.text) is (kind != "text")


@pytest.mark.parametrize(
    ("begin", "suffix", "own_kind"),
    [
        (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", ".bmp", "image"),
        (b"\0\0\0\x18ftypheic", ".heic", "image"),
        (b"II*\0\x08\0\0\0", ".tiff", "image"),
        (b"\xff\xd8\xff\xd9", ".jpg", "image"),
        ((b"G" + bytes(187)) * 6, ".ts", "video"),
        (b"RIFF\0\0\0\0AVI LIST", ".avi", "video"),
        (b"FLV\x01\x05", ".flv", "video"),
        (b"\x1aE\xdf\xa3\x93B\x82\x88matroska", ".mkv", "video"),
        (b"ID3\4\0\0\0\0\0\0", ".mp3", "audio"),
    ],
)
@pytest.mark.parametrize("kind", ["video", "image", "audio"])
def test_a_file_of_another_kind_than_announced_is_landed_under_its_own_extension_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begin: bytes, suffix: str, own_kind: str, kind: str
) -> None:
    content = begin + bytes(2000)
    with serving(serve(content)) as server:
        download(account(), Vendor(server, kind=kind), f"{tmp_path}/", "job")
    (path,) = tmp_path.iterdir()
    assert (path.suffix, path.read_bytes()) == (suffix, content)
    assert ("because it is paid for" in caplog.text) is (kind != own_kind)


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("video", "video/mp4"), ("image", "text/html"), ("audio", "application/octet-stream")],
)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (PAGE, "an HTML page"),
        (b"<!-- maintenance --><html><body>Back soon</body></html>", "an HTML page"),
        ("<h1 class='a'>Gr\u00fc\u00dfe</h1>".encode("latin-1"), "XML"),
        ("<html><body>Sign in</body></html>".encode("utf-16"), "an HTML page"),
        (b'{"error": "the URL has expired"}', "JSON"),
        (b'  \n["the URL has expired", 1]', "JSON"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    ],
)
def test_html_json_and_xml_are_never_landed_as_media(
    tmp_path: Path, body: bytes, what: str, kind: str, content_type: str
) -> None:
    with serving(answer(body=body, content_type=content_type)) as server:
        error = refused(Vendor(server, kind=kind), f"{tmp_path}/a.bin")
    assert f"Expected {kind}, but the storage sent {what}" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_plain_text_is_refused_only_where_the_server_says_itself_that_it_is_text(tmp_path: Path) -> None:
    body = b"Too many requests, please come back later."
    with serving(answer(body=body, content_type="text/plain; charset=utf-8")) as server:
        assert "plain text" in str(refused(Vendor(server), f"{tmp_path}/a.mp4"))
    with serving(answer(body=body, content_type="video/mp4")) as server:
        download(account(), Vendor(server), f"{tmp_path}/b.mp4", "job")
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]


@pytest.mark.parametrize("body", [b"", b"x", b"\0\0\0\x18ftyp"])
def test_an_empty_or_tiny_answer_is_never_landed(folder: tuple, body: bytes) -> None:
    uri, files = folder
    with serving(answer(body=body, content_type="video/mp4")) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert f"brought only {len(body)} bytes" in str(error)
    assert files() == {}


def test_a_compressed_answer_is_not_landed_as_the_video(folder: tuple) -> None:
    uri, files = folder
    packed = gzip.compress(VIDEO)
    with serving(answer(body=packed, content_type="video/mp4", content_encoding="gzip")) as server:
        refused(Vendor(server), f"{uri}/a.mp4")
    assert files() == {}


@pytest.mark.parametrize(("status", "again"), [(401, False), (400, False), (204, False), (501, True)])
def test_any_other_answer_is_an_error_at_once(folder: tuple, status: int, again: bool) -> None:
    uri, files = folder
    with serving(answer(status)) as server:
        error = refused(Vendor(server), f"{uri}/a.mp4")
    assert error.retryable is again
    assert len(server.requests) == 1
    assert files() == {}


def test_a_full_destination_is_reported_and_nothing_is_left() -> None:
    with shelf() as (store, uri), serving(serve()) as server:
        store.room = 3 * MEBIBYTE
        store.files["bucket/a.mp4"] = b"old"
        error = refused(Vendor(server), f"{uri}/a.mp4")
        assert "no space left" in str(error)
        assert error.retryable
        assert (store.files, store.pending) == ({"bucket/a.mp4": b"old"}, [])


def test_a_destination_that_may_not_be_written_fails_permanently() -> None:
    with shelf() as (store, uri), serving(serve()) as server:
        store.room, store.trouble = 0, PermissionError("Access Denied")
        error = refused(Vendor(server), f"{uri}/a.mp4")
        assert "cannot be written: Access Denied" in str(error)
        assert not error.retryable
        assert (store.files, store.pending) == ({}, [])


def test_a_destination_that_is_a_directory_fails_permanently(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with serving(serve()) as server:
        error = refused(Vendor(server), str(tmp_path / "out"))
    assert "end it with '/'" in str(error)
    assert not error.retryable
    assert list((tmp_path / "out").iterdir()) == []


def test_a_destination_whose_storage_is_not_installed_fails_permanently(hurry: list) -> None:
    with serving(serve()) as server, pytest.raises(InputError, match="Install the Airflow provider"):
        download(account(), Vendor(server), "gs://bucket/a.mp4", "video")


def test_no_signed_url_is_logged_even_at_debug(
    folder: tuple, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    clip = video(tmp_path / "clip.mp4")
    with serving(answer(503), serve(stop_at=2 * MEBIBYTE + 5), serve()) as server:
        download(account(), Vendor(server), f"{folder[0]}/a.mp4", "video")
    with serving(answer(503), answer(200)) as server:
        upload(account(), lambda: Put(f"{server.url}/in?sig={SIGNATURE}", "video/mp4"), source(str(clip)))
    assert SIGNATURE not in caplog.text
    assert KEY not in caplog.text
    assert SIGNATURE not in repr(Vendor(server)()) + repr(Put(f"x?{SIGNATURE}", "y"))


def test_a_header_that_cannot_be_read_puts_no_url_into_the_log(
    folder: tuple, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nno header at all\r\n\r\n" + VIDEO)

    with serving(odd) as server:
        download(account(), Vendor(server), f"{folder[0]}/a.mp4", "video")
    assert SIGNATURE not in caplog.text


# --- proxies ----------------------------------------------------------------------------------

#: As a URL spells them, and as they are.
LOGIN, PROXY_LOGIN = "st%40ff:p%3A%C3%A9-s3cr3t", "st@ff:p:é-s3cr3t"


def with_login(peer: Peer) -> None:
    """Serve the video to those who send user and password."""
    sent = peer.request.headers.get("proxy-authorization", "")
    wanted = f"Basic {base64.b64encode(PROXY_LOGIN.encode()).decode()}"
    (serve() if sent == wanted else answer(407))(peer)


@pytest.mark.parametrize("named", ["connection", "environment"])
def test_a_proxy_gets_the_user_and_password_of_its_url(
    folder: tuple, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    uri, files = folder
    with serving(with_login) as server:
        proxy = f"http://{LOGIN}@127.0.0.1:{server.port}"
        if named == "environment":
            monkeypatch.setenv("http_proxy", proxy)
        through = account(proxy=proxy if named == "connection" else None)
        where = Fetch(url=f"http://storage.example/video?sig={SIGNATURE}", kind="video")
        download(through, lambda: where, f"{uri}/a.mp4", "video")
    assert files() == {"a.mp4": VIDEO}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_does_not_put_its_password_into_error_or_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level(logging.DEBUG)
    where = Fetch(url=f"{scheme}://storage.example/video?sig={SIGNATURE}", kind="video")
    with serving(answer(407)) as server:
        through = account(proxy=f"http://{LOGIN}@127.0.0.1:{server.port}")
        with pytest.raises(TransferError) as caught:
            download(through, lambda: where, f"{tmp_path}/a.mp4", "video")
    assert all("proxy-authorization" in request.headers for request in server.requests)
    for secret in ("s3cr3t", SIGNATURE):
        assert secret not in str(caught.value) + caplog.text


@pytest.mark.parametrize("address", ["127.0.0.1:port", "127.0.0.1:99999", "s3/cr3t@127.0.0.1:1"])
def test_a_proxy_whose_url_cannot_be_read_fails_the_transfer_without_showing_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    through = account(proxy=f"http://staff:s3cr3t@{address}")
    where = Fetch(url="http://storage.example/video", kind="video")
    with pytest.raises(TransferError) as caught:
        download(through, lambda: where, f"{tmp_path}/a.mp4", "video")
    assert "s3" not in str(caught.value) + caplog.text


# --- uploads ----------------------------------------------------------------------------------


class Door:
    """Returns a fresh signed URL to put a file to each time it is asked."""

    def __init__(self, server: RawServer) -> None:
        self.server, self.asked = server, 0

    def __call__(self) -> Put:
        self.asked += 1
        return Put(f"{self.server.url}/in?sig={SIGNATURE}{self.asked}", "video/x-exotic")


@pytest.fixture(params=["file", "s3"])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A file of 4 MiB to upload."""
    if request.param == "s3":
        with shelf() as (store, uri):
            store.files["bucket/clip.mp4"] = VIDEO
            yield f"{uri}/clip.mp4"
    else:
        (tmp_path / "clip.mp4").write_bytes(VIDEO)
        yield str(tmp_path / "clip.mp4")


def test_an_upload_has_its_exact_type_and_length_and_no_key(clip: str) -> None:
    with serving(answer(200)) as server:
        upload(account(), Door(server), source(clip))
    (request,) = server.requests
    assert request.method == "PUT"
    assert request.body == VIDEO
    assert request.headers["content-type"] == "video/x-exotic"
    assert request.headers["content-length"] == str(len(VIDEO))
    assert "transfer-encoding" not in request.headers
    assert KEY.encode() not in request.head


@pytest.mark.parametrize("first", [answer(403), answer(503), answer(429), answer(404), reset])
def test_an_upload_is_repeated_whole_with_a_fresh_url(clip: str, first: Step) -> None:
    with serving(first, answer(201)) as server:
        door = Door(server)
        upload(account(), door, source(clip))
    assert door.asked == 2
    assert [request.target[-1] for request in server.requests] == ["1", "2"]
    assert server.requests[-1].body == VIDEO


def test_an_upload_is_given_up_after_five_failures(clip: str, hurry: list) -> None:
    with serving(answer(503)) as server, pytest.raises(TransferError, match=r"\(5 attempts\)") as caught:
        upload(account(), Door(server), source(clip))
    assert len(server.requests) == 5
    assert caught.value.retryable
    assert SIGNATURE not in str(caught.value)
    assert sum(hurry) < 60


@pytest.mark.parametrize("status", [400, 401, 411, 413, 302])
def test_an_upload_that_is_refused_is_not_repeated(clip: str, status: int) -> None:
    step = answer(status, location="http://127.0.0.1:1/elsewhere")
    with serving(step) as server, pytest.raises(TransferError, match=f"HTTP {status}") as caught:
        upload(account(), Door(server), source(clip))
    assert len(server.requests) == 1
    assert not caught.value.retryable


def test_a_file_that_shrinks_while_it_is_sent_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(VIDEO)
    file = source(str(path))
    path.write_bytes(VIDEO[:1000])
    with (
        serving(answer(200)) as server,
        pytest.raises(TransferError, match="changed while it was being sent"),
    ):
        upload(account(), Door(server), file)


def test_a_file_that_grows_while_it_is_sent_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(VIDEO)
    file = source(str(path))
    path.write_bytes(VIDEO + b"more")
    with (
        serving(answer(200)) as server,
        pytest.raises(TransferError, match="changed while it was being sent"),
    ):
        upload(account(), Door(server), file)


def test_an_upload_keeps_memory_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big.mp4"
    with path.open("wb") as file:
        file.truncate(64 * MEBIBYTE)

    with serving(answer(200)) as server:
        tracemalloc.start()
        try:
            upload(account(), Door(server), source(str(path)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert server.requests[0].headers["content-length"] == str(64 * MEBIBYTE)
    assert peak < 20 * MEBIBYTE
