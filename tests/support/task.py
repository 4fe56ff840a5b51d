"""What Airflow does around an operator, as far as operators see it."""

from __future__ import annotations

import asyncio
import importlib
import json
import selectors
import uuid
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.triggers.base import BaseTrigger

from airflow_provider_vidai._compat import TaskDeferred

T = TypeVar("T")

#: How many times faster than real time the event loop of :func:`run_fast` runs.
FASTER = 100


class StateStore:
    """The task state store of one task instance: JSON, shared by all tries."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.retentions: list[timedelta | None] = []
        self.trouble: Exception | None = None

    def get(self, key: str, default: Any = None) -> Any:
        if self.trouble:
            raise self.trouble
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        if self.trouble:
            raise self.trouble
        assert value is not None
        self.values[key] = json.dumps(value)
        self.retentions.append(retention)

    def delete(self, key: str) -> None:
        if self.trouble:
            raise self.trouble
        self.values.pop(key, None)

    @property
    def record(self) -> Any:
        """The purchase on record, or None."""
        return self.get("vidai_purchase")


class Run:
    """The DAG run, as far as a task sees it."""

    def __init__(self) -> None:
        self.start_date = datetime.now(timezone.utc)
        self.clear_number = 0


class Instance:
    """The task instance of one try."""

    #: The operator that Airflow runs, as it sets it.
    task: Any = None

    def __init__(self, try_number: int, max_tries: int) -> None:
        self.id = uuid.uuid4()
        self.dag_id, self.run_id, self.task_id, self.map_index = "videos", "manual", "paid", -1
        self.try_number = try_number
        self.max_tries = max_tries
        self.start_date = datetime.now(timezone.utc)
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def get_first_reschedule_date(self, context: Any) -> None:
        return None


class Task:
    """One task of one run, which can be run, retried and cleared.

    ``make`` returns a new operator, because each try gets a new one.
    """

    def __init__(self, make: Any, *, retries: int = 2, store: bool = True) -> None:
        self.make = make
        self.retries = retries
        self.store = StateStore() if store else None
        self.outlet_events = OutletEventAccessors()
        self.instance = Instance(0, retries)
        self.dag_run = Run()
        #: Raised when Airflow stores the result of the next try that returns one.
        self.xcom_trouble: Exception | None = None
        self.deferrals: list[TaskDeferred] = []
        self.events: list[Any] = []
        self.triggers: list[dict[str, Any]] = []
        self.operator: Any = None

    def context(self) -> dict[str, Any]:
        context = {"ti": self.instance, "dag_run": self.dag_run, "outlet_events": self.outlet_events}
        return {**context, "task_state_store": self.store} if self.store else context

    def begin(self) -> Any:
        """Start the current try; return what the operator returned, or raise what it raised."""
        self.operator = self.instance.task = self.make()
        return self.operator.execute(self.context())

    def retry(self) -> Task:
        """Let Airflow try again."""
        self.instance = Instance(self.instance.try_number + 1, self.instance.max_tries)
        return self

    def clear(self) -> Task:
        """Let a person clear the task, which is the only action that increases max_tries."""
        number = self.instance.try_number
        self.instance = Instance(number + 1, number + self.retries)
        return self

    def run(self) -> Any:
        """Run a whole try with all its deferrals; the first try if there was none yet."""
        if not self.instance.try_number:
            self.instance = Instance(1, self.retries)
        try:
            return self.check(self.begin())
        except TaskDeferred as deferred:
            return self.check(self.resume(deferred))

    def resume(self, deferred: TaskDeferred) -> Any:
        """Run a deferred try's trigger, and the rest of the try in another process's operator."""
        while True:
            self.deferrals.append(deferred)
            event = run_fast(first_event(rebuilt(deferred.trigger, self.triggers)))
            self.events.append(event)
            try:
                return self.resumed(deferred, event)
            except TaskDeferred as again:
                deferred = again

    def resumed(self, deferred: TaskDeferred, event: Any) -> Any:
        """Run the rest of a try with the trigger's event."""
        self.operator = self.instance.task = self.make()
        kwargs = {**json.loads(json.dumps(deferred.kwargs or {})), "event": event}
        return self.operator.resume_execution(deferred.method_name, kwargs, self.context())

    def check(self, result: Any) -> Any:
        """Return a result as the next task gets it, through JSON, and end the try in success."""
        if trouble := self.xcom_trouble:
            self.xcom_trouble = None
            raise trouble
        stored = json.loads(json.dumps(result))
        for callback in self.operator.on_success_callback:
            callback(self.context())
        return stored

    def everything_shown(self) -> str:
        """Return all that leaves the task: XComs, events, trigger arguments, asset events, the ledger."""
        assets = [
            [one.extra, [str(event) for event in one.asset_alias_events]]
            for one in self.outlet_events._dict.values()
        ]
        ledger = self.store.values if self.store else {}
        return json.dumps([self.instance.xcoms, self.events, self.triggers, assets, ledger], default=str)


def rebuilt(trigger: BaseTrigger, seen: list[dict[str, Any]] | None = None) -> BaseTrigger:
    """Return the trigger as a triggerer has it: created again from its path and its JSON arguments."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    if module.startswith("airflow_provider_vidai"):
        arguments = json.loads(json.dumps(arguments))
    if seen is not None:
        seen.append(arguments)
    again = getattr(importlib.import_module(module), name)(**arguments)
    assert again.serialize() == (path, arguments)
    return again


async def first_event(trigger: BaseTrigger) -> Any:
    """Return the payload of a trigger's only event, as it comes out of the database."""
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1, events
    return json.loads(json.dumps(events[0], default=str))


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout and timeout / FASTER)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs FASTER, so that sleeps are short."""

    def time(self) -> float:
        return super().time() * FASTER


class FastLoops(asyncio.DefaultEventLoopPolicy):
    """Makes asyncio create such event loops, for example for ``dag.test()``, which runs triggers in one."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(_Selector())


def run_fast(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` with shortened sleeps and timeouts."""
    loop = _Loop(_Selector())
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
