"""Several purchases in one task, and what Airflow must have before a purchase counts as finished."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.sandbox.client import Control
from tests.support.shelf import Shelf, shelf
from tests.support.task import Instance, StateStore, Task

pytestmark = pytest.mark.usefixtures("vidgo")

IMAGE = "nano-banana"


class Calls(BaseOperator):
    """What a ``@task`` function is to Airflow: a task whose code calls operators."""

    def __init__(self, *, code: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.code = code

    def execute(self, context: Any) -> Any:
        return self.code(context)


def calling(code: Callable[[Any], Any]) -> Task:
    return Task(lambda: Calls(task_id="campaign", code=code))


def picture(prompt: str, **more: Any) -> VidgoGenerateOperator:
    return VidgoGenerateOperator(
        task_id="inner", model=IMAGE, input={"prompt": prompt}, deferrable=True, poll_interval=0.01, **more
    )


def bought(control: Control) -> int:
    return int(control.book()["totals"]["purchases"])


def test_operators_called_inside_a_task_wait_there_and_each_buys_its_own(control: Control) -> None:
    task = calling(lambda context: [picture(one).execute(context)["job_id"] for one in ("a", "b", "c")])
    jobs = task.run()
    assert len(set(jobs)) == 3
    assert bought(control) == 3
    assert task.deferrals == []


def test_a_retry_of_a_task_with_several_purchases_buys_only_what_is_missing(control: Control) -> None:
    def two_of_three(context: Any) -> None:
        for one in ("a", "b"):
            picture(one).execute(context)
        raise RuntimeError("the worker fails between two purchases")

    task = calling(two_of_three)
    with pytest.raises(RuntimeError):
        task.run()
    before = {job["job_id"] for job in control.purchases()}
    task.make = calling(
        lambda context: [picture(one).execute(context)["job_id"] for one in ("b", "a", "c")]
    ).make
    jobs = task.retry().run()
    assert len(set(jobs)) == 3
    assert set(jobs[:2]) == before
    assert bought(control) == 3


def test_a_finished_task_that_is_cleared_buys_each_of_its_purchases_again(control: Control) -> None:
    task = calling(lambda context: [picture(one).execute(context)["job_id"] for one in ("a", "b")])
    first = task.run()
    second = task.clear().run()
    assert set(first).isdisjoint(second)
    assert bought(control) == 4
    assert task.retry().run() == second
    assert bought(control) == 4


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_whose_result_airflow_could_not_store_is_not_finished(
    control: Control, deferrable: bool, capfd: pytest.CaptureFixture
) -> None:
    task = Task(
        lambda: VidgoGenerateOperator(
            task_id="image", model=IMAGE, input={"prompt": "a"}, deferrable=deferrable
        )
    )
    task.xcom_trouble = RuntimeError("the XCom backend is away")
    with pytest.raises(RuntimeError):
        task.run()
    capfd.readouterr()
    again = task.clear().run()
    assert again["job_id"] == control.purchases()[0]["job_id"]
    assert bought(control) == 1
    assert "Airflow did not report that the task had succeeded" in capfd.readouterr().out
    assert task.clear().run()["job_id"] != again["job_id"], "now it is finished, and a Clear buys afresh"
    assert bought(control) == 2


def test_a_record_of_version_0_1_is_recognised(control: Control, vidgo: Any) -> None:
    make = lambda: picture("a")  # noqa: E731
    task = Task(make)
    task.run()
    kept = json.loads(task.store.values["vidai_purchase"])
    old = {
        name: value
        for name, value in kept.items()
        if name not in ("vendor", "kind", "ordinal", "nonce", "run")
    }
    old["fingerprint"] = make().fingerprints()[1]
    for phase, buys in (("bought", 1), ("done", 2)):
        task.store.values["vidai_purchase"] = json.dumps({**old, "phase": phase})
        task.clear().run()
        assert bought(control) == buys


def pictures(names: str, *, fails: bool = False) -> Task:
    def code(context: Any) -> Any:
        jobs = [picture(one).execute(context)["job_id"] for one in names]
        if fails:
            raise RuntimeError("the task's code fails after its purchases")
        return jobs

    return calling(code)


def test_a_clear_after_a_purchase_was_put_in_front_buys_only_that_one(control: Control) -> None:
    task = pictures("ab", fails=True)
    with pytest.raises(RuntimeError):
        task.run()
    before = [job["job_id"] for job in control.purchases()]
    task.make = pictures("cab").make
    new, *kept = task.clear().run()
    assert (sorted(kept), bought(control)) == (sorted(before), 3)
    assert new not in before
    task.make = pictures("abc").make
    assert task.retry().run() == [*kept, new]
    assert bought(control) == 3


def test_one_job_is_never_the_result_of_two_requests_of_a_try(control: Control) -> None:
    task = pictures("ab", fails=True)
    with pytest.raises(RuntimeError):
        task.run()
    task.make = pictures("cab").make
    with pytest.raises(AirflowException, match="was given to another request of this try"):
        task.retry().run()
    assert bought(control) == 2
    assert len(set(task.clear().run())) == 3
    assert bought(control) == 3


def test_a_purchase_found_by_its_fingerprint_is_not_found_by_its_place_too(control: Control) -> None:
    task = pictures("ab", fails=True)
    with pytest.raises(RuntimeError):
        task.run()
    task.make = pictures("bca").make
    assert len(set(task.retry().run())) == 3
    assert bought(control) == 3


class SlowStates(StateStore):
    """A store that removes a record only after three seconds, or after the other purchase is on record."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.bought = threading.Event(), threading.Event()

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        super().set(key, value, retention=retention)
        if isinstance(value, dict):
            self.begun.set()
            if value["phase"] == "bought":
                self.bought.set()

    def delete(self, key: str) -> None:
        self.bought.wait(3)
        super().delete(key)


def test_a_purchase_in_a_thread_is_found_again_although_the_one_before_it_was_refused(
    control: Control,
) -> None:
    def both(context: Any) -> None:
        with ThreadPoolExecutor() as threads:
            refused = threads.submit(picture("a").execute, context)
            assert states.begun.wait(10)
            threads.submit(picture("b").execute, context).result()
            refused.result()

    states = SlowStates()
    task = calling(both)
    task.store = states
    control.fault("vidgo", "submit", "status", status=401)
    with pytest.raises(AirflowException, match="401"):
        task.run()
    (job,) = control.purchases()
    task.make = pictures("b").make
    assert task.retry().run() == [job["job_id"]]
    assert bought(control) == 1


def test_a_run_that_is_put_back_into_the_queue_buys_nothing_again(control: Control) -> None:
    task = pictures("a", fails=True)
    with pytest.raises(RuntimeError):
        task.run()
    task.dag_run.start_date += timedelta(hours=1)  # as Airflow's API does it, without a Clear
    task.make = pictures("a").make
    assert task.retry().run() == [job["job_id"] for job in control.purchases()]
    assert bought(control) == 1


def test_a_deferred_tasks_record_that_is_made_late_holds_what_a_retry_needs(control: Control) -> None:
    task = Task(
        lambda: VidgoGenerateOperator(task_id="image", model=IMAGE, input={"prompt": "a"}, deferrable=True)
    )
    task.instance = Instance(1, 2)
    with pytest.raises(TaskDeferred) as deferred:
        task.begin()
    record = task.store.record
    receipt = record["receipt"]
    task.store.set("vidai_purchase", {**record, "phase": "intent", "receipt": None})
    kwargs = deferred.value.kwargs
    assert kwargs is not None
    cost = {"amount": 2.0, "unit": "credits"}
    kwargs["bought"].update(sealed_url="sealed", cost=cost)
    task.resume(deferred.value)
    found = task.store.record["receipt"]
    assert (found["ref"]["job_id"], found["secret"]) == (receipt["ref"]["job_id"], "sealed")
    assert found["cost"] == cost


class Counting(Shelf):
    """An object store that notes each request about a task's records, and those to the book of purchases."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []
        self.to_the_book: list[str] = []

    def records(self) -> list[Any]:
        """Return the records in it."""
        return [json.loads(value) for path, value in self.files.items() if "/ledger/book/" not in path]

    def _note(self, path: str, request: str) -> None:
        if "/ledger/book/" not in path:
            self.requests.append(request)
        else:
            self.to_the_book.append(request.partition(" ")[0])

    def ls(self, path: str, *args: Any, **kwargs: Any) -> list[Any]:
        self._note(path, "LIST")
        return super().ls(path, *args, **kwargs)

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        self._note(path, "GET")
        return self.files[self._strip_protocol(path)]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self._note(path, f"PUT {(json.loads(value) or {}).get('phase')}")
        super().pipe_file(path, value, mode, **kwargs)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    with shelf(Counting) as (store, uri):
        monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", f"{uri}/ledger")
        yield store


def test_a_deferred_job_costs_four_requests_to_its_ledger_and_four_to_the_book(ledger: Counting) -> None:
    task = Task(lambda: picture("a"))
    job = task.run()["job_id"]
    assert ledger.requests == ["LIST", "PUT intent", "PUT bought", "PUT done"]
    assert ledger.to_the_book == ["PUT", "PUT", "GET", "PUT"]
    (record,) = ledger.records()
    assert (record["phase"], record["receipt"]["ref"]["job_id"]) == ("done", job)


def test_a_cleared_task_buys_again_and_a_retry_attaches_without_a_second_reading(
    ledger: Counting, control: Control
) -> None:
    task = Task(lambda: picture("a"))
    first, second = task.run()["job_id"], task.clear().run()["job_id"]
    assert first != second
    task.xcom_trouble = RuntimeError("the result could not be stored")
    with pytest.raises(RuntimeError):
        task.clear().run()
    assert bought(control) == 3
    third = task.retry().run()["job_id"]
    assert third not in (first, second)
    assert bought(control) == 3


def test_a_task_resumes_without_what_its_first_half_knew_of_its_record(ledger: Counting) -> None:
    task = Task(lambda: picture("a"))
    task.instance = Instance(1, 2)
    with pytest.raises(TaskDeferred) as deferred:
        task.begin()
    assert deferred.value.kwargs is not None
    assert set(deferred.value.kwargs["bought"].pop("entry")) == {"key", "place", "record"}
    task.check(task.resume(deferred.value))
    assert ledger.requests[3:] == ["LIST", "GET", "LIST", "PUT done"]


def test_a_record_that_could_not_be_written_at_first_is_complete_when_the_task_has_ended(
    ledger: Counting, hurry: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Counting):
        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
            if (json.loads(value) or {}).get("phase") == "bought" and not task.deferrals:
                raise OSError("503")
            super().pipe_file(path, value, mode, **kwargs)

    with shelf(Away) as (store, uri):
        monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", f"{uri}/ledger")
        task = Task(lambda: picture("a"))
        job = task.run()["job_id"]
        (record,) = store.records()
    assert (record["phase"], record["receipt"]["ref"]["job_id"]) == ("done", job)
