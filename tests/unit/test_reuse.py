"""Tasks that ask for the same share one purchase, whatever is killed."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_vidai.errors import InputError, LostSubmit
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import Policy
from airflow_provider_vidai.purchase.identity import Attempt
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.limits import ReuseWait
from airflow_provider_vidai.purchase.observe import Buyer, Observers, Reuse
from airflow_provider_vidai.purchase.record import Record, Run
from airflow_provider_vidai.purchase.walk import Offer, Purchase, Settled, VendorCalls
from airflow_provider_vidai.spend.reuse import CLAIM_SECONDS, Sharing
from airflow_provider_vidai.stores.object_storage import ObjectStore

QUIET = logging.getLogger("quiet")
DONE, UNKNOWN, WAITS = 0, 4, 5


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[vidai] ledger_path`` names."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


class Buying:
    """One task that asks for ``request``. The vendor is a file with a line for each purchase."""

    def __init__(
        self,
        root: Path,
        request: str,
        task: str,
        *,
        attempt: int = 1,
        max_tries: int = 99,
        max_age: float = 1e9,
        clock: Callable[[], float] = time.time,
        status: JobState = JobState.RUNNING,
        before_sending: Callable[[], object] = lambda: None,
    ) -> None:
        self.request, self.task, self.status = request, task, status
        self.book = root.parent / "book"
        self.before_sending = before_sending
        buyer = Buyer("dag", "run", task, -1, (), "vidgo", "Vidgo", lambda: "account", None, QUIET)
        buyer = Buyer(**{**vars(buyer), "reuse": Reuse(request, max_age)})
        observers = Observers([Sharing(buyer, clock=clock)], QUIET)
        self.ledger = Ledger(ObjectStore(str(root), ("dag", "run", task, "-1")), observers=observers)
        self.attempt = Attempt(f"{task}-{attempt}", attempt, max_tries, Run(started="2026-01-01"))

    def send(self, _: Call[Receipt]) -> Receipt:
        self.before_sending()
        with self.book.open("a") as file:
            file.write(f"{self.request} {self.task}\n")
            number = file.tell()
        job_id = f"{self.task}-{number}"
        return Receipt(ref=JobRef(vendor="vidgo", conn_id="c", job_id=job_id, kind="media"))

    def settle(self) -> Settled:
        call = Call("buy", "POST", "/", lambda _: Receipt())
        return Purchase(
            vendor="vidgo",
            label="Vidgo",
            kinds=("media",),
            ledger=self.ledger,
            calls=VendorCalls(
                offer=lambda: Offer(call, facts={"conn_id": "c"}),
                send=self.send,
                check=lambda _: JobStatus(
                    state=self.status, vendor_status=self.status.value, charged="refunded"
                ),
            ),
            policy=Policy(),
            fingerprints=(self.request,),
            attempt=self.attempt,
            log=QUIET,
        ).settle()

    def land(self, settled: Settled) -> None:
        """End the task: its file is landed, and Airflow has its result."""
        file = self.book.with_name(f"{self.task}.mp4")
        file.touch()
        result = {"job_id": self.task, "files": [{"uri": str(file)}]}
        if settled.receipt.ref is not None:
            settled.entry.observers.landed(settled.record, result)
        settled.entry.finish(settled.record)


def bought(root: Path) -> list[str]:
    book = root.parent / "book"
    return book.read_text().splitlines() if book.exists() else []


def test_the_second_task_waits_for_the_first_ones_job(root: Path) -> None:
    first = Buying(root, "r", "a").settle()
    second = Buying(root, "r", "b").settle()
    assert first.receipt.ref == second.receipt.ref
    assert second.receipt.cost is None
    assert bought(root) == ["r a"]
    assert Buying(root, "r", "b", attempt=2).settle().receipt.ref == first.receipt.ref


def test_what_was_landed_is_returned_while_the_files_are_there(root: Path) -> None:
    one = Buying(root, "r", "a")
    one.land(one.settle())
    again = Buying(root, "r", "b").settle()
    assert again.receipt.ref is None
    assert again.receipt.result == {"job_id": "a", "files": [{"uri": str(root.parent / "a.mp4")}]}
    (root.parent / "a.mp4").unlink()
    assert Buying(root, "r", "c").settle().receipt.ref is not None
    assert bought(root) == ["r a", "r c"]


def test_without_landed_files_a_finished_purchase_is_not_used_again(root: Path) -> None:
    settled = Buying(root, "r", "a").settle()
    settled.entry.finish(settled.record)
    Buying(root, "r", "b").settle()
    assert len(bought(root)) == 2


def test_another_request_and_one_that_is_too_old_are_bought(root: Path) -> None:
    Buying(root, "r", "a").settle()
    Buying(root, "other", "b").settle()
    Buying(root, "r", "c", max_age=-1.0).settle()
    assert len(bought(root)) == 3


def test_a_failed_job_is_bought_once_more_by_whoever_retries_first(root: Path) -> None:
    for task in "ab":
        Buying(root, "r", task).settle()
    retried = [Buying(root, "r", task, attempt=2, status=JobState.FAILED).settle() for task in "ab"]
    assert bought(root) == ["r a", "r a"]
    assert retried[0].receipt.ref == retried[1].receipt.ref


def test_a_task_that_is_about_to_buy_is_waited_for_and_given_up_after_a_minute(root: Path) -> None:
    class Killed(BaseException):
        pass

    class Dies(Buying):
        def settle(self) -> Settled:
            entry = next(iter(self.ledger.entries()))[0]
            record = Record(
                phase="intent", fingerprint="r", nonce="n", try_number=1, max_tries=9, intended_at=0.0
            )
            entry.observers.begins(record, None, set)
            raise Killed

    with pytest.raises(Killed):
        Dies(root, "r", "dead").settle()
    with pytest.raises(ReuseWait):
        Buying(root, "r", "b").settle()
    Buying(root, "r", "b", clock=lambda: time.time() + CLAIM_SECONDS + 1).settle()
    assert bought(root) == ["r b"]


def test_a_task_whose_place_was_taken_while_it_stood_still_buys_nothing(root: Path) -> None:
    """Its machine was suspended between its claim and its intent."""
    late = Buying(root, "r", "late")
    begins = late.ledger.observers.begins

    def suspended(*arguments: object) -> object:
        notes = begins(*arguments)  # type: ignore[arg-type]
        Buying(root, "r", "b", clock=lambda: time.time() + CLAIM_SECONDS + 1).settle()
        return notes

    late.ledger.observers.begins = suspended  # type: ignore[assignment,method-assign]
    with pytest.raises(ReuseWait):
        late.settle()
    assert bought(root) == ["r b"]
    assert Buying(root, "r", "late").settle().receipt.ref is not None
    assert bought(root) == ["r b"]


def test_while_the_outcome_of_a_purchase_is_unknown_nobody_buys_the_same(root: Path) -> None:
    def lost() -> None:
        from airflow_provider_vidai.errors import ApiError

        raise ApiError("The connection broke.")

    with pytest.raises(LostSubmit):
        Buying(root, "r", "a", before_sending=lost).settle()
    with pytest.raises(ReuseWait, match="Task 'a' of DAG 'dag'"):
        Buying(root, "r", "b", clock=lambda: time.time() + 1e6).settle()
    ((entry, record), *_) = Buying(root, "r", "a").ledger.entries()
    assert record is not None
    entry.annul(record)
    Buying(root, "r", "b").settle()
    assert bought(root) == ["r b"]


def test_a_refused_purchase_frees_the_request_at_once(root: Path) -> None:
    def refused() -> None:
        raise InputError("No.")

    with pytest.raises(InputError):
        Buying(root, "r", "a", before_sending=refused).settle()
    Buying(root, "r", "b").settle()
    assert bought(root) == ["r b"]


def test_without_a_ledger_path_it_refuses(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__VIDAI__LEDGER_PATH")
    with pytest.raises(InputError, match="reuse needs \\[vidai\\] ledger_path"):
        Buying(root, "r", "a").settle()
    assert bought(root) == []


# --- many at once

# The numbers of `make explore` take two minutes.
KINDS, REQUESTS, AT_ONCE = (100, 1000, 8) if os.environ.get("VIDAI_EXPLORE") else (20, 200, 8)
#: Time runs so much faster for claims, so that those of the dead do not hold up the test.
FASTER = 100.0
START = time.time()
KILLS = 150 * REQUESTS // 1000


def one_task(root: Path, number: int, attempt: int, max_tries: int) -> int:
    """Run one try of a task, as often as it waits; return how it ended."""
    began = time.monotonic()
    while True:
        buying = Buying(
            root,
            f"kind_{number % KINDS}",
            f"task_{number}",
            attempt=attempt,
            max_tries=max_tries,
            clock=lambda: START + (time.time() - START) * FASTER,
        )
        try:
            buying.land(buying.settle())
        except ReuseWait:
            if time.monotonic() - began > 5.0:
                return WAITS
            time.sleep(0.02)
        except LostSubmit:
            return UNKNOWN
        else:
            return DONE


def forked(root: Path, number: int, attempt: int, max_tries: int, dies_after: float) -> int:
    """Run a try in a process of its own, which dies after that many seconds of its own work; 0: never."""
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, dies_after)
        os._exit(one_task(root, number, attempt, max_tries))
    finally:
        os._exit(99)


def settled_by_a_person(root: Path, number: int) -> None:
    """Record what the vendor has of a purchase of unknown outcome."""
    ((entry, record), *_) = Buying(root, "", f"task_{number}").ledger.entries()
    assert record is not None
    if f"kind_{number % KINDS} task_{number}" in bought(root):
        receipt = Receipt(ref=JobRef(vendor="vidgo", conn_id="c", job_id=f"task_{number}", kind="media"))
        entry.write(record.model_copy(update={"phase": "bought", "receipt": receipt}))
    else:
        entry.annul(record)


@pytest.mark.slow
def test_many_requests_of_a_few_kinds_buy_each_kind_once_whatever_is_killed(root: Path) -> None:
    chance = random.Random(8)
    for number in range(3):  # the first one also imports
        began = time.process_time()
        one_task(root.parent / "warm" / "ledger", 10_000 + number, 1, 99)
        typical = time.process_time() - began
    numbers = [*range(REQUESTS)]
    chance.shuffle(numbers)
    waiting = [(number, 1, 99) for number in numbers]
    running: dict[int, tuple[int, int, int]] = {}
    ended, killed = Counter[int](), 0
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            one = waiting.pop(0)
            dies = chance.uniform(0.01, 0.8) * typical if killed < KILLS and chance.random() < 0.3 else 0.0
            running[forked(root, *one, dies)] = one
        child, status = os.wait()
        number, attempt, max_tries = running.pop(child)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        ended[code] += 1
        if code == -1:
            killed += 1
        if code == UNKNOWN:
            settled_by_a_person(root, number)
        if code != DONE:
            # Who was killed is tried again, right away or much later.
            waiting.insert(chance.choice([0, len(waiting)]), (number, attempt + 1, max_tries))
    assert ended[DONE] == REQUESTS, ended
    found = Counter(line.split()[0] for line in bought(root))
    assert {kind: count for kind, count in found.items() if count != 1} == {}, ended
    assert len(found) == KINDS
    assert ended[-1] >= KILLS // 3
