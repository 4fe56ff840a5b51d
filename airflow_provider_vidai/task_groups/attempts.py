"""What came of attempts, as the records of their purchases keep it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any, Final

from airflow.sdk import Context
from pydantic import BaseModel, JsonValue, ValidationError

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import attempt_of
from airflow_provider_vidai.operators.part import Part
from airflow_provider_vidai.purchase.identity import Whose, whose
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.observe import Observer
from airflow_provider_vidai.purchase.record import Record

#: The key of a record's notes that has what this module knows of it.
NOTE: Final = "attempt"


class Outcome(BaseModel):
    """What came of an attempt.

    :param max_tries: the task's, when the attempt was judged. A Clear makes it grow, and judges again.
    :param failed: what is wrong with the files, or why there are none.
    :param values: what the request had in the fields that vary.
    :param result: what the attempt's operator returned; None where its job failed.
    :param media: the XCom that shows the attempt to people: its key and value.
    """

    number: int
    max_tries: int
    good: bool = False
    failed: list[str] = []
    charged: Charged = "yes"
    values: dict[str, JsonValue] = {}
    result: dict[str, Any] | None = None
    media: tuple[str, dict[str, Any]] | None = None

    @property
    def files(self) -> list[dict[str, Any]]:
        """The landed files."""
        return list((self.result or {}).get("files") or [])

    @property
    def summary(self) -> str:
        """A short description of the attempt."""
        return f"attempt {self.number}: {'; '.join(self.failed) or 'good'}"


def noted(record: Record, **facts: Any) -> Record:
    """Return ``record`` with more facts in its note."""
    return record.model_copy(update={"notes": {**record.notes, NOTE: {**note_of(record), **facts}}})


def outcome_of(record: Record) -> Outcome | None:
    """Return what came of a record's attempt, unless it has not ended, or the task has ended since."""
    note = note_of(record)
    if note.get("over") or "outcome" not in note:
        return None
    try:
        return Outcome.model_validate(note["outcome"])
    except ValidationError:  # by another version
        return None


def note_of(record: Record) -> dict[str, Any]:
    """Return what this module has noted in a record."""
    found = record.notes.get(NOTE)
    return found if isinstance(found, dict) else {}


def part_of(number: int, *watchers: Observer) -> Part:
    """Return what makes an operator an attempt."""
    return Part(f"attempt.{number}", number, watchers)


def all_records(context: Context, maker: JobOperator[Any], most: int) -> Iterator[tuple[int, Entry, Record]]:
    """Yield the purchases of this run for all attempts, with the attempts' numbers.

    :param most: the attempts that the task may make. An earlier try may have been allowed more.
    :raises LedgerError: when one cannot be read or understood.
    """
    for number in itertools.count(1):
        reader = copy.copy(maker)
        reader.as_part(part_of(number))
        entries = list(_entries(context, reader))
        # A withdrawn purchase can leave a gap. The purchases after it are spent all the same.
        if not entries and number >= most:
            return
        yield from ((number, entry, record) for entry, record in entries if _ours(context, record))


def record_of(context: Context, maker: JobOperator[Any]) -> tuple[Entry, Record] | None:
    """Return an attempt's newest purchase.

    :param maker: the operator that makes the attempt.
    :raises LedgerError: when one cannot be read or understood.
    """
    found = [
        one
        for one in _entries(context, maker)
        if _ours(context, one[1]) and one[1].buys(maker.hook.vendor_name, maker.kinds)
    ]
    # A record stands where its purchase was first made, so the number of its try decides first.
    return max(enumerate(found), key=lambda one: (one[1][1].try_number, one[0]))[1] if found else None


def _entries(context: Context, maker: JobOperator[Any]) -> Iterator[tuple[Entry, Record]]:
    for entry, record in maker.ledger(context, maker.deadline()).entries():
        if record is not None:
            yield entry, record


def _ours(context: Context, record: Record) -> bool:
    return whose(record, attempt_of(context)) not in (Whose.DELETED, Whose.FOREIGN)
