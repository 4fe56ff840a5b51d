"""Files on S3 as its API really is: the Amazon provider's filesystem over a server of that API."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_vidai.errors import InputError, TransferError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import BLOCK, source
from airflow_provider_vidai.files.upload import upload
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.operators.landing import Landing
from airflow_provider_vidai.purchase.patience import Taken
from airflow_provider_vidai.quality.checks import FOLDER, Checks
from airflow_provider_vidai.stores.object_storage import ObjectStore
from tests.support.clips import moving, written
from tests.support.raw import Peer, Step, answer, head, serving

ACCOUNT = Account(label="VIDIO", base_url="http://127.0.0.1:9", key_headers={"x-api-key": "key-4f9d1c"})
#: A video that S3 gets in three parts.
VIDEO = b"\0\0\0\x18ftypisom" + os.urandom(2 * BLOCK + 4321)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of an S3 server.

    All servers of one process share their buckets, and other modules leave theirs behind.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, connect: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, as Amazon's own client sees it; the only one."""
    import boto3

    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")):
        pass
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    connect(
        "s3", conn_type="aws", password=None, extra={"endpoint_url": endpoint, "region_name": "us-east-1"}
    )
    found = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("videos")
    found.create()
    return found


def left(bucket: Any) -> tuple[dict[str, bytes], int]:
    """Return all objects of the bucket, and how many uploads are unfinished."""
    objects = {one.key: one.get()["Body"].read() for one in bucket.objects.all()}
    return objects, len(list(bucket.multipart_uploads.all()))


def video(*, stop_at: int | None = None) -> Step:
    def step(peer: Peer) -> None:
        peer.send(head(length=len(VIDEO), content_type="video/mp4") + VIDEO[:stop_at])

    return step


def download_video(step: Step, destination: str) -> dict[str, Any]:
    with serving(step) as server:
        return download(ACCOUNT, lambda: Fetch(url=f"{server.url}/video", kind="video"), destination, "video")


def test_a_video_of_several_parts_is_landed_whole(bucket: Any) -> None:
    landed = download_video(video(), "s3://s3@videos/out/a.mp4")
    assert left(bucket) == ({"out/a.mp4": VIDEO}, 0)
    assert landed["uri"] == "s3://videos/out/a.mp4"
    assert landed["sha256"] == hashlib.sha256(VIDEO).hexdigest()


def test_a_video_that_does_not_come_whole_leaves_the_old_one_and_no_parts(bucket: Any, hurry: list) -> None:
    bucket.put_object(Key="a.mp4", Body=b"old")
    with pytest.raises(TransferError, match="Nothing was landed"):
        download_video(video(stop_at=2 * BLOCK + 99), "s3://s3@videos/a.mp4")
    assert left(bucket) == ({"a.mp4": b"old"}, 0)


def test_a_missing_bucket_is_reported(bucket: Any) -> None:
    with pytest.raises(TransferError, match=r"nowhere/a.mp4 failed: .*Nothing was left there") as caught:
        download_video(video(), "s3://s3@nowhere/a.mp4")
    assert "bucket does not exist" in str(caught.value)
    assert left(bucket) == ({}, 0)


def test_nothing_is_claimed_about_a_store_whose_last_answer_is_lost(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    completed = []

    def store(peer: Peer) -> bool | None:
        _, _, query = peer.request.target.partition("?")
        if query == "uploads":
            return answer(200, b"<A><UploadId>7</UploadId></A>", content_type="text/xml")(peer)
        if peer.request.method == "POST":
            completed.append(peer.request.body)
            return answer(status=500)(peer)
        return answer(etag='"part"')(peer)

    with serving(store) as server:
        once = {"retries": {"max_attempts": 0}}
        extra = {"endpoint_url": server.url, "region_name": "us-east-1", "config_kwargs": once}
        connect("failing", conn_type="aws", password=None, extra=extra)
        with pytest.raises(TransferError, match=r"videos/a.mp4 failed: .*It is there whole, or not at all"):
            download_video(video(), "s3://failing@videos/a.mp4")
    assert completed


class Forwarding:
    """Passes requests on to an S3 server; the answers to the first ``lost`` conditional writes are lost."""

    def __init__(self, endpoint: str, lost: int) -> None:
        self.endpoint, self.lost = urlsplit(endpoint), lost
        self.seen: list[str] = []

    def __call__(self, peer: Peer) -> bool | None:
        request = peer.request
        conditional = "if-none-match" in request.headers
        connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port)
        connection.request(request.method, request.target, request.body, request.headers)
        found = connection.getresponse()
        body = found.read()
        self.seen.append(f"{request.method}{' if none' if conditional else ''} {found.status}")
        if conditional and self.lost > 0:
            self.lost -= 1
            peer.reset()
            return None
        return answer(found.status, body, content_type=found.getheader("content-type", "text/xml"))(peer)


@pytest.mark.parametrize("own_repeats", [0, 3])
def test_an_intent_whose_answer_s3_loses_is_this_trys_own(
    endpoint: str, bucket: Any, connect: Any, own_repeats: int
) -> None:
    forward = Forwarding(endpoint, lost=1)
    with serving(forward) as server:
        once = {"retries": {"max_attempts": own_repeats}}
        extra = {"endpoint_url": server.url, "region_name": "us-east-1", "config_kwargs": once}
        connect(f"losing{own_repeats}", conn_type="aws", password=None, extra=extra)
        store = ObjectStore(f"s3://losing{own_repeats}@videos/ledger", ("dag", "run", "task", "-1"))
        assert store.get("k") is None
        store.add("k", {"nonce": "mine"})
    assert "PUT if none 412" in forward.seen
    assert ObjectStore("s3://s3@videos/ledger", ("dag", "run", "task", "-1")).get("k") == {"nonce": "mine"}


def test_a_ledger_on_s3_finds_the_newest_of_its_own_purchases_with_one_listing(
    endpoint: str, bucket: Any, connect: Any
) -> None:
    forward = Forwarding(endpoint, lost=0)
    with serving(forward) as server:
        extra = {"endpoint_url": server.url, "region_name": "us-east-1"}
        connect("listing", conn_type="aws", password=None, extra=extra)
        root, names = "s3://listing@videos/ledger", ("dag", "run", "task", "-1")
        assert ObjectStore(root, names).get("k") is None
        assert forward.seen == ["GET 200"]
        store = ObjectStore(root, names)
        store.add("k", {"number": 1})
        store.add("k", {"number": 2})
        store.add("k.2", {"number": 3})
        ObjectStore(root, (*names, "k.000007.json")).add("k", {"another": "lap"})
        assert ObjectStore(root, names).get("k") == {"number": 2}
        assert ObjectStore(root, names).get("k.2") == {"number": 3}


def test_an_s3_that_refuses_is_not_taken_for_an_empty_ledger(connect: Any) -> None:
    with serving(answer(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")) as server:
        extra = {"endpoint_url": server.url, "region_name": "us-east-1"}
        connect("refusing", conn_type="aws", login="k", password="s", extra=extra)
        with pytest.raises(PermissionError):
            ObjectStore("s3://refusing@videos/ledger", ("dag", "run", "task", "-1")).get("k")


def test_a_rivals_intent_on_s3_is_called_that_when_the_answer_is_lost(
    endpoint: str, bucket: Any, connect: Any
) -> None:
    names = ("dag", "run", "task", "-1")
    forward = Forwarding(endpoint, lost=1)
    with serving(forward) as server:
        extra = {"endpoint_url": server.url, "region_name": "us-east-1"}
        connect("rivals", conn_type="aws", password=None, extra=extra)
        store = ObjectStore("s3://rivals@videos/ledger", names)
        assert store.get("k") is None
        ObjectStore("s3://s3@videos/ledger", names).add("k", {"nonce": "theirs"})
        with pytest.raises(Taken, match="another try of this task is buying"):
            store.add("k", {"nonce": "mine"})
    assert ObjectStore("s3://s3@videos/ledger", names).get("k") == {"nonce": "theirs"}


def test_a_video_on_s3_is_uploaded_byte_for_byte(bucket: Any) -> None:
    bucket.put_object(Key="a.mp4", Body=VIDEO)
    with serving(answer()) as server:
        upload(ACCOUNT, lambda: Put(server.url, "video/mp4"), source("s3://s3@videos/a.mp4"))
    assert server.requests[0].body == VIDEO


def test_a_source_that_s3_does_not_have_is_named(bucket: Any) -> None:
    with pytest.raises(InputError, match=r"videos/b.mp4 does not exist. Nothing was sent"):
        source("s3://s3@videos/b.mp4")


def test_the_next_task_reads_a_landed_file_with_the_connections_credentials(
    endpoint: str, bucket: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connect("keys", conn_type="aws", login="testing", password="testing", extra=extra)
    landed = download_video(video(), "s3://keys@videos/lake/")
    assert (landed["uri"], landed["path"]) == (
        "s3://videos/lake/video.mp4",
        "s3://keys@videos/lake/video.mp4",
    )
    assert b"".join(source(landed["path"]).chunks()) == VIDEO


@pytest.mark.media
def test_a_file_that_fails_its_check_is_found_again_by_a_note_beside_it(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Key="out/a.mp4", Body=written(tmp_path / "a.mp4", moving(1)).read_bytes())
    file: Any = {
        "uri": "s3://videos/out/a.mp4",
        "path": "s3://s3@videos/out/a.mp4",
        "content_type": "video/mp4",
    }
    downloads: list[int] = []

    def land(**limits: Any) -> Exception | None:
        ref = JobRef(vendor="vidio", conn_id="vidio_default", job_id="1", kind="render")
        landing = Landing(ref, [Output(index=0, kind="video")], "s3://s3@videos/out/")
        return Checks(**limits).land(landing, lambda: downloads.append(1) or [file]).refused  # type: ignore[func-returns-value]

    assert "must be at least 60" in str(land(min_seconds=60))
    assert [key for key in left(bucket)[0] if key.startswith(f"out/{FOLDER}/")]
    assert "must be at least 50" in str(land(min_seconds=50))
    assert len(downloads) == 1, "the file is there"
    bucket.put_object(Key="out/a.mp4", Body=written(tmp_path / "b.mp4", moving(2)).read_bytes())
    assert "its length is 2 s" in str(land(min_seconds=60))
    assert len(downloads) == 2, "it is another file now"
    assert land() is None
    assert list(left(bucket)[0]) == ["out/a.mp4"]
