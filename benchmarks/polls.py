"""How often the package checks a job and how late it finds it ready, compared with fixed intervals.

In virtual time and without a network, :class:`airflow_provider_vidai.purchase.poll.Watch` itself waits for
jobs with random durations. ``python -m benchmarks.polls`` prints the table; ``--plot FILE`` draws it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.durations import Durations
from airflow_provider_vidai.purchase.poll import Finished, Wait, Watch
from airflow_provider_vidai.vendors import VENDORS

FIXED = (5.0, 10.0, 30.0)
#: Jobs of a kind that a process has seen when the counting begins, and how many it then waits for.
SEEN, GROUP = 30, 100
VENICE_JOB = JobRef(vendor="venice", conn_id="none", job_id="J", kind="generate", params={"model": "any"})
RUNNING = JobStatus(state=JobState.RUNNING, vendor_status="running")
READY = JobStatus(state=JobState.READY, vendor_status="ready")


class Job(NamedTuple):
    """One job.

    :param takes: seconds until it is ready.
    :param usual: what such jobs are assumed to take.
    :param typical: what they were assumed to take by the rule before, where that used anything.
    :param reports: what its vendor reports at a time.
    :param sort: what jobs that take about as long have in common.
    """

    takes: float
    usual: float | None = None
    typical: float | None = None
    reports: Callable[[float], dict[str, float]] = lambda _: {}
    sort: Hashable = None


class Found(NamedTuple):
    """How one job was found ready: the number of status checks, and the delay in seconds."""

    takes: float
    checks: int
    late: float


# --- jobs -----------------------------------------------------------------------------------------


def around(rng: random.Random, median: float, spread: float) -> float:
    """Draw from a lognormal distribution: two thirds lie within a factor of e**spread of the median."""
    return median * math.exp(rng.gauss(0, spread))


def usual(vendor: VendorName, kind: str) -> float | None:
    """Return the assumption with which the package begins."""
    return VENDORS[vendor].usual_seconds(kind)


def vidio_reel(rng: random.Random) -> Job:
    """Draw from a very wide range: VIDIO publishes nothing, and hours of footage take longer than a clip."""
    return Job(around(rng, 300, 0.8), usual=usual("vidio", "reel"))


def vidio_render(rng: random.Random) -> Job:
    """Draw the render of a minute of video in the best quality; VIDIO publishes nothing here either."""
    return Job(around(rng, 90, 0.5), usual=usual("vidio", "render"))


def venice(rng: random.Random) -> Job:
    """Models differ widely. Each answer reports what four in five jobs of the model take and the time so far.

    The vendor module itself reads the answer, because it decides what that is worth.
    """
    median = around(rng, 120, 0.5)
    average = median * math.exp(0.84 * 0.35) * rng.uniform(0.85, 1.15)
    call = VENDORS["venice"].status(VENICE_JOB)

    def reports(elapsed: float) -> dict[str, float]:
        times = {"average_execution_time": average * 1e3, "execution_duration": elapsed * 1e3}
        body = json.dumps({"status": "PROCESSING", **times}).encode()
        status = call.parse(Answer(200, {"content-type": "application/json"}, body))
        return status.model_dump(include={"progress", "expected"})

    return Job(around(rng, median, 0.35), usual=usual("venice", "generate"), reports=reports)


def vidgo_image(rng: random.Random) -> Job:
    """15 to 60 s, with progress in percent."""
    return _vidgo(around(rng, 30, 0.35), rng)


def vidgo_video(rng: random.Random) -> Job:
    """90 to 300 s, with progress in percent."""
    return _vidgo(around(rng, 165, 0.35), rng)


def vidgo_music(rng: random.Random) -> Job:
    """About two minutes, without progress."""
    return Job(around(rng, 120, 0.35), usual=usual("vidgo", "music"), typical=120.0)


def vizard(rng: random.Random) -> Job:
    """Take a third of the source's length, at least two minutes. Typical is what the shortest jobs take.

    The length is known before a file in a storage is sent, so jobs of about the same length are a sort.
    """
    source = min(max(around(rng, 1_500, 0.7), 180), 7_200)
    takes = around(rng, max(source * 0.35, 120), 0.3)
    ref = JobRef(
        vendor="vizard", conn_id="none", job_id="J", kind="project", params={"source_seconds": source}
    )
    return Job(takes, usual=usual("vizard", "project"), typical=240.0, sort=VENDORS["vizard"].alike(ref))


def _vidgo(takes: float, rng: random.Random) -> Job:
    # Progress runs ahead at first or lags behind, because no vendor promises that it is even.
    bend = math.exp(rng.gauss(0, 0.3))

    def reports(elapsed: float) -> dict[str, float]:
        return {"progress": math.floor(min(elapsed / takes, 0.99) ** bend * 100) / 100}

    return Job(takes, usual=usual("vidgo", "media"), typical=30.0, reports=reports)


KINDS = {
    "VIDIO reel": vidio_reel,
    "VIDIO render": vidio_render,
    "Venice video": venice,
    "Vidgo image": vidgo_image,
    "Vidgo video": vidgo_video,
    "Vidgo music": vidgo_music,
    "Vizard clips": vizard,
}

# --- checking --------------------------------------------------------------------------------------


def adaptive(job: Job, rng: random.Random, durations: Durations) -> Found:
    """Check ``job`` as the package does, and learn from it."""
    estimate = durations.of(job.sort, job.usual)
    watch = Watch(since=0.0, deadline=math.inf, estimate=estimate, jitter=rng.random)
    now, checks, step = 0.0, 0, watch.first_poll(0.0)
    while isinstance(step, Wait):
        now += step.seconds
        checks += 1
        step = watch.answered(READY if now >= job.takes else running(job, now), now)
    assert isinstance(step, Finished)
    return Found(job.takes, checks, now - job.takes)


def running(job: Job, now: float) -> JobStatus:
    """Return the answer about a job that is not ready yet."""
    return RUNNING.model_copy(update=job.reports(now))


def tenth(job: Job, rng: random.Random) -> Found:
    """Check ``job`` by the rule before: from half of what is expected on, at each tenth of the time."""
    now, checks, pace = 0.0, 0, 0.0
    while now < job.takes:
        reported = job.reports(now) if checks else {}
        expected = reported.get("expected") or job.typical
        if not reported.get("expected") and reported.get("progress"):
            expected = now / max(reported["progress"], 0.25)
        begin, least = (0.5 * expected - now, 5.0) if expected else (0.0, 8.0)
        pace = max(min(max(now / 10, begin, least), 120.0) * (0.95 + 0.1 * rng.random()), 5.0)
        now += pace if checks else max(pace, 8.0)
        checks += 1
    return Found(job.takes, checks, now - job.takes)


def learned(jobs: list[Job], draw: Callable[[random.Random], Job], rng: random.Random) -> Iterator[Found]:
    """Check ``jobs`` in groups, each by a process that has seen some jobs and goes on learning."""
    for first in range(0, len(jobs), GROUP):
        durations = Durations()
        for _ in range(SEEN):
            adaptive(draw(rng), rng, durations)
        yield from (adaptive(job, rng, durations) for job in jobs[first : first + GROUP])


def oracle(jobs: list[Job], goal: float) -> list[Found]:
    """Check ``jobs`` as somebody who knows the distribution of their kind, and sees no vendor's hints.

    The first check is at a low quantile, the others are spaced by a share of the time so far. Of the pairs of
    quantile and share that add ``goal`` at the 95th percentile, it is the one with the fewest checks.
    """
    takes = sorted(job.takes for job in jobs)
    best: list[Found] = []
    for quantile in (0.002, 0.01, 0.02, 0.03, 0.04, 0.05):
        least, most = 0.01, 0.5
        for _ in range(20):
            share = (least + most) / 2
            found = _spaced(jobs, max(takes[int(quantile * len(takes))], 8.0), share)
            least, most = (share, most) if added(found, 0.95) <= goal else (least, share)
        found = _spaced(jobs, max(takes[int(quantile * len(takes))], 8.0), least)
        if not best or fmean(one.checks for one in found) < fmean(one.checks for one in best):
            best = found
    return best


def _spaced(jobs: list[Job], first: float, share: float) -> list[Found]:
    times = [first]
    while times[-1] < max(job.takes for job in jobs):
        times.append(times[-1] + max(times[-1] * share, 5.0))
    found = []
    for job in jobs:
        checks = bisect_left(times, job.takes)
        found.append(Found(job.takes, checks + 1, times[checks] - job.takes))
    return found


def fixed(job: Job, every: float) -> Found:
    """Check ``job`` at a fixed interval, in seconds."""
    checks = math.ceil(job.takes / every)
    return Found(job.takes, checks, checks * every - job.takes)


def added(found: list[Found], share: float) -> float:
    """Return the quantile ``share`` of what waiting adds to a job, relative to the job's duration."""
    return sorted(one.late / one.takes for one in found)[int(share * len(found))]


def late(found: list[Found], share: float) -> float:
    """Return the quantile ``share`` of the seconds between ready and found."""
    return sorted(one.late for one in found)[int(share * len(found))]


def simulate(count: int, seed: int) -> dict[str, dict[str, list[Found]]]:
    """Return, by kind and by way of checking, how ``count`` jobs of each kind were found."""
    results: dict[str, dict[str, list[Found]]] = {}
    for kind, draw in KINDS.items():
        rng = random.Random(seed)
        jobs = [draw(rng) for _ in range(count)]
        results[kind] = {
            "learned": list(learned(jobs, draw, rng)),
            "first": [adaptive(job, rng, Durations()) for job in jobs],
            "before": [tenth(job, rng) for job in jobs],
        }
        results[kind]["oracle"] = oracle(jobs, added(results[kind]["learned"], 0.95))
        slow = [slower(job) for job in jobs]
        results[kind]["slow: learned"] = list(learned(slow, draw, rng))
        results[kind]["slow: before"] = [tenth(job, rng) for job in slow]
        for every in FIXED:
            results[kind][f"{every:.0f} s"] = [fixed(job, every) for job in jobs]
    ways = list(results["VIDIO reel"])
    everything = {way: [one for kind in KINDS for one in results[kind][way]] for way in ways}
    results["all"] = everything
    results["all of over a minute"] = {
        way: [one for one in found if one.takes > 60] for way, found in everything.items()
    }
    return results


def slower(job: Job) -> Job:
    """Return ``job`` on a day on which its vendor takes three times as long."""
    return job._replace(takes=3 * job.takes, reports=lambda elapsed: job.reports(elapsed / 3))


# --- showing --------------------------------------------------------------------------------------


def cells(found: list[Found]) -> str:
    """Return the number of checks and what the waiting adds, as two cells."""
    return f"{fmean(one.checks for one in found):.1f} | {added(found, 0.95):.1%}"


def table(results: dict[str, dict[str, list[Found]]]) -> str:
    """Return a Markdown table: each way has its checks per job, and what it adds at the 95th percentile."""
    ways = {
        "learned": f"after {SEEN} jobs",
        "first": "the first job",
        "before": "before",
        **{f"{every:.0f} s": f"every {every:.0f} s" for every in FIXED},
    }
    lines = [
        f"| job | median, s | {' | '.join(f'{name}: checks | added' for name in ways.values())} "
        "| the oracle's checks | of the oracle's | late p50 / p95, s |",
        "|--" * (2 * len(ways) + 5) + "|",
    ]
    for kind, found in results.items():
        used, best = (fmean(one.checks for one in found[way]) for way in ("learned", "oracle"))
        median = sorted(one.takes for one in found["learned"])[len(found["learned"]) // 2]
        lines.append(
            f"| {kind} | {median:.0f} | {' | '.join(cells(found[way]) for way in ways)} | {best:.1f} "
            f"| {used / best:.2f} | {late(found['learned'], 0.5):.0f} / {late(found['learned'], 0.95):.0f} |"
        )
    return "\n".join(lines)


def slow_table(results: dict[str, dict[str, list[Found]]]) -> str:
    """Return a Markdown table of the jobs that take three times as long as those that were seen."""
    lines = [
        "| job | before: checks | added p95 | after 30 quick jobs: checks | added p95 |",
        "|--|--|--|--|--|",
    ]
    lines += [
        f"| {kind} | {cells(found['slow: before'])} | {cells(found['slow: learned'])} |"
        for kind, found in results.items()
    ]
    return "\n".join(lines)


def plot(path: Path) -> None:
    """Draw checks and added time over the duration of a job with no expected duration."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rng = random.Random(1)
    durations = [10 * 1.03**step for step in range(210)]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2))
    ways: dict[str, Callable[[Job], Found]] = {
        f"every {every:.0f} s": lambda job, every=every: fixed(job, every)  # type: ignore[misc]
        for every in FIXED
    }
    ways["adaptive, the first job"] = lambda job: adaptive(job, rng, Durations())
    for name, check in ways.items():
        # Durations vary by a tenth. Without that, a fixed interval draws a sawtooth.
        many = [[check(Job(takes * rng.uniform(0.9, 1.1))) for _ in range(200)] for takes in durations]
        style = {"linewidth": 2.4, "color": "black"} if name.startswith("adaptive") else {"linewidth": 1.2}
        left.plot(durations, [fmean(one.checks for one in found) for found in many], label=name, **style)
        right.plot(durations, [100 * added(found, 0.95) for found in many], label=name, **style)
    left.set(xscale="log", yscale="log", xlabel="the job takes, s", ylabel="checks per job")
    right.set(xscale="log", ylim=(0, 40), xlabel="the job takes, s", ylabel="added until found, p95, %")
    right.axhline(10, linestyle=":", color="grey")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="the .png file to draw the curves to")
    options = parser.parse_args()
    results = simulate(options.jobs, options.seed)
    print(table(results))
    print(f"\nThe vendor suddenly takes three times as long\n\n{slow_table(results)}")
    if options.plot:
        plot(options.plot)


if __name__ == "__main__":
    main()
