"""Translates this package's errors into Airflow's exceptions.

Nothing is decided here about sending a call again: :mod:`airflow_provider_vidai.net.retry` does that for SAFE
calls within one attempt of the task, and the purchase's own rules do it for what buys. An error that arrives
here says by itself whether a later attempt can help.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from airflow_provider_vidai._compat import AirflowException, AirflowFailException
from airflow_provider_vidai.errors import (
    ApiError,
    InputError,
    JobError,
    LedgerError,
    TransferError,
    VidaiError,
)

__all__ = ["airflow_failures", "is_retryable"]


def is_retryable(error: VidaiError) -> bool:
    """Whether Airflow's own retry of the task can do something useful."""
    if isinstance(error, InputError):
        return False
    if isinstance(error, LedgerError):
        return True
    if isinstance(error, (ApiError, JobError, TransferError)):
        return error.retryable
    return True


@contextlib.contextmanager
def airflow_failures() -> Iterator[None]:
    """Turn this package's errors into the exceptions by which Airflow fails or retries a task."""
    try:
        yield
    except VidaiError as error:
        kind = AirflowException if is_retryable(error) else AirflowFailException
        # A ledger that cannot be used is noticed before anything is sent.
        fate = ". This try bought nothing; what an earlier one bought is kept."
        raise kind(f"{error}{fate if isinstance(error, LedgerError) else ''}") from error
