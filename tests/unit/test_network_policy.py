"""One network policy: purchases, status checks and files take the same way and trust the same servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_provider_vidai.errors import ApiError, InputError, TransferError, VidaiError
from airflow_provider_vidai.jobs.calls import Call, Fetch, Repeat
from airflow_provider_vidai.net import policy
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.bodies import Interrupted, Streams
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.net.policy import USER_AGENT, proxy_for, tls
from airflow_provider_vidai.net.polls import AsyncClient
from tests.support.raw import RawServer, answer, closed_port, serving

#: Every resolver takes a name under localhost for this machine, also the one that aiohttp brings along.
HOST = "api.vendor.localhost"
#: As a proxy's URL spells them, and as they are.
LOGIN, USER_AND_PASSWORD = "st%40ff:p%3A%C3%A9-s3cr3t", "st@ff:p:é-s3cr3t"


def account(url: str, **changes: Any) -> Account:
    return Account("Vendor", url, **{"key_headers": {"x-api-key": "key-4f9d1c"}, "timeout": 5.0, **changes})


def purchase(where: Account) -> None:
    call = Call("buy", "POST", "/thing", parse=lambda found: found.status, repeat=Repeat.ONCE, body={})
    Client(where).send(call)


def status_check(where: Account) -> None:
    async def check() -> None:
        client = AsyncClient(where)
        try:
            await client.asend(Call("poll", "GET", "/thing", parse=lambda found: found.status))
        finally:
            await client.aclose()

    asyncio.run(check())


def file_body(where: Account) -> None:
    fetch = Fetch(url=f"{where.base_url}/thing", kind="video")
    with Streams(where) as streams, streams.get(fetch, {}) as stream:
        stream.first(16)


Send = Callable[[Account], None]
every_client = pytest.mark.parametrize("send", [purchase, status_check, file_body])


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):  # the test session's own
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def vendor_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve the vendor's host to this machine."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if host in (HOST, HOST.encode()) else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def proxy() -> Iterator[RawServer]:
    """A proxy that answers for everybody and opens no tunnel."""
    with serving(lambda peer: answer(502 if peer.request.method == "CONNECT" else 200)(peer)) as server:
        yield server


# --- which proxy ------------------------------------------------------------------------------

#: Stand for the proxy's address, with and without its scheme, and for a proxy that is not there.
PROXY, BARE, DEAD = "{url}", "127.0.0.1:{port}", f"http://127.0.0.1:{closed_port()}"


@every_client
@pytest.mark.parametrize(
    ("scheme", "connection", "environment", "proxied"),
    [
        ("http", None, {}, False),
        ("https", None, {}, False),
        ("http", PROXY, {}, True),
        ("https", PROXY, {}, True),
        ("http", PROXY, {"HTTP_PROXY": DEAD, "ALL_PROXY": DEAD}, True),
        ("http", PROXY, {"NO_PROXY": HOST}, True),
        ("http", None, {"HTTP_PROXY": PROXY}, True),
        ("http", None, {"http_proxy": PROXY}, True),
        ("https", None, {"HTTPS_PROXY": PROXY}, True),
        ("http", None, {"HTTPS_PROXY": PROXY}, False),
        ("https", None, {"HTTP_PROXY": PROXY}, False),
        ("http", None, {"ALL_PROXY": PROXY}, True),
        ("https", None, {"ALL_PROXY": PROXY}, True),
        ("https", None, {"all_proxy": PROXY}, True),
        ("http", None, {"HTTP_PROXY": PROXY, "ALL_PROXY": DEAD}, True),
        ("https", None, {"HTTP_PROXY": DEAD, "ALL_PROXY": PROXY}, True),
        ("https", None, {"ALL_PROXY": BARE}, True),
        ("http", None, {"HTTP_PROXY": BARE}, True),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": HOST}, False),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": "localhost, vendor.localhost"}, False),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": ".vendor.localhost"}, False),
        ("http", None, {"ALL_PROXY": PROXY, "NO_PROXY": HOST}, False),
        ("https", None, {"ALL_PROXY": PROXY, "no_proxy": "*"}, False),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": f"{HOST}:{{origin}}"}, False),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": f"{HOST}:1"}, True),
        ("http", None, {"HTTP_PROXY": PROXY, "NO_PROXY": "endor.localhost,other.localhost"}, True),
    ],
)  # fmt: skip
def test_every_client_takes_the_same_way(
    send: Send,
    proxy: RawServer,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    connection: str | None,
    environment: dict[str, str],
    proxied: bool,
) -> None:
    with serving(answer()) as origin:

        def filled(text: str) -> str:
            return text.format(url=proxy.url, port=proxy.port, origin=origin.port)

        for name, value in environment.items():
            monkeypatch.setenv(name, filled(value))
        where = account(f"{scheme}://{HOST}:{origin.port}", proxy=filled(connection) if connection else None)
        # Nobody here speaks TLS, so that an https request is refused, by the proxy or by the origin.
        with contextlib.suppress(*[] if scheme == "http" else [VidaiError, Interrupted]):
            send(where)
        assert len(origin.requests) == (scheme == "http" and not proxied)
        assert len(proxy.requests) == proxied
        if proxied:
            target = f"{HOST}:{origin.port}"
            asked = proxy.requests[0].target
            assert asked == (target if scheme == "https" else f"http://{target}/thing")


@every_client
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("named", ["connection", "environment"])
def test_a_proxy_is_sent_the_user_and_password_of_its_url(
    send: Send, proxy: RawServer, monkeypatch: pytest.MonkeyPatch, scheme: str, named: str
) -> None:
    url = proxy.url.replace("//", f"//{LOGIN}@")
    if named == "environment":
        monkeypatch.setenv("ALL_PROXY", url)
    with contextlib.suppress(*[] if scheme == "http" else [VidaiError, Interrupted]):
        send(account(f"{scheme}://{HOST}", proxy=url if named == "connection" else None))
    (request,) = proxy.requests
    expected = base64.b64encode(USER_AND_PASSWORD.encode()).decode()
    assert request.headers["proxy-authorization"] == f"Basic {expected}"


@every_client
def test_a_server_is_not_sent_the_login_of_a_proxy_that_is_not_used(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://{LOGIN}@127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", HOST)
    with serving(answer()) as origin:
        send(account(f"http://{HOST}:{origin.port}"))
    assert "proxy-authorization" not in origin.requests[0].headers


@every_client
@pytest.mark.parametrize(
    "address",
    ["socks5://st@ff:s3cr3t@proxy:1080", "http://st:s3/cr3t@proxy:1", "http://st:s3cr3t@proxy:port", "http://",
     "http://st:s3cr3t@proxy:99999", "http://st:s3cr3t@[::1", "ftp://st:s3cr3t@proxy"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_an_error_of_the_connections(
    send: Send, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    with serving(answer()) as origin:
        with pytest.raises((InputError, TransferError), match="cannot be set up: its proxy") as caught:
            send(account(f"http://{HOST}:{origin.port}"))
        assert origin.requests == []
    assert not getattr(caught.value, "retryable", False)
    assert "s3" not in str(caught.value)


def test_no_proxy_may_name_an_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://[fd00::1]:3128")
    url = "https://[2606:4700::1111]:8443/thing"
    found = proxy_for(account(url), url)
    assert found is not None
    assert found.url == "http://[fd00::1]:3128"
    monkeypatch.setenv("NO_PROXY", "2606:4700::1111")
    assert proxy_for(account(url), url) is None


# --- which certificates -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[RawServer]:
    """A server whose certificate is signed by an authority that the system does not know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(answer(), tls=context) as server:
        yield server


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture
def system_store() -> Iterator[None]:
    """Read the system's certificates again, as a new process would."""
    policy._context.cache_clear()
    yield
    policy._context.cache_clear()


@every_client
def test_an_unknown_authority_is_not_trusted_and_no_retry_helps(send: Send, secure: RawServer) -> None:
    with pytest.raises((ApiError, TransferError), match=r"certificate is not trusted.*ca_bundle") as caught:
        send(account(secure.url))
    assert isinstance(caught.value, (ApiError, TransferError))
    assert not caught.value.retryable
    assert secure.requests == []


@every_client
def test_a_ca_bundle_or_verify_false_makes_every_client_accept_it(
    send: Send, secure: RawServer, bundle: str
) -> None:
    send(account(secure.url, verify=bundle))
    send(account(secure.url, verify=False))
    assert len(secure.requests) == 2


@every_client
@pytest.mark.usefixtures("system_store")
def test_what_the_system_trusts_every_client_trusts(
    send: Send, secure: RawServer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)  # by which OpenSSL's own store is replaced
    send(account(secure.url))
    assert len(secure.requests) == 1


@every_client
def test_a_proxys_own_certificate_is_checked_like_the_vendors(
    send: Send, secure: RawServer, bundle: str
) -> None:
    with pytest.raises((VidaiError, Interrupted)):
        send(account(f"http://{HOST}", proxy=secure.url))
    assert secure.requests == []
    send(account(f"http://{HOST}", proxy=secure.url, verify=bundle))
    assert len(secure.requests) == 1


@pytest.mark.usefixtures("system_store")
def test_a_machine_without_certificates_uses_those_of_certifi(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "")
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0
    assert tls(account("https://x")).cert_store_stats()["x509_ca"] > 50


@every_client
def test_a_ca_bundle_that_cannot_be_read_is_an_error_of_the_connections(send: Send, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises((InputError, TransferError), match="cannot be set up"):
            send(account("https://127.0.0.1", verify=str(file)))


# --- which headers ----------------------------------------------------------------------------


@every_client
def test_every_client_names_itself_and_asks_for_no_compression(send: Send) -> None:
    with serving(answer()) as origin:
        send(account(origin.url))
    (request,) = origin.requests
    assert request.headers["user-agent"] == USER_AGENT
    assert request.headers["accept-encoding"] == "identity"


# --- which client -----------------------------------------------------------------------------

#: Another value of every field of an account.
OTHER: dict[str, Any] = {
    "label": "Another",
    "base_url": "https://other.example",
    "key_headers": {"x-api-key": "another-key"},
    "polls_per_minute": 7.0,
    "max_connections": 3,
    "timeout": 7.0,
    "verify": False,
    "proxy": "http://proxy:3128",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Account)])
def test_accounts_that_differ_in_any_field_share_no_client(name: str) -> None:
    one = account("https://api.example")
    assert one.sharing_key == replace(one).sharing_key
    assert one.sharing_key != replace(one, **{name: OTHER[name]}).sharing_key


def test_the_key_by_which_clients_are_shared_does_not_contain_the_api_key() -> None:
    assert "4f9d1c" not in repr(account("https://api.example").sharing_key)
