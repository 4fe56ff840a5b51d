"""The metrics, by name, as Airflow's ``[metrics]`` sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from airflow_provider_vidai._compat import statistics

#: Jobs that the vendor has accepted.
BOUGHT: Final = "vidai.bought"
#: What they cost, in millionths of a USD, where that is known. Counters are whole numbers.
COST: Final = "vidai.cost_usd_millionths"
#: Purchases whose outcome is unknown, and those of them that were found again.
LOST: Final = "vidai.lost"
FOUND: Final = "vidai.found_late"
#: Tries that failed, by ``reason``: the name of the error.
FAILED: Final = "vidai.failed"
#: Purchases that a budget refused, or made wait.
REFUSED: Final = "vidai.refused_by_budget"
#: Milliseconds for which a purchase waited for a rate limit or a budget, and a job for its end.
WAITED: Final = "vidai.waited"
READY_AFTER: Final = "vidai.ready_after"
#: Bytes of landed files.
LANDED: Final = "vidai.landed_bytes"


def count(name: str, tags: Mapping[str, str], number: int = 1) -> None:
    """Count something."""
    statistics().incr(name, number, tags=dict(tags))


def measure(name: str, tags: Mapping[str, str], seconds: float) -> None:
    """Report a time."""
    statistics().timing(name, 1000.0 * seconds, tags=dict(tags))
