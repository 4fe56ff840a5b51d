"""Vidgo's callbacks: sent when a task ends, and sent again if that fails.

They go to this machine only, so that an example's address on the web gets nothing from a sandbox. The log of
calls lists each one; those that were not sent have no status.
"""

import asyncio
import ipaddress
import json
import random
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_vidai.sandbox.calls import Line
from airflow_provider_vidai.sandbox.vidgo.jobs import Task
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR
from airflow_provider_vidai.sandbox.world import World

TIMEOUT = 30.0
#: The longest pause between two attempts, in seconds.
MAX_PAUSE = 600.0
#: Seconds between two checks whether a task has ended.
CHECK_INTERVAL = 0.02


def announce(world: World, task: Task, base_url: str) -> None:
    """Send the end of a task to its callback URL, if it has one."""
    if task.callback_url:
        world.background(_deliver(world, task, task.callback_url, base_url))


async def _deliver(world: World, task: Task, url: str, base_url: str) -> None:
    settings, clock = world.settings.vidgo, world.clock
    while not task.timeline.ended:  # noqa: ASYNC110 - virtual time has no event
        await asyncio.sleep(CHECK_INTERVAL)
    pause = settings.callback_pause
    for attempt in range(settings.callback_tries):
        if attempt:
            await asyncio.sleep(clock.lasting(min(pause, MAX_PAUSE) * random.uniform(0.9, 1.1)))  # noqa: S311
            pause *= 2
        body = {key: value for key, value in task.as_answer(clock, base_url).items() if key != "progress"}
        wrapped = task.is_music or settings.callback == "wrapped"
        status = await asyncio.to_thread(_post, url, {"code": 200, "data": body} if wrapped else body)
        line = Line(VENDOR, "callback", "POST", urlsplit(url).path or "/", [], key=False)
        line.status = status
        world.calls.add(line)
        if not _is_local(url) or (status is not None and status < 500):
            return


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(url: str, body: Any) -> int | None:
    """Send a callback; return the answer's status, or None without an answer."""
    if not _is_local(url):
        return None
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None
