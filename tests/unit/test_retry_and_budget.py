"""When a failed call is sent again, and which status check of an account comes next."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import pytest

from airflow_provider_vidai.errors import ApiError
from airflow_provider_vidai.net.budget import Budget
from airflow_provider_vidai.net.rate import USED
from airflow_provider_vidai.net.retry import pause_before_retry, repeated
from tests.support.timing import best_of_three

# --- retry ----------------------------------------------------------------------------------------


def failure(retry_after: float | None = None, *, retryable: bool = True) -> ApiError:
    return ApiError("no answer", retryable=retryable, retry_after=retry_after)


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0.0, 0.5), (1, 0.5, 1.0), (1, 1.0, 1.5), (2, 0.5, 2.0), (3, 0.5, 4.0), (3, 1.0, 6.0), (4, 0.0, 4.0)],
)
def test_pauses_double_and_are_spread_around_that(attempt, jitter, seconds):
    assert pause_before_retry(failure(), attempt, 9, jitter=jitter) == pytest.approx(seconds)


@pytest.mark.parametrize("asked", [0.0, 0.2, 7.0, 60.0])
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_vendor_that_says_how_long_is_taken_at_its_word(asked, jitter):
    assert pause_before_retry(failure(asked), 3, 4, jitter=jitter) == asked


@pytest.mark.parametrize("asked", [60.1, 3600.0, float("inf")])
def test_a_call_does_not_hold_its_worker_for_longer_than_a_minute(asked):
    assert pause_before_retry(failure(asked), 1, 4, jitter=0.0) is None


def test_pauses_that_have_doubled_past_a_minute_end_it_too():
    assert pause_before_retry(failure(), 7, 99, jitter=0.4) == pytest.approx(57.6)
    assert pause_before_retry(failure(), 7, 99, jitter=0.5) is None
    assert pause_before_retry(failure(), 500, 999, jitter=0.0) is None


@pytest.mark.parametrize(("attempt", "attempts"), [(4, 4), (5, 4), (1, 1), (1, 0)])
def test_the_last_attempt_is_the_last(attempt, attempts):
    assert pause_before_retry(failure(1.0), attempt, attempts, jitter=0.5) is None


@pytest.mark.parametrize("asked", [None, 1.0])
def test_what_would_fail_again_is_not_sent_again(asked):
    assert pause_before_retry(failure(asked, retryable=False), 1, 4, jitter=0.5) is None


def test_an_error_with_another_fate_or_wait_is_a_copy_that_says_the_same_otherwise():
    facts = {"status": 429, "retryable": True, "processed": "no", "account": True, "everybody": False}
    one = ApiError("no answer", retry_after=5.0, **facts)
    longer, later = one.changed(fate="Nothing was charged."), one.changed(retry_after=60.0)
    assert (str(one), one.retry_after) == ("no answer", 5.0)
    assert (str(longer), longer.retry_after) == ("no answer Nothing was charged.", 5.0)
    assert (str(later), later.retry_after) == ("no answer", 60.0)
    for copy in (longer, later):
        assert {name: getattr(copy, name) for name in facts} == facts


def test_the_last_failure_says_that_the_call_cost_nothing_and_the_error_itself_is_not_edited():
    cause, error = ValueError("why"), failure(retryable=False)
    error.__cause__ = cause

    def send() -> None:
        raise error

    with pytest.raises(ApiError, match=r"^no answer Nothing was charged for this call\.$") as caught:
        repeated(send, attempts=4)
    assert caught.value.__cause__ is cause
    assert str(error) == "no answer"
    with pytest.raises(ApiError) as once:
        repeated(send, attempts=1)
    assert once.value is error


# --- budget ---------------------------------------------------------------------------------------

#: Seconds between two turns in these tests.
GAP = 0.02
PER_MINUTE = 60 / GAP
#: A busy machine may note a turn late by this much, so that the next one seems to come early.
TICK = GAP / 2


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        await asyncio.wait_for(story(), 5)

    asyncio.run(timed())


class Line:
    """Callers who queue, and when each of them had their turn."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.served: list[str] = []
        self.at: list[float] = []

    def enter(self, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._queue(name), name=name)

    async def _queue(self, name: str) -> None:
        await self.budget.turn()
        self.served.append(name)
        self.at.append(time.monotonic())

    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False)]


def test_callers_have_their_turns_in_the_order_in_which_they_came():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        names = [f"job {number}" for number in range(8)]
        await asyncio.gather(*[line.enter(name) for name in names])
        assert line.served == names

    run(story)


def test_no_more_turns_are_given_than_the_minute_allows():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        begin = time.monotonic()
        await asyncio.gather(*[line.enter(str(number)) for number in range(8)])
        assert min(line.gaps()) >= GAP - TICK
        assert line.at[-1] - begin >= 7 * GAP - TICK

    run(story)


def test_the_first_has_nothing_to_wait_for():
    async def story() -> None:
        await Budget(per_minute=1 / 60).turn()

    run(story)


@pytest.mark.parametrize("allowed", [20, 120, 600])
def test_calls_that_arrive_three_seconds_late_are_not_too_many_for_any_minute(allowed):
    """A late one and all that were sent within the next sixty-three seconds can arrive in one minute."""
    gap = 60 / (USED * allowed)
    assert math.floor(63 / gap) + 1 <= allowed


def test_time_that_nobody_used_is_not_saved_up():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        await line.enter("first")
        await asyncio.sleep(3 * GAP)
        await asyncio.gather(*[line.enter(str(number)) for number in range(3)])
        assert min(line.gaps()[1:]) >= GAP - TICK

    run(story)


def test_a_newcomer_does_not_overtake_those_who_wait():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        waiting = [line.enter(str(number)) for number in range(3)]
        await asyncio.sleep(0)
        line.budget.refused(2 * GAP)
        await asyncio.sleep(GAP / 2)
        await asyncio.gather(*waiting, line.enter("newcomer"))
        assert line.served == ["0", "1", "2", "newcomer"]

    run(story)


@pytest.mark.parametrize("per_minute", [None, PER_MINUTE])
def test_a_pause_holds_everybody_those_who_wait_and_those_who_come(per_minute):
    async def story() -> None:
        line = Line(Budget(per_minute))
        await line.enter("before")
        waiting = line.enter("waiting")
        await asyncio.sleep(0)
        line.budget.refused(0.1)
        paused = time.monotonic()
        await asyncio.gather(waiting, line.enter("came later"))
        late = [at for name, at in zip(line.served, line.at, strict=True) if name == "came later"]
        assert min(late) - paused >= 0.1 - TICK
        if per_minute:
            assert min(line.at[1:]) - paused >= 0.1 - TICK

    run(story)


def test_a_pause_during_a_pause_makes_it_longer_but_never_shorter():
    async def story() -> None:
        line = Line(Budget(None))
        line.budget.refused(0.04)
        begin = time.monotonic()
        waiting = line.enter("waiting")
        await asyncio.sleep(0.01)
        line.budget.refused(0.08)
        line.budget.refused(0.001)
        await waiting
        assert time.monotonic() - begin >= 0.09 - TICK

    run(story)


def test_after_a_pause_those_who_sat_it_out_are_served_over_as_long_again():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        line.budget.refused(0.2)
        await asyncio.gather(*[line.enter(str(number)) for number in range(4)])
        assert min(line.gaps()) >= 0.05 - TICK
        assert line.at[-1] - line.at[0] >= 0.15 - TICK

    run(story)


@pytest.mark.parametrize("per_minute", [None, PER_MINUTE])
def test_after_a_pause_those_who_come_later_are_not_held_back_by_it(per_minute):
    async def story() -> None:
        line = Line(Budget(per_minute))
        line.budget.refused(0.3)
        waiting = [line.enter(f"waited {number}") for number in range(3)]
        await waiting[0]
        begin = time.monotonic()
        await asyncio.gather(*waiting, *[line.enter(str(number)) for number in range(20)])
        assert time.monotonic() - begin < 1.2, "they were dealt out like those who had waited"
        assert line.served[:3] == ["waited 0", "waited 1", "waited 2"]

    best_of_three(lambda: run(story))


def test_a_pause_that_nobody_sat_out_is_forgotten():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        line.budget.refused(0.4)
        await asyncio.sleep(0.45)
        begin = time.monotonic()
        await asyncio.gather(*[line.enter(str(number)) for number in range(3)])
        assert time.monotonic() - begin < 0.15

    best_of_three(lambda: run(story))


def test_without_a_limit_nobody_waits():
    async def story() -> None:
        budget = Budget(None)
        begin = time.monotonic()
        for _ in range(1_000):
            await budget.turn()
        assert time.monotonic() - begin < 0.5

    best_of_three(lambda: run(story))


@pytest.mark.parametrize("stays", [0, 5, 19])
def test_who_stops_waiting_takes_no_turn_from_those_who_stay(stays):
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        await line.enter("first")
        waiting = [line.enter(str(number)) for number in range(20)]
        await asyncio.sleep(0)
        for number, task in enumerate(waiting):
            if number != stays:
                task.cancel()
        await asyncio.gather(*waiting, line.enter("last"), return_exceptions=True)
        assert line.served == ["first", str(stays), "last"]
        assert line.at[-1] - line.at[0] < 10 * GAP, "turns were kept for those who had left"
        assert min(line.gaps()) >= GAP - TICK, "a turn was given away twice"

    run(story)


def test_after_all_have_left_the_next_is_served():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        await line.enter("first")
        waiting = [line.enter(str(number)) for number in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await line.enter("late")
        assert line.served == ["first", "late"]

    run(story)


def test_the_queue_works_again_after_it_was_empty():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        for number in range(3):
            await asyncio.gather(line.enter(f"{number}a"), line.enter(f"{number}b"))
        assert line.served == ["0a", "0b", "1a", "1b", "2a", "2b"]
        assert min(line.gaps()) >= GAP - TICK

    run(story)


def test_a_turn_that_arrives_together_with_its_callers_cancellation_does_not_stop_the_queue():
    async def story() -> None:
        line = Line(Budget(PER_MINUTE))
        await line.enter("first")
        leaver, other = line.enter("leaver"), line.enter("other")
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(GAP, leaver.cancel)
        await asyncio.gather(leaver, other, return_exceptions=True)
        assert line.served[-1] == "other"

    run(story)
