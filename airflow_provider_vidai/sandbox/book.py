"""The account book: every purchase, so that a test can prove what was bought and how often."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_vidai.sandbox.clock import Timeline
from airflow_provider_vidai.sandbox.storage import Blob

#: The state of a job whose sandbox was stopped before the job ended.
STOPPED = "stopped"


@dataclass(frozen=True)
class Media:
    """A file that a job delivered.

    :param type: its content type.
    """

    path: Path
    type: str


class Bought(Protocol):
    """One line of the book."""

    id: int
    vendor: str
    account: str
    kind: str
    job_id: str
    amount: float

    @property
    def refunded(self) -> bool:
        """Whether the amount was refunded."""

    def media(self) -> list[Media]:
        """Return the files that the job delivered and that are still there."""

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control side shows it."""


def _nothing() -> Iterable[Blob]:
    return ()


@dataclass
class Entry:
    """One purchase.

    :param account: hash of the key that paid.
    :param amount: price in the vendor's ``currency``; Vizard's is known only once the source is measured.
    :param refundable: whether the vendor refunds the amount if the job fails.
    :param files: finds the files that the job makes, once it has ended well.
    """

    id: int
    vendor: str
    account: str
    kind: str
    job_id: str
    amount: float
    currency: str
    request: Mapping[str, Any]
    timeline: Timeline
    refundable: bool
    files: Callable[[], Iterable[Blob]] = _nothing
    at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds"))

    @property
    def refunded(self) -> bool:
        """Whether the amount was refunded."""
        return self.refundable and self.timeline.failed

    def media(self) -> list[Media]:
        """Return the files that the job delivered and that are still there."""
        if not self.timeline.ended or self.timeline.failed:
            return []
        complete = (blob for blob in self.files() if blob.etag)
        return [Media(blob.path, blob.types[0]) for blob in complete if blob.path.exists()]

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control side shows it."""
        return {
            "id": self.id,
            "at": self.at,
            "vendor": self.vendor,
            "account": self.account,
            "kind": self.kind,
            "job_id": self.job_id,
            "amount": self.amount,
            "currency": self.currency,
            "charged": True,
            "refunded": self.refunded,
            "state": self.timeline.status,
            "request": dict(self.request),
        }


class Earlier:
    """A purchase that was made before the sandbox was last started. Its job is gone; it is still paid for."""

    def __init__(self, line: dict[str, Any], folder: Path) -> None:
        self._shown: dict[str, Any] = line["entry"]
        self._media = [Media(folder / one["path"], one["type"]) for one in line["media"]]
        if not line["ended"]:
            self._shown["state"] = STOPPED
        self.id: int = self._shown["id"]
        self.vendor: str = self._shown["vendor"]
        self.account: str = self._shown["account"]
        self.kind: str = self._shown["kind"]
        self.job_id: str = self._shown["job_id"]
        self.amount: float = self._shown["amount"]
        self.refunded: bool = self._shown["refunded"]

    def media(self) -> list[Media]:
        """Return the files that the job delivered and that are still there."""
        return [one for one in self._media if one.path.exists()]

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control side shows it."""
        return self._shown


class Book:
    """All purchases, oldest first.

    :param folder: where the book is kept, so that the next start continues it; None keeps it in memory only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file = folder / "book.jsonl" if folder else None
        self._entries: list[Bought] = [*self._earlier()]

    def __iter__(self) -> Iterator[Bought]:
        """Iterate over the purchases."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return how many purchases there are."""
        return len(self._entries)

    def __getitem__(self, entry_id: int) -> Bought:
        """Return an entry by its id.

        :raises KeyError: if there is none.
        """
        if not 0 < entry_id <= len(self._entries):
            raise KeyError(f"entry {entry_id}")
        return self._entries[entry_id - 1]

    def purchase(self, **facts: Any) -> Entry:
        """Record a purchase; ``facts`` are the fields of :class:`Entry`."""
        entry = Entry(id=len(self._entries) + 1, **facts)
        self._entries.append(entry)
        # At once, because a killed sandbox must not sell the same ids again.
        self._append([entry])
        return entry

    def keep(self) -> None:
        """Save how the purchases of this start ended."""
        self._append([one for one in self._entries if isinstance(one, Entry)])

    def forget(self) -> None:
        """Delete what was saved."""
        if self._file:
            self._file.unlink(missing_ok=True)

    def spent(self, vendor: str, account: str) -> float:
        """Return what an account has spent at a vendor, refunds deducted."""
        mine = (one for one in self._entries if (one.vendor, one.account) == (vendor, account))
        return sum(one.amount for one in mine if not one.refunded)

    def as_json(self) -> dict[str, Any]:
        """Return ``{"entries": […], "totals": {"purchases", "charged", "refunded"}}``."""
        entries = [entry.as_json() for entry in self._entries]
        return {
            "entries": entries,
            "totals": {
                "purchases": len(entries),
                "charged": sum(entry["charged"] for entry in entries),
                "refunded": sum(entry["refunded"] for entry in entries),
            },
        }

    def _append(self, entries: list[Entry]) -> None:
        """Write a line for each entry; of several lines with one id, the last one counts."""
        if not self._file or not entries:
            return
        with self._file.open("a", encoding="utf-8") as file:
            # The line end comes first, so that a line that a killed sandbox left unfinished spoils no other.
            file.writelines("\n" + json.dumps(self._line(entry)) for entry in entries)

    def _line(self, entry: Entry) -> dict[str, Any]:
        media = [{**asdict(one), "path": self._below(one.path)} for one in entry.media()]
        return {"entry": entry.as_json(), "ended": entry.timeline.ended, "media": media}

    def _below(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix() if self._folder else str(path)

    def _earlier(self) -> Iterator[Earlier]:
        if not self._file or not self._folder or not self._file.exists():
            return
        lines: dict[int, dict[str, Any]] = {}
        for text in self._file.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # an empty line, or one that a killed sandbox was writing
                continue
            lines[line["entry"]["id"]] = line
        yield from (Earlier(line, self._folder) for line in lines.values())
