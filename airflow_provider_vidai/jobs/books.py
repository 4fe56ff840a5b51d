"""What a vendor's own books say about an account, as far as free calls read it."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from airflow_provider_vidai.jobs.cost import Unit


class Charge(BaseModel):
    """One line of an account's usage history.

    :param product: the vendor's name of what was used; it begins with the model's.
    :param amount: what was charged; negative for what was given back.
    :param visible: whether the balance that is read falls by it.
    :param at: the vendor's moment, as it writes it.
    :param request: the vendor's id of the request, where it states one.
    """

    model_config = ConfigDict(frozen=True)

    product: str
    amount: Decimal
    visible: bool = True
    at: str
    request: str | None = None

    @property
    def key(self) -> str:
        """What distinguishes it from other lines, short enough to be kept with a record."""
        text = "\0".join((self.product, str(self.amount), self.at, self.request or ""))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def of(self, model: str) -> bool:
        """Whether it is for a use of ``model``."""
        return _plain(self.product).startswith(_plain(model))


class Reading(BaseModel):
    """What an account can spend at one moment.

    :param amount: in ``unit``.
    :param hidden: whether purchases are paid with something that ``amount`` does not show.
    :param renewed: whether a part of ``amount`` is an allowance that the vendor fills up at 00:00 UTC.
    :param charges: the lines of the usage history of the last minutes; None where it is not read.
    """

    model_config = ConfigDict(frozen=True)

    amount: Decimal
    unit: Unit
    hidden: bool = False
    renewed: bool = False
    charges: tuple[Charge, ...] | None = None


class Before(BaseModel):
    """What the books said right before a purchase, as its record keeps it.

    :param account: the account's hash.
    :param renewed: see :class:`Reading`.
    :param seen: the keys of the lines that the usage history had by then; None where it is not read.
    """

    model_config = ConfigDict(frozen=True)

    account: str
    amount: Decimal
    unit: Unit
    renewed: bool = False
    seen: tuple[str, ...] | None = None

    @classmethod
    def of(cls, reading: Reading, account: str) -> Before | None:
        """Return what a record keeps; None where the balance would show nothing of a purchase."""
        if reading.hidden:
            return None
        charges = reading.charges
        seen = None if charges is None else tuple(charge.key for charge in charges)
        return cls(
            account=account, amount=reading.amount, unit=reading.unit, renewed=reading.renewed, seen=seen
        )


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
