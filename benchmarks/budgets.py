"""Several triggerers share an account's limit and know nothing of one another: what is answered and refused.

In virtual time, with the package's own code. ``python -m benchmarks.budgets`` prints the table.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from benchmarks.fleet import Account, Clock, Job, Refusal, Sort, Triggerer

#: Minutes until the triggerers have found their rates.
SETTLING = 10


class Shared(NamedTuple):
    """How a limit was shared: calls per minute, once settled and in the first two minutes.

    :param warnings: lines in the logs of all triggerers.
    :param shares: what each triggerer had, as its jobs' status checks.
    """

    answered: float
    refused: float
    first_answered: float
    first_refused: float
    warnings: int
    shares: list[int]


def shared(
    triggerers: int, *, limit: int, setting: float | None, refusal: Refusal, minutes: int = 60
) -> Shared:
    """Let triggerers wait for jobs that never end, and whose checks would be twice what the limit allows.

    :param setting: status calls per minute that each of them believes to be allowed.
    """
    clock, rng = Clock(), random.Random(1)
    account = Account(clock, limit, setting, refusal)
    fleet = [Triggerer(clock, rng) for _ in range(triggerers)]
    jobs = [Job(account, Sort("endless", 60.0), 1e9, lambda _: {}) for _ in range(4 * limit)]
    for number, job in enumerate(jobs):
        waits = fleet[number % triggerers].wait
        clock.at(rng.uniform(0, 60), lambda job=job, waits=waits: waits(job, 1e9))  # type: ignore[misc]
    clock.run(SETTLING * 60)
    before = [job.checks for job in jobs]
    clock.run(minutes * 60)
    checked = [job.checks - first for job, first in zip(jobs, before, strict=True)]
    later = [sum(at >= SETTLING * 60 for at in calls) for calls in (account.answered, account.refused)]
    first = [sum(at < 120 for at in calls) / 2 for calls in (account.answered, account.refused)]
    return Shared(
        later[0] / (minutes - SETTLING),
        later[1] / (minutes - SETTLING),
        first[0],
        first[1],
        sum(one.warnings for one in fleet),
        [sum(checked[number::triggerers]) for number in range(triggerers)],
    )


CASES: list[tuple[str, int, float | None, Refusal]] = [
    ("nothing (HTTP 429 alone)", 80, 80, "bare"),
    ("how long to wait (Retry-After)", 80, 80, "retry_after"),
    ("with each answer, what is left (Venice)", 120, 120, "remaining"),
    ("nothing, and no limit is published", 80, None, "bare"),
]


def main() -> None:
    """Simulate, and print the table."""
    print(
        "| the vendor says | limit | triggerers | answered a minute | refused a minute | refused "
        "| in the first two minutes: refused a minute | log lines in an hour |\n" + "|--" * 8 + "|"
    )
    for says, limit, setting, refusal in CASES:
        for count in (1, 2, 4, 10):
            found = shared(count, limit=limit, setting=setting, refusal=refusal)
            share = found.refused / (found.answered + found.refused)
            print(
                f"| {says} | {limit} | {count} | {found.answered:.1f} | {found.refused:.1f} | {share:.1%} "
                f"| {found.first_refused:.1f} | {found.warnings} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
