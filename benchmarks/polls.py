"""How often the decider looks at a job and how late it finds it ready, beside looking at fixed intervals.

Virtual time, no network: :class:`airflow_provider_vidai.purchase.poll.Watch` itself against jobs whose
durations are drawn at random. ``python -m benchmarks.polls`` prints the table; ``--plot FILE`` draws it.
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
    """One job: how long it takes, how long its kind usually takes, and what its vendor tells meanwhile."""

    takes: float
    typical: float | None = None
    tells: Callable[[float], dict[str, float]] = lambda _: {}


class Found(NamedTuple):
    """How one job was found ready: after so many looks, and so many seconds late."""

    takes: float
    looks: int
    late: float


# --- jobs -----------------------------------------------------------------------------------------


def around(rng: random.Random, median: float, spread: float) -> float:
    """Draw from a lognormal distribution: two thirds lie within a factor of e**spread of the median."""
    return median * math.exp(rng.gauss(0, spread))


def vidio_reel(rng: random.Random) -> Job:
    """VIDIO publishes nothing; some hours of footage take longer than one clip, so: very wide."""
    return Job(around(rng, 300, 0.8))


def vidio_render(rng: random.Random) -> Job:
    """Nothing is published either; a minute of film in the best quality."""
    return Job(around(rng, 90, 0.5))


def venice(rng: random.Random) -> Job:
    """Models differ widely; each answer tells what four of five jobs of the model take, and the time so far.

    What that is worth is the vendor module's to say, and it is asked.
    """
    median = around(rng, 120, 0.5)
    average = median * math.exp(0.84 * 0.35) * rng.uniform(0.85, 1.15)
    call = VENDORS["venice"].status(VENICE_JOB)

    def tells(elapsed: float) -> dict[str, float]:
        times = {"average_execution_time": average * 1e3, "execution_duration": elapsed * 1e3}
        body = json.dumps({"status": "PROCESSING", **times}).encode()
        status = call.parse(Answer(200, {"content-type": "application/json"}, body))
        return status.model_dump(include={"progress", "expected"})

    return Job(around(rng, median, 0.35), VENDORS["venice"].typical_seconds("generate"), tells)


def vidgo_image(rng: random.Random) -> Job:
    """15 to 60 s, with progress in per cent."""
    return _vidgo(around(rng, 30, 0.35), rng)


def vidgo_video(rng: random.Random) -> Job:
    """90 to 300 s, with progress in per cent."""
    return _vidgo(around(rng, 165, 0.35), rng)


def vidgo_music(rng: random.Random) -> Job:
    """About two minutes, without progress."""
    return Job(around(rng, 120, 0.35), 120.0)


def vizard(rng: random.Random) -> Job:
    """By the source's length: a third of it, but two minutes at least. Typical is what the shortest take."""
    source = min(max(around(rng, 1_500, 0.7), 180), 7_200)
    return Job(around(rng, max(source * 0.35, 120), 0.3), 240.0)


def _vidgo(takes: float, rng: random.Random) -> Job:
    # Progress that runs ahead at first or lags behind: nobody promises that it is even.
    bend = math.exp(rng.gauss(0, 0.3))

    def tells(elapsed: float) -> dict[str, float]:
        return {"progress": math.floor(min(elapsed / takes, 0.99) ** bend * 100) / 100}

    return Job(takes, 30.0, tells)


KINDS = {
    "VIDIO reel": vidio_reel,
    "VIDIO render": vidio_render,
    "Venice video": venice,
    "Vidgo image": vidgo_image,
    "Vidgo video": vidgo_video,
    "Vidgo music": vidgo_music,
    "Vizard clips": vizard,
}

# --- looking --------------------------------------------------------------------------------------


def adaptive(job: Job, rng: random.Random) -> Found:
    """Look at ``job`` as the package does."""
    watch = Watch(since=0.0, deadline=math.inf, typical=job.typical, jitter=rng.random)
    now, looks, step = 0.0, 0, watch.first_poll(0.0)
    while isinstance(step, Wait):
        now += step.seconds
        looks += 1
        running = JobStatus(state=JobState.RUNNING, vendor_status="running", **job.tells(now))  # type: ignore[arg-type]
        step = watch.answered(READY if now >= job.takes else running, now)
    assert isinstance(step, Finished)
    return Found(job.takes, looks, now - job.takes)


def fixed(job: Job, every: float) -> Found:
    """Look at ``job`` every so many seconds."""
    looks = math.ceil(job.takes / every)
    return Found(job.takes, looks, looks * every - job.takes)


def added(found: list[Found], share: float) -> float:
    """Return what waiting adds to a job's duration, for the worst but ``1 - share`` of all jobs."""
    return sorted(one.late / one.takes for one in found)[int(share * len(found))]


def late(found: list[Found], share: float) -> float:
    """Return the seconds between ready and found, for the worst but ``1 - share`` of all jobs."""
    return sorted(one.late for one in found)[int(share * len(found))]


def simulate(count: int, seed: int) -> dict[str, dict[str, list[Found]]]:
    """Return, by kind and by way of looking, how ``count`` jobs of each kind were found."""
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
        f"| job | median, s | {' | '.join(f'{way}: looks' for way in ways)} | of 5 s "
        f"| {' | '.join(f'{way}: added p95' for way in ways)} | adaptive: late p50 / p95, s |",
        "|--" * (2 * len(ways) + 4) + "|",
    ]
    for kind, found in results.items():
        median = sorted(one.takes for one in found["adaptive"])[len(found["adaptive"]) // 2]
        looks = {way: fmean(one.looks for one in found[way]) for way in ways}
        lines.append(
            f"| {kind} | {median:.0f} | {' | '.join(f'{looks[way]:.1f}' for way in ways)} "
            f"| {looks['adaptive'] / looks['5 s']:.2f} "
            f"| {' | '.join(f'{added(found[way], 0.95):.1%}' for way in ways)} "
            f"| {late(found['adaptive'], 0.5):.0f} / {late(found['adaptive'], 0.95):.0f} |"
        )
    return "\n".join(lines)


def plot(path: Path) -> None:
    """Draw looks and added time over a job's duration, nothing being known about it."""
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
    for name, look in ways.items():
        # A kind's durations spread; a tenth to either side keeps a fixed interval's comb out of the picture.
        many = [[look(Job(takes * rng.uniform(0.9, 1.1))) for _ in range(200)] for takes in durations]
        style = {"linewidth": 2.4, "color": "black"} if name == "adaptive" else {"linewidth": 1.2}
        left.plot(durations, [fmean(one.looks for one in found) for found in many], label=name, **style)
        right.plot(durations, [100 * added(found, 0.95) for found in many], label=name, **style)
    left.set(xscale="log", yscale="log", xlabel="the job takes, s", ylabel="looks per job")
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
    parser.add_argument("--plot", type=Path, help="where to draw the curve, a .png")
    order = parser.parse_args()
    print(table(simulate(order.jobs, order.seed)))
    if order.plot:
        plot(order.plot)


if __name__ == "__main__":
    main()
