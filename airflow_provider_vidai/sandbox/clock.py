"""Virtual time, and the jobs' way through their statuses on it."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


class Clock:
    """Virtual seconds since the start, ``speed`` times as fast as real ones; 0 stops the clock."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._seconds = 0.0
        self._jumped = 0.0
        self._read_at = time.monotonic()

    def now(self) -> float:
        """Return the virtual seconds that have passed."""
        real = time.monotonic()
        self._seconds += (real - self._read_at) * self._speed
        self._read_at = real
        return self._seconds

    def wall(self) -> float:
        """Return the time of day in seconds plus all jumps; the speed does not matter. Rate limits use it."""
        return time.time() + self._jumped

    def lasting(self, seconds: float) -> float:
        """Return the real duration of virtual seconds; for a stopped clock, the duration at speed 1."""
        return seconds / (self._speed or 1.0)

    def run_at(self, speed: float) -> None:
        """Run at this speed from now on."""
        self.now()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._seconds += seconds
        self._jumped += seconds


@dataclass(frozen=True)
class Step:
    """A vendor's status, and how many virtual seconds it lasts."""

    status: str
    seconds: float


class Timeline:
    """The statuses that a job reports over time.

    :param end: the vendor's status after the last step.
    :param failed: its status if ``work`` raised.
    :param work: what makes the result; the last step lasts until it is done.
    """

    def __init__(
        self,
        clock: Clock,
        steps: Sequence[Step],
        end: str,
        failed: str = "failed",
        work: "Future[Any] | None" = None,
    ) -> None:
        self._clock = clock
        self._steps = steps
        self._end = end
        self._failed = failed
        self._work = work
        self._began = clock.now()

    @property
    def status(self) -> str:
        """The vendor's current status of the job."""
        if self.ended:
            return self._failed if self.failed else self._end
        elapsed = self._clock.now() - self._began
        for step in self._steps:
            if elapsed < step.seconds:
                return step.status
            elapsed -= step.seconds
        return self._steps[-1].status

    @property
    def ended(self) -> bool:
        """Whether all steps have passed and the work is done."""
        elapsed = self._clock.now() - self._began
        return elapsed >= sum(step.seconds for step in self._steps) and (not self._work or self._work.done())

    @property
    def failed(self) -> bool:
        """Whether the job ended without a result."""
        if not self.ended:
            return False
        return self._end == self._failed or bool(self._work and self._work.exception())
