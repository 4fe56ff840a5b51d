"""The log of calls, without API keys and without signed queries."""

from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

#: Older calls are dropped, so that a sandbox that runs for weeks does not fill the memory.
KEPT = 10_000


@dataclass
class Line:
    """One call. ``status`` is None until the answer starts; ``bytes`` counts the answer's body.

    ``key`` says whether a header that carries an API key was present.
    """

    vendor: str
    call: str
    method: str
    path: str
    headers: list[str]
    key: bool
    status: int | None = None
    bytes: int = 0
    at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))


class Calls:
    """The most recent calls, oldest first."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=KEPT)

    def add(self, line: Line) -> None:
        """Record a call as it arrives; its answer is filled in later."""
        self._lines.append(line)

    def count(self, vendor: str, call: str) -> int:
        """Return how many of the calls are of this kind."""
        return sum((line.vendor, line.call) == (vendor, call) for line in self._lines)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the calls as the control side shows them."""
        return [asdict(line) for line in self._lines]
