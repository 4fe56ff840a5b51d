"""What a task returns about a finished job, and what the next task reads from it."""

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
    """Return what a task returns about a READY job: the fields of its reference, its state and its outputs.

    :param cost: what the purchase cost; a cost that the status reports comes first.
    :param delivery: how its files are delivered, as the purchase reported it.
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
    """What a task's result says about the purchase, besides the reference to the job.

    :param cost: what the purchase cost, if the vendor reported it.
    :param delivery: how the job's files are delivered.
    """

    model_config = ConfigDict(frozen=True)

    cost: dict[str, JsonValue] | None = None
    delivery: Delivery = Delivery()

    @classmethod
    def read(cls, value: Any) -> Bought:
        """Return what an operator's ``job`` argument says about the purchase; a bare id says nothing."""
        value = literal(value)
        if not isinstance(value, Mapping):
            return cls()
        try:
            return cls(cost=value.get("cost"), delivery=Delivery.model_validate(dict(value)))
        # It may come from the user's own code. A cost that can't be read is no reason not to download.
        except ValidationError:
            return cls()

    def fields(self) -> dict[str, JsonValue]:
        """Return what :meth:`read` reads: the same flat fields as in a task's result."""
        return {"cost": self.cost, **self.delivery.fields()}
