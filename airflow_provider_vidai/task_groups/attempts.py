"""What came of attempts, as the records of their purchases keep it."""

from __future__ import annotations

from typing import Any, Final

from airflow.sdk import Context
from pydantic import BaseModel, JsonValue, ValidationError

from airflow_provider_vidai.errors import Charged
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import attempt_of
from airflow_provider_vidai.purchase.identity import Whose, whose
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.record import Record

#: The key of a record's notes that has what this module knows of it.
NOTE: Final = "attempt"
FREE: Final[tuple[Charged, ...]] = ("no", "refunded")


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
    def words(self) -> str:
        """The attempt in a few words."""
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


def records_of(context: Context, maker: JobOperator[Any]) -> list[tuple[Entry, Record]]:
    """Return the purchases of this run of the task, with their entries.

    :raises LedgerError: when one cannot be read or understood.
    """
    tried, others = attempt_of(context), (Whose.DELETED, Whose.FOREIGN)
    return [
        (entry, record)
        for entry, record in maker.ledger(context, maker.deadline()).entries()
        if record is not None and whose(record, tried) not in others
    ]


def record_of(context: Context, maker: JobOperator[Any]) -> tuple[Entry, Record] | None:
    """Return the newest purchase for an attempt."""
    number = maker.part.number if maker.part else 0
    found = [
        one
        for one in records_of(context, maker)
        if one[1].ordinal == number - 1 and one[1].buys(maker.hook.vendor_name, maker.kinds)
    ]
    return max(enumerate(found), key=lambda one: (one[1][1].try_number, one[0]))[1] if found else None
