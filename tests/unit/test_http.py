"""The drivers of a Call against servers that misbehave on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_provider_vidai.answers import MAX_ANSWER, Answer
from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Repeat
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.net.exchange import MEDIA_HEAD
from airflow_provider_vidai.net.policy import USER_AGENT
from airflow_provider_vidai.net.polls import AsyncClient
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from tests.support.raw import Peer, answer, closed_port, endless, head, reset, serving

pytestmark = pytest.mark.slow

KEY = "key-4f9d1c"
QUERY = "signature-77aa"


def account(url: str, **changes: Any) -> Account:
    changes.setdefault("key_headers", {"x-api-key": KEY})
    return Account(label="VIDIO", base_url=url, **changes)


def call(parse: Any = None, **changes: Any) -> Call[Any]:
    """A call that returns the parsed JSON of a success."""
    values = {"method": "GET", "path": "/thing", "query": (("token", QUERY),), **changes}
    return Call("do a thing", parse=parse or (lambda found: VIDIO.read(found, "do a thing")), **values)


def raw(found: Answer) -> Answer:
    return found


def purchase(**changes: Any) -> Call[Any]:
    return call(method="POST", repeat=Repeat.ONCE, body={"a": 1}, **changes)


def send(which: str, where: Account, what: Call[Any]) -> Any:
    if which == "sync":
        client = Client(where)
        try:
            return client.send(what, attempts=1)
        finally:
            client.close()

    async def asend() -> Any:
        http = AsyncClient(where)
        try:
            return await http.asend(what)
        finally:
            await http.aclose()

    return asyncio.run(asend())


def failing(which: str, where: Account, what: Call[Any]) -> ApiError:
    """Send a call that must fail, and return the error, which never holds a secret."""
    with pytest.raises(VidaiError) as caught:
        send(which, where, what)
    assert isinstance(caught.value, ApiError), caught.value
    for secret in (KEY, QUERY):
        assert secret not in str(caught.value)
    # What a traceback shows of the chain must not show it either.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


both = pytest.mark.parametrize("which", ["sync", "async"])


# --- what is sent -----------------------------------------------------------------------------


@both
def test_a_call_carries_its_key_query_and_body_and_asks_for_no_compression(which: str) -> None:
    with serving(answer(body={"ok": True})) as server:
        assert send(which, account(server.url), call(method="POST", body={"a": [1, "é"]})) == {"ok": True}
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", f"/thing?token={QUERY}")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["user-agent"] == USER_AGENT
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == '{"a":[1,"é"]}'.encode()


# --- how much is read -------------------------------------------------------------------------


@both
def test_an_endless_json_answer_is_cut_at_the_limit(which: str) -> None:
    with serving(endless(b"[1", b",1" * 30_000, content_type="application/json")) as server:
        found = send(which, account(server.url), call(raw))
        assert len(found.body) == MAX_ANSWER
        assert not found.whole
        with pytest.raises(ValueError, match="cut off"):
            found.json()
        _wait_until(lambda: server.peers[0].refused)
        assert server.peers[0].sent < 32 * MAX_ANSWER


@both
def test_an_answer_of_exactly_the_limit_is_whole(which: str) -> None:
    body = b'"' + b"x" * (MAX_ANSWER - 2) + b'"'
    with serving(answer(body=body, content_type="application/json")) as server:
        found = send(which, account(server.url), call(raw))
    assert found.whole
    assert len(found.json()) == MAX_ANSWER - 2


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """200 MiB of spaces, gzipped to about 200 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    mebibyte = b" " * (1 << 20)
    return b"".join(packer.compress(mebibyte) for _ in range(200)) + packer.flush()


@both
def test_a_gzip_bomb_does_not_swell_in_memory(which: str, bomb: bytes) -> None:
    with serving(answer(body=bomb, content_type="application/json", content_encoding="gzip")) as server:
        where = account(server.url)
        tracemalloc.start()
        try:
            found = send(which, where, call(raw))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(found.body) == MAX_ANSWER
    assert not found.whole
    assert peak < 16 * MAX_ANSWER


@both
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_compressed_answer_is_understood_though_none_was_asked_for(which: str, pack: Any) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    body = pack(b'{"status": "processed"}')
    with serving(answer(body=body, content_type="application/json", content_encoding=encoding)) as server:
        assert send(which, account(server.url), call()) == {"status": "processed"}


@both
def test_an_answer_that_claims_to_be_gzip_and_is_not_is_a_passing_failure(which: str) -> None:
    with serving(answer(body=b"not gzip at all", content_encoding="gzip")) as server:
        error = failing(which, account(server.url), call())
    assert error.retryable


@both
@pytest.mark.parametrize("media", ["video/mp4", "image/png", "Audio/MPEG", "application/octet-stream"])
def test_of_media_only_the_first_bytes_are_read(which: str, media: str) -> None:
    with serving(endless(b"\0\0\0\x18ftypisom", b"\0" * 65_536, content_type=media)) as server:
        found = send(which, account(server.url), call(raw))
        assert len(found.body) == MEDIA_HEAD
        assert found.body.startswith(b"\0\0\0\x18ftypisom")
        assert not found.whole
        _wait_until(lambda: server.peers[0].refused)
        # What the kernel's buffers took, and no more.
        assert server.peers[0].sent < 16 << 20


@both
def test_an_error_that_is_labelled_as_media_is_read_as_text(which: str) -> None:
    with serving(answer(500, b"x" * 200, content_type="application/octet-stream")) as server:
        found = send(which, account(server.url), call(raw))
    assert len(found.body) == 200


# --- where the key goes -----------------------------------------------------------------------


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("order", [call, purchase])
def test_a_redirect_is_not_followed_and_the_key_is_not_sent_on(which: str, status: int, order: Any) -> None:
    with serving(answer(body={"stolen": True})) as thief:
        elsewhere = f"{thief.url}/steal?token={QUERY}"
        with serving(answer(status, location=elsewhere)) as server:
            error = failing(which, account(server.url), order())
        assert thief.requests == []
    assert len(server.requests) == 1
    assert error.status == status
    assert error.processed == "maybe"
    assert not error.retryable
    assert "Redirects are not followed" in str(error)


@both
@pytest.mark.parametrize("order", [call, purchase])
@pytest.mark.parametrize(
    "location",
    [
        "job:123",
        "localhost:8080/x",
        "http://[::1",
        "http://host:port/",
        "//",
        "http://" + "a" * 70 + ".com",
        "\\\\evil",
        "\xff\xfe",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_redirect_to_nowhere_is_an_answer_and_proves_nothing_about_the_purchase(
    which: str, location: str, order: Any
) -> None:
    with serving(lambda peer: _redirect(peer, location)) as server:
        error = failing(which, account(server.url), order())
    assert len(server.requests) == 1
    assert error.processed == "maybe"
    assert error.status == 302
    assert "Nothing was sent" not in str(error)


def _redirect(peer: Peer, location: str) -> None:
    peer.send(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))


@both
@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: \xff=;;=\r\nContent-Type: \xf0\x9f/;;\r\nContent-Length: 2\r\n\r\n{",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_no_answer_that_a_library_chokes_on_proves_that_nothing_was_bought(which: str, sent: bytes) -> None:
    with serving(lambda peer: peer.send(sent) and None) as server:
        error = failing(which, account(server.url, timeout=2.0), purchase())
    assert len(server.requests) == 1
    assert error.processed == "maybe"
    assert "Nothing was sent" not in str(error)


@both
def test_a_request_that_cannot_be_written_proves_that_nothing_was_sent(which: str) -> None:
    with serving(answer(body={})) as server:
        for body in ({"prompt": "half a pair \ud83d"}, {"seed": float("nan")}):
            broken = call(method="POST", repeat=Repeat.ONCE, body=body)
            error = failing(which, account(server.url), broken)
            assert error.processed == "no"
            assert "Nothing was sent" in str(error)
        assert server.requests == []


# --- how long it takes ------------------------------------------------------------------------


@both
def test_a_body_that_trickles_ends_at_the_calls_timeout(which: str) -> None:
    with serving(endless(b"[", b"1", every=0.3, stop=8, content_type="application/json")) as server:
        began = time.monotonic()
        error = failing(which, account(server.url), call(timeout=1.0))
    assert 0.9 < time.monotonic() - began < 6, "it went on for 8 s"
    assert error.retryable
    assert error.processed == "maybe"


#: Seconds that these servers go on for, and seconds within which a call with a timeout of 0.6 s must end. The
#: second leaves room for a busy machine; a call whose timeout does not hold takes as long as the first.
DRAWN_OUT, ENDED = 20, 10


def _trickled_headers(peer: Peer) -> None:
    for byte in head(content_type="application/json", length=2)[:14] + b"\r\nA: " + b"a" * 10 * DRAWN_OUT:
        if not peer.send(bytes([byte])):
            return
        threading.Event().wait(0.1)
    peer.send(b"\r\nContent-Length: 2\r\n\r\n{}")


def _flood_of_continues(peer: Peer) -> None:
    until = time.monotonic() + DRAWN_OUT
    while time.monotonic() < until and peer.send(b"HTTP/1.1 100 Continue\r\n\r\n"):
        threading.Event().wait(0.02)
    peer.send(head(content_type="application/json", length=2) + b"{}")


def _flood_at_full_speed(peer: Peer) -> None:
    until = time.monotonic() + DRAWN_OUT
    while time.monotonic() < until and peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 500):
        pass


def _trickled_body(peer: Peer) -> None:
    endless(b"[", b"1", every=0.1, stop=DRAWN_OUT, content_type="application/json")(peer)


@both
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("order", [call, purchase])
@pytest.mark.parametrize(
    "slow", [_trickled_headers, _flood_of_continues, _flood_at_full_speed, _trickled_body]
)
def test_the_timeout_holds_however_an_answer_is_drawn_out(
    which: str, slow: Any, order: Any, tls: bool, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    with serving(slow, tls=self_signed[0] if tls else None) as server:
        began = time.monotonic()
        error = failing(which, account(server.url, verify=False), order(timeout=0.6))
        assert time.monotonic() - began < ENDED
    assert error.processed == "maybe", "the request had left"
    assert error.retryable


def test_the_timeout_holds_on_a_connection_that_was_kept() -> None:
    with serving(answer(body={"ok": 1}, keep=True), _trickled_headers) as server:
        client = Client(account(server.url))
        client.send(call())
        began = time.monotonic()
        with pytest.raises(ApiError):
            client.send(call(timeout=0.6), attempts=1)
        assert time.monotonic() - began < ENDED
        client.close()
    assert len(server.peers) == 1


def test_the_timeout_holds_while_a_server_takes_a_large_request_bit_by_bit() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def sip() -> None:
        sock, _ = listener.accept()
        with contextlib.suppress(OSError), sock:
            until = time.monotonic() + DRAWN_OUT
            while time.monotonic() < until and sock.recv(65536):
                threading.Event().wait(0.05)

    threading.Thread(target=sip, daemon=True).start()
    with contextlib.closing(listener):
        began = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        order = call(method="POST", repeat=Repeat.ONCE, body={"a": "x" * (30 << 20)}, timeout=0.6)
        error = failing("sync", account(url), order)
        assert time.monotonic() - began < ENDED
    assert error.processed == "maybe"


@both
def test_a_server_that_never_answers_is_given_the_connections_timeout(which: str) -> None:
    def silent(peer: Peer) -> None:
        hung_up.wait(DRAWN_OUT)

    hung_up = threading.Event()
    with serving(silent) as server:
        began = time.monotonic()
        error = failing(which, account(server.url, timeout=0.5), call())
        assert time.monotonic() - began < ENDED
        hung_up.set()
    assert error.processed == "maybe"
    assert error.retryable


# --- what a broken connection means -----------------------------------------------------------


@both
@pytest.mark.parametrize("order", [call, purchase])
def test_a_reset_before_any_byte_may_have_been_processed(which: str, order: Any) -> None:
    with serving(reset) as server:
        error = failing(which, account(server.url), order())
    assert len(server.requests) == 1
    assert error.processed == "maybe"
    assert error.retryable
    assert error.status is None


@both
def test_a_close_before_any_byte_may_have_been_processed(which: str) -> None:
    with serving(lambda peer: None) as server:
        error = failing(which, account(server.url), purchase())
    assert error.processed == "maybe"


@both
def test_a_reset_in_the_middle_of_the_body_may_have_been_processed(which: str) -> None:
    def cut(peer: Peer) -> None:
        peer.send(head(length=1000, content_type="application/json") + b'{"job_id": ')
        time.sleep(0.05)
        peer.reset()

    with serving(cut) as server:
        error = failing(which, account(server.url), purchase())
    assert error.processed == "maybe"
    assert error.retryable


@both
def test_a_body_shorter_than_announced_is_never_taken_for_whole(which: str) -> None:
    with serving(answer(body=b"{}", length=100, content_type="application/json")) as server:
        error = failing(which, account(server.url), purchase())
    assert error.processed == "maybe"


@both
def test_a_refused_connection_proves_that_nothing_was_processed(which: str) -> None:
    error = failing(which, account(f"http://127.0.0.1:{closed_port()}"), purchase())
    assert error.processed == "no"
    assert error.retryable
    assert "Check the connection's host" in str(error)


@both
def test_a_host_without_an_address_proves_that_nothing_was_processed(which: str) -> None:
    error = failing(which, account("https://no-such-host.invalid"), purchase())
    assert error.processed == "no"
    assert error.retryable
    assert "no-such-host.invalid" in str(error)


@both
def test_an_untrusted_certificate_proves_that_nothing_was_processed(
    which: str, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    with serving(answer(body={}), tls=self_signed[0]) as server:
        error = failing(which, account(server.url), purchase())
        assert server.requests == []
    assert error.processed == "no"
    assert not error.retryable
    assert "ca_bundle" in str(error)


@both
def test_a_ca_bundle_makes_its_certificates_trusted(
    which: str, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    with serving(answer(body={"ok": 1}), tls=self_signed[0]) as server:
        assert send(which, account(server.url, verify=str(self_signed[1])), call()) == {"ok": 1}


@both
def test_verify_false_accepts_any_certificate(which: str, self_signed: tuple[ssl.SSLContext, Path]) -> None:
    with serving(answer(body={"ok": 1}), tls=self_signed[0]) as server:
        assert send(which, account(server.url, verify=False), call()) == {"ok": 1}


@both
def test_a_server_that_does_not_speak_tls_proves_that_nothing_was_processed(which: str) -> None:
    with serving(answer(body={})) as server:
        error = failing(which, account(server.url.replace("http:", "https:")), purchase())
    assert error.processed == "no"


@both
def test_a_proxy_that_cannot_be_reached_proves_that_nothing_was_processed(which: str) -> None:
    proxy = f"http://127.0.0.1:{closed_port()}"
    error = failing(which, account("https://api.vidio.invalid", proxy=proxy), purchase())
    assert error.processed == "no"


@both
def test_garbage_instead_of_http_may_have_been_processed(which: str) -> None:
    with serving(lambda peer: peer.send(b"\x00\xff what is this\r\n\r\n") and None) as server:
        error = failing(which, account(server.url), purchase())
    assert error.processed == "maybe"


@both
def test_a_key_that_cannot_be_a_header_is_not_shown(which: str) -> None:
    with serving(answer(body={})) as server:
        failing(which, account(server.url, key_headers={"x-api-key": f"{KEY}\nsecond line"}), call())


@both
def test_an_unusable_url_proves_that_nothing_was_processed(which: str) -> None:
    error = failing(which, account("http://127.0.0.1:port"), purchase())
    assert error.processed == "no"


@both
def test_json_nested_without_end_is_an_unreadable_answer(which: str) -> None:
    with serving(answer(body=b"[" * 200_000, content_type="application/json")) as server:
        failing(which, account(server.url), purchase())


# --- how often it is sent ---------------------------------------------------------------------


def test_a_safe_call_is_repeated_after_passing_failures_and_then_succeeds(hurry: list[float]) -> None:
    steps = [answer(500), answer(429, retry_after="7"), reset, answer(body={"ok": 1})]
    with serving(*steps) as server:
        client = Client(account(server.url))
        assert client.send(call()) == {"ok": 1}
        client.close()
    assert len(server.requests) == 4
    assert hurry[1] == 7.0
    assert 0.5 <= hurry[0] <= 1.5
    assert 2.0 <= hurry[2] <= 6.0


def test_a_retry_after_date_counts_from_the_servers_own_clock(hurry: list[float]) -> None:
    late = answer(503, date="Fri, 01 Jan 2027 00:00:00 GMT", retry_after="Fri, 01 Jan 2027 00:00:05 GMT")
    with serving(late, answer(body={"ok": 1})) as server:
        Client(account(server.url)).send(call())
    assert hurry == [5.0]


def test_a_safe_call_gives_up_after_four_sends(hurry: list[float]) -> None:
    with serving(answer(500)) as server, pytest.raises(ApiError) as caught:
        Client(account(server.url)).send(call())
    assert len(server.requests) == 4
    assert caught.value.status == 500
    assert caught.value.retryable


def test_a_safe_call_does_not_sleep_for_longer_than_a_minute(hurry: list[float]) -> None:
    with serving(answer(429, retry_after="300")) as server, pytest.raises(ApiError) as caught:
        Client(account(server.url)).send(call())
    assert len(server.requests) == 1
    assert hurry == []
    assert caught.value.retry_after == 300


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
def test_a_refusal_is_not_asked_for_again(hurry: list[float], status: int) -> None:
    with serving(answer(status, {"error": "no"})) as server, pytest.raises(VidaiError, match="no"):
        Client(account(server.url)).send(call())
    assert len(server.requests) == 1


def test_a_status_call_is_sent_once(hurry: list[float]) -> None:
    with serving(answer(503)) as server, pytest.raises(ApiError):
        Client(account(server.url)).send(call(), attempts=1)
    assert len(server.requests) == 1
    assert hurry == []


@pytest.mark.parametrize(
    "step",
    [answer(500), answer(503, retry_after="1"), answer(429, retry_after="0"), answer(408), reset],
    ids=["500", "503", "429", "408", "reset"],
)
def test_a_purchase_is_sent_exactly_once(hurry: list[float], step: Any) -> None:
    with serving(step) as server, pytest.raises(ApiError):
        Client(account(server.url)).send(purchase(), attempts=4)
    assert len(server.requests) == 1
    assert hurry == []


def test_a_purchase_never_goes_out_on_a_connection_that_the_server_may_have_closed() -> None:
    peers: list[Peer] = []

    def kept(peer: Peer) -> bool:
        peers.append(peer)
        return bool(answer(body={"ok": 1}, keep=True)(peer))

    with serving(kept, answer(body={"bought": 1})) as server:
        client = Client(account(server.url))
        assert client.send(call()) == {"ok": 1}
        peers[0].sock.shutdown(socket.SHUT_RDWR)  # the client keeps the connection; the server does not
        assert client.send(purchase()) == {"bought": 1}
        client.close()
    assert [request.method for request in server.requests] == ["GET", "POST"]
    assert len(server.peers) == 2


def test_safe_calls_share_a_connection_and_a_purchase_has_its_own() -> None:
    with serving(answer(body={"ok": 1}, keep=True)) as server:
        client = Client(account(server.url))
        client.send(call())
        client.send(call())
        assert len(server.peers) == 1
        client.send(purchase())
        assert len(server.peers) == 2
        client.close()


def test_an_asynchronous_client_sends_no_more_at_once_than_the_account_allows() -> None:
    busy, most = [], []

    def slow(peer: Peer) -> bool:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.02)
        busy.pop()
        answer(body={}, keep=True)(peer)
        return True

    async def all_at_once(where: Account) -> None:
        client = AsyncClient(where)
        await asyncio.gather(*(client.asend(call()) for _ in range(20)))
        await client.aclose()

    with serving(slow) as server:
        asyncio.run(all_at_once(account(server.url, max_connections=3)))
        assert len(server.peers) <= 3
    assert len(server.requests) == 20
    assert max(most) <= 3


# --- what is logged ---------------------------------------------------------------------------


@both
def test_no_url_and_no_key_is_logged_even_at_debug(which: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(answer(body={})) as server:
        send(which, account(server.url), call())
    assert QUERY not in caplog.text
    assert KEY not in caplog.text


def test_an_account_shows_neither_its_key_nor_its_proxy() -> None:
    shown = repr(account("https://api.vidio.ai", proxy="http://user:password@proxy:3128"))
    assert KEY not in shown
    assert "password" not in shown


@both
def test_a_user_in_the_url_is_in_no_message(which: str) -> None:
    error = failing(which, account(f"http://staff:t0ps3cr3t@127.0.0.1:{closed_port()}"), call())
    assert "t0ps3cr3t" not in str(error)
    assert "at http://127.0.0.1:" in str(error)


@both
@pytest.mark.parametrize(
    "proxy",
    ["http://staff:s3/cr3t@127.0.0.1:1", "http://staff:s3cr3t@127.0.0.1:port", "staff:s3cr3t@127.0.0.1:1"],
)
def test_a_proxy_that_cannot_be_used_is_an_error_that_does_not_show_it(which: str, proxy: str) -> None:
    with pytest.raises(VidaiError) as caught:
        send(which, account("http://api.vidio.invalid", proxy=proxy), call())
    assert "Nothing was sent" in str(caught.value)
    for secret in ("s3", "cr3t", "staff"):
        assert secret not in str(caught.value)


def _wait_until(holds: Any, timeout: float = 5.0) -> None:
    until = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS settings with a certificate of an unknown authority, and that authority."""
    authority, file = trustme.CA(), tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, file
