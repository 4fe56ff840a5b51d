"""What a task's arguments would be in a run, as far as that is known before the task begins."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from airflow.sdk import XComArg

from airflow_provider_vidai._compat import params_of, template_values
from airflow_provider_vidai.errors import InputError

#: The run's name where there is no run yet.
RUN_ID = "plan"


class NotYet(Exception):
    """Something that only the run will know."""


class Instance:
    """Stands in for a task instance: whatever it is asked for is not known before the run reaches it.

    :param known: the task instance that makes the plan, which reads the results of finished tasks.
    """

    def __init__(self, task_id: str, map_index: int = -1, known: Any = None) -> None:
        self.task_id, self.map_index, self._known = task_id, map_index, known

    def xcom_pull(self, *arguments: Any, **more: Any) -> Any:
        """Return the result of a task that has finished."""
        found = None if self._known is None else self._known.xcom_pull(*arguments, **more)
        if found is None:
            raise NotYet("the result of a task")
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Airflow checks for it, and can do without it
            raise AttributeError(name)
        raise NotYet(f"ti.{name}")


@dataclass
class Rendered:
    """A task, or one item of a mapped task.

    :param operator: with its arguments rendered; those in ``unknown`` are None.
    :param unknown: why each of them is not known.
    """

    operator: Any
    unknown: dict[str, str] = field(default_factory=dict)


class Renderer:
    """Renders the arguments of tasks of one run.

    :param context: of the task that makes the plan, in a run that has begun.
    """

    def __init__(self, dag: Any, conf: Mapping[str, Any] | None, context: Mapping[str, Any] | None) -> None:
        self._dag = dag
        self._conf = conf
        self._known = context["ti"] if context else None
        self._context = {**template_values(), **(context or _new_run(conf))}
        self._environment = dag.get_template_env()

    def items(self, task: Any) -> tuple[list[Rendered], bool]:
        """Return the items of a task (one, unless it is mapped), and whether these are all.

        :raises InputError: when the run's params are wrong.
        """
        indexes, known_groups = self._group_indexes(task)
        mappings, known_items = self._mappings(task)
        found = [self._rendered(task, mapping, index) for index in indexes for mapping in mappings]
        return found, known_groups and known_items

    def _group_indexes(self, task: Any) -> tuple[Sequence[int], bool]:
        """Return the indexes of the items of the mapped task group that a task is in."""
        groups = [*task.iter_mapped_task_groups()]
        if not groups:
            return [-1], True
        # Airflow has no public name for what a mapped group is expanded over.
        counts = [self._count(group._expand_input) for group in groups]
        if len(counts) > 1 or counts[0] is None:
            return [-1], False
        return range(counts[0]), True

    def _count(self, expand: Any) -> int | None:
        found, known = self._expanded(expand)
        return len(found) if known else None

    def _mappings(self, task: Any) -> tuple[Sequence[dict[str, Any] | None], bool]:
        """Return what each item of a mapped task is made of; of another task, one None."""
        return self._expanded(task.expand_input) if task.is_mapped else ([None], True)

    def _expanded(self, expand: Any) -> tuple[list[dict[str, Any]], bool]:
        """Return the arguments of each item; of an unknown number, those of one, as far as they are known."""
        value = expand.value
        if isinstance(value, Mapping):
            known = {name: found for name, one in value.items() if (found := self._list(one)) is not None}
            products = itertools.product(*known.values())
            items = [dict(zip(known, product, strict=True)) for product in products]
            if len(known) == len(value):
                return items, True
            rest = {name: value[name] for name in value if name not in known}
            return [{**(items[0] if items else {}), **rest}], False
        listed = self._list(value)
        if listed is None or not all(isinstance(item, Mapping) for item in listed):
            return [{}], False
        return [dict(item) for item in listed], True

    def _list(self, value: Any) -> list[Any] | None:
        """Return what a task is mapped over; None where that is not known yet."""
        if isinstance(value, XComArg):
            try:
                self._require_known(value)
                value = value.resolve({**self._context, "ti": Instance("", known=self._known)})
            except Exception:  # noqa: BLE001 - whatever it is, the run will know it
                return None
        # A task that is mapped over a dict gets its items as pairs.
        if isinstance(value, Mapping):
            return [*value.items()]
        return [*value] if isinstance(value, (list, tuple)) else None

    def _rendered(self, task: Any, mapping: Mapping[str, Any] | None, index: int) -> Rendered:
        operator = task.prepare_for_execution() if mapping is None else task.unmap(dict(mapping))
        try:
            params = params_of(self._dag, operator, self._conf)
        except Exception as error:  # noqa: BLE001 - Airflow's error is another in each version
            raise InputError(f"The params of DAG {self._dag.dag_id} are wrong: {error}.") from None
        instance = Instance(task.task_id, index, self._known)
        context = {
            **self._context,
            "params": params,
            "task": operator,
            "ti": instance,
            "task_instance": instance,
        }
        found = Rendered(operator)
        for name in operator.template_fields:
            try:
                value = self._value(operator, getattr(operator, name), context)
            except Exception as error:  # noqa: BLE001 - a template raises anything
                value, found.unknown[name] = None, str(error) or type(error).__name__
            setattr(operator, name, value)
        return found

    def _value(self, operator: Any, value: Any, context: dict[str, Any]) -> Any:
        self._require_known(value)
        return operator.render_template(value, context, self._environment, set())

    def _require_known(self, value: Any) -> None:
        """Refuse the results of tasks, unless this plan is made in a run, and of mapped tasks always."""
        for upstream, _ in XComArg.iter_xcom_references(value):
            if self._known is None or upstream.is_mapped:
                raise NotYet(f"the result of {upstream.task_id}")


def _new_run(conf: Mapping[str, Any] | None) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    day = now.strftime("%Y-%m-%d")
    run = SimpleNamespace(
        run_id=RUN_ID,
        conf=dict(conf or {}),
        logical_date=now,
        run_type="manual",
        start_date=now,
        run_after=now,
    )
    return {
        "dag_run": run,
        "run_id": RUN_ID,
        "logical_date": now,
        "ds": day,
        "ds_nodash": day.replace("-", ""),
        "ts": now.isoformat(),
        "ts_nodash": now.strftime("%Y%m%dT%H%M%S"),
        "data_interval_start": now,
        "data_interval_end": now,
    }
