"""What a process learns about how long jobs take, and when it checks them because of that."""

from __future__ import annotations

import math
import random
import time
from statistics import fmean
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_vidai.hooks.durations import estimate
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.durations import MOST_SORTS, Course, Durations, Estimate
from airflow_provider_vidai.purchase.poll import Wait, Watch
from airflow_provider_vidai.purchase.timing import MAX_FIRST_POLL_SECONDS, MAX_POLL_SECONDS
from airflow_provider_vidai.triggers.job import JobTrigger
from airflow_provider_vidai.vendors import VENDORS
from tests.support.raw import Peer, answer, serving
from tests.support.task import run_fast

RUNNING = JobStatus(state=JobState.RUNNING, vendor_status="processing")
READY = JobStatus(state=JobState.READY, vendor_status="processed")


def begins(estimate: Estimate, elapsed: float = 0.0, status: JobStatus | None = None) -> float:
    found = estimate.begins(elapsed, status)
    assert found is not None
    return found[0]


def waited(
    estimate: Estimate, takes: float, *, began: float = 0.0, state: JobState = JobState.READY, **hints: float
) -> list[float]:
    """Wait for a job as the package does; return when it was checked."""
    watch = Watch(since=0.0, deadline=math.inf, estimate=estimate, jitter=random.Random(1).random)
    now, checks, step = began, [], watch.first_poll(began)
    while isinstance(step, Wait):
        now += step.seconds
        checks.append(now)
        running = RUNNING.model_copy(update=hints)
        step = watch.answered(READY.model_copy(update={"state": state}) if now >= takes else running, now)
    return checks


def taught(durations: list[float], usual: float | None = 60.0, **hints: float) -> Estimate:
    estimate = Estimate(usual)
    for takes in durations:
        waited(estimate, takes, **hints)
    return estimate


def around(median: float, count: int, seed: int = 1, spread: float = 0.35) -> list[float]:
    rng = random.Random(seed)
    return [median * math.exp(rng.gauss(0, spread)) for _ in range(count)]


# --- what is learned ------------------------------------------------------------------------------


@pytest.mark.parametrize("usual", [None, 30.0, 120.0, 3_000.0])
@pytest.mark.parametrize("median", [60.0, 600.0])
def test_after_thirty_jobs_checks_begin_where_few_jobs_are_ready_whatever_was_assumed(usual, median):
    begin = begins(taught(around(median, 30), usual))
    assert 0.4 * median <= begin <= 0.72 * median
    ready = [one for one in around(median, 1_000, seed=2) if one <= begin]
    assert len(ready) <= 150


def test_a_learned_job_needs_far_fewer_checks_than_an_unknown_one_and_is_found_as_soon():
    estimate = taught(around(600, 40))
    known = [waited(estimate, takes) for takes in around(600, 50, seed=3)]
    unknown = [waited(Estimate(), takes) for takes in around(600, 50, seed=3)]
    assert fmean(map(len, known)) < 0.4 * fmean(map(len, unknown))


def test_beside_a_webhook_checks_begin_after_half_as_long_again_as_such_jobs_took():
    net = Watch(
        since=0.0,
        deadline=math.inf,
        estimate=taught(around(400, 60)),
        safety_net=120.0,
        jitter=lambda: 0.0,
    )
    step = net.first_poll(0.0)
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(600, rel=0.15)


def test_jobs_that_only_a_safety_net_found_teach_nothing():
    """Each of them ended long before, when its call was lost."""
    estimate = taught([100.0] * 30)
    before = begins(estimate)
    for _ in range(20):
        net = Watch(since=0.0, deadline=math.inf, estimate=estimate, safety_net=120.0)
        step = net.first_poll(0.0)
        assert isinstance(step, Wait)
        net.answered(READY, step.seconds)
    assert begins(estimate) == before


def test_jobs_of_all_lengths_mixed_together_begin_early():
    assert begins(taught([20.0, 2_000.0] * 20)) < 20


def test_what_changed_is_learned_and_what_was_is_forgotten():
    estimate = taught(around(100, 100))
    before = begins(estimate)
    for takes in around(300, 150, seed=2):
        waited(estimate, takes)
    slower = begins(estimate)
    assert slower > 2 * before
    for takes in around(100, 150, seed=3):
        waited(estimate, takes)
    assert begins(estimate) < 1.3 * before


def test_jobs_that_are_always_ready_at_the_first_check_bring_it_nearer():
    estimate = taught(around(600, 60))
    late = [waited(estimate, 60.0)[0] for _ in range(40)]
    assert late[-1] < 0.4 * late[0]


def test_what_the_vendor_expects_is_corrected_by_what_jobs_took():
    """A vendor whose jobs take twice what it says is not checked from half of that on."""
    estimate = taught([200.0] * 30, expected=100.0)
    hinted = RUNNING.model_copy(update={"expected": 400.0})
    assert 600 <= begins(estimate, 10.0, hinted) <= 850
    assert begins(Estimate(60.0), 10.0, hinted) == pytest.approx(200, rel=0.1)


def test_progress_that_runs_ahead_is_corrected_by_what_jobs_took():
    half = RUNNING.model_copy(update={"progress": 0.5})
    honest, ahead = Estimate(100.0), Estimate(100.0)
    for _ in range(30):
        course = Course()
        course.answered(half, 50.0)
        course.answered(half, 98.0)
        honest.learn(course, 102.0)
        course = Course()
        course.answered(half, 25.0)
        course.answered(half, 98.0)
        ahead.learn(course, 102.0)
    assert 80 <= begins(honest, 50.0, half) <= 100
    assert begins(ahead, 25.0, half) == pytest.approx(begins(honest, 50.0, half), rel=0.2)


def test_progress_that_stands_still_leaves_no_job_alone_for_ever():
    estimate = Estimate(100.0)
    for _ in range(30):
        course = Course()
        course.answered(RUNNING.model_copy(update={"progress": 0.9}), 5.0)
        course.answered(RUNNING, 98.0)
        estimate.learn(course, 102.0)
    assert begins(estimate, 5.0, RUNNING.model_copy(update={"progress": 0.3})) <= 400


# --- what is not believed -------------------------------------------------------------------------


def test_a_job_found_ready_by_a_process_that_took_over_says_nothing_about_its_duration():
    estimate = taught([100.0] * 30)
    before = begins(estimate)
    for _ in range(20):
        waited(estimate, 100.0, began=5_000.0)
    assert begins(estimate) == before


def test_a_job_that_ended_while_nobody_checked_says_nothing_about_its_duration():
    estimate = taught([100.0] * 30)
    before = begins(estimate)
    course = Course()
    course.answered(RUNNING, 90.0)
    estimate.learn(course, 900.0)
    assert begins(estimate) == before


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.GONE])
def test_a_job_that_failed_says_nothing_about_how_long_jobs_take(state):
    estimate = taught([600.0] * 30)
    before = begins(estimate)
    for _ in range(20):
        waited(estimate, 300.0, state=state)
    assert begins(estimate) == before


def test_few_jobs_are_no_reason_to_wait_for_longer_than_two_minutes():
    assert waited(taught([3_000.0] * 2, 3_000.0), 3_000.0)[0] <= MAX_POLL_SECONDS * 1.05
    long = waited(taught([3_000.0] * 30, 3_000.0), 3_000.0)
    assert MAX_POLL_SECONDS * 2 < long[0] <= MAX_FIRST_POLL_SECONDS * 1.05


@pytest.mark.parametrize("takes", [0.001, 1e-9, 1e12])
def test_no_duration_is_an_arithmetic_problem(takes):
    estimate = Estimate(60.0)
    for _ in range(100):
        course = Course()
        course.answered(RUNNING.model_copy(update={"expected": 1e-300, "progress": 0.25}), takes * 0.9)
        course.answered(RUNNING.model_copy(update={"expected": 1e300}), takes * 0.95)
        estimate.learn(course, takes)
        estimate.learn(Course(), takes)
    for status in (None, RUNNING.model_copy(update={"expected": 1e300})):
        assert begins(estimate, takes, status) >= 0
    watch = Watch(since=0.0, deadline=math.inf, estimate=estimate)
    step = watch.answered(RUNNING.model_copy(update={"expected": 1e300}), 5.0)
    assert isinstance(step, Wait)
    assert step.seconds <= MAX_FIRST_POLL_SECONDS * 1.05


# --- memory ---------------------------------------------------------------------------------------


def test_the_memory_is_bounded_and_forgets_the_sort_that_was_not_used_for_longest():
    durations = Durations()
    kept = durations.of("kept", 60.0)
    for number in range(3 * MOST_SORTS):
        durations.of(number, 60.0)
        assert durations.of("kept", 60.0) is kept
    again = durations.of(3 * MOST_SORTS - 1, 60.0)
    assert again is durations.of(3 * MOST_SORTS - 1, 60.0)
    assert len(durations) == MOST_SORTS


def ref(vendor: str, kind: str, **params) -> JobRef:
    return JobRef(vendor=vendor, conn_id="c", job_id="J", kind=kind, params=params)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ref("vidgo", "media", model="a", bought_at=1), ref("vidgo", "media", model="a", bought_at=2), True),
        (ref("vidgo", "media", model="a"), ref("vidgo", "media", model="b"), False),
        (ref("vidgo", "media", model="a"), ref("vidgo", "music", model="a"), False),
        (ref("venice", "generate", model="a"), ref("venice", "generate", model="b"), False),
        (ref("vidio", "reel"), ref("vidio", "render"), False),
        (ref("vizard", "project", source_seconds=900), ref("vizard", "project", source_seconds=800), True),
        (ref("vizard", "project", source_seconds=900), ref("vizard", "project", source_seconds=9_000), False),
        (ref("vizard", "project", source_seconds=900), ref("vizard", "project"), False),
        (ref("vizard", "project", source_seconds="?"), ref("vizard", "project"), True),
    ],
)
def test_jobs_that_take_about_as_long_share_an_estimate(one, other, same):
    vendor = VENDORS[one.vendor]
    assert (vendor.alike(one) == vendor.alike(other)) is same


def test_a_process_has_one_memory_for_all_jobs_of_a_sort_and_connection():
    one = estimate(ref("vidio", "reel"))
    assert estimate(ref("vidio", "reel").model_copy(update={"job_id": "K"})) is one
    assert estimate(ref("vidio", "reel").model_copy(update={"conn_id": "d"})) is not one
    assert estimate(ref("vidio", "render")) is not one


def test_a_job_whose_purchase_time_is_unknown_is_not_learned_from(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sensor with a bare id may begin to wait for a job that has run for an hour."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)
    reel = ref("vidio", "reel").model_copy(update={"conn_id": "vidio_default"})
    before = estimate(reel).begins(0.0, None)
    answers = iter([b'{"status": "processing"}'] * 2)

    def vendor(peer: Peer) -> Any:
        body = next(answers, b'{"status": "processed"}')
        return answer(200, body, content_type="application/json")(peer)

    async def ended() -> Any:
        trigger = JobTrigger(ref=reel.model_dump(mode="json"), deadline=time.time() + 3_600)
        return [event async for event in trigger.run()]

    with serving(vendor) as server:
        connect("vidio_default", host=server.url)
        assert run_fast(ended())[0].payload["end"] == "status"
    assert estimate(reel).begins(0.0, None) == before
