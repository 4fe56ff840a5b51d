"""A worker that runs one try of one task in a process of its own, for tests that kill it."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidai._compat import AirflowException
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from tests.support.books import Of
from tests.support.task import Instance

#: Exit codes.
BOUGHT, REFUSED, UNKNOWN, FAILED = 0, 3, 4, 5
#: All tries belong to one DAG run, which started then.
STARTED = datetime(2026, 1, 1, tzinfo=timezone.utc)


def task(number: int, attempt: int, max_tries: int, **more: Any) -> Of:
    """Return a task that buys an image, at its ``attempt``-th try."""

    def make() -> VidgoGenerateOperator:
        return VidgoGenerateOperator(
            task_id="made",
            model="nano-banana",
            input={"prompt": f"picture {number}"},
            deferrable=False,
            poll_interval=0.05,
            **more,
        )

    found = Of(make, "dag", "run", f"task_{number}")
    found.instance = Instance(attempt, max_tries)
    found.dag_run.start_date = STARTED
    return found


def run(number: int, attempt: int, max_tries: int, environment: dict[str, str]) -> None:
    """Run a try; the process's exit code says how it ended."""
    os.environ.update(environment)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    try:
        task(number, attempt, max_tries).run()
    except AirflowException as error:
        text = str(error)
        code = REFUSED if "is used up" in text else UNKNOWN if "outcome is unknown" in text else FAILED
        if code == FAILED:
            with open(environment["TROUBLE"], "a") as file:  # noqa: PTH123
                file.write(json.dumps([number, attempt, text]) + "\n")
        os._exit(code)
    os._exit(BOUGHT)
