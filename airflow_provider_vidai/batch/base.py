"""The base of operators that buy many jobs in one task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from airflow.sdk import Context
from pydantic import ValidationError

from airflow_provider_vidai.arguments import guard, positive_seconds, truth, whole_number
from airflow_provider_vidai.batch.ending import (
    charged_for,
    failure_of,
    not_checked,
    requests_lost,
    show,
    write_manifest,
)
from airflow_provider_vidai.batch.items import costs, counts, summary
from airflow_provider_vidai.batch.plan import Plan, earlier, planned
from airflow_provider_vidai.batch.requests import rows_of
from airflow_provider_vidai.batch.trigger import BatchEvent, BatchTrigger, packed
from airflow_provider_vidai.batch.work import Work
from airflow_provider_vidai.errors import MONEY, Charged, InputError, JobError
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.hooks.failures import Outlook, airflow_failures, is_nested
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import attempt_of, report_files
from airflow_provider_vidai.operators.landing import LandedCheck, prepare
from airflow_provider_vidai.operators.paid import BACKSTOP_SECONDS
from airflow_provider_vidai.operators.vendor import HookT, VendorOperator
from airflow_provider_vidai.purchase.patience import Patience
from airflow_provider_vidai.purchase.verdict import no_longer_waiting
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.stores.choice import store_of

__all__ = ["BatchOperator"]

#: Jobs of one batch that run at the same time, at most: the trigger's arguments must fit into 64 KiB.
MOST_RUNNING: Final = 2000


class BatchOperator(VendorOperator[HookT]):
    """Buy a job for each of many requests, in one task, and land their files as they become ready.

    Each request is a purchase of its own: it has its own record, and passes the same guards and budgets as a
    task of its own would. It always waits in the triggerer, in one trigger for all jobs.

    :param requests: a list of dicts of arguments (also from an upstream task); or the URI of a file of JSON
        lines, CSV or Parquet. An ``id`` names a request, so that it is found again after an edit.
    :param common: arguments that all requests share; a request's own ones come first.
    :param download_to: the folder for all files; a storage URI or path that ends in ``/``.
    :param manifest: where a JSON line for each request is written; by default a file in ``download_to``.
    :param on_item_failure: with ``continue`` (default) a failed request does not keep the others from being
        bought; with ``fail_fast`` nothing more is bought once more than ``max_failures`` have failed.
    :param max_failures: how many requests may fail without failing the task.
    :param only_failed: buy only requests that failed before: for a Clear. What runs is still landed.
    :param max_running: how many jobs run at the same time, at most 2,000.
    :param parallel_purchases: how many purchases are sent at the same time.
    :param parallel_downloads: how many files are landed at the same time.
    :param min_bytes: refuse a file of fewer bytes.
    :param check: what landed files must keep to.
    :param budget: a limit of this task's own, as for any paid operator.
    :param on_lost_submit: ``fail`` (default) or ``resubmit``, as for any paid operator.
    :param timeout: how long this try waits in all (seconds or timedelta), never past ``execution_timeout``;
        a retry waits as long again. Default: six hours.
    :param poll_interval: seconds between status checks of one job; None adapts them.
    :returns: ``{"manifest", "requests", "bought", "ready", "landed", "failed", "cost"}``.
    """

    #: The vendor's operator that works for one request.
    makes: ClassVar[type[JobOperator[Any]]]
    #: The argument that takes a request's other names, as its fields; None where there is none.
    loose: ClassVar[str | None] = None
    default_timeout: ClassVar[float] = 6 * 3600.0
    media_fields: ClassVar[Sequence[str]] = ("requests", "common")
    template_fields: Sequence[str] = (
        "requests",
        "common",
        "download_to",
        "manifest",
        "max_failures",
        "only_failed",
        "max_running",
        "parallel_purchases",
        "parallel_downloads",
        "min_bytes",
        "timeout",
        "poll_interval",
    )

    def __init__(
        self,
        *,
        requests: Any,
        download_to: str,
        common: Any = None,
        manifest: str | None = None,
        on_item_failure: str = "continue",
        max_failures: int | str = 0,
        only_failed: bool | str = False,
        max_running: int | str = MOST_RUNNING,
        parallel_purchases: int | str = 4,
        parallel_downloads: int | str = 4,
        min_bytes: int | str | None = None,
        check: LandedCheck | None = None,
        budget: Any = None,
        on_lost_submit: str = "fail",
        timeout: float | timedelta | str | None = None,
        poll_interval: float | timedelta | str | None = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(**kwargs)
        for name in [one for one in given if one not in ("self", "kwargs", "__class__")]:
            setattr(self, name, given[name])
        # Airflow runs on_kill() in a signal handler, so this may change between any two lines.
        self._killed = False
        self._work: Work | None = None

    requests: Any
    download_to: str
    common: Any
    manifest: str | None
    on_item_failure: str
    max_failures: Any
    only_failed: Any
    max_running: Any
    parallel_purchases: Any
    parallel_downloads: Any
    min_bytes: Any
    check: LandedCheck | None
    budget: Any
    on_lost_submit: str
    timeout: Any
    poll_interval: Any

    # --- what Airflow calls

    def execute(self, context: Context) -> Any:
        """Buy, attach and land, until there is nothing left to be done."""
        with airflow_failures(self, context):
            if is_nested(context, self):
                raise InputError(f"{type(self).__name__} cannot be called inside another task's code.")
            timeout = positive_seconds("timeout", self.timeout) or self.default_timeout
            longest = positive_seconds("execution_timeout", self.execution_timeout) or timeout
            return self._stint(context, time.time() + min(timeout, longest), 0, None)

    def execute_next(
        self, context: Context, event: Any = None, deadline: float | None = None, waited: int = 0
    ) -> Any:
        """Go on after the triggerer has waited."""
        with airflow_failures(self, context):
            # Before Airflow 3.4, dag.test() loses the kwargs of a deferral.
            until = deadline or time.time() + self.default_timeout
            return self._stint(context, until, waited, _read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; if the trigger itself failed, log that the jobs go on."""
        if not hasattr(self, next_method):
            self.log.error("The trigger ended without a result. %s", no_longer_waiting("the batch's jobs"))
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Make sure that nothing more is bought, and log that the jobs go on: no vendor can cancel them."""
        self._killed = True
        if self._work is not None:
            self._work.stop()
            if running := len(self._work.waiting()):
                self.log.warning("%s", no_longer_waiting(f"{running} jobs"))

    def outlook(self) -> Outlook:
        """Return what a failure costs, and what a Clear then does, unless the error itself says it."""
        clear = "A Clear buys only what failed and what no try has bought."
        if self._work is not None and any(item.ref for item in self._work.items):
            return Outlook(MONEY["yes"], "yes", clear)
        return Outlook("This try bought nothing.", "no", clear)

    # --- one stint of a worker

    def _stint(self, context: Context, deadline: float, waited: int, event: BatchEvent | None) -> Any:
        self._check_arguments()
        self.hook.get_conn()  # before several threads share it
        store, attempt = store_of(context, self.log), attempt_of(context)
        before = earlier(store, attempt, Patience(self.log, until=deadline, stopped=lambda: self._killed))
        try:
            plan = planned(self, rows_of(self.given("requests")), store, attempt, before)
            work = self._work = self._worker(context, plan, deadline, waited)
            plan.begin(work, only_failed=truth("only_failed", self.only_failed))
        except InputError as error:
            if before is None or not any(item.ref for item in before.items):
                raise
            raise requests_lost(error) from None
        # Before anything is bought: the next try looks for what this one bought among these items.
        plan.save(store, attempt)
        try:
            self._act(work, event)
        finally:
            # Whatever ends this stint: what it did is then known without reading each record again.
            plan.save(store, attempt)
        show(context, self.hook, plan.items, plan.removed)
        self._wait_on(work)
        return self._end(context, work, plan)

    def _worker(self, context: Context, plan: Plan, deadline: float, waited: int) -> Work:
        return Work(
            plan.items,
            context,
            make=plan.operator,
            may_buy=self._may_buy,
            stopped=lambda: self._killed,
            deadline=deadline,
            waited=waited,
            log=self.log,
        )

    def _act(self, work: Work, event: BatchEvent | None) -> None:
        """Land what is ready and buy what is open; some of what is bought may be ready by now."""
        room, lands, buys = map(self._whole, ("max_running", "parallel_downloads", "parallel_purchases"))
        if event is not None:
            work.take(event)
        while True:
            work.land([item for item in work.items if item.state == "ready"], lands)
            # What failed before may fail for good now, and then forbid the others.
            work.buy([item for item in work.open() if item.failure], at_once=buys, room=room)
            work.buy(work.open(), at_once=buys, room=room)
            if self._killed:
                charged: Charged = charged_for(work.items)
                text = "The task was asked to stop (killed, cleared or marked)."
                raise JobError(text, charged=charged, retryable=True)
            if not any(item.state == "ready" for item in work.items):
                break
        # After the landing: what is ready need not wait until the account works again.
        if event is not None and event.end in ("account", "unreadable"):
            raise not_checked(work, event.message)

    def _wait_on(self, work: Work) -> None:
        """Give the worker back while there is something to wait for."""
        waiting, left = work.waiting(), work.deadline - time.time()
        failed = sum(item.state == "failed" for item in work.items)
        buys_on = bool(work.open()) and work.broken is None and self._may_buy(failed)
        if left <= 0 or not (waiting or buys_on):
            return
        wake = None
        if buys_on and len(waiting) < self._whole("max_running"):
            # Where no limit asks to wait, the buying was only interrupted so that the trigger sees the new
            # jobs.
            wake = work.wake_at or time.time()
        trigger = BatchTrigger(
            jobs=packed(waiting),
            deadline=work.deadline,
            wake_at=wake,
            poll_interval=positive_seconds("poll_interval", self.poll_interval),
        )
        self.log.info("%d jobs run; waiting for them in the triggerer.", len(waiting))
        self.defer(
            trigger=trigger,
            method_name="execute_next",
            kwargs={"deadline": work.deadline, "waited": work.waited},
            # Twice, because the trigger's own last checks may take a minute after the deadline.
            timeout=timedelta(seconds=left + 2 * BACKSTOP_SECONDS),
        )

    def _end(self, context: Context, work: Work, plan: Plan) -> dict[str, Any]:
        counted, spent = counts(plan.items), costs((*plan.items, *plan.removed))
        manifest = write_manifest(context, self.manifest, self.download_to, (*plan.items, *plan.removed))
        self.log.info("%s. The manifest is %s.", summary(counted, spent), manifest["uri"])
        failure = failure_of(work, whole_number("max_failures", self.max_failures) or 0, manifest["uri"])
        if failure is not None:
            raise failure
        report_files(context, self.outlets, [manifest], spent)
        return {"manifest": manifest["path"], **counted, "cost": spent}

    # --- its arguments

    def check_request(self, operator: Any) -> None:
        """Validate one request, as far as that costs nothing.

        :param operator: the vendor's operator for it.
        :raises InputError: when it is wrong.
        """
        raise NotImplementedError

    def _check_arguments(self) -> None:
        self.required()
        choices = {"on_item_failure": ("continue", "fail_fast"), "on_lost_submit": ("fail", "resubmit")}
        for name, values in choices.items():
            if getattr(self, name) not in values:
                raise InputError(f"{name} must be one of {values}, not {shown(getattr(self, name))}.")
        if not str(self.download_to).endswith("/"):
            raise InputError(f"download_to must be a folder: end {shown(self.download_to)} with '/'.")
        storage_path(str(self.download_to))
        prepare(self.check)
        for name in ("min_bytes", "max_failures"):
            whole_number(name, getattr(self, name))
        for name in self.guards:
            guard(name, getattr(self, name))

    def _whole(self, name: str) -> int:
        found = whole_number(name, getattr(self, name)) or 0
        if not 1 <= found <= MOST_RUNNING:
            raise InputError(f"{name} must be a whole number from 1 to {MOST_RUNNING}, not {found}.")
        return found

    def _may_buy(self, failed: int) -> bool:
        most = whole_number("max_failures", self.max_failures) or 0
        return self.on_item_failure == "continue" or failed <= most


def _read_event(event: Any) -> BatchEvent:
    """Return the event that resumed the task."""
    try:
        return BatchEvent.model_validate(event)
    except ValidationError:
        return BatchEvent(end="unreadable", message=f"the trigger's event is {shown(event, 200)}")
