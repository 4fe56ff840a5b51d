"""The vendor's answer to a purchase."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.ref import JobRef


class Receipt(BaseModel):
    """The vendor's answer to a purchase. The ledger stores it.

    :param ref: the job that was bought, if the purchase started one.
    :param result: the result itself, if the purchase delivered it at once.
    :param cost: what the purchase cost: what the vendor states, and the fields of
        :class:`~airflow_provider_vidai.jobs.cost.Cost`.
    :param vendor_status: the vendor's own word for the status of the new job, if it reports one.
    :param secret: the sealed URL of the job's file, if only this answer has it.
    """

    model_config = ConfigDict(frozen=True)

    ref: JobRef | None = None
    vendor_status: str | None = None
    result: JsonValue = None
    cost: dict[str, JsonValue] | None = None
    secret: str | None = None

    def called(self, title: str | None) -> Receipt:
        """Return the receipt with a title for its job, unless the job has one."""
        if self.ref is None or self.ref.title or not title:
            return self
        return self.model_copy(update={"ref": self.ref.model_copy(update={"title": title})})

    @property
    def known_cost(self) -> dict[str, JsonValue] | None:
        """What the purchase cost; None where no amount is known."""
        return self.cost if Cost.of(self.cost).known else None

    @property
    def delivery(self) -> Delivery:
        """How the job's files are delivered."""
        return Delivery(sealed_url=self.secret)
