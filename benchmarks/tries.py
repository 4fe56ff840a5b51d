"""What a paid deferred job costs its worker and its ledger on S3.

``python -m benchmarks.tries`` runs the two worker tries of each job (the purchase, and the end after the
wait) in processes that are forked from one that has Airflow's task runner imported, as Airflow does. It
counts their CPU seconds and their requests to a server of S3's API, with and without
``airflow_provider_vidai.preload``. With ``--compare PATH`` it measures another checkout of the package in the
same run, in turn.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HERE = Path(__file__).parents[1]


# --- a server of S3's API -----------------------------------------------------------------------


class Bucket(BaseHTTPRequestHandler):
    """Keeps objects in memory, and counts the requests."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    requests: int

    def do_GET(self) -> None:
        """Return an object, or the names below a prefix."""
        type(self).requests += 1
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            keys = [key for key in self.objects if key.startswith(prefix)]
            found = "".join(
                f"<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                for key in sorted(keys)
            )
            body = f"<ListBucketResult><KeyCount>{len(keys)}</KeyCount>{found}</ListBucketResult>"
            self._answer(200, body.encode())
        elif (key := self._key()) in self.objects:
            self._answer(200, self.objects[key])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_HEAD = do_GET  # noqa: N815 - likewise

    def do_PUT(self) -> None:
        """Keep an object, unless it exists and must not."""
        type(self).requests += 1
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "if-none-match" in self.headers and self._key() in self.objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        self.objects[self._key()] = body
        self._answer(200, b"")

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).split("/", 2)[2]

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


# --- a worker: this part imports no more than what is measured -------------------------------------


def forked(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run ``work`` in a forked process; return its CPU seconds and its result, which is JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        result = file.read()
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit("a try failed")
    return usage.ru_utime + usage.ru_stime, json.loads(result)


def context(operator: Any, run: str) -> dict[str, Any]:
    """Return as much of a task's context as a job needs."""
    now = datetime.datetime.now(datetime.timezone.utc)
    instance = SimpleNamespace(
        dag_id="dag",
        run_id=run,
        task_id="image",
        map_index=-1,
        id=uuid.uuid4(),
        try_number=1,
        max_tries=2,
        start_date=now,
        task=operator,
        xcom_push=lambda **_: None,
    )
    return {"ti": instance, "dag_run": SimpleNamespace(start_date=now, clear_number=0), "outlet_events": {}}


def operator() -> Any:
    """Return what a DAG file makes."""
    from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

    return VidgoGenerateOperator(
        task_id="image", model="nano-banana", input={"prompt": "a lighthouse"}, deferrable=True
    )


def purchase(run: str) -> Any:
    """Buy a job; return what Airflow stores of the deferral."""
    from airflow.sdk.execution_time.task_runner import TaskDeferred

    task = operator()
    try:
        task.execute(context(task, run))
    except TaskDeferred as deferred:
        return {"ref": deferred.trigger.serialize()[1]["ref"], "kwargs": deferred.kwargs}
    raise AssertionError("it did not defer")


def ending(run: str, deferral: Any) -> Any:
    """End the task with the trigger's event, and call its callbacks as Airflow does."""
    task = operator()
    status = {"state": "ready", "vendor_status": "finished"}
    event = {"end": "status", "ref": deferral["ref"], "status": status}
    around = context(task, run)
    task.resume_execution("execute_complete", {**deferral["kwargs"], "event": event}, around)
    for callback in task.on_success_callback:
        callback(around)


def work(jobs: int, *, preloaded: bool) -> None:
    """Run jobs as a worker does, and print the CPU seconds of each one's tries."""
    import airflow.executors.local_executor
    import airflow.sdk.execution_time.task_runner  # noqa: F401 - both are in every worker

    if preloaded:
        import airflow_provider_vidai.preload  # noqa: F401 - this is measured
    found = []
    for _ in range(jobs):
        run = uuid.uuid4().hex
        first, deferral = forked(lambda run=run: purchase(run))
        second, _ = forked(lambda run=run, deferral=deferral: ending(run, deferral))
        found.append((first, second))
    empty, _ = forked(lambda: None)
    sys.stdout.write(f"\n{json.dumps({'tries': found, 'empty': empty})}\n")


# --- the comparison -----------------------------------------------------------------------------


def measured(package: Path, jobs: int, *, preloaded: bool, environment: dict[str, str]) -> Any:
    """Run a worker with the package at ``package``; return what it printed."""
    command = [
        sys.executable,
        str(Path(__file__)),
        "--work",
        str(jobs),
        *(["--preloaded"] if preloaded else []),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment, "PYTHONPATH": str(package)},
        cwd=environment["AIRFLOW_HOME"],
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def surroundings(home: str, s3: str, vidgo: str) -> dict[str, str]:
    """Return a worker's environment."""
    aws = {"conn_type": "aws", "login": "k", "password": "s"}
    aws["extra"] = {"endpoint_url": s3, "region_name": "us-east-1"}  # type: ignore[assignment]
    key = {"conn_type": "vidgo", "password": "key", "host": vidgo}
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW__VIDAI__LEDGER_PATH": "s3://aws_default@bucket/ledger",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "AIRFLOW_CONN_VIDGO_DEFAULT": json.dumps(key),
        "NO_PROXY": "127.0.0.1",
    }


def main() -> None:
    """Measure in turn, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5, help="jobs of each worker")
    parser.add_argument("--repeat", type=int, default=3, help="workers of each kind, in turn")
    parser.add_argument("--compare", type=Path, help="another checkout of the package")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--preloaded", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, preloaded=options.preloaded)
        return
    from airflow_provider_vidai.sandbox.server import serve

    Bucket.objects, Bucket.requests = {}, 0
    s3 = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=s3.serve_forever, daemon=True).start()
    kinds = {"this package": (HERE, False), "this package, preloaded": (HERE, True)}
    if options.compare:
        kinds = {f"{options.compare.name}": (options.compare, False), **kinds}
    tries: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    requests = dict.fromkeys(kinds, 0)
    empty: list[float] = []
    with serve(speed=1000) as sandbox, tempfile.TemporaryDirectory() as home:
        sandbox.control.settings(vidgo={"short_side": 64})
        around = surroundings(home, f"http://127.0.0.1:{s3.server_port}", f"{sandbox.url}/vidgo")
        for _ in range(options.repeat):
            for name, (package, preloaded) in kinds.items():
                before = Bucket.requests
                found = measured(package, options.jobs, preloaded=preloaded, environment=around)
                requests[name] += Bucket.requests - before
                tries[name] += [tuple(one) for one in found["tries"]]
                empty.append(found["empty"])
    s3.shutdown()
    show(tries, {name: count / options.jobs / options.repeat for name, count in requests.items()})
    print(f"\nA forked process that does nothing: {statistics.median(empty):.3f} s")


def show(tries: dict[str, list[tuple[float, float]]], requests: dict[str, float]) -> None:
    """Print the table; the first line is what the others are compared with."""
    print("| | CPU s of the purchase | of the ending | of both | relative | requests to S3 |")
    print("|--|--|--|--|--|--|")
    base = None
    for name, found in tries.items():
        first, second = (statistics.median(one[at] for one in found) for at in (0, 1))
        base = base or first + second
        print(
            f"| {name} | {first:.2f} | {second:.2f} | {first + second:.2f} | {(first + second) / base:.2f}x "
            f"| {requests[name]:g} |"
        )


if __name__ == "__main__":
    main()
