"""Wakes deferred tasks. This is the only module that uses Airflow's database.

Airflow has no public interface by which a plugin can end a deferral. Its REST API would need a user, which a
vendor's call does not have. So this uses what Airflow's own API server does when a person answers a
human-in-the-loop task: ``Trigger.submit_event``, with the columns of ``TaskInstance`` and ``Trigger`` that
lead to it. They are the same in 3.1 and 3.3. Where a version lacks one of them, nothing is woken, and polling
finds the jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidai._compat import TriggerEvent
from airflow_provider_vidai.events.follow import Call
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.timing import MAX_WAKE_AFTER_SECONDS, WAKE_AFTER_SECONDS
from airflow_provider_vidai.triggers.job import CLASSPATH, hint_event

#: A task in one of these states may still come to wait for its job.
_COMING = frozenset({"scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule"})

log = logging.getLogger(__name__)


def wake(call: Call) -> float | None:
    """Wake the tasks that wait for the job that a call is about.

    :returns: seconds until it is worth trying again, or None when there is nothing more to do.
    """
    if not _possible():
        log.warning("This version of Airflow cannot be asked to wake a task: polling goes on.")
        return None
    from airflow.utils.session import create_session

    with create_session() as session:
        found = _of_task(session, call) if call.task else _of_job(session, call)
        waits = [_wake(session, trigger, call) for trigger in found]
        if not waits:
            return 0.0 if call.task is None or _may_come(session, call) else None
        return max((wait for wait in waits if wait is not None), default=None)


def _possible() -> bool:
    try:
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import Trigger
        from airflow.utils.session import create_session  # noqa: F401
    except ImportError:
        return False
    columns = all(hasattr(Trigger, name) for name in ("submit_event", "created_date", "classpath", "kwargs"))
    return columns and hasattr(TaskInstance, "trigger_id")


def _of_task(session: Any, call: Call) -> Iterator[Any]:
    """Yield the trigger of the task that made the purchase, if it waits for it."""
    for trigger in session.scalars(_waiting(*_same_task(call))):
        if call.purchase in (None, _kwargs(trigger).get("purchase")):
            yield trigger


def _of_job(session: Any, call: Call) -> Iterator[Any]:
    """Yield the triggers of all tasks that wait for the job."""
    wanted = (call.vendor, call.job_id)
    for trigger in session.scalars(_waiting()):
        ref = _kwargs(trigger).get("ref")
        if isinstance(ref, dict) and (ref.get("vendor"), ref.get("job_id")) == wanted:
            yield trigger


def _waiting(*more: Any) -> Any:
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select
    from sqlalchemy.orm import lazyload

    joined = select(Trigger).join(TaskInstance, TaskInstance.trigger_id == Trigger.id)
    deferred = joined.where(TaskInstance.state == TaskInstanceState.DEFERRED, Trigger.classpath == CLASSPATH)
    return deferred.where(*more).options(lazyload("*"))


def _same_task(call: Call) -> list[Any]:
    from airflow.models.taskinstance import TaskInstance

    assert call.task is not None
    return [getattr(TaskInstance, name) == value for name, value in call.task._asdict().items()]


def _may_come(session: Any, call: Call) -> bool:
    """Whether the task may wait later: it is still before the deferral, or between two of them."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    state = session.scalar(select(TaskInstance.state).where(*_same_task(call)))
    return state is not None and str(getattr(state, "value", state)) in _COMING


def _kwargs(trigger: Any) -> dict[str, Any]:
    """Return a trigger's arguments; none when they cannot be read, such as with a lost Fernet key."""
    try:
        found = trigger.kwargs
    except Exception as error:  # noqa: BLE001 - one row must not keep all others from being woken
        log.warning("The arguments of trigger %s cannot be read: %s", trigger.id, type(error).__name__)
        return {}
    return found if isinstance(found, dict) else {}


def _wake(session: Any, trigger: Any, call: Call) -> float | None:
    """Wake the task of a trigger; return the seconds until it is old enough if it is not."""
    waiting = _kwargs(trigger)
    hints = waiting.get("hints")
    wrong = min(hints, 10) if isinstance(hints, int) else 0
    least = min(WAKE_AFTER_SECONDS * 2.0**wrong, MAX_WAKE_AFTER_SECONDS)
    age: float = (datetime.now(timezone.utc) - trigger.created_date).total_seconds()
    if age < least:
        return least - age
    if (task := _locked(session, trigger)) is not None:
        event: Any = TriggerEvent(hint_event(waiting))  # type: ignore[no-untyped-call]
        type(trigger).submit_event(trigger.id, event, session=session)
        log.info("Woke %s: %s seems to have called about its job.", task, call.vendor)
    return None


def _locked(session: Any, trigger: Any) -> TaskKey | None:
    """Lock the task of a trigger and return it; None if it no longer waits, or is being woken."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.sqlalchemy import with_row_locks
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    names = select(*(getattr(TaskInstance, name) for name in TaskKey._fields))
    waits = names.where(
        TaskInstance.trigger_id == trigger.id, TaskInstance.state == TaskInstanceState.DEFERRED
    )
    row = session.execute(with_row_locks(waits, session, of=TaskInstance, skip_locked=True)).first()
    return None if row is None else TaskKey(*row)
