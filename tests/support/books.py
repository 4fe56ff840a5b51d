"""Tasks of several DAGs with a ledger in a folder, and the commands that read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.cli.__main__ import main
from tests.support.task import Task


class Of(Task):
    """A task of a certain DAG and run, which keeps its record under ``[vidai] ledger_path``."""

    def __init__(self, make: Any, dag_id: str, run_id: str, task_id: str = "paid", **more: Any) -> None:
        super().__init__(make, store=False, **more)
        self.names = (dag_id, run_id, task_id)

    def context(self) -> dict[str, Any]:
        self.instance.dag_id, self.instance.run_id, self.instance.task_id = self.names
        return super().context()


def command(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """Run ``python -m airflow_provider_vidai.cli``; return what it printed."""
    capsys.readouterr()
    main(arguments)
    return capsys.readouterr().out


def rows(capsys: pytest.CaptureFixture, *arguments: str) -> list[dict[str, Any]]:
    """Run a command with ``--json``; return its rows."""
    text = command(capsys, *arguments, "--json")
    found: list[dict[str, Any]] = json.loads(text[text.index("[\n") if "[\n" in text else text.index("[]") :])
    return found
