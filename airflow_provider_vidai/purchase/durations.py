"""How long jobs take, learned from those that were seen to end: pure, with time as an argument.

A status check is worth most when a job may just have become ready. Vendors publish little about that. So each
process that waits keeps, for every sort of job, the distribution of the durations that it has seen: the mean
and the spread of their logarithms. It starts from the usual duration, forgets slowly, and is gone when the
process ends.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.purchase.timing import MIN_PROGRESS

#: Status checks begin where this many spreads below the mean lie: few jobs are ready by then.
BEGIN: Final = 1.7
#: The same where the first answer will report an expected duration or a progress, which says when to come
#: back: then the first check may not be the late one.
BEGIN_INFORMATIVE: Final = 2.0
#: Seconds after which checks begin, at the latest, while no such job was seen to end. Few vendors publish how
#: long their jobs take, and a short job must not wait for a guess.
UNCONFIRMED: Final = 30.0
#: How many jobs the first one counts for, and how far jobs are assumed to spread around it. Two thirds of the
#: jobs lie within a factor of e**spread.
ASSUMED_JOBS: Final = 2.0
ASSUMED_SPREAD: Final = 0.4
#: The same for jobs around what the vendor expects of them, and for the progress that it reports.
EXPECTED_SPREAD: Final = 0.2
PROGRESS_SPREAD: Final = 0.2
#: A new job counts at least this share, so that older ones are forgotten.
MEMORY: Final = 60.0
#: Jobs after which an estimate may be relied on for a longer wait than two minutes.
RELIABLE_AFTER: Final = 12.0
#: A higher progress says too little about the time that is left.
MAX_PROGRESS: Final = 0.9
#: Sorts of jobs that are remembered at most.
MOST_SORTS: Final = 256
#: The moment at which a job ended is only known to lie between two status checks. A wider gap than this share
#: of the time by then, or these seconds, says too little: the process may have been away meanwhile.
WIDEST_SHARE: Final = 0.25
WIDEST_SECONDS: Final = 16.0
#: A job that was ready at the first check may have been ready long before. It counts as this many spreads
#: below, which is where the mean of such jobs lies.
BEFORE_FIRST: Final = 0.4


class Spread:
    """A normal distribution, learned one value after the other.

    :param mean: until the first value.
    :param spread: the standard deviation to begin with.
    """

    __slots__ = ("_mean", "_variance", "_weight", "learned")

    def __init__(self, mean: float, spread: float) -> None:
        self._mean, self._variance, self._weight = mean, spread * spread, ASSUMED_JOBS
        #: Whether it has seen any value.
        self.learned = False

    @property
    def reliable(self) -> bool:
        """Whether it rests on enough values."""
        return self._weight >= RELIABLE_AFTER

    @property
    def spread(self) -> float:
        """The standard deviation of the next value, as far as it can be known."""
        # Few values determine neither the mean nor the spread well. The wider of what may be true is safe.
        return math.sqrt(self._variance * (1 + 1 / self._weight)) * (1 + 1.2 / self._weight)

    def low(self, spreads: float) -> float:
        """Return what few values fall below."""
        return self._mean - spreads * self.spread

    def high(self) -> float:
        """Return what few values exceed."""
        return self._mean + BEGIN * self.spread

    def add(self, value: float) -> None:
        """Learn a value."""
        if not self.learned:
            # The mean that was assumed may be wrong by far, and would widen the spread for a long time.
            self._mean, self.learned = value, True
            return
        self._weight = min(self._weight + 1, MEMORY)
        gain, off = 1 / self._weight, value - self._mean
        self._mean += gain * off
        self._variance = (1 - gain) * (self._variance + gain * off * off)


class Estimate:
    """How long one sort of job takes.

    :param usual: seconds that such a job usually takes, as published or assumed; None for no idea.
    """

    def __init__(self, usual: float | None = None) -> None:
        self._takes = Spread(math.log(usual), ASSUMED_SPREAD) if usual else None
        self._of_expected = Spread(0.0, EXPECTED_SPREAD)
        self._of_progress = Spread(0.0, PROGRESS_SPREAD)

    def begins(self, elapsed: float, status: JobStatus | None) -> tuple[float, bool] | None:
        """Return how many seconds after the purchase status checks begin to be worth their cost.

        The vendor's own estimate counts first, then the job's progress, then what such jobs have taken. The
        second value is whether enough jobs were seen to rely on it. None means that nothing is known.

        :param elapsed: seconds since the purchase.
        :param status: the latest answer; None before the first.
        """
        informative = self._of_expected.learned or self._of_progress.learned
        found = self._after(elapsed, status, BEGIN, BEGIN_INFORMATIVE if informative else BEGIN)
        announced = status is not None and (status.expected is not None or bool(status.progress))
        if found is None or announced or (self._takes is not None and self._takes.learned):
            return found
        return min(found[0], UNCONFIRMED), False

    def expects(self, elapsed: float, status: JobStatus | None) -> float | None:
        """Return how many seconds after the purchase the job is expected to be ready; None as above.

        :param elapsed: seconds since the purchase; likewise ``status``.
        """
        found = self._after(elapsed, status, 0.0, 0.0)
        return None if found is None else found[0]

    def _after(
        self, elapsed: float, status: JobStatus | None, spreads: float, unannounced: float
    ) -> tuple[float, bool] | None:
        """Return the duration that lies ``spreads`` below the mean, and whether to rely on it.

        :param unannounced: the same where the vendor has not said anything about this job.
        """
        takes = self._takes
        if status is not None and status.expected is not None:
            factor = self._of_expected
            return max(status.expected, 0.0) * math.exp(factor.low(spreads)), factor.reliable
        if status is not None and status.progress:
            power = self._of_progress
            by_progress = elapsed * max(status.progress, MIN_PROGRESS) ** -math.exp(power.low(spreads))
            # A progress that stands still says nothing about the end.
            return min(by_progress, math.exp(takes.high()) if takes else math.inf), power.reliable
        if takes is None:
            return None
        return math.exp(takes.low(unannounced)), takes.reliable

    def learn(self, course: Course, elapsed: float) -> None:
        """Learn from a job that was seen to be ready ``elapsed`` seconds after its purchase."""
        if course.running_at is None:
            self._ready_at_first(elapsed)
            return
        before = course.running_at
        # After a long gap, nobody knows when in it the job became ready.
        if not 0 < before < elapsed <= before + max(WIDEST_SHARE * before, WIDEST_SECONDS):
            return
        # Durations are learned as logarithms, and this is the middle of the two moments on that scale.
        took = math.sqrt(before * elapsed)
        self._takes = self._takes or Spread(0.0, ASSUMED_SPREAD)
        self._takes.add(math.log(took))
        if course.expected:
            self._of_expected.add(math.log(took / course.expected))
        if course.progress is not None and course.progress[0] < before:
            at, share = course.progress
            # Progress does not run evenly: a job takes about elapsed * share ** -k seconds. This learns the
            # logarithm of k, which _after() applies.
            self._of_progress.add(math.log(math.log(took / at) / -math.log(share)))

    def _ready_at_first(self, elapsed: float) -> None:
        """Learn from a job that was ready at its first check, unless that came later than it should.

        Then it may have been ready for hours: another process may have waited for it before.
        """
        takes = self._takes
        if takes is None or not 0 < elapsed <= max(
            (1 + WIDEST_SHARE) * math.exp(takes.low(BEGIN)), WIDEST_SECONDS
        ):
            return
        takes.add(math.log(elapsed) - BEFORE_FIRST * takes.spread)


class Course:
    """What the waiting for one job has shown; times are seconds since the purchase."""

    def __init__(self) -> None:
        #: When the job was last seen to run.
        self.running_at: float | None = None
        #: What the vendor expected of it.
        self.expected: float | None = None
        #: The first progress that says enough, and when it was reported.
        self.progress: tuple[float, float] | None = None

    def answered(self, status: JobStatus, elapsed: float) -> None:
        """Note that the job still runs."""
        self.running_at, self.expected = elapsed, status.expected
        enough = status.progress is not None and MIN_PROGRESS <= status.progress <= MAX_PROGRESS
        if self.progress is None and enough and not status.estimated and elapsed > 0:
            self.progress = (elapsed, status.progress or 0.0)


class Durations:
    """What one process has learned about all sorts of jobs."""

    def __init__(self) -> None:
        self._estimates: OrderedDict[Hashable, Estimate] = OrderedDict()

    def of(self, sort: Hashable, usual: float | None) -> Estimate:
        """Return the estimate for a sort of job.

        :param sort: what jobs that take about as long have in common.
        :param usual: see :class:`Estimate`.
        """
        found = self._estimates.setdefault(sort, Estimate(usual))
        self._estimates.move_to_end(sort)
        if len(self._estimates) > MOST_SORTS:
            self._estimates.popitem(last=False)
        return found

    def __len__(self) -> int:
        return len(self._estimates)
