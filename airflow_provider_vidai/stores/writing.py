"""What the stores have in common when they write: rivals, and answers that were lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

#: Pauses before a write that failed is read back, in seconds: it may have taken effect all the same.
READ_BACK = (0.0, 0.5, 2.0)


class Taken(Exception):
    """Another try of the task wrote the record that this one was about to write."""


@contextlib.contextmanager
def despite_lost_answers(written: Callable[[], bool], sleep: Callable[[float], None]) -> Iterator[None]:
    """Go on after a write that failed, if it turns out to have taken effect.

    :param written: whether the value is there.
    """
    try:
        yield
    except Taken:
        raise
    except Exception:
        for pause in READ_BACK:
            sleep(pause)
            with contextlib.suppress(Exception):
                if written():
                    return
                break
        raise
