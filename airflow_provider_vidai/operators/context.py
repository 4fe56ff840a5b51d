"""What is read from and written to the context of a running task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Asset, AssetAlias, Context


@dataclass(frozen=True)
class Try:
    """Which try this is.

    :param id: tells it from all tries of all runs, also of a run that was deleted and made again.
    :param max_tries: grows when a person clears the task, and only then.
    :param began: seconds since the epoch.
    """

    id: str
    number: int
    max_tries: int
    began: float


def try_of(context: Context) -> Try:
    """Return which try of the task this is."""
    instance = context["ti"]
    return Try(str(instance.id), instance.try_number, instance.max_tries, instance.start_date.timestamp())


def land_outlets(context: Context, outlets: Sequence[Any], files: Iterable[Any], cost: Any = None) -> None:
    """Tell the task's asset outlets which files were landed, and what their job cost, if known."""
    landed = list(files)
    paid = {} if cost is None else {"cost": cost}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update({"files": landed, **paid})
        elif isinstance(outlet, AssetAlias):
            for file in landed:
                context["outlet_events"][outlet].add(Asset(uri=file["uri"]), extra={**file, **paid})
