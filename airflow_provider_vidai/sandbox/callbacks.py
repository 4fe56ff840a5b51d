"""What vendors send when a job has ended, and what goes wrong with it.

Calls go to this machine only, so that an example's address on the web gets nothing from a sandbox. The log of
calls lists each one; those that were not sent, or got no answer, have no status.
"""

import asyncio
import ipaddress
import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_vidai.sandbox.calls import Line
from airflow_provider_vidai.sandbox.world import World

TIMEOUT = 30.0
#: The longest pause between two attempts, in seconds.
MAX_PAUSE = 600.0
#: Seconds between two checks whether a job has ended.
CHECK_INTERVAL = 0.02


@dataclass(frozen=True)
class Callback:
    """What a vendor sends about a job.

    :param call: its name, in the log of calls and in faults.
    :param ended: whether the job has ended.
    :param body: returns what is sent.
    :param claim: the part of a body that says that the job has ended well, for calls that lie.
    :param tries: the maximum number of attempts; only a timeout, a network error or a 5xx leads to another.
    :param pause: virtual seconds before the second attempt; each further pause is twice as long.
    """

    vendor: str
    call: str
    url: str
    ended: Callable[[], bool]
    body: Callable[[], dict[str, Any]]
    claim: dict[str, Any]
    tries: int = 1
    pause: float = 1.0


def announce(world: World, callback: Callback) -> None:
    """Send the end of a job once it has ended."""
    world.background(_deliver(world, callback))


async def _deliver(world: World, callback: Callback) -> None:
    ordered = world.faults.take_due(callback.vendor, callback.call, ("callback",)).get("callback")
    what = ordered.options["what"] if ordered else ""
    seconds = world.clock.lasting(ordered.options["seconds"]) if ordered else 0.0
    if what == "early":
        await _send(world, callback, {**callback.body(), **callback.claim})
    if what == "forged":
        await _send(world, callback, {**callback.body(), **callback.claim}, _changed(callback.url))
    sent = world.calls.count(callback.vendor, callback.call)
    while not callback.ended():  # virtual time has no event
        sent = world.calls.count(callback.vendor, callback.call)
        await asyncio.sleep(CHECK_INTERVAL)
    if what == "lost":
        return
    if what == "delayed":
        await asyncio.sleep(seconds)
    if what == "reordered":
        await _another_is_sent(world, callback, sent, seconds)
    for _ in range(2 if what == "doubled" else 1):
        await _attempts(world, callback)


async def _attempts(world: World, callback: Callback) -> None:
    pause = callback.pause
    for attempt in range(callback.tries):
        if attempt:
            some = min(pause, MAX_PAUSE) * random.uniform(0.9, 1.1)  # noqa: S311
            await asyncio.sleep(world.clock.lasting(some))
            pause *= 2
        status = await _send(world, callback, callback.body())
        if not _is_local(callback.url) or (status is not None and status < 500):
            return


async def _another_is_sent(world: World, callback: Callback, before: int, seconds: float) -> None:
    """Wait until the call about another job has been sent, but not for longer than ``seconds``.

    :param before: how many calls had been sent when this job still ran.
    """
    which, time = (callback.vendor, callback.call), asyncio.get_running_loop().time
    until = time() + seconds
    while world.calls.count(*which) == before and time() < until:  # noqa: ASYNC110 - the log has no event
        await asyncio.sleep(CHECK_INTERVAL)


async def _send(world: World, callback: Callback, body: dict[str, Any], url: str = "") -> int | None:
    url = url or callback.url
    line = Line(callback.vendor, callback.call, "POST", urlsplit(url).path or "/", [], key=False)
    line.status = await asyncio.to_thread(_post, url, body)
    world.calls.add(line)
    return line.status


def _changed(url: str) -> str:
    """Return the address as somebody would guess it who knows another one."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.swapcase()).geturl()


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(url: str, body: Any) -> int | None:
    """Send a call; return the answer's status, or None without an answer."""
    if not _is_local(url):
        return None
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    # A proxy that the environment names could not reach a receiver on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None
