"""Every call of VIDIO's, answered in every wrong way: what a person reads, what is charged, what leaks.

A front stands between the package and the sandbox. It passes everything on, but for the one call that
it answers itself, before or after the sandbox has processed it. A second server, the thief, is where
redirects lead: nothing may ever arrive there.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.operators.vidio import VidioDownloadOperator, VidioUploadOperator
from airflow_provider_vidai.purchase import lost as purchase
from airflow_provider_vidai.purchase import poll
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from tests.integration.conftest import KEY
from tests.support.pauses import Pauses
from tests.support.raw import Peer, RawServer, Request, Step, answer, endless, head, reset
from tests.support.task import FASTER, Task

BUY = "create_highlight_reel"
SIGNED = "signature=5ea1ed"
#: Seconds that a call may take where the answer never ends, and elsewhere; the triggerer's loop goes faster.
SHORT, LONG = 1.0, 20.0


class Front:
    """What the package takes for VIDIO."""

    def __init__(self, sandbox: str) -> None:
        self._sandbox = urlsplit(sandbox).netloc
        self._call, self._after = "", False
        self._step: Step = reset
        self.times = 0
        self.calls: list[str] = []
        self.server = RawServer(self._answer)
        self.thief = RawServer(answer(200, {"stolen": True}))

    def spoil(self, call: str, step: Step, *, after: bool = False, times: int = 10**6) -> None:
        """Answer ``call`` by ``step``, before or after the sandbox has processed it."""
        self._call, self._step, self._after, self.times = call, step, after, times

    def cure(self) -> None:
        self.times = 0

    def close(self) -> None:
        self.server.close()
        self.thief.close()

    def _answer(self, peer: Peer) -> bool | None:
        call = _call(peer.request)
        self.calls.append(call)
        if call != self._call or not self.times:
            peer.send(self._passed_on(peer.request))
            return True
        self.times -= 1
        if self._after:
            self._passed_on(peer.request)
        return self._step(peer)

    def _passed_on(self, request: Request) -> bytes:
        with contextlib.closing(http.client.HTTPConnection(self._sandbox)) as connection:
            connection.request(request.method, request.target, request.body, request.headers)
            said = connection.getresponse()
            body = said.read()
        headers = {
            name: value for name, value in said.headers.items() if name.lower() in ("content-type", "etag")
        }
        return head(said.status, length=len(body), **headers) + body


def _call(request: Request) -> str:
    if "/storage/" in request.path:
        return "put" if request.method == "PUT" else "file"
    last = request.path.rpartition("/")[2]
    return {"upload-url": "upload_url", "highlight-reel": BUY}.get(last, last)


def slow_down(retry_after: str) -> Step:
    return answer(429, {"error": "slow down"}, retry_after=retry_after, date=formatdate(usegmt=True))


def said(status: int, body: Any = b"", **headers: str) -> Callable[[Front], Step]:
    return lambda _: answer(status, body, **headers)


def redirect(status: int) -> Callable[[Front], Step]:
    return lambda front: answer(status, location=f"{front.thief.url}/?{SIGNED}")


PAGE = b"<!DOCTYPE html><title>Sign in</title>" * 10
JSON = "application/json"

#: Answers that leave open what the vendor did.
BROKEN: dict[str, Callable[[Front], Step]] = {
    "endless JSON": lambda _: endless(b'{"a": "', b"x" * 65_536, content_type=JSON),
    "decompression bomb": said(
        200, gzip.compress(bytes(64 << 20)), content_type=JSON, content_encoding="gzip"
    ),
    "redirect": redirect(302),
    "permanent redirect": redirect(308),
    "HTML": said(200, PAGE, content_type="text/html"),
    "HTML as JSON": said(200, PAGE, content_type=JSON),
    "truncated JSON": said(200, b'{"job_id": "0f8fad5b", "sta', content_type=JSON),
    "empty": said(200),
    "empty JSON": said(200, b"{}", content_type=JSON),
    "a video": said(200, b"\0\0\0\x18ftypisom" + bytes(100), content_type="video/mp4"),
    "a byte a second": lambda _: endless(b"{", b" ", every=1.0, stop=6.0, content_type=JSON),
    "short": lambda _: answer(200, b"{", length=100, content_type=JSON),
    "reset": lambda _: reset,
    "500": said(500, {"error": "oops"}),
    "502": said(502, PAGE, content_type="text/html"),
    "503": said(503, {"error": "busy"}, retry_after="1"),
    "504": said(504),
}
#: Of them, what ends only when the client hangs up.
ENDLESS = ("endless JSON", "a byte a second")
#: Answers that say that nothing was done.
REFUSALS: dict[str, Callable[[Front], Step]] = {
    "429": said(429, {"error": "slow down"}),
    "429 with seconds": lambda _: slow_down("1"),
    "429 with a date": lambda _: slow_down(formatdate(time.time() + 1, usegmt=True)),
    "429 with nonsense": lambda _: slow_down("-soon"),
}
#: Places where nobody answers as they should: no name, no TLS, no listener.
NOWHERE = {
    "no DNS": lambda front: "http://no-such-host.invalid",
    "no TLS": lambda front: front.server.url.replace("http:", "https:"),
    "closed": lambda front: "http://127.0.0.1:1",
}
ANSWERS = {**BROKEN, **REFUSALS}
#: One of each kind, for what reads an answer in the way that another test has shown with all of them.
SOME = ("redirect", "HTML", "truncated JSON", "a byte a second", "reset", "500", "429 with seconds")


@pytest.fixture
def patience(request: pytest.FixtureRequest) -> float:
    """How long a call may take: a busy machine is no reason to give up an answer that ends."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    return SHORT if parameters.get("how") in ENDLESS else LONG


@pytest.fixture
def front(sandbox: Any, connect: Any, vidio: Any, patience: float) -> Iterator[Front]:
    """VIDIO's host, as the connection has it."""
    front = Front(sandbox.url)
    connect(host=f"{front.server.url}/vidio", password=KEY, extra={"timeout": patience})
    yield front
    front.close()
    assert front.thief.requests == []


@pytest.fixture(autouse=True)
def _nothing_leaks(
    front: Front, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    out = capfd.readouterr()
    for secret in (KEY, "signature="):
        assert secret not in caplog.text + out.out + out.err
    for request in front.server.requests:
        assert (KEY.encode() in request.head) is (_call(request) not in ("put", "file"))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch, pauses: Pauses) -> None:
    """Search for a lost render for less than a minute, and check again soon after an unusable answer."""
    pauses.faster = 500.0
    monkeypatch.setattr(purchase, "LOOKUP_SECONDS", 0.3)
    monkeypatch.setattr(purchase, "LOOKUP_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(purchase, "SEARCH_STEP_SECONDS", 0.01)
    monkeypatch.setattr(poll, "MIN_POLL_SECONDS", 0.05)


def failing(task: Task, *parts: str, for_good: bool | None = None) -> str:
    """Run a try that must fail, with ``parts`` and no secret in its message."""
    with pytest.raises(AirflowException) as caught:
        task.run()
    text = str(caught.value)
    for word in parts:
        assert word in text
    assert "signature=" not in text
    assert KEY not in text
    if for_good is not None:
        assert isinstance(caught.value, AirflowFailException) is for_good, text
    return text


def bought(control: Control) -> int:
    return int(control.book()["totals"]["purchases"])


def uploading(clip: Path) -> Task:
    return Task(lambda: VidioUploadOperator(task_id="upload", source=str(clip)))


# --- purchases --------------------------------------------------------------------------------


@pytest.fixture(params=[BUY, "render"])
def purchasing(
    request: pytest.FixtureRequest, front: Front, reel_of: Any, render_of: Any, control: Control
) -> tuple[str, Task, Callable[[], int]]:
    """A task that buys, what it calls, and how much of it was sold."""
    if request.param == BUY:
        return BUY, reel_of(), lambda: len(control.purchases(kind="reel"))
    reel = reel_of().run()
    return "render", render_of(reel), lambda: len(control.purchases(kind="render"))


def kind_of(call: str) -> str:
    return "create a highlight reel" if call == BUY else "render output 0 of job"


@pytest.mark.parametrize("how", BROKEN)
def test_an_unreadable_answer_to_a_purchase_that_did_not_arrive_is_reported_and_never_repeated(
    front: Front, purchasing: Any, how: str
) -> None:
    call, task, sold = purchasing
    front.spoil(call, BROKEN[how](front))
    if call == BUY:
        unknown = ("VIDIO", "outcome is unknown", "It may have been charged", "Clear the task")
        for _ in range(2):
            failing(task.retry(), *unknown, for_good=True)
    else:  # the status of the job shows that it is not being rendered
        failing(task.retry(), "VIDIO", "and not made", "Nothing was charged.", for_good=False)
    assert (sold(), front.calls.count(call)) == (0, 1)
    front.cure()
    again = task.clear() if call == BUY else task.retry()
    assert again.run()["state"] == "ready"
    assert sold() == 1


@pytest.mark.parametrize("how", BROKEN)
def test_an_unreadable_answer_to_a_purchase_that_arrived_is_reported_and_never_repeated(
    front: Front, reel_of: Any, control: Control, how: str
) -> None:
    front.spoil(BUY, BROKEN[how](front), after=True)
    task = reel_of()
    message = failing(task, "create a highlight reel", "outcome is unknown", "It may have been charged")
    assert "Check the VIDIO account" in message
    front.cure()
    failing(task.retry(), "It may have been charged", "Clear the task", for_good=True)
    assert (bought(control), front.calls.count(BUY)) == (1, 1)


@pytest.mark.parametrize("how", BROKEN)
def test_a_render_whose_answer_cannot_be_read_is_found_and_waited_for(
    front: Front, reel_of: Any, render_of: Any, control: Control, how: str
) -> None:
    task = render_of(reel_of().run())
    front.spoil("render", BROKEN[how](front), after=True)
    assert task.run()["state"] == "ready"
    assert len(control.purchases(kind="render")) == front.calls.count("render") == 1


@pytest.mark.parametrize("how", REFUSALS)
def test_a_refused_purchase_costs_nothing_and_is_sent_again(front: Front, purchasing: Any, how: str) -> None:
    call, task, sold = purchasing
    front.spoil(call, REFUSALS[how](front), times=2)
    assert task.run()["state"] == "ready"
    assert (sold(), front.calls.count(call)) == (1, 3)


@pytest.mark.parametrize("how", REFUSALS)
def test_a_purchase_that_is_refused_for_ever_says_that_nothing_was_charged(
    front: Front, purchasing: Any, how: str
) -> None:
    call, task, sold = purchasing
    front.spoil(call, REFUSALS[how](front))
    patient = task.make

    def impatient() -> Any:
        operator = patient()
        operator.timeout = 50  # shorter than the pause before the next round of a rate limit
        return operator

    task.make = impatient
    failing(task, "VIDIO", kind_of(call), "429", "Nothing was charged", for_good=False)
    assert sold() == 0
    front.cure()
    assert task.retry().run()["state"] == "ready"
    assert sold() == 1


@pytest.mark.parametrize("seconds", ["86400", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("deferrable", [False, True])
def test_an_absurd_wait_ends_with_nothing_charged(
    front: Front, reel_of: Any, control: Control, seconds: str, deferrable: bool
) -> None:
    front.spoil(BUY, slow_down(seconds), times=1)
    task = reel_of(deferrable=deferrable)
    failing(task, "429", "deadline", "Nothing was charged", for_good=False)
    assert bought(control) == 0
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


@pytest.mark.parametrize("where", NOWHERE)
def test_a_purchase_at_a_host_that_is_not_there_costs_nothing(
    front: Front, connect: Any, reel_of: Any, control: Control, where: str
) -> None:
    connect(host=NOWHERE[where](front), password=KEY, extra={"timeout": LONG})
    task = reel_of()
    failing(
        task, "VIDIO", "create a highlight reel", "Nothing was charged", "heck the connection", for_good=False
    )
    assert task.store.record is None
    connect(host=f"{front.server.url}/vidio", password=KEY)
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


# --- status -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ANSWERS)
def test_a_status_that_cannot_be_read_is_asked_again(
    front: Front, connect: Any, reel_of: Any, control: Control, patience: float, how: str
) -> None:
    connect(host=f"{front.server.url}/vidio", password=KEY, extra={"timeout": patience * FASTER})
    front.spoil("status", ANSWERS[how](front), times=1)
    task = reel_of(deferrable=True)
    assert task.run()["state"] == "ready"
    assert front.times == 0
    assert bought(control) == 1
    assert "signature" not in task.everything_shown()


@pytest.mark.parametrize("how", SOME)
def test_a_worker_too_asks_again_for_a_status_that_cannot_be_read(
    front: Front, reel_of: Any, control: Control, how: str
) -> None:
    front.spoil("status", ANSWERS[how](front), times=2)
    assert reel_of().run()["state"] == "ready"
    assert front.times == 0
    assert bought(control) == 1


@pytest.mark.parametrize("how", ["HTML", "500", "reset", "redirect"])
def test_a_status_that_can_never_be_read_ends_at_the_deadline_with_the_job_kept(
    front: Front, reel_of: Any, control: Control, how: str
) -> None:
    front.spoil("status", ANSWERS[how](front))
    task = reel_of(timeout=0.3)
    failing(task, "vidio", "deadline", "It was charged", "buys nothing", for_good=False)
    front.cure()
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


@pytest.mark.parametrize("how", SOME)
def test_a_sensor_waits_out_what_it_cannot_read(front: Front, reel_of: Any, how: str) -> None:
    reel = reel_of().run()
    front.spoil("status", ANSWERS[how](front), times=2)
    sensor = Task(
        lambda: VidioJobSensor(
            task_id="sensor", job=reel, until="processed", poke_interval=0.1, deferrable=False
        )
    )
    assert sensor.run()["job_id"] == reel["job_id"]
    assert front.times == 0


@pytest.mark.parametrize("where", NOWHERE)
def test_a_job_whose_host_is_not_there_any_more_is_kept(
    front: Front, connect: Any, reel_of: Any, control: Control, where: str
) -> None:
    task = reel_of(deferrable=True).retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    connect(host=f"{NOWHERE[where](front)}/vidio", password=KEY, extra={"timeout": LONG})
    task.make = reel_of(timeout=0.3).make
    failing(task.retry(), "deadline", "It was charged", "buys nothing", for_good=False)
    connect(host=f"{front.server.url}/vidio", password=KEY)
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


# --- files in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ANSWERS)
def test_an_upload_url_that_cannot_be_read_is_reported_and_nothing_is_sent(
    front: Front, clip: Path, control: Control, how: str
) -> None:
    front.spoil("upload_url", ANSWERS[how](front))
    task = uploading(clip)
    failing(task, "VIDIO", "request an upload URL", "Nothing was charged")
    assert "put" not in front.calls
    front.cure()
    assert task.retry().run()["input_key"]
    assert bought(control) == 0


#: What an upload's answer may not be; its body says nothing.
NOT_TAKEN = ("redirect", "permanent redirect", "reset", "500", "502", "503", "504", *REFUSALS)


@pytest.mark.parametrize("how", NOT_TAKEN)
def test_a_file_that_storage_does_not_take_is_reported(
    front: Front, clip: Path, control: Control, how: str
) -> None:
    front.spoil("put", ANSWERS[how](front))
    task = uploading(clip)
    failing(task, "Uploading", clip.name, "Nothing was charged")
    front.cure()
    assert task.retry().run()["input_key"]
    assert bought(control) == 0


@pytest.mark.parametrize("how", [name for name in BROKEN if name not in NOT_TAKEN])
def test_what_storage_says_beside_having_taken_the_file_is_of_no_interest(
    front: Front, clip: Path, how: str
) -> None:
    front.spoil("put", BROKEN[how](front), after=True)
    assert uploading(clip).run()["input_key"]


@pytest.mark.parametrize("where", NOWHERE)
def test_a_storage_that_is_not_there_is_reported(front: Front, clip: Path, where: str) -> None:
    front.spoil("upload_url", answer(200, {"url": f"{NOWHERE[where](front)}/in?{SIGNED}"}))
    failing(uploading(clip), "Uploading", clip.name, "VIDIO's storage", for_good=False)


# --- files out --------------------------------------------------------------------------------


@pytest.fixture
def downloading(front: Front, reel_of: Any, render_of: Any, tmp_path: Path) -> Task:
    """The task that lands a finished render."""
    rendered = render_of(reel_of().run()).run()
    destination = str(tmp_path / "out" / "a.mp4")
    return Task(lambda: VidioDownloadOperator(task_id="download", job=rendered, destination=destination))


#: What takes longer than a test may: the vendor's file is larger than any of them.
@pytest.mark.parametrize(
    "how", [name for name in ANSWERS if name not in ("redirect", "permanent redirect", "a video")]
)
def test_a_file_that_does_not_come_whole_is_reported_and_nothing_is_landed(
    front: Front, downloading: Task, control: Control, tmp_path: Path, how: str
) -> None:
    front.spoil("file", ANSWERS[how](front))
    failing(downloading, "Nothing was landed")
    assert list((tmp_path / "out").glob("**/*")) == []
    front.cure()
    (landed,) = downloading.retry().run()
    assert (tmp_path / "out" / "a.mp4").stat().st_size == landed["bytes"]
    assert bought(control) == 2


@pytest.mark.parametrize("how", ANSWERS)
def test_a_file_whose_url_cannot_be_read_is_reported_and_nothing_is_landed(
    front: Front, downloading: Task, control: Control, tmp_path: Path, how: str
) -> None:
    front.spoil("status", ANSWERS[how](front))
    failing(downloading, "VIDIO", "read the status of render", "Nothing was charged for this call")
    assert list((tmp_path / "out").glob("**/*")) == []
    front.cure()
    assert downloading.retry().run()
    assert bought(control) == 2


@pytest.mark.parametrize("where", NOWHERE)
def test_a_file_on_a_host_that_is_not_there_is_reported(
    front: Front, downloading: Task, tmp_path: Path, where: str
) -> None:
    job = {"job_id": "J", "status": "rendered", "output_url": f"{NOWHERE[where](front)}/video?{SIGNED}"}
    front.spoil("status", answer(200, json.loads(json.dumps(job))))
    task = Task(
        lambda: VidioDownloadOperator(task_id="download", job="J", destination=str(tmp_path / "a.mp4"))
    )
    failing(task, "VIDIO's storage", "Nothing was landed", for_good=False)
    assert not (tmp_path / "a.mp4").exists()
