"""Buy or re-attach: the decision table, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.record import Record


class Occasion(Enum):
    """Why the task runs, seen from the record that an earlier run left."""

    RETRY = "automatic retry"
    CLEARED = "cleared, same request"
    CLEARED_OTHER = "cleared, other request or account"


class Found(Enum):
    """What the ledger and the vendor say about an earlier purchase."""

    NONE = "none"
    INTENT = "intent, unresolved"
    RUNNING = "job RUNNING"
    READY = "job READY"
    FAILED = "job FAILED"
    GONE = "job GONE"
    UNREADABLE = "status unreadable"


class Action(Enum):
    """What the task does."""

    BUY = "buy"
    ATTACH = "wait for the job that is running"
    REUSE = "use the result that is there"
    STOP = "fail, and buy nothing"
    LATER = "fail retryably, and buy nothing"


class Condition(Enum):
    """The conditions that a cell of the table can depend on."""

    RESUBMIT = "on_lost_submit='resubmit'"
    FINISHED_AND_FRESH = "the task had finished, and on_clear='fresh'"
    FREE_AND_BLAMELESS = "not charged or refunded, and not the input's or policy's fault"


@dataclass(frozen=True)
class Cell:
    """``action``, or ``unless`` if the condition ``when`` does not hold."""

    action: Action
    when: Condition | None = None
    unless: Action | None = None

    def __str__(self) -> str:
        if self.when is None or self.unless is None:
            return self.action.name
        return f"{self.when.value}: {self.action.name}, else {self.unless.name}"


@dataclass(frozen=True)
class Policy:
    """The arguments of an operator that change decisions."""

    on_lost_submit: Literal["fail", "resubmit"] = "fail"
    on_clear: Literal["fresh", "reuse"] = "fresh"


_BUY, _ATTACH, _REUSE, _STOP = (
    Cell(action) for action in (Action.BUY, Action.ATTACH, Action.REUSE, Action.STOP)
)

#: (what is found) -> (automatic retry; cleared, same request; cleared, other request or account). A retry is
#: nobody's decision, so it never pays for what may be paid for already. A Clear is a person's go-ahead to
#: buy, but not to abandon a job that runs: no vendor can cancel one, and it would be paid for twice. A status
#: that cannot be read is no news, so a Clear with the same request waits until it can be read.
TABLE: Final[Mapping[Found, tuple[Cell, Cell, Cell]]] = MappingProxyType(
    {
        Found.NONE: (_BUY, _BUY, _BUY),
        Found.INTENT: (Cell(Action.BUY, Condition.RESUBMIT, Action.STOP), _BUY, _BUY),
        Found.RUNNING: (_ATTACH, _ATTACH, _BUY),
        Found.READY: (_REUSE, Cell(Action.BUY, Condition.FINISHED_AND_FRESH, Action.REUSE), _BUY),
        Found.FAILED: (Cell(Action.BUY, Condition.FREE_AND_BLAMELESS, Action.STOP), _BUY, _BUY),
        Found.GONE: (_STOP, _BUY, _BUY),
        Found.UNREADABLE: (_ATTACH, Cell(Action.LATER), _BUY),
    }
)

_COLUMNS = {Occasion.RETRY: 0, Occasion.CLEARED: 1, Occasion.CLEARED_OTHER: 2}
_OF_STATE = {
    JobState.RUNNING: Found.RUNNING,
    JobState.READY: Found.READY,
    JobState.FAILED: Found.FAILED,
    JobState.GONE: Found.GONE,
}


def occasion(record: Record, *, fingerprints: Collection[str], max_tries: int) -> Occasion:
    """Distinguish a person's Clear from an automatic retry: only a Clear makes ``max_tries`` grow.

    ``clear_number`` would not do: it counts Clears of the whole run. A Clear of a running task reads as a
    retry, which is the safe side.

    :param fingerprints: of the request, in today's form and in those of earlier releases.
    """
    # Airflow leaves max_tries alone on a retry. On a Clear it adds the tries so far, so that the task has all
    # its retries again.
    if max_tries <= record.max_tries:
        return Occasion.RETRY
    return Occasion.CLEARED if record.fingerprint in fingerprints else Occasion.CLEARED_OTHER


def found(record: Record | None, status: JobStatus | None) -> Found:
    """Classify an earlier purchase.

    :param status: the vendor's answer, or None when it could not be read.
    """
    if record is None:
        return Found.NONE
    # The vendor's answer is not on record, so nobody here knows whether the purchase arrived.
    if record.receipt is None:
        return Found.INTENT
    if record.receipt.ref is None:
        return Found.READY  # the purchase delivered its result at once
    return Found.UNREADABLE if status is None else _OF_STATE[status.state]


def decide(
    what: Found, why: Occasion, policy: Policy, record: Record | None = None, status: JobStatus | None = None
) -> Action:
    """Return the action that :data:`TABLE` gives."""
    cell = TABLE[what][_COLUMNS[why]]
    if cell.when is None or cell.unless is None or _holds(cell.when, policy, record, status):
        return cell.action
    return cell.unless


def _holds(condition: Condition, policy: Policy, record: Record | None, status: JobStatus | None) -> bool:
    if condition is Condition.RESUBMIT:
        return policy.on_lost_submit == "resubmit"
    # That a job is READY is not enough. If its files could not be downloaded, or Airflow could not store the
    # result, nobody has had it yet, and a Clear must not pay for it twice.
    if condition is Condition.FINISHED_AND_FRESH:
        return policy.on_clear == "fresh" and record is not None and record.phase == "done"
    return status is not None and may_buy_again(status)


def may_buy_again(status: JobStatus) -> bool:
    """Whether an automatic retry may buy a failed job again: it cost nothing, and might succeed."""
    return status.charged in ("no", "refunded") and status.blame not in ("input", "policy")
