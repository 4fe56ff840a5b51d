"""What 500 hostile calls do to Airflow's API server, and to the tasks that wait.

``python -m benchmarks.hostile`` starts only an API server, on a database with 100 tasks that wait for a job.
Calls come in six kinds, one kind after the other, twenty at a time. Meanwhile the latency of an ordinary
request is measured, ten times a second, and the memory of the server's processes. At the end, only the one
task may have been woken whose own address was replayed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from tools.stack import Stack

WAITING = 100
AT_ONCE = 20
#: Calls of each kind.
CALLS = {"forged": 100, "malformed": 100, "replayed": 100, "another DAG's": 100, "huge": 50, "slow": 50}
HUGE = b"x" * (8 << 20)
#: Seconds between two ordinary requests.
PROBE = 0.1
#: Seconds without calls before the first kind.
QUIET = 10.0

Call = Callable[[httpx.AsyncClient, int], Awaitable[object]]


class ApiServer(Stack):
    """Airflow's API server alone."""

    components = ()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plant", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().plant:
        plant()
        return
    settings = {
        "vidai.webhook_secret": secrets.token_hex(32),
        "vidai.webhook_base_url": "http://127.0.0.1",
        "api.workers": "1",
    }
    with (
        tempfile.TemporaryDirectory(prefix="vidai-hostile-") as home,
        ApiServer(Path(home), speed=None, settings=settings) as stack,
    ):
        command = (sys.executable, "-m", "benchmarks.hostile", "--plant")
        printed = subprocess.run(command, env=stack.env(), check=True, stdout=subprocess.PIPE, text=True)
        own, other = printed.stdout.split()[-2:]
        asyncio.run(measure(stack, calls(own, other)))
        time.sleep(5)
        with contextlib.closing(sqlite3.connect(f"{home}/airflow.db")) as database:
            query = "select dag_id, map_index from task_instance where state != 'deferred'"
            print(f"\n{WAITING} tasks waited; woken: {database.execute(query).fetchall()}")


def plant() -> None:
    """Add the tasks that wait; print the path of the first one's address, and of another DAG's."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session

    from airflow_provider_vidai.hooks.webhook import webhook
    from airflow_provider_vidai.jobs.media_record import TaskKey
    from airflow_provider_vidai.purchase.hint import Hint
    from airflow_provider_vidai.triggers.job import CLASSPATH

    begun = datetime.now(timezone.utc) - timedelta(minutes=5)
    runs, tasks = DagRun.__table__, TaskInstance.__table__
    keys = [TaskKey("own" if not number else "other", "run", "paid", number) for number in range(WAITING)]
    with create_session() as session:
        for dag_id in ("own", "other"):
            run = {"dag_id": dag_id, "run_id": "run", "state": "running", "run_type": "manual"}
            known = {**run, "run_after": begun, "clear_number": 0, "span_status": "x"}
            session.execute(runs.insert().values({name: known[name] for name in known if name in runs.c}))
        for number, key in enumerate(keys):
            ref = {"vendor": "vidgo", "conn_id": "vidgo_default", "job_id": f"j-{number}", "kind": "media"}
            kwargs = {"ref": ref, "deadline": time.time() + 3600, "purchase": f"p-{number}", "hints": 0}
            trigger = Trigger(classpath=CLASSPATH, kwargs=kwargs, created_date=begun)
            session.add(trigger)
            session.flush()
            facts: dict[str, Any] = {**key._asdict(), "state": "deferred", "trigger_id": trigger.id}
            facts |= {"pool": "default_pool", "pool_slots": 1, "try_number": 1, "executor_config": {}}
            facts |= {"next_method": "execute_complete", "next_kwargs": {}, "span_status": "x"}
            session.execute(tasks.insert().values({name: facts[name] for name in facts if name in tasks.c}))
    found = webhook()
    assert found is not None
    for key in keys[:2]:
        # The second address is valid, but for a purchase that this task did not make.
        print(urlsplit(found.url(Hint(vendor="vidgo", task=key, purchase="p-0")) or "").path)


def calls(own: str, other: str) -> dict[str, Call]:
    """Return what makes a call of each kind."""
    wrong = (f"{own}/more", "/vidai-hooks/%00%ff", "/vidai-hooks/" + "A" * 6000, own.swapcase())
    finished = b'{"status": "finished"}'
    return {
        "forged": lambda client, number: answer(client, f"{own[:-8]}{number:08}", finished),
        "malformed": lambda client, number: answer(client, wrong[number % len(wrong)], b"\xff{" * 500),
        "replayed": lambda client, _: answer(client, own, finished),
        "another DAG's": lambda client, _: answer(client, other, finished),
        "huge": lambda client, _: answer(client, other, HUGE),
        "slow": lambda client, _: answer(client, other, drops()),
    }


async def answer(client: httpx.AsyncClient, path: str, content: bytes | AsyncIterator[bytes]) -> object:
    """Make a call; return the status of its answer."""
    try:
        return (await client.post(path, content=content)).status_code
    except httpx.TransportError:
        return "cut off"


async def drops() -> AsyncIterator[bytes]:
    """Yield a body that never ends."""
    while True:
        yield b"x"
        await asyncio.sleep(0.5)


async def measure(stack: Stack, kinds: dict[str, Call]) -> None:
    """Make the calls, and print a row of the table for each kind."""
    print("| calls | answers | seconds | other requests, ms: p50 | p95 | max | server, MB: peak |")
    print("|--|--|--|--|--|--|--|", flush=True)
    limits = httpx.Limits(max_connections=AT_ONCE)
    client = httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60, limits=limits)
    async with client:
        await row(stack, "none", lambda: asyncio.sleep(QUIET))
        for name, call in kinds.items():
            answers: Counter[object] = Counter()
            turns = asyncio.Semaphore(AT_ONCE)

            async def one(number: int, call: Call = call, turns: asyncio.Semaphore = turns) -> object:
                async with turns:
                    return await call(client, number)

            async def all_of(name: str = name, answers: Counter[object] = answers) -> None:
                answers.update(await asyncio.gather(*(one(number) for number in range(CALLS[name]))))

            await row(stack, f"{CALLS[name]} {name}", all_of, answers)
        await row(stack, "none afterwards", lambda: asyncio.sleep(QUIET))


async def row(
    stack: Stack, name: str, work: Callable[[], Awaitable[object]], answers: Counter[object] | None = None
) -> None:
    """Do the work, watch the server meanwhile, and print how it was."""
    latencies: list[float] = []
    sizes: list[float] = []
    watching = asyncio.create_task(watch(stack, latencies, sizes))
    begun = time.monotonic()
    await work()
    seconds = time.monotonic() - begun
    await asyncio.sleep(1)
    watching.cancel()
    latencies.sort()
    at = [1000 * latencies[min(int(share * len(latencies)), len(latencies) - 1)] for share in (0.5, 0.95, 1)]
    got = ", ".join(f"{count} × {answer}" for answer, count in (answers or Counter()).most_common())
    shown = " | ".join(f"{one:.0f}" for one in at)
    print(f"| {name} | {got} | {seconds:.1f} | {shown} | {max(sizes):.0f} |", flush=True)


async def watch(stack: Stack, latencies: list[float], sizes: list[float]) -> None:
    """Make an ordinary request again and again, and note the size of the server's processes."""
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as client:
        while True:
            begun = time.monotonic()
            answer = await client.get("/api/v2/monitor/health")
            assert answer.is_success
            latencies.append(time.monotonic() - begun)
            sizes.append(memory(stack))
            await asyncio.sleep(max(PROBE - latencies[-1], 0.0))


def memory(stack: Stack) -> float:
    """Return the size of the server's processes in MB; what they share counts in parts."""
    total = 0
    for pid in stack.pids("api-server"):
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_full_info().pss
    return total / 1e6


if __name__ == "__main__":
    main()
