"""Budgets: a purchase is checked against them before it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.spend.files import Files
from airflow_provider_vidai.spend.holds import Hold, Holds
from tests.integration.conftest import VIDEO
from tests.support.books import Of, command

pytestmark = pytest.mark.slow

PRICES = [{"vendor": "vidgo", "model": "nano-banana", "amount": 6, "unit": "credits"}]
#: What the callback of a budget was called with.
NOTICES: list[dict[str, Any]] = []


def notice(facts: dict[str, Any]) -> None:
    NOTICES.append(facts)


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[vidai] ledger_path`` names, with a price list."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    return tmp_path / "ledger"


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set ``[vidai] budgets``."""

    def given(*lines: dict[str, Any]) -> None:
        monkeypatch.setenv("AIRFLOW__VIDAI__BUDGETS", json.dumps(lines))

    return given


def image(run: str, dag: str = "dag", **more: Any) -> Of:
    return Of(
        lambda: VidgoGenerateOperator(
            task_id="made",
            model="nano-banana",
            input={"prompt": "a lake"},
            poll_interval=0.05,
            **{"deferrable": False, **more},
        ),
        dag,
        run,
    )


def refused(task: Of, *words: str) -> None:
    with pytest.raises(AirflowException) as caught:
        task.run()
    assert all(word in str(caught.value) for word in words), caught.value


def bought(control: Control) -> int:
    return int(control.book()["totals"]["purchases"])


def test_what_does_not_fit_is_not_bought_and_the_message_has_the_numbers(
    control: Control, vidgo: Any, budgets: Any
) -> None:
    budgets({"name": "credits", "limit": 13, "unit": "credits", "vendor": "vidgo"})
    image("a").run()
    image("b").run()
    refused(image("c"), "Budget 'credits' is used up: 12 of 13 credits", "add 6", "Nothing was bought")
    assert bought(control) == 2


def test_each_run_dag_and_day_has_a_sum_of_its_own(control: Control, vidgo: Any, budgets: Any) -> None:
    budgets({"name": "each", "limit": 1, "unit": "jobs", "per": ["dag", "day"]})
    image("a", dag="one").run()
    image("b", dag="two").run()
    refused(image("c", dag="one"), "(per dag, day)")
    assert bought(control) == 2


def test_a_task_has_a_budget_of_its_own_for_its_run(control: Control, vidgo: Any) -> None:
    own = {"limit": 0.04, "unit": "usd", "per": "run"}
    image("a", budget=own).run()
    refused(image("a", budget=own), "is used up")
    image("b", budget=json.dumps(own)).run()
    assert bought(control) == 2


def test_a_refund_a_refusal_and_a_failure_before_the_purchase_give_the_budget_back(
    control: Control, vidgo: Any, budgets: Any
) -> None:
    budgets({"name": "one", "limit": 1, "unit": "jobs"})
    control.fault("vidgo", "submit", "fail_job")  # Vidgo returns the credits
    with pytest.raises(AirflowException):
        image("a").run()
    control.fault("vidgo", "submit", "status", status=400)
    with pytest.raises(AirflowException):
        image("b").run()
    image("c").run()
    refused(image("d"), "is used up")


def test_a_purchase_of_unknown_outcome_stays_held_until_a_person_settles_it(
    control: Control, vidgo: Any, budgets: Any, capsys: pytest.CaptureFixture
) -> None:
    budgets({"name": "one", "limit": 1, "unit": "jobs"})
    control.fault("vidgo", "submit", "reset", when="before")
    lost = image("a")
    refused(lost, "outcome is unknown")
    refused(image("b"), "is used up: 1 of 1 jobs")
    refused(lost.clear(), "is used up")
    command(capsys, "resolve", "dag", "a", "paid", "--not-bought")
    image("b").run()
    refused(image("c"), "is used up")
    assert bought(control) == 1


def test_a_lost_purchase_that_is_bought_again_counts_twice(
    control: Control, vidgo: Any, budgets: Any
) -> None:
    budgets({"name": "three", "limit": 3, "unit": "jobs"})
    control.fault("vidgo", "submit", "reset", when="after")
    lost = image("a")
    refused(lost, "outcome is unknown")
    lost.clear().run()
    image("b").run()
    refused(image("c"), "is used up: 3 of 3")


def test_a_retry_holds_nothing_more(control: Control, vidgo: Any, budgets: Any) -> None:
    budgets({"name": "one", "limit": 1, "unit": "jobs"})
    task = image("a")
    task.run()
    assert task.retry().run()["state"] == "ready"


def test_an_unknown_price_a_wrong_budget_and_a_missing_ledger_refuse(
    control: Control, vidgo: Any, budgets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__VIDAI__PRICES")
    budgets({"name": "usd", "limit": 100})
    refused(image("a"), "what this purchase costs in usd is not known", "[vidai] prices")
    budgets({"name": "usd", "limit": -1})
    refused(image("b"), "[vidai] budgets, number 1", "limit")
    budgets({"name": "usd", "limit": 5, "on_exceed": "wait"})
    refused(image("c"), "needs a day, week or month")
    budgets()
    refused(image("d", budget={"limit": 5, "unit": "francs"}), "budget", "unit")
    budgets({"name": "jobs", "limit": 5, "unit": "jobs"})
    monkeypatch.delenv("AIRFLOW__VIDAI__LEDGER_PATH")
    refused(image("e"), "ledger_path, which is not set")
    assert bought(control) == 0


def test_the_real_cost_replaces_what_was_held(
    control: Control, venice: Any, budgets: Any, ledger: Path
) -> None:
    budgets({"name": "usd", "limit": 0.6})
    Of(
        lambda: VeniceVideoOperator(**VIDEO, task_id="made", deferrable=False, poll_interval=0.05), "dag", "a"
    ).run()
    (hold,) = (ledger / "budget" / "usd").glob("*.json")
    assert (Hold.model_validate_json(hold.read_text()).state, json.loads(hold.read_text())["amount"]) == (
        "settled",
        "0.55",
    )


def test_a_purchase_waits_for_the_next_window_without_a_worker(
    control: Control, vidgo: Any, budgets: Any
) -> None:
    budgets({"name": "daily", "limit": 1, "unit": "jobs", "per": "day", "on_exceed": "wait"})
    image("a").run()
    with pytest.raises(TaskDeferred) as deferred:
        image("b").begin()
    moment = deferred.value.trigger.moment
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert midnight > datetime.now(timezone.utc)
    assert (moment - midnight).total_seconds() < 11
    assert deferred.value.kwargs is not None
    assert deferred.value.kwargs["deadline"] > moment.timestamp(), "the job's own time begins then"
    budgets()
    refused(image("c", budget={"limit": 0, "unit": "jobs", "per": "day", "on_exceed": "wait"}), "is used up")


def test_a_warning_comes_once_at_its_share_and_calls_back(
    control: Control, vidgo: Any, budgets: Any, capsys: pytest.CaptureFixture
) -> None:
    NOTICES.clear()
    path = f"{__name__}.notice"
    budgets({"name": "four", "limit": 4, "unit": "jobs", "warn_at": 0.5, "callback": path})
    for run in "abc":
        image(run).run()
    assert [(one["used"], one["limit"], one["run_id"]) for one in NOTICES] == [(2, 4, "b")]
    assert "2 of 4 jobs are spent or held" in capsys.readouterr().out


def test_a_budget_that_cannot_be_read_buys_nothing(
    control: Control, vidgo: Any, budgets: Any, ledger: Path
) -> None:
    budgets({"name": "one", "limit": 1, "unit": "jobs"})
    (ledger / "budget" / "one" / "jobs").mkdir(parents=True)
    (ledger / "budget" / "one" / "jobs" / "000000001.json").write_text("{}")
    refused(image("a"), "The budgets could not be read or written")
    assert bought(control) == 0


@pytest.fixture
def holds(tmp_path: Path) -> Holds:
    return Holds(Files(str(tmp_path), ("one",)), sleep=lambda _: None)


def test_holds_that_will_not_change_are_read_only_once_more(holds: Holds) -> None:
    from decimal import Decimal

    for number in range(1, 9):
        found, _ = holds.hold(f"p{number}", (str(number),), Decimal(1), Decimal(9), lambda _: False)
        holds.change(number, f"p{number}", state="settled")
        assert found == number
    newest = holds.read()
    assert newest.total == 8
    assert len(newest.holds) == 2
    assert holds.hold("p9", ("9",), Decimal(2), Decimal(9), lambda _: False)[0] is None


def test_the_hold_of_a_try_that_died_before_it_sent_anything_is_taken_by_the_next_try(holds: Holds) -> None:
    from decimal import Decimal

    one, limit, mine = Decimal(1), Decimal(1), ("task",)
    assert holds.hold("dead", mine, one, limit, lambda _: True)[0] == 1
    assert holds.hold("other", ("other",), one, limit, lambda _: True)[0] is None
    assert holds.hold("sent", mine, one, limit, lambda _: False)[0] is None, "it may have been sent"
    assert holds.hold("next", mine, one, limit, lambda _: True)[0] == 2
    holds.release(2, "next", begun=False)
    assert holds.read().total == 1, "the first try may still be alive, and buy"
    assert holds.hold("third", mine, one, limit, lambda _: True)[0] == 3
    holds.release(3, "third", begun=True)
    assert holds.read().total == 0


def test_a_storage_that_may_not_create_exclusively_is_recognised(holds: Holds) -> None:
    files = holds._files
    assert files.creates_exclusively
    files._local, files._fs = False, type("Other", (), {"protocol": ("gs", "gcs")})()
    assert not files.creates_exclusively
    files._fs = type("S3", (), {"protocol": ("s3", "s3a")})()
    assert files.creates_exclusively


def test_without_the_room_that_checks_budgets_nothing_is_bought_and_what_was_bought_is_kept(
    control: Control, vidgo: Any, budgets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = image("earlier")
    job = earlier.run()["job_id"]
    monkeypatch.setattr("airflow_provider_vidai.rooms.WATCHERS", ("airflow_provider_vidai.removed.watch",))
    budgets({"name": "all", "limit": 100})
    refused(image("1"), "nothing in this installation checks budgets")
    assert earlier.retry().run()["job_id"] == job
    assert bought(control) == 1
