"""When to check a job next, and when to stop: pure, with time as an argument.

Synchronous waiting, deferred waiting and sensors all use it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.durations import Course, Estimate
from airflow_provider_vidai.purchase.timing import (
    FIRST_POLL_SECONDS,
    MAX_CONTRADICTIONS,
    MAX_FIRST_POLL_SECONDS,
    MAX_POLL_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    MIN_POLL_SECONDS,
    MIN_POLL_SECONDS_WITHOUT_ESTIMATE,
    POLL_SHARE_OF_ELAPSED,
    SAFETY_NET_STARTS_AT,
)


@dataclass(frozen=True)
class Wait:
    """Check again after ``seconds``.

    :param reconnect: read the connection again first: the key may have been changed.
    :param pause_account: seconds for which the vendor asked the whole account to wait.
    :param slow_account: the vendor refused the check because the account sent too many.
    """

    seconds: float
    reconnect: bool = False
    pause_account: float = 0.0
    slow_account: bool = False

    @property
    def throttled(self) -> bool:
        """Whether the account's rate limit is the reason."""
        return bool(self.pause_account) or self.slow_account


@dataclass(frozen=True)
class Finished:
    """The job is READY, FAILED or GONE."""

    status: JobStatus


@dataclass(frozen=True)
class DeadlinePassed:
    """The deadline has passed; as far as is known the job goes on at the vendor.

    :param last: the last known status, for messages.
    """

    last: str


@dataclass(frozen=True)
class AccountBroken:
    """The vendor refuses this account; the job goes on."""

    error: VidaiError


Step = Wait | Finished | DeadlinePassed | AccountBroken


def confirm_in(times: int) -> float:
    """Return the seconds until a reported end that is not believed yet is checked again.

    :param times: how often in a row it was reported.
    """
    return min(MIN_POLL_SECONDS * 2.0 ** (times - 1), MAX_POLL_SECONDS)


class Belief:
    """Whether an end was reported often enough, and for long enough, to be believed.

    This is the only rule by which a paid job is given up, and every way of waiting uses it. A gateway in
    trouble answers 404 for a job that is there, and a vendor's 500 may be a failed job or a failed server.
    """

    def __init__(self) -> None:
        self.times = 0
        self._since = 0.0
        self._status: JobStatus | None = None

    def answered(self, status: JobStatus, now: float) -> bool:
        """Count an answer; return whether it is believed by now."""
        if not _same(self._status, status):
            # This answer contradicts the one before, which therefore counts no more.
            self.times, self._since = 0, now
        self.times += 1
        self._status = status
        return self.times >= status.repeats_needed and now - self._since >= status.believed_for

    def failed(self) -> None:
        """Note a failed check.

        An end that is not in the vendor's own words may come from the same trouble, so its count begins
        again.
        """
        if self._status is not None and self._status.believed_for:
            self._status = None


def confirmed(
    ref: JobRef,
    check: Callable[[JobRef], JobStatus],
    sleep: Callable[[float], None],
    patience: float | None = None,
) -> JobStatus:
    """Check a job until one answer was repeated as often, and for as long, as it needs to be believed.

    Only the pauses count as time, so that no clock is needed.

    :param check: checks a job once.
    :param patience: seconds to sleep at most, in total; then the last answer is returned, believed or not.
    :raises ApiError: when each answer contradicts the one before.
    """
    belief, slept = Belief(), 0.0
    for _ in range(MAX_CONTRADICTIONS + 1):
        status = check(ref)
        if belief.answered(status, slept):
            return status
        pause = confirm_in(belief.times)
        if patience is not None and slept + pause > patience:
            return status
        sleep(pause)
        slept += pause
    raise ApiError(
        f"The answers about {ref} contradict one another; the last says {status.vendor_status!r}.",
        retryable=True,
    )


def _same(one: JobStatus | None, other: JobStatus) -> bool:
    """Whether two answers say the same. A 404 after a 500 is the first 404, not the second bad answer."""
    return one is not None and (one.state, one.vendor_status) == (other.state, other.vendor_status)


class Watch:
    """The waiting for one job.

    :param since: when the job was bought (seconds since the epoch), or when the waiting began.
    :param deadline: when to give up, seconds since the epoch.
    :param estimate: how long such jobs take; it also learns from this one. None where nothing is known.
    :param poll_interval: seconds between status checks; None adapts them.
    :param safety_net: seconds between status checks, at least, that only find the end of a job whose vendor
        failed to call; None where it does not call.
    :param jitter: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        *,
        since: float,
        deadline: float,
        estimate: Estimate | None = None,
        poll_interval: float | None = None,
        safety_net: float | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._since = since
        self._deadline = deadline
        self._estimate = estimate
        self._course = Course()
        self._interval = poll_interval
        self._safety_net = safety_net
        self._jitter = jitter
        self._failures = 0
        self._refusals = 0
        self._belief = Belief()
        self._seen = "not checked yet"
        self._missed: VidaiError | None = None

    def first_poll(self, now: float) -> Step:
        """Return when to check a job for the first time that was bought just now."""
        # A person's poll_interval of 1 s must not defeat the lower bound, which protects the task from
        # Airflow.
        return self._wait(now, max(self._pace(now), FIRST_POLL_SECONDS))

    @staticmethod
    def poll_now() -> Step:
        """Check now: the job may have been ready for hours."""
        return Wait(0.0)

    def answered(self, status: JobStatus, now: float) -> Step:
        """Return what follows from an answer."""
        self._failures = self._refusals = 0
        # Any answer at all shows that the network and the key work again.
        self._seen, self._missed = status.vendor_status, None
        if not self._belief.answered(status, now):
            # A job may be "not there" because the connection led to another account when it was read.
            reread = status.state is JobState.GONE and self._belief.times == 1
            return self._wait(now, confirm_in(self._belief.times), reconnect=reread)
        elapsed = now - self._since
        if status.state is not JobState.RUNNING:
            if self._estimate is not None and status.state is JobState.READY:
                self._estimate.learn(self._course, elapsed)
            return Finished(status)
        # VIDIO keeps one render per job and says "rendered" for the one before, too. The same file still
        # there after this time means that the new render is the same as the old one.
        if status.ready_after is not None and elapsed >= status.ready_after:
            return Finished(status.model_copy(update={"state": JobState.READY}))
        self._course.answered(status, elapsed)
        return self._wait(now, self._pace(now, status))

    def failed(self, error: VidaiError, now: float) -> Step:
        """Return what follows from a failed check.

        It says nothing about the job: only an account that stays broken ends the waiting.
        """
        account = isinstance(error, ApiError) and error.account
        self._refusals = self._refusals + 1 if account else 0
        self._failures += 1
        self._missed = error
        self._belief.failed()
        if account:
            # The key may have been rotated since the connection was read, so one refusal proves nothing.
            return (
                self._wait(now, MIN_POLL_SECONDS, reconnect=True)
                if self._refusals == 1
                else AccountBroken(error)
            )
        asked = error.retry_after if isinstance(error, ApiError) else None
        # The exponent is limited because a float overflows after a thousand failures, which a long outage can
        # reach.
        backoff = min(MIN_POLL_SECONDS * 2.0 ** min(self._failures - 1, 10), MAX_POLL_SECONDS)
        pause = min(asked, MAX_RETRY_AFTER_SECONDS) if asked is not None else 0.0
        step = self._wait(now, max(self._pace(now), backoff, pause))
        # An overloaded model at Venice asks only for its own jobs. The account's other jobs go on.
        if isinstance(step, Wait) and isinstance(error, ApiError) and error.everybody:
            # A call that never reached the vendor has no status.
            refused = error.processed == "no" and error.retryable and error.status is not None
            return replace(step, pause_account=min(pause, step.seconds), slow_account=refused)
        return step

    def _pace(self, now: float, status: JobStatus | None = None) -> float:
        if self._interval is not None:
            return self._interval
        elapsed = max(now - self._since, 0.0)
        estimate = self._estimate or Estimate()
        if self._safety_net is not None:
            begin = SAFETY_NET_STARTS_AT * (estimate.expects(elapsed, status) or 0.0) - elapsed
            # An expected duration may be wrong, and so may the hope that the vendor calls.
            pace = max(min(begin, MAX_FIRST_POLL_SECONDS), self._safety_net)
            return pace * (1.0 + 0.1 * self._jitter())
        known = estimate.begins(elapsed, status)
        least = MIN_POLL_SECONDS if known else MIN_POLL_SECONDS_WITHOUT_ESTIMATE
        begins, reliable = known or (0.0, False)
        pace = min(max(elapsed * POLL_SHARE_OF_ELAPSED, least), MAX_POLL_SECONDS)
        # Before checks are worth their cost, nothing is missed. A figure that few jobs confirm may be wrong.
        pace = max(pace, min(begins - elapsed, MAX_FIRST_POLL_SECONDS if reliable else MAX_POLL_SECONDS))
        # Jobs that were bought together must not be checked together: the vendor limits calls per minute.
        return max(pace * (0.95 + 0.1 * self._jitter()), MIN_POLL_SECONDS)

    def _wait(self, now: float, seconds: float, *, reconnect: bool = False) -> Step:
        left = self._deadline - now
        if left <= 0:
            return DeadlinePassed(self._last())
        # The last check is at the deadline itself, so that a job that is ready by then is not missed.
        return Wait(min(seconds, left), reconnect)

    def _last(self) -> str:
        """Return the last known status; a failed check does not change it."""
        if self._missed is None:
            return self._seen
        checks = "status check" if self._failures == 1 else f"{self._failures} status checks"
        return f"{self._seen}; the last {checks} failed: {str(self._missed).rstrip('. ')}"
