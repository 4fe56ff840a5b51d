"""What a check returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """What one check found.

    :param what: a sentence.
    :param todo: what to do about it.
    """

    level: Level
    what: str
    todo: str = ""


class Check(NamedTuple):
    """One check.

    :param about: what it is about, in a word or two.
    """

    about: str
    run: Callable[[], Finding]

    def finding(self) -> Finding:
        """Run the check. One that fails itself is a failure, and no reason to leave out the others."""
        try:
            return self.run()
        except Exception as error:  # noqa: BLE001 - a database or a storage raises anything
            return Finding("fail", f"The check itself failed: {type(error).__name__}: {error}")


def first_line(error: BaseException) -> str:
    """Return an error in one line: a database's own text has many."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:300]
