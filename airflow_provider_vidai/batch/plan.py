"""Which items a batch has, and how each of them stands when a worker begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from airflow_provider_vidai.batch.items import Item, Snapshot, digest_of, keys_of, part_name
from airflow_provider_vidai.batch.orders import arguments_of, operator_of
from airflow_provider_vidai.batch.requests import Row
from airflow_provider_vidai.batch.work import Work
from airflow_provider_vidai.errors import InputError, LedgerError
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.part import Part
from airflow_provider_vidai.purchase.identity import Attempt, Whose, whose
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.stores.memory import MemoryStore
from airflow_provider_vidai.stores.task_state import TaskStateStore

#: The key of the snapshot in the task's own part of the ledger.
KEY: Final = "vidai_batch"
#: Requests of one batch, at most, where the records are in Airflow's database: each is a row or two there.
MOST_IN_DATABASE: Final = 100
#: Seconds of a rate limit that a worker sleeps through. For a longer one, the batch waits in the triggerer.
LONGEST_SLEEP: Final = 10.0


@dataclass
class Plan:
    """The items of a batch, and the arguments of each.

    :param known: what an earlier try or stint had on record, by key.
    :param removed: items that were bought, or failed, and are no longer among the requests.
    :param own: whether this very try has made it before.
    :param same: whether the requests are the same as then.
    """

    batch: Any
    items: list[Item]
    arguments: dict[str, dict[str, Any]]
    digest: str
    known: Mapping[str, Item]
    removed: list[Item]
    own: bool
    same: bool

    def operator(self, item: Item) -> JobOperator[Any]:
        """Return the vendor's operator for an item."""
        operator = operator_of(self.batch, self.arguments[item.key])
        operator.as_part(Part(part_name(item.key), longest_sleep=LONGEST_SLEEP))
        return operator

    def begin(self, work: Work, *, only_failed: bool) -> None:
        """Find out how each item stands, and validate what may be bought.

        :raises InputError: when a request is wrong; nothing was bought.
        :raises LedgerError: when a record cannot be read.
        """
        if not self.own:
            # What is landed stays as it is, unless its request was changed, or may have been.
            settled = [item for item in self.items if self.same and item.state == "landed"]
            done = {item.key for item in settled if not item.differs}
            failed = {key for key, item in self.known.items() if item.state == "failed"}
            work.recover([item for item in self.items if item.key in self.known and item.key not in done])
            for item in self.items:
                item.troubles = 0
                item.left_out = only_failed and item.key not in failed and item.failure is None
        if not (self.own and self.same):
            fresh = [item for item in work.open() if item.ref is None]
            work.validate(fresh, self.batch.check_request)

    def save(self, store: Any, attempt: Attempt) -> None:
        """Store how the items stand.

        :raises LedgerError: when that is not possible.
        """
        stamp = Record(
            phase="done",
            fingerprint=self.digest,
            run=attempt.run,
            deployment=attempt.deployment,
            try_id=attempt.id,
            try_number=attempt.number,
            max_tries=attempt.max_tries,
            intended_at=time.time(),
        )
        snapshot = Snapshot(stamp=stamp, digest=self.digest, items=self.items, removed=self.removed)
        # Of thousands of items, most fields have their defaults: without those the snapshot is much smaller.
        value = snapshot.model_dump(mode="json", exclude_defaults=True)
        _guarded(lambda: store.set(KEY, value), "written")


def earlier(store: Any, attempt: Attempt, patience: Callable[[Callable[[], Any]], Any]) -> Snapshot | None:
    """Return how the batch stood when this run's last worker was done with it; None where there was none.

    :raises LedgerError: when that cannot be read, or another try or deployment has written to it.
    """
    before = _snapshot(_guarded(lambda: patience(lambda: store.get(KEY)), "read"))
    who = Whose.DELETED if before is None else whose(before.stamp, attempt)
    if who in (Whose.LATER, Whose.FOREIGN):
        raise LedgerError(f"The ledger has a batch of this task by {who.value}, so this one buys nothing")
    return None if who is Whose.DELETED else before


def planned(batch: Any, rows: Sequence[Row], store: Any, attempt: Attempt, before: Snapshot | None) -> Plan:
    """Return the plan: the same items as before where the requests are the same.

    :param batch: the batch's operator.
    :param before: see :func:`earlier`.
    :raises InputError: when a request has an unknown argument, or the store cannot keep that many.
    """
    _require_store(store, len(rows))
    common, makes = batch.given("common"), batch.makes
    arguments = [arguments_of(row, common, makes, batch.loose) for row in rows]
    digest = digest_of(batch.hook.account.base_url, batch.conn_id(), [row.id for row in rows], arguments)
    known = {} if before is None else {item.key: item for item in (*before.removed, *before.items)}
    if before is not None and before.digest == digest:
        keys, same = [item.key for item in before.items], True
    else:
        keys, same = _keys(batch, rows, arguments, known), False
    items = [_item(key, row, known.get(key)) for key, row in zip(keys, rows, strict=True)]
    gone = [item for key, item in known.items() if key not in {*keys}]
    removed = [item for item in gone if item.ref or item.failure or item.lost]
    for item in removed:
        item.number = 0
    by_key = dict(zip(keys, arguments, strict=True))
    own = before is not None and whose(before.stamp, attempt) is Whose.OWN
    return Plan(batch, items, by_key, digest, known, removed, own, same)


def _keys(
    batch: Any, rows: Sequence[Row], arguments: Sequence[dict[str, Any]], known: Mapping[str, Item]
) -> list[str]:
    """Return the items' keys; an item without an id is known by its fingerprint."""
    prints = []
    for row, one in zip(rows, arguments, strict=True):
        try:
            prints.append(operator_of(batch, one).fingerprints()[0] if row.id is None else "")
        except InputError as error:
            raise InputError(f"requests: {row.place}: {error.reason}") from None
    return keys_of([row.id for row in rows], prints, known.values())


def _item(key: str, row: Row, known: Item | None) -> Item:
    # A copy: what was known decides what a person means by "the failed items".
    item = Item(key=key) if known is None else known.model_copy(deep=True)
    item.number, item.place, item.id = row.number, row.place, row.id
    return item


def _require_store(store: Any, requests: int) -> None:
    if isinstance(store, MemoryStore):
        raise InputError(
            "A batch needs a place for the records of its purchases: set [vidai] ledger_path.",
            fate="Nothing was bought.",
        )
    if isinstance(store, TaskStateStore) and requests > MOST_IN_DATABASE:
        raise InputError(
            f"requests: {requests} are more than the {MOST_IN_DATABASE} whose records may be kept in "
            "Airflow's database: set [vidai] ledger_path.",
            fate="Nothing was bought.",
        )


def _snapshot(value: Any) -> Snapshot | None:
    if value is None:
        return None
    try:
        return Snapshot.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise LedgerError(f"The ledger of this batch cannot be understood: {problems}") from None


def _guarded(action: Callable[[], Any], done: str) -> Any:
    try:
        return action()
    except Exception as error:
        raise LedgerError(f"The ledger of this batch could not be {done}: {error}") from error
