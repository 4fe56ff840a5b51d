"""Tasks that ask for the same share one purchase: single flight over ``ledger_path``.

Each request has a folder of numbered claims. A claim is created exclusively by the task that is about to buy,
and names it; that task's own ledger says what became of the purchase. So a claim needs no upkeep, and a task
that dies holds nobody up for long.

Two tasks never both buy. Who buys writes its claim, then its intent, and then makes sure that its claim is
still the last one. Who takes the place of a task that seems to have died writes the next claim, and then
makes sure that the other's intent is not there. One of the two always sees the other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.errors import Charged, InputError, LedgerError, VidaiError
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.limits import ReuseWait
from airflow_provider_vidai.purchase.observe import Buyer, Elsewhere, Outcome, Reuse
from airflow_provider_vidai.purchase.record import NOT_BOUGHT, Record
from airflow_provider_vidai.spend.files import Files, ledger_files

T = TypeVar("T")

#: The folder of the claims below ``[vidai] ledger_path``.
FOLDER: Final = "reuse"
#: The key of a record's notes under which its claim is found again.
NOTES: Final = "reuse"
#: Seconds until a task comes back that waits for another one to buy.
WAIT_SECONDS: Final = 10.0
#: Seconds for which a task may take from its claim to its intent; then another one may take its place.
CLAIM_SECONDS: Final = 60.0

_CLAIM = re.compile(r"(\d{9})\.json")


class Claim(BaseModel):
    """Who buys, or has bought.

    :param owner: the names of the task instance, as its ledger's folder has them.
    :param nonce: of the purchase's record.
    :param at: seconds since the epoch.
    :param open: False once it is known that nothing was bought.
    """

    model_config = ConfigDict(frozen=True)

    owner: tuple[str, ...]
    nonce: str
    at: float
    open: bool = True


class Place(NamedTuple):
    """Where a purchase has its claim."""

    request: str
    number: int


class Sharing:
    """Watches the purchases of one task that shares them with others."""

    def __init__(self, buyer: Buyer, *, clock: Callable[[], float] = time.time) -> None:
        self._buyer = buyer
        self._clock = clock
        index = str(buyer.map_index)
        self._me = (buyer.dag_id, buyer.run_id, buyer.task_id, index, *buyer.lap)

    def begins(
        self,
        record: Record,
        replaced: Record | None,
        known: Callable[[], set[str]],  # noqa: ARG002
    ) -> dict[str, JsonValue]:
        """Claim the request, unless another task has bought it, or is buying it.

        :raises Elsewhere: another task has bought it.
        :raises ReuseWait: another task is buying it.
        :raises InputError: the storage cannot keep claims.
        :raises LedgerError: they can't be read or written.
        """
        reuse = self._buyer.reuse
        if reuse is None:
            return {}
        return self._guarded(lambda: self._claimed(reuse, record, replaced))

    def begun(self, record: Record) -> None:
        """Make sure that nobody has taken this task's place since it claimed the request."""
        place = _place(record, mine=True)
        if place is not None and self._guarded(lambda: _last(_claims(place.request))) != place.number:
            raise ReuseWait(WAIT_SECONDS, "Another task is about to buy the same.")

    def withdrawn(self, record: Record, *, begun: bool) -> None:  # noqa: ARG002
        """Give the claim back: nothing was bought."""
        place = _place(record, mine=True)
        if place is None:
            return
        files = _claims(place.request)
        claim = Claim.model_validate(files.read(_name(place.number)))
        if claim.nonce == record.nonce:
            files.replace(
                _name(place.number), claim.model_copy(update={"open": False}).model_dump(mode="json")
            )

    def bought(self, record: Record) -> None:
        """Do nothing: the ledger has it."""

    def ended(
        self, record: Record, outcome: Outcome, charged: Charged, cost: Mapping[str, JsonValue] | None
    ) -> None:
        """Do nothing: the ledger has it."""

    def landed(self, record: Record, result: Mapping[str, JsonValue]) -> None:
        """Keep what the task returns, for others."""
        place = _place(record)
        # A task that landed nothing has nothing that another one could return.
        if place is not None and result.get("files"):
            _claims(place.request).replace(_result(place.number), dict(result))

    def _claimed(self, reuse: Reuse, record: Record, replaced: Record | None) -> dict[str, JsonValue]:
        files = _claims(reuse.request)
        if not files.creates_exclusively:
            raise InputError(
                "reuse needs a storage that creates files exclusively, and [vidai] ledger_path is on another "
                "one: use S3 or a disk that all workers share.",
                fate="Nothing was bought.",
            )
        last = _last(files)
        before = Claim.model_validate(files.read(_name(last))) if last else None
        if before is not None and before.owner != self._me:
            self._unless_free(files, Place(reuse.request, last), before, reuse.max_age, replaced)
        mine = Claim(owner=self._me, nonce=record.nonce, at=self._clock())
        try:
            files.create(_name(last + 1), mine.model_dump(mode="json"))
        except FileExistsError:
            raise ReuseWait(WAIT_SECONDS, "Another task is about to buy the same.") from None
        noted = {NOTES: _noted(Place(reuse.request, last + 1), mine=True)}
        # The other task may have written its intent after this one checked for it.
        if before is not None and before.owner != self._me and self._record(before) is not None:
            try:
                self._unless_free(files, Place(reuse.request, last), before, reuse.max_age, replaced)
            except VidaiError:
                self.withdrawn(record.model_copy(update={"notes": noted}), begun=False)
                raise
        return noted

    def _unless_free(
        self, files: Files, place: Place, claim: Claim, max_age: float, replaced: Record | None
    ) -> None:
        """Return if a claim stands in nobody's way; otherwise raise what follows from it."""
        record = self._record(claim)
        if record is None:
            # Without a record nothing was sent: that task is about to write its intent, or it died before.
            if claim.open and self._clock() - claim.at < CLAIM_SECONDS:
                raise ReuseWait(WAIT_SECONDS, "Another task is about to buy the same.")
            return
        receipt = record.receipt
        if receipt is None:
            # The vendor has not answered yet, or the answer was lost: that task, or a person, finds out
            # which.
            if record.max_tries != NOT_BOUGHT:
                raise ReuseWait(WAIT_SECONDS, f"{_task(claim)} is buying the same.")
            return
        # This purchase may replace the record of that very job, which this task has just given up.
        tried = replaced.receipt.ref if replaced is not None and replaced.receipt is not None else None
        old = self._clock() - (record.bought_at or record.intended_at) > max_age
        if old or (tried is not None and receipt.ref is not None and tried.job_id == receipt.ref.job_id):
            return
        notes: dict[str, JsonValue] = {NOTES: _noted(place, mine=False)}
        result = files.read(_result(place.number))
        if isinstance(result, dict) and _are_there(result):
            raise Elsewhere(Receipt(result=result), notes)
        # A finished task whose files are gone, or that landed none, has nothing left to share.
        if record.phase != "done" or receipt.ref is None:
            raise Elsewhere(receipt, notes)

    @staticmethod
    def _record(claim: Claim) -> Record | None:
        """Return the record of a claim's purchase."""
        files = ledger_files(*claim.owner)
        assert files is not None
        found = (record for _, record in Ledger(files).entries())
        return next((one for one in found if one is not None and one.nonce == claim.nonce), None)

    @staticmethod
    def _guarded(action: Callable[[], T]) -> T:
        try:
            return action()
        except VidaiError:
            raise
        except Exception as error:
            raise LedgerError(f"The claims of purchases could not be read or written: {error}") from error


def is_shared(record: Record) -> bool:
    """Whether another task has bought what a record is about."""
    return _place(record) is not None and _place(record, mine=True) is None


def _noted(place: Place, *, mine: bool) -> JsonValue:
    return {"request": place.request, "number": place.number, "mine": mine}


def _place(record: Record, *, mine: bool = False) -> Place | None:
    """Return the claim of a record.

    :param mine: only if the task itself made the claim.
    """
    noted = record.notes.get(NOTES)
    if not isinstance(noted, dict) or (mine and noted.get("mine") is not True):
        return None
    return Place(str(noted["request"]), int(str(noted["number"])))


def _claims(request: str) -> Files:
    files = ledger_files(FOLDER, request)
    if files is None:
        raise InputError("reuse needs [vidai] ledger_path, which is not set.", fate="Nothing was bought.")
    return files


def _last(files: Files) -> int:
    return max((int(found[1]) for name in files.names() if (found := _CLAIM.fullmatch(name))), default=0)


def _name(number: int) -> str:
    return f"{number:09}.json"


def _result(number: int) -> str:
    return f"{number:09}.result.json"


def _are_there(result: Mapping[str, JsonValue]) -> bool:
    """Whether the files that a task has landed still are where they were landed."""
    files = result.get("files")
    uris = [file.get("uri") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return bool(uris) and all(isinstance(uri, str) and storage_path(uri).exists() for uri in uris)


def _task(claim: Claim) -> str:
    return f"Task {claim.owner[2]!r} of DAG {claim.owner[0]!r}, run {claim.owner[1]!r},"
