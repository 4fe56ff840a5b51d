"""What each kind of storage says about itself, so that one can be chosen without opening any."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from airflow.sdk import Context

from airflow_provider_vidai.purchase.ledger import Store


class Backend(NamedTuple):
    """One kind of storage for the ledger.

    :param applies: whether it is set up here. This must not open it: that can cost a connection.
    :param open: returns the storage of one task instance, in one lap of a loop, or of one of its parts.
    :param ends_with_run: whether its records are removed together with their DAG run.
    :param warning: what a person should know before a task buys with it, if anything.
    """

    applies: Callable[[Context], bool]
    open: Callable[[Context, tuple[str, ...]], Store]
    ends_with_run: bool
    warning: str = ""
