"""Purchases whose answer was lost are searched for in the vendor's own books, and never bought twice."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_vidai._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioRenderOperator
from airflow_provider_vidai.purchase import lost
from airflow_provider_vidai.purchase.timing import MAX_SEARCH_READINGS
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sandbox.server import Sandbox
from tests.integration.conftest import KEY, VIDEO
from tests.support.books import Of, command, rows
from tests.support.task import Task

pytestmark = pytest.mark.slow

PRICES = [{"vendor": "vidgo", "model": "nano-banana", "amount": 6, "unit": "credits"}]
QUICK = {"task_id": "made", "poll_interval": 0.05, "deferrable": False}
IMAGE = {"model": "nano-banana", "input": {"prompt": "a lake"}}


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[vidai] ledger_path`` names, with a price list."""
    monkeypatch.setenv("AIRFLOW__VIDAI__LEDGER_PATH", str(tmp_path / "ledger"))
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))
    return tmp_path / "ledger"


@pytest.fixture
def account_says(
    request: pytest.FixtureRequest, vidgo: Any, venice: Any, sandbox: Sandbox, connect: Any
) -> Any:
    """Define the connections, with what their extras say about the account."""

    def say(**extra: Any) -> None:
        common = {"password": KEY, "extra": {"timeout": 600, "polls_per_minute": 6000, **extra}}
        connect("vidgo_default", conn_type="vidgo", host=f"{sandbox.url}/vidgo", **common)
        connect("venice_default", conn_type="venice", host=f"{sandbox.url}/venice/api/v1", **common)

    return say


def image(run: str, **more: Any) -> Of:
    return Of(lambda: VidgoGenerateOperator(**IMAGE, **QUICK, **more), "dag", run)


def video(run: str, **more: Any) -> Of:
    return Of(lambda: VeniceVideoOperator(**VIDEO, **QUICK, **more), "dag", run)


@pytest.fixture(autouse=True)
def _short_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a lost render for a second instead of a minute, by a clock that runs as ever."""
    monkeypatch.setattr(lost, "LOOKUP_SECONDS", 1.0)
    monkeypatch.setattr(lost, "LOOKUP_INTERVAL_SECONDS", 0.2)


def searched(task: Of, between: Callable[[], Any] = lambda: None) -> Any:
    """Run a try and wake it up as often as it waits for the books; return its result, or raise its error."""
    if not task.instance.try_number:
        task.retry()
    deferred = None
    for _ in range(MAX_SEARCH_READINGS + 1):
        try:
            return task.check(task.resumed(deferred, None) if deferred else task.begin())
        except TaskDeferred as again:
            deferred = again
            between()
    raise AssertionError("a search ends")


def fails(task: Of, *words: str, between: Callable[[], Any] = lambda: None) -> AirflowException:
    with pytest.raises(AirflowException) as caught:
        searched(task, between)
    assert all(word in str(caught.value) for word in words), caught.value
    return caught.value


def lose(control: Control, make: Any, *, when: str) -> None:
    control.fault(*(("vidgo", "submit") if make is image else ("venice", "queue")), "reset", when=when)


def elsewhere(sandbox: Sandbox) -> None:
    """Buy the same image with the account, outside of this package."""
    url = f"{sandbox.url}/vidgo/api/generate/submit"
    httpx.post(url, json=IMAGE, headers={"Authorization": f"Bearer {KEY}"}).raise_for_status()


BOOKS = [
    pytest.param(image, {"sole_buyer": True}, id="vidgo"),
    pytest.param(video, {"sole_buyer": True}, id="venice"),
    pytest.param(video, {"admin_api_key": f"admin-{KEY}"}, id="venice-admin"),
]


@pytest.mark.parametrize(("make", "extra"), BOOKS)
def test_what_was_not_bought_is_bought_by_the_retry(
    control: Control, account_says: Any, make: Any, extra: Any, capsys: pytest.CaptureFixture
) -> None:
    account_says(**extra)
    lose(control, make, when="before")
    task = make("a")
    error = fails(task, "and not made", "Nothing was charged.", "A retry buys it")
    assert not isinstance(error, AirflowFailException)
    assert control.purchases() == []
    assert rows(capsys, "jobs") == [], "the book has it as not bought"
    assert searched(task.retry())["state"] == "ready"
    assert len(control.purchases()) == len(rows(capsys, "jobs")) == 1


@pytest.mark.parametrize(("make", "extra"), BOOKS)
def test_what_was_bought_is_reported_with_its_price_and_never_bought_again(
    control: Control, account_says: Any, make: Any, extra: Any, capsys: pytest.CaptureFixture
) -> None:
    account_says(**{"sole_buyer": True, **extra})
    lose(control, make, when="after")
    task = make("a", on_lost_submit="resubmit")
    error = fails(
        task, "its answer was lost", "It was charged.", "6 credits" if make is image else "0.55 USD"
    )
    assert isinstance(error, AirflowFailException)
    fails(task.retry(), "It was charged.")
    (entry,) = control.purchases()
    command(capsys, "resolve", "dag", "a", "paid", "--bought", entry["job_id"])
    assert searched(task.clear())["job_id"] == entry["job_id"]
    assert len(control.purchases()) == 1


def test_a_purchase_by_somebody_else_leads_to_no_wrong_answer(
    control: Control, account_says: Any, sandbox: Sandbox
) -> None:
    account_says(sole_buyer=True)
    lose(control, image, when="before")
    bought: list[str] = []

    def once() -> None:
        if not bought:
            elsewhere(sandbox)
            bought.append("once")

    fails(image("a"), "its outcome is unknown", "may be this purchase", between=once)
    account_says()
    lose(control, image, when="before")
    fails(image("b"), "its outcome is unknown", "It may have been charged.")


def test_a_top_up_hides_no_charge(control: Control, account_says: Any) -> None:
    account_says(sole_buyer=True)
    lose(control, image, when="after")

    def top_up() -> None:
        control.balance("vidgo", KEY, 20_000)

    fails(image("a"), "its outcome is unknown", "The balance rose meanwhile", between=top_up)


def test_without_a_word_about_the_account_nothing_is_read_and_the_task_stops_as_ever(
    control: Control, account_says: Any
) -> None:
    account_says()
    lose(control, image, when="before")
    fails(image("a"), "its outcome is unknown", "Clear the task to buy again")
    assert control.calls("vidgo", "balance") == []


def test_a_balance_that_does_not_pay_proves_nothing(control: Control, account_says: Any) -> None:
    account_says(admin_api_key=f"admin-{KEY}")
    control.settings(venice={"pays_with": "BUNDLED_CREDITS"})
    lose(control, video, when="before")
    fails(video("a"), "its outcome is unknown")


def test_a_charge_that_the_usage_history_shows_late_is_not_overlooked(
    control: Control, account_says: Any
) -> None:
    account_says(admin_api_key=f"admin-{KEY}", sole_buyer=True)
    control.settings(venice={"usage_lag": 3600.0})
    lose(control, video, when="after")
    fails(video("a"), "its outcome is unknown", "do not agree")


def test_the_purchase_of_a_worker_that_died_is_not_searched_for(control: Control, account_says: Any) -> None:
    """Its process may be alive somewhere, and about to send."""
    account_says(sole_buyer=True)
    task = image("a")
    lose(control, image, when="before")
    task.retry()
    with pytest.raises(TaskDeferred):
        task.begin()
    (file,) = Path(str(task_file(task))).glob("vidai_purchase.*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "search": None}))
    fails(task.retry(), "an earlier try was ended before its answer was recorded")


def task_file(task: Of) -> str:
    dag, run, name = task.names
    return f"{os.environ['AIRFLOW__VIDAI__LEDGER_PATH']}/{dag}/{run}/{name}/-1"


def test_a_render_that_was_never_begun_is_bought_by_the_retry(
    control: Control, reel: dict[str, Any], render_of: Any
) -> None:
    control.fault("vidio", "render", "reset", when="before")
    task = render_of(reel)
    fails(task, "and not made", "still says 'processed'")
    assert control.purchases(kind="render") == []
    assert searched(task.retry())["state"] == "ready"
    assert len(control.purchases(kind="render")) == 1


def test_where_a_vendor_keeps_no_books_the_message_says_what_to_look_for_and_how_to_settle_it(
    control: Control, reel_of: Any, clips_of: Any, vizard: Any
) -> None:
    control.fault("vidio", "create_highlight_reel", "reset", when="before")
    fails(
        reel_of(output_length=30, aspect_ratio="portrait"),
        "Check the VIDIO account at https://www.vidio.ai for a portrait highlight reel of 30 s from 1 upload",
        "'airflow vidai resolve videos manual paid --bought JOB_ID' or '--not-bought'",
    )
    control.fault("vizard", "create", "reset", when="before")
    fails(
        clips_of(project_name="Keynote"),
        "Check the Vizard account at https://vizard.ai",
        "for a project called “Keynote” of that time",
        "'airflow vidai resolve videos manual paid --bought JOB_ID' or '--not-bought'",
    )


def test_the_command_in_the_message_settles_the_purchase_in_a_process_of_its_own(
    control: Control, account_says: Any
) -> None:
    account_says()
    lose(control, image, when="after")
    task = image("a")
    error = str(fails(task, "its outcome is unknown"))
    (entry,) = control.purchases()
    given = error.partition("settle it first: '")[2].partition("'")[0]
    command_line = shlex.split(given.replace("JOB_ID", entry["job_id"]))
    assert command_line[:2] == ["airflow", "vidai"]
    run = [sys.executable, "-m", "airflow_provider_vidai.cli", *command_line[2:]]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert "was bought" in done.stdout, done.stderr[-2000:]
    assert searched(task.clear())["job_id"] == entry["job_id"]
    assert len(control.purchases()) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_without_a_durable_record_a_lost_render_stops_the_task_and_is_never_sent_again(
    control: Control,
    reel: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    monkeypatch.delenv("AIRFLOW__VIDAI__LEDGER_PATH")
    control.fault("vidio", "render", "reset", when="before", times=1)
    task = Task(
        lambda: VidioRenderOperator(task_id="r", job=reel, deferrable=deferrable, poll_interval=0.05),
        store=False,
    ).retry()
    with pytest.raises(AirflowFailException, match="may have been charged"):
        task.begin()
    assert len(control.calls("vidio", "render")) == 1
