"""What one deferred job costs besides the vendor's price: requests to S3, and rows in Airflow's database.

``python -m benchmarks.costs`` takes five minutes. It runs a real Airflow whose ledger is in S3 (moto), with a
few Venice jobs in one run and more in the next. It counts the requests that the S3 server answered, and the
rows of every table. What the runs differ by, divided by how many jobs more there were, is the cost of one.
"""

from __future__ import annotations

import argparse
import logging
import re
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

from airflow_provider_vidai.sandbox.client import Control
from tools.stack import Stack

_REQUEST = re.compile(r'"(\w+) (/\S*) HTTP')


class Requests(logging.Handler):
    """Counts what the S3 server answers, by method."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line of the server's access log."""
        found = _REQUEST.search(record.getMessage())
        if found:
            lists = "?" in found[2] and "list-type" in found[2]
            self.seen["LIST" if lists else found[1]] += 1


def rows(home: Path) -> Counter[str]:
    """Return the number of rows of each table."""
    with sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return Counter(
            {name: database.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in names}
        )


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=16, help="by which the two runs differ")
    jobs = parser.parse_args().jobs
    import boto3
    from moto.server import ThreadedMotoServer

    seen = Requests()
    logging.getLogger("werkzeug").setLevel(logging.INFO)
    logging.getLogger("werkzeug").addHandler(seen)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=True)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="ledger")
    try:
        with tempfile.TemporaryDirectory(prefix="vidai-costs-") as folder:
            measure(Path(folder), endpoint, seen, jobs)
    finally:
        server.stop()


def measure(home: Path, endpoint: str, seen: Requests, jobs: int) -> None:
    """Run both runs, and print what the second cost more."""
    aws = {
        "conn_type": "aws",
        "login": "testing",
        "password": "testing",
        "extra": f'{{"endpoint_url": "{endpoint}", "region_name": "us-east-1"}}',
    }
    with Stack(
        home,
        dags=Path(__file__).parent / "dags",
        speed=3.0,
        settings={"vidai.ledger_path": "s3://s3@ledger/records"},
    ) as stack:
        Control(stack.sandbox_url).settings(venice={"short_side": 64, "queue_per_minute": 0})
        host = f"{stack.sandbox_url}/venice/api/v1"
        venice = {"conn_type": "venice", "host": host, "password": "key-of-a"}
        for name, fields in (("s3", aws), ("venice_a", venice)):
            stack.api.call("POST", "connections", body={"connection_id": name, **fields})
        counts = []
        for number in (2, 2 + jobs):
            before, requests = rows(stack.home), Counter(seen.seen)
            state = stack.api.trigger("crowd_a", {"jobs": number}).wait(900)
            counts.append((rows(stack.home) - before, seen.seen - requests))
            print(f"{number} jobs: {state}", flush=True)
        for title, few, many in zip(("rows", "requests"), *counts, strict=True):
            print(f"\n| {title} | of one job |\n|--|--|")
            for name in sorted(many):
                if more := (many[name] - few[name]) / jobs:
                    print(f"| {name} | {more:.1f} |")


if __name__ == "__main__":
    main()
