"""Waiting for a vendor's rate limit without holding a worker or using up a try."""

from __future__ import annotations

from airflow_provider_vidai.errors import VidaiError

#: How much longer a limit is waited for each time that the wait was in vain, at most how long (seconds), and
#: by what share at random: tasks that were refused together must not come back together for ever.
LIMIT_GROWTH = 1.25
LONGEST_LIMIT_WAIT = 600.0
LIMIT_JITTER = 0.5


class RateWait(VidaiError):
    """The vendor's rate limit asks for a long wait; nothing was bought, and no intent is on record."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


def limit_pause(asked: float, waited: int, left: float, jitter: float) -> float:
    """Return the seconds to wait for a rate limit: as asked, and longer each time that was not enough.

    :param asked: seconds that the vendor asks for.
    :param waited: how often this try has waited already.
    :param left: seconds until the task's deadline.
    :param jitter: 0 to 1, at random.
    """
    if not waited:
        return asked
    longer = min(asked * LIMIT_GROWTH**waited, max(LONGEST_LIMIT_WAIT, asked)) * (1 + LIMIT_JITTER * jitter)
    return max(asked, min(longer, left - 1.0))
