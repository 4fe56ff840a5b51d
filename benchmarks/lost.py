"""How many purchases whose answer was lost are solved, against the sandbox's own account book.

    python -m benchmarks.lost [--count 200] [--outsiders]

Each purchase is lost before or after the sandbox processed it, on an account of its own. A third of them have
other purchases of the same account running beside them, some of which fail and are refunded. The waits
between two readings of the books are not waited out: what happens meanwhile has happened before the next one.

With ``--outsiders``, somebody who is on no record buys the same, or tops the account up, while each purchase
is searched for, although the connection says that nobody else buys.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="vidai-lost-"))
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")

import httpx
import pytest

from airflow_provider_vidai._compat import AirflowException, TaskDeferred
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.purchase import lost
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.sandbox.server import serve
from tests.support.books import Of
from tests.support.pauses import shorten
from tests.support.videos import video as footage

QUICK = {"task_id": "made", "poll_interval": 0.05, "deferrable": False}
VIDEO = {
    "model": "wan-2.6-text-to-video",
    "prompt": "a sunset over the ocean",
    "duration": 5,
    "resolution": "720p",
    "aspect_ratio": "16:9",
}
PRICES = [{"vendor": "vidgo", "model": "nano-banana", "amount": 6, "unit": "credits"}]
FAULTS = [("reset", {}), ("status", {"status": 500}), ("status", {"status": 502}), ("garbage", {})]
#: Vendor, its call that buys, and what makes the task.
KINDS = ("vidgo", "venice", "venice with the admin key", "render")


class Case:
    """One lost purchase.

    :param reels: returns a new reel that can be rendered.
    """

    def __init__(
        self, control: Control, kind: str, number: int, chance: random.Random, reels: Callable[[], Any]
    ) -> None:
        self.control, self.kind, self.chance = control, kind, chance
        self.vendor = {"render": "vidio", "vidgo": "vidgo"}.get(kind, "venice")
        self.call = {"vidio": "render", "vidgo": "submit", "venice": "queue"}[self.vendor]
        self.conn_id = "venice_admin" if "admin" in kind else f"{self.vendor}_default"
        self.reels = reels
        self.key = f"other-{number}" if "admin" in kind else f"key-{number}"
        self.run, self.beside = f"run_{number}", chance.random() < 1 / 3
        self.processed = chance.random() < 0.5
        self.others: list[Iterator[None]] = []
        self.outside = ""

    def task(self, name: str) -> Of:
        """Return a new task that buys."""
        if self.vendor == "vidgo":
            return Of(
                lambda: VidgoGenerateOperator(
                    model="nano-banana", input={"prompt": name}, vidgo_conn_id=self.conn_id, **QUICK
                ),
                *("dag", self.run, name),
            )
        if self.vendor == "venice":
            return Of(
                lambda: VeniceVideoOperator(**VIDEO, venice_conn_id=self.conn_id, **QUICK),
                *("dag", self.run, name),
            )
        reel = self.reels()
        return Of(lambda: VidioRenderOperator(job=reel, **QUICK), "dag", self.run, name)

    def other(self, name: str) -> Iterator[None]:
        """Buy beside the lost purchase: yield when it is bought, and go on until its job has ended."""
        task = self.task(name).retry()
        if self.vendor != "vidio" and self.chance.random() < 0.2:
            fault = "fail_job" if self.vendor == "vidgo" else "reject_job"
            self.control.fault(self.vendor, self.call, fault)
        operator = task.make()
        operator.deferrable = True
        task.operator = task.instance.task = operator
        try:
            operator.execute(task.context())
        except TaskDeferred as deferred:
            yield
            try:
                task.check(task.resume(deferred))
            except AirflowException:
                return

    def lose(self) -> None:
        """Have the next purchase lost."""
        fault, options = self.chance.choice(FAULTS)
        when = "after" if self.processed else "before"
        self.control.fault(self.vendor, self.call, fault, when=when, **options)

    def act_outside(self, number: int) -> None:
        """Buy or top up as somebody who is on no record."""
        if number != self.chance.randrange(3) or self.vendor == "vidio":
            return
        key = self.key
        if self.chance.random() < 0.3:
            self.control.balance(self.vendor, key, self.control.balance(self.vendor, key) + 50)
            return
        path, body = (
            ("vidgo/api/generate/submit", {"model": "nano-banana", "input": {"prompt": "theirs"}})
            if self.vendor == "vidgo"
            else ("venice/api/v1/video/queue", {**VIDEO, "duration": "5s"})
        )
        headers = {"Authorization": f"Bearer {key}"}
        httpx.post(f"{self.outside}/{path}", json=body, headers=headers).raise_for_status()

    def run_beside(self, number: int) -> None:
        """Begin another purchase, or let the oldest one end."""
        if self.outside:
            self.act_outside(number)
            return
        if self.beside and number < 3:
            other = self.other(f"beside_{number}")
            next(other, None)
            self.others.append(other)
        elif self.others:
            next(self.others.pop(0), None)

    def verdict(self) -> str:
        """Lose a purchase and search for it; return what the task says."""
        task = self.task("lost").retry()
        if self.beside or self.outside:
            self.run_beside(0)
        self.lose()
        deferred: TaskDeferred | None = None
        number = 0
        while True:
            try:
                task.check(task.resumed(deferred, None) if deferred else task.begin())
            except TaskDeferred as again:
                deferred, number = again, number + 1
                self.run_beside(number)
            except AirflowException as error:
                text = str(error)
                if "and not made" in text:
                    return "not bought"
                return "bought" if "It was charged" in text else "unknown"
            else:
                return "bought"  # a render that was found, and waited for


def connections(url: str, number: int) -> None:
    """Define the connections of one case: of sole buyers, and one with an admin key."""
    key, other = f"key-{number}", f"other-{number}"
    common = {"polls_per_minute": 6000, "timeout": 60}
    for name, vendor, path, password, extra in (
        ("vidio_default", "vidio", "vidio", "key", {}),
        ("vidgo_default", "vidgo", "vidgo", key, {"sole_buyer": True}),
        ("venice_default", "venice", "venice/api/v1", key, {"sole_buyer": True}),
        (
            *("venice_admin", "venice", "venice/api/v1", other),
            {"sole_buyer": True, "admin_api_key": f"admin-{other}"},
        ),
    ):
        value = {
            "conn_type": vendor,
            "host": f"{url}/{path}",
            "password": password,
            "extra": {**common, **extra},
        }
        os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(value)


def reels_of(folder: Path) -> Callable[[], Any]:
    """Return what makes processed reels."""
    from airflow_provider_vidai.hooks.vidio import VidioHook

    key = VidioHook("vidio_default").upload(str(footage(folder / "clip.mp4", seconds=2)))["input_key"]
    reel = {"input_keys": [key], "video_category": "others", "output_length": 1, "aspect_ratio": "square"}
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        task = Of(lambda: VidioHighlightReelOperator(**reel, **QUICK), "dag", f"reel_{len(made)}", "reel")
        return task.run()

    return make


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--outsiders", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chance = random.Random(15)
    lost.LOOKUP_SECONDS = 0.0
    shorten(pytest.MonkeyPatch())
    folder = Path(tempfile.mkdtemp(prefix="vidai-lost-"))
    os.environ["AIRFLOW__VIDAI__LEDGER_PATH"] = str(folder / "ledger")
    os.environ["AIRFLOW__VIDAI__PRICES"] = json.dumps(PRICES)
    results: Counter[tuple[str, bool, str]] = Counter()
    with serve(speed=3000.0) as sandbox:
        free = {"queue_per_minute": 0, "retrieve_per_minute": 0, "share_per_minute": 0, "error_budget": 0}
        sandbox.control.settings(venice={**free, "short_side": 64}, vidgo={"short_side": 64})
        connections(sandbox.url, 0)
        reels = reels_of(folder)
        for number in range(arguments.count):
            connections(sandbox.url, number)
            case = Case(sandbox.control, KINDS[number % len(KINDS)], number, chance, reels)
            if arguments.outsiders:
                case.outside, case.beside = sandbox.url, False
            found = case.verdict()
            for other in case.others:
                next(other, None)
            fate = "bought" if case.processed else "not bought"
            outcome = "solved" if found == fate else "unknown" if found == "unknown" else f"WRONG: {found}"
            results[case.kind, case.beside, outcome] += 1
            if number % 20 == 19:
                sys.stderr.write(f"{number + 1} {dict(Counter(one[2] for one in results.elements()))}\n")
    show(results)


def show(results: Counter[tuple[str, bool, str]]) -> None:
    """Print how many of each kind were solved, alone and with others beside."""
    print("| vendor | others beside | lost | solved | unknown | wrong |\n|--|--|--|--|--|--|")
    for kind in (*KINDS, "all"):
        for beside in (False, True):
            found = Counter[str]()
            for (one, with_others, outcome), count in results.items():
                if kind in (one, "all") and with_others == beside:
                    found[outcome.partition(":")[0]] += count
            total = found.total()
            share = f"{found['solved']} ({100 * found['solved'] / max(total, 1):.0f} %)"
            row = (kind, ("no", "yes")[beside], total, share, found["unknown"], found["WRONG"])
            print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
