"""What is on record about a purchase. How it is kept is a matter of the ledger and its store."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.jobs.books import Before
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef


class Run(BaseModel):
    """What distinguishes a DAG run from a deleted one that had the same id.

    :param started: when Airflow says that the run started. Airflow changes it when it
        clears the run, or queues it again.
    :param clears: how often the run was cleared.
    """

    model_config = ConfigDict(frozen=True)

    started: str
    clears: int = 0


#: In place of ``max_tries``: the purchase was not made, so each later try buys, as after a Clear.
NOT_BOUGHT: Final = -1


class Search(BaseModel):
    """How far the search for a purchase has come whose answer was lost.

    :param why: why the answer was lost.
    :param lost_at: seconds since the epoch.
    :param readings: how often the vendor's books were read; ``still``: how often in a row with this result.
    :param now: the balance that was read last; ``lowest``: the lowest of all.
    :param verdict: what it ended with; None while it goes on. ``text`` says why.
    """

    model_config = ConfigDict(frozen=True)

    why: str
    lost_at: float
    readings: int = 0
    still: int = 0
    now: Decimal | None = None
    lowest: Decimal | None = None
    verdict: Literal["bought", "not_bought", "unknown"] | None = None
    text: str = ""


class Record(BaseModel):
    """What is known about one purchase of a task.

    :param phase: ``intent`` (about to be sent, perhaps sent), ``bought`` (the vendor confirmed),
        ``done`` (Airflow has the task's result, or there is nothing left to get from the purchase).
    :param fingerprint: of the request, the connection and the base URL.
    :param vendor: where it was bought; "" in records of version 0.1, likewise ``kind``.
    :param ordinal: which purchase of this vendor and kind it was within its try, from 0.
    :param nonce: distinguishes this record from every other one.
    :param run: the DAG run; None in records of version 0.1.
    :param deployment: the name of the Airflow deployment; "" where it has none, and in records from
        before it had one.
    :param try_id: the try that wrote the intent; likewise ``try_number``.
    :param max_tries: the task's, when the record was written; it grows when a person clears the task.
    :param intended_at: seconds since the epoch; likewise ``bought_at``.
    :param lookup: the job that shows whether a purchase with an unknown outcome arrived, where the vendor
        offers a lookup.
    :param calls_back: whether the vendor was given an address of this deployment to call when the job ends.
    :param conn_id: the connection that buys; "" in records of version 0.1.
    :param model: the model that is asked for, where the vendor has models.
    :param cost: what the purchase was expected to cost when the intent was written.
    :param books: what the vendor's books said right before, where they are read.
    :param search: the search for the purchase, if its answer was lost. Only the try that sent it begins one:
        it alone knows that nothing more can be sent.
    :param notes: of those who watch the purchase.
    """

    # A record is what was true when it was written. A change makes a copy, which counts only once it is
    # stored.
    model_config = ConfigDict(frozen=True)

    phase: Literal["intent", "bought", "done"]
    fingerprint: str
    vendor: str = ""
    kind: str = ""
    ordinal: int = 0
    nonce: str = ""
    run: Run | None = None
    deployment: str = ""
    try_id: str = ""
    try_number: int
    max_tries: int
    intended_at: float
    bought_at: float | None = None
    lookup: JobRef | None = None
    calls_back: bool = False
    receipt: Receipt | None = None
    conn_id: str = ""
    model: str | None = None
    cost: dict[str, JsonValue] | None = None
    books: Before | None = None
    search: Search | None = None
    notes: dict[str, JsonValue] = {}

    @property
    def ref(self) -> JobRef | None:
        """The job that was bought, or perhaps bought, if it is known."""
        return self.lookup if self.receipt is None else self.receipt.ref

    def with_ref(self, ref: JobRef) -> Record:
        """Return the record with what else is known of its job's reference."""
        receipt = (self.receipt or Receipt()).model_copy(update={"ref": ref})
        return self.model_copy(update={"receipt": receipt})

    def buys(self, vendor: str, kinds: tuple[str, ...]) -> bool:
        """Whether this is a purchase of one of ``kinds`` at ``vendor``."""
        known_vendor = self.vendor or (self.ref.vendor if self.ref else "")
        known_kind = self.kind or (self.ref.kind if self.ref else "")
        # An intent of version 0.1 does not say what it was about to buy, so it may be this purchase.
        return known_vendor in ("", vendor) and known_kind in ("", *kinds)
