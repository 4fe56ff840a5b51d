"""What a task gives to the next one about a finished job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.jobs.text import literal


def job_result(
    ref: JobRef,
    status: JobStatus,
    cost: dict[str, JsonValue] | None = None,
    delivery: Delivery | None = None,
) -> dict[str, JsonValue]:
    """Return what a task gives to the next one about a READY job: the ref's fields and how it ended.

    :param cost: what the purchase cost, unless the status says it better.
    :param delivery: how its files are delivered, as the purchase said it.
    """
    result: dict[str, JsonValue] = {
        **ref.model_dump(mode="json"),
        "state": status.state.value,
        "vendor_status": status.vendor_status,
        "outputs": [output.model_dump(mode="json") for output in status.outputs],
        "cost": status.cost or cost,
    }
    return result if delivery is None else {**result, **delivery.fields()}


class Bought(BaseModel):
    """What a job's dict says besides its ref: what the vendor's answer to the purchase said.

    :param cost: what it cost, if the vendor said so.
    :param delivery: how its files are delivered.
    """

    model_config = ConfigDict(frozen=True)

    cost: dict[str, JsonValue] | None = None
    delivery: Delivery = Delivery()

    @classmethod
    def read(cls, value: Any) -> Bought:
        """Return what an operator's ``job`` argument says; a bare id says nothing."""
        value = literal(value)
        if not isinstance(value, Mapping):
            return cls()
        try:
            return cls(cost=value.get("cost"), delivery=Delivery.model_validate(dict(value)))
        except ValidationError:
            return cls()

    def fields(self) -> dict[str, JsonValue]:
        """Return what :meth:`read` reads: the same flat fields as in a task's result."""
        return {"cost": self.cost, **self.delivery.fields()}
