"""The walk of a purchase: whatever fails, wherever a worker is killed, nothing is bought twice unasked."""

from __future__ import annotations

import contextlib
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pydantic import JsonValue

from airflow_provider_vidai.errors import (
    MONEY,
    ApiError,
    InputError,
    JobError,
    JobFailed,
    JobGone,
    LedgerError,
    LostSubmit,
    VidaiError,
)
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import Policy
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.ledger import LEDGER_KEY, Ledger
from airflow_provider_vidai.purchase.limits import RateWait, limit_pause
from airflow_provider_vidai.purchase.record import Record, Run
from airflow_provider_vidai.purchase.timing import (
    LOOKUP_INTERVAL_SECONDS,
    LOOKUP_SECONDS,
    MAX_SENDS,
    MAX_SLEEP_SECONDS,
)
from airflow_provider_vidai.purchase.walk import (
    Offer,
    Purchase,
    Settled,
    VendorCalls,
)
from airflow_provider_vidai.stores.memory import MemoryStore

RUNNING = JobStatus(state=JobState.RUNNING, vendor_status="processing")
RENDERING = JobStatus(state=JobState.RUNNING, vendor_status="rendering")
STALE = JobStatus(state=JobState.RUNNING, vendor_status="processed", proven=False)
READY = JobStatus(state=JobState.READY, vendor_status="processed")
FAILED = JobStatus(state=JobState.FAILED, vendor_status="failed", charged="yes", error="bad footage")
REFUNDED = JobStatus(state=JobState.FAILED, vendor_status="failed", charged="refunded", blame="vendor")
GONE = JobStatus(state=JobState.GONE, vendor_status="404")

LOST = {
    "timeout": ApiError("ReadTimeout", retryable=True),
    "HTTP 500": ApiError("HTTP 500", status=500, retryable=True),
    "HTTP 503 with Retry-After": ApiError("HTTP 503", status=503, retryable=True, retry_after=1.0),
    "unreadable 200": ApiError("HTTP 200 but unreadable", status=200, retryable=True),
    "redirect": ApiError("HTTP 302", status=302),
}
NOT_NOW = {
    "HTTP 429": ApiError("HTTP 429", status=429, retryable=True, processed="no"),
    "connection never opened": ApiError("ConnectError", retryable=True, processed="no"),
}


RUN = Run(started="2026-11-01T00:00:00+00:00")
MADE_AGAIN = Run(started="2026-11-01T00:05:00+00:00")
CLEARED_RUN = Run(started="2026-11-01T00:05:00+00:00", clears=1)


class Killed(BaseException):
    """The worker is gone: no `except Exception` sees this."""


class World:
    """The vendor, the clock, the log and the store of one task, with everything that happens in order."""

    def __init__(self, *, lookup: bool = False) -> None:
        self.now = 1_700_000_000.0
        self.events: list[str] = []
        self.slept: list[float] = []
        self.lines: list[str] = []
        self.booked: list[str] = []
        #: What the next sends do; after that they go well. ("booked", error): booked, and then raised.
        self.sends: list[BaseException | tuple[str, BaseException]] = []
        #: How jobs stand; an error is raised.
        self.status: JobStatus | VidaiError | Callable[[], JobStatus | VidaiError] = RUNNING
        self.checked: list[JobRef] = []
        self.offers = 0
        self.offer_error: BaseException | None = None
        self.lookup = JobRef(vendor="vidio", conn_id="c", job_id="reel", kind="render") if lookup else None
        self.until = self.patience = float("inf")
        self.buying = ("vidio", "reel")
        self.store = Shelf(self)

    # the vendor's calls

    def offer(self) -> Offer:
        self.events.append("offer")
        self.offers += 1
        if self.offer_error is not None:
            raise self.offer_error
        call: Call[Receipt] = Call("buy", "POST", "/buy", lambda answer: Receipt())
        return Offer(call, self.lookup)

    def send(self, call: Call[Receipt]) -> Receipt:
        assert call.path == "/buy"
        self.events.append("send")
        act = self.sends.pop(0) if self.sends else None
        if isinstance(act, BaseException):
            raise act
        self.booked.append(f"J{len(self.booked) + 1}")
        if act is not None:
            raise act[1]
        ref = self.lookup or JobRef(
            vendor=self.buying[0], conn_id="c", job_id=self.booked[-1], kind=self.buying[1]
        )
        return Receipt(ref=ref, vendor_status="submitted")

    def check(self, ref: JobRef) -> JobStatus:
        self.events.append("check")
        self.checked.append(ref)
        status = self.status if isinstance(self.status, (JobStatus, VidaiError)) else self.status()
        if isinstance(status, VidaiError):
            raise status
        return status

    # the log and the clock

    def info(self, msg: str, /, *args: object) -> None:
        self.lines.append(msg % args if args else msg)
        self.events.append(f"log {self.lines[-1]}")

    warning = error = info

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.events.append("sleep")
        self.slept.append(seconds)
        self.now += seconds

    # the task

    def settle(
        self,
        *,
        try_number: int = 1,
        max_tries: int = 3,
        request: str = "f",
        lost: str = "fail",
        clear: str = "fresh",
        try_id: str = "",
        run: Run | None = RUN,
        vendor: str = "vidio",
        kind: str = "reel",
        ordinal: int = 0,
        deployment: str = "",
    ) -> Settled:
        self.events.clear()
        self.store.dead = False
        self.buying = (vendor, kind)
        return Purchase(
            vendor=vendor,
            label=vendor.upper(),
            kinds=("render",) if self.lookup else (kind,),
            ledger=Ledger(self.store),
            calls=VendorCalls(offer=self.offer, send=self.send, check=self.check),
            policy=Policy(on_lost_submit=lost, on_clear=clear),  # type: ignore[arg-type]
            fingerprints=(request,),
            attempt=Attempt(try_id, try_number, max_tries, run, deployment=deployment),
            ordinal=ordinal,
            until=self.until,
            patience=self.patience,
            log=self,
            clock=lambda: self.now,
            sleep=self.sleep,
        ).settle()

    def finish(self, settled: Settled) -> None:
        """Do what an operator does just before it returns."""
        settled.entry.finish(settled.record)

    @property
    def record(self) -> Record | None:
        return Ledger(self.store.kept).entry().read()

    def did(self, *events: str) -> list[int]:
        """Return where in the order of things ``events`` happened."""
        return [next(i for i, found in enumerate(self.events) if found.startswith(event)) for event in events]


@dataclass
class Shelf:
    """A store in memory that fails on demand."""

    world: World
    kept: MemoryStore = field(default_factory=MemoryStore)
    #: (what, whether it happens all the same, what is raised), in order; others go well.
    faults: list[tuple[str, bool, BaseException]] = field(default_factory=list)
    #: The worker that was killed: nothing that it would do next reaches the store.
    dead: bool = False

    def get(self, key: str) -> JsonValue:
        self._may_fail("get", lambda: None)
        return self.kept.get(key)

    def set(self, key: str, value: JsonValue) -> None:
        what = f"set {value['phase']}" if isinstance(value, dict) else "delete"
        self._may_fail(what, lambda: self.kept.set(key, value))
        self.kept.set(key, value)

    def add(self, key: str, value: JsonValue) -> None:
        self.set(key, value)

    def retract(self, key: str, value: JsonValue) -> None:
        self._may_fail("retract", lambda: None)
        if self.kept.get(key) == value:
            self.kept.set(key, None)

    def place(self, key: str) -> None: ...

    def take(self, key: str, place: int) -> None: ...

    def fail(self, what: str, times: int = 1, *, done: bool = False, by: BaseException | None = None) -> None:
        self.faults += [(what, done, by or OSError("the database is away"))] * times

    def _may_fail(self, what: str, do: Callable[[], None]) -> None:
        if self.dead:
            raise Killed
        self.world.events.append(what)
        for index, (point, done, error) in enumerate(self.faults):
            if point == what:
                del self.faults[index]
                if done:
                    do()
                self.dead = isinstance(error, Killed)
                raise error


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def renders() -> World:
    """A world in which a lost purchase can be looked up."""
    return World(lookup=True)


# --- a purchase that goes well --------------------------------------------------------------------


def test_a_purchase_goes_through_its_steps_in_the_one_safe_order(world):
    settled = world.settle()
    steps = world.did(
        "get",
        "offer",
        "set intent",
        "send",
        "log Bought: vidio reel J1 (VIDIO reports no price).",
        "set bought",
    )
    assert steps == sorted(steps)
    assert world.events.count("send") == 1
    assert settled.receipt.ref.job_id == "J1"
    assert settled.status is None
    assert world.record == settled.record


def test_the_record_says_what_was_bought_by_whom_and_when(world):
    world.settle(try_number=2, max_tries=5, request="abc")
    record = world.record
    assert (record.phase, record.fingerprint, record.try_number, record.max_tries) == ("bought", "abc", 2, 5)
    assert record.intended_at == record.bought_at == world.now
    assert record.receipt.vendor_status == "submitted"


def test_the_intent_that_is_written_first_has_no_receipt(renders):
    renders.store.fail("set intent", done=True, by=Killed())
    with pytest.raises(Killed):
        renders.settle()
    assert (renders.record.phase, renders.record.receipt, renders.record.lookup) == (
        "intent",
        None,
        renders.lookup,
    )


def test_every_later_try_takes_what_the_first_one_bought(world):
    world.settle()
    for number in range(2, 6):
        settled = world.settle(try_number=number)
        assert (settled.receipt.ref.job_id, settled.status) == ("J1", RUNNING)
        assert settled.record.bought_at is not None
    assert world.booked == ["J1"]
    assert world.offers == 1


# --- validation -----------------------------------------------------------------------------------


def test_a_wrong_request_is_refused_before_anything_is_written_or_sent(world):
    world.offer_error = InputError("aspect_ratio: wrong. Nothing was sent.")
    with pytest.raises(InputError):
        world.settle()
    assert world.events == ["get", "offer"]
    assert world.record is None


@pytest.mark.parametrize("status", [RUNNING, READY, ApiError("HTTP 500", retryable=True)])
def test_a_request_that_has_become_invalid_does_not_block_the_way_to_the_job_that_is_paid_for(world, status):
    world.settle()
    world.offer_error = InputError("this model was retired. Nothing was sent.")
    world.status = status
    assert world.settle(try_number=2).receipt.ref.job_id == "J1"
    if status is not READY:
        return
    assert world.settle(max_tries=9, clear="reuse").receipt.ref.job_id == "J1"


def test_a_refusal_to_sell_now_leaves_no_intent_behind(renders):
    renders.offer_error = JobError(
        "It is rendering already; this render was not sent.", charged="no", retryable=True
    )
    with pytest.raises(JobError):
        renders.settle()
    assert renders.record is None
    assert not renders.booked


# --- the ledger fails -----------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_read_is_never_taken_for_an_empty_one(world):
    world.store.fail("get")
    with pytest.raises(LedgerError, match="could not be read"):
        world.settle()
    assert world.events == ["get"]


@pytest.mark.parametrize(
    "value", [{}, [], "text", 5, {"phase": "bought"}, {"phase": "sold", "fingerprint": "f"}, False]
)
def test_a_record_that_cannot_be_understood_is_never_taken_for_none(world, value):
    world.store.kept.set(LEDGER_KEY, value)
    with pytest.raises(LedgerError, match="cannot be understood"):
        world.settle(max_tries=9)
    assert not world.booked


def test_nothing_is_sent_when_the_intent_cannot_be_written(world):
    world.store.fail("set intent")
    with pytest.raises(LedgerError, match="could not be written"):
        world.settle()
    assert "send" not in world.events
    assert world.settle(try_number=2).receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_writing_down_what_was_bought_is_tried_again(world, times):
    world.store.fail("set bought", times)
    settled = world.settle()
    assert world.record == settled.record
    assert world.record.phase == "bought"
    assert len(world.slept) == times
    assert world.events.count("send") == 1


def test_a_purchase_that_cannot_be_written_down_goes_on_and_its_id_is_in_the_log(world):
    world.store.fail("set bought", 99)
    settled = world.settle()
    assert settled.receipt.ref.job_id == "J1"
    assert world.did("log Bought: vidio reel J1") < world.did("set bought")
    assert "no record of vidio reel J1" in world.lines[-1]
    assert sum(world.slept) < 30
    world.store.faults.clear()
    with pytest.raises(LostSubmit):
        world.settle(try_number=2)
    assert world.booked == ["J1"]


def test_an_intent_that_cannot_be_withdrawn_is_logged_and_stops_a_retry(world):
    world.sends = [ApiError("HTTP 401", status=401, processed="no", account=True)]
    world.store.fail("delete")
    with pytest.raises(ApiError, match="401"):
        world.settle()
    assert "Nothing was bought, but a retry will find the intent and stop" in world.lines[-1]
    with pytest.raises(LostSubmit):
        world.settle(try_number=2)
    assert not world.booked
    assert world.settle(try_number=3, max_tries=9).receipt.ref.job_id == "J1"


def test_the_limits_are_those_that_are_documented():
    assert (MAX_SLEEP_SECONDS, MAX_SENDS, LOOKUP_SECONDS) == (60.0, 5, 60.0)


# --- refused: nothing was bought ------------------------------------------------------------------


@pytest.mark.parametrize("name", NOT_NOW)
@pytest.mark.parametrize("refusals", range(1, MAX_SENDS))
def test_what_the_vendor_did_not_process_is_sent_again_after_a_pause_with_no_intent_on_record(
    world, name, refusals
):
    world.sends = [NOT_NOW[name]] * refusals
    assert world.settle().receipt.ref.job_id == "J1"
    assert world.slept == [2.0**number for number in range(refusals)]
    assert world.events.count("send") == world.offers == refusals + 1
    walk = [
        event for event in world.events if event in {"set intent", "send", "delete", "sleep", "set bought"}
    ]
    assert walk == ["set intent", "send", "delete", "sleep"] * refusals + ["set intent", "send", "set bought"]
    assert world.booked == ["J1"]


@pytest.mark.parametrize("name", NOT_NOW)
def test_it_is_not_sent_for_ever_and_the_task_may_be_retried(world, name):
    world.sends = [NOT_NOW[name]] * 99
    with pytest.raises((ApiError, RateWait)) as error:
        world.settle()
    # A rate limit is waited for in the same try; everything else is for the task's retries.
    assert isinstance(error.value, RateWait) == (NOT_NOW[name].status == 429)
    assert isinstance(error.value, RateWait) or (isinstance(error.value, ApiError) and error.value.retryable)
    assert world.events.count("send") <= MAX_SENDS + 1
    assert world.record is None
    world.sends.clear()
    assert world.settle(try_number=2).receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


@pytest.mark.parametrize("asked", [0.0, 7.0, 60.0])
def test_a_short_wait_that_the_vendor_asks_for_is_slept_through(world, asked):
    world.sends = [ApiError("HTTP 429", status=429, retryable=True, processed="no", retry_after=asked)]
    assert world.settle().receipt.ref.job_id == "J1"
    assert world.slept == [asked]


@pytest.mark.parametrize("asked", [60.1, 900.0, 2e6])
def test_a_long_wait_gives_the_worker_back_with_no_intent_on_record(world, asked):
    world.sends = [ApiError("HTTP 429", status=429, retryable=True, processed="no", retry_after=asked)]
    with pytest.raises(RateWait, match=r"^HTTP 429$") as wait:
        world.settle()
    assert wait.value.seconds == min(asked, 30 * 86_400)
    assert world.record is None
    assert world.slept == []
    assert world.settle().receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


def test_a_long_wait_may_be_asked_for_at_the_last_resend_too(world):
    late = ApiError("HTTP 429", status=429, retryable=True, processed="no", retry_after=61.0)
    world.sends = [*[NOT_NOW["HTTP 429"]] * (MAX_SENDS - 1), late]
    with pytest.raises(RateWait):
        world.settle()
    assert world.record is None


@pytest.mark.parametrize(
    "error",
    [
        InputError("HTTP 422. Correct the request.", fate="Nothing was charged."),
        JobError("VIDIO refused to render now.", charged="no", retryable=True),
        ApiError("HTTP 401", status=401, processed="no", account=True),
        ApiError("bad certificate", processed="no"),
    ],
)
def test_a_refusal_is_passed_on_at_once_with_no_intent_on_record(world, error):
    before = str(error)
    world.sends = [error]
    with pytest.raises(type(error)) as raised:
        world.settle()
    # A failed call says nothing about money by itself; what is added is added to a copy.
    stated = before if "charged" in before else f"{before} {MONEY['no']}"
    assert str(raised.value) == stated
    assert {**vars(raised.value), "fate": ""} == {**vars(error), "fate": ""}
    assert str(error) == before
    assert world.events.count("send") == 1
    assert world.slept == []
    assert world.record is None


def test_the_request_is_validated_and_priced_again_before_it_is_sent_again(world):
    counter_send = world.send
    world.sends = [NOT_NOW["HTTP 429"]]

    def send(call: Call[Receipt]) -> Receipt:
        world.offer_error = InputError("The price has risen above max_cost_usd. Nothing was sent.")
        return counter_send(call)

    world.send = send
    with pytest.raises(InputError, match="price has risen"):
        world.settle()
    assert not world.booked
    assert world.record is None


def test_the_record_of_a_job_that_was_paid_for_outlives_a_refused_purchase_in_its_place(world):
    world.settle(request="f")
    world.sends = [InputError("HTTP 422")]
    with pytest.raises(InputError):
        world.settle(try_number=2, max_tries=9, request="edited")
    world.settle(try_number=3, max_tries=12, request="f")
    assert world.booked == ["J1"], "the first job was still running"


# --- lost: the outcome is not known ---------------------------------------------------------------


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("booked", [True, False])
def test_a_lost_purchase_is_never_sent_again_by_its_own_try(world, name, booked):
    world.sends = [("booked", LOST[name]) if booked else LOST[name]]
    with pytest.raises(LostSubmit) as lost:
        world.settle()
    assert world.events.count("send") == 1
    assert world.slept == []
    assert (lost.value.charged, lost.value.retryable) == ("maybe", False)
    assert (world.record.phase, world.record.receipt) == ("intent", None)


def test_a_lost_purchase_says_when_it_was_sent_what_it_may_have_cost_and_what_to_do(world):
    world.sends = [LOST["HTTP 500"]]
    with pytest.raises(LostSubmit) as lost:
        world.settle()
    for expected in (
        "VIDIO",
        "2023-11-14 22:13:20 UTC",
        "HTTP 500",
        "account",
        "Clear",
        "It may have been charged.",
    ):
        assert expected in str(lost.value)


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("request_", ["f", "changed"])
def test_a_lost_purchase_is_never_sent_again_by_a_retry(world, name, request_):
    world.sends = [("booked", LOST[name])]
    with pytest.raises(LostSubmit):
        world.settle()
    for number in range(2, 5):
        with pytest.raises(LostSubmit) as lost:
            world.settle(try_number=number, request=request_)
        assert not lost.value.retryable
        assert "send" not in world.events
    assert world.booked == ["J1"]


@pytest.mark.parametrize("booked", [True, False])
def test_resubmit_buys_once_more_on_the_next_try_and_never_in_the_same_one(world, booked):
    world.sends = [("booked", LOST["timeout"]) if booked else LOST["timeout"]]
    with pytest.raises(LostSubmit, match="next try buys again") as lost:
        world.settle(lost="resubmit")
    assert lost.value.retryable
    assert world.events.count("send") == 1
    assert world.settle(try_number=2, lost="resubmit").receipt.ref is not None
    world.settle(try_number=3, lost="resubmit")
    assert len(world.booked) == 1 + booked
    assert (world.record.phase, world.record.try_number) == ("bought", 2)


def test_a_persons_clear_is_the_go_ahead_after_a_lost_purchase(world):
    world.sends = [LOST["timeout"]]
    with pytest.raises(LostSubmit):
        world.settle()
    assert world.settle(try_number=2, max_tries=9).receipt.ref.job_id == "J1"


@pytest.mark.parametrize("error", [RuntimeError("a bug"), RecursionError(), MemoryError()])
def test_whatever_else_breaks_while_sending_leaves_the_intent_and_stops_the_retry(world, error):
    world.sends = [("booked", error)]
    with pytest.raises(type(error)):
        world.settle()
    with pytest.raises(LostSubmit):
        world.settle(try_number=2)
    assert world.booked == ["J1"]


# --- lost, but it can be looked up ----------------------------------------------------------------


@pytest.mark.parametrize("status", [RENDERING, READY, FAILED])
def test_a_lost_purchase_that_the_vendor_shows_is_adopted(renders, status):
    renders.sends = [("booked", LOST["timeout"])]
    renders.status = status
    settled = renders.settle()
    assert settled.receipt.ref == renders.lookup
    assert renders.record.phase == "bought"
    assert renders.checked == [renders.lookup]
    assert renders.slept == []
    assert renders.booked == ["J1"]


def test_a_lost_purchase_is_searched_for_as_long_as_it_may_take_to_show(renders):
    renders.sends = [("booked", LOST["timeout"])]
    bought_at = renders.now
    renders.status = lambda: (
        RENDERING if renders.now - bought_at >= LOOKUP_SECONDS - LOOKUP_INTERVAL_SECONDS else STALE
    )
    assert renders.settle().receipt.ref == renders.lookup
    assert set(renders.slept) == {LOOKUP_INTERVAL_SECONDS}


@pytest.mark.parametrize("status", [STALE, ApiError("HTTP 502", retryable=True), InputError("HTTP 422")])
def test_a_lost_purchase_that_does_not_show_within_a_minute_stays_lost(renders, status):
    renders.sends = [LOST["timeout"]]
    renders.status = status
    with pytest.raises(LostSubmit):
        renders.settle()
    assert sum(renders.slept) == LOOKUP_SECONDS
    assert renders.record.phase == "intent"


def test_a_job_that_is_not_there_is_not_adopted(renders):
    renders.sends = [LOST["timeout"]]
    renders.status = GONE
    with pytest.raises(LostSubmit):
        renders.settle()


def test_a_retry_right_after_a_kill_searches_for_the_rest_of_the_minute_only(renders):
    renders.store.fail("set intent", done=True, by=Killed())
    with pytest.raises(Killed):
        renders.settle()
    renders.status = STALE
    renders.now += 40
    with pytest.raises(LostSubmit):
        renders.settle(try_number=2)
    assert sum(renders.slept) == 20
    renders.now += 500
    renders.slept.clear()
    with pytest.raises(LostSubmit):
        renders.settle(try_number=3)
    assert renders.slept == []
    assert renders.events.count("check") == 1


# --- kills ----------------------------------------------------------------------------------------


def _at_intent(world: World, *, done: bool) -> None:
    world.store.fail("set intent", done=done, by=Killed())


def _at_bought(world: World, *, done: bool) -> None:
    world.store.fail("set bought", done=done, by=Killed())


def _at_send(world: World, *, done: bool) -> None:
    world.sends = [("booked", Killed()) if done else Killed()]


KILLS: dict[str, tuple[Callable[..., None], bool]] = {
    "before the intent is written": (_at_intent, False),
    "after the intent is written": (_at_intent, True),
    "before the vendor books it": (_at_send, False),
    "after the vendor books it": (_at_send, True),
    "before it is written down": (_at_bought, False),
    "after it is written down": (_at_bought, True),
}
FAIL, RESUBMIT, CLEAR = {"lost": "fail"}, {"lost": "resubmit"}, {"lost": "fail", "max_tries": 9}
# where -> jobs at the vendor in the end, for fail, resubmit, and a Clear
WITHOUT_LOOKUP = {
    "before the intent is written": (1, 1, 1),
    "after the intent is written": (0, 1, 1),
    "before the vendor books it": (0, 1, 1),
    "after the vendor books it": (1, 2, 2),
    "before it is written down": (1, 2, 2),
    "after it is written down": (1, 1, 1),
}
WITH_LOOKUP = {
    "before the intent is written": (1, 1, 1),
    "after the intent is written": (0, 1, 1),
    "before the vendor books it": (0, 1, 1),
    "after the vendor books it": (1, 1, 1),
    "before it is written down": (1, 1, 1),
    "after it is written down": (1, 1, 1),
}
KILL_CASES = [
    pytest.param(lookup, where, next_try, jobs, id=f"{'render' if lookup else 'reel'}: {where}: {name}")
    for lookup, table in ((False, WITHOUT_LOOKUP), (True, WITH_LOOKUP))
    for where, row in table.items()
    for (name, next_try), jobs in zip(
        {"fail": FAIL, "resubmit": RESUBMIT, "clear": CLEAR}.items(), row, strict=True
    )
]


@pytest.mark.parametrize(("lookup", "where", "next_try", "jobs"), KILL_CASES)
def test_after_a_kill_the_vendor_has_the_jobs_that_were_requested_and_no_more(lookup, where, next_try, jobs):
    world = World(lookup=lookup)
    world.status = lambda: RENDERING if world.booked else STALE
    prepare, done = KILLS[where]
    prepare(world, done=done)
    with pytest.raises(Killed):
        world.settle(lost=next_try["lost"])
    world.now += 300
    for number in (2, 3, 4):
        try:
            settled = world.settle(try_number=number, **next_try)
        except LostSubmit:
            assert next_try is FAIL, "only this policy gives up"
            assert world.record.phase == "intent"
        else:
            assert settled.receipt.ref.job_id == (world.booked[-1] if not lookup else "reel")
            assert world.record.phase == "bought"
    assert len(world.booked) == jobs


@pytest.mark.parametrize("first", KILLS)
@pytest.mark.parametrize("second", KILLS)
def test_two_kills_in_a_row_do_not_buy_twice_either(first, second):
    world = World()
    for number, kill in enumerate((first, second, None), start=1):
        if kill is not None:
            prepare, done = KILLS[kill]
            prepare(world, done=done)
        with contextlib.suppress(Killed, LostSubmit):
            world.settle(try_number=number)
        world.store.faults.clear()
        world.sends.clear()
    assert len(world.booked) <= 1


# --- coming back to a job -------------------------------------------------------------------------


def _bought(world: World, *, done: bool = False) -> None:
    settled = world.settle()
    if done:
        world.finish(settled)
    assert world.booked == ["J1"]
    world.lines.clear()


@pytest.mark.parametrize(
    "status", [RUNNING, READY, STALE, ApiError("HTTP 500", retryable=True), InputError("422")]
)
@pytest.mark.parametrize("done", [True, False])
def test_a_retry_with_a_changed_request_warns_and_takes_what_was_bought(world, status, done):
    _bought(world, done=done)
    world.status = status
    settled = world.settle(try_number=2, request="changed")
    assert settled.receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]
    assert world.lines[0].startswith("The request differs from the one that try 1 bought")
    assert world.record.fingerprint == "f"


def test_an_unchanged_request_is_not_warned_about(world):
    _bought(world)
    world.now += 300
    world.settle(try_number=2)
    assert not any("differs" in line for line in world.lines)
    assert "vidio reel J1: bought by try 1, 300 s ago, the vendor reports 'processing'" in world.lines[0]
    assert "This try will wait for the job that is running." in world.lines[0]


def test_a_status_that_cannot_be_read_attaches_a_retry_to_the_job(world):
    _bought(world)
    world.status = ApiError("HTTP 500", retryable=True)
    settled = world.settle(try_number=2)
    assert (settled.receipt.ref.job_id, settled.status) == ("J1", None)


@pytest.mark.parametrize("done", [True, False])
def test_a_status_that_cannot_be_read_never_lets_a_clear_buy(world, done):
    _bought(world, done=done)
    world.status = ApiError("HTTP 500", retryable=True)
    for number in (2, 3):
        with pytest.raises(
            JobError, match=r"cannot be read \(HTTP 500\), so nothing more was bought"
        ) as error:
            world.settle(try_number=number, max_tries=9)
        assert (error.value.retryable, error.value.charged) == (True, "yes")
    assert world.booked == ["J1"]
    world.status = RUNNING
    assert world.settle(try_number=4, max_tries=9).receipt.ref.job_id == "J1"


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [(FAILED, JobFailed, "It was charged."), (GONE, JobGone, "It may have been charged.")],
)
def test_a_retry_that_finds_the_job_ended_badly_says_so_and_buys_nothing(world, status, error, expected):
    _bought(world)
    world.status = status
    for number in (2, 3):
        with pytest.raises(error, match="J1") as raised:
            world.settle(try_number=number)
        assert not raised.value.retryable
        assert expected in str(raised.value)
        assert "lear the task" in str(raised.value)
    assert world.booked == ["J1"]


def test_a_job_that_failed_for_free_is_bought_again_by_each_retry_and_no_oftener(world):
    _bought(world)
    world.status = REFUNDED
    assert world.settle(try_number=2).receipt.ref.job_id == "J2"
    world.status = RUNNING
    assert world.settle(try_number=3).receipt.ref.job_id == "J2"
    assert world.booked == ["J1", "J2"]


CLEARED = [
    # status, had finished, on_clear, request -> the job that the task goes on with
    (RUNNING, False, "fresh", "f", "J1"),
    (RUNNING, True, "fresh", "f", "J1"),
    (READY, False, "fresh", "f", "J1"),
    (READY, True, "fresh", "f", "J2"),
    (READY, True, "reuse", "f", "J1"),
    (FAILED, False, "fresh", "f", "J2"),
    (FAILED, False, "reuse", "f", "J2"),
    (GONE, True, "reuse", "f", "J2"),
    (RUNNING, False, "reuse", "changed", "J2"),
    (READY, True, "reuse", "changed", "J2"),
    (ApiError("HTTP 500", retryable=True), True, "reuse", "changed", "J2"),
]


@pytest.mark.parametrize(("status", "done", "clear", "request_", "job_id"), CLEARED)
def test_a_clear_goes_on_with_what_the_table_says(world, status, done, clear, request_, job_id):
    _bought(world, done=done)
    world.status = status
    settled = world.settle(try_number=2, max_tries=9, clear=clear, request=request_)
    assert settled.receipt.ref.job_id == job_id
    assert world.record.receipt.ref.job_id == job_id
    assert world.booked == ["J1", "J2"][: int(job_id[1])]


@pytest.mark.parametrize("clear", ["fresh", "reuse"])
def test_a_result_that_came_with_the_purchase_is_never_asked_about(world, clear):
    record = Record(
        phase="bought",
        fingerprint="f",
        try_number=1,
        max_tries=3,
        intended_at=world.now,
        receipt=Receipt(result={"text": "hello"}),
    )
    Ledger(world.store).entry().write(record)
    assert world.settle(try_number=2, clear=clear).receipt.result == {"text": "hello"}
    assert world.checked == []
    assert not world.booked


def test_another_request_is_bought_without_a_warning_or_a_question_about_the_old_job(world):
    _bought(world)
    world.settle(try_number=2, max_tries=9, request="changed")
    assert world.checked == []
    assert not any("differs" in line for line in world.lines)


def test_a_purchase_that_is_on_record_is_checked_once_and_not_looked_up(renders):
    _bought(renders)
    renders.status = STALE
    renders.settle(try_number=2)
    assert renders.events.count("check") == 1
    assert renders.slept == []


def test_a_fresh_purchase_after_a_clear_is_not_bought_again_by_the_retries_that_follow(world):
    _bought(world, done=True)
    world.status = READY
    world.settle(try_number=2, max_tries=9)
    for number in (3, 4):
        assert world.settle(try_number=number, max_tries=9, request="changed").receipt.ref.job_id == "J2"
    assert world.booked == ["J1", "J2"]


# --- other runs, and tries that are left over ------------------------------------------------------


def test_a_run_that_is_made_again_buys_its_own_even_when_its_first_try_never_reached_the_ledger(world):
    world.settle(try_id="old", run=RUN)
    assert world.settle(try_number=2, try_id="new 2", run=MADE_AGAIN).receipt.ref.job_id == "J2"
    assert any("J1" in line for line in world.lines), "the log still knows the deleted run's job"
    assert world.settle(try_number=3, try_id="new 3", run=MADE_AGAIN).receipt.ref.job_id == "J2"


def test_a_run_that_is_made_again_and_refused_leaves_no_record_that_its_next_try_takes_for_its_own(world):
    world.settle(try_id="old", run=RUN)
    world.sends = [InputError("refused")]
    with pytest.raises(InputError):
        world.settle(try_id="new 1", run=MADE_AGAIN)
    assert world.settle(try_number=2, try_id="new 2", run=MADE_AGAIN).receipt.ref.job_id == "J2"


def test_a_cleared_run_attaches_to_the_job_that_it_bought_before(world):
    world.settle(try_id="one", run=RUN)
    assert world.settle(try_number=2, max_tries=9, try_id="two", run=CLEARED_RUN).receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


@pytest.mark.parametrize("now", [0.0, 600.0, 1e9])
@pytest.mark.parametrize("run", [RUN, CLEARED_RUN, MADE_AGAIN])
def test_a_leftover_try_buys_nothing_whatever_the_clocks_say(world, now, run):
    world.now = now
    world.settle(try_number=2, try_id="later", run=run)
    world.now = 600.0
    with pytest.raises(LedgerError, match="Another try of this task"):
        world.settle(try_number=1, try_id="leftover", run=RUN)
    assert world.booked == ["J1"]
    assert world.record.try_number == 2


def test_two_tries_with_the_same_id_differ_by_their_numbers(world):
    world.settle(try_number=2, try_id="same")
    with pytest.raises(LedgerError, match="Another try of this task"):
        world.settle(try_number=1, try_id="same")
    assert world.settle(try_number=3, try_id="same").receipt.ref.job_id == "J1"


@pytest.mark.parametrize("theirs", ["dev", ""])
@pytest.mark.parametrize("cleared", [False, True])
def test_a_purchase_of_another_deployment_is_neither_taken_nor_hidden(world, theirs, cleared):
    world.settle(run=RUN, deployment="prod")
    with pytest.raises(LedgerError, match=r"by the Airflow deployment 'prod', .* name is .* share one"):
        world.settle(try_number=2, run=MADE_AGAIN, deployment=theirs, max_tries=9 if cleared else 3)
    assert world.settle(try_number=2, run=RUN, deployment="prod").receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


def test_a_deployment_that_gets_a_name_keeps_what_it_bought_before(world):
    world.settle(run=RUN)
    assert world.settle(try_number=2, run=RUN, deployment="prod").receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


# --- several purchases in one task, and edited DAGs ------------------------------------------------


def test_what_one_try_buys_with_another_request_is_another_purchase(world):
    jobs = [world.settle(request=one, ordinal=n).receipt.ref.job_id for n, one in enumerate("fgh")]
    assert jobs == ["J1", "J2", "J3"]


def test_a_retry_finds_each_of_several_purchases_again_in_whatever_order(world):
    for number, request in enumerate("fgh"):
        world.settle(request=request, ordinal=number)
    found = [
        world.settle(request=one, ordinal=n, try_number=2).receipt.ref.job_id for n, one in enumerate("hfg")
    ]
    assert found == ["J3", "J1", "J2"]
    assert len(world.booked) == 3


def test_a_retry_finds_several_purchases_by_their_order_when_their_requests_change(world):
    for number, request in enumerate("fgh"):
        world.settle(request=request, ordinal=number)
    found = [
        world.settle(request=one, ordinal=n, try_number=2).receipt.ref.job_id for n, one in enumerate("xgy")
    ]
    assert found == ["J1", "J2", "J3"]
    assert world.settle(request="z", ordinal=3, try_number=2).receipt.ref.job_id == "J4"


@pytest.mark.parametrize("cleared", [False, True])
@pytest.mark.parametrize("other", [{"kind": "render"}, {"vendor": "venice", "kind": "generate"}])
def test_a_record_of_another_vendor_or_kind_is_never_taken_for_this_purchase(world, cleared, other):
    first = world.settle()
    assert world.settle(try_number=2, max_tries=9 if cleared else 3, **other).receipt.ref.job_id == "J2"
    again = world.settle(try_number=3, max_tries=9 if cleared else 3)
    assert again.receipt == first.receipt
    assert world.booked == ["J1", "J2"]


def test_clearing_a_finished_task_buys_each_of_its_purchases_again_once(world):
    for number, request in enumerate("fg"):
        world.finish(world.settle(request=request, ordinal=number))
    world.status = READY
    for number, request in enumerate("fg"):
        world.settle(request=request, ordinal=number, try_number=2, max_tries=9)
    assert world.booked == ["J1", "J2", "J3", "J4"]
    for number, request in enumerate("fg"):
        world.settle(request=request, ordinal=number, try_number=3, max_tries=9)
    assert len(world.booked) == 4


def test_a_check_on_an_earlier_job_ends_when_the_tasks_time_is_over(world):
    _bought(world)
    world.until = world.now + 30
    world.status = JobStatus(state=JobState.GONE, vendor_status="404", believed_after=6)
    assert world.settle(try_number=2).receipt.ref.job_id == "J1"
    assert sum(world.slept) < 30


@pytest.mark.parametrize(("asked", "comes_back"), [(61.0, True), (60.0, False)])
def test_a_long_limit_before_the_purchase_gives_the_worker_back_like_one_of_it(world, asked, comes_back):
    world.offer_error = ApiError("no quote now", retryable=True, retry_after=asked)
    with pytest.raises(RateWait if comes_back else ApiError, match="no quote now"):
        world.settle()
    assert world.record is None


# --- one Clear is one go-ahead --------------------------------------------------------------------


def test_a_retry_after_a_clear_that_attached_does_not_buy_a_changed_request(world):
    _bought(world)
    world.settle(try_number=2, max_tries=9)
    settled = world.settle(try_number=3, max_tries=9, request="changed")
    assert settled.receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


@pytest.mark.parametrize("status", [FAILED, GONE])
def test_a_retry_after_a_clear_that_attached_does_not_buy_again_what_was_charged(world, status):
    _bought(world)
    world.settle(try_number=2, max_tries=9)
    world.status = status
    with pytest.raises(JobError):
        world.settle(try_number=3, max_tries=9)
    assert world.booked == ["J1"]


def test_a_retry_of_a_task_that_had_all_but_returned_does_not_buy_again(world):
    _bought(world)
    world.status = READY
    world.finish(world.settle(try_number=2, max_tries=9))
    assert world.settle(try_number=3, max_tries=9).receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


# --- one answer that a job is not there -----------------------------------------------------------


def _gone_once(world: World) -> None:
    answers = iter([GONE])
    world.status = lambda: next(answers, RUNNING)


def test_a_clear_does_not_buy_for_one_answer_that_the_job_is_not_there(world):
    _bought(world)
    _gone_once(world)
    assert world.settle(try_number=2, max_tries=9).receipt.ref.job_id == "J1"
    assert world.booked == ["J1"]


def test_a_retry_does_not_give_a_paid_job_up_for_one_answer_that_it_is_not_there(world):
    _bought(world)
    _gone_once(world)
    assert world.settle(try_number=2).receipt.ref.job_id == "J1"


# --- waiting for a limit -------------------------------------------------------------------------


def test_a_limit_is_waited_for_as_asked_and_longer_when_that_was_in_vain() -> None:
    assert limit_pause(61.0, 0, 7200.0, jitter=1.0) == 61.0
    waits = [limit_pause(61.0, waited, 7200.0, jitter=0.0) for waited in range(1, 30)]
    assert waits == sorted(waits)
    assert waits[0] == 61 * 1.25
    assert waits[-1] == 600.0
    assert limit_pause(61.0, 1, 7200.0, jitter=1.0) == 61 * 1.25 * 1.5


def test_a_longer_wait_neither_passes_the_deadline_nor_undercuts_what_was_asked() -> None:
    assert limit_pause(61.0, 9, 100.0, jitter=1.0) == 99.0
    assert limit_pause(61.0, 9, 61.5, jitter=1.0) == 61.0
    assert limit_pause(900.0, 3, 7200.0, jitter=0.0) == 900.0


def test_thirty_tasks_come_through_three_a_minute_and_twenty_an_hour_within_two_hours() -> None:
    chance = random.Random(7)
    waiting = [(chance.random() * 60, number, 0) for number in range(30)]
    bought: list[float] = []
    while waiting:
        now, number, waited = heapq.heappop(waiting)
        if sum(at > now - 60 for at in bought) < 3 and sum(at > now - 3600 for at in bought) < 20:
            bought.append(now)
            continue
        pause = limit_pause(61.0, waited, 7200.0 - now, jitter=chance.random())
        assert now + pause < 7200, "no task gives up"
        heapq.heappush(waiting, (now + pause, number, waited + 1))
    assert len(bought) == 30


def test_a_clear_finds_out_that_a_job_is_gone_where_a_retry_leaves_that_to_the_triggerer(world):
    world.settle()
    world.patience = 10.0
    world.status = JobStatus(
        state=JobState.GONE, vendor_status="404", proven=False, believed_after=3, believed_for=300.0
    )
    assert world.settle(try_number=2).status is None, "the triggerer finds out"
    assert sum(world.slept) <= 10
    world.settle(try_number=3, max_tries=5)
    assert world.booked == ["J1", "J2"]
    assert sum(world.slept) > 300


def test_a_clear_that_has_no_time_to_find_out_buys_nothing(world):
    world.settle()
    world.until = world.now + 60
    world.status = JobStatus(
        state=JobState.GONE, vendor_status="404", proven=False, believed_after=3, believed_for=300.0
    )
    with pytest.raises(JobError, match="nothing more was bought"):
        world.settle(try_number=2, max_tries=5)
    assert world.booked == ["J1"]
