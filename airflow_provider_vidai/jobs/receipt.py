"""The vendor's answer to a purchase."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.jobs.ref import JobRef


class Receipt(BaseModel):
    """The vendor's answer to a purchase; this is what the ledger keeps.

    :param ref: the job that was bought, when the purchase made one.
    :param result: the result itself, when the purchase delivered it at once.
    :param cost: what it cost, if told.
    :param vendor_status: the vendor's word for how the new job stands, if told.
    :param secret: a sealed secret that came only with this answer.
    """

    model_config = ConfigDict(frozen=True)

    ref: JobRef | None = None
    vendor_status: str | None = None
    result: JsonValue = None
    cost: dict[str, JsonValue] | None = None
    secret: str | None = None
