"""The log of calls: who asked for what, without keys and without signed queries."""

from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

KEPT = 10_000


@dataclass
class Line:
    """One call. ``status`` is None while no answer has begun; ``bytes`` counts the answer's body.

    ``key`` tells whether a header that carries an API key was there.
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
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=KEPT)

    def add(self, line: Line) -> None:
        """Write down a call as it comes in; its answer is filled in later."""
        self._lines.append(line)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the calls as the control side shows them."""
        return [asdict(line) for line in self._lines]
