"""Was a purchase made whose answer was lost? Decided from the vendor's own books; no I/O, no clock.

A purchase lowers the balance at once. So a balance that is as high as it can be without the purchase proves
that it was not made, whatever it costs. How high that is depends on what else the account bought, and on
what was given back. Whatever is not explained leaves the question open: a person who buys outside of this
package lowers the balance, and one who tops it up raises it, and neither leads to a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from airflow_provider_vidai.jobs.books import Charge

#: How often in a row the books must say the same, in readings :data:`~.timing.SEARCH_STEP_SECONDS` apart.
STILL_READINGS: Final = 3
#: Amounts that differ by less than this are equal; no vendor sells anything for so little.
_EQUAL: Final = Decimal("0.001")

Verdict = Literal["bought", "not_bought", "unknown", "wait"]


@dataclass(frozen=True)
class Finding:
    """What a search found out.

    :param text: why, in a sentence for a person; it may be empty.
    """

    verdict: Verdict
    text: str = ""


@dataclass(frozen=True)
class Beside:
    """Another purchase on the same account, as the book of purchases knows it.

    :param cost: in the unit of the balance; None where that is not known.
    :param later: whether it was certainly sent after the balance had been read for the first time.
    :param bought: whether the vendor has confirmed it.
    :param final: whether its job has ended and stays charged, so that nothing is given back any more.
    """

    cost: Decimal | None
    model: str | None = None
    later: bool = False
    bought: bool = False
    final: bool = False

    @property
    def most(self) -> Decimal | None:
        """By how much it can have raised the balance at most; None where that is not known."""
        if self.later:
            # What it cost can have been given back, but no more than that.
            spent = self.bought and self.final
            return (None if self.cost is None else -self.cost) if spent else Decimal(0)
        return Decimal(0) if self.final else self.cost


@dataclass(frozen=True)
class Evidence:
    """What is known about a purchase whose answer was lost.

    :param before: the balance right before the purchase was sent; ``now``: the one of this moment;
        ``lowest``: the lowest that was read in between.
    :param readings: how often in a row the balance was as it is now.
    :param moved: whether it was another one after the answer was lost.
    :param hidden: whether purchases are paid with something that the balance does not show.
    :param renewed: whether the vendor may have filled up a daily allowance since the purchase.
    :param beside: the account's other purchases; None where they are not known.
    :param price: what the purchase costs, where that is known.
    :param charges: what is new in the account's usage history since the purchase; None without a history.
    :param sole: whether nobody else buys on the account, as the connection says.
    :param last: whether no time is left to search again.
    """

    before: Decimal
    now: Decimal
    lowest: Decimal
    readings: int
    unit: str
    moved: bool = False
    hidden: bool = False
    renewed: bool = False
    beside: Sequence[Beside] | None = None
    price: Decimal | None = None
    model: str | None = None
    charges: Sequence[Charge] | None = None
    sole: bool = False
    last: bool = False


def judge(evidence: Evidence) -> Finding:
    """Return what the evidence proves."""
    if evidence.hidden:
        return Finding("unknown", "The account pays with credits that its balance does not show.")
    if evidence.renewed:
        # A full allowance from which the purchase was taken is as full as before.
        return Finding("unknown", "The account's daily allowance was renewed meanwhile.")
    if evidence.readings < STILL_READINGS and not evidence.last:
        return Finding("wait")
    found = _by_history(evidence) if evidence.charges is not None else _by_balance(evidence)
    if evidence.readings < STILL_READINGS:
        return Finding("unknown", found.text if found.verdict in ("unknown", "wait") else "")
    if found.verdict == "wait" and evidence.last:
        return Finding("unknown", found.text)
    return found


def _by_balance(evidence: Evidence) -> Finding:
    """Judge by the balance and by the book of purchases alone."""
    beside = evidence.beside
    if beside is None:
        return Finding("unknown", "It is not known what else the account bought.")
    if not evidence.sole:
        return Finding("unknown", "The connection does not say that nobody else buys on the account.")
    highest = _highest(evidence.before, (one.most for one in beside))
    if highest is None:
        return Finding("unknown", "It is not known what the account's other purchases cost.")
    # A balance that was lower in between may have had this purchase taken off and given back.
    if _same(evidence.now, highest) and evidence.lowest > highest - _EQUAL:
        less = ", less what other purchases cost" if any(one.most for one in beside) else ""
        return Finding("not_bought", f"The balance is still {_amount(evidence.now, evidence.unit)}{less}.")
    if evidence.now > highest:
        return Finding("unknown", "The balance rose meanwhile, so it shows nothing.")
    fall = _amount(highest - evidence.now, evidence.unit)
    text = f"The balance fell by {fall}, which may be this purchase."
    if any(not one.final for one in beside):
        return Finding("wait", text)
    if _at_once(evidence) and evidence.price is not None and _same(evidence.now, highest - evidence.price):
        return Finding("bought", f"The balance fell by {fall}, which is its price.")
    return Finding("unknown", text)


def _by_history(evidence: Evidence) -> Finding:
    """Judge by the usage history, which has the purchases of everybody on the account.

    The balance must agree with it: a charge that is entered late would show in the balance first.
    """
    charges, beside = evidence.charges or (), evidence.beside or ()
    highest = _highest(evidence.before, (-one.amount for one in charges if one.visible))
    if highest is None or not _same(evidence.now, highest):
        return Finding("wait", "The account's usage history and its balance do not agree.")
    ours = [one for one in charges if not evidence.model or one.of(evidence.model)]
    others = [one for one in beside if one.later and one.model == evidence.model]
    # Then each new charge for this model belongs to another purchase on record.
    if len(ours) <= sum(one.bought for one in others):
        return Finding(
            "not_bought", "The account's usage history has no such charge, and its balance agrees."
        )
    newest = ours[-1]
    named = f", request {newest.request}" if newest.request else ""
    text = (
        f"The usage history has a charge of {_amount(newest.amount, evidence.unit)} for {newest.product} "
        f"({newest.at}{named}) that no other purchase on record explains."
    )
    known = evidence.beside is not None and all(one.bought for one in others)
    alone = evidence.sole and known and _at_once(evidence)
    priced = evidence.price is not None and all(_same(one.amount, evidence.price) for one in ours)
    return Finding("bought" if alone and priced and len(ours) == 1 + len(others) else "unknown", text)


def _at_once(evidence: Evidence) -> bool:
    """Whether nothing came off later that is on nobody's record."""
    # A purchase is charged before it is answered. What came off later is somebody else's, at least in part.
    return not evidence.moved or any(one.later for one in evidence.beside or ())


def _highest(before: Decimal, changes: Iterable[Decimal | None]) -> Decimal | None:
    highest = before
    for change in changes:
        if change is None:
            return None
        highest += change
    return highest


def _same(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) < _EQUAL


def _amount(amount: Decimal, unit: str) -> str:
    return f"{float(amount):g} {unit.upper() if unit == 'usd' else unit}"
