"""Nothing is bought twice: retries, clears, lost answers and refusals, counted in the account book."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.purchase.timing import MAX_SENDS
from airflow_provider_vidai.sandbox.client import Control
from tests.integration.conftest import KEY, SPEED
from tests.support.raw import RawServer, answer, closed_port
from tests.support.task import StateStore, Task

pytestmark = pytest.mark.usefixtures("vidio")

BUY = "create_highlight_reel"


def abandoned(task: Task) -> TaskDeferred:
    """Begin the next try, and let it die while it is deferred."""
    with pytest.raises(TaskDeferred) as caught:
        task.begin()
    return caught.value


def failing(task: Task, *parts: str) -> str:
    """Run a try that must fail for good with ``parts`` in its message."""
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


def failing_for_now(task: Task, *parts: str) -> str:
    """Run a try that must fail in a way that Airflow retries, with ``parts`` in its message."""
    with pytest.raises(AirflowException) as caught:
        task.run()
    assert not isinstance(caught.value, AirflowFailException), caught.value
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


def bought(control: Control) -> int:
    return int(control.book()["totals"]["purchases"])


# --- retries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_retry_waits_for_the_job_that_is_running(reel_of: Any, control: Control, deferrable: bool) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    control.settings(speed=SPEED)
    task.make = reel_of(deferrable=deferrable).make
    result = task.retry().run()
    assert result["job_id"] == control.purchases()[0]["job_id"] == task.instance.xcoms["job_id"]
    assert bought(control) == 1


def test_a_retry_takes_the_job_that_is_ready_without_waiting(
    reel_of: Any, control: Control, ended: Any
) -> None:
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    ended()
    result = task.retry().run()
    assert result["state"] == "ready"
    assert task.deferrals == []
    assert bought(control) == 1


def test_any_number_of_retries_buys_once(reel_of: Any, control: Control) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True)
    for _ in range(5):
        abandoned(task.retry())
    assert bought(control) == 1
    control.settings(speed=SPEED)
    task.retry().run()
    assert bought(control) == 1


def test_a_retry_with_a_changed_request_goes_on_with_what_was_bought(
    reel_of: Any, control: Control, capfd: pytest.CaptureFixture
) -> None:
    task = reel_of().retry()
    first = task.run()
    task.make = reel_of(output_length=2).make
    assert task.retry().run()["job_id"] == first["job_id"]
    assert bought(control) == 1
    assert "A retry continues with that purchase" in capfd.readouterr().out


def test_a_request_that_became_invalid_does_not_keep_a_retry_from_its_job(
    reel_of: Any, control: Control
) -> None:
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    task.make = reel_of(video_category="no longer in the catalogue").make
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


@pytest.mark.parametrize(
    ("fault", "options"),
    [("status", {"status": 500}), ("html", {}), ("garbage", {}), ("reset", {}), ("status", {"status": 401})],
    ids=str,
)
def test_a_status_that_cannot_be_read_buys_nothing(
    reel_of: Any, control: Control, fault: str, options: dict
) -> None:
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    control.fault("vidio", "status", fault, **options)
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 1


# --- clears -----------------------------------------------------------------------------------


def test_clearing_a_finished_task_buys_afresh(reel_of: Any, control: Control) -> None:
    task = reel_of()
    first = task.run()
    assert task.clear().run()["job_id"] != first["job_id"]
    assert bought(control) == 2
    # A retry of the cleared task is a retry again.
    task.retry().run()
    assert bought(control) == 2


def test_clearing_a_finished_task_can_reuse_its_result(reel_of: Any, control: Control) -> None:
    task = reel_of(on_clear="reuse")
    first = task.run()
    assert task.clear().run() == first
    assert bought(control) == 1


@pytest.mark.parametrize("on_clear", ["fresh", "reuse"])
def test_clearing_a_running_task_waits_for_its_job(reel_of: Any, control: Control, on_clear: str) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True, on_clear=on_clear).retry()
    abandoned(task)
    abandoned(task.clear())
    control.settings(speed=SPEED)
    task.clear().run()
    assert bought(control) == 1


def test_clearing_a_task_that_never_took_its_finished_job_takes_it(
    reel_of: Any, control: Control, ended: Any
) -> None:
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    ended()
    assert task.clear().run()["state"] == "ready"
    assert bought(control) == 1


def test_clearing_with_another_request_buys_that(reel_of: Any, control: Control) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    task.make = reel_of(output_length=2, deferrable=True).make
    abandoned(task.clear())
    assert [one["request"]["output_length"] for one in control.purchases()] == [1, 2]


@pytest.mark.parametrize("status", [500, 429, 401])
def test_clearing_while_the_status_cannot_be_read_buys_nothing(
    reel_of: Any, control: Control, status: int
) -> None:
    task = reel_of()
    task.run()
    control.fault("vidio", "status", "status", status=status, times=None)
    failing_for_now(task.clear(), "cannot be read", "nothing more was bought", "It was charged")
    assert bought(control) == 1
    control.clear_faults()
    task.retry().run()
    assert bought(control) == 2


# --- failed jobs ------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("word", ["failed", "error"])
def test_a_failed_job_is_bought_again_only_by_a_person(
    reel_of: Any, control: Control, deferrable: bool, word: str
) -> None:
    control.fault("vidio", BUY, "fail_job", word=word)
    task = reel_of(deferrable=deferrable)
    for _ in range(2):
        failing(task.retry(), "failed", word, "It may have been charged", "Clear the task")
        assert bought(control) == 1
    assert task.clear().run()["state"] == "ready"
    assert bought(control) == 2


def test_a_retry_after_a_clear_that_took_the_job_up_again_is_still_a_retry(
    reel_of: Any, control: Control, ended: Any
) -> None:
    control.settings(speed=0)
    control.fault("vidio", BUY, "fail_job")
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    abandoned(task.clear())  # the person's go-ahead is used up by this try, which re-attaches
    control.settings(speed=SPEED)
    ended()
    failing(task.retry(), "failed")
    assert bought(control) == 1


def test_a_changing_request_is_not_bought_by_a_retry_after_a_clear_that_took_the_job_up_again(
    reel_of: Any, control: Control
) -> None:
    control.settings(speed=0)
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    abandoned(task.clear())
    task.make = reel_of(deferrable=True, output_length=2).make
    abandoned(task.retry())
    assert bought(control) == 1


def test_a_job_that_is_gone_is_bought_again_only_by_a_person(reel_of: Any, control: Control) -> None:
    task = reel_of(deferrable=True).retry()
    abandoned(task)
    control.fault("vidio", "status", "status", status=404, times=None)
    task.make = reel_of(deferrable=False, timeout=1200).make
    failing_for_now(task.retry(), "cannot be found", "may still be there")
    assert bought(control) == 1
    task.make = reel_of(deferrable=True, timeout=1200).make
    abandoned(task.clear())
    assert bought(control) == 2


# --- lost answers -----------------------------------------------------------------------------

#: (fault, options, whether the vendor sold something)
LOST = [
    ("reset", {"when": "after"}, 1),
    ("reset", {"when": "before"}, 0),
    ("status", {"status": 500, "when": "after"}, 1),
    ("status", {"status": 500, "when": "before"}, 0),
    ("status", {"status": 502, "body": "<h1>Bad gateway</h1>", "when": "after"}, 1),
    ("status", {"status": 503, "headers": {"Retry-After": "1"}, "when": "after"}, 1),
    ("status", {"status": 504, "when": "after"}, 1),
    ("status", {"status": 408, "when": "after"}, 1),
    ("status", {"status": 418, "when": "after"}, 1),
    ("status", {"status": 200, "body": {"status": "submitted"}, "when": "after"}, 1),
    ("status", {"status": 200, "body": {"job_id": ""}, "when": "after"}, 1),
    ("status", {"status": 200, "body": {"job_id": None}, "when": "after"}, 1),
    ("html", {"when": "after"}, 1),
    ("empty", {"when": "after"}, 1),
    ("garbage", {"when": "after"}, 1),
    ("truncated_json", {}, 1),
    ("truncate", {}, 1),
    ("redirect", {"to": "/elsewhere", "when": "after"}, 1),
    ("hold", {"seconds": 3.0, "when": "after"}, 1),
]


@pytest.fixture
def impatient(connect: Any, sandbox: Any) -> None:
    """Give every call a second."""
    connect(host=f"{sandbox.url}/vidio", password=KEY, extra={"timeout": 1})


@pytest.mark.parametrize(("fault", "options", "sold"), LOST, ids=str)
def test_a_purchase_whose_answer_is_lost_is_never_repeated_by_itself(
    reel_of: Any, control: Control, impatient: None, fault: str, options: dict, sold: int
) -> None:
    task = reel_of()
    control.fault("vidio", BUY, fault, **options)
    failing(
        task, "outcome is unknown", "It may have been charged", "Check the VIDIO account", "Clear the task"
    )
    assert task.store.record["phase"] == "intent"
    assert bought(control) == sold
    for _ in range(3):
        failing(task.retry(), "It may have been charged", "Clear the task")
    assert bought(control) == sold
    assert len(control.calls("vidio", BUY)) == 1
    # A person's Clear is the go-ahead.
    task.clear().run()
    assert bought(control) == sold + 1


@pytest.mark.parametrize(
    "fault", [("reset", {"when": "after"}), ("status", {"status": 500, "when": "after"})]
)
def test_a_lost_purchase_is_repeated_by_the_next_try_if_the_author_said_so(
    reel_of: Any, control: Control, fault: tuple
) -> None:
    task = reel_of(on_lost_submit="resubmit")
    control.fault("vidio", BUY, fault[0], **fault[1])
    failing_for_now(task, "It may have been charged", "The next try buys again")
    assert bought(control) == 1
    assert task.retry().run()["state"] == "ready"
    assert bought(control) == 2
    task.retry().run()
    assert bought(control) == 2


def test_a_worker_that_dies_before_the_answer_leaves_an_intent_that_stops_the_retry(
    reel_of: Any, control: Control
) -> None:
    hold = control.fault("vidio", BUY, "hold", when="after")
    task = reel_of().retry()

    def work() -> None:
        with contextlib.suppress(AirflowException):
            task.begin()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    control.wait_held(hold)
    assert bought(control) == 1
    # Another process takes over; nothing that the old one still does reaches its record.
    successor = Task(task.make)
    successor.store.values = dict(task.store.values)
    successor.instance, successor.dag_run = task.instance, task.dag_run
    failing(successor.retry(), "ended before its answer was recorded", "It may have been charged")
    control.release(hold, drop=True)
    worker.join(10)
    assert bought(control) == 1


def test_a_lost_render_is_found_again(reel: dict, render_of: Any, control: Control) -> None:
    control.fault("vidio", "render", "reset", when="after")
    rendered = render_of(reel).run()
    assert rendered["state"] == "ready"
    assert len(control.purchases(kind="render")) == 1
    assert len(control.calls("vidio", "render")) == 1


def test_a_lost_render_is_found_again_by_the_retry(reel: dict, render_of: Any, control: Control) -> None:
    task = render_of(reel).retry()
    task.run()
    # As if the worker had died before it could write down what it bought.
    record = {**task.store.record, "phase": "intent", "receipt": None, "bought_at": None}
    task.store.set("vidai_purchase", record)
    assert task.retry().run()["state"] == "ready"
    assert len(control.purchases(kind="render")) == 1


# --- refusals that prove that nothing was bought -------------------------------------------------


def test_a_short_rate_limit_is_waited_out_and_buys_once(
    reel_of: Any, control: Control, hurry: list[float]
) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "2"})
    reel_of(deferrable=True).run()
    assert hurry == [2.0]
    assert bought(control) == 1
    assert len(control.calls("vidio", BUY)) == 2


def test_a_rate_limit_that_does_not_end_fails_for_now_with_nothing_on_record(
    reel_of: Any, control: Control
) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "0"}, times=None)
    task = reel_of(timeout=50)
    failing_for_now(task, "429")
    assert len(control.calls("vidio", BUY)) == MAX_SENDS, "a minute at least lies between two rounds"
    assert task.store.record is None
    assert bought(control) == 0
    control.clear_faults()
    task.retry().run()
    assert bought(control) == 1


def test_a_long_rate_limit_gives_the_worker_back_and_then_buys_once(reel_of: Any, control: Control) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "300"})
    task = reel_of(deferrable=True).retry()
    deferred = abandoned(task)
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert 290 < deferred.trigger.moment.timestamp() - time.time() < 301
    assert deferred.timeout > timedelta(seconds=300)
    assert task.store.record is None
    assert bought(control) == 0
    with pytest.raises(TaskDeferred) as caught:
        task.resumed(deferred, {"moment": "now"})
    assert caught.value.method_name == "execute_complete"
    assert task.resume(caught.value)["state"] == "ready"
    assert bought(control) == 1


def test_the_rate_limits_pause_does_not_move_the_deadline(reel_of: Any, control: Control) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "300"})
    task = reel_of(deferrable=True, timeout=1000).retry()
    began = time.time()
    deferred = abandoned(task)
    with pytest.raises(TaskDeferred) as caught:
        task.resumed(deferred, {})
    assert caught.value.trigger.deadline == pytest.approx(began + 1000, abs=5)


def test_a_pause_whose_arguments_were_lost_still_buys_once(reel_of: Any, control: Control) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "300"})
    task = reel_of(deferrable=True).retry()
    deferred = abandoned(task)
    deferred.kwargs = None
    with pytest.raises(TaskDeferred):
        task.resumed(deferred, {})
    assert bought(control) == 1


def test_a_long_rate_limit_is_slept_through_where_nothing_defers(
    reel_of: Any, control: Control, hurry: list[float]
) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "300"})
    reel_of(deferrable=False).run()
    assert 300 <= sum(hurry) < 330
    assert bought(control) == 1


def test_a_rate_limit_beyond_the_deadline_fails_for_now(reel_of: Any, control: Control) -> None:
    control.fault("vidio", BUY, "status", status=429, headers={"Retry-After": "300"}, times=None)
    task = reel_of(deferrable=True, timeout=60)
    failing_for_now(task, "past this task's deadline", "Nothing was charged")
    assert task.store.record is None
    assert bought(control) == 0


def test_a_vendor_that_cannot_be_reached_is_asked_again_and_sells_once(reel_of: Any, connect: Any) -> None:
    task = reel_of(deferrable=True).retry()
    port = closed_port()
    connect(host=f"http://127.0.0.1:{port}", password=KEY)
    opened: list[RawServer] = []
    sold = answer(body={"job_id": "J1", "status": "submitted"})
    opening = threading.Timer(0.05, lambda: opened.append(RawServer(sold, port=port)))
    opening.start()
    abandoned(task)
    opening.join()
    assert task.store.record["receipt"]["ref"]["job_id"] == "J1"
    assert len(opened[0].requests) == 1
    opened[0].close()


@pytest.mark.parametrize(
    "fields",
    [
        {"extra": {"ca_bundle": "/no/such/bundle.pem"}},
        {"extra": {"proxy": "proxy:3128"}},
        {"extra": {"timeout": "inf"}},
        {"password": "clé"},
    ],
    ids=str,
)
def test_a_connection_that_cannot_work_is_no_lost_purchase(
    reel_of: Any, control: Control, connect: Any, sandbox: Any, fields: dict
) -> None:
    task = reel_of()
    connect(**{"host": f"{sandbox.url}/vidio", "password": KEY, **fields})
    failing(task, "onnection")
    assert task.store.record is None


# --- the record -------------------------------------------------------------------------------


def test_the_record_goes_from_intent_to_bought_to_done(reel_of: Any, control: Control) -> None:
    phases = []

    class Watched(StateStore):
        def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
            if isinstance(value, dict):
                phases.append((value["phase"], bought(control)))
            super().set(key, value, retention=retention)

    task = reel_of()
    task.store = Watched()
    task.run()
    assert phases == [("intent", 0), ("bought", 1), ("done", 1)]
    assert all(retention >= timedelta(days=30) for retention in task.store.retentions)


@pytest.mark.parametrize("what", ["get", "set"])
def test_without_a_record_nothing_is_sent(reel_of: Any, control: Control, what: str) -> None:
    class Broken(StateStore):
        pass

    def trouble(*_: Any, **__: Any) -> None:
        raise ConnectionError("the API server is away")

    setattr(Broken, what, trouble)
    task = reel_of(timeout=3)  # it waits for the ledger until its deadline, and no longer
    task.store = Broken()
    failing_for_now(task, "The ledger of this task could not be", "the API server is away")
    assert control.calls("vidio", BUY) == []


def test_a_record_that_is_not_understood_is_not_taken_for_none(reel_of: Any, control: Control) -> None:
    task = reel_of()
    task.store.set("vidai_purchase", {"phase": "sold", "of": "a later version"})
    failing_for_now(task, "cannot be understood")
    assert control.calls("vidio", BUY) == []


def test_a_result_stands_though_it_could_not_be_written_down(reel_of: Any, control: Control) -> None:
    class Forgetful(StateStore):
        def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
            if isinstance(value, dict) and value["phase"] == "done":
                raise ConnectionError("the API server is away")
            super().set(key, value, retention=retention)

    task = reel_of()
    task.store = Forgetful()
    assert task.run()["state"] == "ready"
    assert task.store.record["phase"] == "bought"


def test_an_airflow_without_a_task_state_store_is_warned_of_and_buys(
    reel_of: Any, control: Control, capfd: pytest.CaptureFixture
) -> None:
    task = reel_of(deferrable=True)
    task.store = None
    assert task.run()["state"] == "ready"
    assert bought(control) == 1
    assert "would buy again" in capfd.readouterr().out
