"""Whether, when and how often a SAFE call that failed is sent again: decided here and nowhere else.

Status checks are sent once, because whoever waits for a job repeats them at its own pace. What a failure
means for Airflow's retry of the task is another question; :mod:`airflow_provider_vidai.hooks.failures`
translates it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_vidai.errors import ApiError

T = TypeVar("T")

log = logging.getLogger(__name__)

#: How often a SAFE call is sent at most. Three pauses of about 1, 2 and 4 s outlast a restart or a short
#: overload of the vendor; a longer outage is left to the task's own retry, which holds no worker meanwhile.
ATTEMPTS = 4
#: The longest pause inside one call, in seconds. If the vendor asks for more, the call fails, because a
#: worker that sleeps is paid for and occupied; the task's own retry comes back later.
LONGEST_PAUSE = 60.0


def repeated(send: Callable[[], T], attempts: int) -> T:
    """Return what ``send`` returns, sending again after failures that may pass.

    :param attempts: how often ``send`` is called at most.
    :raises ApiError: the last failure.
    """
    for attempt in range(1, attempts + 1):
        try:
            return send()
        except ApiError as error:
            pause = pause_before_retry(error, attempt, attempts, jitter=random.random())  # noqa: S311
            if pause is None:
                if attempts == 1:  # a status check: its caller says what became of the job and the money
                    raise
                raise error.changed(fate="Nothing was charged for this call.") from error.__cause__
            log.warning("%s Trying again in %.0f s.", error, pause)
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def pause_before_retry(error: ApiError, attempt: int, attempts: int, *, jitter: float) -> float | None:
    """Return the seconds to wait before sending again, or None to give up.

    The vendor's own Retry-After is obeyed as it is. Without one, pauses double from 1 s.

    :param attempt: how often the call has been sent.
    :param jitter: 0 to 1, at random, so that many callers don't come back together.
    """
    if not error.retryable or attempt >= attempts:
        return None
    pause = error.retry_after if error.retry_after is not None else 2.0 ** (attempt - 1) * (0.5 + jitter)
    return pause if pause <= LONGEST_PAUSE else None
