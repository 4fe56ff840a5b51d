"""A client of the control side, for tests; it works in any process that reaches the sandbox."""

import json
import time
import urllib.error
import urllib.request
from typing import Any


class ControlError(Exception):
    """The control side refused."""


class Control:
    """The control side of the sandbox at ``url``."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        self._url = url.rstrip("/") + "/sandbox"
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def book(self) -> dict[str, Any]:
        """Return ``{"entries": [oldest first], "totals": {"purchases", "charged", "refunded"}}``."""
        book: dict[str, Any] = self._ask("GET", "/book")
        return book

    def purchases(self, vendor: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the book's entries, of one vendor or kind if given."""
        entries = self.book()["entries"]
        return [one for one in entries if vendor in (None, one["vendor"]) and kind in (None, one["kind"])]

    def calls(self, vendor: str | None = None, call: str | None = None) -> list[dict[str, Any]]:
        """Return the log of calls, oldest first."""
        calls = self._ask("GET", "/calls")["calls"]
        return [line for line in calls if vendor in (None, line["vendor"]) and call in (None, line["call"])]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (a vendor's own: ``venice={…}``), and return them all."""
        settings: dict[str, Any] = self._ask("PATCH", "/settings", changes)
        return settings

    def advance(self, seconds: float) -> None:
        """Let virtual time jump ahead."""
        self._ask("POST", "/clock", {"advance": seconds})

    def fault(self, vendor: str, call: str, fault: str, **options: Any) -> str:
        """Order a fault (``when``, ``times``, ``skip`` and the kind's own options); return its id."""
        order = {"vendor": vendor, "call": call, "fault": fault, **options}
        return str(self._ask("POST", "/faults", order)["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Return all faults on order, with their ``hits`` and how many requests they are ``holding``."""
        faults: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return faults

    def get_fault(self, fault_id: str) -> dict[str, Any]:
        """Return one fault."""
        fault: dict[str, Any] = self._ask("GET", f"/faults/{fault_id}")
        return fault

    def remove_fault(self, fault_id: str) -> None:
        """Take one fault back; what it holds goes on."""
        self._ask("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        """Take all faults back; what they hold goes on."""
        self._ask("DELETE", "/faults")

    def wait_held(self, fault_id: str, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until a ``hold`` fault is holding ``count`` requests.

        :raises TimeoutError: if it does not within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while self.get_fault(fault_id)["holding"] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {count} requests held within {timeout} s")
            time.sleep(0.01)

    def release(self, fault_id: str, drop: bool = False) -> None:
        """Let held requests go on, or with ``drop`` cut their connections instead."""
        self._ask("POST", f"/faults/{fault_id}/release", {"drop": drop})

    def close_account(self, vendor: str, key: str, status: int, body: Any) -> None:
        """Answer every call with this key with an error."""
        self._ask(
            "POST", "/accounts", {"vendor": vendor, "key": key, "answer": {"status": status, "body": body}}
        )

    def open_account(self, vendor: str, key: str) -> None:
        """Make a closed account good again."""
        self._ask("POST", "/accounts", {"vendor": vendor, "key": key, "answer": None})

    def accept_only(self, vendor: str, keys: list[str] | None) -> None:
        """Know no other keys than these; None makes any key good again."""
        self._ask("POST", "/accounts", {"vendor": vendor, "only": keys})

    def balance(self, vendor: str, key: str, amount: float | None = None) -> float:
        """Return what an account has left to spend, in the vendor's own currency; ``amount`` sets it."""
        return float(
            self._ask("POST", "/balance", {"vendor": vendor, "key": key, "amount": amount})["balance"]
        )

    def reset(self) -> None:
        """Begin anew, as freshly started."""
        self._ask("POST", "/reset")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)  # noqa: S310 - our own sandbox
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ControlError(f"{method} {path}: {error.code} {error.read().decode()}") from None
