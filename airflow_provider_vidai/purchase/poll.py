"""When to look next at a job, and when to stop looking: pure, with time as an argument.

Synchronous waiting, deferred waiting and sensors all use it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus

#: Seconds between looks, at least: no vendor asks for less.
SOONEST = 5.0
#: Seconds before the first look, at least: Airflow may notice the end of a deferred task's process
#: six seconds late, and takes that for the end of the task when its trigger has fired by then.
FIRST = 8.0
#: Seconds between looks, at least, at a job of which nobody says how long it may take: from eighty
#: seconds on the share below is more, and shorter jobs are not worth twice the looks.
UNTOLD = 8.0
#: Seconds between looks, at most.
LATEST = 120.0
#: A job is looked at again after this share of the time it has taken by now, so that waiting adds
#: no more than this share to it, however long it takes.
SHARE = 0.1
#: Looks begin after this share of the time that a job is expected to take: few take less.
HEAD_START = 0.5
#: Progress below this counts as this much: the first per cents tell little about the rest, and a
#: job must not be left alone for long because of them.
LEAST_PROGRESS = 0.25
#: How often a status is asked for that is not believed, before it counts as one that cannot be read.
MOST_DOUBTS = 10
#: The longest pause taken from a vendor's Retry-After, in seconds.
LONGEST_PAUSE = 900.0


@dataclass(frozen=True)
class Wait:
    """Look again after ``seconds``.

    :param reconnect: read the connection again first: the key may have been changed.
    :param pause_account: the vendor asked everybody to wait.
    """

    seconds: float
    reconnect: bool = False
    pause_account: bool = False


@dataclass(frozen=True)
class Finished:
    """The job is READY, FAILED or GONE."""

    status: JobStatus


@dataclass(frozen=True)
class DeadlinePassed:
    """Time is up; as far as is known the job goes on at the vendor.

    :param last: what was seen last.
    """

    last: str


@dataclass(frozen=True)
class AccountBroken:
    """The vendor does not answer this account any more; the job goes on."""

    error: VidaiError


Step = Wait | Finished | DeadlinePassed | AccountBroken


def doubt(times: int) -> float:
    """Return the seconds until an end that is not believed yet is looked at again.

    :param times: how often in a row it was heard.
    """
    return min(SOONEST * 2.0 ** (times - 1), LATEST)


class Belief:
    """Whether an end was reported often enough, and for long enough, to be believed.

    This is the one rule by which a paid job is given up; every way of waiting uses it.
    """

    def __init__(self) -> None:
        self.times = 0
        self._since = 0.0
        self._status: JobStatus | None = None

    def hears(self, status: JobStatus, now: float) -> bool:
        """Take an answer; return whether it is believed by now."""
        if not _same(self._status, status):
            self.times, self._since = 0, now
        self.times += 1
        self._status = status
        return self.times >= status.repeats_needed and now - self._since >= status.believed_for

    def misses(self) -> None:
        """Take a failed check: what is not in the vendor's own words may be part of the same trouble."""
        if self._status is not None and self._status.believed_for:
            self._status = None


def confirmed(
    ref: JobRef,
    look: Callable[[JobRef], JobStatus],
    sleep: Callable[[float], None],
    patience: float | None = None,
) -> JobStatus:
    """Check a job until an answer has come as often in a row, and for as long, as it needs to be believed.

    Only the pauses count as time, so that no clock is needed.

    :param patience: return the last answer, believed or not, rather than sleep for longer than this
        in all (seconds).
    :raises ApiError: when each answer contradicts the one before.
    """
    belief, slept = Belief(), 0.0
    for _ in range(MOST_DOUBTS + 1):
        status = look(ref)
        if belief.hears(status, slept):
            return status
        pause = doubt(belief.times)
        if patience is not None and slept + pause > patience:
            return status
        sleep(pause)
        slept += pause
    raise ApiError(
        f"The answers about {ref} contradict one another; the last says {status.vendor_status!r}.",
        retryable=True,
    )


def _same(one: JobStatus | None, other: JobStatus) -> bool:
    """Whether two answers say the same: a 500 does not make a 404 after it any truer."""
    return one is not None and (one.state, one.vendor_status) == (other.state, other.vendor_status)


class Watch:
    """The waiting for one job.

    :param since: when the job was bought (seconds since the epoch), or when the waiting began.
    :param deadline: when to give up, seconds since the epoch.
    :param typical: how long such a job usually takes, in seconds, if known.
    :param poll_interval: seconds between looks; None adapts them.
    """

    def __init__(
        self,
        *,
        since: float,
        deadline: float,
        typical: float | None = None,
        poll_interval: float | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._since = since
        self._deadline = deadline
        self._typical = typical
        self._interval = poll_interval
        self._jitter = jitter
        self._failures = 0
        self._refusals = 0
        self._belief = Belief()
        self._seen = "not checked yet"
        self._missed: VidaiError | None = None

    def first(self, now: float) -> Step:
        """Return when to look for the first time at a job that was bought just now."""
        return self._wait(now, max(self._pace(now), FIRST))

    @staticmethod
    def at_once() -> Step:
        """Look now: the job may have been ready for long."""
        return Wait(0.0)

    def saw(self, status: JobStatus, now: float) -> Step:
        """Take an answer."""
        self._failures = self._refusals = 0
        self._seen, self._missed = status.vendor_status, None
        if not self._belief.hears(status, now):
            # A job may be "not there" because the connection led to another account when it was read.
            anew = status.state is JobState.GONE and self._belief.times == 1
            return self._wait(now, doubt(self._belief.times), reconnect=anew)
        if status.state is not JobState.RUNNING:
            return Finished(status)
        if status.ready_after is not None and now - self._since >= status.ready_after:
            return Finished(status.model_copy(update={"state": JobState.READY}))
        return self._wait(now, self._pace(now, status))

    def missed(self, error: VidaiError, now: float) -> Step:
        """Take a failed look. The job is not failed by it; only a broken account ends the waiting."""
        account = isinstance(error, ApiError) and error.account
        self._refusals = self._refusals + 1 if account else 0
        self._failures += 1
        self._missed = error
        self._belief.misses()
        if account:
            return self._wait(now, SOONEST, reconnect=True) if self._refusals == 1 else AccountBroken(error)
        asked = error.retry_after if isinstance(error, ApiError) else None
        backoff = min(SOONEST * 2.0 ** min(self._failures - 1, 10), LATEST)
        pause = min(asked, LONGEST_PAUSE) if asked is not None else 0.0
        everybody = bool(pause) and isinstance(error, ApiError) and error.everybody
        return self._wait(now, max(self._pace(now), backoff, pause), pause_account=everybody)

    def _pace(self, now: float, status: JobStatus | None = None) -> float:
        if self._interval is not None:
            return self._interval
        elapsed = max(now - self._since, 0.0)
        begin, soonest = self._begin_in(elapsed, status), SOONEST
        if begin is None:
            begin, soonest = 0.0, UNTOLD
        pace = max(elapsed * SHARE, begin, soonest)
        return max(min(pace, LATEST) * (0.95 + 0.1 * self._jitter()), SOONEST)

    def _begin_in(self, elapsed: float, status: JobStatus | None) -> float | None:
        """Return in how many seconds looks begin to be worth it: by the vendor's word before a table's."""
        expected = self._typical
        if status is not None and status.expected is not None:
            expected = status.expected
        elif status is not None and status.progress:
            expected = elapsed / max(status.progress, LEAST_PROGRESS)
        return None if expected is None else HEAD_START * expected - elapsed

    def _wait(
        self, now: float, seconds: float, *, reconnect: bool = False, pause_account: bool = False
    ) -> Step:
        left = self._deadline - now
        if left <= 0:
            return DeadlinePassed(self._last())
        # The last look is at the deadline itself, so that nothing that is ready by then is missed.
        return Wait(min(seconds, left), reconnect, pause_account)

    def _last(self) -> str:
        """Return what was seen last; a failed check does not tell how the job is."""
        if self._missed is None:
            return self._seen
        checks = "status check" if self._failures == 1 else f"{self._failures} status checks"
        return f"{self._seen}; the last {checks} failed: {str(self._missed).rstrip('. ')}"
