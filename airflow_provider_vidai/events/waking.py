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

from airflow_provider_vidai._compat import TriggerEvent, database
from airflow_provider_vidai.events.follow import Call
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.timing import MAX_WAKE_AFTER_SECONDS, WAKE_AFTER_SECONDS
from airflow_provider_vidai.triggers.job import CLASSPATH, hint_event

_DEFERRED = "deferred"
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
    _, _, create_session, _ = database()
    with create_session() as session:
        found = _of_task(session, call) if call.task else _of_job(session, call)
        waits = [_wake(session, trigger, call) for trigger in found]
        if not waits:
            return 0.0 if call.task is None or _may_come(session, call) else None
        return max((wait for wait in waits if wait is not None), default=None)


def _possible() -> bool:
    try:
        instance, trigger, _, _ = database()
    except ImportError:
        return False
    needed = ("submit_event", "created_date", "classpath", "kwargs")
    return all(hasattr(trigger, name) for name in needed) and hasattr(instance, "trigger_id")


def _of_task(session: Any, call: Call) -> Iterator[Any]:
    """Yield the trigger of the task that made the purchase, if it waits for it."""
    for trigger in _waiting(session, *_same_task(call)):
        if call.purchase in (None, _kwargs(trigger).get("purchase")):
            yield trigger


def _of_job(session: Any, call: Call) -> Iterator[Any]:
    """Yield the triggers of all tasks that wait for the job."""
    wanted = (call.vendor, call.job_id)
    for trigger in _waiting(session):
        ref = _kwargs(trigger).get("ref")
        if isinstance(ref, dict) and (ref.get("vendor"), ref.get("job_id")) == wanted:
            yield trigger


def _waiting(session: Any, *more: Any) -> Any:
    instance, trigger, _, _ = database()
    joined = session.query(trigger).join(instance, instance.trigger_id == trigger.id)
    deferred = joined.filter(instance.state == _DEFERRED, trigger.classpath == CLASSPATH, *more)
    return deferred.enable_eagerloads(False).all()


def _same_task(call: Call) -> list[Any]:
    assert call.task is not None
    return [getattr(database()[0], name) == value for name, value in call.task._asdict().items()]


def _may_come(session: Any, call: Call) -> bool:
    """Whether the task may wait later: it is still before the deferral, or between two of them."""
    state = session.query(database()[0].state).filter(*_same_task(call)).scalar()
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
    # The wait reaches its limit long before. The power of a large number would be an OverflowError.
    wrong = min(hints, 10) if isinstance(hints, int) else 0
    least = min(WAKE_AFTER_SECONDS * 2.0**wrong, MAX_WAKE_AFTER_SECONDS)
    age: float = (datetime.now(timezone.utc) - trigger.created_date).total_seconds()
    if age < least:
        return least - age
    if (task := _locked(session, trigger)) is not None:
        event: Any = TriggerEvent(hint_event(waiting))  # type: ignore[no-untyped-call]
        type(trigger).submit_event(trigger.id, event, session=session)
        log.info("Woke %s/%s/%s/%s: %s seems to have called about its job.", *task, call.vendor)
    return None


def _locked(session: Any, trigger: Any) -> TaskKey | None:
    """Lock the task of a trigger and return it; None if it no longer waits, or is being woken."""
    instance, _, _, with_row_locks = database()
    names = session.query(*(getattr(instance, name) for name in TaskKey._fields))
    waits = names.filter(instance.trigger_id == trigger.id, instance.state == _DEFERRED)
    row = with_row_locks(waits, session, of=instance, skip_locked=True).first()
    return None if row is None else TaskKey(*row)
