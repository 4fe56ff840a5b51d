"""Guards on money: what cannot be read, or names nothing, never counts as a larger limit or as no limit."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_vidai.cli.doctor.live import live
from airflow_provider_vidai.cli.show import since
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.spend.book import Book, Line
from airflow_provider_vidai.spend.budgets import Budget, read_budgets
from airflow_provider_vidai.spend.files import Files
from airflow_provider_vidai.task_groups.total import limit_of


@pytest.mark.parametrize(
    "stated",
    [
        {"credits": -5},
        {"usd": -0.01},
        {"usd": float("inf")},
        {"quote_usd": float("nan")},
        {"credits": 10**400},
        {"amount": -1, "unit": "credits", "source": "reported"},
        {"amount": 1, "unit": "credits", "usd": -1, "source": "reported"},
    ],
)
def test_a_cost_that_cannot_be_one_is_unknown_and_gives_no_budget_anything_back(stated: Any) -> None:
    cost = Cost.of(stated)
    assert (cost.amount, cost.usd) == (None, None)
    assert Budget(limit=1).amount(cost) is None


@pytest.mark.parametrize("wrong", [{"vendor": "Venice"}, {"vendor": ""}, {"connection": ""}, {"dag": " "}])
def test_a_budget_that_no_purchase_can_count_against_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        read_budgets({"limit": 5, **wrong}, what="budget")
    assert read_budgets({"limit": 5, "vendor": "venice"}, what="budget")


def test_budgets_of_one_name_and_different_units_share_no_sum() -> None:
    buyer: Any = SimpleNamespace(dag_id="d", run_id="r", vendor="vidgo")
    now = datetime(2026, 11, 29, tzinfo=timezone.utc)
    record: Any = SimpleNamespace(conn_id="c")
    scopes = {
        Budget(limit=1, unit=unit, vendor="vidgo").scope(buyer, record, now)
        for unit in ("usd", "jobs", "credits")
    }
    assert len(scopes) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 300, "units": "credits"},
        "{'amount': 300, 'currency': 'credits'}",
        {"amount": 300, "unit": "Credits"},
    ],
)
def test_a_total_whose_unit_is_misspelt_is_not_one_in_usd(wrong: Any) -> None:
    with pytest.raises(InputError, match="max_total"):
        limit_of(wrong)
    assert str(limit_of({"amount": 300, "unit": "credits"})) == "300 credits"


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0, None])
def test_a_live_check_has_a_limit_that_is_a_number(limit: Any) -> None:
    with pytest.raises(SystemExit, match="needs --max-usd"):
        live(argparse.Namespace(max_usd=limit, live="vidgo", to=None, report=None, connection=None))


def test_a_sum_since_a_moment_of_another_time_zone_has_every_purchase_since_then(tmp_path: Path) -> None:
    book = Book(Files(str(tmp_path), ["book"]))
    began = "2026-10-31T20:00:00.000+00:00"
    book.write(Line(id="a", vendor="vidgo", dag_id="d", run_id="r", task_id="t", began_at=began))
    now = datetime(2026, 11, 29, tzinfo=timezone.utc)
    assert [line.id for line in book.lines(since("2026-11-01T00:00:00+09:00", now), now)] == ["a"]
