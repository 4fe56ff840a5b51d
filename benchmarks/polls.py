"""How often the package checks a job and how late it finds it ready, compared with fixed intervals.

In virtual time and without a network, :class:`airflow_provider_vidai.purchase.poll.Watch` itself waits for
jobs with random durations. ``python -m benchmarks.polls`` prints the table; ``--plot FILE`` draws it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.poll import Finished, Wait, Watch
from airflow_provider_vidai.vendors import VENDORS

FIXED = (5.0, 10.0, 30.0)
VENICE_JOB = JobRef(vendor="venice", conn_id="none", job_id="J", kind="generate", params={"model": "any"})
READY = JobStatus(state=JobState.READY, vendor_status="ready")


class Job(NamedTuple):
    """One job: how long it takes, how long its kind usually takes, and what its vendor reports meanwhile."""

    takes: float
    typical: float | None = None
    reports: Callable[[float], dict[str, float]] = lambda _: {}


class Found(NamedTuple):
    """How one job was found ready: the number of status checks, and the delay in seconds."""

    takes: float
    checks: int
    late: float


# --- jobs -----------------------------------------------------------------------------------------


def around(rng: random.Random, median: float, spread: float) -> float:
    """Draw from a lognormal distribution: two thirds lie within a factor of e**spread of the median."""
    return median * math.exp(rng.gauss(0, spread))


def vidio_reel(rng: random.Random) -> Job:
    """Draw from a very wide range: VIDIO publishes nothing, and hours of footage take longer than a clip."""
    return Job(around(rng, 300, 0.8))


def vidio_render(rng: random.Random) -> Job:
    """Draw the render of a minute of video in the best quality; VIDIO publishes nothing here either."""
    return Job(around(rng, 90, 0.5))


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

    return Job(around(rng, median, 0.35), VENDORS["venice"].typical_seconds("generate"), reports)


def vidgo_image(rng: random.Random) -> Job:
    """15 to 60 s, with progress in percent."""
    return _vidgo(around(rng, 30, 0.35), rng)


def vidgo_video(rng: random.Random) -> Job:
    """90 to 300 s, with progress in percent."""
    return _vidgo(around(rng, 165, 0.35), rng)


def vidgo_music(rng: random.Random) -> Job:
    """About two minutes, without progress."""
    return Job(around(rng, 120, 0.35), 120.0)


def vizard(rng: random.Random) -> Job:
    """Take a third of the source's length, at least two minutes. Typical is what the shortest jobs take."""
    source = min(max(around(rng, 1_500, 0.7), 180), 7_200)
    return Job(around(rng, max(source * 0.35, 120), 0.3), 240.0)


def _vidgo(takes: float, rng: random.Random) -> Job:
    # Progress runs ahead at first or lags behind, because no vendor promises that it is even.
    bend = math.exp(rng.gauss(0, 0.3))

    def reports(elapsed: float) -> dict[str, float]:
        return {"progress": math.floor(min(elapsed / takes, 0.99) ** bend * 100) / 100}

    return Job(takes, 30.0, reports)


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


def adaptive(job: Job, rng: random.Random) -> Found:
    """Check ``job`` as the package does."""
    watch = Watch(since=0.0, deadline=math.inf, typical=job.typical, jitter=rng.random)
    now, checks, step = 0.0, 0, watch.first_poll(0.0)
    while isinstance(step, Wait):
        now += step.seconds
        checks += 1
        running = JobStatus(state=JobState.RUNNING, vendor_status="running", **job.reports(now))  # type: ignore[arg-type]
        step = watch.answered(READY if now >= job.takes else running, now)
    assert isinstance(step, Finished)
    return Found(job.takes, checks, now - job.takes)


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
        results[kind] = {"adaptive": [adaptive(job, rng) for job in jobs]}
        for every in FIXED:
            results[kind][f"{every:.0f} s"] = [fixed(job, every) for job in jobs]
    ways = results["VIDIO reel"]
    everything = {way: [one for kind in KINDS for one in results[kind][way]] for way in ways}
    results["all"] = everything
    results["all of over a minute"] = {
        way: [one for one in found if one.takes > 60] for way, found in everything.items()
    }
    return results


# --- showing --------------------------------------------------------------------------------------


def table(results: dict[str, dict[str, list[Found]]]) -> str:
    """Return a Markdown table."""
    ways = list(results["all"])
    lines = [
        f"| job | median, s | {' | '.join(f'{way}: checks' for way in ways)} | of 5 s "
        f"| {' | '.join(f'{way}: added p95' for way in ways)} | adaptive: late p50 / p95, s |",
        "|--" * (2 * len(ways) + 4) + "|",
    ]
    for kind, found in results.items():
        median = sorted(one.takes for one in found["adaptive"])[len(found["adaptive"]) // 2]
        checks = {way: fmean(one.checks for one in found[way]) for way in ways}
        lines.append(
            f"| {kind} | {median:.0f} | {' | '.join(f'{checks[way]:.1f}' for way in ways)} "
            f"| {checks['adaptive'] / checks['5 s']:.2f} "
            f"| {' | '.join(f'{added(found[way], 0.95):.1%}' for way in ways)} "
            f"| {late(found['adaptive'], 0.5):.0f} / {late(found['adaptive'], 0.95):.0f} |"
        )
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
    ways["adaptive"] = lambda job: adaptive(job, rng)
    for name, check in ways.items():
        # Durations vary by a tenth. Without that, a fixed interval draws a sawtooth.
        many = [[check(Job(takes * rng.uniform(0.9, 1.1))) for _ in range(200)] for takes in durations]
        style = {"linewidth": 2.4, "color": "black"} if name == "adaptive" else {"linewidth": 1.2}
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
    print(table(simulate(options.jobs, options.seed)))
    if options.plot:
        plot(options.plot)


if __name__ == "__main__":
    main()
