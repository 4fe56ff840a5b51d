"""Many requests in one task: two thousand with failures and kills; and three hundred beside ``.expand()``.

``python -m benchmarks.batch thousands`` buys 2,000 pictures of the sandbox in one task. 5 % of the jobs fail
free of charge, 2 % of the purchases' answers are lost, and two workers are killed: one while it buys, one
while it lands. It then holds the manifest against the sandbox's account book.

``python -m benchmarks.batch expand`` runs 300 requests in a real Airflow, once as a batch and once as mapped
tasks, and compares what that costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_vidai.jobs.title import short_id
from airflow_provider_vidai.sandbox.client import Control
from tools.rest import RestError
from tools.settings import choose_port

#: One purchase in this many makes a job that fails, and one answer in this many is lost.
FAILS_EACH, LOST_EACH = 20, 50
#: Seconds for which a run in a real Airflow is waited for.
LONGEST = 7200.0


# --- two thousand in one task -------------------------------------------------------------------


def context(operator: Any, number: int, max_tries: int) -> dict[str, Any]:
    """Return as much of a task's context as a batch needs."""
    instance = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="batch",
        map_index=-1,
        id=uuid.uuid4(),
        try_number=number,
        max_tries=max_tries,
        task=operator,
        xcom_push=lambda **_: None,
    )
    started = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return {
        "ti": instance,
        "dag_run": SimpleNamespace(start_date=started, clear_number=0),
        "outlet_events": {},
    }


def one_try(home: Path, count: int, number: int, max_tries: int) -> dict[str, Any]:
    """Run a try to its end, with its deferrals in this process; return its result or its error."""
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_vidai.batch.operators import VidgoBatchOperator

    operator = VidgoBatchOperator(
        task_id="batch",
        requests=[{"prompt": f"picture number {one}"} for one in range(count)],
        common={"model": "gpt-4o-image", "size": "1:1"},
        download_to=f"{home}/out/",
        poll_interval=2,
        parallel_purchases=8,
        parallel_downloads=8,
    )
    given = context(operator, number, max_tries)
    stints, largest = 1, 0
    work: Callable[[], Any] = lambda: operator.execute(given)  # noqa: E731
    while True:
        try:
            return {"result": work(), "stints": stints, "largest": largest}
        except TaskDeferred as deferred:
            stints += 1
            largest = max(largest, len(json.dumps(deferred.trigger.serialize()[1])))
            kwargs = {**(deferred.kwargs or {}), "event": asyncio.run(_event(deferred.trigger))}
            work = lambda kwargs=kwargs: operator.execute_next(given, **kwargs)  # type: ignore[misc] # noqa: E731
        except Exception as error:  # noqa: BLE001 - shown in the table
            return {"error": f"{type(error).__name__}: {error}", "stints": stints, "largest": largest}


async def _event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("a trigger ends with an event")


class Try:
    """A try in a process of its own, which can be killed."""

    def __init__(self, home: Path, *arguments: int) -> None:
        self.answer = home / "answer.json"
        self.answer.unlink(missing_ok=True)
        self.began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            with (home / "log.txt").open("a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                try:
                    self.answer.write_text(json.dumps(one_try(home, *arguments)))
                finally:
                    os._exit(0)

    def end(self) -> tuple[dict[str, Any], Any]:
        """Wait for the end; return what the try said, and what it used."""
        _, _, usage = os.wait4(self.pid, 0)
        said = json.loads(self.answer.read_text()) if self.answer.exists() else {"error": "killed"}
        return said, usage

    def kill_when(self, reached: Callable[[], bool]) -> None:
        """Kill the process as soon as something has come that far."""
        while not reached():
            time.sleep(0.2)
        os.kill(self.pid, signal.SIGKILL)


def order_faults(control: Control, count: int) -> None:
    """Let jobs fail and answers get lost."""
    for one in range(count // FAILS_EACH):
        again = {"skip": one * FAILS_EACH + 7, "message": "Generation congested"}
        control.fault("vidgo", "submit", "fail_job", **again)
    for one in range(count // LOST_EACH):
        control.fault("vidgo", "submit", "reset", when="after", skip=one * LOST_EACH + 13)


def thousands(home: Path, count: int) -> None:
    """Buy, kill, retry and clear, and print what the manifest and the account book say."""
    port = choose_port()
    command = ("airflow_provider_vidai.sandbox", "--port", str(port), "--speed", "10")
    with _sandbox(home, command, port) as control:
        control.settings(vidgo={"short_side": 64, "balance": 1e9})
        order_faults(control, count)
        os.environ["AIRFLOW_CONN_VIDGO_DEFAULT"] = json.dumps(
            {"conn_type": "vidgo", "password": "key", "host": f"http://127.0.0.1:{port}/vidgo"}
        )
        os.environ["AIRFLOW__VIDAI__LEDGER_PATH"] = str(home / "ledger")
        os.environ["AIRFLOW__VIDAI__POSTERS"] = "False"
        print("| try | ended | seconds | CPU s | peak MiB | workers | bytes of a trigger | bought | landed |")
        print("|--" * 9 + "|")
        landed = lambda: len([*(home / "out").glob("*.png")]) if (home / "out").exists() else 0  # noqa: E731
        bought = lambda: control.book()["totals"]["purchases"]  # noqa: E731
        kills = [lambda: bought() >= count * 0.4, lambda: landed() >= count * 0.3]
        number, max_tries = 0, 10
        while True:
            number += 1
            running = Try(home, count, number, max_tries)
            if kills:
                running.kill_when(kills.pop(0))
            said, usage = running.end()
            print(
                f"| {number} | {'success' if 'result' in said else said['error'][:60]} "
                f"| {time.monotonic() - running.began:.0f} | {usage.ru_utime + usage.ru_stime:.0f} "
                f"| {usage.ru_maxrss / 1024:.0f} | {said.get('stints', '')} | {said.get('largest', '')} "
                f"| {bought()} | {landed()} |",
                flush=True,
            )
            if "killed" not in str(said.get("error")):
                compare(home, control)
            if "result" in said:
                return
            if number >= 4:  # only what was lost is left: a person decides
                max_tries += 10


def compare(home: Path, control: Control) -> None:
    """Print whether the manifest and the account book agree."""
    (path,) = (home / "out").glob("manifest-*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    book = control.purchases("vidgo")
    known = {line["job"]["job_id"] for line in lines if line["job"]}
    earlier = [one for line in lines for one in line["earlier"]]
    known |= {one["job_id"] for one in earlier if one["job_id"]}
    lost = sum(not one["job_id"] for one in earlier)
    lost += sum(line["charged"] == "maybe" for line in lines)
    unknown = [one for one in book if one["job_id"] not in known]
    refunded = {one["job_id"] for one in book if one["refunded"]}
    free = {one["job_id"] for one in earlier if one["charged"] in ("no", "refunded")}
    free |= {line["job"]["job_id"] for line in lines if line["job"] and line["charged"] == "refunded"}
    print(
        f"\nmanifest: {dict(Counter(line['state'] for line in lines))}; jobs known {len(known)}, of unknown "
        f"outcome {lost}, refunded {len(free)}. Account book: {len(book)} purchases, of which the manifest "
        f"names {len(book) - len(unknown)}; refunded {len(refunded)}. Jobs named that were never bought: "
        f"{len(known - {one['job_id'] for one in book})}.\n"
    )
    assert known <= {one["job_id"] for one in book}
    assert len(unknown) <= lost
    assert free == refunded & known


class _sandbox:  # noqa: N801 - used like a function
    """The sandbox in a process of its own."""

    def __init__(self, home: Path, command: tuple[str, ...], port: int) -> None:
        self._home, self._command, self._port = home, command, port

    def __enter__(self) -> Control:
        import subprocess
        import sys

        log = (self._home / "sandbox.txt").open("w")
        self._process = subprocess.Popen([sys.executable, "-m", *self._command], stdout=log, stderr=log)
        control = Control(f"http://127.0.0.1:{self._port}")
        while True:
            try:
                control.book()
                return control
            except OSError:
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


# --- beside mapped tasks ------------------------------------------------------------------------


def expand(home: Path, count: int) -> None:
    """Run the same requests as a batch and as mapped tasks, and print what each cost."""
    from tools.stack import Stack

    settings = {"vidai.ledger_path": str(home / "ledger"), "vidai.posters": "False"}
    with Stack(home, dags=Path(__file__).parent / "dags", speed=10.0, settings=settings) as stack:
        Control(stack.sandbox_url).settings(vidgo={"short_side": 64, "balance": 1e9})
        # First a few of each: components that have just started still import what they need.
        for number in (3, count):
            print(
                f"{number} requests:\n\n| | wall s | CPU s of all components | rows | bytes | peak MiB "
                "| ready to landed, s: mean, max | state |\n" + "|--" * 8 + "|"
            )
            for dag_id in ("batch_one", "batch_mapped"):
                tables = _measured(stack, dag_id, number)
                print(f"<!-- rows of {dag_id}: {tables} -->", flush=True)


def _measured(stack: Any, dag_id: str, count: int) -> str:
    """Run one DAG, print its line of the table, and return which tables have grown."""
    stack.api.wait_for_dag(dag_id)
    home, out = stack.home, stack.home / f"{dag_id}_{count}"
    cpu, before, size, began = _cpu(stack), _rows(home), _size(home), time.monotonic()
    run = stack.api.trigger(dag_id, {"count": count, "download_to": f"{out}/"})
    ready = Ready(stack.sandbox_url)
    peak, state = 0.0, ""
    while state not in ("success", "failed") and time.monotonic() - began < LONGEST:
        time.sleep(2)
        ready.check()
        peak = max(peak, _memory(stack))
        with suppress(RestError):  # an API server that is busy with the tasks
            state = run.state
    took, used = time.monotonic() - began, _cpu(stack) - cpu
    waits = ready.until_landed(out)
    mean = sum(waits) / max(len(waits), 1)
    rows = _rows(home)
    rows.subtract(before)
    print(
        f"| {dag_id} | {took:.0f} | {used:.0f} | {sum(rows.values())} | {_size(home) - size} | {peak:.0f} "
        f"| {mean:.1f}, {max(waits, default=0):.0f} | {state}, {len(waits)} landed |",
        flush=True,
    )
    return ", ".join(f"{name} {number}" for name, number in rows.most_common() if number)


class Ready:
    """When jobs became ready, as the sandbox's account book shows it, and when their files had landed.

    :param url: the sandbox's.
    """

    def __init__(self, url: str) -> None:
        self._control = Control(url)
        self._before = {one["job_id"] for one in self._control.purchases("vidgo")}
        self._at: dict[str, float] = {}

    def check(self) -> None:
        """Note which jobs have become ready since. The times are as exact as the checks are frequent."""
        for one in self._control.purchases("vidgo"):
            if one["state"] == "finished" and one["job_id"] not in self._before:
                self._at.setdefault(one["job_id"], time.time())

    def until_landed(self, folder: Path) -> list[float]:
        """Return the seconds from ready to landed of each job whose file is there."""
        landed = {path.stem: path.stat().st_mtime for path in folder.glob("*.png")}
        found = []
        for job_id, ready in self._at.items():
            at = next((at for name, at in landed.items() if short_id(job_id) in name), None)
            if at is not None:
                found.append(max(at - ready, 0.0))
        return found


def _processes(stack: Any) -> list[Any]:
    import psutil

    found = []
    for name in (*stack.components, "api-server"):
        for pid in stack.pids(name):
            try:
                found.append(psutil.Process(pid))
            except psutil.NoSuchProcess:
                continue
    return found


def _cpu(stack: Any) -> float:
    """Return the CPU seconds of all components, including those of processes that have ended."""
    import psutil

    total = 0.0
    for process in _processes(stack):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(stack: Any) -> float:
    import psutil

    total = 0.0
    for process in _processes(stack):
        try:
            total += process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            continue
    return total


def _database(home: Path) -> Path:
    (path,) = home.glob("*.db")
    return path


def _rows(home: Path) -> Counter[str]:
    """Return the number of rows in each table."""
    with closing(sqlite3.connect(f"file:{_database(home)}?mode=ro", uri=True)) as database:
        names = [one for (one,) in database.execute("select name from sqlite_master where type = 'table'")]
        return Counter(
            {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names}
        )


def _size(home: Path) -> int:
    """Return the bytes that the database uses, without pages that are free again."""
    with closing(sqlite3.connect(f"file:{_database(home)}?mode=ro", uri=True)) as database:
        pages, free, size = (
            database.execute(f"pragma {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("thousands", "expand"))
    parser.add_argument("--count", type=int, help="requests; by default 2,000 or 300")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vidai-batch-") as folder:
        if given.what == "thousands":
            thousands(Path(folder), given.count or 2000)
        else:
            expand(Path(folder), given.count or 300)


if __name__ == "__main__":
    main()
