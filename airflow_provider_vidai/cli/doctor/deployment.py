"""Checks of Airflow: its triggerers, the versions of this package, and what the DAGs need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from airflow_provider_vidai import __version__
from airflow_provider_vidai._compat import components, conf
from airflow_provider_vidai.cli.doctor.finding import Check, Finding, first_line
from airflow_provider_vidai.cli.paid import vendor_class
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.spend.book import FOLDER, Book
from airflow_provider_vidai.spend.files import ledger_files

#: How far back the book is read for versions, in days.
DAYS: Final = 7
_SCHEME = re.compile(r"^\s*([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
#: What no storage is needed for.
_WEB: Final = frozenset({"http", "https"})


def checks(dags: Mapping[str, Any], errors: Mapping[str, str]) -> list[Check]:
    """Return the checks.

    :param dags: by id.
    :param errors: of DAG files, by file.
    """
    return [
        Check("triggerers", lambda: triggerers([*tasks_of(dags)])),
        Check("versions", versions),
        Check("DAG files", lambda: dag_files(dags, errors)),
        Check("storages", lambda: storages([*tasks_of(dags)])),
    ]


def tasks_of(dags: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the tasks of this package's operators."""
    for dag in dags.values():
        yield from (task for task in dag.tasks if vendor_class(task) is not None)


def connections_of(dags: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the connections that the DAGs name, each with its vendor, unless a template makes the name."""
    for task in tasks_of(dags):
        kind = vendor_class(task)
        assert kind is not None
        vendor = kind.hook_class.vendor_name
        name = arguments_of(task).get(f"{vendor}_conn_id", f"{vendor}_default")
        if isinstance(name, str) and "{{" not in name:
            yield name, vendor


def arguments_of(task: Any) -> dict[str, Any]:
    """Return the arguments of a task, mapped or not, as its DAG gives them."""
    kind = vendor_class(task)
    # A mapped task is not made yet: it keeps the arguments of partial() and of expand() apart.
    given = getattr(task, "partial_kwargs", None)
    if given is None:
        names = {*kind.template_fields, "deferrable"} if kind else set()
        return {name: getattr(task, name) for name in names if hasattr(task, name)}
    mapped = getattr(getattr(task, "expand_input", None), "value", None)
    return {**given, **(mapped if isinstance(mapped, Mapping) else {"mapped": mapped})}


def triggerers(tasks: Iterable[Any]) -> Finding:
    """Check that a triggerer runs, if a task of the DAGs defers."""
    defers = any(arguments_of(task).get("deferrable") for task in tasks)
    needed = defers or conf.getboolean("operators", "default_deferrable", fallback=False)
    try:
        found = [one for one in components() if one.kind == "TriggererJob"]
    except Exception as error:  # noqa: BLE001 - a database raises anything
        return Finding("warn", f"Airflow's database cannot be read from here: {first_line(error)}.")
    alive = [one for one in found if one.alive]
    if alive:
        return Finding("ok", f"Triggerers alive: {len(alive)} ({', '.join(one.host for one in alive)}).")
    silent = f" ({len(found)} on record as running, but without a heartbeat)" if found else ""
    why = f"No triggerer is alive{silent}."
    if needed:
        return Finding("fail", f"{why} Deferrable tasks wait forever.", "Start 'airflow triggerer'.")
    return Finding("warn", why, "Only tasks with deferrable=True need one.")


def versions(clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> Finding:
    """Compare the versions of this package that have bought lately with the one here."""
    files = ledger_files(FOLDER)
    unknown = "Airflow keeps no record of the versions that its triggerers and workers run"
    if files is None:
        return Finding("ok", f"This package is {__version__} here. {unknown}.")
    now = clock()
    found = {line.package for line in Book(files).lines(now - timedelta(days=DAYS), now)}
    if found <= {__version__}:
        return Finding("ok", f"This package is {__version__} here, and so was every one that bought lately.")
    return Finding(
        "warn",
        f"This package is {__version__} here, and purchases of the last {DAYS} days were made by "
        f"{', '.join(sorted(found))}.",
        f"Install the same version on all machines. {unknown}, so restart the triggerers after an upgrade.",
    )


def dag_files(dags: Mapping[str, Any], errors: Mapping[str, str]) -> Finding:
    """Report DAG files that cannot be imported."""
    if not errors:
        return Finding("ok", f"{len(dags)} DAGs; {len([*tasks_of(dags)])} tasks are of this package.")
    names = ", ".join(sorted(map(str, errors)))
    return Finding("warn", f"These DAG files cannot be imported here: {names}.", "Run 'airflow dags list'.")


def storages(tasks: Iterable[Any]) -> Finding:
    """Check that a filesystem is installed for every storage that the DAGs name."""
    found = sorted({scheme for task in tasks for scheme in _schemes(arguments_of(task))})
    wrong = {}
    for scheme in found:
        try:
            storage_path(f"{scheme}://vidai-doctor/")
        except InputError as error:
            wrong[scheme] = error
    if wrong:
        names = ", ".join(f"{scheme}://" for scheme in wrong)
        # After the error's last colon come the storage's own message and which package to install.
        todo = next(iter(wrong.values())).what.rpartition(": ")[2]
        return Finding("fail", f"DAGs name files of {names}, for which no filesystem is installed.", todo)
    return Finding("ok", f"Storages that the DAGs name: {', '.join(found) or 'none'}.")


def _schemes(value: Any) -> set[str]:
    if isinstance(value, str):
        matched = _SCHEME.match(value)
        return {matched[1].lower()} - _WEB if matched else set()
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, (list, tuple, set)):
        return {scheme for item in value for scheme in _schemes(item)}
    return set()
