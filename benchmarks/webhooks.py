"""How soon a vendor's call resumes the task that waits, beside polling, in a real Airflow.

``python -m benchmarks.webhooks [--jobs 50]`` buys the jobs while the sandbox's clock stands still. Then all
are ready, and the sandbox calls about one of them every few seconds, so that no resumed task waits for
another one's worker. The time is from the call to the status check that the resumed task makes. The
comparison buys the same jobs without webhooks: there the time is from the end of the job to the status check
that finds it.

``python -m benchmarks.hostile`` measures what hostile calls do to the API server.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from airflow_provider_vidai.sandbox.client import Control
from tools.settings import choose_port
from tools.stack import Stack

#: Seconds between two calls.
APART = 2.5


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=50)
    jobs = parser.parse_args().jobs
    port = choose_port()
    settings = {
        "vidai.webhook_secret": secrets.token_hex(32),
        "vidai.webhook_base_url": f"http://127.0.0.1:{port}",
        # Only calls are to be measured here.
        "vidai.poll_with_webhook": "3600",
    }
    print("| | jobs | seconds: mean | p50 | p95 | max | status checks per job |\n|--|--|--|--|--|--|--|")
    with (
        tempfile.TemporaryDirectory(prefix="vidai-webhooks-") as home,
        Stack(
            Path(home), dags=Path(__file__).parent / "dags", speed=0.0, settings=settings, ui_port=port
        ) as stack,
    ):
        for dag_id, name in (("called", "calls"), ("polled", "status checks")):
            measure(stack, dag_id, name, jobs)


def measure(stack: Stack, dag_id: str, name: str, jobs: int) -> None:
    """Run the jobs once, and print a row of the table."""
    sandbox = Control(stack.sandbox_url)
    sandbox.reset()
    sandbox.settings(speed=0, vidgo={"short_side": 64, "callback_tries": 1})
    for number in range(jobs if dag_id == "called" else 0):
        sandbox.fault("vidgo", "callback", "callback", what="delayed", seconds=number * APART)
    run = stack.api.trigger(dag_id, {"jobs": jobs})
    while sum(one["state"] == "deferred" for one in run.tasks()) < jobs:
        time.sleep(2)
    time.sleep(10)  # Airflow has noticed by then that the processes of the deferred tasks have ended
    sandbox.advance(3600)
    ready = time.time()
    state = run.wait(900)
    late, checks = times(sandbox, None if dag_id == "called" else ready)
    late.sort()
    at = [late[min(int(share * len(late)), len(late) - 1)] for share in (0.5, 0.95)]
    shown = " | ".join(f"{one:.1f}" for one in (fmean(late), *at, late[-1]))
    print(f"| {name} ({state}) | {len(late)} | {shown} | {checks / jobs:.2f} |", flush=True)
    tries = Counter(one["try_number"] for one in run.tasks() if one["task_id"] == "paid")
    print(f"<!-- bought {len(sandbox.purchases('vidgo'))}, tries {dict(tries)} -->", flush=True)


def times(sandbox: Control, ready: float | None) -> tuple[list[float], int]:
    """Return the seconds until each job was found, and the number of status checks of all."""
    checks: defaultdict[str, list[float]] = defaultdict(list)
    for one in sandbox.calls("vidgo", "status"):
        checks[one["path"].rpartition("/")[2]].append(moment(one))
    # The calls come in the order of the purchases.
    ids = [one["job_id"] for one in sandbox.purchases("vidgo")]
    calls = [moment(one) for one in sandbox.calls("vidgo", "callback")]
    begun = dict(zip(ids, calls, strict=True)) if ready is None else dict.fromkeys(ids, ready)
    found = [min(at for at in checks[job_id] if at > begin) - begin for job_id, begin in begun.items()]
    return found, sum(map(len, checks.values()))


def moment(call: dict[str, Any]) -> float:
    """Return when a call was made."""
    return datetime.fromisoformat(call["at"]).timestamp()


if __name__ == "__main__":
    main()
