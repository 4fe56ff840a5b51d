"""What the Media pages do with files on S3: players read the store itself, by a URL for ten minutes."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import trustme
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord, Still, TaskKey, signed
from airflow_provider_vidai.ui.app import app
from tools.servers import S3

KEY = "k" * 40
TASK = TaskKey("videos", "manual__1", "download", -1)
VIDEO, PICTURE = bytes(range(256)) * 40, b"\xff\xd8\xff\xe0 a picture"


class SecureS3(S3):
    """An S3 server behind TLS, as Amazon's is."""

    def prepare(self) -> None:
        """Make its certificate."""
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        certificate.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))

    def command(self) -> Sequence[str]:
        """Return the command of moto's server with that certificate."""
        return [
            *super().command(),
            "-c",
            str(self.folder / "cert.pem"),
            "-k",
            str(self.folder / "key.pem"),
        ]

    @property
    def authority(self) -> Path:
        """The certificate that its clients trust."""
        return self.folder / "ca.pem"

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"https://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureS3]:
    """One for all tests: Airflow keeps the client of a connection as long as its process lives."""
    server = SecureS3(tmp_path_factory.mktemp("s3") / "server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CA_BUNDLE", str(server.authority))
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with server:
            yield server


@pytest.fixture
def s3(server: SecureS3, connect: Any) -> SecureS3:
    # boto's retries of a server that is away would take a minute.
    impatient = {"connect_timeout": 1, "read_timeout": 5, "retries": {"total_max_attempts": 1}}
    extra = {"endpoint_url": server.url, "region_name": "us-east-1", "config_kwargs": impatient}
    connect("media_s3", conn_type="aws", password=None, extra=extra)
    return server


@pytest.fixture
def browser(s3: SecureS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A browser of somebody who may read XComs. The task landed a video with a poster, and a picture."""
    for name, content in (("a.mp4", VIDEO), ("poster.jpg", PICTURE), ("b.jpg", PICTURE)):
        s3.client().put_object(Bucket=s3.bucket, Key=f"landed/{name}", Body=content)
    folder = f"s3://media_s3@{s3.bucket}/landed"
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_ROOTS", folder)
    monkeypatch.setenv("AIRFLOW__VIDAI__MEDIA_KEY", KEY)

    def landed(name: str, content: bytes, **more: Any) -> MediaFile:
        path = f"{folder}/{name}"
        return MediaFile(uri=path, path=path, bytes=len(content), sha256="0" * 64, **more)

    poster = Still(path=f"{folder}/poster.jpg", bytes=len(PICTURE))
    files = (landed("a.mp4", VIDEO, poster=poster), landed("b.jpg", PICTURE))
    facts = {"vendor": "vidgo", "label": "Vidgo", "conn_id": "vidgo", "job_id": "j-1", "kind": "media"}
    record = signed(MediaRecord(**facts, files=files), TASK, KEY).model_dump(mode="json", exclude_none=True)

    async def xcom(_: Request) -> JSONResponse:
        return JSONResponse({"value": record})

    module = ModuleType("airflow.api_fastapi.main")
    module.app = Starlette(routes=[Route("/{rest:path}", xcom)])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.main", module)
    with TestClient(app, headers={"Authorization": "Bearer x"}, follow_redirects=False) as client:
        yield client


def asked(**more: Any) -> str:
    return f"/file?{urlencode({**TASK._asdict(), **more})}"


def test_a_player_reads_any_part_of_a_video_from_the_store_itself(s3: SecureS3, browser: TestClient) -> None:
    answer = browser.get(asked(), headers={"Range": "bytes=256-511"})

    assert (answer.status_code, answer.content) == (307, b"")
    address = answer.headers["location"]
    assert address.startswith(f"{s3.url}/")
    given = parse_qs(urlsplit(address).query)
    seconds = given.get("X-Amz-Expires") or given["Expires"]
    assert 0 < int(seconds[0]) <= 600 or "Signature" in given
    trusted = ssl.create_default_context(cafile=str(s3.authority))
    found = httpx.get(address, headers={"Range": "bytes=256-511"}, verify=trusted)
    assert (found.status_code, found.content) == (206, VIDEO[256:512])


@pytest.mark.parametrize(
    ("query", "content"),
    [({"part": "poster"}, PICTURE), ({"index": 1}, PICTURE), ({"download": 1}, VIDEO)],
    ids=["a poster", "a picture", "a download"],
)
def test_pictures_and_downloads_come_from_airflow_as_the_pages_policy_and_the_files_name_want(
    browser: TestClient, query: dict[str, Any], content: bytes
) -> None:
    answer = browser.get(asked(**query))

    assert (answer.status_code, answer.content) == (200, content)
    assert ("a.mp4" in answer.headers.get("content-disposition", "")) == ("download" in query)


def test_a_video_that_changed_on_the_store_is_not_served(s3: SecureS3, browser: TestClient) -> None:
    s3.client().put_object(Bucket=s3.bucket, Key="landed/a.mp4", Body=b"another one")
    assert browser.get(asked()).status_code == 409


def test_a_store_that_is_away_is_reported_as_that(s3: SecureS3, browser: TestClient) -> None:
    s3.kill()
    answer = browser.get(asked())
    assert answer.status_code == 502
    assert "cannot be read" in answer.text
    s3.start()
