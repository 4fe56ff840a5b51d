"""Triggerers, accounts and jobs in virtual time: what the day's simulation consists of.

Everything that decides is the package's own code: ``purchase.poll.Watch`` says when a job is checked,
``purchase.durations.Durations`` learns how long jobs take, and ``net.rate.Rate`` says how fast one triggerer
checks the jobs of an account. Only the vendors' limits, the network and the clock are simulated.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Literal, NamedTuple

from airflow_provider_vidai.errors import ApiError
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.net.rate import Rate
from airflow_provider_vidai.purchase.durations import Durations
from airflow_provider_vidai.purchase.poll import Finished, Step, Wait, Watch

#: Seconds from a request to its arrival, and again to the answer.
LATENCY = 0.1
RUNNING = JobStatus(state=JobState.RUNNING, vendor_status="running")
READY = JobStatus(state=JobState.READY, vendor_status="ready")

Refusal = Literal["bare", "retry_after", "remaining"]


class Clock:
    """Virtual time: what is to happen, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Let something happen at ``moment``."""
        heapq.heappush(self._due, (moment, next(self._order), act))

    def run(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, act = heapq.heappop(self._due)
            act()
        self.now = until


class Window:
    """What a vendor counts: the calls of any so many seconds, which may be ``limit`` at most."""

    def __init__(self, limit: int, seconds: float = 60.0) -> None:
        self.limit, self._seconds = limit, seconds
        self._calls: deque[float] = deque()

    def left(self, now: float) -> int:
        """Return how many more calls are allowed now."""
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        return self.limit - len(self._calls)

    def opens_in(self, now: float) -> float:
        """Return the seconds until one more call is allowed, of a window that is full."""
        return self._calls[0] + self._seconds - now

    def count(self, now: float) -> None:
        """Count a call."""
        self._calls.append(now)


class Account:
    """An account at a vendor.

    :param limit: status checks per minute; None for no limit.
    :param setting: what the triggerers believe it is.
    :param refusal: what a refusal says: nothing, how long to wait, or (with every answer) how much is left.
    """

    def __init__(self, clock: Clock, limit: int | None, setting: float | None, refusal: Refusal) -> None:
        self._clock, self.setting, self._refusal = clock, setting, refusal
        self._window = None if limit is None else Window(limit)
        #: When each call was answered, or refused.
        self.answered: list[float] = []
        self.refused: list[float] = []

    def call(self) -> tuple[ApiError | None, int | None]:
        """Return the refusal of a call, if it is one, and how many more are allowed."""
        now, window = self._clock.now, self._window
        if window is None:
            self.answered.append(now)
            return None, None
        if not window.left(now):
            self.refused.append(now)
            wait = None if self._refusal == "bare" else max(window.opens_in(now), 1.0)
            facts: dict[str, Any] = {"status": 429, "retryable": True, "processed": "no"}
            return ApiError("HTTP 429", retry_after=wait, **facts), None
        window.count(now)
        self.answered.append(now)
        return None, window.left(now) if self._refusal == "remaining" else None


class Sort(NamedTuple):
    """Jobs that take about as long: what they share, and what they are assumed to take."""

    key: Hashable
    usual: float | None


class Job:
    """A paid job that waits.

    :param takes: seconds from the purchase until it is ready.
    :param reports: what the vendor reports at a time since the purchase.
    """

    def __init__(
        self, account: Account, sort: Sort, takes: float, reports: Callable[[float], dict[str, float]]
    ) -> None:
        self.account, self.sort, self.takes, self.reports = account, sort, takes, reports
        self.bought = 0.0
        self.found: float | None = None
        self.checks = 0

    @property
    def late(self) -> float:
        """Seconds from ready to found."""
        assert self.found is not None
        return self.found - self.bought - self.takes


class Triggerer:
    """One process that waits for jobs, with its own budgets and its own memory."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self._durations = Durations()
        self._lines: dict[Account, _Line] = {}
        #: Jobs that wait now, and the most there ever were.
        self.waiting = self.most = 0
        #: Lines about the rate limit in its log.
        self.warnings = 0

    def wait(self, job: Job, timeout: float) -> None:
        """Wait for a job that is bought now."""
        job.bought = self._clock.now
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        estimate = self._durations.of(job.sort.key, job.sort.usual)
        watch = Watch(
            since=job.bought, deadline=job.bought + timeout, estimate=estimate, jitter=self._rng.random
        )
        self._follow(job, watch, watch.first_poll(self._clock.now))

    def _follow(self, job: Job, watch: Watch, step: Step) -> None:
        if isinstance(step, Wait):
            self._clock.at(self._clock.now + step.seconds, lambda: self._line(job.account).due(job, watch))
            return
        self.waiting -= 1
        if isinstance(step, Finished):
            job.found = self._clock.now

    def _line(self, account: Account) -> _Line:
        return self._lines.setdefault(account, _Line(self._clock, account, self))

    def answered(
        self, job: Job, watch: Watch, refusal: ApiError | None, rate: Rate, left: int | None
    ) -> None:
        """Take the answer to a status check, as the trigger does."""
        now, elapsed = self._clock.now, self._clock.now - job.bought
        if refusal is None:
            rate.answered()
            if left is not None:
                rate.left(left, now)
            # The answer describes the job at the moment at which the call arrived.
            ready = elapsed - LATENCY >= job.takes
            status = READY if ready else RUNNING.model_copy(update=job.reports(elapsed))
            self._follow(job, watch, watch.answered(status, now))
            return
        step = watch.failed(refusal, now)
        if isinstance(step, Wait) and step.throttled:
            self.warnings += rate.refused(step.pause_account, now)
        self._follow(job, watch, step)


class _Line:
    """One triggerer's status checks of one account, like ``net.budget.Budget`` but in virtual time."""

    def __init__(self, clock: Clock, account: Account, triggerer: Triggerer) -> None:
        self._clock, self._account, self._triggerer = clock, account, triggerer
        self._rate = Rate(account.setting)
        self._queue: deque[tuple[Job, Watch]] = deque()

    def due(self, job: Job, watch: Watch) -> None:
        """Check a job as soon as the budget allows it."""
        now = self._clock.now
        if not self._queue and now >= self._rate.free_at:
            self._rate.taken(now, 0)
            self._send(job, watch)
            return
        self._queue.append((job, watch))
        if len(self._queue) == 1:
            self._clock.at(self._rate.free_at, self._dispatch)

    def _dispatch(self) -> None:
        now = self._clock.now
        if now >= self._rate.free_at:
            self._rate.taken(now, len(self._queue))
            self._send(*self._queue.popleft())
        if self._queue:
            self._clock.at(max(self._rate.free_at, now), self._dispatch)

    def _send(self, job: Job, watch: Watch) -> None:
        job.checks += 1

        def arrives() -> None:
            refusal, left = self._account.call()
            self._clock.at(
                self._clock.now + LATENCY,
                lambda: self._triggerer.answered(job, watch, refusal, self._rate, left),
            )

        self._clock.at(self._clock.now + LATENCY, arrives)
