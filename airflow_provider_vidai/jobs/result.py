"""What a task returns about a finished job, and what the next task reads from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.jobs.text import literal


def job_result(
    ref: JobRef,
    status: JobStatus,
    cost: dict[str, JsonValue] | None = None,
    sealed_url: str | None = None,
) -> dict[str, JsonValue]:
    """Return what a task returns about a READY job: the fields of its reference, its state and its outputs.

    :param sealed_url: the sealed URL of its file, if the URL came only with the purchase.
    """
    result: dict[str, JsonValue] = {
        **ref.model_dump(mode="json"),
        "state": status.state.value,
        "vendor_status": status.vendor_status,
        "outputs": [output.model_dump(mode="json") for output in status.outputs],
        "cost": status.cost or cost,
    }
    return result if sealed_url is None else {**result, "sealed_url": sealed_url}


class Bought(BaseModel):
    """What a task's result says about the purchase, besides the reference to the job.

    :param cost: what the purchase cost, if the vendor reported it.
    :param sealed_url: the sealed URL of the job's file, if the URL came only with the purchase.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    cost: dict[str, JsonValue] | None = None
    sealed_url: str | None = None

    @classmethod
    def read(cls, value: Any) -> Bought:
        """Return what an operator's ``job`` argument says about the purchase; a bare id says nothing."""
        value = literal(value)
        try:
            return cls.model_validate(dict(value) if isinstance(value, Mapping) else {})
        # It may come from the user's own code. A cost that can't be read is no reason not to download.
        except ValidationError:
            return cls()
