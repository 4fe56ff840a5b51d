"""How many purchases a thousand requests of a hundred kinds make with ``reuse="same_request"``.

    python -m benchmarks.reuse [--requests 1000] [--kinds 100] [--processes 8]

Each process runs operators of different DAG runs against one sandbox, in an order of its own, with one ledger
in a folder. Each task lands its file; its purchases are counted in the sandbox's account book.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="vidai-reuse-"))
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("AIRFLOW__VIDAI__POSTERS", "False")

#: Seconds of real time until a task that waits for another one's purchase comes back.
WAIT = 0.2


def work(requests: list[int], kinds: int, folder: str) -> None:
    """Run the tasks of one process."""
    import pytest

    from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
    from airflow_provider_vidai.spend import reuse
    from tests.support.books import Of
    from tests.support.pauses import shorten

    logging.disable(logging.CRITICAL)
    shorten(pytest.MonkeyPatch())
    reuse.WAIT_SECONDS = WAIT
    for number in requests:
        task = Of(
            lambda number=number: VidgoGenerateOperator(
                task_id="made",
                model="nano-banana",
                input={"prompt": f"kind {number % kinds}"},
                poll_interval=0.05,
                deferrable=False,
                download_to=f"{folder}/{number}/",
                reuse="same_request",
            ),
            *(f"dag_{number % 7}", f"run_{number}"),
        )
        assert task.run()["files"]


def main() -> None:
    """Start the processes and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--kinds", type=int, default=100)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        order = json.loads(given.work)
        work(order["requests"], given.kinds, order["folder"])
        return
    from airflow_provider_vidai.sandbox.server import serve

    folder = tempfile.mkdtemp(prefix="vidai-reuse-")
    numbers = [*range(given.requests)]
    random.Random(8).shuffle(numbers)
    with serve(speed=3000.0) as sandbox:
        sandbox.control.settings(vidgo={"short_side": 64})
        value = {"conn_type": "vidgo", "host": f"{sandbox.url}/vidgo", "password": "key"}
        environment = {
            **os.environ,
            "AIRFLOW__VIDAI__LEDGER_PATH": f"{folder}/ledger",
            "AIRFLOW_CONN_VIDGO_DEFAULT": json.dumps(value),
        }
        began = time.monotonic()
        running = []
        for process in range(given.processes):
            order = json.dumps({"requests": numbers[process :: given.processes], "folder": f"{folder}/files"})
            command = [sys.executable, "-m", "benchmarks.reuse", "--kinds", str(given.kinds), "--work", order]
            running.append(subprocess.Popen(command, env=environment))
        codes = [one.wait() for one in running]
        kinds = Counter(entry["request"]["input"]["prompt"] for entry in sandbox.control.purchases())
    seconds, failed = time.monotonic() - began, sum(map(bool, codes))
    print(f"{given.requests} requests of {given.kinds} kinds by {given.processes} processes: {seconds:.0f} s")
    print(f"purchases: {sum(kinds.values())}; kinds bought: {len(kinds)}; processes that failed: {failed}")


if __name__ == "__main__":
    main()
