"""The commands ``jobs`` and ``spend``: the book of purchases as tables, JSON or CSV."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from rich.table import Table

from airflow_provider_vidai.cli.tables import console
from airflow_provider_vidai.spend.book import FOLDER, Book, Line
from airflow_provider_vidai.spend.files import ledger_files
from airflow_provider_vidai.spend.report import STATES, UNITS, Total, totals

_SPANS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
#: Characters of the longest bar.
_BAR = 24
NO_BOOK = (
    "There is no book of purchases: [vidai] ledger_path is not set. Set it to a storage URI or path that "
    "every worker and this machine can reach; purchases are then kept there, from now on."
)


def jobs(arguments: Any) -> None:
    """List purchases, the newest first."""
    lines = [
        line
        for line in _lines(arguments)
        if line.outcome != "not_bought" and (not arguments.state or STATES[line.outcome] in arguments.state)
    ]
    lines.sort(key=lambda line: line.began_at, reverse=True)
    if arguments.json or arguments.csv:
        _print([{"state": STATES[line.outcome], **line.model_dump(mode="json")} for line in lines], arguments)
        return
    if not lines:
        console().print("There are no such purchases.")
        return
    table = Table("Bought (UTC)", "Vendor", "Kind", "Job", "DAG, run, task", "State", "Charged", "Cost")
    for line in lines:
        bought = (line.bought_at or line.began_at)[:19].replace("T", " ")
        table.add_row(
            *(bought, line.vendor, line.kind, line.job_id or "", _task(line), STATES[line.outcome]),
            *(line.charged, str(line.cost)),
        )
    console().print(table)


def spend(arguments: Any) -> None:
    """Add up what was spent."""
    found = totals(_lines(arguments), arguments.by)
    if arguments.json or arguments.csv:
        _print([total.fields() for total in found], arguments)
        return
    shown = console()
    shown.print(_sums(found, arguments.by) if found else "There are no such purchases.")
    unresolved = sum(total.unresolved for total in found)
    if unresolved:
        shown.print(
            f"Purchases of unknown outcome, which are in no sum: {unresolved}. 'jobs --state unresolved' "
            "lists them, and 'resolve' settles each."
        )


def _sums(found: Sequence[Total], by: str) -> Table:
    units = [unit for unit in UNITS[1:] if any(total.amounts.get(unit) for total in found)]
    table = Table(by.capitalize(), "Jobs", "USD", *(unit.capitalize() for unit in units), "Without price")
    table.add_column("Refunded")
    table.add_column("")
    longest = max((_size(total, found) for total in found), default=Decimal(0))
    for total in found:
        share = _size(total, found) / longest if longest else Decimal(0)
        table.add_row(
            *(total.group, str(total.jobs), f"{total.usd:,.2f}"),
            *(f"{total.amounts.get(unit, Decimal(0)).normalize():,f}" for unit in units),
            *(str(total.unpriced or ""), str(total.refunded or ""), "█" * round(share * _BAR)),
        )
    return table


def _size(total: Total, found: Sequence[Total]) -> Decimal:
    """Return what a bar shows: USD, or the number of jobs where no price in USD is known."""
    return total.usd if any(one.usd for one in found) else Decimal(total.jobs)


def _lines(arguments: Any) -> list[Line]:
    files = ledger_files(FOLDER)
    if files is None:
        raise SystemExit(NO_BOOK)
    now = datetime.now(timezone.utc)
    wanted = {"vendor": arguments.vendor, "dag_id": arguments.dag, "connection": arguments.connection}
    return [
        line
        for line in Book(files).lines(since(arguments.since, now), now)
        if all(value in (None, getattr(line, name)) for name, value in wanted.items())
    ]


def since(text: str, now: datetime) -> datetime:
    """Return the moment that ``--since`` names: ``12h``, ``30d``, ``4w`` or a date.

    :raises SystemExit: when it names none.
    """
    span = re.fullmatch(r"(\d+)\s*([hdw])", text.strip().lower())
    try:
        if span:
            return now - timedelta(seconds=int(span[1]) * _SPANS[span[2]])
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise SystemExit(f"--since must be a time like 12h, 30d or 4w, or a date, not {text!r}.") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _task(line: Line) -> str:
    index = f"[{line.map_index}]" if line.map_index >= 0 else ""
    lap = f" lap {line.lap}" if line.lap else ""
    return f"{line.dag_id} {line.run_id} {line.task_id}{index}{lap}"


def _print(rows: list[dict[str, Any]], arguments: Any) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    elif rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
