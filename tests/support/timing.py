"""Claims on how long something takes, on a machine that is busy with other work too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def best_of_three(story: Callable[[], T]) -> T:
    """Run a story that asserts an upper bound up to three times, until it holds.

    A busy machine breaks such a bound now and then; code that is too slow breaks it every time.
    """
    for _ in range(2):
        try:
            return story()
        except AssertionError:
            pass
    return story()
