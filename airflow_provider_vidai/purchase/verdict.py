"""What the end of a job means for the task that waited for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from airflow_provider_vidai.errors import (
    CLEAR_BUYS,
    CLEAR_DECIDES,
    CLEAR_WAITS,
    MONEY,
    Charged,
    JobError,
    JobFailed,
    JobGone,
    JobTimedOut,
    LostSubmit,
    VidaiError,
)
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import may_buy_again
from airflow_provider_vidai.purchase.record import Search

#: The vendor accepted a job that is on record. Only its report about the job's end makes the charge
#: uncertain, so all other messages about one job say the same about the money.
CHARGE_ON_RECORD: Charged = "yes"

#: Said whenever the waiting for a job ends: no vendor can cancel one, and it may have ended since.
CANNOT_CANCEL = "The vendor cannot cancel it, so it goes on there unless it has ended since"
RETRY_WAITS = f"{CANNOT_CANCEL}; a retry waits for the same job and buys nothing."


def no_longer_waiting(what: object) -> str:
    """Return the log line for a job that this process no longer waits for.

    :param what: the job.
    """
    return f"Stopped waiting for {what}. {RETRY_WAITS} {MONEY[CHARGE_ON_RECORD]}"


def unless_ready(ref: JobRef, status: JobStatus, *, buyer: bool = False) -> None:
    """Raise what a job's end means, unless it is READY.

    :param buyer: whether it is the task that bought the job which asks: only that one can buy it again.
    :raises JobFailed: retryable only where the decision table lets the buyer's retry buy again.
    :raises JobGone: when the vendor no longer has it; retryable where that is not in its own words.
    """
    said = f" ({status.error})" if status.error else ""
    # Another task has no record of the purchase, so its own Clear only checks the job again.
    clear = "Clear the task to buy it again." if buyer else "To buy it again, clear the task that bought it."
    if status.state is JobState.FAILED:
        again = buyer and may_buy_again(status)
        remedy = "A retry buys it again." if again else f"A retry would not buy it again. {clear}"
        raise JobFailed(
            f"{ref} failed: the vendor says {status.vendor_status!r}{said}.",
            todo=remedy,
            charged=status.charged,
            retryable=again,
            clear=CLEAR_BUYS if again else "",
        )
    if status.state is JobState.GONE:
        raise _gone(ref, status, said, clear, buyer=buyer)


def _gone(ref: JobRef, status: JobStatus, said: str, clear: str, *, buyer: bool) -> JobGone:
    # An answer that would be the same had the purchase never arrived says nothing new about the money.
    charged = (
        CHARGE_ON_RECORD if buyer and not status.proven and status.charged == "maybe" else status.charged
    )
    # An answer that needs no time to be believed is in the vendor's own words, and ends a job for good.
    if not status.believed_for:
        return JobGone(
            f"{ref} is gone: the vendor says {status.vendor_status!r}{said}.",
            todo=clear,
            charged=charged,
            clear="",
        )
    return JobGone(
        f"{ref} cannot be found: the answer is {status.vendor_status!r}{said}. A gateway in trouble answers "
        "like that too, so the job may still be there.",
        todo="A retry checks again and buys nothing; also check the job's id and the vendor's own pages.",
        charged=charged,
        retryable=True,
        clear=CLEAR_DECIDES if buyer else None,
    )


def timed_out(ref: JobRef, last: str) -> JobTimedOut:
    """Return the error for a job that was not known to have ended by the deadline.

    :param last: the last known status.
    """
    return JobTimedOut(
        f"{ref} was not seen to end by the task's deadline (last status: {last}).",
        todo=RETRY_WAITS,
        charged=CHARGE_ON_RECORD,
        retryable=True,
        clear=CLEAR_WAITS,
    )


def account_broken(ref: JobRef, error: VidaiError) -> JobError:
    """Return the error for a job whose account no longer answers."""
    return JobError(
        f"{ref} cannot be checked: {error.reason}",
        todo=f"{CANNOT_CANCEL}; when the account works again, a retry waits for the same job and buys "
        "nothing.",
        charged=CHARGE_ON_RECORD,
        retryable=True,
        clear=CLEAR_WAITS,
    )


def unreadable_status(job: str, why: VidaiError | None) -> JobError:
    """Return the error for a Clear that cannot know whether the job that was bought before is usable."""
    return JobError(
        f"The status of {job} cannot be read ({why}), so nothing more was bought.",
        charged=CHARGE_ON_RECORD,
        retryable=True,
        clear=CLEAR_DECIDES,
    )


@dataclass(frozen=True)
class Trace:
    """How a person finds out whether a purchase was made.

    :param wanted: what to look for at the vendor.
    :param place: where, such as an address; empty where that is not known.
    :param command: the command that records what was found.
    """

    wanted: str = "a job"
    place: str = ""
    command: str = "airflow vidai resolve"


def lost_submit(
    label: str,
    sent_at: float,
    search: Search,
    *,
    trace: Trace,
    resubmit: bool,
    earlier: int | None = None,
) -> LostSubmit:
    """Return the error for a purchase that was sent and whose outcome is unknown, or whose job is.

    :param label: the vendor's name.
    :param sent_at: seconds since the epoch.
    :param search: why its answer was lost, and what is known since.
    :param resubmit: whether the next try buys again by itself.
    :param earlier: the number of the try that sent it, unless it was this one.
    """
    # Not in brackets: Airflow's log page would make the closing one a part of the link.
    place = trace.place and f" at {trace.place}"
    check = f"Check the {label} account{place} for {trace.wanted} of that time"
    if search.verdict == "bought":
        return LostSubmit(
            f"A purchase was sent to {label} at {_moment(sent_at)} and its answer was lost: {_said(search)}",
            todo=f"{check}, and record it: '{trace.command} --bought JOB_ID'. Clear the task to buy again.",
            charged="yes",
            clear="",
        )
    # The id is in the log before it is in the record, so a worker that was killed in between left it there.
    logged = f"If the log of try {earlier} has a line 'Bought: ...', that is the job. "
    remedy = (
        "The next try buys again, because on_lost_submit='resubmit'."
        if resubmit
        else f"{'' if earlier is None else logged}{check}. Clear the task to buy again, or settle it first: "
        f"'{trace.command} --bought JOB_ID' or '--not-bought'."
    )
    return LostSubmit(
        f"A purchase was sent to {label} at {_moment(sent_at)} and its outcome is unknown: {_said(search)}",
        todo=remedy,
        charged="maybe",
        retryable=resubmit,
        clear=CLEAR_BUYS if resubmit else "",
    )


def not_bought(label: str, sent_at: float, search: Search) -> JobError:
    """Return the error for a purchase that was sent and, as the vendor's own books prove, not made."""
    return JobError(
        f"A purchase was sent to {label} at {_moment(sent_at)} and not made: {_said(search)}",
        todo="A retry buys it.",
        charged="no",
        retryable=True,
        clear=CLEAR_BUYS,
    )


def _said(search: Search) -> str:
    return f"{search.why.rstrip('.')}. {search.text}".rstrip()


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
