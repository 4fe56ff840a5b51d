"""Two hundred Venice jobs waiting at once in a real triggerer: how late they are found, within two budgets.

``python -m benchmarks.crowd [--jobs 100]`` runs an Airflow with scheduler, triggerer and API server, and the
sandbox with Venice's own limit of 120 retrieves per minute and account. Half of the jobs belong to a second
account. All of them are bought while the sandbox's clock stands still. Then the clock runs, and the jobs
become ready in three crowds. The comparison is the best possible result within the budget, for somebody who
knows when each job is ready.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from airflow_provider_vidai.sandbox.client import Control
from tools.rest import Run
from tools.stack import Stack

ACCOUNTS = ("a", "b")
#: Seconds that the models of ``dags/crowd.py`` take in the sandbox, in its order.
TAKES = (32.0, 72.0, 116.0)
PER_MINUTE = 120


def found_at(home: Path, run: Run) -> Iterator[tuple[int, float]]:
    """Yield each job's map index and when its trigger reported that it was ready."""
    for path in home.glob(f"logs/dag_id={run.dag_id}/run_id={run.run_id}/task_id=paid/map_index=*/*"):
        index = int(path.parent.name.partition("=")[2])
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if "trigger" in path.name and str(entry.get("event", "")).endswith(": COMPLETED"):
                yield index, datetime.fromisoformat(entry["timestamp"].replace("Z", "+00:00")).timestamp()
                break


def best(ready: list[float]) -> list[float]:
    """Return the delays if each job is checked as soon as it is ready and the budget allows it."""
    free, late = 0.0, []
    for moment in sorted(ready):
        free = max(free + 60 / PER_MINUTE, moment)
        late.append(free - moment)
    return late


def row(name: str, late: list[float]) -> str:
    """Return a row of the table."""
    ordered = sorted(late)
    at = [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in (0.1, 0.5, 0.9, 0.99)]
    return f"| {name} | {fmean(late):.1f} | {' | '.join(f'{one:.1f}' for one in at)} | {ordered[-1]:.1f} |"


def busiest(times: list[float]) -> int:
    """Return the most calls in any sixty seconds."""
    most, first = 0, 0
    for last, moment in enumerate(times):
        while moment - times[first] >= 60:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=100, help="of each account")
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="vidai-crowd-") as folder:
        measure(Path(folder), jobs)


def measure(home: Path, jobs: int) -> None:
    """Run the jobs in an Airflow of their own."""
    with Stack(home, dags=Path(__file__).parent / "dags", speed=0.0) as stack:
        sandbox = Control(stack.sandbox_url)
        sandbox.settings(venice={"short_side": 64, "queue_per_minute": 0, "retrieve_per_minute": PER_MINUTE})
        for account in ACCOUNTS:
            host = f"{stack.sandbox_url}/venice/api/v1"
            fields = {"conn_type": "venice", "host": host, "password": f"key-of-{account}"}
            stack.api.call("POST", "connections", body={"connection_id": f"venice_{account}", **fields})
        runs = {account: stack.api.trigger(f"crowd_{account}", {"jobs": jobs}) for account in ACCOUNTS}
        while any(sum(one["state"] == "deferred" for one in run.tasks()) < jobs for run in runs.values()):
            time.sleep(2)
        began = time.time()
        sandbox.settings(speed=1)
        states = {account: run.wait(1800) for account, run in runs.items()}
        show(stack, sandbox, runs, began, states)


def show(stack: Stack, sandbox: Control, runs: dict[str, Run], began: float, states: dict[str, str]) -> None:
    """Print what happened."""
    late: list[float] = []
    ideal: list[float] = []
    for run in runs.values():
        found = dict(found_at(stack.home, run))
        ready = {index: began + TAKES[index % len(TAKES)] for index in found}
        late += [moment - ready[index] for index, moment in found.items()]
        ideal += best(list(ready.values()))
    book = sandbox.purchases("venice")
    checks = sandbox.calls("venice", "retrieve")
    times = sorted(datetime.fromisoformat(one["at"]).timestamp() for one in checks)
    print(f"{states}, {len(book)} bought by {Counter(one['account'] for one in book)}, {len(late)} found")
    print(f"retrieves: {len(checks)}, answers {Counter(one['status'] for one in checks)}")
    print(f"both accounts together, most in any minute: {busiest(times)} of {2 * PER_MINUTE}")
    print(f"closest two retrieves: {min((b - a for a, b in pairwise(times)), default=0) * 1000:.0f} ms")
    print("\n| seconds from ready to found | mean | p10 | p50 | p90 | p99 | max |\n|--|--|--|--|--|--|--|")
    print(row("this package", late))
    print(row("best possible within the budget", ideal))


if __name__ == "__main__":
    main()
