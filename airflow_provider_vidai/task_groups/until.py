"""The operator that makes attempts until one is good, in one task."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai._compat import AirflowSkipException, TaskDeferred
from airflow_provider_vidai.arguments import whole_number
from airflow_provider_vidai.errors import InputError, JobFailed, LedgerError
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook, TaskFailed, airflow_failures
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import after_success, report_files, task_key_of
from airflow_provider_vidai.operators.landing import FILES, Landed, LandedCheck, Landing
from airflow_provider_vidai.operators.shown import ShownOperator
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.verdict import no_longer_waiting
from airflow_provider_vidai.quality.operators import checks_of
from airflow_provider_vidai.redaction import shown, shown_media
from airflow_provider_vidai.stores.choice import lap_of, outlives_process
from airflow_provider_vidai.task_groups.attempts import (
    Outcome,
    all_records,
    noted,
    outcome_of,
    part_of,
    record_of,
)
from airflow_provider_vidai.task_groups.results import (
    best_of,
    faults_of,
    landing_of,
    refused,
    remove_files,
    shown_attempts,
    total_of,
)
from airflow_provider_vidai.task_groups.total import Total, TotalExceededError, limit_of
from airflow_provider_vidai.task_groups.vary import changed, values_of

__all__ = ["GenerateUntilGoodOperator"]

#: The XCom with the attempts so far. It is there while the task runs, and when it fails.
ATTEMPTS = "attempts"
Make = JobOperator[Any]


class _Resumed(NamedTuple):
    """Where a deferral of an attempt is continued."""

    number: int
    method: str
    kwargs: dict[str, Any]


class GenerateUntilGoodOperator(ShownOperator):
    """The task of :func:`generate_until_good`, which makes it.

    :param request: the arguments of ``make``; Airflow renders them.
    """

    template_fields: Sequence[str] = ("request", "vary", "max_attempts", "max_total", "keep")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json", "vary": "json"}
    media_fields: ClassVar[Sequence[str]] = ("request", "vary")
    guards: ClassVar[Sequence[str]] = ("max_total",)

    def __init__(
        self,
        *,
        make: Make,
        check: Any,
        vary: Mapping[str, Any],
        max_attempts: int | str = 3,
        max_total: Any = None,
        keep: str = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.make = make
        self.check = check
        given = {name: getattr(make, name) for name in make.template_fields}
        self.request = {name: value for name, value in given.items() if value is not None}
        # Apart from the rest, because Airflow renders the template field vary and stores it as JSON.
        self.functions = {name: values for name, values in vary.items() if callable(values)}
        self.vary = {name: values for name, values in vary.items() if name not in self.functions}
        self.max_attempts = max_attempts
        self.max_total = max_total
        self.keep = keep
        self._running: Make | None = None
        # Airflow runs on_kill() in a signal handler, so this may change between any two lines.
        self._killed = False

    def execute(self, context: Context) -> Any:
        """Make attempts until one is good, and return the best."""
        with airflow_failures(self, context):
            return self._until_good(context)

    def resume_attempt(
        self,
        context: Context,
        event: Any = None,
        number: int = 0,
        method: str = "",
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Go on with an attempt that was deferred, and with those after it.

        :param method: of the attempt's operator; likewise ``kwargs``.
        """
        with airflow_failures(self, context):
            # Before Airflow 3.4, dag.test() loses the kwargs of a deferral. The ledger knows the attempt too.
            resumed = _Resumed(number, method, {**(kwargs or {}), "event": event}) if method else None
            return self._until_good(context, resumed)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; if the trigger itself failed, log that the job keeps running."""
        if not hasattr(self, next_method):  # Airflow calls it so when there is no event
            self.log.error("The trigger ended without a result. %s", no_longer_waiting("the job"))
        return super().resume_execution(next_method, next_kwargs, context)

    def outlook(self) -> Outlook:
        """Return what a failure costs, as the current attempt knows it."""
        return NOTHING_BOUGHT if self._running is None else self._running.outlook()

    def on_kill(self) -> None:
        """Make sure that nothing more is bought, and stop waiting."""
        self._killed = True
        if self._running is not None:
            self._running.on_kill()

    def _until_good(self, context: Context, resumed: _Resumed | None = None) -> Any:
        most = self._checked(context)
        outcomes: list[Outcome] = []
        stopped = ""
        for number in range(1, most + 1):
            try:
                outcomes.append(self._outcome(context, number, outcomes, resumed))
            except TotalExceededError as reached:
                if not outcomes:
                    raise
                stopped = reached.what
                break
            context["ti"].xcom_push(key=ATTEMPTS, value=shown_attempts(context, outcomes))
            if outcomes[-1].good:
                break
        return self._concluded(context, outcomes, stopped)

    def _checked(self, context: Context) -> int:
        """Return the number of attempts, after checking all that would come to light too late."""
        most = whole_number("max_attempts", self.max_attempts)
        if not most:
            raise InputError("max_attempts must be at least 1.")
        if self.keep not in ("all", "best"):
            raise InputError(f"keep must be all or best, not {shown(self.keep)}.")
        limit_of(self.max_total)
        checks_of(self.check).prepare()
        folder = str(self._given("request").get("download_to") or "").strip()
        if not folder.endswith("/"):
            raise InputError(
                "The operator given as make needs download_to, and that must be a folder, which ends in '/': "
                "each attempt lands files of its own."
            )
        if not outlives_process(context):
            raise InputError(
                "Attempts need a record that outlives their process: set [vidai] ledger_path, or use "
                "Airflow 3.3 or newer."
            )
        return most

    # --- one attempt

    def _outcome(
        self, context: Context, number: int, earlier: Sequence[Outcome], resumed: _Resumed | None
    ) -> Outcome:
        maker, values = self._maker(context, number, shown_attempts(context, earlier))
        found = record_of(context, maker)
        known = self._known(context, maker, *found) if found else None
        if known is not None:
            if known.media is not None:  # Airflow deletes a task's XComs when its next try begins
                context["ti"].xcom_push(key=known.media[0], value=known.media[1])
            return known
        self._running = maker
        # The signal may have come before on_kill() knew this operator.
        if self._killed:
            maker.on_kill()
        judge = _Judge(checks_of(self.check))
        maker.check = judge
        outcome = Outcome(number=number, max_tries=context["ti"].max_tries, values=_plain(values))
        try:
            outcome.result = self._made(context, maker, resumed)
            outcome.failed = faults_of(outcome.files)
            outcome.good = not outcome.failed
        except JobFailed as error:
            outcome.failed, outcome.charged = [error.what], error.charged
        outcome.media = maker.__dict__.get("media_shown")
        self._keep(context, maker, outcome)
        self.log.info("This was %s.", outcome.summary)
        return outcome

    def _maker(
        self, context: Context, number: int, earlier: Sequence[Mapping[str, Any]]
    ) -> tuple[Make, dict[str, Any]]:
        """Return the operator that makes an attempt, and its values of the fields that vary."""
        request = self._given("request")
        values = values_of(
            {**self._given("vary"), **self.functions}, number, request, _identity(context), earlier
        )
        maker = self._with(changed(request, values))
        limit = limit_of(self.max_total)
        maker.as_part(part_of(number, Total(limit, number, lambda: self._records(context, maker))))
        return maker, values

    def _records(self, context: Context, maker: Make) -> Iterator[tuple[int, Entry, Record]]:
        return all_records(context, maker, whole_number("max_attempts", self.max_attempts) or 1)

    def _with(self, request: Mapping[str, Any]) -> Make:
        maker = copy.copy(self.make)
        for name, value in request.items():
            setattr(maker, name, value)
        return maker

    def _made(self, context: Context, maker: Make, resumed: _Resumed | None) -> dict[str, Any]:
        """Buy or re-attach, wait and land, as the attempt's own operator does."""
        number = maker.part.number if maker.part else 0
        try:
            if resumed is not None and resumed.number == number:
                return dict(maker.resume_execution(resumed.method, resumed.kwargs, context))
            return dict(maker.execute_after_wait(context))
        except TaskDeferred as deferred:
            kwargs = {"number": number, "method": deferred.method_name, "kwargs": deferred.kwargs}
            self.defer(
                trigger=deferred.trigger,
                method_name="resume_attempt",
                kwargs=kwargs,
                timeout=deferred.timeout,
            )
        except TaskFailed as failed:
            # The error behind it, because this task reports it in its own name, and only once.
            raise (failed.error or failed) from None

    def _known(self, context: Context, maker: Make, entry: Entry, record: Record) -> Outcome | None:
        """Return what came of an attempt that was judged before, without asking the vendor."""
        known = outcome_of(record)
        if known is None or known.max_tries == context["ti"].max_tries:
            return known
        # A person has cleared the task, perhaps to have the landed files judged by other limits.
        if record.fingerprint not in maker.fingerprints() or not known.files:
            return None
        landing = landing_of(known, maker)
        try:
            files = checks_of(self.check).land(landing, _not_there).files
        # The attempt's own operator then lands the files again, and buys nothing.
        except _NotThere:
            return None
        failed = faults_of(files)
        result = {**(known.result or {}), "files": files}
        update = {
            "result": result,
            "failed": failed,
            "good": not failed,
            "max_tries": context["ti"].max_tries,
        }
        judged = known.model_copy(update=update)
        self._write(entry, noted(record, outcome=judged.model_dump(mode="json")))
        return judged

    def _keep(self, context: Context, maker: Make, outcome: Outcome) -> None:
        """Keep what came of an attempt, so that a retry goes on with the next one."""
        try:
            found = record_of(context, maker)
        except LedgerError as error:
            self.log.warning("%s. A retry checks this attempt again, and buys nothing for it.", error)
            return
        if found is not None:
            entry, record = found
            self._write(entry, noted(record, outcome=outcome.model_dump(mode="json"), over=False))

    def _write(self, entry: Entry, record: Record) -> None:
        try:
            entry.write(record)
        except LedgerError as error:
            self.log.warning("%s. A retry checks this attempt again, and buys nothing for it.", error)

    # --- all attempts

    def _concluded(self, context: Context, outcomes: list[Outcome], stopped: str) -> dict[str, Any]:
        best = best_of(outcomes)
        checks = checks_of(self.check)
        total = total_of((one.result or {}).get("cost") for one in outcomes)
        if not best.files or not (best.good or checks.on_failure == "report"):
            context["ti"].xcom_push(key=FILES, value=[file for one in outcomes for file in one.files])
            error = refused(outcomes, stopped)
            raise AirflowSkipException(str(error)) if checks.on_failure == "skip" else error
        if total is not None:
            context["ti"].xcom_push(key="cost", value=total)
        report_files(context, self.outlets, best.files, total)
        others = [one for one in outcomes if one is not best and one.files]
        removed = others if self.keep == "best" else []
        # No file is removed before Airflow has the result, because a retry might still need it.
        after_success(context, lambda: self._finish(context, removed))
        self.log.info("The best is %s.", best.summary)
        return {
            **(best.result or {}),
            "attempt": best.number,
            "good": best.good,
            "attempts": shown_attempts(context, outcomes, removed),
            "total": total,
        }

    def _finish(self, context: Context, removed: Sequence[Outcome]) -> None:
        """Record that the purchases are over, and remove files, once Airflow has the result."""
        maker = self._with(self._given("request"))
        try:
            for _, entry, record in self._records(context, maker):
                if record.receipt is not None:  # a purchase of unknown outcome stays one
                    entry.finish(noted(record, over=True))
        except LedgerError as error:
            self.log.warning("%s. The result stands; clearing this task would reuse it.", error)
        for outcome in removed:
            remove_files(outcome, self.log)
            checks_of(self.check).forget(landing_of(outcome, maker))

    # --- rendering

    def title(self) -> str | None:
        """Return what the attempts are called."""
        return self._with(self._given("request")).title()

    def shown_argument(self, name: str) -> Any:
        """Return a dict of arguments without secrets and files."""
        media = self.make.media_fields
        return {
            key: shown_media(literal(value)) if key.partition(".")[0] in media else value
            for key, value in self._given(name).items()
        }

    def _given(self, name: str) -> dict[str, Any]:
        return literal(self.given(name)) or {}


class _Judge:
    """Checks landed files without refusing them: whether there is another attempt is not theirs to say."""

    def __init__(self, checks: LandedCheck) -> None:
        self._checks = checks

    def prepare(self) -> None:
        """See :class:`~airflow_provider_vidai.operators.landing.LandedCheck`; likewise ``land``."""
        self._checks.prepare()

    def land(self, landing: Landing, download: Callable[[], list[JsonValue]]) -> Landed:
        return Landed(self._checks.land(landing, download).files)


class _NotThere(Exception):
    """The landed files are no longer those that were checked."""


def _not_there() -> list[JsonValue]:
    raise _NotThere


def _identity(context: Context) -> list[Any]:
    return [*task_key_of(context), *lap_of(context["ti"])]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON, without secrets and files."""
    shown_values = {name: shown_media(literal(value)) for name, value in values.items()}
    return dict(json.loads(json.dumps(shown_values, default=str)))
