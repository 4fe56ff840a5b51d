"""What makes an operator one of several purchases of another task."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_vidai.purchase.observe import Observer

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """One of several purchases that one task makes, in whichever of its processes.

    :param number: which one, from 1. It belongs to the request, and a retry finds the record by it.
    :param watcher: watches this purchase, and may refuse it.
    """

    number: int
    watcher: Observer
