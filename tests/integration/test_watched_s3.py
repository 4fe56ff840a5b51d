"""A watched folder on S3: the Amazon provider's filesystem over a server of that API.

The watcher's clock runs a hundred times faster than the server answers. So these tests count its listings,
and never wait for a time: on a busy machine one listing may take longer than a quiet minute of that clock.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk.execution_time import task_runner
from moto.server import ThreadedMotoServer

from airflow_provider_vidai.events.watch import VidaiFilesWatcher, VidaiJobsWatcher
from tests.integration.test_watchers import Store
from tests.support.raw import Peer, answer, reset, serving
from tests.support.task import rebuilt, run_fast

pytestmark = pytest.mark.slow

#: Complete listings after which nothing more comes: one may have begun before the change, the next one sees
#: it, and its event is out before another one begins.
CHECKS = 3
#: Seconds that each step of a test may take on a busy machine.
SOON = 120.0


class Door:
    """Passes requests on to an S3 server, and counts listings; it can refuse to, or not answer."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = urlsplit(endpoint)
        self.pages = 0
        self.checks = 0
        self.refuses = False
        self.opened = threading.Event()
        self.opened.set()
        self.hanging = 0

    def __call__(self, peer: Peer) -> bool | None:
        request = peer.request
        if self.refuses:
            self.checks += 1
            return reset(peer)  # type: ignore[func-returns-value]
        if not self.opened.is_set():
            self.hanging += 1
            self.opened.wait(SOON)
        connection = http.client.HTTPConnection(self._endpoint.hostname, self._endpoint.port)
        connection.request(request.method, request.target, request.body, request.headers)
        found = connection.getresponse()
        body = found.read()
        if b"<ListBucketResult" in body:
            self.pages += 1
            self.checks += b"<IsTruncated>true" not in body
        return answer(found.status, body, content_type=found.getheader("content-type", "text/xml"))(peer)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def door(endpoint: str) -> Door:
    """What stands before the server."""
    return Door(endpoint)


@pytest.fixture
def folder(door: Door, connect: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of the watched folder.

    Airflow keeps the filesystem of a connection for the life of the process, with the address that the
    connection had at first. So each test has a connection of its own.
    """
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)
    conn_id = f"watched_{uuid.uuid4().hex}"
    with serving(door) as server:
        once = {"retries": {"max_attempts": 0}}
        extra = {"endpoint_url": server.url, "region_name": "us-east-1", "config_kwargs": once}
        connect(conn_id, conn_type="aws", login="testing", password="testing", extra=extra)
        yield f"s3://{conn_id}@footage/in/"


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, as Amazon's own client sees it; the only one."""
    import boto3

    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")):
        pass
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    found = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("footage")
    found.create()
    return found


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a watcher warns of."""
    lines: list[str] = []
    log = SimpleNamespace(info=lambda *_: None, warning=lambda text, *values: lines.append(text % values))
    monkeypatch.setattr(VidaiFilesWatcher, "log", log, raising=False)
    return lines


class Watched:
    """A watcher as a triggerer runs it, and what it has reported."""

    def __init__(self, watcher: Any, store: Store | None) -> None:
        again: Any = rebuilt(watcher)
        again.asset_state_store = store
        self._events: Any = again.run()
        self._next: asyncio.Future[Any] = asyncio.ensure_future(anext(self._events))
        self.payloads: list[dict[str, Any]] = []

    def take(self) -> bool:
        """Take an event, if there is one."""
        if not self._next.done():
            return False
        self.payloads.append(json.loads(json.dumps(self._next.result().payload)))
        self._next = asyncio.ensure_future(anext(self._events))
        return True

    async def end(self) -> None:
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        await self._events.aclose()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, in real time."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        await asyncio.sleep(0.5)


def reported(
    folder: str, store: Store, door: Door, *steps: Callable[[], Any], **options: Any
) -> list[list[dict[str, Any]]]:
    """Run a watcher of files; return what it reports after its start and after each of the steps."""

    async def watched() -> list[list[dict[str, Any]]]:
        running = Watched(VidaiFilesWatcher(folder=folder, **options), store)
        found = []
        for step in (lambda: None, *steps):
            await asyncio.to_thread(step)
            last = door.checks + CHECKS

            def quiet() -> bool:
                nonlocal last
                if running.take():
                    last = door.checks + CHECKS
                return door.checks >= last

            await until(quiet)
            found.append([file for payload in running.payloads for file in payload["files"]])
            running.payloads.clear()
        await running.end()
        return found

    return run_fast(watched())


def names(files: list[dict[str, Any]]) -> list[str]:
    return [file["path"].partition("/in/")[2] for file in files]


def test_objects_of_nested_prefixes_are_reported_once_and_after_a_restart_only_new_ones(
    bucket: Any, door: Door, folder: str
) -> None:
    bucket.put_object(Key="in/old.mp4", Body=b"old")
    bucket.put_object(Key="in-2/other.mp4", Body=b"another folder")

    def land() -> None:
        # Consoles create an object for a folder.
        for key in ("in/", "in/a/", "in/.part/half.mp4", "in/notes.txt"):
            bucket.put_object(Key=key, Body=b"")
        bucket.put_object(Key="in/a/b/c/new é.mp4", Body=b"new")
        bucket.put_object(Key="in/big.MP4", Body=b"1234")

    store = Store()
    first, found = reported(folder, store, door, land, suffixes=[".mp4"])
    assert (first, names(found)) == ([], ["a/b/c/new é.mp4", "big.MP4"])
    assert found[0] == {
        "uri": "s3://footage/in/a/b/c/new é.mp4",
        "path": f"{folder}a/b/c/new é.mp4",
        "bytes": 3,
    }
    bucket.put_object(Key="in/meanwhile.mp4", Body=b"1")
    bucket.Object("in/big.MP4").delete()
    (again,) = reported(folder, store, door, suffixes=[".mp4"])
    assert names(again) == ["meanwhile.mp4"]
    (texts,) = reported(folder, store, door)
    assert names(texts) == ["notes.txt"], "it is new to a watcher of all names; the folders are no files"


def test_a_folder_of_twelve_hundred_objects_is_read_page_by_page(
    bucket: Any, door: Door, folder: str
) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            bucket.put_object(Key=f"in/{number % 7}/{number:05}.mp4", Body=b"x")

    fill(0, 1100)
    store = Store()
    first, found = reported(folder, store, door, lambda: fill(1100, 1200))
    assert first == []
    assert len(found) == len({*names(found)}) == 100
    assert door.pages >= 2 * door.checks, "a page has a thousand objects"
    # Another cursor: all of them, none twice, although they are reported in six events.
    (everything,) = reported(folder, store, door, existing=True, cursor="all")
    assert len(everything) == len({*names(everything)}) == 1200
    assert reported(folder, store, door, existing=True, cursor="all") == [[]]


def test_an_object_is_reported_when_its_upload_is_complete_and_again_when_it_is_replaced(
    bucket: Any, door: Door, folder: str
) -> None:
    part = b"x" * (5 << 20)
    upload = bucket.Object("in/a.mp4").initiate_multipart_upload()
    tags: list[dict[str, Any]] = []

    def send() -> None:
        tags.append({"PartNumber": 1, "ETag": upload.Part(1).upload(Body=part)["ETag"]})

    def complete() -> None:
        upload.complete(MultipartUpload={"Parts": tags})

    def replace(content: bytes) -> Callable[[], Any]:
        return lambda: bucket.put_object(Key="in/a.mp4", Body=content)

    steps = send, complete, replace(b"short"), replace(b"other"), replace(b"other")
    found = reported(folder, Store(), door, *steps)
    sizes = [[file["bytes"] for file in files] for files in found]
    assert sizes == [[], [], [5 << 20], [5], [5], []], "the same content again is no new file"


def test_an_s3_that_is_away_is_said_by_name_and_the_watcher_goes_on_when_it_is_back(
    bucket: Any, door: Door, folder: str, warnings: list[str]
) -> None:
    store = Store()
    door.refuses = True

    def back() -> None:
        door.refuses = False

    def away() -> None:
        door.refuses = True
        bucket.put_object(Key="in/meanwhile.mp4", Body=b"1")

    found = reported(folder, store, door, back, away, back)
    assert [names(files) for files in found] == [[], [], [], ["meanwhile.mp4"]]
    assert warnings
    for text in warnings:
        assert text.startswith(
            "Nothing can be watched at the moment; the watcher tries again: The folder s3://watched_"
        ), text
        assert "@footage/in cannot be listed: " in text
        assert "testing" not in text, "that is its key"


def test_a_bucket_that_is_not_there_is_said(
    bucket: Any, door: Door, folder: str, warnings: list[str]
) -> None:
    async def watched() -> None:
        running = Watched(VidaiFilesWatcher(folder=folder.replace("footage", "nowhere")), Store())
        await until(lambda: warnings)
        await running.end()

    run_fast(watched())
    assert "nowhere/in cannot be listed" in warnings[0]
    assert "bucket does not exist" in warnings[0]


@pytest.mark.parametrize("kind", ["files", "jobs"])
def test_listings_that_hang_keep_no_other_trigger_from_working(
    bucket: Any, door: Door, folder: str, kind: str
) -> None:
    """A triggerer has a handful of threads, in which all its triggers look up connections."""
    door.opened.clear()
    make: Callable[[], Any] = {
        "files": lambda: VidaiFilesWatcher(folder=folder),
        "jobs": lambda: VidaiJobsWatcher(jobs=folder, vendor="vidgo"),
    }[kind]

    async def triggerer() -> str:
        default = ThreadPoolExecutor(2)
        asyncio.get_running_loop().set_default_executor(default)
        hanging = [Watched(make(), Store()) for _ in range(4)]
        await until(lambda: door.hanging == len(hanging))
        other = asyncio.ensure_future(asyncio.to_thread(lambda: "works"))
        await until(other.done)
        door.opened.set()
        for one in hanging:
            await one.end()
        return await other

    try:
        assert run_fast(triggerer()) == "works"
    finally:
        door.opened.set()
