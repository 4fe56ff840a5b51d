"""The command ``plan``: what a run of a DAG would buy, before it begins."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from airflow_provider_vidai._compat import dag_bags
from airflow_provider_vidai.cli.tables import console, logs_to_stderr
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.spend.plan import Plan, plan_of_dag


def plan(arguments: Any) -> None:
    """Show what a run of a DAG would buy."""
    conf = _conf(arguments.conf)
    with logs_to_stderr():
        try:
            found = plan_of_dag(_dag(arguments.dag_id), conf)
        except InputError as error:
            raise SystemExit(error.what) from None
    if arguments.json:
        sys.stdout.write(json.dumps(found.fields(), indent=2, ensure_ascii=False) + "\n")
        return
    shown = console()
    if found.lines:
        shown.print(_table(found))
    shown.print(found.summary())


def _conf(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise SystemExit(f"--conf must be a JSON object: {error}.") from None
    if not isinstance(found, dict):
        raise SystemExit("--conf must be a JSON object.")
    return found


def _dag(dag_id: str) -> Any:
    errors: dict[str, str] = {}
    # A broken file in one bundle must not hide the DAG in the next one.
    for dags, wrong in dag_bags():
        if dag_id in dags:
            return dags[dag_id]
        errors.update(wrong)
    raise SystemExit(_missing(dag_id, errors))


def _missing(dag_id: str, errors: Mapping[str, str]) -> str:
    broken = f" These files cannot be imported: {', '.join(sorted(map(str, errors)))}." if errors else ""
    return f"There is no DAG {dag_id!r} in the DAG files that this machine has.{broken}"


def _table(found: Plan) -> Table:
    table = Table("Task", "Vendor", "What", "How many", "Each", "USD", "", "Why")
    for line in found.lines:
        each = (
            "?"
            if line.amount is None
            else f"{line.amount:g} {(line.unit or '').upper() if line.unit == 'usd' else line.unit}"
        )
        total = line.total_usd
        table.add_row(
            *(line.task_id, line.vendor, line.model or line.kind),
            *("?" if line.count is None else str(line.count), each),
            *("?" if total is None else f"{total:.2f}", line.certainty),
            (line.reason or "").replace("[", "\\["),
        )
    return table
