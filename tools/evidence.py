"""Checks on a finished run: its tasks waited without a worker, and no secret leaked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tools.rest import Run
from tools.watch import label

# A signature in a query string gives access to the file, as a key would.
_FILE_URL = re.compile(r"https?://[^\s\"'\\]*/storage/|[?&](?:x-amz-)?(?:signature|sig|nonce|token)=", re.I)


def waited_in_workers(run: Run, deferred: Mapping[str, float]) -> list[str]:
    """Return the tasks that bought a job and were never observed as deferred."""
    bought = {label(entry) for entry in run.xcoms() if entry["key"] == "job_id"}
    return sorted(bought - set(deferred))


def leaks(run: Run, logs: Iterable[Path], key: str) -> list[str]:
    """Return the places that contain the key or a vendor's file URL: XCom, task instances, logs."""
    return [
        f"{what} in {place}, line {number}"
        for place, text in _places(run, logs)
        for number, line in enumerate(text.splitlines(), start=1)
        for what, found in (("key", key in line), ("file URL", _FILE_URL.search(line)))
        if found
    ]


def _places(run: Run, logs: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for entry in run.xcoms():
        value = run.xcom(entry["task_id"], entry["key"], entry["map_index"])
        yield f"XCom {entry['key']} of {label(entry)}", json.dumps(value)
    for task in run.tasks():
        yield f"task instance {label(task)}", json.dumps(task)
    for log in logs:
        yield str(log), log.read_text(encoding="utf-8", errors="replace")
