"""The command itself: runs the checks, shows what they found, and ends with an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

from airflow_provider_vidai._compat import dag_bags
from airflow_provider_vidai.cli.doctor import connections, deployment, live, settings, storage
from airflow_provider_vidai.cli.doctor.finding import Check, Finding, first_line
from airflow_provider_vidai.cli.tables import console, logs_to_stderr

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(arguments: Any) -> None:
    """Run all checks, or buy one small job with ``--live``.

    :raises SystemExit: with 1 where a check failed.
    """
    if arguments.live:
        live.live(arguments)
        return
    with logs_to_stderr():
        found = [(check.about, check.finding()) for check in checks(arguments)]
    if arguments.json:
        rows = [{"about": about, **finding._asdict()} for about, finding in found]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        console().print(_table(found))
    if any(finding.level == "fail" for _, finding in found):
        sys.exit(1)


def checks(arguments: Any) -> Iterator[Check]:
    """Yield all checks, in the order in which a person would make them."""
    dags: dict[str, Any] = {}
    errors: dict[str, str] = {}
    unreadable = None if arguments.no_dags else _read_dags(dags, errors)
    yield from connections.checks(arguments.connection or (), deployment.connections_of(dags))
    yield from storage.checks()
    yield from settings.checks()
    yield from deployment.checks(dags, errors)
    if unreadable is not None:
        finding = unreadable
        yield Check("DAG files", lambda: finding)


def _read_dags(dags: dict[str, Any], errors: dict[str, str]) -> Finding | None:
    try:
        for found, wrong in dag_bags():
            dags.update(found)
            errors.update(wrong)
    except Exception as error:  # noqa: BLE001 - a bundle or a database raises anything
        return Finding("warn", f"The DAG files cannot be read from here: {first_line(error)}.")
    return None


def _table(found: list[tuple[str, Finding]]) -> Table:
    table = Table("", "About", "Found", "To do")
    for about, finding in found:
        mark = f"[{_COLOURS[finding.level]}]{finding.level}[/]"
        table.add_row(mark, about, _plain(finding.what), _plain(finding.todo))
    return table


def _plain(text: str) -> str:
    """Return a text of which rich takes nothing for its own marks, such as ``[vidai]``."""
    return text.replace("[", "\\[")
