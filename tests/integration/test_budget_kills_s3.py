"""A budget whose sums are on S3 is exact too, while processes that buy are killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_budget_kills import killed_at_work
from tools.servers import S3

pytestmark = pytest.mark.slow

KILLS = 40


def test_of_fifty_tasks_with_a_budget_of_ten_on_s3_exactly_ten_buy_whatever_is_killed(
    tmp_path: Path, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3(tmp_path / "s3") as s3:
        extra = {"endpoint_url": s3.url, "region_name": "us-east-1"}
        connect("budgets", conn_type="aws", login="testing", password="testing", extra=extra)
        root = f"s3://budgets@{s3.bucket}/ledger"
        killed = killed_at_work(root, tmp_path / "book", KILLS, monkeypatch)
        print(f"{killed} processes killed")  # noqa: T201
    assert killed >= 10
