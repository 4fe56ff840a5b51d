"""Checks of ``[vidai] ledger_path``."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from airflow.sdk import ObjectStoragePath

from airflow_provider_vidai._compat import AIRFLOW
from airflow_provider_vidai.cli.doctor.finding import Check, Finding, first_line
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.operators.settings import text_setting
from airflow_provider_vidai.spend.files import Files, ledger_files

#: The folder below ``ledger_path`` in which the checks write; it holds nothing afterwards.
FOLDER: Final = "doctor"
#: How many races two writers run.
ROUNDS: Final = 10
#: Seconds by which two clocks may differ: storages date files in whole seconds.
CLOSE: Final = 5.0
#: S3 refuses requests that are signed with a clock that differs by more than 15 minutes.
FAR: Final = 300.0


def checks() -> list[Check]:
    """Return the checks: all of them need the storage, and only the first says why there is none."""
    if not text_setting("ledger_path"):
        return [Check("ledger", _missing)]
    return [Check("ledger", reachable), Check("ledger", exclusive), Check("clock", skew)]


def reachable() -> Finding:
    """Write a file, read it and remove it."""
    name = _name()
    try:
        files = _files()
        files.create(name, {"by": "doctor"})
        read = files.read(name)
        _remove(name)
    except Exception as error:  # noqa: BLE001 - a storage raises anything
        return Finding(
            "fail",
            f"[vidai] ledger_path cannot be used from here: {first_line(error)}.",
            "Until it can, no paid task buys anything. Check the path, its connection and its permissions.",
        )
    if read != {"by": "doctor"}:
        return Finding("fail", "[vidai] ledger_path returned something else than was written to it.")
    return Finding("ok", "[vidai] ledger_path can be written, read and cleaned up.")


def exclusive(files_of: Callable[[], Files] | None = None) -> Finding:
    """Let two writers race for the same file: exactly one of them may win, each time."""
    made = files_of or _files
    for _ in range(ROUNDS):
        won = _race(made)
        if won != 1:
            return _not_exclusive(f"both of two writers created the same file ({won} winners)")
    if not made().creates_exclusively:
        return _not_exclusive("this storage promises no exclusive creation, although no race was lost now")
    return Finding("ok", f"Two writers raced {ROUNDS} times to create a file, and exactly one won each time.")


def skew(clock: Callable[[], float] = time.time) -> Finding:
    """Compare this machine's clock with the one by which the storage dates its files."""
    files, name = _files(), _name()
    before = clock()
    files.create(name, {})
    after = clock()
    try:
        path = _path(name)
        written = path.fs.modified(path.path).timestamp()
    except (NotImplementedError, KeyError, AttributeError):
        return Finding("ok", "This storage does not date its files, so no clock was compared.")
    finally:
        _remove(name)
    # The file was written at some moment between the two.
    apart = max(written - after, before - written, 0.0)
    if apart <= CLOSE:
        return Finding("ok", f"This machine's clock and the storage's agree within {CLOSE:g} s.")
    what = f"This machine's clock and the storage's differ by {apart:.0f} s."
    return Finding("fail" if apart > FAR else "warn", what, "Synchronise this machine's clock (NTP).")


def _race(made: Callable[[], Files]) -> int:
    """Return how many of two writers created the same file, and remove it."""
    name, start = _name(), threading.Barrier(2)
    writers = [(made(), {"writer": number}) for number in range(2)]

    def write(files: Files, value: dict[str, int]) -> dict[str, int] | None:
        start.wait()
        try:
            files.create(name, dict(value))
        except FileExistsError:
            return None
        return value

    with ThreadPoolExecutor(2) as pool:
        winners = [one for one in pool.map(lambda writer: write(*writer), writers) if one is not None]
    # A writer that seems to have won must find its own value. Otherwise the other writer has replaced it.
    stored = made().read(name)
    _remove(name)
    return len(winners) if stored in winners else 2


def _not_exclusive(why: str) -> Finding:
    what = f"[vidai] ledger_path does not create files exclusively: {why}."
    if text_setting("budgets"):
        return Finding("fail", what, "Budgets need S3, or a disk that all workers share.")
    return Finding(
        "warn",
        what,
        "Two tries of one task that run concurrently could both buy. Prefer S3 or a shared disk.",
    )


def _missing() -> Finding:
    if AIRFLOW < (3, 3):
        return Finding(
            "fail",
            "[vidai] ledger_path is not set, and this Airflow has no task state store: purchases are not "
            "recorded, and a retry buys again.",
            "Set it to a storage that every worker can reach.",
        )
    return Finding(
        "warn" if AIRFLOW >= (3, 4) else "ok",
        "[vidai] ledger_path is not set: purchases are recorded in Airflow's task state store"
        + (", which Airflow 3.4 empties when a task is cleared." if AIRFLOW >= (3, 4) else "."),
        "With it there are also budgets, a book of purchases, and reports of what was spent.",
    )


def _files() -> Files:
    files = ledger_files(FOLDER)
    assert files is not None, "checks() asks for it"
    return files


def _name() -> str:
    return f"{uuid.uuid4().hex}.json"


def _path(name: str) -> ObjectStoragePath:
    return storage_path(f"{text_setting('ledger_path').rstrip('/')}/{FOLDER}/{name}")


def _remove(name: str) -> None:
    _path(name).unlink()
