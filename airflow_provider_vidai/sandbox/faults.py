"""Ordered faults: what goes wrong, at which call, when, and how often."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: Every kind of fault with its options and their defaults; ``...`` marks a required option.
KINDS: dict[str, dict[str, Any]] = {
    # the connection
    "reset": {"after_bytes": None},  # TCP RST before a byte of the answer, or after some of its body
    "hold": {"seconds": None},  # no answer until released or until the seconds have passed
    "slow": {"bytes_per_second": 65_536},  # before: the request's body; after: the answer's
    "truncate": {"fraction": 0.5, "after_bytes": None},  # closed early; Content-Length states the full size
    # the answer
    "status": {"status": 500, "headers": {}, "body": None},
    "html": {"status": 200},
    "empty": {"status": 200},
    "garbage": {"status": 200},
    "truncated_json": {},
    "redirect": {"to": ..., "status": 302},
    "wrong_type": {"content_type": "text/plain"},
    "odd_values": {},  # half surrogates, NULs, huge numbers and deep lists in the JSON
    # the vendor
    "expired_url": {"after_bytes": None},  # a signed URL expires at once, or after some downloaded bytes
    "vendor_status": {"word": ...},
    "code": {"code": ..., "message": ""},  # a business code (Vizard), in an answer with HTTP 200
    "fail_job": {"word": "failed", "message": None},
    "reject_job": {"status": 422, "body": None, "refunded": None, "after": None},  # after: virtual seconds
    "spoil_media": {"how": ...},  # at the next delivery, however many polls later that is
    "limited": {"by": "quota", "seconds": 30.0},
    "stale_rendered": {},
    "missing_output_url": {},
    "no_range": {},
    # what the vendor sends when a job has ended; ordered before the purchase
    "callback": {"what": ..., "seconds": 60.0},  # virtual seconds of "delayed", and "reordered" at most
}
#: The values that some options allow.
CHOICES = {
    "how": ("truncated", "cut", "empty", "html", "octet_stream", "bad_gateway", "placeholder"),
    "by": ("quota", "overloaded", "errors"),
    "what": ("lost", "doubled", "delayed", "early", "forged", "reordered"),
}
#: Faults that replace the vendor's answer; by default the vendor does not process the call.
REPLACEMENTS = ("status", "html", "empty", "garbage", "redirect")
#: Faults that alter an existing answer, so they cannot happen before one.
ANSWER_ONLY = ("truncate", "truncated_json", "wrong_type", "odd_values")
#: Kinds that :mod:`.wire` handles for every call; the vendors and the storage handle the others.
COMMON_KINDS = frozenset({"reset", "hold", "slow", *REPLACEMENTS, *ANSWER_ONLY})


@dataclass
class Fault:
    """One ordered fault.

    :param vendor: the vendor whose calls are meant, or ``*``.
    :param call: the name of the call, or ``*``.
    :param when: ``before`` or ``after`` the vendor has processed the request.
    :param times: how many calls it affects; None means all.
    :param skip: how many calls succeed first.
    """

    id: str
    vendor: str
    call: str
    kind: str
    when: str
    times: int | None
    skip: int
    options: dict[str, Any]
    hits: int = 0
    holding: int = 0
    dropping: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def matches(self, vendor: str, call: str) -> bool:
        """Return whether the fault affects this call; each matching call uses up one ``skip``."""
        if self.vendor not in ("*", vendor) or self.call not in ("*", call):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True

    async def hold(self) -> bool:
        """Hold a request; return whether it may continue afterwards."""
        self.holding += 1
        try:
            await asyncio.wait_for(self.gate.wait(), self.options["seconds"])
        except asyncio.TimeoutError:
            return True
        finally:
            self.holding -= 1
        return not self.dropping

    def release(self, drop: bool = False) -> None:
        """Hold no more requests; the held ones continue, or ``drop`` cuts their connections."""
        self.dropping = drop
        self.times = self.hits
        self.gate.set()

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the control side shows it."""
        return {
            "id": self.id,
            "vendor": self.vendor,
            "call": self.call,
            "fault": self.kind,
            "when": self.when,
            "times": self.times,
            "skip": self.skip,
            "hits": self.hits,
            "holding": self.holding,
            **self.options,
        }


class Faults:
    """All ordered faults, oldest first; at most one of each kind affects a call."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._ordered = 0

    def order(self, given: dict[str, Any]) -> Fault:
        """Order a fault.

        :param given: ``{"vendor", "call", "fault", "when"?, "times"?, "skip"?, …options of the kind}``.
        :raises ValueError: if the order is invalid; the message says why.
        """
        given = dict(given)
        kind = given.pop("fault", None)
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
        late = kind == "slow" or kind in ANSWER_ONLY or given.get("after_bytes") is not None
        when = given.pop("when", "after" if late else "before")
        if when not in ("before", "after") or (when == "before" and late and kind != "slow"):
            raise ValueError(f"{kind}: when must be {'after' if late else 'before or after'}")
        self._ordered += 1
        fault = Fault(
            id=str(self._ordered),
            vendor=str(given.pop("vendor", "*")),
            call=str(given.pop("call", "*")),
            kind=kind,
            when=when,
            times=_count("times", given.pop("times", 1)),
            skip=_count("skip", given.pop("skip", 0)) or 0,
            options=_options(kind, given),
        )
        self._faults[fault.id] = fault
        return fault

    def take_due(self, vendor: str, call: str, kinds: Iterable[str] = COMMON_KINDS) -> dict[str, Fault]:
        """Return the faults that affect this call, by kind, and count them as hits."""
        drawn: dict[str, Fault] = {}
        for fault in self._faults.values():
            if fault.kind in kinds and fault.matches(vendor, call) and fault.kind not in drawn:
                fault.hits += 1
                drawn[fault.kind] = fault
        return drawn

    def __getitem__(self, fault_id: str) -> Fault:
        return self._faults[fault_id]

    def remove(self, fault_id: str, drop: bool = False) -> None:
        """Cancel a fault; the requests that it holds continue, or are cut."""
        self._faults.pop(fault_id).release(drop)

    def clear(self, drop: bool = False) -> None:
        """Cancel all faults; the requests that they hold continue, or are cut."""
        for fault_id in list(self._faults):
            self.remove(fault_id, drop)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all faults as the control side shows them."""
        return [fault.as_json() for fault in self._faults.values()]


def _count(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"{name} must be a whole number, 0 or more, or null")


def _options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Validate the options, and fill in the kind's defaults."""
    known = KINDS[kind]
    for name in given:
        if name not in known:
            raise ValueError(f"{kind} has no option {name!r}; it has: {', '.join(known) or 'none'}")
    options = {**known, **given}
    if options.get("bytes_per_second", 1) <= 0:
        raise ValueError("bytes_per_second must be more than 0")
    for name in CHOICES.keys() & options.keys():
        if options[name] is not ... and options[name] not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}")
    missing = [name for name, value in options.items() if value is ...]
    if missing:
        raise ValueError(f"{kind} needs {', '.join(missing)}")
    return options
