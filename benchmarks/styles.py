"""The ways of waiting that are measured. Each polls one job at a fixed interval, forever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

#: Waits for the job with the given number.
Waiting = Callable[[int], Awaitable[Any]]


async def events(trigger: Any) -> None:
    """Run a trigger as the triggerer does."""
    async for _ in trigger.run():
        return


def connection(name: str, **fields: Any) -> None:
    """Define an Airflow connection for this process."""
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)


def vidai(port: int, ca: str, every: float, connections: int) -> Waiting:
    """Wait with this package's trigger."""
    from airflow_provider_vidai.triggers.job import JobTrigger

    connection(
        "vidio_bench",
        conn_type="vidio",
        host=f"https://127.0.0.1:{port}",
        password="key",
        extra={"ca_bundle": ca, "max_connections": connections},
    )
    far = time.time() + 86_400

    def wait(number: int) -> Awaitable[None]:
        ref = {"vendor": "vidio", "conn_id": "vidio_bench", "job_id": f"job-{number:05}", "kind": "reel"}
        return events(JobTrigger(ref=ref, deadline=far, poll_interval=every))

    return wait


def dbt(port: int, ca: str, every: float, connections: int) -> Waiting:  # noqa: ARG001
    """Wait with the dbt Cloud provider's trigger."""
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    connection("dbt_bench", conn_type="dbt_cloud", host=f"127.0.0.1:{port}", login="1", password="key")
    far = time.time() + 86_400

    def wait(number: int) -> Awaitable[None]:
        return events(
            DbtCloudRunJobTrigger(
                conn_id="dbt_bench", run_id=number, end_time=far, poll_interval=every, account_id=1
            )
        )

    return wait


def http(port: int, ca: str, every: float, connections: int) -> Waiting:  # noqa: ARG001
    """Wait with the HTTP provider's polling trigger, which takes a 404 for "not yet"."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    connection("http_bench", conn_type="http", host=f"https://127.0.0.1:{port}")

    def wait(number: int) -> Awaitable[None]:
        return events(
            HttpSensorTrigger(endpoint=f"/http/{number}", http_conn_id="http_bench", poke_interval=every)
        )

    return wait


def session(port: int, ca: str, every: float, connections: int) -> Waiting:
    """Poll with one shared aiohttp session: the reference."""
    import aiohttp

    shared: list[aiohttp.ClientSession] = []

    async def wait(number: int) -> None:
        if not shared:
            context = ssl.create_default_context(cafile=ca)
            connector = aiohttp.TCPConnector(limit=connections, ssl=context)
            shared.append(aiohttp.ClientSession(connector=connector, headers={"x-api-key": "key"}))
        url = f"https://127.0.0.1:{port}/api/v1/jobs/job-{number:05}/status"
        while True:
            await asyncio.sleep(every)
            async with shared[0].get(url) as response:
                if (await response.json())["status"] != "processing":
                    return

    return wait


def nothing(port: int, ca: str, every: float, connections: int) -> Waiting:  # noqa: ARG001
    """Do nothing: the cost of the machine and of the measuring itself."""

    async def wait(number: int) -> None:  # noqa: ARG001
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()

    return wait


STYLES = {"vidai": vidai, "session": session, "dbt": dbt, "http": http, "nothing": nothing}
