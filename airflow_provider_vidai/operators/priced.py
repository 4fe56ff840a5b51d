"""What a purchase costs: as the vendor states it, completed from the user's price list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.prices import Price, priced, read_prices
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.operators.settings import json_setting
from airflow_provider_vidai.operators.vendor import HookT, VendorOperator
from airflow_provider_vidai.vendors import VENDORS

__all__ = ["PricedOperator"]


class PricedOperator(VendorOperator[HookT]):
    """An operator whose purchases have a price."""

    #: What this operator buys, in the vendor's terms. A record of another kind belongs to another operator.
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._prices: tuple[Price, ...] | None = None

    def read_prices(self) -> None:
        """Read the price list, whose errors must come before the money is spent.

        :raises InputError: when it can't be read.
        """
        self._prices = read_prices(json_setting("prices"))

    def expected(self, stated: Mapping[str, JsonValue] | None) -> Cost:
        """Return what a purchase would cost, before it is made.

        :param stated: what the vendor states about it.
        :raises InputError: when the price list can't be read.
        """
        self.read_prices()
        return Cost.of(self.priced(stated))

    def priced(self, stated: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """Return what the vendor states about the cost, completed from the price list."""
        if self._prices is None:
            try:
                self.read_prices()
            except InputError as error:  # what is bought already is not lost for it
                self.log.warning("The cost is not completed from the price list: %s", error)
                self._prices = ()
        # Not through the hook: a plan asks before the job that some hooks need is known.
        vendor = VENDORS[self.hook_class.vendor_name]
        cost = priced(
            stated,
            self._prices or (),
            vendor=vendor.name,
            kind=self.kinds[0],
            model=self.model_name(),
            worth=vendor.worth,
            unknown=vendor.unpriced,
        )
        return cost.fields(stated)

    def model_name(self) -> str | None:
        """Return the model that is asked for; None where there is none."""
        model = getattr(self, "model", None)
        return model if isinstance(model, str) else None

    def show_cost(self, context: Context, receipt: Receipt) -> None:
        """Push what the purchase cost, if it is known."""
        if receipt.known_cost is not None:
            context["ti"].xcom_push(key="cost", value=receipt.known_cost)
