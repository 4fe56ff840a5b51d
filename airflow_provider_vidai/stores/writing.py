"""What the stores share when they write: rival tries, and writes whose answers were lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

#: Seconds to pause before each attempt to read a failed write back: it may have taken effect.
READ_BACK_PAUSES = (0.0, 0.5, 2.0)


class Taken(Exception):
    """Another try of the task has written the record that this one was about to write."""


@contextlib.contextmanager
def despite_lost_answers(written: Callable[[], bool], sleep: Callable[[float], None]) -> Iterator[None]:
    """Go on after a failed write if it turns out to have taken effect.

    Without this, a lost answer would leave an intent that this try does not know to be its own, and every
    retry would stop at it although nothing was sent.

    :param written: whether the value is there.
    """
    try:
        yield
    except Taken:
        raise
    except Exception:
        for pause in READ_BACK_PAUSES:
            sleep(pause)
            with contextlib.suppress(Exception):
                if written():
                    return
                # The value was read and is another one, so the write has failed. Only a failed read is worth
                # repeating.
                break
        raise
