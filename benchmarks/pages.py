"""Forty people watch videos of 600 MB at the same time: what the API server and everybody else notice.

``python -m benchmarks.pages [--streams 40]`` runs a real Airflow. Streams read through the pages, one as fast
as it can and the others at 2 MB/s each, while somebody else asks the API for a list of DAGs again and again.
The comparison is the same API server in the same run without a stream.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

import httpx
import psutil

from tools.rest import Run
from tools.stack import Stack

SECONDS, SLOW = 20.0, 2_000_000
FILES, BYTES = 3, 600_000_000


@dataclass
class Load:
    """What the streams have read."""

    ends: float
    read: list[int] = field(default_factory=list)

    def stream(self, url: str, per_second: float | None) -> None:
        """Read a file from its start until the time is over, at most ``per_second`` bytes a second."""
        count, since = 0, time.monotonic()
        with httpx.Client(timeout=60) as client:
            while time.monotonic() < self.ends:
                with client.stream("GET", url, headers={"Range": f"bytes={count % BYTES}-"}) as answer:
                    answer.raise_for_status()
                    for chunk in answer.iter_raw(1 << 16):
                        count += len(chunk)
                        if time.monotonic() > self.ends:
                            break
                        if per_second:
                            time.sleep(max(count / per_second - (time.monotonic() - since), 0))
        self.read.append(count)


def memory(stack: Stack) -> float:
    """Return the API server's resident memory, in MB."""
    return sum(psutil.Process(pid).memory_info().rss for pid in stack.pids("api-server")) / 1e6


def measured(stack: Stack, ends: float) -> tuple[list[float], float]:
    """Return how long other requests took, in ms, and the most memory of the API server, in MB."""
    took, most = [], 0.0
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        while time.monotonic() < ends:
            since = time.monotonic()
            client.get("/api/v2/dags").raise_for_status()
            took.append(1000 * (time.monotonic() - since))
            most = max(most, memory(stack))
            time.sleep(0.1)
    return took, most


def row(name: str, took: list[float], most: float, read: float) -> str:
    """Return a row of the table."""
    late = sorted(took)[int(0.95 * len(took))]
    return f"| {name} | {most:.0f} | {median(took):.0f} | {late:.0f} | {read / SECONDS / 1e6:.0f} |"


def landed(stack: Stack) -> Run:
    """Return a run that landed the files."""
    folder = stack.home / "videos"
    folder.mkdir(exist_ok=True)
    run = stack.api.trigger("big_file", {"folder": str(folder), "files": FILES, "bytes": BYTES})
    if run.wait(timeout=300) != "success":
        raise SystemExit(run.log("land"))
    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=40)
    streams = parser.parse_args().streams
    home = Path(tempfile.mkdtemp(prefix="vidai-pages-")) / "airflow"
    home.mkdir()
    dags = Path(__file__).parent / "dags"
    with Stack(home, dags=dags, speed=None, settings={"vidai.media_roots": str(home)}) as stack:
        run = landed(stack)
        query = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": "land"}
        address = f"{stack.url}/vidai/file?{urlencode(query, quote_via=quote)}&index="
        print("| | API server, MB | other requests, ms p50 | p95 | streamed, MB/s |\n|--|--|--|--|--|")
        measured(stack, time.monotonic() + 3)  # the first requests load what later ones have
        print(row("no stream", *measured(stack, time.monotonic() + SECONDS), 0))
        load = Load(time.monotonic() + SECONDS)
        threads = [
            threading.Thread(
                target=load.stream, args=(f"{address}{number % FILES}", SLOW if number else None)
            )
            for number in range(streams)
        ]
        for thread in threads:
            thread.start()
        took, most = measured(stack, load.ends)
        for thread in threads:
            thread.join()
        print(row(f"{streams} streams", took, most, sum(load.read)))


if __name__ == "__main__":
    main()
