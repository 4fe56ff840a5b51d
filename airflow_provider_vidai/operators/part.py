"""What makes an operator one of several purchases of another task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_vidai.purchase.observe import Observer
from airflow_provider_vidai.purchase.timing import MAX_SLEEP_SECONDS

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """One of several purchases that one task makes, in whichever of its processes.

    Each part has a ledger of its own within the task's, where a retry finds its records by its name.

    :param name: distinguishes it from the task's other parts, in whichever try.
    :param number: which one a person sees it as, from 1.
    :param watchers: watch its purchase, and may refuse it.
    :param longest_sleep: seconds of a rate limit that it sleeps through.
    """

    name: str
    number: int = 1
    watchers: Sequence[Observer] = ()
    longest_sleep: float = MAX_SLEEP_SECONDS
