"""One task makes attempts until the files are good, or their number or the money is used up."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.quality.checks import FOLDER, Checks
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.task_groups.generate import generate_until_good
from tests.integration.conftest import SPEED, VIDEO
from tests.support.task import StateStore, Task, first_event, rebuilt, run_fast

pytestmark = [pytest.mark.usefixtures("venice", "hurry"), pytest.mark.media]

#: Videos of five seconds fail it, those of ten pass.
LONG = Checks(min_seconds=8)
SHORT_FIRST = {"duration": [5, 10]}
LOOP = uuid.UUID(int=7)


@pytest.fixture
def until(tmp_path: Path) -> Callable[..., Task]:
    """Return a task that makes attempts; ``make`` has arguments of the operator that makes each."""

    def task(*, make: Any = None, store: bool = True, **arguments: Any) -> Task:
        video = {**VIDEO, "poll_interval": 0.05, "deferrable": False, "download_to": f"{tmp_path}/landed/"}

        def build() -> Any:
            maker = VeniceVideoOperator(task_id="video", **{**video, **(make or {})})
            return generate_until_good(**{"make": maker, "check": LONG, **arguments})

        return Task(build, store=store)

    return task


def landed(folder: Path) -> list[Path]:
    return sorted((folder / "landed").glob("*.mp4"))


def bought(control: Control, field: str) -> list[Any]:
    return [one["request"].get(field) for one in control.purchases()]


def failing(task: Task, *words: str, kind: type[BaseException] = AirflowFailException) -> str:
    with pytest.raises(kind) as caught:
        task.run()
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


# --- attempts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_first_good_attempt_ends_the_task_and_is_its_result(
    until: Any, control: Control, tmp_path: Path, deferrable: bool
) -> None:
    task = until(make={"deferrable": deferrable}, vary=SHORT_FIRST, max_total=2)
    result = task.run()
    assert bought(control, "duration") == ["5s", "10s"]
    assert len(task.deferrals) == (2 if deferrable else 0)
    jobs = [one["job_id"] for one in control.purchases()]
    assert (result["attempt"], result["good"], result["job_id"]) == (2, True, jobs[1])
    assert result["total"]["usd"] == task.instance.xcoms["cost"]["usd"] == 1.65
    first, second = result["attempts"]
    assert first["failed"] == ["its length is 5 s, but must be at least 8"]
    assert (first["cost"]["usd"], second["cost"]["usd"]) == (0.55, 1.1)
    assert [one["job_id"] for one in result["attempts"]] == jobs
    assert [one["values"] for one in result["attempts"]] == [{"duration": 5}, {"duration": 10}]
    paths = [Path(one["files"][0]["path"].removeprefix("file://")) for one in result["attempts"]]
    assert sorted(paths) == landed(tmp_path)
    assert result["files"] == second["files"]


def test_only_the_best_files_stay_where_that_is_asked_and_only_once_the_result_is_safe(
    until: Any, control: Control, tmp_path: Path
) -> None:
    task = until(vary=SHORT_FIRST, keep="best")
    task.xcom_trouble = RuntimeError("the XCom backend is away")
    with pytest.raises(RuntimeError):
        task.run()
    assert len(landed(tmp_path)) == 2
    result = task.retry().run()
    assert [one["kept"] for one in result["attempts"]] == [False, True]
    assert [f"file://{path}" for path in landed(tmp_path)] == [result["files"][0]["path"]]
    assert not list((tmp_path / "landed" / FOLDER).glob("*")), "nothing is noted about removed files"
    assert len(control.purchases()) == 2


def test_a_clear_of_a_finished_task_makes_all_attempts_again(until: Any, control: Control) -> None:
    task = until(vary=SHORT_FIRST, max_total=1.7)
    first = task.run()
    second = task.clear().run()
    assert len(control.purchases()) == 4, "the limit counts afresh too"
    assert first["job_id"] != second["job_id"]
    task.make = until(vary=SHORT_FIRST, max_total=1.7).make
    assert task.retry().run()["job_id"] == second["job_id"]
    assert len(control.purchases()) == 4


def test_when_no_attempt_is_good_the_task_fails_and_names_each(
    until: Any, control: Control, tmp_path: Path
) -> None:
    task = until(max_attempts=2, keep="best")
    said = failing(
        task,
        "None of 2 attempts is good: attempt 1: its length is 5 s",
        "attempt 2: its length is 5 s",
        "All files are kept.",
        "no attempt is bought twice",
    )
    assert said.endswith("It was charged.")
    assert len(landed(tmp_path)) == len(task.instance.xcoms["files"]) == 2
    assert [one["good"] for one in task.instance.xcoms["attempts"]] == [False, False]
    assert task.instance.xcoms["failure"]["charged"] == "yes"
    failing(task.retry(), "None of 2 attempts")
    assert len(control.purchases()) == 2


def test_a_clear_judges_the_landed_files_by_other_limits_without_asking_the_vendor(
    until: Any, control: Control, tmp_path: Path
) -> None:
    check: Any = LONG
    task = Task(lambda: until(max_attempts=2, check=check).make())
    failing(task)
    calls = len(control.calls("venice"))
    before = [path.stat().st_mtime_ns for path in landed(tmp_path)]
    failing(task.clear(), "None of 2 attempts")
    check = {"max_seconds": 60}
    assert task.clear().run()["attempt"] == 1
    assert len(control.calls("venice")) == calls
    assert [path.stat().st_mtime_ns for path in landed(tmp_path)] == before


def test_a_clear_with_more_attempts_buys_only_the_further_ones(until: Any, control: Control) -> None:
    most = 1
    task = Task(lambda: until(max_attempts=most, vary=SHORT_FIRST).make())
    failing(task, "None of 1 attempts")
    most = 3
    assert task.clear().run()["attempt"] == 2
    assert bought(control, "duration") == ["5s", "10s"]


@pytest.mark.parametrize(
    ("on_failure", "ends"), [("skip", AirflowSkipException), ("fail", AirflowFailException)]
)
def test_what_happens_without_a_good_attempt_is_what_the_check_says(
    until: Any, on_failure: Any, ends: type[BaseException]
) -> None:
    failing(until(max_attempts=1, check=Checks(min_seconds=8, on_failure=on_failure)), "None of 1", kind=ends)


def test_the_best_of_bad_attempts_is_returned_where_the_check_only_reports(until: Any) -> None:
    check = Checks(min_seconds=8, aspect="9:16", on_failure="report")
    result = until(max_attempts=3, check=check, vary={"aspect_ratio": ["16:9", "9:16", "9:16"]}).run()
    assert (result["good"], result["attempt"]) == (False, 2), "the fewest faults, then the first"
    assert [len(one["failed"]) for one in result["attempts"]] == [2, 1, 1]


def test_a_failed_job_is_an_attempt_too(until: Any, control: Control) -> None:
    control.fault("venice", "queue", "fail_job", times=1)
    task = until(make={"duration": 10})
    result = task.run()
    assert (result["attempt"], len(control.purchases())) == (2, 2)
    assert "failed" in result["attempts"][0]["failed"][0]
    assert result["attempts"][0]["files"] == []


# --- the money --------------------------------------------------------------------------------


def test_an_attempt_that_does_not_fit_into_the_total_is_not_bought(until: Any, control: Control) -> None:
    task = until(max_attempts=5, max_total="1.2")
    failing(
        task,
        "None of 2 attempts is good",
        "Attempt 3 would cost 0.55 usd, and of the 1.2 usd of max_total, 1.1 are spent.",
    )
    assert len(control.purchases()) == 2
    failing(task.retry(), "Attempt 3 would cost")
    failing(task.clear(), "Attempt 3 would cost")
    assert len(control.purchases()) == 2


@pytest.mark.usefixtures("ledger")
def test_the_total_counts_an_attempt_although_the_one_before_it_has_no_record(
    until: Any, control: Control, tmp_path: Path
) -> None:
    task = until(max_attempts=2, max_total=1.2)
    failing(task, "None of 2 attempts is good")
    gone = list((tmp_path / "ledger").rglob("*attempt.1*"))
    assert gone
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    task.make = until(max_attempts=2, max_total=1.0).make
    failing(task.retry(), "Attempt 1 would cost 0.55 usd", "0.55 are spent")
    assert len(control.purchases()) == 2


def test_nothing_is_bought_when_not_even_the_first_attempt_fits(until: Any, control: Control) -> None:
    failing(until(max_total=0.5), "Attempt 1 would cost 0.55 usd", "This attempt was not bought.")
    assert control.purchases() == []


@pytest.mark.usefixtures("vidgo")
def test_an_attempt_of_unknown_price_is_not_bought_within_a_limit(control: Control, tmp_path: Path) -> None:
    def make(**limits: Any) -> Task:
        return Task(
            lambda: generate_until_good(
                make=VidgoGenerateOperator(
                    task_id="picture",
                    model="nano-banana",
                    input={"prompt": "a"},
                    poll_interval=0.05,
                    deferrable=False,
                    download_to=f"{tmp_path}/",
                ),
                check=Checks(),
                **limits,
            )
        )

    failing(
        make(max_total=5),
        "max_total is in usd, and what attempt 1 costs in usd is not known",
        "Name its price in [vidai] prices",
        "This attempt was not bought.",
    )
    assert control.purchases() == []
    assert make().run()["good"]


def test_a_job_that_failed_free_of_charge_does_not_count(until: Any, control: Control) -> None:
    control.fault("venice", "queue", "reject_job", times=1, refunded=True, after=0)
    result = until(make={"duration": 10}, max_total=1.2).run()
    assert result["attempt"] == 2
    assert len(control.purchases()) == 2


@pytest.mark.parametrize("prompt", ["the same", "another"])
def test_a_purchase_of_unknown_outcome_counts_as_paid(until: Any, control: Control, prompt: str) -> None:
    asked, limit = "the same", 1.0
    task = Task(lambda: until(make={"prompt": asked, "duration": 5}, max_total=limit).make())
    control.fault("venice", "queue", "reset", when="after")
    failing(task, "its outcome is unknown", "It may have been charged")
    asked = prompt
    failing(task.clear(), "Attempt 1 would cost 0.55 usd, and of the 1 usd of max_total, 0.55 are spent.")
    limit = 1.2
    failing(task.clear(), "None of 1 attempts", "of the 1.2 usd of max_total, 1.1 are spent")
    assert len(control.purchases()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_total": -1}, "max_total must be a number from 0 on"),
        ({"max_total": {"unit": "usd"}}, "max_total needs an amount"),
        ({"max_total": {"amount": 3, "unit": "roubles"}}, "max_total: unit"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"keep": "some"}, "keep must be all or best"),
        ({"check": Checks(max_blakc=1)}, "max_blakc"),
        ({"make": {"download_to": "x.mp4"}}, "must be a folder, which ends in '/'"),
        ({"make": {"download_to": None}}, "make needs download_to"),
        ({"vary": {"duration": "5"}}, "vary: duration must have a list of values"),
        ({"vary": "seed", "make": {"seed": "red"}}, "seed must be a whole number, not 'red'"),
        ({"store": False}, "Attempts need a record that outlives their process"),
    ],
)
def test_what_cannot_work_is_an_error_before_anything_is_bought(
    until: Any, control: Control, arguments: dict[str, Any], message: str
) -> None:
    failing(until(**arguments), message)
    assert control.purchases() == []


def test_a_limit_that_renders_to_nothing_is_not_no_limit(until: Any, control: Control) -> None:
    def make() -> Any:
        operator = until(max_total="{{ nothing }}").make()
        operator.render_template_fields({"nothing": ""})
        return operator

    failing(Task(make), "max_total must be a number")
    assert control.purchases() == []


def test_a_budget_counts_each_attempt(until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    budget = {"name": "one", "limit": 1, "unit": "jobs"}
    monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", json.dumps([budget]))
    failing(until(), "Budget 'one' is used up: 1 of 1 jobs")


# --- what varies ------------------------------------------------------------------------------


@pytest.mark.usefixtures("vidgo")
def test_each_attempt_has_another_seed_and_a_retry_finds_its_request_again(
    control: Control, tmp_path: Path
) -> None:
    def seeds(run: str, attempts: int, **given: Any) -> list[int]:
        known = len(control.purchases())
        task = Task(
            lambda: generate_until_good(
                make=VidgoGenerateOperator(
                    task_id="video",
                    model="wan2.5-text-to-video",
                    input={"prompt": "a fox", "duration": 5, **given},
                    poll_interval=0.05,
                    deferrable=False,
                    download_to=f"{tmp_path}/",
                ),
                check=LONG,
                max_attempts=attempts,
                vary=["input.seed"],
            )
        ).retry()
        task.instance.run_id = run
        failing(task, f"None of {attempts}")
        task.retry().instance.run_id = run
        failing(task, f"None of {attempts}")
        return [one["request"]["input"]["seed"] for one in control.purchases()[known:]]

    first, second = seeds("one", 2), seeds("another", 1)
    assert first == [first[0], first[0] + 1]
    assert second[0] not in first
    assert seeds("one", 2, seed="7") == [7, 8]


def test_values_come_from_a_list_or_from_a_function_of_the_earlier_attempts(
    until: Any, control: Control
) -> None:
    def longer(number: int, earlier: list[dict[str, Any]]) -> int:
        short = any("length" in fault for one in earlier for fault in one["failed"])
        return 10 if short else 5

    prompts = ["a fox", "a red fox"]
    result = until(vary={"prompt": prompts, "duration": longer}).run()
    assert bought(control, "prompt") == prompts
    assert bought(control, "duration") == ["5s", "10s"]
    assert result["attempts"][1]["values"] == {"prompt": "a red fox", "duration": 10}


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("reuse", [None, "same_request"])
def test_attempts_may_have_one_and_the_same_request(until: Any, control: Control, reuse: Any) -> None:
    task = until(max_attempts=2, make={"reuse": reuse})
    failing(task)
    failing(task.retry())
    assert len(control.purchases()) == 2


def test_the_request_of_a_retry_may_differ_because_the_attempts_number_finds_it(
    until: Any, control: Control
) -> None:
    prompt = "at ten"
    task = Task(lambda: until(make={"deferrable": True, "prompt": prompt, "duration": 10}).make())
    with pytest.raises(TaskDeferred):
        task.retry().begin()
    prompt = "at eleven"
    assert task.retry().run()["attempt"] == 1
    assert bought(control, "prompt") == ["at ten"]


def test_the_laps_of_a_loop_make_attempts_of_their_own(until: Any, control: Control) -> None:
    """Laps share dag, run, task and map index; Airflow 3.4 distinguishes them by their region."""

    def lap(number: int, task: Task) -> Task:
        task.retry().instance.region_id, task.instance.region_index = LOOP, number  # type: ignore[attr-defined]
        return task

    store = StateStore()
    for number in (0, 1):
        task = lap(number, until(vary=SHORT_FIRST, max_total=1.7))
        task.store = store
        task.xcom_trouble = RuntimeError("the XCom backend is away")
        with pytest.raises(RuntimeError):
            task.run()
        assert lap(number, task).run()["attempt"] == 2
    assert bought(control, "duration") == ["5s", "10s"] * 2


# --- waiting ----------------------------------------------------------------------------------


def test_a_wait_for_the_vendors_rate_limit_holds_no_worker_and_comes_back_to_its_attempt(
    until: Any, control: Control
) -> None:
    control.fault("venice", "queue", "status", status=429, headers={"Retry-After": "90"}, skip=1)
    task = until(vary=SHORT_FIRST, make={"deferrable": True})
    with pytest.raises(TaskDeferred) as bought:
        task.retry().begin()
    event = run_fast(first_event(rebuilt(bought.value.trigger)))
    with pytest.raises(TaskDeferred) as paused:
        task.resumed(bought.value, event)
    assert (paused.value.kwargs["number"], paused.value.kwargs["method"]) == (2, "execute_after_wait")
    with pytest.raises(TaskDeferred) as again:
        task.resumed(paused.value, "the time has come")
    assert task.check(task.resume(again.value))["attempt"] == 2
    assert len(control.purchases()) == 2


def test_a_task_that_was_asked_to_stop_makes_no_further_attempt(until: Any, control: Control) -> None:
    task = until(vary={"duration": lambda number, _: stop(number)})

    def stop(number: int) -> int:
        if number == 2:
            task.operator.on_kill()
        return 5

    failing(task, "asked to stop", kind=AirflowException)
    assert len(control.purchases()) == 1


def test_a_status_that_cannot_be_read_ends_the_try_and_a_retry_goes_on(until: Any, control: Control) -> None:
    task = until(vary=SHORT_FIRST, make={"timeout": 1})
    control.settings(speed=0)
    failing(task, "deadline", "It was charged", kind=AirflowException)
    control.settings(speed=SPEED)
    task.make = until(vary=SHORT_FIRST).make
    assert task.retry().run()["attempt"] == 2
    assert len(control.purchases()) == 2


# --- what is shown ----------------------------------------------------------------------------


def test_each_attempt_has_its_place_on_the_media_page_in_each_try(until: Any) -> None:
    task = until(vary=SHORT_FIRST)
    task.xcom_trouble = RuntimeError("the XCom backend is away")
    with pytest.raises(RuntimeError):
        task.run()
    first = {key: task.instance.xcoms[key] for key in ("media", "media_1")}
    task.retry().run()
    assert {key: task.instance.xcoms[key] for key in first} == first
    assert [one["files"][0]["duration"] for one in first.values()] == [5.0, 10.0]


def test_a_contact_sheet_of_each_attempt_has_an_address(until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__POSTERS", "True")
    result = until(vary=SHORT_FIRST, keep="best").run()
    place = "vidai/file?dag_id=videos&run_id=manual&task_id=paid&map_index=-1&key="
    assert [one["sheet"] for one in result["attempts"]] == [
        f"{place}media&index=0&part=sheet",
        f"{place}media_1&index=0&part=sheet",
    ]


def test_a_file_within_a_request_is_sent_and_not_shown(until: Any, control: Control) -> None:
    data = base64.b64encode((Path(__file__).parents[1] / "media" / "picture.png").read_bytes()).decode()
    model = {"model": "wan-2.6-image-to-video", "aspect_ratio": None}

    def make() -> Any:
        operator = until(make={"image_url": "{{ picture }}", **model}, max_attempts=1).make()
        operator.render_template_fields({"picture": f"data:image/png;base64,{data}"})
        assert data[:99] not in str(operator.request)
        return operator

    task = Task(make)
    failing(task, "None of 1")
    assert [len(one) for one in bought(control, "image_url")] == [
        len("data:image/png;base64,… (302 characters)")
    ]
    assert data[:99] not in task.everything_shown()
