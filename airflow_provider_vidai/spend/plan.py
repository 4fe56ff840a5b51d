"""What a run would buy, and what that would cost, before it buys anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from airflow_provider_vidai.arguments import truth
from airflow_provider_vidai.errors import InputError, VidaiError
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.operators.vizard import VizardPublishOperator
from airflow_provider_vidai.spend.foresee import price_fields, stated
from airflow_provider_vidai.spend.rendering import Rendered, Renderer

__all__ = ["Plan", "PlanLine", "plan_of_dag", "plan_of_run"]

#: ``exact``: all arguments are known, and the vendor states the price. ``estimated``: the price is from the
#: price list, or an argument on which it does not depend is not known yet. ``unknown``: ``reason`` says why.
Certainty = Literal["exact", "estimated", "unknown"]


class PlanLine(BaseModel):
    """Equal purchases of one task.

    :param count: how many there are; None where only the run will know it.
    :param amount: of each, in ``unit``.
    :param usd: each one's price in USD, where that is known.
    :param reason: why something is not known.
    """

    model_config = ConfigDict(frozen=True)

    task_id: str
    vendor: str
    kind: str
    model: str | None = None
    count: int | None = 1
    amount: float | None = None
    unit: str | None = None
    usd: float | None = None
    certainty: Certainty
    reason: str | None = None

    @property
    def total_usd(self) -> Decimal | None:
        """The price of all of them in USD; None where it is not known."""
        if self.usd is None or self.count is None:
            return None
        return Decimal(str(self.usd)) * self.count


class Plan(BaseModel):
    """What a run would buy, if every task ran, and none failed."""

    model_config = ConfigDict(frozen=True)

    dag_id: str
    lines: tuple[PlanLine, ...]

    @property
    def usd(self) -> float:
        """The sum in USD, as far as it is known."""
        return float(sum((line.total_usd or Decimal(0) for line in self.lines), Decimal(0)))

    @property
    def unknown(self) -> int:
        """How many lines are in no sum."""
        return sum(line.total_usd is None for line in self.lines)

    @property
    def certainty(self) -> Certainty:
        """The certainty of the sum: ``unknown`` where a line has no known price in USD."""
        found = {line.certainty for line in self.lines}
        if self.unknown:
            return "unknown"
        return "estimated" if "estimated" in found else "exact"

    def fields(self) -> dict[str, Any]:
        """Return the plan as JSON, for an XCom or another program."""
        sums = {"usd": self.usd, "unknown": self.unknown, "certainty": self.certainty}
        return {**self.model_dump(mode="json"), **sums, "text": self.text()}

    def text(self) -> str:
        """Return the plan as a Markdown table, for a person who approves it."""
        rows = ["| Task | What | How many | USD each | USD | |", "|--|--|--|--|--|--|"]
        for line in self.lines:
            what = f"{line.vendor} {line.model or line.kind}"
            why = line.certainty + (f": {line.reason}" if line.reason else "")
            count = "?" if line.count is None else str(line.count)
            cells = (line.task_id, what, count, _usd(line.usd), _usd(line.total_usd), why)
            rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        return "\n".join([*rows, "", self.summary()])

    def summary(self) -> str:
        """Return the sum as a sentence."""
        if not self.lines:
            return "This DAG has no task of a paid operator."
        if self.unknown:
            without = f"{self.unknown} of {len(self.lines)} lines have no known price in USD"
            return f"As far as it is known: {self.usd:.2f} USD; {without}."
        return f"In all: {self.usd:.2f} USD ({self.certainty})."


class _Price(NamedTuple):
    certainty: Certainty
    cost: Cost
    reason: str | None


class _Planner:
    """Prices the tasks of one run. Equal requests are quoted once."""

    def __init__(self) -> None:
        self._quotes: dict[tuple[Any, ...], tuple[Cost, bool]] = {}

    def lines(self, task: Any, renderer: Renderer) -> list[PlanLine]:
        """Return the lines of one task."""
        items, complete = renderer.items(task)
        found = Counter(self._line(item) for item in items if not _is_dry_run(item.operator))
        if complete:
            return [line.model_copy(update={"count": count}) for line, count in found.items()]
        many = "how many there are is known only in the run"
        return [
            line.model_copy(
                update={
                    "count": None,
                    "certainty": "unknown",
                    "reason": f"{many}; {line.reason}" if line.reason else many,
                }
            )
            for line in found
        ]

    def _line(self, item: Rendered) -> PlanLine:
        operator = item.operator
        certainty, cost, reason = self._price(item)
        model = getattr(operator, "model", None)
        return PlanLine(
            task_id=operator.task_id,
            vendor=operator.hook_class.vendor_name,
            kind=operator.kinds[0],
            model=model if isinstance(model, str) else None,
            amount=cost.amount,
            unit=cost.unit,
            usd=cost.usd,
            certainty=certainty,
            reason=reason,
        )

    def _price(self, item: Rendered) -> _Price:
        operator, unknown = item.operator, item.unknown
        needed = sorted(unknown.keys() & {*price_fields(operator)})
        if needed:
            return _Price("unknown", Cost(), f"{needed[0]} needs {unknown[needed[0]]}")
        try:
            cost, by_vendor = self._cost(operator, whole=not unknown)
        except VidaiError as error:
            return _Price("unknown", Cost(), f"the task would fail: {error.what}".rstrip("."))
        except Exception as error:  # noqa: BLE001 - a connection that is missing raises Airflow's own error
            return _Price("unknown", Cost(), f"{type(error).__name__}: {error}".partition("\n")[0][:200])
        if not cost.known:
            return _Price("unknown", cost, cost.reason)
        if unknown:
            name = sorted(unknown)[0]
            return _Price("estimated", cost, f"{name} needs {unknown[name]}")
        if not by_vendor:
            return _Price("estimated", cost, "by your price list")
        reason = f"no price in USD for {cost.unit} in [vidai] prices" if cost.usd is None else None
        return _Price("exact", cost, reason)

    def _cost(self, operator: PaidOperator[Any], *, whole: bool) -> tuple[Cost, bool]:
        """Return a price, and whether the vendor states it."""
        if whole:
            operator.required()
            operator.hook.account  # noqa: B018 - a connection that is missing or has no key shows here
        # As text, because lists and dicts cannot be parts of a key.
        asked = [
            (name, repr(operator.given(name)))
            for name in sorted(price_fields(operator))
            if hasattr(operator, name)
        ]
        key = (type(operator), operator.conn_id(), whole, *asked)
        if key not in self._quotes:
            said = stated(operator, whole)
            self._quotes[key] = operator.expected(said), Cost.of(said).known
        return self._quotes[key]


def plan_of_dag(dag: Any, conf: Mapping[str, Any] | None = None) -> Plan:
    """Return what a run of a DAG with ``conf`` would buy.

    Nothing is bought or uploaded; the only calls are Venice's catalogue and its free quote.

    :raises InputError: when the params are wrong.
    """
    return _plan(dag, Renderer(dag, conf, None))


def plan_of_run(context: Mapping[str, Any]) -> Plan:
    """Return what the run of a task buys, for a DAG's own approval step.

    What finished tasks returned counts as known. See :func:`plan_of_dag`.

    :param context: of a task of the run.
    """
    dag = context["dag"]
    return _plan(dag, Renderer(dag, context["dag_run"].conf, context))


def _plan(dag: Any, renderer: Renderer) -> Plan:
    planner = _Planner()
    paid = (
        (task for task in dag.topological_sort() if _is_paid(task))
        if hasattr(dag, "topological_sort")
        else ()
    )
    return Plan(
        dag_id=dag.dag_id, lines=tuple(line for task in paid for line in planner.lines(task, renderer))
    )


def _is_paid(task: Any) -> bool:
    kind = getattr(task, "operator_class", type(task))
    return isinstance(kind, type) and issubclass(kind, PaidOperator)


def _is_dry_run(operator: Any) -> bool:
    try:
        return isinstance(operator, VizardPublishOperator) and truth("dry_run", operator.dry_run)
    except InputError:
        return False


def _usd(amount: float | Decimal | None) -> str:
    return "?" if amount is None else f"{amount:.2f}"
