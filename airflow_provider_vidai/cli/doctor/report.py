"""What a live check saw, as a report without secrets: no key, URL, id, prompt or other value of an answer."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from rich.table import Table

from airflow_provider_vidai import __version__
from airflow_provider_vidai._compat import AIRFLOW_VERSION
from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.cli.doctor.shapes import Difference, difference, shape_of
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.net.retry import ATTEMPTS

T = TypeVar("T")

#: What a landed file is described by.
LANDED: Final = ("bytes", "content_type", "duration", "width", "height", "fps")


@dataclass
class Seen:
    """All answers of one kind to one call.

    :param fields: None where the body is no JSON.
    """

    call: str
    status: int
    content_type: str
    times: int = 0
    seconds: float = 0.0
    compared: bool = False
    unknown: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def add(self, found: Difference | None, seconds: float) -> None:
        """Add one answer."""
        self.times += 1
        self.seconds = max(self.seconds, seconds)
        if found is not None:
            self.compared = True
            self.unknown.update(found.unknown)
            self.missing.update(found.missing)
            self.other.update(found.other)

    def fields(self) -> dict[str, Any]:
        """Return it as the report has it."""
        return {
            "call": self.call,
            "status": self.status,
            "content_type": self.content_type,
            "times": self.times,
            "slowest_seconds": round(self.seconds, 3),
            "compared": self.compared,
            "unknown": sorted(self.unknown),
            "missing": sorted(self.missing),
            "other_type": sorted(self.other),
        }


class Report:
    """What is known so far of one live check.

    :param vendor: whose answers are compared.
    """

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.began = time.time()
        self.facts: dict[str, Any] = {"outcome": "nothing bought"}
        self.seen: dict[tuple[str, int, str], Seen] = {}

    def note(self, call: Call[Any], answer: Answer, seconds: float) -> None:
        """Compare an answer with what is known of it."""
        name, shape = shape_of(self.vendor, call.method, call.path)
        key = (name, answer.status, answer.content_type)
        found = self.seen.setdefault(key, Seen(*key))
        found.add(_difference(answer, shape), seconds)

    @property
    def differs(self) -> bool:
        """Whether an answer had other fields than those that are known."""
        return any(one.unknown or one.missing or one.other for one in self.seen.values())

    def text(self) -> str:
        """Return the report as JSON."""
        found = {
            "schema_version": 1,
            "vendor": self.vendor,
            "package": __version__,
            "airflow": AIRFLOW_VERSION,
            "python": platform.python_version(),
            "began_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
            "seconds": round(time.time() - self.began, 1),
            **self.facts,
            "calls": [one.fields() for one in self.seen.values()],
        }
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"

    def table(self) -> Table:
        """Return the calls as a table."""
        table = Table("Call", "Answer", "Times", "Unknown fields", "Missing fields", "Fields of another type")
        for one in self.seen.values():
            sets = (one.unknown, one.missing, one.other)
            what = [", ".join(sorted(paths)).replace("[", "\\[") for paths in sets]
            if not one.compared:
                what = ["(not compared)", "", ""]
            table.add_row(one.call, f"HTTP {one.status} {one.content_type}", str(one.times), *what)
        return table


class Recording(Client):
    """A client that shows each answer to a report before it is understood."""

    def __init__(self, account: Account, report: Report) -> None:
        super().__init__(account)
        self._report = report

    def send(self, call: Call[T], *, attempts: int = ATTEMPTS) -> T:
        """Run ``call``, as :meth:`Client.send` does."""
        began = time.perf_counter()

        def parse(answer: Answer) -> T:
            self._report.note(call, answer, time.perf_counter() - began)
            return call.parse(answer)

        return super().send(replace(call, parse=parse), attempts=attempts)


def _difference(answer: Answer, shape: str | None) -> Difference | None:
    """Return how a success differs; None where there is nothing to compare, as in an error or in media."""
    if shape is None or not 200 <= answer.status < 300:
        return None
    try:
        return difference(answer.json(), shape)
    except ValueError:
        return None
