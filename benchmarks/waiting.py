"""The load of 1,000 and of 10,000 waiting jobs on one event loop, compared with other ways of waiting.

``python -m benchmarks.waiting`` runs everything and prints the tables; ``--help`` lists the options.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import structlog

from benchmarks.styles import STYLES, Waiting

#: Seconds of each sleep by which the loop's lag is measured.
BEAT = 0.01


def percentile(values: list[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


# --- one run: in a process of its own -------------------------------------------------------------


class EndpointCounts:
    """Reads the endpoint's counts, over a port of their own."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/counts"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def read(self) -> dict[str, int]:
        """Return polls, connections opened and connections open so far."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> dict[str, int]:
        # The endpoint keeps connections open, so the client closes this one after the answer.
        with self._opener.open(self._url, timeout=30) as answer:
            found: dict[str, int] = json.loads(answer.read())
            return found


class Beats:
    """How late short sleeps wake, and how much of that was this process's own work.

    On a busy machine, the rest is the work of other processes. Only its own work can block a loop.
    """

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.own: list[float] = []

    async def run(self, until: float) -> None:
        """Sleep and measure until then."""
        while (before := time.perf_counter()) < until:
            spent = time.process_time()
            await asyncio.sleep(BEAT)
            lag = max(time.perf_counter() - before - BEAT, 0.0)
            self.lags.append(lag)
            self.own.append(min(lag, time.process_time() - spent))

    def figures(self) -> dict[str, float]:
        """Return the percentiles, in milliseconds."""
        return {
            f"{name}_{what}": value * 1e3
            for name, values in (("lag", self.lags), ("own", self.own))
            for what, value in (
                ("p50", percentile(values, 0.5)),
                ("p99", percentile(values, 0.99)),
                ("max", max(values)),
            )
        }


async def widest(counts: EndpointCounts, until: float) -> int:
    """Return the most connections that were open at once."""
    most = 0
    while time.perf_counter() < until:
        most = max(most, (await counts.read())["open"] - 1)
        await asyncio.sleep(1)
    return most


async def steady(wait: Waiting, counts: EndpointCounts, options: argparse.Namespace) -> dict[str, Any]:
    """Start the waiting evenly over one interval, and measure once each job has been checked."""
    process = psutil.Process()
    warm = [asyncio.ensure_future(wait(100_000 + number)) for number in range(20)]
    await asyncio.sleep(min(options.every, 12) + 1)  # imports, the pool and the caches are there now
    gc.collect()
    before = process.memory_info().rss
    tasks, began = [], time.perf_counter()
    for number in range(options.count):
        tasks.append(asyncio.ensure_future(wait(number)))
        due = began + options.every * (number + 1) / options.count
        if (left := due - time.perf_counter()) > 0.002:
            await asyncio.sleep(left)
    await asyncio.sleep(3)
    beats = Beats()
    until = time.perf_counter() + options.seconds
    first, spent, start = await counts.read(), time.process_time(), time.perf_counter()
    _, most = await asyncio.gather(beats.run(until), widest(counts, until))
    spent, took, last = time.process_time() - spent, time.perf_counter() - start, await counts.read()
    gc.collect()
    grown = process.memory_info().rss - before
    polls = last["polls"] - first["polls"]
    failed = sum(task.done() for task in tasks + warm)
    return {
        "polls_per_s": polls / took,
        "cpu_share": spent / took,
        **beats.figures(),
        "rss_kib": grown / 1024 / max(options.count, 1),
        "open": most,
        "opened_per_poll": (last["opened"] - first["opened"]) / max(polls, 1),
        "ended": failed,
    }


@contextlib.contextmanager
def lookups(seconds: float, counts: dict[str, int]) -> Iterator[None]:
    """Make reading a connection as slow as in a triggerer: one at a time, each taking ``seconds``."""
    from airflow.sdk import BaseHook

    turn, original = asyncio.Lock(), BaseHook.aget_connection

    async def slow(conn_id: str) -> Any:
        async with turn:
            counts["lookups"] += 1
            await asyncio.sleep(seconds)
            return await original(conn_id)

    BaseHook.aget_connection = staticmethod(slow)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        BaseHook.aget_connection = original  # type: ignore[method-assign]


async def burst(wait: Waiting, counts: EndpointCounts, options: argparse.Namespace) -> dict[str, Any]:
    """Start all at once, as after a triggerer's restart, and measure until each job has been checked once."""
    read, beats = {"lookups": 0}, Beats()
    with lookups(options.lookup, read):
        start, first = time.perf_counter(), await counts.read()
        beating = asyncio.ensure_future(beats.run(start + 600))
        await asyncio.sleep(0.1)
        tasks = [asyncio.ensure_future(wait(number)) for number in range(options.count)]
        while (await counts.read())["polls"] - first["polls"] < options.count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        took = time.perf_counter() - start
        beating.cancel()
    return {
        "lookups": read["lookups"],
        "all_checked_s": took,
        **beats.figures(),
        "ended": sum(task.done() for task in tasks),
    }


def measure(options: argparse.Namespace) -> None:
    """Measure one style, and print the figures as JSON."""
    # All styles log about as much, and logging is not what is compared.
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wait = STYLES[options.style](options.port, options.ca, options.every, options.connections)

    async def run() -> dict[str, Any]:
        return await (burst if options.burst else steady)(wait, EndpointCounts(options.counts), options)

    loop = asyncio.new_event_loop()
    print(json.dumps(loop.run_until_complete(run())), flush=True)
    os._exit(0)  # without cancelling ten thousand tasks first


# --- all runs -------------------------------------------------------------------------------------


@contextlib.contextmanager
def endpoint() -> Iterator[list[str]]:
    """Run the endpoint, and yield the options by which a run finds it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.endpoint", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port, counts = process.stdout.readline().split()
            try:
                yield ["--port", port, "--counts", counts, "--ca", str(Path(folder) / "ca.pem")]
            finally:
                process.terminate()


def once(style: str, options: list[str]) -> dict[str, float]:
    """Run one style in a fresh process with a fresh endpoint."""
    with endpoint() as where, tempfile.TemporaryDirectory() as home:
        ca = where[-1]
        # The other styles trust the process's default authorities.
        environment = {
            **os.environ,
            "SSL_CERT_FILE": ca,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__UNIT_TEST_MODE": "0",
        }
        command = [sys.executable, "-m", "benchmarks.waiting", "--style", style, *where, *options]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{style} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        style, *options, {key: round(value, 3) for key, value in found.items()}, file=sys.stderr, flush=True
    )
    return found


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def late(found: dict[str, float]) -> str:
    """Return two cells: the loop's lag, and the part of it that was own work."""
    lag = " / ".join(f"{found[f'lag_{what}']:.1f}" for what in ("p50", "p99", "max"))
    return f"{lag} | {found['own_p99']:.1f} / {found['own_max']:.1f}"


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return a Markdown table. CPU excludes the measuring itself; one column is relative to the session."""
    middle = {style: medians(runs) for style, runs in results.items()}
    own = middle["nothing"]["cpu_share"]
    cost = {
        style: (found["cpu_share"] - own) / found["polls_per_s"] * 1e3
        for style, found in middle.items()
        if style != "nothing"
    }
    lines = [
        "| | polls/s | loop lag p50 / p99 / max, ms | of it own work, p99 / max | CPU ms per poll "
        "| relative to a shared session | KiB per trigger | connections open | opened per poll |",
        "|--|--|--|--|--|--|--|--|--|",
    ]
    for style, found in middle.items():
        lag = late(found)
        if style == "nothing":
            lines.append(f"| nothing | 0 | {lag} | | | | | |")
            continue
        lines.append(
            f"| {style} | {found['polls_per_s']:.0f} | {lag} | {cost[style]:.2f} "
            f"| {cost[style] / cost['session']:.2f}x | {found['rss_kib']:.1f} | {found['open']:.0f} "
            f"| {found['opened_per_poll']:.2f} |"
        )
    return "\n".join(lines)


def burst_table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return a Markdown table of the cost of starting all at once."""
    lines = [
        "| | connections read | seconds until each had checked once | loop lag p50 / p99 / max, ms "
        "| of it own work, p99 / max |",
        "|--|--|--|--|--|",
    ]
    for style, runs in results.items():
        found = medians(runs)
        lines.append(f"| {style} | {found['lookups']:.0f} | {found['all_checked_s']:.1f} | {late(found)} |")
    return "\n".join(lines)


def everything(options: argparse.Namespace) -> None:
    """Run all styles in turn, again and again, and print the tables."""
    names = options.only.split(",") if options.only else list(STYLES)
    plans = {
        "1,000 waiting, a status check every 10 s": ["--count", "1000", "--every", "10", "--seconds", "20"],
        "10,000 waiting, a status check every 60 s": [
            *("--count", "10000", "--every", "60", "--seconds", "60", "--connections", "50"),
        ],
        "1,000 started at once": ["--count", "1000", "--every", "10", "--burst"],
    }
    for title, arguments in plans.items():
        if options.plan and options.plan not in title:
            continue
        chosen = [name for name in names if not ("--burst" in arguments and name in ("nothing", "session"))]
        results: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
        for _ in range(options.repeat):
            for name in chosen:
                results[name].append(once(name, arguments))
        made = burst_table if "--burst" in arguments else table
        print(f"\n{title} (medians of {options.repeat})\n\n{made(results)}\n", flush=True)


def main() -> None:
    """Run everything; or one style, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, in turn")
    parser.add_argument("--plan", default="", help="only the plans whose title contains this")
    parser.add_argument("--only", default="", help=f"only these, separated by commas: {', '.join(STYLES)}")
    for name in ("style", "ca"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name, default in (("port", 0), ("counts", 0), ("count", 1000), ("connections", 20)):
        parser.add_argument(f"--{name}", type=int, default=default, help=argparse.SUPPRESS)
    for name, value in (("every", 10.0), ("seconds", 30.0), ("lookup", 0.02)):
        parser.add_argument(f"--{name}", type=float, default=value, help=argparse.SUPPRESS)
    parser.add_argument("--burst", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    measure(options) if options.style else everything(options)


if __name__ == "__main__":
    main()
