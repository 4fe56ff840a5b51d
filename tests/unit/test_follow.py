"""A vendor's call reaches its task once, however early, often and many the calls are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from airflow_provider_vidai.events.follow import Call, Follower
from airflow_provider_vidai.jobs.media_record import TaskKey

TASK = TaskKey("videos", "manual", "paid", -1)
CALL = Call("vidgo", TASK, "abc")


class Airflow:
    """Answers each attempt to wake with the next of its answers, and the last one for ever."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> float | None:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def followed(airflow: Airflow, calls: Iterable[Call], **options: int) -> list[bool]:
    async def main() -> list[bool]:
        follower = Follower(airflow, pauses=(0.0, 0.01, 0.01), quiet=0.05, **options)
        taken = [follower.follow(call) for call in calls]
        await asyncio.sleep(0.4)
        return taken

    return asyncio.run(main())


def test_a_call_that_finds_its_task_is_tried_once() -> None:
    airflow = Airflow(None)
    assert followed(airflow, [CALL]) == [True]
    assert airflow.calls == [CALL]


def test_a_call_that_comes_too_early_is_tried_again() -> None:
    airflow = Airflow(0.0, 0.02, None)
    followed(airflow, [CALL])
    assert len(airflow.calls) == 3


def test_a_call_that_never_finds_its_task_is_given_up() -> None:
    airflow = Airflow(0.0)
    followed(airflow, [CALL])
    assert len(airflow.calls) == 3


def test_a_database_that_is_away_for_a_moment_loses_no_call() -> None:
    airflow = Airflow(OSError("gone"), None)
    followed(airflow, [CALL])
    assert len(airflow.calls) == 2


def test_a_hundred_calls_at_once_about_one_purchase_count_as_one() -> None:
    airflow = Airflow(None)
    assert followed(airflow, [CALL] * 100) == [True] * 100
    assert len(airflow.calls) == 1


def test_a_crowd_of_later_calls_counts_as_one_more_and_not_at_once() -> None:
    airflow = Airflow(None)

    async def main() -> None:
        follower = Follower(airflow, pauses=(0.0,), quiet=0.2)
        follower.follow(CALL)
        await asyncio.sleep(0.1)
        for _ in range(50):
            assert follower.follow(CALL)
        assert len(airflow.calls) == 1
        await asyncio.sleep(0.6)
        assert follower.follow(CALL)
        await asyncio.sleep(0.1)

    asyncio.run(main())
    assert len(airflow.calls) == 3


def test_too_many_calls_at_a_time_are_refused_and_the_others_are_followed() -> None:
    airflow = Airflow(None)
    calls = [Call("vidgo", TASK._replace(map_index=index)) for index in range(5)]
    assert followed(airflow, calls, most=3) == [True, True, True, False, False]
    assert len(airflow.calls) == 3


def test_calls_that_search_all_tasks_leave_room_for_those_that_name_theirs() -> None:
    shared = [Call("vizard", job_id=str(number)) for number in range(3)]
    assert followed(Airflow(None), [*shared, CALL], most_shared=2) == [True, True, False, True]
