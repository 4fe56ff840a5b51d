"""Where a vendor's answer may send a worker for a file, or with one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.errors import TransferError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import source
from airflow_provider_vidai.files.upload import upload
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.bodies import Interrupted, Streams
from airflow_provider_vidai.net.reach import is_internal
from tests.support.raw import answer, serving

pytestmark = pytest.mark.usefixtures("hurry")

MOVIE = b"\0\0\0\x18ftypisom" + b"m" * 5000
PUBLIC = "https://api.vidio.ai"


def account(base_url: str = PUBLIC, **changes: Any) -> Account:
    return Account(
        label="VIDIO",
        base_url=base_url,
        key_headers={"x-api-key": "key-4f9d1c"},
        **{"timeout": 5.0, **changes},
    )


def land(where: Account, url: str, folder: Path) -> dict[str, Any]:
    return download(where, lambda: Fetch(url=url, kind="video"), f"{folder}/a.mp4", "video")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that the machine's resolver knows: one answer after the other, the last one from then on."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in known:
            return real(host, port, *args, **kwargs)
        address = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return real(address, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "224.0.1.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "fec0::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::10.0.0.1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_a_public_host_is_internal(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_not_internal(address: str) -> None:
    assert not is_internal(address)


HOSTS = [
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "a.localhost", "2130706433", "0x7f000001", "0x7F.1",
    "0177.0.0.1", "127.1", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0",
    "user:pass@127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_this_machine_is_opened_for_a_file(tmp_path: Path, host: str) -> None:
    with serving(answer(200, MOVIE, content_type="video/mp4")) as server:
        with pytest.raises(TransferError) as caught:
            land(account(), f"http://{host}:{server.port}/video?Signature=s3cr3t", tmp_path)
        assert server.requests == []
    assert "s3cr3t" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_this_machine_is_asked_of_a_proxy(tmp_path: Path, host: str) -> None:
    with serving(answer(200, MOVIE, content_type="video/mp4")) as proxy:
        with pytest.raises(TransferError):
            land(account(proxy=proxy.url), f"http://{host}:81/video", tmp_path)
        assert proxy.requests == []


def test_a_name_that_leads_here_is_not_opened(tmp_path: Path, names: dict[str, list[str]]) -> None:
    names["cdn.vendor.example"] = ["127.0.0.1"]
    with serving(answer(200, MOVIE, content_type="video/mp4")) as server:
        url = f"http://cdn.vendor.example:{server.port}/video"
        with pytest.raises(TransferError, match=r"127\.0\.0\.1"):
            land(account(), url, tmp_path)
        with pytest.raises(TransferError, match=r"127\.0\.0\.1"):
            land(account(proxy=server.url), url, tmp_path)
        assert server.requests == []


def test_a_name_that_changes_its_address_afterwards_gains_nothing(names: dict[str, list[str]]) -> None:
    # The first lookups find a public address, and the one that connects finds this machine's.
    with serving(answer(200, MOVIE, content_type="video/mp4")) as server:
        for public_answers in range(3):
            names["cdn.vendor.example"] = ["93.184.216.34"] * public_answers + ["127.0.0.1"]
            fetch = Fetch(url=f"http://cdn.vendor.example:{server.port}/video", kind="video")
            for _ in range(public_answers + 1):
                # The public address is not there in a test's network.
                with (
                    pytest.raises((TransferError, Interrupted)),
                    Streams(account(timeout=0.2)) as streams,
                    streams.get(fetch, {}),
                ):
                    pass
        assert server.requests == []


def test_a_redirect_into_this_network_is_not_followed(tmp_path: Path) -> None:
    # The proxy stands for the public internet, in which a storage redirects to what only we can reach.
    with serving(answer(200, MOVIE, content_type="video/mp4")) as inner:
        for location in (inner.url, inner.url.replace("127.0.0.1", "2130706433"), "http://169.254.169.254/x"):
            with (
                serving(answer(302, location=f"{location}/latest/meta-data")) as proxy,
                pytest.raises(TransferError),
            ):
                land(account(proxy=proxy.url), "http://93.184.216.34/video", tmp_path)
            assert len(proxy.requests) == 1
        assert inner.requests == []


def test_an_upload_goes_nowhere_within_this_network_either(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(MOVIE)
    with serving(answer(200)) as server:
        put = Put(url=f"{server.url}/put?sig=1", content_type="video/mp4")
        with pytest.raises(TransferError, match="not on the public internet"):
            upload(account(), lambda: put, source(str(tmp_path / "a.mp4")))
        assert server.requests == []
        upload(account(server.url), lambda: put, source(str(tmp_path / "a.mp4")))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "own", ["http://127.0.0.1:1", "http://localhost:1/vidio", "http://[::1]:1", "http://10.0.0.8"]
)
def test_an_account_that_is_itself_within_this_network_may_have_its_files_there(
    tmp_path: Path, own: str
) -> None:
    with serving(answer(200, MOVIE, content_type="video/mp4")) as server:
        assert land(account(own), f"{server.url}/video", tmp_path)["bytes"] == len(MOVIE)


def test_a_sandbox_that_is_reached_by_a_name_may_have_its_files_there(
    tmp_path: Path, names: dict[str, list[str]]
) -> None:
    names["sandbox"] = ["127.0.0.1"]
    with serving(answer(200, MOVIE, content_type="video/mp4")) as server:
        url = f"http://sandbox:{server.port}"
        assert land(account(url), f"{url}/video", tmp_path)["bytes"] == len(MOVIE)


@pytest.mark.parametrize(
    "url",
    [
        "", "video.mp4", "/video", "//host/video", "ftp://93.184.216.34/video", "file:///etc/passwd", "http://",
        "http:///x", "http://[::1", "http://[zz]/", "http://host:port/", "http://host:99999/",
        "http://host:0/", "http://host\n/x",
        "http://93.184.216.34/\0", "http://" + "a" * 64 + ".example/", "http://a..example/", "http://\udcff/",
        "gopher://x/", "data:video/mp4;base64,AAAA", "http://93.184.216.34:80:80/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("own", [PUBLIC, "http://127.0.0.1:1"])
def test_an_address_that_cannot_be_used_is_an_error_of_ours(tmp_path: Path, url: str, own: str) -> None:
    with pytest.raises(TransferError):
        land(account(own, timeout=0.5), url, tmp_path)


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://host:port/", "job:123", "", "http://\xff\xfe/", "//"]
)
def test_a_storage_that_redirects_to_nowhere_is_an_error_of_ours(tmp_path: Path, location: str) -> None:
    with serving(answer(302, location=location)) as server, pytest.raises(TransferError):
        land(account(server.url, timeout=0.5), f"{server.url}/video", tmp_path)
