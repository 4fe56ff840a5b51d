"""Waiting for a vendor's rate limit without holding a worker or using up a try."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.purchase.timing import (
    MAX_RATE_WAIT_SECONDS,
    RATE_WAIT_GROWTH,
    RATE_WAIT_JITTER,
)


class RateWait(VidaiError):
    """The vendor's rate limit asks for a long wait; nothing was bought, and no intent is on record."""

    #: Whether each wait is as long as it says, and holds no worker, whether or not the task is deferrable.
    steady: ClassVar[bool] = False

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class BudgetWait(RateWait):
    """The purchase fits no budget before the budget's next window; nothing was bought.

    The time that a job is waited for begins after it.
    """

    steady = True


class SearchWait(RateWait):
    """A purchase whose answer was lost is searched for again later; its intent stays on record."""

    steady = True


class ReuseWait(RateWait):
    """Another task is buying the same; nothing was bought."""

    steady = True


def limit_pause(asked: float, waited: int, left: float, jitter: float) -> float:
    """Return the seconds to wait for a rate limit: what the vendor asks for, and more after each refusal.

    :param asked: seconds that the vendor asks for.
    :param waited: how often this try has waited for the limit already.
    :param left: seconds until the task's deadline.
    :param jitter: 0 to 1, at random.
    """
    if not waited:
        return asked
    # The vendor's number is when the next slot opens. Many tasks wait for that slot, and only one gets it.
    grown = asked * RATE_WAIT_GROWTH ** min(waited, 50)  # far beyond the maximum, and still a number
    longer = min(grown, max(MAX_RATE_WAIT_SECONDS, asked)) * (1 + RATE_WAIT_JITTER * jitter)
    # A second before the deadline at the latest, so that a last attempt is made before it.
    return max(asked, min(longer, left - 1.0))
