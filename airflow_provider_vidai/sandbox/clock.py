"""Virtual time, and jobs that walk through their statuses on it."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


class Clock:
    """Seconds since the sandbox began, running ``speed`` times as fast as real ones; 0 stands still."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._seconds = 0.0
        self._jumped = 0.0
        self._read_at = time.monotonic()

    def now(self) -> float:
        """Virtual seconds so far."""
        real = time.monotonic()
        self._seconds += (real - self._read_at) * self._speed
        self._read_at = real
        return self._seconds

    def wall(self) -> float:
        """Return the time of day in seconds, as it would be had no jump been needed: speed does not count."""
        return time.time() + self._jumped

    def lasting(self, seconds: float) -> float:
        """Return how long virtual seconds last for a client; those of a standing clock last as if it ran."""
        return seconds / (self._speed or 1.0)

    def run_at(self, speed: float) -> None:
        """Change the speed from now on."""
        self.now()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._seconds += seconds
        self._jumped += seconds


@dataclass(frozen=True)
class Step:
    """A vendor's status word, and how many virtual seconds it lasts."""

    word: str
    seconds: float


class Walk:
    """A job's way through its steps to its end.

    :param end: the vendor's word once all steps are through.
    :param failed: its word if ``work`` raised.
    :param work: what really makes the result; the last step lasts until it is done.
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
    def word(self) -> str:
        """The vendor's word for where the job is now."""
        if self.ended:
            return self._failed if self.failed else self._end
        elapsed = self._clock.now() - self._began
        for step in self._steps:
            if elapsed < step.seconds:
                return step.word
            elapsed -= step.seconds
        return self._steps[-1].word

    @property
    def ended(self) -> bool:
        """Whether all steps are through and the work is done."""
        elapsed = self._clock.now() - self._began
        return elapsed >= sum(step.seconds for step in self._steps) and (not self._work or self._work.done())

    @property
    def failed(self) -> bool:
        """Whether the job ended without a result."""
        if not self.ended:
            return False
        return self._end == self._failed or bool(self._work and self._work.exception())
