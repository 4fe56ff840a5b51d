"""What the triggers of one process share: the reading of a connection, and a pause's end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_vidai.net import sharing as shared
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.budget import Budget
from airflow_provider_vidai.net.sharing import line, read_once
from airflow_provider_vidai.triggers.job import JobTrigger
from tests.support.dags import reads_without_supervisor
from tests.support.raw import Peer, answer, serving
from tests.support.task import first_event, run_fast
from tests.support.timing import best_of_three

PAUSE = 0.2


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        await asyncio.wait_for(story(), 5)

    asyncio.run(timed())


class Reader:
    """A connection that takes its time to be read, with another key each time."""

    def __init__(self, fails: int = 0) -> None:
        self.times = 0
        self._fails = fails

    async def __call__(self) -> Account:
        self.times += 1
        number = self.times
        await asyncio.sleep(0.01)
        if number <= self._fails:
            raise OSError(f"failure {number}")
        return Account(label="VIDIO", base_url="https://api", key_headers={"x-api-key": f"key {number}"})


def test_a_thousand_triggers_that_start_together_read_their_connection_once():
    async def story() -> None:
        read = Reader()
        accounts = await asyncio.gather(*[read_once("vidio", read) for _ in range(1_000)])
        assert len({account.id for account in accounts}) == 1
        await read_once("vidio", read)
        assert read.times == 1

    run(story)


def test_each_connection_is_read_for_itself():
    async def story() -> None:
        read = Reader()
        one, other = await asyncio.gather(read_once(("vidio", "a"), read), read_once(("vidio", "b"), read))
        assert one.id != other.id

    run(story)


def test_what_was_read_is_read_again_after_its_time(monkeypatch):
    monkeypatch.setattr(shared, "READING_LASTS", 0.05)

    async def story() -> None:
        read = Reader()
        first = await read_once("vidio", read)
        await asyncio.sleep(0.1)
        assert (await read_once("vidio", read)).id != first.id

    run(story)


def test_a_key_that_was_refused_is_read_again_once_for_all_who_were_refused():
    async def story() -> None:
        read = Reader()
        first = await read_once("vidio", read)
        await asyncio.sleep(0.001)
        refused = time.time()
        await asyncio.sleep(0.001)
        again = await asyncio.gather(*[read_once("vidio", read, since=refused) for _ in range(10)])
        assert {account.id for account in again}.isdisjoint({first.id})
        assert read.times == 2

    run(story)


def test_a_reading_that_failed_is_raised_for_all_who_waited_for_it_and_for_nobody_later():
    async def story() -> None:
        read = Reader(fails=1)
        found = await asyncio.gather(*[read_once("vidio", read) for _ in range(3)], return_exceptions=True)
        assert [str(error) for error in found] == ["failure 1"] * 3
        await read_once("vidio", read)
        assert read.times == 2

    run(story)


def test_a_trigger_that_is_cancelled_does_not_take_the_reading_from_the_others():
    async def story() -> None:
        read = Reader()
        first = asyncio.create_task(read_once("vidio", read))
        await asyncio.sleep(0)
        others = [asyncio.create_task(read_once("vidio", read)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(*others)
        assert read.times == 1

    run(story)


@pytest.mark.parametrize("per_minute", [None, 60_000])
def test_who_queued_during_a_pause_does_not_come_all_at_once(per_minute):
    async def story() -> None:
        budget = Budget(per_minute)
        at: list[float] = []

        async def check() -> None:
            await budget.turn()
            at.append(time.monotonic())

        budget.refused(PAUSE)
        paused = time.monotonic()
        await asyncio.gather(*[check() for _ in range(10)])
        assert at[0] - paused >= PAUSE * 0.9
        assert PAUSE * 0.8 <= at[-1] - at[0] <= PAUSE * 3
        began = time.monotonic()
        await asyncio.sleep(PAUSE / 10)
        await asyncio.gather(*[check() for _ in range(10)])
        assert time.monotonic() - began < PAUSE, "the pause is over, and so is its slowness"

    best_of_three(lambda: run(story))


def test_connections_to_one_account_with_other_settings_have_their_own_client_and_share_the_budget():
    def account(**settings: Any) -> Account:
        return Account(label="VIDIO", base_url="https://api", key_headers={"x-api-key": "key"}, **settings)

    async def story() -> None:
        async with line(account()) as one, line(account()) as same, line(account(verify=False)) as other:
            assert same is one
            assert other.client is not one.client
            assert other.budget is one.budget
            async with line(replace(account(), base_url="https://other")) as stranger:
                assert stranger.budget is not one.budget

    run(story)


# --- the connection that a trigger uses -------------------------------------------------------


def trigger(number: int, **changes: Any) -> JobTrigger:
    ref = {"vendor": "vidio", "conn_id": "shared", "job_id": f"J{number}", "kind": "reel"}
    return JobTrigger(ref=ref, deadline=time.time() + 600, poll_interval=1, **changes)


@reads_without_supervisor
@pytest.mark.parametrize("bought", [True, False], ids=["after it was changed", "nobody knows when"])
def test_a_job_is_polled_where_the_connection_leads_now(monkeypatch, bought):
    """Another trigger has read the connection a moment ago, before it was changed."""
    here = answer(body={"status": "processed"}, keep=True)

    def connect(url: str) -> None:
        fields = {"conn_type": "vidio", "host": url, "password": "key", "extra": {"timeout": 600}}
        monkeypatch.setenv("AIRFLOW_CONN_SHARED", json.dumps(fields))

    async def story() -> None:
        connect(old.url)
        assert (await first_event(trigger(1)))["status"]["state"] == "ready"
        connect(new.url)
        second = trigger(2, since=time.time() if bought else None)
        assert (await first_event(second))["status"]["state"] == "ready"

    def only_the_first(peer: Peer) -> bool:
        return bool((here if "J1" in peer.request.target else answer(404, keep=True))(peer))

    with serving(only_the_first) as old, serving(here) as new:
        run_fast(story())
        assert len(new.requests) == 1
        assert len(old.requests) == (1 if bought else 2)
