"""What all sensors share: they wait for a job that another task or another program bought."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue, XComArg
from pydantic import JsonValue

from airflow_provider_vidai._compat import (
    AirflowException,
    AirflowSkipException,
    StartTriggerArgs,
    conf,
)
from airflow_provider_vidai.arguments import Arguments, positive_seconds, truth
from airflow_provider_vidai.errors import ApiError, VidaiError
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook, SensorTimedOut, airflow_failures
from airflow_provider_vidai.jobs.ref import JobRef, bare_id
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.verdict import account_broken, unless_ready
from airflow_provider_vidai.triggers.job import JobEvent, JobTrigger, read_event
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["JobSensor"]

#: Seconds between status checks when not deferrable; Airflow's own default.
POKE_INTERVAL = 60.0
#: Seconds after the trigger's own deadline at which Airflow ends the deferral, in case the trigger does not.
BACKSTOP_SECONDS = 60.0

#: What happens only in a worker: a sensor that has one of these starts there.
_ONLY_A_WORKER = (
    *("outlets", "on_execute_callback", "on_success_callback", "_pre_execute_hook", "_post_execute_hook"),
    *("resources", "executor_config"),
)
#: What a subclass may do in another way, which the triggerer would not know.
_OWN = ("execute", "poke", "result", "execute_complete")
#: Templates that the triggerer can render. Others may read an XCom, for which it would wait for ever.
_SIMPLE = re.compile(r"\{\{\s*(params|dag_run\.conf|run_id|ds)\b[\w.\[\]'\"]*\s*\}\}")
#: Stands for an id that is not known yet.
_ANY = "any"


def _known_to_the_triggerer(job: Any) -> bool:
    """Whether the triggerer can find out by itself which job this is."""
    if isinstance(job, bool) or not isinstance(job, (str, int)):
        return False
    rendered = _SIMPLE.sub(_ANY, str(job))
    return bare_id(rendered) == rendered and "{" not in rendered


class JobSensor(Arguments, BaseSensorOperator):
    """Wait for a job, and return what the operator that bought it would return.

    It buys nothing. A retry, or a Clear, waits for the same job again; a kill or a timeout ends only the
    waiting, because no vendor can cancel a job.

    :param job: what an upstream task returned (or its text), or a bare job id.
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``. From Airflow 3.3 on,
        a sensor whose ``job`` is a plain id, or a template of ``params`` or ``dag_run.conf``, needs no worker
        at all unless it fails; not so in a mapped task, or with outlets or an ``on_success_callback``.
    :param poke_interval: seconds (or timedelta) between status checks; by default they adapt to the job when
        deferrable, and come every 60 seconds otherwise.
    """

    hook_class: ClassVar[type[VidaiHook]]
    template_fields: Sequence[str] = ("job",)

    def __init__(
        self,
        *,
        job: Any,
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=POKE_INTERVAL if poke_interval is None else poke_interval, **kwargs)
        # Airflow's sensors need a number, so this one remembers whether a person chose it.
        self.adaptive = poke_interval is None
        self.job = job
        self.deferrable = deferrable

    def _start_from_trigger_if_possible(self) -> None:
        """Let Airflow start this sensor in the triggerer, without a worker, where nothing is lost by that.

        Airflow does so from 3.3 on. Below it, in a mapped task and in ``dag.test()``, :meth:`execute` runs.
        """
        plain = [getattr(self, name) for name in self.template_fields if name != "job"]
        if (
            # It may still be text here, which only execute() reads.
            self.deferrable is not True
            or not _known_to_the_triggerer(self.job)
            or any(isinstance(value, XComArg) or "{" in str(value) for value in plain)
            or any(getattr(self, name, None) for name in _ONLY_A_WORKER)
            or any(getattr(type(self), name) is not getattr(JobSensor, name) for name in _OWN)
        ):
            return
        # A copy with a stand-in id is checked, because the real id may still be a template.
        known = copy.copy(self)
        known.job = _ANY
        try:
            self._check_times()
            ref = known.ref()
        except VidaiError:
            return  # execute() says what is wrong
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="airflow_provider_vidai.triggers.start.StartTrigger",
            trigger_kwargs={
                "job": self.job,
                "ref": ref.model_dump(mode="json"),
                "timeout": self.timeout,
                "poll_interval": None if self.adaptive else self.poke_interval,
                "returns": bool(self.do_xcom_push),
            },
            next_method="execute_after_start",
            next_kwargs=None,
            timeout=timedelta(seconds=self.timeout + BACKSTOP_SECONDS),
        )

    def _check_times(self) -> None:
        for name in ("timeout", "poke_interval", "execution_timeout"):
            positive_seconds(name, getattr(self, name))

    def execute_after_start(self, context: Context, event: Any = None) -> Any:
        """Go on in a worker with what a trigger that started this sensor could not end itself."""
        return self.execute(context) if event is None else self.execute_complete(context, event)

    def ref(self) -> JobRef:
        """Return the job to wait for."""
        raise NotImplementedError

    def result(self, ref: JobRef, status: JobStatus) -> dict[str, JsonValue]:
        """Return the job, with what the vendor said at its purchase if ``job`` has it."""
        bought = Bought.read(self.job)
        return job_result(status.of(ref), status, bought.cost, bought.delivery)

    def outlook(self) -> Outlook:
        """Return what a failure costs, and what a Clear then does, unless the error itself says it."""
        return replace(NOTHING_BOUGHT, clear="A Clear waits for the same job and buys nothing.")

    def _failures(self, context: Context) -> airflow_failures:
        skips = self.soft_fail or self.never_fail or self.silent_fail
        return airflow_failures(self, context, quietly=bool(skips))

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once; a failed check does not fail the task."""
        with self._failures(context):
            self.required()
            ref = self.ref()
            try:
                status = self.hook_class(ref.conn_id).confirmed(ref)
            except ApiError as error:
                # A person has to act first. Checking on would hide that until the sensor's timeout.
                if error.account:
                    raise account_broken(ref, error) from error
                self.log.warning("%s: the status check failed and is repeated: %s", ref, error)
                return PokeReturnValue(is_done=False)
            self.log.info("%s: %s.", ref, VENDORS[ref.vendor].status_text(ref, status))
            if status.state is JobState.RUNNING:
                return PokeReturnValue(is_done=False)
            unless_ready(ref, status)
            return PokeReturnValue(is_done=True, xcom_value=self.result(ref, status))

    def execute(self, context: Context) -> Any:
        """Check at once; then wait, in the triggerer if deferrable.

        A job that is ready already needs no trigger.
        """
        with self._failures(context):
            self.deferrable = truth("deferrable", self.deferrable)
            self._check_times()
        if not self.deferrable:
            return super().execute(context)
        try:
            seen = self.poke(context)
            ref = self.ref()
        except (AirflowException, VidaiError) as error:
            # Airflow itself turns a failure into a skip only in its own loop of checks.
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if seen.is_done:
            return seen.xcom_value
        return self._defer(
            JobTrigger(
                ref=ref.model_dump(mode="json"),
                deadline=time.time() + self.timeout,
                poll_interval=None if self.adaptive else self.poke_interval,
            )
        )

    def _checked(self, hint: JobEvent) -> JobEvent:
        """Check a job that a call says has ended, and wait on unless it has."""
        status = self.hook_class(hint.ref.conn_id).ended(hint.ref)
        if status is None:
            self.log.info("A call said that %s had ended, which the vendor does not confirm.", hint.ref)
            self._defer(JobTrigger.after_hint(hint))
        return hint.model_copy(update={"end": "status", "status": status})

    def _defer(self, trigger: JobTrigger) -> None:
        left = max(trigger.deadline - time.time(), 0.0)
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=left + BACKSTOP_SECONDS),
        )

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, JsonValue]:
        """Take the job from the trigger's event."""
        with self._failures(context):
            found = read_event(event)
            if found.end == "hint":
                found = self._checked(found)
            if found.end == "deadline":
                late = VidaiError(
                    f"{found.ref} is not ready yet (last status: {found.message}).",
                    todo="Give the sensor a longer timeout.",
                )
                # Airflow never retries this type, and turns it into a skip where soft_fail is set.
                raise self._failures(context).failed(late, SensorTimedOut)
            status = found.ready()
            return self.result(found.ref, status)
