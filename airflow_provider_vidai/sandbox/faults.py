"""Faults on order: what goes wrong, at which call, when, and how often."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: Every kind of fault with its options and their defaults; ``...`` must be given.
KINDS: dict[str, dict[str, Any]] = {
    # the connection
    "reset": {"after_bytes": None},  # TCP RST before a byte of the answer, or after some of its body
    "hold": {"seconds": None},  # no answer until released, or until seconds have passed
    "slow": {"bytes_per_second": 65_536},  # before: the request's body, after: the answer's
    "truncate": {"fraction": 0.5, "after_bytes": None},  # closed early, with Content-Length telling the whole
    # the answer
    "status": {"status": 500, "headers": {}, "body": None},
    "html": {"status": 200},
    "empty": {"status": 200},
    "garbage": {"status": 200},
    "truncated_json": {},
    "redirect": {"to": ..., "status": 302},
    "wrong_type": {"content_type": "text/plain"},
    # the vendor
    "expired_url": {"after_bytes": None},  # a signed URL expires at once, or after some bytes of download
    "vendor_status": {"word": ...},
    "code": {"code": ..., "message": ""},  # a business code (Vizard), in an answer with HTTP 200
    "fail_job": {"word": "failed", "message": None},
    "reject_job": {"status": 422, "body": None, "refunded": None, "after": None},  # after: virtual seconds
    "spoil_media": {"how": ...},  # at the next delivery, however many polls later that is
    "limited": {"by": "quota", "seconds": 30.0},
    "stale_rendered": {},
    "missing_output_url": {},
    "no_range": {},
}
#: What some options may be.
CHOICES = {
    "how": ("truncated", "cut", "empty", "html", "octet_stream", "bad_gateway", "placeholder"),
    "by": ("quota", "overloaded", "errors"),
}
#: Answers made up before the vendor hears of the call, unless told otherwise.
MADE_UP = ("status", "html", "empty", "garbage", "redirect")
#: Faults that can only happen to an answer that is there.
ALWAYS_AFTER = ("truncate", "truncated_json", "wrong_type")
#: What the frame does for every call; the other kinds are the vendors' and the storage's to do.
FRAME = frozenset({"reset", "hold", "slow", *MADE_UP, *ALWAYS_AFTER})


@dataclass
class Fault:
    """One order.

    :param vendor: whose call, or ``*``.
    :param call: which call, or ``*``.
    :param when: ``before`` or ``after`` the vendor has processed the request.
    :param times: how many calls it happens to; None is every one.
    :param skip: how many calls go well first.
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

    def meets(self, vendor: str, call: str) -> bool:
        """Whether this call is meant; each one that is counts."""
        if self.vendor not in ("*", vendor) or self.call not in ("*", call):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True

    async def hold(self) -> bool:
        """Wait at the gate; return whether the request may go on."""
        self.holding += 1
        try:
            await asyncio.wait_for(self.gate.wait(), self.options["seconds"])
        except asyncio.TimeoutError:
            return True
        finally:
            self.holding -= 1
        return not self.dropping

    def release(self, drop: bool = False) -> None:
        """Open the gate for good; ``drop`` cuts the held connections instead of going on."""
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
    """All orders, oldest first; of each kind at most one happens to a call."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._ordered = 0

    def order(self, wish: dict[str, Any]) -> Fault:
        """Take an order.

        :param wish: ``{"vendor", "call", "fault", "when"?, "times"?, "skip"?, …options of the kind}``.
        :raises ValueError: saying what is wrong with the order.
        """
        wish = dict(wish)
        kind = wish.pop("fault", None)
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
        late = kind == "slow" or kind in ALWAYS_AFTER or wish.get("after_bytes") is not None
        when = wish.pop("when", "after" if late else "before")
        if when not in ("before", "after") or (when == "before" and late and kind != "slow"):
            raise ValueError(f"{kind}: when must be {'after' if late else 'before or after'}")
        self._ordered += 1
        fault = Fault(
            id=str(self._ordered),
            vendor=str(wish.pop("vendor", "*")),
            call=str(wish.pop("call", "*")),
            kind=kind,
            when=when,
            times=_count("times", wish.pop("times", 1)),
            skip=_count("skip", wish.pop("skip", 0)) or 0,
            options=_options(kind, wish),
        )
        self._faults[fault.id] = fault
        return fault

    def draw(self, vendor: str, call: str, kinds: Iterable[str] = FRAME) -> dict[str, Fault]:
        """Return by kind what shall happen to this call, and count it as happened."""
        drawn: dict[str, Fault] = {}
        for fault in self._faults.values():
            if fault.kind in kinds and fault.meets(vendor, call) and fault.kind not in drawn:
                fault.hits += 1
                drawn[fault.kind] = fault
        return drawn

    def __getitem__(self, fault_id: str) -> Fault:
        return self._faults[fault_id]

    def remove(self, fault_id: str, drop: bool = False) -> None:
        """Take back an order; what it holds goes on, or is cut."""
        self._faults.pop(fault_id).release(drop)

    def clear(self, drop: bool = False) -> None:
        """Take back all orders; what they hold goes on, or is cut."""
        for fault_id in list(self._faults):
            self.remove(fault_id, drop)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all orders as the control side shows them."""
        return [fault.as_json() for fault in self._faults.values()]


def _count(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"{name} must be a whole number, 0 or more, or null")


def _options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Fill in the kind's defaults."""
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
