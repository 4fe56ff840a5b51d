"""Finds a purchase's own record among those of its task: by vendor and kind, fingerprint, and place.

A purchase that misses its own record buys twice; one that takes another's returns the wrong job. The
fingerprint is therefore tried first, because an equal request is the same purchase. The place (the purchase's
number among those of its kind in one try) finds what a changing request bought. It is trusted only for
records of earlier tries that no other request of this try has taken.
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_vidai.errors import JobError, LedgerError
from airflow_provider_vidai.purchase.identity import Attempt, Whose, whose
from airflow_provider_vidai.purchase.ledger import Entry, Ledger
from airflow_provider_vidai.purchase.record import Record


class Request(NamedTuple):
    """The facts by which a purchase is recognised."""

    vendor: str
    kinds: tuple[str, ...]
    fingerprints: tuple[str, ...]
    ordinal: int


class Match(NamedTuple):
    """A purchase's own entry and record, if it has one, and where a new record goes.

    :param record: None where the purchase has no record; ``entry`` is then ``free``.
    :param stale: the record of a deleted run that ``free`` holds now, or None.
    """

    entry: Entry
    record: Record | None
    free: Entry
    stale: Record | None


def match(ledger: Ledger, attempt: Attempt, request: Request, claimed: dict[str, str] | None = None) -> Match:
    """Find a purchase's record, and note in ``claimed`` that this try has taken it.

    One record never serves two requests of a try.

    :param claimed: which entries this try has taken, for which requests; None where a task makes only one
        purchase.
    :raises LedgerError: when a later try of this task has bought, so that this one is a leftover; or when
        another Airflow deployment has bought.
    :raises JobError: when another request of this try has taken this one's record, by its place.
    """
    free: tuple[Entry, Record | None] | None = None
    ours: list[tuple[Entry, Record, Whose]] = []
    for entry, record in ledger.entries():
        who = Whose.DELETED if record is None else whose(record, attempt)
        # A deleted run's record is overwritten and not removed: of two tries that buy at the same time, each
        # could otherwise remove what the other has just written.
        if record is None or who is Whose.DELETED:
            free = free or (entry, record)
        elif who is Whose.FOREIGN:
            raise LedgerError(
                f"The ledger has a purchase of this task by the Airflow deployment {record.deployment!r}, "
                f"and this deployment's name is {attempt.deployment!r}: two deployments share one "
                "[vidai] ledger_path, or [vidai] deployment was changed"
            )
        elif who is Whose.LATER:
            # This worker was declared dead, and a newer try runs already. It must not buy beside it.
            raise LedgerError(
                f"Another try of this task (number {record.try_number}) has bought since this one "
                "began, so this one buys nothing"
            )
        # An edited DAG may give a task id to another operator, and a task's code may buy from several
        # vendors.
        elif record.buys(request.vendor, request.kinds):
            ours.append((entry, record, who))
    assert free is not None, "the last entry is empty"
    if (mine := _same(ours, request, claimed) or _similar(ours, request, claimed)) is None:
        return Match(free[0], None, *free)
    entry, record = mine
    cleared_other = record.fingerprint not in request.fingerprints and attempt.max_tries > record.max_tries
    # A Clear with another request buys afresh and leaves the record to whichever request made it.
    if claimed is not None and not cleared_other:
        claimed[entry.key] = request.fingerprints[0]
    return Match(entry, record, *free)


def _same(
    ours: list[tuple[Entry, Record, Whose]], request: Request, claimed: dict[str, str] | None
) -> tuple[Entry, Record] | None:
    """Return the newest record of the same request."""
    found = [(entry, record) for entry, record, _ in ours if record.fingerprint in request.fingerprints]
    if not found:
        return None
    entry, record = found[-1]
    if _taken(entry, claimed, request):
        raise JobError(
            f"The record of {record.ref or 'this request'} was given to another request of this try, which "
            "has no record of its own: the task's purchases differ, in order or number, from those of the "
            "try before. This request bought nothing. Clear the task: each request then finds only its own "
            "purchase. What is known of the earlier purchase:",
            charged="yes",
        )
    return entry, record


def _similar(
    ours: list[tuple[Entry, Record, Whose]], request: Request, claimed: dict[str, str] | None
) -> tuple[Entry, Record] | None:
    """Return the newest record of an earlier try in the same place, whatever its request."""
    # A record of this very try with another fingerprint belongs to another of its purchases.
    found = [
        (entry, record)
        for entry, record, who in ours
        if who is Whose.EARLIER and record.ordinal == request.ordinal and not _taken(entry, claimed, request)
    ]
    # Each try before may have left one, where the request changes from try to try. The newest is what the
    # next retry should continue.
    return max(found, key=lambda one: one[1].try_number, default=None)


def _taken(entry: Entry, claimed: dict[str, str] | None, request: Request) -> bool:
    return (claimed or {}).get(entry.key, request.fingerprints[0]) != request.fingerprints[0]
