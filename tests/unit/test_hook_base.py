"""From an Airflow connection to an account."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]
from airflow.sdk import Connection

from airflow_provider_vidai.errors import ApiError, InputError
from airflow_provider_vidai.hooks.base import aaccount, account_of
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from tests.support.dags import reads_without_supervisor
from tests.support.raw import answer, closed_port, serving

KEY = "key-4f9d1c"


@pytest.fixture
def account(connect: Any) -> Any:
    """Return the account behind a connection with the given fields."""

    def read(**fields: Any) -> Account:
        return VidioHook(connect("vidio_default", **{"password": KEY, **fields})).account

    return read


def refused(account: Any, **fields: Any) -> str:
    with pytest.raises(InputError) as caught:
        account(**fields)
    assert "vidio_default" in str(caught.value)
    return str(caught.value)


# --- key and vendor ---------------------------------------------------------------------------


def test_a_connection_needs_no_more_than_a_key(account: Any) -> None:
    found = account()
    assert found.base_url == "https://api.vidio.ai"
    assert found.key_headers == {"x-api-key": KEY}
    assert (found.timeout, found.max_connections, found.verify, found.proxy) == (30.0, 20, True, None)
    assert found.polls_per_minute is None


@pytest.mark.parametrize("password", [None, ""])
def test_a_connection_without_a_key_says_where_it_belongs(account: Any, password: Any) -> None:
    assert "put the VIDIO key in the password field" in refused(account, password=password)


def test_a_key_of_blanks_is_no_key(account: Any) -> None:
    assert "put the VIDIO key in the password field" in refused(account, password="  \n")


def test_blanks_around_a_pasted_key_do_not_matter(account: Any) -> None:
    assert account(password=f" {KEY}\n").key_headers == {"x-api-key": KEY}


@pytest.mark.parametrize("password", ["two\nlines", "clé", "nul\0"])
def test_a_key_that_cannot_be_a_header_is_refused_without_showing_it(account: Any, password: str) -> None:
    assert password not in refused(account, password=password)


@pytest.mark.parametrize("other", ["http", "generic", ""])
def test_a_connection_of_no_vendor_may_hold_a_key(account: Any, other: str) -> None:
    assert account(conn_type=other).key_headers == {"x-api-key": KEY}


def test_another_vendors_key_is_never_used(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_vidai.vendors import VENDORS

    monkeypatch.setitem(VENDORS, "venice", VIDIO)
    assert "is a 'venice' one: its key is not for VIDIO" in refused(account, conn_type="venice")


@pytest.mark.parametrize("other", ["venice", "vizard", "vidgo"])
def test_the_key_of_a_vendor_that_is_still_to_come_is_never_used(account: Any, other: str) -> None:
    assert f"is a '{other}' one" in refused(account, conn_type=other)


@reads_without_supervisor
def test_a_connection_that_is_not_there_is_airflows_error() -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        _ = VidioHook("nowhere").account


# --- host -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "https://api.vidio.ai"),
        ("", "https://api.vidio.ai"),
        ("api.example.com", "https://api.example.com"),
        ("api.example.com/v2/", "https://api.example.com/v2"),
        ("https://api.example.com/", "https://api.example.com"),
        ("http://127.0.0.1:8765/vidio", "http://127.0.0.1:8765/vidio"),
        ("localhost:8765/vidio", "https://localhost:8765/vidio"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        (" https://api.example.com\n", "https://api.example.com"),
    ],
)
def test_a_host_may_be_a_name_or_a_url(account: Any, host: Any, url: str) -> None:
    assert account(host=host).base_url == url


@pytest.mark.parametrize("host", ["ftp://api.example.com", "file:///etc/passwd", "https://", "https:///x"])
def test_a_host_that_is_no_http_url_is_named(account: Any, host: str) -> None:
    message = refused(account, host=host)
    assert "host" in message
    assert host in message


@pytest.mark.parametrize(
    "host",
    [
        "http://[::1",
        "http://127.0.0.1:port",
        "https://127.0.0.1:99999",
        "a b.example.com",
    ],
)
def test_a_host_that_can_never_be_called_is_named(account: Any, host: str) -> None:
    assert "host" in refused(account, host=host)


@pytest.mark.parametrize(
    "host",
    [
        "http://staff:t0ps3cr3t@127.0.0.1:8765/vidio",
        "https://t0ps3cr3t@api.example.com",
        "staff:t0ps3cr3t@api.example.com",
        "https://staff:t0/ps3cr3t@api.example.com",
        "ftp://staff:t0ps3cr3t@api.example.com",
    ],
)
def test_a_host_with_a_password_is_refused_and_not_shown(account: Any, host: str) -> None:
    message = refused(account, host=host)
    assert "put the VIDIO key in the password field" in message
    assert "s3cr3t" not in message
    assert "staff" not in message


@pytest.mark.parametrize("fields", [{"port": 8765}, {"schema": "http"}])
def test_a_port_or_schema_of_its_own_is_used_or_refused(account: Any, fields: dict[str, Any]) -> None:
    try:
        url = account(host="127.0.0.1", **fields).base_url
    except InputError:
        return
    assert ":8765" in url or url.startswith("http://")


@pytest.mark.parametrize(
    "host", ["http://api.example.com", "http://10.0.0.7:80", "HTTP://127.0.0.1.example.com"]
)
def test_a_key_that_travels_unencrypted_is_warned_of(
    account: Any, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    account(host=host)
    assert "unencrypted" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8765", "http://localhost:1", "http://[::1]", "https://api.example.com", None]
)
def test_loopback_and_https_are_not_warned_of(
    account: Any, host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    account(host=host)
    assert "unencrypted" not in caplog.text


# --- extras -----------------------------------------------------------------------------------


def test_extras_come_typed_or_as_text(account: Any) -> None:
    typed = {
        "polls_per_minute": 30,
        "max_connections": 5,
        "timeout": 12.5,
        "verify": False,
        "proxy": "http://p:3128",
    }
    text = {name: str(value) for name, value in typed.items()}
    for extra in (typed, text):
        found = account(extra=extra)
        assert found.polls_per_minute == 30
        assert found.max_connections == 5
        assert found.timeout == 12.5
        assert found.verify is False
        assert found.proxy == "http://p:3128"


def test_extras_that_are_empty_count_as_not_given(account: Any) -> None:
    names = ("polls_per_minute", "max_connections", "timeout", "verify", "ca_bundle", "proxy")
    for empty in ("", None):
        assert account(extra=dict.fromkeys(names, empty)) == account()


def test_unknown_extras_are_left_alone(account: Any) -> None:
    assert account(extra={"team": "video"}) == account()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("polls_per_minute", "many"),
        ("polls_per_minute", 0),
        ("polls_per_minute", -5),
        ("max_connections", 0),
        ("max_connections", 2.5),
        ("max_connections", "two"),
        ("timeout", -1),
        ("timeout", "soon"),
        ("timeout", "nan"),
        ("verify", "perhaps"),
        ("proxy", 3128),
        ("ca_bundle", {"a": 1}),
    ],
)
def test_a_bad_extra_is_named_with_what_it_was(account: Any, name: str, value: Any) -> None:
    message = refused(account, extra={name: value})
    assert f"{name}:" in message
    assert repr(value) in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "inf"),
        ("timeout", 1e300),
        ("ca_bundle", "/no/such/bundle.pem"),
        ("proxy", "proxy:3128"),
        ("proxy", "ftp://proxy:3128"),
    ],
)
def test_an_extra_that_can_never_work_is_named(account: Any, name: str, value: Any) -> None:
    assert name in refused(account, extra={name: value})


@pytest.mark.parametrize("proxy", ["staff:t0ps3cr3t@proxy:3128", "socks5://staff:t0ps3cr3t@proxy:3128"])
def test_a_proxys_password_is_not_shown_when_its_url_is_refused(account: Any, proxy: str) -> None:
    message = refused(account, extra={"proxy": proxy})
    assert "must be the http(s) URL of a proxy" in message
    assert "(hidden)@proxy:3128" in message
    assert "s3cr3t" not in message


@pytest.mark.parametrize("extra", ["[1]", "null", "5"])
def test_an_extra_that_is_no_object_is_named(extra: str) -> None:
    connection = Connection(conn_id="vidio_default", conn_type="vidio", password=KEY, extra=extra)
    with pytest.raises(InputError, match="'vidio_default': extra must be a JSON object"):
        account_of(VIDIO, connection)


def test_a_ca_bundle_counts_as_checking(account: Any) -> None:
    import certifi

    assert account(extra={"ca_bundle": certifi.where()}).verify == certifi.where()


# --- accounts ---------------------------------------------------------------------------------


def test_two_connections_with_one_key_and_url_are_one_account(connect: Any) -> None:
    one = VidioHook(connect("one", password=KEY)).account
    other = VidioHook(connect("other", password=KEY, host="https://api.vidio.ai/")).account
    assert one.id == other.id
    assert KEY not in one.id


@pytest.mark.parametrize("change", [{"password": "another"}, {"host": "https://eu.vidio.ai"}])
def test_another_key_or_url_is_another_account(connect: Any, change: dict[str, str]) -> None:
    one = VidioHook(connect("one", password=KEY)).account
    other = VidioHook(connect("other", **{"password": KEY, **change})).account
    assert one.id != other.id


@reads_without_supervisor
def test_a_triggerer_reads_the_same_account_as_a_worker(connect: Any) -> None:
    conn_id = connect(password=KEY, host="http://127.0.0.1:8765/vidio", extra={"timeout": "7"})
    assert asyncio.run(aaccount(VIDIO, conn_id)) == VidioHook(conn_id).account


def test_reconnecting_reads_a_changed_key(connect: Any) -> None:
    with serving(answer(body={"url": "http://127.0.0.1/"}, keep=True)) as server:
        hook = VidioHook(connect(password="old-key", host=server.url))
        hook.test_connection()
        connect(password="new-key", host=server.url)
        hook.test_connection()
        hook.reconnect()
        hook.test_connection()
    keys = [request.headers["x-api-key"] for request in server.requests]
    assert keys == ["old-key", "old-key", "new-key"]


def test_a_hook_is_made_without_reading_its_connection() -> None:
    assert VidioHook("nowhere").conn_id == "nowhere"


# --- test connection --------------------------------------------------------------------------


def test_a_good_connection_is_proved_by_a_call_that_buys_nothing(connect: Any) -> None:
    with serving(answer(body={"url": "http://127.0.0.1/signed?x=1"})) as server:
        assert VidioHook(connect(host=server.url)).test_connection() == (True, "VIDIO accepts the API key.")
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/api/v1/uploads/upload-url")


@pytest.mark.parametrize(
    ("status", "word"), [(401, "password"), (402, "balance"), (403, "plan"), (404, "404"), (302, "redirects")]
)
def test_a_bad_connection_is_explained(connect: Any, status: int, word: str) -> None:
    with serving(answer(status, {"error": "no"})) as server:
        good, said = VidioHook(connect(host=server.url, password=KEY)).test_connection()
    assert not good
    assert word in said.lower()
    assert KEY not in said


def test_a_host_that_does_not_answer_is_explained(connect: Any, hurry: list[float]) -> None:
    good, said = VidioHook(connect(host=f"http://127.0.0.1:{closed_port()}")).test_connection()
    assert not good
    assert "Check the connection's host" in said


def test_a_connection_without_a_key_is_explained(connect: Any) -> None:
    good, said = VidioHook(connect(password="")).test_connection()
    assert not good
    assert "password" in said


# --- refusals before anything is sent ---------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none.mp4", "none.mp4 does not exist"),
        (lambda folder: folder, "is a directory"),
        (lambda folder: _write(folder / "empty.mp4", b""), "is empty"),
        (lambda folder: _write(folder / "noextension", b"x"), "has no extension"),
        (lambda folder: _write(folder / "a.", b"x"), "has no extension"),
        (lambda folder: _write(folder / ".mp4", b"x"), "has no extension"),
        (lambda folder: _write(folder / "a.mp3", b"x"), "is plain text, not a video or an image"),
        (lambda folder: _write(folder / "a.mp4", b"no video at all" * 99), "is plain text, not a video"),
    ],
)
def test_footage_that_cannot_be_used_is_refused_before_anything_is_sent(
    connect: Any, tmp_path: Path, make: Any, said: str
) -> None:
    path = make(tmp_path)
    with serving(answer(body={})) as server:
        hook = VidioHook(connect(host=server.url))
        with pytest.raises(InputError, match="Nothing was sent") as caught:
            hook.upload(str(path))
        assert server.requests == []
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 0),
        ("width", "wide"),
        ("height", -1),
        ("duration", -0.5),
        ("duration", "nan"),
        ("media_type", "audio"),
    ],
)
def test_a_wrong_description_of_footage_is_named(connect: Any, media: Path, name: str, value: Any) -> None:
    with serving(answer(body={})) as server:
        hook = VidioHook(connect(host=server.url))
        with pytest.raises(InputError, match="Nothing was sent") as caught:
            hook.upload(str(media), **{name: value})
        assert server.requests == []
    assert name in str(caught.value)


def test_sound_under_a_videos_name_is_no_footage(connect: Any, tmp_path: Path) -> None:
    from tests.support.videos import sound

    path = sound(tmp_path / "a.wav").rename(tmp_path / "a.mp4")
    with serving(answer(body={})) as server:
        hook = VidioHook(connect(host=server.url))
        with pytest.raises(InputError, match=r"is a sound .*, and a video or an image is needed"):
            hook.upload(str(path))
        assert server.requests == []


def test_an_account_error_is_distinguished_from_the_calls_own(connect: Any) -> None:
    with serving(answer(401)) as server, pytest.raises(ApiError) as caught:
        VidioHook(connect(host=server.url)).get_job("J1")
    assert caught.value.account
    assert caught.value.status == 401


def test_nothing_of_a_connection_is_logged(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(answer(body={"url": "http://127.0.0.1/signed?sig=abc"})) as server:
        VidioHook(connect(host=server.url, password=KEY)).test_connection()
    assert KEY not in caplog.text
    assert "sig=abc" not in caplog.text


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
