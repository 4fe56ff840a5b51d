"""The base of operators that buy a job and wait for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.arguments import positive_seconds, whole_number
from airflow_provider_vidai.errors import JobError, JobFailed, JobGone, LeaseOver, LedgerError, VidaiError
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.hooks.failures import is_retryable
from airflow_provider_vidai.hooks.webhook import safety_net, webhook
from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.media_record import MediaRecord, TaskKey
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.operators.context import attempt_of, report_files, task_key_of
from airflow_provider_vidai.operators.landing import Landed, LandedCheck, Landing, land, prepare
from airflow_provider_vidai.operators.media import argument_texts, job_facts, media_files, show_media
from airflow_provider_vidai.operators.paid import BACKSTOP_SECONDS, PaidOperator
from airflow_provider_vidai.operators.vendor import HookT
from airflow_provider_vidai.purchase.hint import Hint, purchase_key
from airflow_provider_vidai.purchase.identity import Whose
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.progress import Progress, Report, log_progress
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.verdict import no_longer_waiting
from airflow_provider_vidai.purchase.walk import Offer, Settled
from airflow_provider_vidai.triggers.job import JobEvent, JobTrigger, read_event

__all__ = ["JobOperator", "PaidOperator"]


class JobOperator(PaidOperator[HookT]):
    """Buy a job and wait for it; with ``deferrable`` the wait holds no worker.

    :param poll_interval: seconds (or timedelta) between status checks; None adapts them to the job.
    :param download_to: a storage URI or path; the same task downloads the finished job's files to it.
    :param min_bytes: with ``download_to``: refuse a file of fewer bytes, such as a placeholder for a
        moderated video.
    :param check: with ``download_to``: what the landed files must keep to, such as
        :class:`~airflow_provider_vidai.quality.checks.Checks`.
    """

    def __init__(
        self,
        *,
        poll_interval: float | timedelta | str | None = None,
        download_to: str | None = None,
        min_bytes: int | str | None = None,
        check: LandedCheck | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.poll_interval = poll_interval
        self.download_to = download_to
        self.min_bytes = min_bytes
        self.check = check
        self._task_key: TaskKey | None = None
        #: How many status checks this try's waiting took, and when the end of the job was seen (seconds since
        #: the epoch); None where the job was not waited for.
        self.checks: int | None = None
        self.ready_at: float | None = None
        # Where no record outlives the process, the deferral itself takes the time of the purchase along.
        self._bought_at: float | None = None

    def execute_complete(
        self, context: Context, event: Any = None, bought: dict[str, Any] | None = None
    ) -> dict[str, JsonValue]:
        """Take the job from the trigger's event.

        :param bought: the purchase's cost, delivery and time, and its record's entry, as the deferred try
            knew them.
        """
        with self.failures(context):
            ending = read_event(event)
            # Set first: from here on, every error says that the job is paid for.
            self._job = ending.ref
            known = Bought.read(bought) if bought else None
            self._bought_at = bought.get("bought_at") if bought else None
            if ending.end == "hint":
                ending = self._checked(ending, bought)
            self.checks, self.ready_at = ending.checks, ending.at
            with self._noting_end(context, ending.ref):
                status = ending.ready(buyer=True)
            memo = bought.get("entry") if bought else None
            entry, record = self._recorded(context, ending.ref, known, memo)
            return self._finish(context, ending.ref, status, entry, record, known)

    def _checked(self, hint: JobEvent, bought: dict[str, Any] | None) -> JobEvent:
        """Check a job that a call says has ended, and wait on unless it has."""
        status = self.hook_for(hint.ref).ended(hint.ref)
        if status is None:
            self.log.info("A call said that %s had ended, which the vendor does not confirm.", hint.ref)
            # With all that the first deferral took along: it is still the same try.
            self._defer_to_job(JobTrigger.after_hint(hint), bought)
        return hint.model_copy(update={"end": "status", "status": status, "at": time.time()})

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; if the trigger itself failed, log that the job keeps running."""
        if not hasattr(self, next_method):  # Airflow calls it so when there is no event
            self.log.error("The trigger ended without a result. %s", no_longer_waiting("the job"))
        return super().resume_execution(next_method, next_kwargs, context)

    def offer_checked(self) -> Offer:
        """Return the purchase, after checking that the storage for its files is usable."""
        whole_number("min_bytes", self.min_bytes)
        prepare(self.check, lands=bool(self.download_to))
        if self.download_to:
            storage_path(str(self.download_to))
        return super().offer_checked()

    def chosen(self, ref: JobRef) -> JobRef:
        """Return the reference with what this task chooses among the job's outputs."""
        return ref

    def callback(self) -> str | None:
        """Return the address that the vendor can call when the job has ended; None where it wakes nothing.

        It is no argument of the task: it changes neither what the task shows nor the request's fingerprint.
        """
        found = webhook()
        if found is None or self._task_key is None or not self._defers:
            return None
        purchase = purchase_key(self.fingerprints()[0])
        return found.url(Hint(vendor=self.hook.vendor_name, task=self._task_key, purchase=purchase))

    def on_kill(self) -> None:
        """Stop waiting, and log that the job keeps running: no vendor can cancel it."""
        super().on_kill()
        if self._job is not None:
            self.log.warning("%s", no_longer_waiting(self._job))

    def _run(self, context: Context, deadline: float, waited: int = 0) -> dict[str, JsonValue]:
        # Read before buying: a wrong value must not come to light when the job is paid for.
        poll_interval = positive_seconds("poll_interval", self.poll_interval)
        self._task_key = task_key_of(context)
        settled = self._settled(context, deadline, waited)
        ref = settled.receipt.ref
        if ref is None:
            return self._landed_before(context, settled)
        self._job = ref
        bought = _bought(settled.receipt)
        # In each try again: Airflow deletes a task's XComs when its next try begins.
        context["ti"].xcom_push(key="job_id", value=ref.job_id)
        self._show(context, ref, settled.record, lambda: {"cost": bought.cost, "deadline": deadline})
        self.show_cost(context, settled.receipt)
        status = settled.status
        if status is None or status.state is not JobState.READY:
            # The waiting counts from the purchase and not from this try, so a retry checks an old job at its
            # own pace.
            since = settled.record.bought_at
            if self._defers:
                trigger = JobTrigger(
                    ref=ref.model_dump(mode="json"),
                    deadline=deadline,
                    since=since,
                    poll_interval=poll_interval,
                    # Fewer status checks are enough only where this job's vendor was given an address to
                    # call.
                    safety_net=safety_net() if settled.record.calls_back else None,
                    purchase=purchase_key(settled.record.fingerprint),
                )
                memo = settled.entry.memo(settled.record)
                self._defer_to_job(trigger, {**bought.fields(), "entry": memo, "bought_at": since})
            with self._noting_end(context, ref):
                status = self._wait(context, ref, since, deadline, poll_interval)
        return self._finish(context, ref, status, settled.entry, settled.record, bought)

    def _landed_before(self, context: Context, settled: Settled) -> dict[str, JsonValue]:
        """Return what another task bought and landed."""
        result = settled.receipt.result
        assert isinstance(result, dict), "a purchase without a job has a result"
        context["ti"].xcom_push(key="job_id", value=result.get("job_id"))
        files = result.get("files")
        report_files(context, self.outlets, files if isinstance(files, list) else [])
        self.conclude(context, settled.entry, settled.record)
        return result

    def _wait(
        self,
        context: Context,
        ref: JobRef,
        since: float | None,
        deadline: float,
        poll_interval: float | None,
    ) -> JobStatus:
        """Wait in this process."""
        hook = self.hook_for(ref)
        report = Report(
            hook.vendor,
            ref,
            since=since,
            deadline=deadline,
            now=time.time(),
            show=lambda progress: self._show_progress(context, ref, progress),
        )
        status = hook.wait(
            ref,
            deadline=deadline,
            since=since,
            poll_interval=poll_interval,
            sleep=self._sleep,
            buyer=True,
            report=report,
        )
        self.checks, self.ready_at = report.checks, report.ended_at
        return status

    @contextlib.contextmanager
    def _noting_end(self, context: Context, ref: JobRef) -> Iterator[None]:
        """Report the end of a job that failed or is gone to the observers of its purchase."""
        try:
            yield
        except (JobFailed, JobGone) as error:
            gone = isinstance(error, JobGone)
            entry, record = self._recorded(context, ref, None)
            # A retryable JobGone may be a gateway's 404: the job may still be there, so its end is not
            # reported.
            if entry is not None and record is not None and not (gone and error.retryable):
                entry.observers.ended(record, "gone" if gone else "failed", error.charged)
            raise

    def _show_progress(self, context: Context, ref: JobRef, progress: Progress) -> None:
        """Show a person how the job stands, in the log and as XCom."""
        log_progress(self.log, ref, progress, self.hook.vendor.label)
        try:
            context["ti"].xcom_push(key="progress", value=progress.value())
        except Exception as error:  # noqa: BLE001 - a failure to show progress must not end the waiting
            self.log.debug("Progress could not be shown: %s", error)

    def _recorded(
        self, context: Context, ref: JobRef, bought: Bought | None, memo: Any = None
    ) -> tuple[Entry, Record] | tuple[None, None]:
        """Return a job's record; complete it if the write after the purchase had failed.

        :param memo: where the deferred try wrote the record, which is then not read again.
        """
        attempt = attempt_of(context)

        def wanted(record: Record, who: Whose) -> bool:
            if record.receipt is None:
                # This try's own purchase, whose receipt could not be written after it.
                return who is Whose.OWN and record.buys(ref.vendor, self.kinds)
            known = record.receipt.ref
            return known is not None and (known.vendor, known.job_id) == (ref.vendor, ref.job_id)

        try:
            ledger = self.ledger(context)
            found = ledger.reopened(memo) or ledger.find(attempt, wanted)
            if found is None:
                return None, None
            entry, record = found
            if record.receipt is None:
                # A retry needs the file's only URL too, if it came with the purchase.
                known = bought or Bought()
                receipt = Receipt(ref=ref, cost=known.cost, secret=known.delivery.sealed_url)
                record = record.model_copy(update={"phase": "bought", "receipt": receipt})
                entry.write(record)
            return entry, record
        except LedgerError as error:
            self.log.warning("%s. The result stands; clearing this task would reuse it.", error)
            return None, None

    def _finish(
        self,
        context: Context,
        ref: JobRef,
        status: JobStatus,
        entry: Entry | None,
        record: Record | None,
        bought: Bought | None,
    ) -> dict[str, JsonValue]:
        exact = status.of(ref)
        # Before the download: if it fails, a retry must not take a later job of the same id for this one.
        record = self._exact(entry, record, exact, news=exact != ref)
        ref = exact
        if bought is None:  # Airflow's dag.test() loses the kwargs of a deferral
            bought = _bought(record.receipt) if record and record.receipt else Bought()
        status = self._with_price(status)
        result = job_result(ref, status, bought.cost, bought.delivery)
        if entry is not None and record is not None:
            entry.observers.ended(record, "ready", "yes", status.cost)
        self.ready_at = self.ready_at or time.time()
        landed = Landed([])
        if self.download_to:
            try:
                landed = self._land(context, ref, status, bought.delivery)
            except LeaseOver:
                # Nothing can be downloaded any more, so a Clear may buy again.
                if entry is not None and record is not None:
                    self._close(entry, record)
                raise
            result["files"] = landed.files
        self._show_landed(context, ref, status, record, landed, result["cost"])
        # Only after the page shows the files: a person has to see what was refused.
        if landed.refused is not None:
            raise landed.refused
        if self.download_to:
            report_files(context, self.outlets, landed.files, result["cost"])
            self.note_landed(context, ref, landed.files, result["cost"])
        if entry is not None and record is not None:
            entry.observers.landed(record, result)
            # Only now: a task whose files are not in place is not finished, and clearing it must not buy
            # again.
            self.conclude(context, entry, record)
        self.log.info("%s is ready.", ref)
        return result

    def _show_landed(
        self,
        context: Context,
        ref: JobRef,
        status: JobStatus,
        record: Record | None,
        landed: Landed,
        cost: JsonValue,
    ) -> None:
        landed_at = time.time() if landed.files else None
        self._show(
            context,
            ref,
            record,
            lambda: {
                "cost": cost,
                "checks": self.checks,
                "ready_at": self.ready_at,
                "landed_at": landed_at,
                "files": media_files(landed.files, status.outputs),
            },
        )

    def _with_price(self, status: JobStatus) -> JobStatus:
        if status.cost is None:
            return status
        return status.model_copy(update={"cost": self.priced(status.cost)})

    def _show(
        self, context: Context, ref: JobRef, record: Record | None, more: Callable[[], dict[str, Any]]
    ) -> None:
        """Show people the job, and its files once they are landed."""

        def make() -> MediaRecord:
            facts = job_facts(self.hook.vendor, ref, record.bought_at if record else self._bought_at)
            return MediaRecord(**facts, request=argument_texts(self, self.request_fields), **more())

        show_media(context, self, make)

    def _land(self, context: Context, ref: JobRef, status: JobStatus, delivery: Delivery) -> Landed:
        landing = Landing(ref, status.outputs, str(self.download_to), request=self.asked(), buys=True)
        return land(context, self.check, landing, lambda: self._download(ref, status, delivery))

    def _download(self, ref: JobRef, status: JobStatus, delivery: Delivery) -> list[JsonValue]:
        """Download the files; every error says that the job is paid for by now."""
        try:
            hook = self.hook_for(ref)
            hook.min_bytes = whole_number("min_bytes", self.min_bytes)
            return hook.download_outputs(ref, status.outputs, str(self.download_to), delivery)
        except LeaseOver:
            raise
        except VidaiError as error:
            gone = isinstance(error, JobGone)
            if isinstance(error, JobError) and not gone:
                raise
            # One answer said that the job is gone. A retry is allowed, because it checks more than once.
            why = "the vendor reports that it has none of them" if gone else error.reason.rstrip(".")
            raise JobError(
                f"{ref} is ready, but its files could not be downloaded: {why}.",
                todo="Once this is fixed, retry or clear the task to download them; nothing is bought again.",
                clear="",
                charged="yes",
                retryable=gone or is_retryable(error),
            ) from error

    def _defer_to_job(self, trigger: JobTrigger, bought: dict[str, Any] | None) -> None:
        self.log.info("%s: waiting in the triggerer, until %s at most.", self._job, _utc(trigger.deadline))
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            # The record may be unreadable when the task resumes, so what only it knows travels along. A URL
            # in it is sealed, because Airflow stores these kwargs as plain text.
            kwargs={"bought": bought},
            timeout=timedelta(seconds=max(trigger.deadline - time.time(), 0.0) + BACKSTOP_SECONDS),
        )


def _bought(receipt: Receipt) -> Bought:
    return Bought(cost=receipt.known_cost, delivery=receipt.delivery)


def _utc(moment: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(moment))
