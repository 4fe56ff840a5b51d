"""When to check a job next, under virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from airflow_provider_vidai.errors import ApiError, InputError, TransferError, VidaiError
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.durations import UNCONFIRMED, Estimate
from airflow_provider_vidai.purchase.poll import (
    AccountBroken,
    DeadlinePassed,
    Finished,
    Step,
    Wait,
    Watch,
    confirmed,
)
from airflow_provider_vidai.purchase.timing import (
    FIRST_POLL_SECONDS,
    MAX_FIRST_POLL_SECONDS,
    MAX_POLL_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    MIN_POLL_SECONDS,
    MIN_POLL_SECONDS_WITHOUT_ESTIMATE,
    POLL_SHARE_OF_ELAPSED,
)

START = 1_000_000.0
FAR = START + 1e9
RUNNING = JobStatus(state=JobState.RUNNING, vendor_status="processing")
READY = JobStatus(state=JobState.READY, vendor_status="processed")
GONE = JobStatus(state=JobState.GONE, vendor_status="404")
SPREAD = 0.05
JITTERS = [0.0, 0.5, 0.999]


def watch(*, deadline: float = FAR, jitter: float = 0.5, **kwargs) -> Watch:
    usual = kwargs.pop("usual", None)
    estimate = Estimate(usual) if usual else None
    return Watch(
        **{
            "since": START,
            "deadline": deadline,
            "estimate": estimate,
            "jitter": lambda: jitter,
            **kwargs,
        }
    )


def seconds(step: Step) -> float:
    assert isinstance(step, Wait), step
    return step.seconds


class Story:
    """A job that answers by ``reports(now)``, checked until the end; every status check is noted."""

    def __init__(
        self, watching: Watch, reports: Callable[[float], JobStatus | VidaiError], *, first: bool = True
    ):
        self.checks: list[float] = []
        self.waits: list[Wait] = []
        now = START
        step = watching.first_poll(now) if first else watching.poll_now()
        while isinstance(step, Wait):
            assert len(self.checks) < 20_000, "it never ends"
            self.waits.append(step)
            now += step.seconds
            self.checks.append(now - START)
            answer = reports(now - START)
            step = (
                watching.failed(answer, now)
                if isinstance(answer, VidaiError)
                else watching.answered(answer, now)
            )
        self.end = step
        self.took = now - START


def ready_at(moment: float) -> Callable[[float], JobStatus]:
    return lambda elapsed: READY if elapsed >= moment else RUNNING


# --- pace -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("usual", [None, 1.0, 20.0, 600.0])
def test_the_first_check_is_not_right_after_the_purchase(usual):
    assert seconds(watch(usual=usual).first_poll(START)) >= FIRST_POLL_SECONDS


@pytest.mark.parametrize("usual", [None, 1.0])
def test_not_even_jitter_makes_the_first_check_come_sooner(usual):
    assert seconds(watch(usual=usual, jitter=0.0).first_poll(START)) >= FIRST_POLL_SECONDS


def test_a_short_interval_of_the_users_does_not_make_the_first_check_come_sooner():
    assert seconds(watch(poll_interval=1.0).first_poll(START)) >= FIRST_POLL_SECONDS


@pytest.mark.parametrize("hint", [None, 0.0, -3.0, 1.0])
def test_checks_are_never_closer_than_the_floor(hint):
    watching = watch(jitter=0.0)
    for elapsed in (0.0, 1.0, 30.0):
        status = RUNNING.model_copy(update={"expected": hint})
        assert seconds(watching.answered(status, START + elapsed)) >= MIN_POLL_SECONDS


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("took", [1, 4, 6, 29, 60, 61, 300, 599, 900, 1_500, 7_200, 100_000])
def test_waiting_adds_a_tenth_or_the_floor_whatever_the_job_takes(jitter, took):
    story = Story(watch(jitter=jitter), ready_at(took))
    assert story.end == Finished(READY)
    assert story.took >= took
    assert (
        story.took - took
        <= max(MIN_POLL_SECONDS_WITHOUT_ESTIMATE, POLL_SHARE_OF_ELAPSED * took) * (1 + SPREAD) + 1e-6
    )
    gaps = [wait.seconds for wait in story.waits]
    assert min(gaps) >= MIN_POLL_SECONDS_WITHOUT_ESTIMATE * (1 - SPREAD)
    assert max(gaps) <= MAX_POLL_SECONDS * (1 + SPREAD)


def test_a_long_job_is_checked_seldom():
    assert len(Story(watch(), ready_at(3_600)).checks) <= 70
    assert len(Story(watch(), ready_at(86_400)).checks) <= 800


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("usual", [60.0, 80.0, 100.0])
def test_a_quarter_of_an_assumed_duration_is_waited_through_without_a_check(jitter, usual):
    story = Story(watch(usual=usual, jitter=jitter), ready_at(usual))
    assert story.checks[0] == pytest.approx(max(usual * 0.26, FIRST_POLL_SECONDS), rel=SPREAD + 0.03)
    assert story.took - usual <= max(MIN_POLL_SECONDS, POLL_SHARE_OF_ELAPSED * usual) * (1 + SPREAD) + 1e-6


def test_a_check_before_that_does_not_bring_the_next_one_nearer():
    assert seconds(watch(usual=100.0).answered(RUNNING, START + 10)) == pytest.approx(16, abs=1)
    assert seconds(watch(usual=100.0).answered(RUNNING, START + 150)) == pytest.approx(15.0, rel=0.02)


@pytest.mark.parametrize("usual", [200.0, 3_600.0, 86_400.0])
def test_an_assumed_duration_delays_the_first_check_by_half_a_minute_at_most(usual):
    assert seconds(watch(usual=usual).first_poll(START)) == pytest.approx(UNCONFIRMED)


@pytest.mark.parametrize(
    ("elapsed", "expected", "wait"),
    [
        (0.0, 0.0, MIN_POLL_SECONDS),
        (0.0, 16.0, 8.2),
        (5.0, 190.0, 92.6),
        (200.0, 300.0, 19.8),
        (200.0, 410.0, 19.8),
        (0.0, 9_999.0, MAX_POLL_SECONDS),
        (3_000.0, 0.0, MAX_POLL_SECONDS),
    ],
)
@pytest.mark.parametrize("usual", [None, 600.0])
@pytest.mark.parametrize("progress", [None, 0.3])
def test_the_vendors_estimate_counts_before_any_other_but_brings_no_check_nearer(
    elapsed, expected, wait, usual, progress
):
    status = RUNNING.model_copy(update={"expected": expected, "progress": progress})
    assert seconds(watch(usual=usual).answered(status, START + elapsed)) == pytest.approx(wait, rel=0.03)


@pytest.mark.parametrize(
    ("elapsed", "progress", "wait"),
    [
        (40.0, 0.25, 41.0),
        (40.0, 0.4, 24.0),
        (100.0, 0.5, 43.0),
        (100.0, 0.9, 9.9),
        (100.0, 1.0, 9.9),
        (20.0, 1.0, MIN_POLL_SECONDS),
        (9.0, 0.01, 9.2),
    ],
)
@pytest.mark.parametrize("usual", [None, 600.0])
def test_checks_begin_where_the_progress_lets_expect_the_first_ends(elapsed, progress, wait, usual):
    """Half done after 100 s: few jobs need less than another 43 s, and most another 100 s."""
    status = RUNNING.model_copy(update={"progress": progress})
    assert seconds(watch(usual=usual).answered(status, START + elapsed)) == pytest.approx(wait, rel=0.05)


def test_progress_that_has_not_begun_reports_nothing():
    assert watch().answered(RUNNING.model_copy(update={"progress": 0.0}), START) == watch().answered(
        RUNNING, START
    )


@pytest.mark.parametrize("progress", [0.001, 0.1, 0.25, 0.6])
def test_unless_learned_no_progress_leaves_a_job_alone_for_longer_than_it_has_taken(progress):
    step = watch(jitter=1.0).answered(RUNNING.model_copy(update={"progress": progress}), START + 60)
    assert seconds(step) <= 60 * 1.06 * (1 + SPREAD)


def test_jobs_that_were_bought_together_do_not_stay_together():
    waits = {seconds(watch(jitter=jitter).answered(RUNNING, START + 300)) for jitter in JITTERS}
    assert len(waits) == 3
    assert all(abs(wait - 29.7) <= 29.7 * SPREAD + 1e-9 for wait in waits)


@pytest.mark.parametrize("interval", [0.1, 7.0, 500.0])
@pytest.mark.parametrize("jitter", JITTERS)
def test_an_interval_of_the_users_is_kept_to_exactly(interval, jitter):
    watching = watch(poll_interval=interval, usual=60.0, jitter=jitter)
    hinted = RUNNING.model_copy(update={"expected": 133.0})
    for elapsed in (0.0, 100.0, 5_000.0):
        assert seconds(watching.answered(RUNNING, START + elapsed)) == interval
        assert seconds(watching.answered(hinted, START + elapsed)) == interval


def test_a_job_that_may_have_been_ready_for_hours_is_checked_at_once():
    assert Watch.poll_now() == Wait(0.0)
    assert Story(watch(), ready_at(0), first=False).checks == [0.0]


def test_a_clock_that_was_set_back_does_no_harm():
    assert seconds(watch().answered(RUNNING, START - 500)) == pytest.approx(MIN_POLL_SECONDS_WITHOUT_ESTIMATE)


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [JobState.READY, JobState.FAILED])
def test_a_job_that_ended_is_finished_at_the_first_answer(state):
    status = JobStatus(state=state, vendor_status="word")
    assert watch().answered(status, START + 1) == Finished(status)


def test_what_is_ready_is_taken_even_after_the_deadline():
    assert watch(deadline=START + 10).answered(READY, START + 500) == Finished(READY)


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("timeout", [2.0, 5.0, 47.0, 3_600.0])
def test_there_is_exactly_one_check_at_the_deadline_and_none_after(jitter, timeout):
    story = Story(watch(deadline=START + timeout, jitter=jitter), lambda _: RUNNING)
    assert story.end == DeadlinePassed("processing")
    assert story.checks[-1] == pytest.approx(timeout)
    assert sum(abs(check - timeout) < 1e-6 for check in story.checks) == 1
    assert max(story.checks) <= timeout + 1e-6


@pytest.mark.parametrize("timeout", [2.0, 47.0, 3_600.0])
def test_what_becomes_ready_just_before_the_deadline_is_not_missed(timeout):
    assert Story(watch(deadline=START + timeout), ready_at(timeout - 0.001)).end == Finished(READY)


def test_a_deadline_that_has_passed_before_the_first_check_says_so():
    assert watch(deadline=START).first_poll(START) == DeadlinePassed("not checked yet")
    assert watch(deadline=START - 5).first_poll(START) == DeadlinePassed("not checked yet")


def test_the_last_known_status_is_reported_at_the_deadline():
    watching = watch(deadline=START + 100)
    watching.answered(RUNNING, START + 5)
    error = ApiError("HTTP 502.", retryable=True)
    assert watching.failed(error, START + 100) == DeadlinePassed(
        "processing; the last status check failed: HTTP 502"
    )


# --- gone -----------------------------------------------------------------------------------------


def test_a_paid_job_is_not_given_up_for_one_answer_that_it_is_not_there():
    watching = watch()
    assert seconds(watching.answered(GONE, START + 400)) == MIN_POLL_SECONDS
    assert watching.answered(GONE, START + 405) == Finished(GONE)


def test_a_job_that_is_not_there_is_checked_again_with_the_connection_as_it_is_now():
    assert watch().answered(GONE, START + 400) == Wait(MIN_POLL_SECONDS, reconnect=True)


@pytest.mark.parametrize("between", [RUNNING, READY])
def test_a_job_that_is_there_again_was_not_gone(between):
    watching = watch()
    watching.answered(GONE, START + 400)
    watching.answered(between, START + 405)
    assert seconds(watching.answered(GONE, START + 450)) == MIN_POLL_SECONDS


def test_a_check_that_failed_does_not_count_as_one_that_found_nothing():
    watching = watch()
    watching.answered(GONE, START + 400)
    assert isinstance(watching.failed(ApiError("HTTP 500", retryable=True), START + 405), Wait)
    assert watching.answered(GONE, START + 420) == Finished(GONE)


def test_one_answer_at_the_deadline_that_it_is_not_there_is_not_believed_either():
    assert watch(deadline=START + 100).answered(GONE, START + 100) == DeadlinePassed("404")


# A gateway in trouble says that a job is not there as well: only the vendor's own words count at once.

NOT_IN_ITS_OWN_WORDS = GONE.model_copy(update={"believed_after": 4, "believed_for": 300.0})


@pytest.mark.parametrize("outage", [1.0, 20.0, 120.0, 299.0])
def test_a_job_that_a_gateway_hides_for_a_while_is_waited_for(outage):
    def reports(elapsed: float) -> JobStatus:
        return NOT_IN_ITS_OWN_WORDS if 60.0 <= elapsed < 60.0 + outage else ready_at(1_000)(elapsed)

    assert Story(watch(), reports).end == Finished(READY)


def test_a_job_that_is_not_there_for_minutes_is_given_up_after_them_and_not_after_so_many_answers():
    story = Story(watch(), lambda _: NOT_IN_ITS_OWN_WORDS)
    assert story.end == Finished(NOT_IN_ITS_OWN_WORDS)
    assert 300.0 <= story.checks[-1] - story.checks[0] <= 420.0
    assert len(story.checks) <= 10


def test_other_errors_in_between_make_a_gateways_word_no_more_believable():
    answers: list[JobStatus | VidaiError] = [NOT_IN_ITS_OWN_WORDS, ApiError("HTTP 502", retryable=True)]
    replies = itertools.cycle(answers)
    story = Story(watch(deadline=START + 1_000), lambda _: next(replies))
    assert isinstance(story.end, DeadlinePassed)


def test_who_checks_at_once_takes_as_long_to_believe_it_and_no_longer_than_its_patience():
    slept: list[float] = []
    assert confirmed(REF, lambda _: NOT_IN_ITS_OWN_WORDS, slept.append) == NOT_IN_ITS_OWN_WORDS
    assert 300.0 <= sum(slept) <= 420.0
    slept.clear()
    assert confirmed(REF, lambda _: NOT_IN_ITS_OWN_WORDS, slept.append, 40.0) == NOT_IN_ITS_OWN_WORDS
    assert sum(slept) == 35.0
    answers = iter([NOT_IN_ITS_OWN_WORDS, NOT_IN_ITS_OWN_WORDS, READY])
    assert confirmed(REF, lambda _: next(answers), slept.append, 40.0) == READY


# --- running that counts as ready after a time ----------------------------------------------------

SAME_FILE = JobStatus(
    state=JobState.RUNNING, vendor_status="rendered", ready_after=60.0, ref_params={"digest": "d"}
)


@pytest.mark.parametrize("elapsed", [0.0, 5.0, 59.9])
def test_what_may_be_an_earlier_result_is_waited_for(elapsed):
    assert isinstance(watch().answered(SAME_FILE, START + elapsed), Wait)


@pytest.mark.parametrize("elapsed", [60.0, 61.0, 9_000.0])
def test_what_is_still_there_after_its_time_is_ready_with_all_that_was_reported(elapsed):
    step = watch().answered(SAME_FILE, START + elapsed)
    assert isinstance(step, Finished)
    assert step.status == SAME_FILE.model_copy(update={"state": JobState.READY})


def test_the_time_counts_from_the_purchase_and_not_from_the_first_answer():
    story = Story(watch(), lambda _: SAME_FILE)
    assert isinstance(story.end, Finished)
    assert 60 <= story.took <= 60 + 1.1 * MIN_POLL_SECONDS + 1


def test_without_such_a_time_running_stays_running_for_ever():
    assert isinstance(watch().answered(RUNNING, START + 1e8), Wait)


# --- checks that fail ------------------------------------------------------------------------------


def blip(retry_after: float | None = None, status: int | None = 502) -> ApiError:
    return ApiError("HTTP 502", status=status, retryable=True, retry_after=retry_after)


@pytest.mark.parametrize(
    "error",
    [
        blip(),
        ApiError("reset", retryable=True),
        ApiError("HTTP 301", status=301),
        ApiError("HTTP 429", status=429, processed="no", retryable=True),
        ApiError("not retryable", retryable=False),
        InputError("HTTP 422"),
        TransferError("odd"),
        VidaiError("odd"),
    ],
)
def test_no_failed_check_ends_the_waiting_before_the_deadline(error):
    story = Story(watch(deadline=START + 3_600), lambda _: error)
    assert isinstance(story.end, DeadlinePassed)
    assert story.end.last.startswith("not checked yet; the last ")
    assert story.end.last.endswith(f"status checks failed: {error}".rstrip("."))
    assert story.took == pytest.approx(3_600)
    assert len(story.checks) <= 45, "a vendor in trouble is left in peace"
    assert not any(wait.reconnect or wait.pause_account for wait in story.waits)


@pytest.mark.parametrize("error", [blip(), InputError("HTTP 422"), blip(7.0)])
def test_a_job_that_becomes_ready_while_checks_fail_is_found(error):
    story = Story(watch(deadline=START + 3_600), lambda elapsed: error if elapsed < 300 else READY)
    assert story.end == Finished(READY)


def test_pauses_after_failed_checks_double_up_to_two_minutes_and_begin_again_after_an_answer():
    watching = watch(usual=1.0)
    pauses = [seconds(watching.failed(blip(), START)) for _ in range(8)]
    assert pauses == pytest.approx([5, 10, 20, 40, 80, 120, 120, 120])
    watching.answered(RUNNING, START)
    assert seconds(watching.failed(blip(), START)) == pytest.approx(5)


def test_ten_thousand_failed_checks_are_no_arithmetic_problem():
    watching = watch()
    for _ in range(10_000):
        assert seconds(watching.failed(blip(), START)) <= MAX_POLL_SECONDS


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (33.0, 33.0),
        (600.0, 600.0),
        (MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
        (86_400.0, MAX_RETRY_AFTER_SECONDS),
        (float("inf"), MAX_RETRY_AFTER_SECONDS),
    ],
)
def test_a_vendor_that_says_how_long_is_believed_up_to_a_quarter_of_an_hour(asked, pause):
    step = watch().failed(blip(asked, 429), START)
    assert step == Wait(pause, pause_account=pause, slow_account=False)


@pytest.mark.parametrize("asked", [0.0, 1.0])
def test_a_vendor_that_asks_for_less_than_the_floor_gets_the_floor(asked):
    step = watch(usual=1.0).failed(blip(asked, 429), START)
    assert seconds(step) == pytest.approx(MIN_POLL_SECONDS)
    assert step.pause_account == asked


def test_the_limits_are_those_that_are_documented():
    assert (
        MIN_POLL_SECONDS,
        FIRST_POLL_SECONDS,
        MIN_POLL_SECONDS_WITHOUT_ESTIMATE,
        MAX_POLL_SECONDS,
        MAX_RETRY_AFTER_SECONDS,
    ) == (5.0, 8.0, 8.0, 120.0, 900.0)
    assert POLL_SHARE_OF_ELAPSED == 0.099


def test_a_pause_does_not_reach_past_the_deadline():
    assert watch(deadline=START + 20).failed(blip(600.0), START) == Wait(20.0, pause_account=20.0)


# --- the account ----------------------------------------------------------------------------------


def refusal(status: int = 401) -> ApiError:
    return ApiError(f"HTTP {status}", status=status, processed="no", account=True)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_is_read_again_once_and_then_the_account_is_broken(status):
    watching = watch()
    assert watching.failed(refusal(status), START) == Wait(MIN_POLL_SECONDS, reconnect=True)
    last = refusal(status)
    assert watching.failed(last, START + 5) == AccountBroken(last)


@pytest.mark.parametrize("between", [RUNNING, SAME_FILE, GONE])
def test_an_answer_in_between_gives_the_account_its_chance_again(between):
    watching = watch()
    for round_ in range(3):
        assert watching.failed(refusal(), START + round_) == Wait(MIN_POLL_SECONDS, reconnect=True)
        watching.answered(between, START + round_)
        if between is GONE:
            watching.answered(RUNNING, START + round_)


def test_an_account_that_stays_broken_costs_two_checks():
    story = Story(watch(deadline=START + 600), lambda elapsed: refusal())
    assert isinstance(story.end, AccountBroken)
    assert len(story.checks) == 2


def test_a_key_that_was_rotated_is_found_at_the_second_check():
    story = Story(watch(), lambda elapsed: refusal() if elapsed < 9 else READY)
    assert story.end == Finished(READY)
    assert [wait.reconnect for wait in story.waits] == [False, True]


def test_no_account_is_broken_after_the_deadline_at_its_first_refusal():
    step = watch(deadline=START + 10).failed(refusal(), START + 10)
    assert step == DeadlinePassed("not checked yet; the last status check failed: HTTP 401")


# --- ends that are not believed at once -----------------------------------------------------------

REF = JobRef(vendor="vidio", conn_id="c", job_id="J1", kind="reel")
DOUBTED = JobStatus(state=JobState.FAILED, vendor_status="500", believed_after=4)


def test_an_end_that_needs_repeating_is_checked_again_after_growing_pauses():
    story = Story(watch(), lambda _: DOUBTED)
    assert story.end == Finished(DOUBTED)
    assert [wait.seconds for wait in story.waits[1:]] == [
        MIN_POLL_SECONDS,
        2 * MIN_POLL_SECONDS,
        4 * MIN_POLL_SECONDS,
    ]


def test_an_end_that_was_not_repeated_often_enough_in_a_row_ends_nothing():
    answers = iter([DOUBTED, DOUBTED, DOUBTED, RUNNING, DOUBTED, DOUBTED, READY])
    assert Story(watch(), lambda _: next(answers)).end == Finished(READY)


@pytest.mark.parametrize("answers", [[DOUBTED, GONE, RUNNING, READY], [GONE, *[DOUBTED] * 3, READY]])
def test_one_kind_of_doubtful_end_does_not_make_another_more_believable(answers):
    replies = iter(answers)
    assert Story(watch(), lambda _: next(replies)).end == Finished(READY)
    replies = iter(answers)
    assert confirmed(REF, lambda _: next(replies), lambda _: None) in (RUNNING, READY)


def test_answers_that_contradict_one_another_for_ever_are_as_good_as_none():
    replies = itertools.cycle([DOUBTED, GONE])
    with pytest.raises(ApiError, match="contradict") as caught:
        confirmed(REF, lambda _: next(replies), lambda _: None)
    assert caught.value.retryable


def test_an_end_that_needs_no_repeating_is_believed_at_once():
    failed = JobStatus(state=JobState.FAILED, vendor_status="failed")
    assert watch().answered(failed, START) == Finished(failed)


def test_checking_until_it_is_believed_takes_as_long_as_waiting_does():
    slept: list[float] = []
    answers = iter([DOUBTED] * 4)
    assert confirmed(REF, lambda _: next(answers), slept.append) == DOUBTED
    assert slept == [MIN_POLL_SECONDS, 2 * MIN_POLL_SECONDS, 4 * MIN_POLL_SECONDS]
    answers = iter([GONE, RUNNING])
    assert confirmed(REF, lambda _: next(answers), slept.append) == RUNNING


def test_a_wait_that_is_not_everybodys_pauses_only_its_own_job():
    error = ApiError("model overloaded", retryable=True, retry_after=30, everybody=False)
    step = watch().failed(error, START)
    assert isinstance(step, Wait)
    assert (step.seconds >= 30, step.pause_account) == (True, False)


# --- the rate limit -------------------------------------------------------------------------------


def test_a_refusal_without_a_time_slows_the_account_and_pauses_nobody():
    step = watch().failed(ApiError("HTTP 429", status=429, retryable=True, processed="no"), START)
    assert isinstance(step, Wait)
    assert (step.slow_account, step.pause_account, step.throttled) == (True, 0.0, True)


@pytest.mark.parametrize(
    "error",
    [
        ApiError("no connection", retryable=True, processed="no"),
        ApiError("HTTP 502", status=502, retryable=True),
        ApiError("one model is busy", status=429, retryable=True, processed="no", everybody=False),
        ApiError("HTTP 401", status=401, processed="no", account=True),
        InputError("HTTP 422"),
    ],
)
def test_other_failures_slow_nobody(error):
    step = watch().failed(error, START)
    assert isinstance(step, Wait)
    assert not step.throttled


def test_the_account_pauses_for_as_long_as_the_vendor_asked_and_not_for_as_long_as_the_job_can_wait():
    """An old job is checked every two minutes, and a new one of the same account every five seconds."""
    error = ApiError("HTTP 429", status=429, retryable=True, processed="no", retry_after=7.0)
    step = watch().failed(error, START + 3_000)
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(MAX_POLL_SECONDS)
    assert step.pause_account == 7.0


# --- beside a webhook -----------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize(("usual", "first"), [(30.0, 120.0), (600.0, 900.0), (None, 120.0)])
def test_beside_a_webhook_checks_begin_late_and_are_far_apart(
    usual: float | None, first: float, jitter: float
) -> None:
    story = Story(watch(usual=usual, safety_net=120.0, jitter=jitter), ready_at(1800))
    assert first <= story.checks[0] <= first * 1.1
    gaps = [later - earlier for earlier, later in itertools.pairwise(story.checks)]
    assert all(120 <= gap <= 132 for gap in gaps)
    assert story.took <= 1800 + 132


def test_beside_a_webhook_a_job_that_reports_its_progress_is_not_checked_before_it_can_be_ready() -> None:
    halfway = RUNNING.model_copy(update={"progress": 0.5})
    found = watch(usual=400.0, safety_net=120.0, jitter=0.0)
    assert seconds(found.answered(halfway, START + 400)) == pytest.approx(800)


@pytest.mark.parametrize(("net", "longest"), [(120.0, MAX_FIRST_POLL_SECONDS), (1_800.0, 1_800.0)])
def test_beside_a_webhook_an_expected_duration_that_is_far_too_long_leaves_no_job_unchecked(
    net: float, longest: float
) -> None:
    days = RUNNING.model_copy(update={"expected": 1e6})
    found = watch(safety_net=net, jitter=0.0)
    assert seconds(found.answered(days, START + 130)) == longest


def test_beside_a_webhook_the_deadline_still_gets_its_check() -> None:
    story = Story(watch(usual=600.0, safety_net=120.0, deadline=START + 100), lambda _: RUNNING)
    assert story.checks == [100]
    assert isinstance(story.end, DeadlinePassed)
