"""When a SAFE call that failed is sent again: a pure function."""

from __future__ import annotations

from airflow_provider_vidai.errors import ApiError

#: The longest pause inside one call, in seconds. A vendor that asks for more gets a failed call,
#: and the task's own retry.
LONGEST_PAUSE = 60.0


def pause_before_retry(error: ApiError, attempt: int, attempts: int, *, jitter: float) -> float | None:
    """Return the seconds to wait before sending again, or None to give up.

    :param attempt: how often it was sent by now.
    :param jitter: 0 to 1, at random, so that many callers don't come back together.
    """
    if not error.retryable or attempt >= attempts:
        return None
    pause = error.retry_after if error.retry_after is not None else 2.0 ** (attempt - 1) * (0.5 + jitter)
    return pause if pause <= LONGEST_PAUSE else None
