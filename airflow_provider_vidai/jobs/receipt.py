"""The vendor's answer to a purchase."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.ref import JobRef


class Receipt(BaseModel):
    """The vendor's answer to a purchase; this is what the ledger keeps.

    :param ref: the job that was bought, when the purchase made one.
    :param result: the result itself, when the purchase delivered it at once.
    :param cost: what it cost, if the vendor said so.
    :param vendor_status: the new job's status in the vendor's own word, if the vendor said so.
    :param secret: the sealed URL of the job's file, where only this answer has it.
    """

    model_config = ConfigDict(frozen=True)

    ref: JobRef | None = None
    vendor_status: str | None = None
    result: JsonValue = None
    cost: dict[str, JsonValue] | None = None
    secret: str | None = None

    @property
    def delivery(self) -> Delivery:
        """How the job's files are delivered."""
        return Delivery(sealed_url=self.secret)
