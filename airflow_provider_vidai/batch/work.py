"""One stint of a worker on a batch: what it buys, what it lands, and what it leaves for the next one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

from airflow.sdk import Context

from airflow_provider_vidai._compat import AirflowFailException, AirflowSkipException
from airflow_provider_vidai.batch.instance import ItemInstance, item_context
from airflow_provider_vidai.batch.items import Failure, Item
from airflow_provider_vidai.batch.trigger import BatchEvent, Waiting
from airflow_provider_vidai.errors import MONEY, ApiError, InputError, LedgerError, LostSubmit, VidaiError
from airflow_provider_vidai.hooks.failures import TaskFailed
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import attempt_of
from airflow_provider_vidai.operators.landing import FILES
from airflow_provider_vidai.purchase.decide import Occasion, occasion
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.limits import BudgetWait, RateWait, SearchWait, limit_pause
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.purchase.match import Request, match
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.triggers.job import JobEvent

T = TypeVar("T")

#: The key of a record's notes under which an item's landed files or its failure are kept.
NOTES: Final = "item"
#: Seconds for which a worker buys before it lets the triggerer check what runs by now.
BUY_SECONDS: Final = 120.0
#: Records that are read at the same time.
READS_AT_ONCE: Final = 16
#: Seconds until a purchase that failed for a reason that may pass is tried again, and how often it is.
PAUSE_SECONDS: Final = 15.0
MOST_TROUBLES: Final = 5
#: Items whose files the Media page shows.
SHOWN: Final = 60


class Work:
    """What a worker does for the items of a batch.

    :param make: returns the vendor's operator for an item.
    :param may_buy: whether another purchase may begin, seeing how many items have failed.
    :param stopped: whether the task was asked to stop.
    """

    def __init__(
        self,
        items: Sequence[Item],
        context: Context,
        *,
        make: Callable[[Item], JobOperator[Any]],
        may_buy: Callable[[int], bool],
        stopped: Callable[[], bool],
        deadline: float,
        waited: int,
        log: Log,
    ) -> None:
        self.items = items
        self.deadline, self.waited = deadline, waited
        #: When to buy on, seconds since the epoch; None where nothing asks to wait.
        self.wake_at: float | None = None
        #: What forbids any further purchase of this stint.
        self.broken: VidaiError | None = None
        self._context, self._attempt = context, attempt_of(context)
        self._make, self._may_buy, self._stopped = make, may_buy, stopped
        self._log = log
        self._made: dict[str, JobOperator[Any]] = {}
        self._bought = 0
        self._lock = threading.Lock()

    # --- what earlier tries left

    def recover(self, items: Iterable[Item]) -> None:
        """Read the records of items that an earlier try may have bought.

        :raises LedgerError: when one cannot be read.
        """
        _in_parallel(list(items), self._recover, READS_AT_ONCE)

    def _recover(self, item: Item) -> None:
        operator = self._operator(item)
        entry, record = self._record(operator)
        if record is None or record.receipt is None or record.receipt.ref is None:
            item.state = "open"
            self._note_lost(item, record)
            return
        why = occasion(record, fingerprints=operator.fingerprints(), max_tries=self._attempt.max_tries)
        failure, media = item.failure, item.media
        item.bought(record, operator.chosen(record.receipt.ref))
        item.differs = record.fingerprint not in operator.fingerprints()
        note: Any = record.notes.get(NOTES) or {}
        if why is Occasion.CLEARED_OTHER:
            # Its purchase is about to be replaced, and what came of that one still counts.
            item.state = "open"
            item.failure = failure or _failure_of(note)
        elif "files" in note:
            item.state, item.files, item.media = "landed", list(note["files"]), media
            item.cost = note.get("cost") or item.cost
        elif note or (why is Occasion.CLEARED and record.phase == "done"):
            # The job has failed, or its files are gone for good: the walk decides whether it is bought again.
            item.state = "open"
            item.failure = failure or _failure_of(note)
        elif why is Occasion.CLEARED:
            # So that the retries that follow this Clear count as retries.
            entry.write(record.model_copy(update={"max_tries": self._attempt.max_tries}))
        if item.differs and why is Occasion.RETRY:
            self._log.warning(
                "%s differs from what an earlier try bought. A retry continues with that purchase. Clear the "
                "task to buy the new request.",
                item.name,
            )

    @staticmethod
    def _note_lost(item: Item, record: Record | None) -> None:
        # A record with a negative number of tries is one that a person has settled: nothing was bought.
        if record is not None and record.receipt is None and record.max_tries >= 0:
            item.loses(record)

    def _record(self, operator: JobOperator[Any]) -> tuple[Entry, Record | None]:
        context = item_context(self._context)
        request = Request(operator.hook.vendor_name, operator.kinds, operator.fingerprints(), 0)
        mine = match(operator.ledger(context, self.deadline), self._attempt, request)
        return mine.entry, mine.record

    # --- buying

    def buy(self, items: Sequence[Item], *, at_once: int, room: int) -> None:
        """Buy items until a limit asks to wait, the time is up, or ``room`` of them run.

        :raises LedgerError: when a record could not be read or written; nothing was sent for it.
        """
        until = time.monotonic() + BUY_SECONDS

        # Purchases that are under way, and not yet among the jobs that run.
        begun = 0

        def one(item: Item) -> None:
            nonlocal begun
            late = time.monotonic() > until or time.time() >= self.deadline
            with self._lock:
                failed = sum(other.state == "failed" for other in self.items)
                running = sum(other.state in ("waiting", "ready") for other in self.items)
                full = running + begun >= room
                if self._pausing or self._stopped() or late or full or not self._may_buy(failed):
                    return
                begun += 1
            try:
                self._buy(item)
            finally:
                with self._lock:
                    begun -= 1

        _in_parallel(items, one, at_once)

    @property
    def _pausing(self) -> bool:
        return self.wake_at is not None or self.broken is not None

    def _buy(self, item: Item) -> None:
        operator = self._operator(item)
        context = item_context(self._context)
        try:
            settled = operator.settle(context, self.deadline)
        except RateWait as wait:
            self._wait(wait)
        except LedgerError:
            # The store is the same for all items, so this ends the stint.
            raise
        except ApiError as error:
            # Whatever call it was: had a purchase been sent, its outcome would be unknown and the error
            # another one. So nothing was bought.
            self._not_bought(item, error, context, operator)
        except VidaiError as error:
            # After a kill, the record says how the item stands, and the next try reads it.
            if self._stopped():
                return
            if isinstance(error, LostSubmit):
                self._note_lost(item, self._record(operator)[1])
            self._failed(item, operator.failures(context).failed(error))
        else:
            ref = settled.receipt.ref
            assert ref is not None, "a job operator's purchase makes a job"
            ready = settled.status is not None and settled.status.state is JobState.READY
            with self._lock:
                item.bought(settled.record, ref, ready=ready)
                item.differs = settled.record.fingerprint not in operator.fingerprints()
                self._bought += 1

    def _not_bought(self, item: Item, error: ApiError, context: Context, operator: JobOperator[Any]) -> None:
        item.troubles += 1
        if error.account:
            self.broken = error
        elif error.retryable and item.troubles < MOST_TROUBLES:
            self._wait(RateWait(error.retry_after or PAUSE_SECONDS, str(error)))
        else:
            self._failed(item, operator.failures(context).failed(error))

    def _wait(self, wait: RateWait) -> None:
        """Buy nothing more in this stint, and come back when the limit allows it."""
        with self._lock:
            # A limit that let something through is no reason to wait longer than it asks.
            waited = 0 if self._bought else self.waited
            left = self.deadline - time.time()
            seconds = wait.seconds
            if isinstance(wait, BudgetWait):
                # A budget's next window may open long after the jobs would have been given up.
                self.deadline += seconds
            elif seconds < left:
                if not wait.steady:
                    seconds = limit_pause(seconds, waited, left, random.random())  # noqa: S311
            else:
                self.broken = wait
                return
            self.waited = waited + 1
            self.wake_at = max(self.wake_at or 0.0, time.time() + seconds)
        known = "" if isinstance(wait, SearchWait) else " Nothing was bought by that request;"
        self._log.info("%s%s buying goes on in %.0f s.", wait, known, seconds)

    # --- landing

    def take(self, event: BatchEvent) -> None:
        """Note which jobs have ended, as the trigger reports it."""
        by_job = {item.ref.job_id: item for item in self.items if item.state == "waiting" and item.ref}
        for job_id in event.ready:
            if job_id in by_job:
                by_job[job_id].state = "ready"
        ended = [(by_job[one.job_id], one.status) for one in event.failed if one.job_id in by_job]
        for item, status in ended:
            self._finish(item, status)

    def land(self, items: Sequence[Item], at_once: int) -> None:
        """Land the files of jobs that are ready, several at a time."""
        _in_parallel(items, self._land, at_once)

    def _land(self, item: Item) -> None:
        assert item.ref is not None
        if self._stopped():
            return
        try:
            status = self._operator(item).hook_for(item.ref).poll(item.ref)
        except VidaiError as error:
            self._log.warning("%s: the status check failed and is repeated: %s", item.ref, error)
            item.state = "waiting"
            return
        if status.state is JobState.READY:
            self._finish(item, status)
        else:
            # Only the trigger gives a job up: it checks as often as it takes to believe that.
            item.state = "waiting"

    def _finish(self, item: Item, status: JobStatus) -> None:
        """Let the vendor's operator finish an item whose job has ended."""
        operator = self._operator(item)
        context = item_context(self._context)
        assert item.ref is not None
        event = JobEvent(end="status", ref=item.ref, status=status, at=time.time())
        try:
            result = operator.execute_complete(context, event.model_dump(mode="json"))
        except TaskFailed as failed:
            self._failed(item, failed)
            if status.state is not JobState.READY:
                self._note(item, operator, item.failure)
            return
        except AirflowSkipException as skipped:
            # A check refuses the files, and asks to skip the task: there is only this item to be left.
            item.fails(Failure(what=str(skipped), cost=MONEY["yes"], charged="yes"))
            item.files = cast(ItemInstance, context["ti"]).xcoms.get(FILES, [])
            return
        finally:
            self._made.pop(item.key, None)
        instance = cast(ItemInstance, context["ti"])
        files: Any = result.get("files") or []
        known: Any = result["cost"]
        with self._lock:
            item.state, item.files, item.failure = "landed", files, None
            item.cost = known if Cost.of(known).known else item.cost
            shown = sum(bool(other.media) for other in self.items)
            media: Any = instance.xcoms.get("media", {}).get("files", []) if shown < SHOWN else []
            # On the batch's page a file is called what its own request asks for.
            named = operator.title_or_none() or item.id
            item.media = [{**file, "title": file.get("title") or named} for file in media]
        if operator.concluded is not None:
            entry, record = operator.concluded
            note = {"files": files, "cost": item.cost}
            self._write(entry, record.model_copy(update={"phase": "done"}), note)

    def _note(self, item: Item, operator: JobOperator[Any], failure: Failure | None) -> None:
        """Keep with the record that its job has failed: the next try asks the walk what to do about it."""
        try:
            entry, record = self._record(operator)
        except VidaiError as error:
            self._log.warning("%s", error)
            return
        same = record is not None and record.ref is not None and item.ref is not None
        if failure is not None and same and record.ref.job_id == item.ref.job_id:  # type: ignore[union-attr]
            self._write(entry, cast(Record, record), failure.model_dump(mode="json"))

    def _write(self, entry: Entry, record: Record, note: dict[str, Any]) -> None:
        try:
            entry.write(record.model_copy(update={"notes": {**record.notes, NOTES: note}}))
        except LedgerError as error:
            self._log.warning("%s. A retry lands this item's files again, and buys nothing.", error)

    def _failed(self, item: Item, failed: TaskFailed) -> None:
        retryable = not isinstance(failed, AirflowFailException)
        self._log.error("%s failed.\n%s", item.name, failed.block())
        item.fails(Failure(**cast(Any, failed.facts()), retryable=retryable))

    # --- the rest

    def waiting(self) -> list[Waiting]:
        """Return the jobs that run, as far as is known."""
        return [(item.ref, item.bought_at) for item in self.items if item.state == "waiting" and item.ref]

    def open(self) -> list[Item]:
        """Return what is still to be bought."""
        return [item for item in self.items if item.state == "open" and not item.left_out]

    def stop(self) -> None:
        """Make sure that nothing more is bought. This runs in a signal handler."""
        for operator in list(self._made.values()):
            operator.on_kill()

    def validate(self, items: Iterable[Item], check: Callable[[Any], None]) -> None:
        """Validate the requests that may be bought, before the first of them is.

        :raises InputError: names up to eight requests that are wrong.
        """
        problems: list[str] = []
        for item in items:
            try:
                operator = self._operator(item)
                operator.required()
                check(operator)
            except InputError as error:
                problems.append(f"{item.place}: {error.reason.rstrip('.')}")
        if problems:
            more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
            raise InputError(f"requests: {'; '.join(problems[:8])}{more}.", fate="Nothing was bought.")

    def _operator(self, item: Item) -> JobOperator[Any]:
        if item.key not in self._made:
            self._made[item.key] = self._make(item)
        return self._made[item.key]


def _failure_of(note: Any) -> Failure | None:
    return Failure.model_validate(note) if note and "files" not in note else None


def _in_parallel(items: Sequence[T], action: Callable[[T], None], at_once: int) -> None:
    """Call ``action`` with each item; raise the first error once all calls that began have ended."""
    errors: list[BaseException] = []

    def guarded(item: T) -> None:
        if not errors:
            try:
                action(item)
            except BaseException as error:  # noqa: BLE001 - raised below, in the task's own thread
                errors.append(error)

    with ThreadPoolExecutor(max(1, min(at_once, len(items)))) as pool:
        list(pool.map(guarded, items))
    if errors:
        raise errors[0]
