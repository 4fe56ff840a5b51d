"""What a budget is: a limit, what counts against it, and when its window opens again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.purchase.observe import Buyer
from airflow_provider_vidai.purchase.record import Record

#: What a budget is counted by. Each value of each of them has a sum of its own.
Per = Literal["run", "dag", "connection", "vendor", "day", "week", "month"]
WINDOWS: Final = ("day", "week", "month")
#: What a budget can be in.
BudgetUnit = Literal["usd", "jobs", "credits", "minutes", "units"]
#: A name that some purchase can have.
_Name = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Budget(BaseModel):
    """A limit on purchases.

    :param name: budgets of one name and unit share their sums.
    :param limit: in ``unit``.
    :param unit: ``usd``; ``jobs`` (each purchase is one); or a vendor's ``credits``, ``minutes``, ``units``.
    :param per: what has a sum of its own: one of ``run``, ``dag``, ``connection``, ``vendor``, ``day``,
        ``week``, ``month``, or several of them. Empty: one sum forever.
    :param vendor: only purchases of this vendor count; likewise ``connection`` and ``dag``.
    :param timezone: in which days, weeks (from Monday) and months begin.
    :param on_exceed: what happens to a purchase that does not fit: the task fails, or it waits for the next
        window.
    :param warn_at: 0 to 1: the share of the limit from which a warning is logged and ``callback`` is called.
    :param callback: ``module.function``, called with a dict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(default="task", min_length=1)
    limit: float = Field(ge=0)
    unit: BudgetUnit = "usd"
    per: Annotated[tuple[Per, ...], BeforeValidator(_several)] = ()
    vendor: VendorName | None = None
    connection: _Name | None = None
    dag: _Name | None = None
    timezone: str = "UTC"
    on_exceed: Literal["fail", "wait"] = "fail"
    warn_at: float | None = Field(default=None, gt=0, le=1)
    callback: str | None = None

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError("is not the name of a time zone") from None
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Budget:
        windows = [one for one in self.per if one in WINDOWS]
        if len(windows) > 1:
            raise ValueError("per may name only one of day, week and month")
        if self.on_exceed == "wait" and not windows:
            raise ValueError("on_exceed='wait' needs a day, week or month in per")
        if self.unit not in ("usd", "jobs") and self.vendor is None and "vendor" not in self.per:
            raise ValueError(f"{self.unit} of several vendors cannot be added up: name the vendor")
        return self

    def counts(self, buyer: Buyer, record: Record) -> bool:
        """Whether a purchase counts against it."""
        return (
            self.vendor in (None, buyer.vendor)
            and self.connection in (None, record.conn_id)
            and self.dag in (None, buyer.dag_id)
        )

    def amount(self, cost: Cost) -> float | None:
        """Return what a purchase counts for; None where that is not known."""
        return counted(cost, self.unit)

    def scope(self, buyer: Buyer, record: Record, now: datetime) -> tuple[str, ...]:
        """Return the names that distinguish this purchase's sum from the budget's other sums."""
        values = {
            "run": (buyer.dag_id, buyer.run_id),
            "dag": (buyer.dag_id,),
            "connection": (record.conn_id,),
            "vendor": (buyer.vendor,),
        }
        # Amounts of two units cannot be added up. Sums in USD have no unit in their name.
        found = [self.name] if self.unit == "usd" else [self.name, self.unit]
        for one in self.per:
            found += [one, *(values[one] if one in values else (str(self.opened(now).date()),))]
        return tuple(found)

    def opened(self, now: datetime) -> datetime:
        """Return when the window that ``now`` is in began."""
        day = now.astimezone(ZoneInfo(self.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
        if "week" in self.per:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if "month" in self.per else day

    def opens(self, now: datetime) -> datetime:
        """Return when the next window begins."""
        # No month has 32 days, so that many after the first of a month are in the next one.
        longest = {"week": 7, "month": 32}
        days = next((longest[one] for one in self.per if one in longest), 1)
        # Noon of the day is in the next window, whatever the clocks did in between.
        return self.opened(self.opened(now) + timedelta(days=days, hours=12))


def counted(cost: Cost, unit: str) -> float | None:
    """Return what a purchase counts for in a budget of ``unit``; None where that is not known."""
    return 1.0 if unit == "jobs" else cost.in_unit(unit)


def read_budgets(lines: Any, *, what: str) -> list[Budget]:
    """Return budgets from a setting or an argument.

    :param what: where they are from, for messages.
    :raises InputError: naming the field that is wrong.
    """
    given = literal(lines)
    if given is None:
        return []
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"{what} must be a budget or a list of them.")
    found = []
    for number, line in enumerate(given, 1):
        if not isinstance(line, Mapping):
            raise InputError(f"{what}, number {number}, must be a dict.")
        found.append(validated(Budget, line, what=f"{what}, number {number}"))
    return found


def budgets_of(buyer: Buyer, setting: Sequence[Any]) -> list[Budget]:
    """Return the budgets of a task: the deployment's, and its own.

    Those of its own share their sums within the DAG only.

    :raises InputError: when one can't be read.
    """
    common = read_budgets(setting, what="[vidai] budgets")
    names = [one.name for one in common]
    if len({*names}) < len(names):
        raise InputError("[vidai] budgets: each needs a name of its own.")
    own = read_budgets(buyer.budget, what="budget")
    own = [one.model_copy(update={"name": f"{buyer.dag_id}.{one.name}", "dag": buyer.dag_id}) for one in own]
    return [*common, *own]
