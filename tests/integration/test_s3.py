"""Files on S3 as its API really is: the Amazon provider's filesystem over a server of that API."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_vidai.errors import InputError, TransferError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import BLOCK, source
from airflow_provider_vidai.files.upload import upload
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.net.account import Account
from tests.support.raw import Peer, Step, answer, head, serving

ACCOUNT = Account(label="VIDIO", base_url="http://127.0.0.1:9", key_headers={"x-api-key": "key-4f9d1c"})
#: Of three parts.
MOVIE = b"\0\0\0\x18ftypisom" + os.urandom(2 * BLOCK + 4321)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, connect: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, as Amazon's own client sees it."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    connect(
        "s3", conn_type="aws", password=None, extra={"endpoint_url": endpoint, "region_name": "us-east-1"}
    )
    found = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("films")
    found.create()
    yield found
    found.objects.delete()
    found.delete()


def left(bucket: Any) -> tuple[dict[str, bytes], int]:
    """Return all objects of the bucket, and how many uploads are unfinished."""
    objects = {one.key: one.get()["Body"].read() for one in bucket.objects.all()}
    return objects, len(list(bucket.multipart_uploads.all()))


def film(*, stop_at: int | None = None) -> Step:
    def step(peer: Peer) -> None:
        peer.send(head(length=len(MOVIE), content_type="video/mp4") + MOVIE[:stop_at])

    return step


def bring(step: Step, destination: str) -> dict[str, Any]:
    with serving(step) as server:
        return download(ACCOUNT, lambda: Fetch(url=f"{server.url}/film", kind="video"), destination, "film")


def test_a_film_of_several_parts_is_landed_whole(bucket: Any) -> None:
    landed = bring(film(), "s3://s3@films/out/a.mp4")
    assert left(bucket) == ({"out/a.mp4": MOVIE}, 0)
    assert landed["uri"] == "s3://films/out/a.mp4"
    assert landed["sha256"] == hashlib.sha256(MOVIE).hexdigest()


def test_a_film_that_does_not_come_whole_leaves_the_old_one_and_no_parts(bucket: Any, hurry: list) -> None:
    bucket.put_object(Key="a.mp4", Body=b"old")
    with pytest.raises(TransferError, match="Nothing was landed"):
        bring(film(stop_at=2 * BLOCK + 99), "s3://s3@films/a.mp4")
    assert left(bucket) == ({"a.mp4": b"old"}, 0)


def test_a_bucket_that_is_not_there_is_said_so(bucket: Any) -> None:
    with pytest.raises(TransferError, match=r"s3://.*nowhere/a.mp4: .*Nothing was left there") as caught:
        bring(film(), "s3://s3@nowhere/a.mp4")
    assert "bucket does not exist" in str(caught.value)
    assert left(bucket) == ({}, 0)


def test_a_store_whose_last_answer_is_lost_is_not_said_to_have_left_nothing(
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
        with pytest.raises(TransferError, match=r"films/a.mp4: .*It is there whole, or not at all"):
            bring(film(), "s3://failing@films/a.mp4")
    assert completed


def test_a_film_on_s3_is_uploaded_byte_for_byte(bucket: Any) -> None:
    bucket.put_object(Key="a.mp4", Body=MOVIE)
    with serving(answer()) as server:
        upload(ACCOUNT, lambda: Put(server.url, "video/mp4"), source("s3://s3@films/a.mp4"))
    assert server.requests[0].body == MOVIE


def test_a_source_that_s3_does_not_have_is_named(bucket: Any) -> None:
    with pytest.raises(InputError, match=r"films/b.mp4: there is no such file. Nothing was sent"):
        source("s3://s3@films/b.mp4")


def test_what_one_task_landed_the_next_reads_with_the_connections_credentials(
    endpoint: str, bucket: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connect("keys", conn_type="aws", login="testing", password="testing", extra=extra)
    landed = bring(film(), "s3://keys@films/lake/")
    assert (landed["uri"], landed["path"]) == ("s3://films/lake/film.mp4", "s3://keys@films/lake/film.mp4")
    assert b"".join(source(landed["path"]).chunks()) == MOVIE
