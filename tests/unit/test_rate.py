"""How fast one process checks the jobs of an account, in virtual time."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.net.rate import HELD_FOR, LONGEST_HELD, LONGEST_SPREAD, USED, Rate
from benchmarks.budgets import shared

LIMIT = 80.0


def sent(rate: Rate, begin: float, until: float) -> list[float]:
    """Send as many status checks as the rate allows."""
    times, now = [], begin
    while (now := max(now, rate.free_at)) < until:
        times.append(now)
        rate.taken(now, 1)
    return times


def test_an_undisturbed_process_uses_what_the_limit_allows():
    assert len(sent(Rate(LIMIT), 0.0, 600.0)) == pytest.approx(10 * USED * LIMIT, abs=1)


def test_a_refusal_slows_down_by_a_quarter_and_the_next_ones_of_the_same_moment_do_not():
    rate = Rate(LIMIT)
    for second in range(15):
        rate.refused(0.0, 100.0 + second)
    assert rate.per_minute(114.0) == pytest.approx(0.75 * USED * LIMIT, rel=0.02)
    rate.refused(0.0, 115.0)
    assert rate.per_minute(115.0) == pytest.approx(0.75**2 * USED * LIMIT, rel=0.02)


def test_the_rate_comes_back_by_three_a_minute_and_not_past_the_setting():
    rate = Rate(LIMIT)
    rate.refused(0.0, 0.0)
    slowed = rate.per_minute(0.0)
    assert slowed is not None
    assert rate.per_minute(120.0) == pytest.approx(slowed + 6)
    assert rate.per_minute(86_400.0) == USED * LIMIT


def test_no_number_of_refusals_stops_the_checks():
    rate = Rate(LIMIT)
    for minute in range(1_000):
        rate.refused(0.0, 60.0 * minute)
    assert len(sent(rate, 60_000.0, 60_600.0)) >= 25


def test_a_refusal_that_says_nothing_holds_checks_back_and_longer_while_all_of_them_are_refused():
    rate, now, holds = Rate(LIMIT), 100.0, []
    for _ in range(5):
        rate.taken(now, 1)
        rate.refused(0.0, now)
        # Others were on their way.
        rate.refused(0.0, now + 0.1)
        holds.append(rate.free_at - now)
        now = rate.free_at
    assert holds == pytest.approx([HELD_FOR, 2 * HELD_FOR, 4 * HELD_FOR, LONGEST_HELD, LONGEST_HELD])
    rate.answered()
    rate.refused(0.0, now)
    assert rate.free_at - now == pytest.approx(HELD_FOR)


def test_an_account_with_no_known_limit_has_none_until_it_is_refused_and_then_three_quarters_of_that():
    rate = Rate(None)
    assert rate.per_minute(0.0) is None
    for number in range(600):
        rate.taken(number * 0.3, 1)
    rate.refused(0.0, 180.0)
    assert rate.per_minute(180.0) == pytest.approx(0.75 * 200, rel=0.05)
    assert rate.per_minute(180.0 + 3_600) is None


def test_one_refusal_of_a_quiet_account_with_no_known_limit_leaves_room_for_the_next_burst():
    rate = Rate(None)
    rate.taken(0.0, 0)
    rate.refused(0.0, 1.0)
    assert rate.per_minute(1.0) == 30


def test_a_single_pause_that_the_vendor_asks_for_slows_nothing_afterwards():
    rate = Rate(LIMIT)
    assert rate.refused(30.0, 0.0)
    assert sent(rate, 0.0, 29.9) == []
    assert rate.per_minute(30.0) == USED * LIMIT
    assert not rate.refused(5.0, 31.0)
    assert rate.per_minute(31.0) == pytest.approx(0.75 * USED * LIMIT)


@pytest.mark.parametrize(("pause", "lasts"), [(30.0, 30.0), (900.0, LONGEST_SPREAD)])
def test_those_who_queued_during_a_pause_are_sent_over_as_long_again_but_within_a_minute(pause, lasts):
    rate, times = Rate(None), []
    rate.refused(pause, 0.0)
    for waiting in range(10, 0, -1):
        times.append(rate.free_at)
        rate.taken(rate.free_at, waiting)
    assert times[0] == pause
    assert times[-1] - times[0] == pytest.approx(0.9 * lasts)


def test_a_vendor_that_says_that_little_is_left_slows_down_before_it_refuses():
    rate = Rate(120.0)
    rate.left(40, 0.0)
    rate.left(6, 1.0)
    assert rate.per_minute(1.0) == USED * 120, "a process alone with the account leaves so much"
    sent(rate, 2.0, 302.0)
    rate.left(2, 302.0)
    assert rate.per_minute(302.0) == pytest.approx(0.75 * USED * 120, rel=0.02)


def test_what_is_left_says_how_large_this_process_s_share_of_all_calls_is():
    """It sent thirty in the last minute. All processes together sent 118, so it may go on about like that."""
    rate = Rate(120.0)
    for number in range(150):
        rate.taken(number * 2.0, 1)
    rate.left(2, 300.0)
    assert rate.per_minute(300.0) == pytest.approx(USED * 30, rel=0.05)


def test_a_throttled_period_is_reported_once():
    rate = Rate(LIMIT)
    reported = [rate.refused(0.0, 20.0 * number) for number in range(200)]
    assert reported == [True] + [False] * 199
    assert rate.refused(0.0, 4_000.0 + 600.0)


@pytest.mark.parametrize("refusal", ["bare", "retry_after", "remaining"])
@pytest.mark.parametrize("triggerers", [1, 2, 4, 10])
def test_triggerers_that_know_nothing_of_one_another_share_a_limit(refusal, triggerers):
    """They use nine tenths of it, and one in twenty of their status checks is refused at most."""
    found = shared(triggerers, limit=80, setting=80, refusal=refusal, minutes=30)
    assert found.answered >= 0.87 * 80
    assert found.refused <= (0.05 if triggerers < 10 else 0.07) * found.answered
    assert found.first_refused <= 4 * triggerers, "refused a minute, while they find their rates"
    assert found.warnings <= 2 * triggerers
    assert max(found.shares) <= 3 * min(found.shares), "no triggerer starves"
