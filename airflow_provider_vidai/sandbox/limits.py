"""Counting calls in sliding windows, in the client's time: jobs' speed does not change them."""

from collections import defaultdict, deque
from dataclasses import dataclass

from airflow_provider_vidai.sandbox.clock import Clock

Name = tuple[str, ...]


@dataclass(frozen=True)
class Quota:
    """What a window says of one more call.

    :param resets_in: seconds until the oldest call that counts does no more.
    """

    allowed: bool
    remaining: int
    resets_in: float


class Windows:
    """Sliding windows and blocks, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: defaultdict[Name, deque[float]] = defaultdict(deque)
        self._blocked: dict[Name, float] = {}

    def take(self, name: Name, limit: int, seconds: float = 60.0) -> Quota:
        """Count one call if there is room for it in the last ``seconds``; a limit of 0 has always room."""
        seen, now = self._recent(name, seconds), self._clock.wall()
        allowed = not limit or len(seen) < limit
        if allowed:
            seen.append(now)
        return Quota(allowed, max(0, limit - len(seen)), seen[0] + seconds - now)

    def note(self, name: Name, seconds: float) -> int:
        """Count something that happened; return how often it did in the last ``seconds``."""
        seen = self._recent(name, seconds)
        seen.append(self._clock.wall())
        return len(seen)

    def _recent(self, name: Name, seconds: float) -> deque[float]:
        seen, begin = self._seen[name], self._clock.wall() - seconds
        while seen and seen[0] <= begin:
            seen.popleft()
        return seen

    def block(self, name: Name, seconds: float) -> None:
        """Close ``name`` for a while."""
        self._blocked[name] = self._clock.wall() + seconds
        self._seen.pop(name, None)

    def blocked(self, name: Name) -> float:
        """Return for how many more seconds ``name`` is closed; 0 if it is not."""
        return max(0.0, self._blocked.get(name, 0.0) - self._clock.wall())
