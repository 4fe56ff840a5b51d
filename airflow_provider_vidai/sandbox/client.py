"""A client of the control side, for tests in any process that can reach the sandbox."""

import json
import time
import urllib.error
import urllib.request
from typing import Any


class ControlError(Exception):
    """The control side refused the request."""


class Control:
    """The control side of the sandbox at ``url``."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        self._url = url.rstrip("/") + "/sandbox"
        self._timeout = timeout
        # A proxy that the environment names cannot reach a sandbox on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def book(self) -> dict[str, Any]:
        """Return ``{"entries": [oldest first], "totals": {"purchases", "charged", "refunded"}}``."""
        book: dict[str, Any] = self._ask("GET", "/book")
        return book

    def purchases(self, vendor: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the book's entries, optionally of one vendor or kind only."""
        entries = self.book()["entries"]
        return [one for one in entries if vendor in (None, one["vendor"]) and kind in (None, one["kind"])]

    def calls(self, vendor: str | None = None, call: str | None = None) -> list[dict[str, Any]]:
        """Return the log of calls, oldest first."""
        calls = self._ask("GET", "/calls")["calls"]
        return [line for line in calls if vendor in (None, line["vendor"]) and call in (None, line["call"])]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (a vendor's own as ``venice={…}``) and return all of them."""
        settings: dict[str, Any] = self._ask("PATCH", "/settings", changes)
        return settings

    def advance(self, seconds: float) -> None:
        """Move virtual time ahead."""
        self._ask("POST", "/clock", {"advance": seconds})

    def fault(self, vendor: str, call: str, fault: str, **options: Any) -> str:
        """Order a fault, with ``when``, ``times``, ``skip`` and the kind's own options; return its id."""
        order = {"vendor": vendor, "call": call, "fault": fault, **options}
        return str(self._ask("POST", "/faults", order)["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Return all ordered faults, with their ``hits`` and the number of requests they are ``holding``."""
        faults: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return faults

    def get_fault(self, fault_id: str) -> dict[str, Any]:
        """Return one fault."""
        fault: dict[str, Any] = self._ask("GET", f"/faults/{fault_id}")
        return fault

    def remove_fault(self, fault_id: str) -> None:
        """Cancel one fault; the requests that it holds continue."""
        self._ask("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        """Cancel all faults; the requests that they hold continue."""
        self._ask("DELETE", "/faults")

    def wait_held(self, fault_id: str, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until a ``hold`` fault is holding ``count`` requests.

        :raises TimeoutError: if that takes longer than ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while self.get_fault(fault_id)["holding"] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {count} requests were held within {timeout} s")
            time.sleep(0.01)

    def release(self, fault_id: str, drop: bool = False) -> None:
        """Let held requests continue; with ``drop``, cut their connections instead."""
        self._ask("POST", f"/faults/{fault_id}/release", {"drop": drop})

    def close_account(self, vendor: str, key: str, status: int, body: Any) -> None:
        """Answer every call that uses this key with an error."""
        self._ask(
            "POST", "/accounts", {"vendor": vendor, "key": key, "answer": {"status": status, "body": body}}
        )

    def open_account(self, vendor: str, key: str) -> None:
        """Open a closed account again."""
        self._ask("POST", "/accounts", {"vendor": vendor, "key": key, "answer": None})

    def accept_only(self, vendor: str, keys: list[str] | None) -> None:
        """Accept only these keys; None accepts any key again."""
        self._ask("POST", "/accounts", {"vendor": vendor, "only": keys})

    def balance(self, vendor: str, key: str, amount: float | None = None) -> float:
        """Return what an account has left to spend, in the vendor's own currency; ``amount`` sets it."""
        return float(
            self._ask("POST", "/balance", {"vendor": vendor, "key": key, "amount": amount})["balance"]
        )

    def reset(self) -> None:
        """Start over, as if freshly started."""
        self._ask("POST", "/reset")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)  # noqa: S310 - our own sandbox
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ControlError(f"{method} {path}: {error.code} {error.read().decode()}") from None
