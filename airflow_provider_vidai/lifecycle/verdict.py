"""What the end of a job means for the task that waited for it."""

from __future__ import annotations

from airflow_provider_vidai.errors import JobError, JobFailed, JobGone, JobTimedOut, VidaiError
from airflow_provider_vidai.lifecycle.decide import may_buy_again
from airflow_provider_vidai.models import JobRef, JobState, JobStatus


def unless_ready(ref: JobRef, status: JobStatus, *, buyer: bool = False) -> None:
    """Raise what a job's end means, unless it is READY.

    :param buyer: whether it is the task that bought the job which asks: only that one can buy it again.
    :raises JobFailed: retryable only where the decision table lets the buyer's retry buy again.
    :raises JobGone: when the vendor no longer has it.
    """
    said = f" ({status.error})" if status.error else ""
    clear = "Clear the task to buy it again." if buyer else "To buy it again, clear the task that bought it."
    if status.state is JobState.FAILED:
        again = buyer and may_buy_again(status)
        remedy = "A retry buys it again." if again else f"A retry would not buy it again. {clear}"
        raise JobFailed(
            f"{ref} failed: the vendor says {status.vendor_status!r}{said}. {remedy}",
            charged=status.charged,
            retryable=again,
        )
    if status.state is JobState.GONE:
        raise JobGone(
            f"{ref} is gone: the vendor says {status.vendor_status!r}{said}. {clear}",
            charged=status.charged,
        )


def timed_out(ref: JobRef, last: str) -> JobTimedOut:
    """Return the error for a job that was still running at the deadline."""
    return JobTimedOut(
        f"{ref} is still running at the task's deadline (last seen: {last}). It goes on at the vendor, "
        "which cannot cancel it; a retry waits for the same job and buys nothing.",
        charged="yes",
        retryable=True,
    )


def account_broken(ref: JobRef, error: VidaiError) -> JobError:
    """Return the error for a job whose account no longer answers."""
    return JobError(
        f"{ref} cannot be looked at: {error} The job goes on at the vendor; when the account works again, a "
        "retry waits for the same job and buys nothing.",
        charged="yes",
        retryable=True,
    )
