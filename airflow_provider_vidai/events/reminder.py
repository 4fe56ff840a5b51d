"""Reminds people of a question that nobody has answered, without a worker that waits.

Airflow's deadlines are about whole runs, and know nothing of a question; the notifiers of an approval are
called once, when it asks. So this is a task beside the approval. It waits in the triggerer, on any version.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_provider_vidai._compat import AirflowException, TaskDeferralTimeout, until_ended
from airflow_provider_vidai.arguments import positive_seconds, whole_number
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.failures import NOTHING_BOUGHT, Outlook, airflow_failures
from airflow_provider_vidai.operators.context import task_key_of
from airflow_provider_vidai.purchase.progress import span

__all__ = ["ApprovalReminder"]

#: The states in which an approval waits for its answer: before Airflow 3.3, and since.
WAITING = ("deferred", "awaiting_input")
#: Seconds until the end of the approval is noticed, at most.
INTERVAL = 30.0
#: The XCom with the number of reminders that were sent.
SENT = "reminders"


class ApprovalReminder(BaseOperator):
    """Remind people of an approval that nobody has answered.

    Put it beside the approval: ``quote >> [approve, remind]``. It ends when the approval has ended, or with
    the last reminder, and holds no worker meanwhile.

    - **Retry**: waits again, and sends what is left of the reminders from the beginning.
    - **Kill**: sends no more reminders; the approval goes on.
    - **Timeout**: ``execution_timeout`` does not count while it waits.
    - **Clear**: begins again.

    Example::

        remind = ApprovalReminder(
            task_id="remind", approval="approve", after=timedelta(hours=4), times=3, notifiers=notify
        )

    :param approval: the id of the task that asks: an ``ApprovalOperator`` or another of Airflow's operators
        that ask people. It must not be a mapped task.
    :param after: timedelta (or seconds) until the first reminder, and from one to the next.
    :param times: how many reminders are sent, at most.
    :param notifiers: a notifier or a list of them, such as
        :class:`~airflow_provider_vidai.events.notifier.SpendNotifier`. Their context is the approval's, with
        ``vidai_waits``: for how long it has been waiting. One that fails is logged, and no reason to fail.
    """

    template_fields: Sequence[str] = ("approval", "after", "times")
    ui_color = "#fff3cd"

    def __init__(
        self,
        *,
        approval: str,
        after: timedelta | float | str,
        notifiers: Callable[[Any], Any] | Sequence[Callable[[Any], Any]],
        times: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.approval = approval
        self.after = after
        self.times = times
        self.notifiers = notifiers

    def outlook(self) -> Outlook:
        """Return what a failure costs: nothing."""
        return NOTHING_BOUGHT

    def execute(self, context: Context) -> None:
        """Wait for the answer, or for the time of the first reminder."""
        with airflow_failures(self, context):
            self._wait(context)

    def execute_complete(self, _: Context, event: Any = None) -> None:
        """End, because the approval has ended."""
        self.log.info("%s has ended: %s.", self.approval, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; when its time is up, remind."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            with airflow_failures(self, context):
                return self._remind(context)

    def _wait(self, context: Context) -> None:
        seconds = positive_seconds("after", self.after)
        if seconds is None:
            raise InputError("after is required.")
        self._asks(context)
        key = task_key_of(context)
        trigger = until_ended(key.dag_id, key.run_id, self.approval, INTERVAL)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=seconds))

    def _remind(self, context: Context) -> None:
        instance: Any = context["ti"]
        key = task_key_of(context)
        of_run = {"dag_id": key.dag_id, "run_ids": [key.run_id], "task_ids": [self.approval]}
        # The task goes on in another process after each wait, so the count is an XCom. A new try begins
        # without it.
        sent = int(instance.xcom_pull(task_ids=key.task_id, key=SENT) or 0)
        if instance.get_ti_count(**of_run, states=list(WAITING)):
            sent += 1
            self._send(context, sent)
            instance.xcom_push(key=SENT, value=sent)
            if sent >= (whole_number("times", self.times) or 1):
                return
        self._wait(context)

    def _send(self, context: Context, number: int) -> None:
        asks = copy.copy(self._asks(context))
        asks.subject = self.render_template(asks.subject, context)
        instance = copy.copy(context["ti"])
        instance.task_id, instance.map_index = self.approval, -1
        waits = span(number * (positive_seconds("after", self.after) or 0.0))
        theirs = {"task": asks, "ti": instance, "task_instance": instance, "vidai_waits": waits}
        self.log.info("%s has been waiting for %s: reminder %d.", self.approval, waits, number)
        for notifier in self.notifiers if isinstance(self.notifiers, Sequence) else [self.notifiers]:
            try:
                # A notifier renders its templates in place, so each message needs a fresh one.
                copy.copy(notifier)({**context, **theirs})
            except Exception as error:  # noqa: BLE001 - the next reminder may get through
                self.log.warning("%s could not send the reminder: %s", type(notifier).__name__, error)

    def _asks(self, context: Context) -> Any:
        """Return the task that asks.

        :raises InputError: when it is not one.
        """
        try:
            found: Any = context["dag"].get_task(self.approval)
        except AirflowException:
            found = None
        if not hasattr(found, "subject") or not hasattr(found, "options"):
            raise InputError(f"approval: {self.approval!r} is not a task of this DAG that asks people.")
        return found
