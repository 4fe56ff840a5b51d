"""Many requests in one task, against the sandbox: purchase, waiting, landing, manifest, failures, retries."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_vidai._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_vidai.batch.operators import (
    VeniceBatchOperator,
    VidgoBatchOperator,
    VizardBatchOperator,
)
from airflow_provider_vidai.batch.trigger import BatchEvent, BatchTrigger, Ended, packed, sendable, unpacked
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.operators.landing import Landed, Landing
from airflow_provider_vidai.sandbox.client import Control
from tests.support.task import Task

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ledger")]

COMMON = {"model": "gpt-4o-image", "size": "1:1"}


@pytest.fixture
def batch_of(vidgo: VidgoHook, tmp_path: Path) -> Any:
    """Make the task that buys a picture for each request."""

    def make(requests: Any, **changes: Any) -> Task:
        arguments = {
            "task_id": "batch",
            "common": COMMON,
            "download_to": f"{tmp_path}/out/",
            "poll_interval": 0.05,
            **changes,
        }
        return Task(lambda: VidgoBatchOperator(requests=requests, **arguments))

    return make


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"lake number {number}"} for number in range(count)]


def manifest_of(result: Any) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in Path(result["manifest"].removeprefix("file://")).read_text().splitlines()
    ]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").glob("*.png"))


def states(result: Any) -> Counter[str]:
    return Counter(str(line["state"]) for line in manifest_of(result))


def bought(control: Control) -> list[dict[str, Any]]:
    return list(control.purchases("vidgo"))


# --- the whole way ------------------------------------------------------------------------------


def test_each_request_becomes_a_file_and_a_line_of_the_manifest(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    asset = Asset("campaign")
    task = batch_of(prompts(6), outlets=[asset])
    result = task.run()
    lines = manifest_of(result)
    assert [line["request"] for line in lines] == list(range(1, 7))
    assert {line["job"]["job_id"] for line in lines} == {one["job_id"] for one in bought(control)}
    assert states(result) == {"landed": 6}
    assert len(pictures(tmp_path)) == 6
    assert {result[name] for name in ("requests", "bought", "ready", "landed")} == {6}
    assert task.instance.xcoms["progress"]["words"].startswith("6 of 6 landed, 6 bought, 0 failed")
    assert task.instance.xcoms["manifest"] == result["manifest"]
    titles = {file["title"] for file in task.instance.xcoms["media"]["files"]}
    assert titles == {one["prompt"] for one in prompts(6)}
    assert [file["uri"] for file in task.outlet_events[asset].extra["files"]] == [result["manifest"]]
    assert {one["request"]["input"]["prompt"] for one in bought(control)} == {
        one["prompt"] for one in prompts(6)
    }


def test_one_trigger_waits_for_all_jobs_and_files_land_before_the_last_job_has_ended(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    control.settings(speed=1e-9)
    task = batch_of(prompts(6), parallel_purchases=1)
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    assert type(caught.value.trigger) is BatchTrigger
    jobs = [one["job_id"] for one in bought(control)]
    assert [ref.job_id for ref, _ in unpacked(caught.value.trigger.jobs)] == jobs
    control.settings(speed=3000.0)
    ended = {"end": "ended", "ready": jobs[:2], "failed": [], "message": ""}
    until = 200
    while any(one["state"] != "finished" for one in bought(control)) and until:
        until -= 1
        control.advance(100)
    with pytest.raises(TaskDeferred) as again:
        task.resumed(caught.value, ended)
    assert len(pictures(tmp_path)) == 2
    assert task.instance.xcoms["progress"]["landed"] == 2
    assert [ref.job_id for ref, _ in unpacked(again.value.trigger.jobs)] == jobs[2:]
    assert states(task.check(task.resume(again.value))) == {"landed": 6}


def test_a_task_that_is_killed_buys_nothing_more_and_says_what_runs(
    batch_of: Any, control: Control, capsys: pytest.CaptureFixture[str]
) -> None:
    task = batch_of(prompts(4))
    with pytest.raises(TaskDeferred):
        task.retry().begin()
    task.operator.on_kill()
    assert "Stopped waiting for 4 jobs" in capsys.readouterr().out
    fresh = batch_of(prompts(5))
    operator = fresh.make()
    operator.on_kill()
    fresh.retry().instance.task = operator
    with pytest.raises(AirflowException, match="asked to stop"):
        operator.execute(fresh.context())
    assert len(bought(control)) == 4


# --- where requests come from -------------------------------------------------------------------


def table(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return f"file://{folder}/{name}"


def test_requests_come_from_csv_and_json_lines(batch_of: Any, control: Control, tmp_path: Path) -> None:
    csv = table(
        tmp_path,
        "a.csv",
        'id,model,prompt,size,input\none,gpt-4o-image,"a lake, at dawn",,\n'
        'two,gpt-4o-image,,,"{""prompt"": ""a hill"", ""n"": 2}"\n',
    )
    lines = table(
        tmp_path, "b.jsonl", '{"model": "gpt-4o-image", "prompt": "a tree"}\n\n{"prompt": "a pond"}\n'
    )
    first = manifest_of(batch_of(csv, common=None).run())
    second = batch_of(lines).run()
    asked = [one["request"]["input"] for one in bought(control)]
    assert sorted(asked, key=str) == sorted(
        [
            {"prompt": "a lake, at dawn"},
            {"prompt": "a hill", "n": 2},
            {"prompt": "a tree", "size": "1:1"},
            {"prompt": "a pond", "size": "1:1"},
        ],
        key=str,
    )
    assert [line["id"] for line in first] == ["one", "two"]
    assert second["landed"] == 2


def test_requests_come_from_parquet(batch_of: Any, control: Control, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"id": 1, "prompt": "a lake", "n": None}, {"id": 2, "prompt": "a hill", "n": 2}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert batch_of(f"{tmp_path}/a.parquet").run()["landed"] == 2
    assert {one["request"]["input"].get("n") for one in bought(control)} == {None, 2}, "in any order"


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "requests is empty"),
        ([{"prompt": "a"}, {"size": "1:1"}], "request 2: gpt-4o-image: prompt is required"),
        ([{"prompt": "a"}, "b"], "request 2 must be a dict of arguments"),
        (
            [{"id": "x", "prompt": "a"}, {"id": "x", "prompt": "b"}],
            "request 1 and request 2 have the same id, 'x'",
        ),
        ([{"prompt": "a", "min_credits": 5}], "request 1 has min_credits, which a request does not take"),
        ([{"prompt": "a", "on_clear": "fresh"}], "request 1 has on_clear, which a request does not take"),
        ("prompts.txt", "its name must end in .jsonl"),
        ("/nowhere/prompts.csv", "does not exist"),
    ],
)
def test_wrong_requests_are_named_before_anything_is_bought(
    batch_of: Any, control: Control, requests: Any, said: str
) -> None:
    task = batch_of(requests, common={"model": "gpt-4o-image"})
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    assert said in str(caught.value)
    assert bought(control) == []


def test_all_wrong_lines_of_a_file_are_named_together(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    text = "prompt,size\na lake,1:1\n,1:1\na hill,1:1\n,16:9\n"
    with pytest.raises(AirflowFailException) as caught:
        batch_of(table(tmp_path, "a.csv", text), common={"model": "gpt-4o-image"}).run()
    assert "line 3: gpt-4o-image: prompt is required; line 5: gpt-4o-image: prompt is required" in str(
        caught.value
    )
    assert bought(control) == []


def test_without_a_place_for_its_records_a_batch_buys_nothing(
    batch_of: Any, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__VIDAI__LEDGER_PATH")
    few, many = batch_of(prompts(3)), batch_of(prompts(101))
    few.store = None
    for task, said in ((few, "set [vidai] ledger_path"), (many, "101 are more than the 100")):
        with pytest.raises(AirflowFailException) as caught:
            task.run()
        assert said in str(caught.value)
    assert bought(control) == []
    assert batch_of(prompts(3)).run()["landed"] == 3


# --- failures -----------------------------------------------------------------------------------


def test_what_failed_free_of_charge_is_bought_again_by_a_retry_and_the_rest_stays(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    control.fault("vidgo", "submit", "fail_job", skip=2, times=3, message="Generation congested")
    task = batch_of(prompts(6))
    with pytest.raises(AirflowException) as caught:
        task.run()
    assert "3 of 6 requests failed, and 0 were not bought" in str(caught.value)
    assert not isinstance(caught.value, AirflowFailException)
    assert len(pictures(tmp_path)) == 3
    result = task.retry().run()
    assert states(result) == {"landed": 6}
    assert len(bought(control)) == 9
    lines = manifest_of(result)
    assert sum(len(line["earlier"]) for line in lines) == 3
    jobs = {line["job"]["job_id"] for line in lines} | {
        one["job_id"] for line in lines for one in line["earlier"]
    }
    assert jobs == {one["job_id"] for one in bought(control)}
    assert len(pictures(tmp_path)) == 6


def test_failures_up_to_max_failures_do_not_fail_the_task(batch_of: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "fail_job", times=2)
    result = batch_of(prompts(6), max_failures=2).run()
    assert states(result) == {"landed": 4, "failed": 2}
    failed = [line for line in manifest_of(result) if line["state"] == "failed"]
    assert {line["charged"] for line in failed} == {"refunded"}
    assert all("failed: the vendor says" in line["failure"]["what"] for line in failed)


def test_fail_fast_buys_nothing_more_once_too_many_have_failed(batch_of: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "status", status=400, body={"error": {"message": "no"}}, times=None)
    task = batch_of(prompts(8), on_item_failure="fail_fast", max_failures=2, parallel_purchases=1)
    with pytest.raises(AirflowException, match="3 of 8 requests failed, and 5 were not bought"):
        task.run()
    assert len(control.calls("vidgo", "submit")) == 3


def test_a_refused_account_ends_the_buying_and_what_runs_is_landed(batch_of: Any, control: Control) -> None:
    body = {"error": {"message": "no such key"}}
    fault = control.fault("vidgo", "submit", "status", status=401, body=body, skip=3, times=None)
    task = batch_of(prompts(12), parallel_purchases=1)
    with pytest.raises(AirflowException, match="9 of 12 requests were not bought"):
        task.run()
    assert task.instance.xcoms["progress"]["landed"] == 3
    assert len(control.calls("vidgo", "submit")) <= 5
    control.remove_fault(fault)
    assert states(task.retry().run()) == {"landed": 12}
    assert len(bought(control)) == 12


class Refusing:
    """A check that refuses all files, and would skip a task for it."""

    def prepare(self) -> None:
        """Do nothing."""

    def land(self, landing: Landing, download: Any) -> Landed:
        return Landed(download(), AirflowSkipException("it is all black"))


def test_a_check_that_skips_a_task_leaves_one_item_of_a_batch(batch_of: Any, control: Control) -> None:
    result = batch_of(prompts(3), check=Refusing(), max_failures=3).run()
    lines = manifest_of(result)
    assert [line["failure"]["what"] for line in lines] == ["it is all black"] * 3
    assert all(line["files"] for line in lines)


def test_a_lost_answer_is_one_items_matter_and_a_clear_buys_it_again(batch_of: Any, control: Control) -> None:
    control.fault("vidgo", "submit", "reset", when="after", skip=3, times=1)
    task = batch_of(prompts(8))
    with pytest.raises(AirflowFailException) as caught:
        task.run()
    assert "1 of 8 requests failed" in str(caught.value)
    assert "It may have been charged." in str(caught.value)
    with pytest.raises(AirflowFailException):
        task.retry().run()
    assert len(bought(control)) == 8
    result = task.clear().run()
    assert states(result) == {"landed": 8}
    assert len(bought(control)) == 9
    (line,) = [line for line in manifest_of(result) if line["earlier"]]
    assert line["earlier"] == [{"job_id": None, "charged": "maybe", "cost": None}]


def test_a_clear_for_the_failed_ones_buys_nothing_else(batch_of: Any, control: Control) -> None:
    body = {"error": {"message": "prompt refused"}}
    control.fault("vidgo", "submit", "status", status=400, body=body, times=2)
    requests = prompts(5)
    arguments: dict[str, Any] = {"only_failed": False}
    task = batch_of(requests, parallel_purchases=1)
    make = task.make
    task.make = lambda: _with(make(), arguments)
    with pytest.raises(AirflowFailException):
        task.run()
    assert len(bought(control)) == 3
    requests.append({"prompt": "a new one"})
    arguments["only_failed"] = "True"
    result = task.clear().run()
    assert len(bought(control)) == 5
    assert states(result) == {"landed": 5, "not_bought": 1}


def _with(operator: Any, arguments: dict[str, Any]) -> Any:
    for name, value in arguments.items():
        setattr(operator, name, value)
    return operator


def test_a_limit_gives_the_worker_back_and_everything_is_bought_after_it(
    batch_of: Any, control: Control
) -> None:
    headers = {"Retry-After": "90"}
    control.fault("vidgo", "submit", "status", status=429, headers=headers, skip=2, times=2)
    task = batch_of(prompts(8), parallel_purchases=1)
    assert states(task.run()) == {"landed": 8}
    assert any(one.trigger.wake_at for one in task.deferrals)
    assert len(bought(control)) == 8


def test_no_more_jobs_run_than_max_running(batch_of: Any, control: Control) -> None:
    task = batch_of(prompts(7), max_running=3)
    assert states(task.run()) == {"landed": 7}
    assert max(len(unpacked(one.trigger.jobs)) for one in task.deferrals) == 3


def test_a_budget_counts_each_item(batch_of: Any, control: Control) -> None:
    budget = {"name": "five", "limit": 5, "unit": "jobs"}
    task = batch_of(prompts(8), budget=budget, parallel_purchases=1)
    with pytest.raises(AirflowFailException, match=r"Budget 'videos\.five' is used up"):
        task.run()
    assert len(bought(control)) == 5


def test_an_empty_guard_buys_nothing(batch_of: Any, control: Control) -> None:
    task = batch_of(prompts(2), min_credits="{{ nothing }}")
    make = task.make
    task.make = lambda: _with(make(), {"min_credits": None})
    with pytest.raises(AirflowFailException, match="min_credits must be a number"):
        task.run()
    assert bought(control) == []


# --- requests that change between tries ---------------------------------------------------------


def _failing_once(control: Control, task: Task) -> None:
    """Let the first try end with one free failure, so that there is a next one."""
    control.fault("vidgo", "submit", "fail_job", times=1, message="Generation congested")
    with pytest.raises(AirflowException):
        task.run()


def test_an_added_request_is_bought_and_a_removed_one_is_reported(batch_of: Any, control: Control) -> None:
    requests = prompts(6)
    task = batch_of(requests, parallel_purchases=1)
    _failing_once(control, task)
    gone = requests.pop(3)
    requests.insert(0, {"prompt": "a new lake"})
    result = task.retry().run()
    assert len(bought(control)) == 6 + 1 + 1
    assert states(result) == {"landed": 7}
    (removed,) = [line for line in manifest_of(result) if line["removed"]]
    job = next(one for one in bought(control) if one["request"]["input"]["prompt"] == gone["prompt"])
    assert removed["job"]["job_id"] == job["job_id"]


def test_a_request_edited_in_its_place_is_bought_by_a_clear_only(batch_of: Any, control: Control) -> None:
    requests = prompts(4)
    task = batch_of(requests, parallel_purchases=1)
    _failing_once(control, task)
    requests[2]["prompt"] = "another lake"
    task.retry().run()
    assert len(bought(control)) == 4 + 1
    task.clear().run()
    assert len(bought(control)) == 4 + 1 + 1
    assert bought(control)[-1]["request"]["input"]["prompt"] == "another lake"
    task.clear().run()
    assert len(bought(control)) == 6


def test_an_id_finds_a_request_wherever_it_stands(batch_of: Any, control: Control) -> None:
    requests = [{"id": f"n{number}", **one} for number, one in enumerate(prompts(5))]
    task = batch_of(requests, parallel_purchases=1)
    _failing_once(control, task)
    requests.reverse()
    requests[0]["prompt"] = "edited"
    task.retry().run()
    assert len(bought(control)) == 6
    task.clear().run()
    assert len(bought(control)) == 7


def test_equal_requests_are_each_bought_once(batch_of: Any, control: Control) -> None:
    task = batch_of([{"prompt": "a lake"}] * 3)
    task.run()
    task.clear().run()
    assert len(bought(control)) == 3


def test_a_file_that_vanishes_while_jobs_run_loses_none_of_them(
    batch_of: Any, control: Control, tmp_path: Path
) -> None:
    file = table(tmp_path, "a.csv", "prompt\na lake\na hill\n")
    task = batch_of(file)
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    with pytest.raises(AirflowFailException, match=r"does not exist.*It was charged\."):
        task.resume(caught.value)
    (tmp_path / "b.csv").rename(tmp_path / "a.csv")
    assert states(task.clear().run()) == {"landed": 2}
    assert len(bought(control)) == 2


# --- the trigger --------------------------------------------------------------------------------


def test_the_arguments_of_a_trigger_for_two_thousand_jobs_fit_into_64_kib() -> None:
    refs = [
        (
            JobRef(
                vendor="venice", conn_id="v", job_id=str(uuid.uuid4()), kind="generate", params={"model": "m"}
            ),
            1e9,
        )
        for _ in range(2000)
    ]
    text = packed(refs)
    assert len(json.dumps(BatchTrigger(jobs=text, deadline=1.0).serialize()[1])) < 65_000
    assert unpacked(text) == [(ref, round(since)) for ref, since in refs]


@pytest.mark.parametrize("event", [None, {"end": "someday"}, "ready"])
def test_an_event_that_is_not_understood_never_counts_as_success(
    batch_of: Any, control: Control, event: Any
) -> None:
    task = batch_of(prompts(2))
    with pytest.raises(TaskDeferred) as caught:
        task.retry().begin()
    with pytest.raises(AirflowException, match="2 jobs of the batch cannot be checked"):
        task.resumed(caught.value, event)
    assert states(task.retry().run()) == {"landed": 2}
    assert len(bought(control)) == 2


# --- the other vendors --------------------------------------------------------------------------


def test_venice_videos(venice: Any, control: Control, tmp_path: Path) -> None:
    common = {"model": "wan-2.6-text-to-video", "duration": 5, "resolution": "720p", "aspect_ratio": "16:9"}
    arguments = {"task_id": "batch", "poll_interval": 0.05, "download_to": f"{tmp_path}/out/"}

    def task(requests: Any, **more: Any) -> Task:
        return Task(lambda: VeniceBatchOperator(requests=requests, common=common, **arguments, **more))

    result = task([{"prompt": "a fox"}, {"prompt": "an owl"}], max_cost_usd=5).run()
    assert states(result) == {"landed": 2}
    assert result["cost"]["usd"] > 0
    assert len([*(tmp_path / "out").glob("*.mp4")]) == 2
    with pytest.raises(AirflowFailException, match=r"request 1: .*duration"):
        task([{"prompt": "a fox", "duration": 7}]).run()
    assert len(control.purchases("venice")) == 2


def test_vizard_clips(vizard: Any, control: Control, talks: str, tmp_path: Path) -> None:
    arguments = {"task_id": "batch", "poll_interval": 1, "download_to": f"{tmp_path}/out/"}
    requests = [{"video_url": f"{talks}/short.mp4"}, {"video_url": f"{talks}/talk.mp4", "max_clips": 1}]
    result = Task(lambda: VizardBatchOperator(requests=requests, common={"max_clips": 2}, **arguments)).run()
    assert states(result) == {"landed": 2}
    assert len(manifest_of(result)[1]["files"]) == 1


def test_an_event_that_cannot_be_encoded_becomes_one_that_ends_no_triggerer() -> None:
    status = JobStatus.model_construct(state=JobState.FAILED, vendor_status="failed", cost={"usd": object()})
    event = BatchEvent.model_construct(
        end="ended", ready=[], failed=[Ended.model_construct(job_id="j", status=status)]
    )
    assert sendable(event)["end"] == "unreadable"


PRICES = [{"vendor": "vidgo", "amount": 6, "unit": "credits"}]


def test_the_cost_has_what_was_paid_for_purchases_that_a_clear_replaced(
    batch_of: Any, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    requests = prompts(2)
    task = batch_of(requests)
    assert task.run()["cost"] == {"credits": 12}
    requests[0]["prompt"] = "another lake"
    result = task.clear().run()
    assert len(bought(control)) == 3
    assert result["cost"] == {"credits": 18}
    (line,) = [line for line in manifest_of(result) if line["earlier"]]
    assert (line["earlier"][0]["charged"], line["earlier"][0]["cost"]["amount"]) == ("yes", 6)


def test_what_a_refunded_job_cost_is_in_no_sum_after_its_request_was_edited(
    batch_of: Any, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    requests = prompts(2)
    task = batch_of(requests, parallel_purchases=1)
    _failing_once(control, task)
    requests[0]["prompt"] = "another lake"
    result = task.clear().run()
    assert len(bought(control)) == 3
    (line,) = [line for line in manifest_of(result) if line["earlier"]]
    assert line["earlier"][0]["charged"] == "refunded"
    assert result["cost"] == {"credits": 12}


def test_an_id_in_another_encoding_of_its_letters_is_the_same_id(batch_of: Any, control: Control) -> None:
    requests = [{"id": "Caf\u00e9", "prompt": "a lake"}]
    task = batch_of(requests)
    task.run()
    requests[0]["id"] = "Cafe\u0301"
    task.clear().run()
    assert len(bought(control)) == 1


def test_a_retry_of_fail_fast_buys_nothing_more_when_what_failed_stays_failed(
    batch_of: Any, control: Control
) -> None:
    control.fault("vidgo", "submit", "fail_job", skip=1, times=1, message="violates our policy")
    task = batch_of(prompts(12), on_item_failure="fail_fast", parallel_purchases=4, max_running=4)
    with pytest.raises(AirflowException):
        task.run()
    before = len(bought(control))
    assert before < 12
    with pytest.raises(AirflowException):
        task.retry().run()
    assert len(bought(control)) == before
