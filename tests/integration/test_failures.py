"""What a person sees of a failed task, before any frame of the stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from airflow_provider_vidai._compat import AirflowFailException, TaskDeferred
from airflow_provider_vidai.hooks.failures import FIRST, LINES, WIDTH, TaskFailed
from airflow_provider_vidai.operators.venice import VeniceDownloadOperator, VeniceVideoOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from tests.support.dags import dag_bag
from tests.support.task import Instance, Task

Make = Callable[..., Task]

#: What goes wrong: (the fault, the task's arguments, what the three lines say, whether a retry can help).
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str], bool]] = {
    "wrong key": (
        {"call": "queue", "fault": "status", "status": 401, "body": {"error": "Authentication failed"}},
        {},
        {
            "what": "Authentication failed",
            "cost": "Nothing was charged.",
            "todo": "Check the API key in the connection's password field. A Clear then buys.",
            "charged": "no",
        },
        False,
    ),
    "wrong length": (
        {},
        {"duration": 7},
        {
            "what": "duration",
            "cost": "Nothing was sent.",
            "todo": "Correct the input, then clear the task. A Clear then buys.",
            "charged": "no",
        },
        False,
    ),
    "lost submit": (
        {"call": "queue", "fault": "reset", "when": "after"},
        {},
        {
            "what": "its outcome is unknown",
            "cost": "It may have been charged.",
            "todo": "called “a sunset over the ocean” of that time. Clear the task to buy again, ",
            "charged": "maybe",
        },
        False,
    ),
    "failed job": (
        {"call": "queue", "fault": "reject_job", "status": 422},
        {},
        {
            "what": " failed: the vendor says ",
            "cost": "The charge was refunded.",
            "todo": "A retry would not buy it again. Clear the task to buy it again.",
            "charged": "refunded",
        },
        False,
    ),
    "timed out": (
        {},
        {"timeout": 0.3},
        {
            "what": "was not seen to end by the task's deadline",
            "cost": "It was charged.",
            "todo": "a retry waits for the same job and buys nothing. "
            "A Clear waits for the same job and buys nothing.",
            "charged": "yes",
        },
        True,
    ),
}
each_case = pytest.mark.parametrize("case", CASES)


def prepared(case: str, control: Control) -> dict[str, Any]:
    """Have the vendor do what the case needs; return the task's arguments."""
    fault, changes, _, _ = CASES[case]
    if fault:
        control.fault("venice", fault["call"], fault["fault"], **_options(fault))
    if case == "timed out":
        control.settings(speed=0.01)
    return changes


def _options(fault: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fault.items() if name not in ("call", "fault")}


def failed(task: Task, run: Callable[[], Any] | None = None) -> TaskFailed:
    """Run a task that must fail, and return what Airflow and ``on_failure_callback`` get."""
    with pytest.raises(TaskFailed) as caught:
        (run or task.run)()
    return caught.value


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What operators log, as Airflow's own logger hands it on: dicts."""
    with capture_logs() as found:
        yield found


def blocks(logged: list[Any]) -> list[str]:
    return [one["event"] for one in logged if one["log_level"] == "error"]


@each_case
@pytest.mark.usefixtures("venice")
def test_the_exception_and_the_xcom_say_what_happened_what_it_cost_and_what_to_do(
    case: str, control: Control, video_of: Make
) -> None:
    _, _, said, retryable = CASES[case]
    task = video_of(**prepared(case, control))
    error = failed(task)
    assert isinstance(error, AirflowFailException) is not retryable
    assert said["what"] in error.what
    assert error.cost.endswith(said["cost"])
    assert said["todo"] in error.todo
    assert error.charged == said["charged"]
    stored = dict(task.instance.xcoms["failure"])
    moment = datetime.fromisoformat(stored.pop("at"))
    assert abs(datetime.now(timezone.utc) - moment) < timedelta(minutes=1)
    assert stored == {**error.facts(), "try_number": 1}
    assert set(error.facts()) == {"what", "cost", "todo", "charged"}


@each_case
@pytest.mark.usefixtures("venice")
def test_the_log_has_one_block_of_four_lines_that_fit_into_the_window(
    case: str, control: Control, video_of: Make, logged: list[Any]
) -> None:
    error = failed(video_of(**prepared(case, control)))
    (block,) = blocks(logged)
    lines = block.splitlines()
    assert 3 <= len(lines) <= LINES == 4
    assert len(lines[0]) <= FIRST == 88
    assert max(map(len, lines)) <= WIDTH == 112
    flat = " ".join(lines)
    assert f"Cost: {error.cost}" in flat
    assert flat.endswith(f"To do: {error.todo}")
    assert flat.startswith(error.what[:60])


@each_case
@pytest.mark.usefixtures("venice")
def test_an_expected_error_has_no_chain_and_its_own_stack_stays_with_it(
    case: str, control: Control, video_of: Make
) -> None:
    error = failed(video_of(**prepared(case, control)))
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert error.error is not None
    assert error.error.__traceback__ is not None


@pytest.mark.usefixtures("venice")
def test_an_error_that_nobody_expected_keeps_its_stack(logged: list[Any]) -> None:
    class Faulty(VeniceVideoOperator):
        def offer(self) -> Any:
            return 1 / 0

    task = Task(lambda: Faulty(task_id="video", model="wan-2.6-text-to-video", deferrable=False))
    with pytest.raises(ZeroDivisionError) as caught:
        task.run()
    assert any(one.name == "offer" for one in caught.traceback)
    assert blocks(logged) == []
    assert "failure" not in task.instance.xcoms


@pytest.mark.usefixtures("venice")
def test_a_failure_after_a_deferral_is_stored_too(control: Control, video_of: Make) -> None:
    control.fault("venice", "queue", "reject_job", status=422)
    task = video_of(deferrable=True)
    error = failed(task)
    assert len(task.deferrals) == 1
    assert task.instance.xcoms["failure"]["what"] == error.what


@pytest.mark.usefixtures("venice")
def test_the_last_try_says_that_a_clear_is_needed_and_an_earlier_one_that_airflow_tries_again(
    control: Control, video_of: Make
) -> None:
    control.fault("venice", "quote", "status", status=500, times=None)
    task = video_of(max_cost_usd=1.0)
    first = failed(task)
    assert first.todo == "Airflow tries again by itself. A Clear then buys."
    assert first.cost.startswith("Nothing was charged")
    for _ in range(task.retries):
        last = failed(task.retry())
    assert last.todo == "Clear the task to try again. A Clear then buys."
    assert task.instance.xcoms["failure"]["try_number"] == task.retries + 1


class Mute(Instance):
    """A task instance whose XComs cannot be stored."""

    def xcom_push(self, key: str, value: Any) -> None:
        if key == "failure":
            raise RuntimeError("the API server does not answer")
        super().xcom_push(key, value)


@pytest.mark.usefixtures("venice")
def test_an_xcom_that_cannot_be_stored_never_hides_the_failure(video_of: Make, logged: list[Any]) -> None:
    task = video_of(duration=7)
    task.instance = Mute(1, 2)
    error = failed(task)
    assert "duration" in error.what
    assert len(blocks(logged)) == 1


@pytest.mark.usefixtures("venice")
def test_a_task_that_buys_nothing_says_so(logged: list[Any], tmp_path: Path) -> None:
    arguments = {"task_id": "download", "job": "no-such-job", "destination": f"{tmp_path}/"}
    error = failed(Task(lambda: VeniceDownloadOperator(**arguments)))  # a bare id without its model
    assert error.todo == "Correct the input, then clear the task. A Clear buys nothing."
    assert error.charged == "no"
    assert "Cost: Nothing was sent." in blocks(logged)[0]


@pytest.mark.usefixtures("venice")
def test_a_sensor_whose_time_is_up_says_that_a_clear_waits_again(video_of: Make, control: Control) -> None:
    control.settings(speed=0.01)
    buyer = video_of(deferrable=True)
    buyer.instance = Instance(1, 2)
    with pytest.raises(TaskDeferred):
        buyer.begin()
    job = buyer.instance.xcoms["job_id"]
    arguments = {"task_id": "wait", "job": job, "model": "wan-2.6-text-to-video", "deferrable": True}
    task = Task(lambda: VeniceVideoSensor(timeout=1.0, **arguments))
    error = failed(task)
    assert "is not ready yet" in error.what
    assert error.todo.endswith("A Clear waits for the same job and buys nothing.")
    assert (error.cost, error.charged) == ("This task buys nothing.", "no")


@pytest.mark.usefixtures("venice")
def test_a_sensor_that_skips_logs_no_error(logged: list[Any]) -> None:
    arguments = {"task_id": "wait", "job": ["no job"], "model": "m", "soft_fail": True, "deferrable": True}
    from airflow_provider_vidai._compat import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        Task(lambda: VeniceVideoSensor(**arguments)).run()
    assert blocks(logged) == []


@pytest.mark.parametrize("lengths", [(900, 30, 80), (100, 30, 900), (900, 300, 900), (0, 0, 0)])
def test_a_block_has_four_lines_however_long_the_vendors_text_is(lengths: tuple[int, int, int]) -> None:
    error = TaskFailed("all of it")
    error.what, error.cost, error.todo = ("word " * (length // 5) for length in lengths)
    lines = error.block().splitlines()
    assert len(lines) <= LINES
    assert all(len(line) <= WIDTH for line in lines)
    assert len(lines[0]) <= FIRST
    assert "Cost:" in error.block()
    assert ("…" in error.block()) is (sum(lengths) > 400)


DAG = """
from airflow.sdk import DAG
from airflow_provider_vidai.operators.venice import VeniceVideoOperator

SEEN = []

with DAG("failing", schedule=None, on_failure_callback=None):
    VeniceVideoOperator(
        task_id="video", model="wan-2.6-text-to-video", prompt="x", resolution="720p", aspect_ratio="16:9",
        poll_interval=0.05, deferrable=False,
        on_failure_callback=lambda context: SEEN.append(context["exception"]),
        **{changes}
    )
"""


@each_case
@pytest.mark.usefixtures("database", "venice")
def test_airflow_gives_the_parts_to_the_failure_callback_and_has_few_frames_to_log(
    case: str, control: Control, dags_folder: Path
) -> None:
    file = dags_folder / "failing.py"
    changes = {"duration": 5, **prepared(case, control)}
    file.write_text(DAG.replace("{changes}", repr(changes)), encoding="utf-8")
    bag = dag_bag(file)
    assert bag.import_errors == {}
    dag = bag.get_dag("failing")
    assert dag.test().state == "failed"
    (callback,) = dag.get_task("video").on_failure_callback
    (error,) = callback.__globals__["SEEN"]
    assert isinstance(error, TaskFailed)
    assert CASES[case][2]["what"] in error.what
    shown = frames(error)
    assert len(shown) <= 9
    assert [one for one in shown if "airflow_provider_vidai" in one] == shown[-2:], "two are ours"


def frames(error: BaseException) -> list[str]:
    """Return the frames that Airflow logs, with those of the chain."""
    found: list[str] = []
    link: BaseException | None = error
    while link is not None:
        trace, own = link.__traceback__, []
        while trace is not None:
            code = trace.tb_frame.f_code
            own.append(f"{code.co_filename}:{code.co_name}")
            trace = trace.tb_next
        found += own
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return found
