"""Counting calls in sliding windows, in real or in virtual time."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

Name = tuple[str, ...]


@dataclass(frozen=True)
class Quota:
    """The state of a window at one more call.

    :param resets_in: seconds until the oldest counted call leaves the window.
    """

    allowed: bool
    remaining: int
    resets_in: float


class Windows:
    """Sliding windows and blocks, by name.

    :param now: returns the time to count by, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: defaultdict[Name, deque[float]] = defaultdict(deque)
        self._blocked: dict[Name, float] = {}

    def take(self, name: Name, limit: int, seconds: float = 60.0) -> Quota:
        """Count one call if the limit for the last ``seconds`` allows it; a limit of 0 allows all."""
        seen, now = self._recent(name, seconds), self._now()
        allowed = not limit or len(seen) < limit
        if allowed:
            seen.append(now)
        return Quota(allowed, max(0, limit - len(seen)), seen[0] + seconds - now)

    def full(self, name: Name, limit: int, seconds: float) -> bool:
        """Return whether one more call would exceed the limit, without counting it; 0 is no limit."""
        return bool(limit) and len(self._recent(name, seconds)) >= limit

    def note(self, name: Name, seconds: float) -> int:
        """Count an event; return how many there were in the last ``seconds``."""
        seen = self._recent(name, seconds)
        seen.append(self._now())
        return len(seen)

    def _recent(self, name: Name, seconds: float) -> deque[float]:
        seen, begin = self._seen[name], self._now() - seconds
        while seen and seen[0] <= begin:
            seen.popleft()
        return seen

    def block(self, name: Name, seconds: float) -> None:
        """Block ``name`` for some seconds."""
        self._blocked[name] = self._now() + seconds
        self._seen.pop(name, None)

    def blocked(self, name: Name) -> float:
        """Return for how many more seconds ``name`` is blocked; 0 if it is not."""
        return max(0.0, self._blocked.get(name, 0.0) - self._now())
