"""A deployment that cannot be run here: 100,000 jobs a day, ten triggerers, and bursts at the full hour.

In virtual time, with the package's own code wherever something is decided (see :mod:`benchmarks.fleet`).
``python -m benchmarks.day`` takes half a minute and prints the tables; ``--plot FOLDER`` draws the plots.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import NamedTuple

from airflow_provider_vidai.purchase.limits import limit_pause
from airflow_provider_vidai.purchase.timing import MAX_SENDS, MAX_SLEEP_SECONDS
from benchmarks.fleet import Account, Clock, Job, Refusal, Sort, Triggerer, Window
from benchmarks.polls import KINDS

HOUR = 3_600.0
#: The share of an hour's jobs that start within this many seconds after the full hour.
BURST_SHARE, BURST_SECONDS = 0.5, 300.0
#: Seconds until Airflow repeats a task that failed (its default).
RETRY_DELAY = 300.0


class Vendor(NamedTuple):
    """What a vendor allows one account.

    :param checks: status checks per minute, published or not; None for no limit.
    :param setting: what the package knows of it.
    :param purchases: what may be bought in how many seconds.
    :param timeout: the operators' default, in seconds.
    """

    checks: int | None
    setting: float | None
    refusal: Refusal
    purchases: tuple[tuple[int, float], ...]
    timeout: float


VENDORS = {
    "VIDIO": Vendor(600, None, "bare", (), 3_600.0),
    "Venice": Vendor(120, 120.0, "remaining", ((40, 60.0),), 1_800.0),
    "Vizard": Vendor(None, None, "bare", ((3, 60.0), (20, HOUR)), 7_200.0),
    "Vidgo": Vendor(600, None, "bare", (), 1_800.0),
}
#: Jobs a day of each kind: 100,000 in all. Vizard allows 480.
JOBS = {
    "VIDIO reel": 25_000,
    "VIDIO render": 15_000,
    "Venice video": 20_000,
    "Vidgo image": 20_000,
    "Vidgo video": 14_600,
    "Vidgo music": 5_000,
    "Vizard clips": 400,
}


class Shop:
    """Where the jobs of one vendor are bought: the tasks see the vendor's limit only by its refusals."""

    def __init__(self, clock: Clock, rng: random.Random, vendor: Vendor) -> None:
        self._clock, self._rng, self._timeout = clock, rng, vendor.timeout
        self._windows = [Window(*limit) for limit in vendor.purchases]
        #: Seconds from the start of the task to the purchase; tries that ended without a purchase.
        self.waits: list[float] = []
        self.failed_tries = 0

    def buy(self, job: Job, triggerer: Triggerer) -> None:
        """Buy a job as its task does, however often it is refused."""
        began = self._clock.now

        def attempt(sends: int, waited: int) -> None:
            now = self._clock.now
            full = [window for window in self._windows if not window.left(now)]
            if not full:
                for window in self._windows:
                    window.count(now)
                self.waits.append(now - began)
                triggerer.wait(job, self._timeout)
                return
            asked = max(window.opens_in(now) for window in full)
            if asked > MAX_SLEEP_SECONDS:
                left = began + self._timeout - now
                seconds = limit_pause(asked, waited, left, self._rng.random())
                self._clock.at(now + max(seconds, 1.0), lambda: attempt(0, waited + 1))
            elif sends < MAX_SENDS - 1:
                self._clock.at(now + asked, lambda: attempt(sends + 1, waited))
            else:
                self.failed_tries += 1
                self._clock.at(now + RETRY_DELAY, lambda: attempt(0, 0))

        attempt(0, 0)


class Day:
    """One simulated deployment, after it ran.

    :param hours: of the day that are simulated, at the day's rate.
    :param pinned: whether each account's jobs wait in one triggerer ([triggerer] queues_enabled).
    """

    def __init__(self, *, hours: float, triggerers: int, pinned: bool, seed: int = 1) -> None:
        clock, rng = Clock(), random.Random(seed)
        self.hours = hours
        self.triggerers = [Triggerer(clock, rng) for _ in range(triggerers)]
        self.accounts = {
            name: Account(clock, vendor.checks, vendor.setting, vendor.refusal)
            for name, vendor in VENDORS.items()
        }
        self.shops = {name: Shop(clock, rng, vendor) for name, vendor in VENDORS.items()}
        self.jobs: dict[str, list[Job]] = {kind: [] for kind in JOBS}
        own = dict(zip(VENDORS, self.triggerers, strict=False))
        for kind, per_day in JOBS.items():
            vendor = kind.partition(" ")[0]
            for _ in range(round(per_day * hours / 24)):
                drawn = KINDS[kind](rng)
                sort = Sort((kind, drawn.sort), drawn.usual)
                job = Job(self.accounts[vendor], sort, drawn.takes, drawn.reports)
                self.jobs[kind].append(job)
                triggerer = own[vendor] if pinned else rng.choice(self.triggerers)
                buy = self.shops[vendor].buy
                clock.at(start(rng, hours), lambda buy=buy, job=job, by=triggerer: buy(job, by))  # type: ignore[misc]
        # How many jobs wait, minute by minute.
        self.waiting: list[int] = []
        for minute in range(round((hours + 2) * 60)):
            clock.at(minute * 60.0, lambda: self.waiting.append(sum(one.waiting for one in self.triggerers)))
        clock.run((hours + 2) * HOUR)


def start(rng: random.Random, hours: float) -> float:
    """Return when a task starts."""
    hour = rng.randrange(max(round(hours), 1)) * HOUR
    return hour + rng.uniform(0, BURST_SECONDS if rng.random() < BURST_SHARE else HOUR)


# --- showing --------------------------------------------------------------------------------------


def quantile(values: list[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def kinds_table(day: Day) -> str:
    """Return a Markdown table of how the jobs of each kind were found."""
    lines = [
        "| job | bought | found | checks per job | from ready to found p50 / p95 / p99, s | added p95 |",
        "|--|--|--|--|--|--|",
    ]
    for kind, jobs in day.jobs.items():
        found = [job for job in jobs if job.found is not None]
        late = [job.late for job in found]
        shown = " / ".join(f"{quantile(late, share):.0f}" for share in (0.5, 0.95, 0.99))
        added = quantile([job.late / job.takes for job in found], 0.95)
        checks = sum(job.checks for job in jobs) / len(jobs)
        bought = sum(bool(job.bought) for job in jobs)
        lines.append(f"| {kind} | {bought} | {len(found)} | {checks:.1f} | {shown} | {added:.0%} |")
    return "\n".join(lines)


def vendors_table(day: Day) -> str:
    """Return a Markdown table of what the vendors answered."""
    lines = [
        "| account | status checks a minute: mean / most | limit | refused "
        "| from start to bought p50 / p95, s | tries that bought nothing |",
        "|--|--|--|--|--|--|",
    ]
    for name, account in day.accounts.items():
        calls, shop = per_minute(account.answered), day.shops[name]
        mean = len(account.answered) / (day.hours * 60)
        refused = len(account.refused) / max(len(account.answered) + len(account.refused), 1)
        waits = " / ".join(f"{quantile(shop.waits, share):.0f}" for share in (0.5, 0.95))
        lines.append(
            f"| {name} | {mean:.0f} / {max(calls)} | {VENDORS[name].checks or 'none'} | {refused:.1%} "
            f"| {waits} | {shop.failed_tries} |"
        )
    return "\n".join(lines)


def per_minute(times: list[float]) -> list[int]:
    """Return how many of ``times`` are in each minute."""
    counts = [0] * (int(times[-1] // 60) + 1 if times else 1)
    for at in times:
        counts[int(at // 60)] += 1
    return counts


def plot(day: Day, folder: Path) -> None:
    """Draw the status checks of each account, the jobs that wait, and the delays."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7))
    for at, name in zip(axes.flat[:2], ("VIDIO", "Venice"), strict=False):
        account, limit = day.accounts[name], VENDORS[name].checks
        at.plot(per_minute(account.answered), color="black", linewidth=1, label="answered")
        at.plot(per_minute(account.refused), color="tab:red", linewidth=1, label="refused")
        if limit is not None:
            at.axhline(limit, linestyle=":", color="grey", label="limit")
        at.set(title=f"{name}: status checks", xlabel="minute", ylabel="a minute")
        at.legend()
    axes[1, 0].plot(day.waiting, color="black", linewidth=1)
    axes[1, 0].set(title="jobs that wait", xlabel="minute", ylabel="all triggerers", ylim=0)
    for kind, jobs in day.jobs.items():
        late = sorted(max(job.late, 0.1) for job in jobs if job.found is not None)
        axes[1, 1].plot(late, [(number + 1) / len(late) for number in range(len(late))], label=kind)
    axes[1, 1].set(title="from ready to found", xlabel="s", ylabel="share of the jobs", xscale="log")
    axes[1, 1].legend(fontsize="small")
    for at in axes.flat:
        at.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(folder / "day.png", dpi=80)


def main() -> None:
    """Simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2, help="of the day, at the day's rate")
    parser.add_argument("--triggerers", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="the folder to draw to")
    options = parser.parse_args()
    for pinned in (False, True):
        day = Day(hours=options.hours, triggerers=options.triggerers, pinned=pinned)
        title = "each account in one triggerer" if pinned else "each job in any triggerer"
        lines = sum(one.warnings for one in day.triggerers)
        most = max(one.most for one in day.triggerers)
        print(f"\n{options.triggerers} triggerers, {title}; at most {most} jobs in one triggerer;")
        print(f"{max(day.waiting)} waited at once; {lines} log lines about rate limits\n")
        print(f"{kinds_table(day)}\n\n{vendors_table(day)}", flush=True)
        if options.plot and not pinned:
            plot(day, options.plot)


if __name__ == "__main__":
    main()
