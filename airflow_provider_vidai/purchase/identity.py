"""Whose purchase a record is: decided by numbers and identities, never by comparing two machines' clocks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from airflow_provider_vidai.purchase.record import Record, Run


@dataclass(frozen=True)
class Attempt:
    """Which try of which run this is.

    :param id: Airflow's id of the task instance. Airflow can start a second try under the same id, when
        the first one failed while it was queued, so the number belongs to the identity too.
    :param number: of the try, within its run; it only ever grows.
    :param max_tries: grows when a person clears the task, and only then.
    :param run: None where Airflow does not say.
    :param store_ends_with_run: whether Airflow deletes the ledger together with the run, so that no record in
        it can be a deleted run's.
    :param deployment: the name of this Airflow deployment, if it has one.
    """

    id: str
    number: int
    max_tries: int
    run: Run | None = None
    store_ends_with_run: bool = False
    deployment: str = ""


class Whose(Enum):
    """Who wrote a record, seen from this try."""

    OWN = "this try"
    EARLIER = "an earlier try of this run"
    LATER = "a later try, which makes this one a leftover"
    DELETED = "a run of the same name that was deleted since"
    FOREIGN = "another Airflow deployment, which must not share the ledger"


def whose(record: Record, attempt: Attempt) -> Whose:
    """Return who wrote ``record``."""
    # A record without a name comes from before this deployment had one, or from an earlier version.
    if record.deployment not in ("", attempt.deployment):
        return Whose.FOREIGN
    if (record.try_number, record.try_id) == (attempt.number, attempt.id):
        return Whose.OWN
    by_number = Whose.LATER if record.try_number > attempt.number else Whose.EARLIER
    if record.run is None:
        # Version 0.1 wrote no run. The tries of one run only ever count up.
        return Whose.EARLIER if record.try_number < attempt.number else Whose.DELETED
    if attempt.run is None or attempt.store_ends_with_run:
        # A run that is put back into the queue through Airflow's API starts again without a Clear.
        return by_number
    # The number of Clears decides before the start, because Airflow changes a run's start when it clears it.
    theirs, ours = record.run, attempt.run
    if theirs.clears < ours.clears:
        # A Clear of this run begins a new try, so a record of this run has a lower number.
        return Whose.EARLIER if record.try_number < attempt.number else Whose.DELETED
    if theirs.started != ours.started:
        return Whose.DELETED if theirs.started < ours.started else Whose.LATER
    if theirs.clears > ours.clears:
        return Whose.LATER
    return by_number
