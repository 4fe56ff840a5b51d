"""A trigger whose vendor answers oddly ends with an event that can be sent, beside an undisturbed one."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import msgspec
import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_vidai.net import rate
from airflow_provider_vidai.triggers.job import JobTrigger, read_event
from tests.support.raw import Peer, Step, answer, serving
from tests.support.task import run_fast

CLEAN = b'{"job_id": "clean", "status": "processed"}'

ODD: dict[str, Step] = {
    name: answer(200, body, content_type="application/json")
    for name, body in {
        "lone surrogate": rb'{"status": "processed", "output_jsons": [{"title": "\udc00 \ud83d"}]}',
        "surrogate as the word": rb'{"status": "failed", "error": "half \ud83d a pair", "\ud83d": 1}',
        "65 bits": b'{"status": "processed", "output_jsons": [{"x": 18446744073709551616}]}',
        "400 digits": b'{"status": "processed", "progress": 1' + b"0" * 400 + b"}",
        "NUL": rb'{"status": "processed", "output_jsons": [{"title": "a\u0000b"}]}',
        "not finite": b'{"status": "processed", "output_jsons": [{"duration": NaN, "x": 1e999}]}',
        "900 deep": b'{"status": "processed", "output_jsons": [{"x": ' + b"[" * 900 + b"]" * 900 + b"}]}",
    }.items()
}  # fmt: skip


async def ended(trigger: JobTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("it yields")


@pytest.fixture(autouse=True)
def _triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1.0 reads no connection where no supervisor's channel is, even if the environment has it."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_answer_ends_its_own_waiting_and_nobody_elses(odd: str, connect: Any) -> None:
    def vendor(peer: Peer) -> Any:
        step = (
            ODD[odd] if "/odd/" in peer.request.path else answer(200, CLEAN, content_type="application/json")
        )
        return step(peer)

    async def both() -> list[Any]:
        deadline = time.time() + 600
        refs = [
            {"vendor": "vidio", "conn_id": "vidio_default", "job_id": job, "kind": "reel"}
            for job in ("odd", "clean")
        ]
        return list(
            await asyncio.gather(
                *(ended(JobTrigger(ref=ref, deadline=deadline, poll_interval=5)) for ref in refs)
            )
        )

    with serving(vendor) as server:
        connect("vidio_default", host=server.url)
        payloads = run_fast(both())
    for payload in payloads:
        # As the triggerer sends it to its supervisor, and as a database stores it.
        msgspec.msgpack.encode(payload)
        text = json.dumps(payload, allow_nan=False)
        assert "\\u0000" not in text
        json.dumps(payload, ensure_ascii=False).encode()
        assert read_event(payload).end == "status"
    assert read_event(payloads[1]).ready().vendor_status == "processed"
    state = read_event(payloads[0]).status
    assert state is not None
    assert state.state.value == ("failed" if odd == "surrogate as the word" else "ready")


def test_forty_refusals_of_one_account_are_one_line_in_the_log(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals, lines = itertools.count(), []
    monkeypatch.setattr(JobTrigger, "log", _Lines(lines), raising=False)
    # A refusal holds all checks of its account back for seconds of a real clock: forty would take 20 minutes.
    monkeypatch.setattr(rate, "HELD_FOR", 0.0)

    def vendor(peer: Peer) -> Any:
        if next(refusals) < 40:
            return answer(429, {"error": "slow down"})(peer)
        return answer(200, b'{"status": "processed"}', content_type="application/json")(peer)

    async def all_ended() -> list[Any]:
        refs = [
            {"vendor": "vidio", "conn_id": "vidio_default", "job_id": f"J{number}", "kind": "reel"}
            for number in range(20)
        ]
        deadline = time.time() + 3_600
        return list(await asyncio.gather(*(ended(JobTrigger(ref=ref, deadline=deadline)) for ref in refs)))

    with serving(vendor) as server:
        connect("vidio_default", host=server.url, extra={"polls_per_minute": 6000})
        payloads = run_fast(all_ended())
    assert {read_event(payload).end for payload in payloads} == {"status"}
    limited = [line for line in lines if "429" in line]
    assert len(limited) == 1
    assert "rate limit" in limited[0]


class _Lines:
    """A log that keeps its warnings."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def warning(self, text: str, *values: Any) -> None:
        self._lines.append(text % values)

    def info(self, text: str, *values: Any) -> None:
        """Not kept."""
