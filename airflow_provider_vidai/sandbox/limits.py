"""Counting calls in sliding windows: in the client's time, or in the jobs'."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

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
    """Sliding windows and blocks, by name.

    :param now: the time that they go by, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: defaultdict[Name, deque[float]] = defaultdict(deque)
        self._blocked: dict[Name, float] = {}

    def take(self, name: Name, limit: int, seconds: float = 60.0) -> Quota:
        """Count one call if there is room for it in the last ``seconds``; a limit of 0 has always room."""
        seen, now = self._recent(name, seconds), self._now()
        allowed = not limit or len(seen) < limit
        if allowed:
            seen.append(now)
        return Quota(allowed, max(0, limit - len(seen)), seen[0] + seconds - now)

    def full(self, name: Name, limit: int, seconds: float) -> bool:
        """Whether one more call would be too many, without counting it; a limit of 0 is none."""
        return bool(limit) and len(self._recent(name, seconds)) >= limit

    def note(self, name: Name, seconds: float) -> int:
        """Count something that happened; return how often it did in the last ``seconds``."""
        seen = self._recent(name, seconds)
        seen.append(self._now())
        return len(seen)

    def _recent(self, name: Name, seconds: float) -> deque[float]:
        seen, begin = self._seen[name], self._now() - seconds
        while seen and seen[0] <= begin:
            seen.popleft()
        return seen

    def block(self, name: Name, seconds: float) -> None:
        """Close ``name`` for a while."""
        self._blocked[name] = self._now() + seconds
        self._seen.pop(name, None)

    def blocked(self, name: Name) -> float:
        """Return for how many more seconds ``name`` is closed; 0 if it is not."""
        return max(0.0, self._blocked.get(name, 0.0) - self._now())
