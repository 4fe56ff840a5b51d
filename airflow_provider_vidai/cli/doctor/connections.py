"""Checks of connections: which there are, and what each vendor answers to a free call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, get_args

from airflow.sdk import BaseHook

from airflow_provider_vidai._compat import AirflowNotFoundException, connections_in_database
from airflow_provider_vidai.cli.doctor.finding import Check, Finding
from airflow_provider_vidai.cli.hooks import HOOKS
from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.jobs.ref import VendorName

#: Seconds from which a call counts as slow.
SLOW: Final = 5.0
_ENVIRONMENT: Final = "AIRFLOW_CONN_"


def checks(asked: Iterable[str], of_dags: Iterable[tuple[str, str]]) -> list[Check]:
    """Return a check for each connection.

    :param asked: ids of connections; empty means all that are found.
    :param of_dags: the connections that DAGs name, with their vendors.
    """
    wanted = {conn_id: _kind(conn_id) for conn_id in asked} or {**_found(), **dict(of_dags)}
    if not wanted:
        return [Check("connections", _none)]
    return [
        Check(f"connection {conn_id}", partial(answers, conn_id, vendor))
        for conn_id, vendor in sorted(wanted.items())
    ]


def answers(conn_id: str, vendor: str, clock: Callable[[], float] = time.perf_counter) -> Finding:
    """Make a free call with the connection."""
    if vendor not in HOOKS:
        return Finding("fail", f"There is no connection {conn_id!r} of one of this package's types.")
    try:
        # Not test_connection(): it returns one text, and a person needs to know what to do as well.
        hook = HOOKS[vendor](conn_id)
        began = clock()
        said = hook.send(hook.vendor.check())
        took = clock() - began
    except AirflowNotFoundException:
        return Finding(
            "fail", f"There is no connection {conn_id!r}.", "Add it, with the key as its password."
        )
    except VidaiError as error:
        return Finding("fail", error.what, error.todo)
    if took > SLOW:
        return Finding("warn", f"{said} The answer took {took:.1f} s.", "Check the network and the proxy.")
    return Finding("ok", f"{said} The answer took {1000 * took:.0f} ms.")


def _none() -> Finding:
    return Finding(
        "warn",
        "No connection of this package was found in Airflow's database, in the environment or in a DAG.",
        "Add one, or name one of a secrets backend with --connection.",
    )


def _found() -> dict[str, str]:
    kinds = get_args(VendorName)
    # Before a database there is only the environment, and the check of the database says what is wrong.
    try:
        found = dict(connections_in_database(kinds))
    except Exception:  # noqa: BLE001 - see above
        found = {}
    for name in os.environ:
        conn_id = name.removeprefix(_ENVIRONMENT).lower()
        if name.startswith(_ENVIRONMENT) and (kind := _kind(conn_id)) in kinds:
            found[conn_id] = kind
    return found


def _kind(conn_id: str) -> str:
    try:
        return str(BaseHook.get_connection(conn_id).conn_type)
    except Exception:  # noqa: BLE001 - the check of this connection says what is wrong with it
        return ""
