"""The command ``resolve``: a person settles a purchase whose outcome nobody else knows."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, get_args

from airflow_provider_vidai.cli.hooks import HOOKS
from airflow_provider_vidai.cli.ledgers import ledger_of
from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.status import JobState
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.observe import Buyer
from airflow_provider_vidai.purchase.record import NOT_BOUGHT, Record
from airflow_provider_vidai.vendors import VENDORS

log = logging.getLogger(__name__)

#: Kinds of purchases that start no job.
NO_JOB = frozenset({"caption", "publish", "transcript"})


def resolve(arguments: Any) -> None:
    """Settle a purchase.

    :raises SystemExit: when that is not possible; nothing was changed.
    """
    if bool(arguments.bought) == bool(arguments.not_bought):
        raise SystemExit("Say what you found: --bought JOB_ID, or --not-bought.")
    # The book needs the account when something is written. Which connection it belongs to is known only once
    # the record was read.
    account: list[VidaiHook] = []
    buyer = _buyer(arguments, account)
    ledger = ledger_of(buyer)
    try:
        entry, record = _unresolved([*ledger.entries()], arguments.entry)
        if arguments.not_bought:
            _not_bought(entry, record)
            return
        ref = _ref(record, arguments)
        account.append(_hook(ref))
        if not arguments.no_check:
            _check(account[0], ref)
        _bought(entry, record, ref)
    except VidaiError as error:
        raise SystemExit(str(error)) from None


def _buyer(arguments: Any, hook: list[VidaiHook]) -> Buyer:
    return Buyer(
        dag_id=arguments.dag_id,
        run_id=arguments.run_id,
        task_id=arguments.task_id,
        map_index=arguments.map_index,
        lap=tuple(part for part in arguments.lap.split("/") if part),
        vendor="",
        label="",
        account=lambda: hook[0].account.id if hook else "",
        budget=None,
        log=log,
    )


def _unresolved(entries: list[tuple[Entry, Record | None]], wanted: str | None) -> tuple[Entry, Record]:
    found = [
        (entry, record)
        for entry, record in entries
        if record is not None
        and record.receipt is None
        and record.max_tries != NOT_BOUGHT
        and wanted in (None, entry.key)
    ]
    if not found:
        raise SystemExit("This task has no purchase of unknown outcome on record. Nothing was changed.")
    if len(found) > 1:
        several = "; ".join(
            f"{entry.key}: {record.vendor} {record.kind}, {_sent(record)}" for entry, record in found
        )
        raise SystemExit(
            f"This task has several purchases of unknown outcome: choose one with --entry ({several})."
        )
    return found[0]


def _sent(record: Record) -> str:
    return f"sent at {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(record.intended_at))}"


def _not_bought(entry: Entry, record: Record) -> None:
    entry.annul(record)
    _say(
        f"Recorded: the {record.vendor} {record.kind} that was {_sent(record)} was not bought. The task's "
        "next try buys. If the task has failed, clear it."
    )


def _bought(entry: Entry, record: Record, ref: JobRef) -> None:
    receipt = Receipt(ref=ref, cost=record.cost)
    entry.write(
        # When the vendor took it is not known. The earlier moment is safe: no file then counts as kept for
        # longer than it is.
        record.model_copy(update={"phase": "bought", "receipt": receipt, "bought_at": record.intended_at})
    )
    _say(f"Recorded: {ref} was bought. Clear the task: it waits for that job and buys nothing.")


def _ref(record: Record, arguments: Any) -> JobRef:
    """Return the reference of the job that was found."""
    job_id = arguments.bought
    # A render has no id of its own: the reel's id, and the file that was there before, identify it.
    if record.lookup is not None:
        if record.lookup.job_id != job_id:
            raise SystemExit(f"That purchase was of {record.lookup}, not of {job_id}. Nothing was changed.")
        return record.lookup
    if record.kind in NO_JOB:
        raise SystemExit(
            f"A {record.kind} has no job that a task could wait for. Use --not-bought and clear the task to "
            "send it again, or leave it as it is. Nothing was changed."
        )
    conn_id = arguments.connection or record.conn_id
    name = next((one for one in get_args(VendorName) if one == record.vendor), None)
    if name is None or not conn_id:
        raise SystemExit("The record does not name the connection: give --connection. Nothing was changed.")
    vendor = VENDORS[name]
    params = vendor.params_of(arguments.model or record.model, record.intended_at)
    return JobRef(
        vendor=vendor.name, conn_id=conn_id, job_id=job_id, kind=arguments.kind or record.kind, params=params
    )


def _hook(ref: JobRef) -> VidaiHook:
    return HOOKS[ref.vendor](ref.conn_id)


def _check(hook: VidaiHook, ref: JobRef) -> None:
    """Make sure that the vendor has the job.

    :raises SystemExit: when it has not, or does not say so.
    """
    try:
        status = hook.poll(ref)
    except VidaiError as error:
        raise SystemExit(
            f"The status of {ref} cannot be read, so nothing was changed. {error} --no-check records the job "
            "without that."
        ) from None
    if status.state is JobState.GONE:
        raise SystemExit(f"{hook.vendor.label} has no {ref} ({status.vendor_status}). Nothing was changed.")
    _say(f"{hook.vendor.label} says that {ref} is {status.vendor_status!r}.")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
