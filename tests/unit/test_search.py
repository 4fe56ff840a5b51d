"""What the vendor's own books prove about a purchase whose answer was lost."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_vidai.jobs.books import Charge
from airflow_provider_vidai.purchase.lost import Lost
from airflow_provider_vidai.purchase.record import Record
from airflow_provider_vidai.purchase.search import STILL_READINGS, Beside, Evidence, judge

ALONE = Evidence(
    before=Decimal(100),
    now=Decimal(100),
    lowest=Decimal(100),
    readings=STILL_READINGS,
    unit="credits",
    beside=(),
    price=Decimal(6),
    model="m",
    sole=True,
)
RUNS_BESIDE = Beside(Decimal(6), "m", later=True, bought=True)
ENDED_BESIDE = replace(RUNS_BESIDE, final=True)
BOUGHT_BEFORE = Beside(Decimal(6), "m", bought=True)
FELL: Any = {"now": Decimal(94), "lowest": Decimal(94)}
HISTORY: Any = {"sole": False, "beside": None, "charges": ()}
CHARGE = Charge(product="m-video-unit", amount=Decimal(6), at="2026-11-28T10:00:00Z", request="r1")
OTHER_CHARGE = CHARGE.model_copy(update={"product": "n-video-unit", "request": "r2"})

CASES = {
    "nothing came off": ({}, "not_bought"),
    "nothing came off, and the price is not known": ({"price": None}, "not_bought"),
    "its price came off": (FELL, "bought"),
    "its price came off later": ({**FELL, "moved": True}, "unknown"),
    "something came off, and the price is not known": ({**FELL, "price": None}, "unknown"),
    "something else came off": ({"now": Decimal(90), "lowest": Decimal(90)}, "unknown"),
    "topped up": ({"now": Decimal(1000)}, "unknown"),
    "fell and was topped up by as much": ({"lowest": Decimal(94)}, "unknown"),
    "not still for long enough": ({"readings": 1}, "wait"),
    "no time to see whether it is still": ({"readings": 1, "last": True}, "unknown"),
    "paid with what no balance shows": ({"hidden": True}, "unknown"),
    "an allowance was renewed": ({"renewed": True}, "unknown"),
    "an allowance was renewed, and something came off": ({**FELL, "renewed": True}, "unknown"),
    "history: an allowance was renewed": ({**HISTORY, "renewed": True}, "unknown"),
    "no book of the other purchases": ({"beside": None}, "unknown"),
    "others may buy": ({"sole": False}, "unknown"),
    "others may buy, and something came off": ({**FELL, "sole": False}, "unknown"),
    "another one runs, whose price came off": ({**FELL, "beside": (RUNS_BESIDE,)}, "wait"),
    "no time to see how that ends": ({**FELL, "beside": (RUNS_BESIDE,), "last": True}, "unknown"),
    "another one ended well, whose price came off": ({**FELL, "beside": (ENDED_BESIDE,)}, "not_bought"),
    "both prices came off": (
        {"now": Decimal(88), "lowest": Decimal(88), "beside": (ENDED_BESIDE,)},
        "bought",
    ),
    "an earlier one may be refunded": ({"beside": (BOUGHT_BEFORE,)}, "wait"),
    "another one, of unknown price, ended": ({"beside": (replace(ENDED_BESIDE, cost=None),)}, "unknown"),
    "another one was lost too, and nothing came off": (
        {"beside": (Beside(Decimal(6), "m", later=True),)},
        "not_bought",
    ),
    "another one was lost too, and one price came off": (
        {**FELL, "beside": (Beside(Decimal(6), "m", later=True),), "last": True},
        "unknown",
    ),
    "history: nothing": (HISTORY, "not_bought"),
    "history: somebody else bought another model": (
        {**HISTORY, **FELL, "charges": (OTHER_CHARGE,)},
        "not_bought",
    ),
    "history: a charge of the model": ({**HISTORY, **FELL, "charges": (CHARGE,)}, "unknown"),
    "history: a charge of the model, and nobody else buys": (
        {**FELL, "charges": (CHARGE,)},
        "bought",
    ),
    "history: a charge of the model that came later": (
        {**FELL, "charges": (CHARGE,), "moved": True},
        "unknown",
    ),
    "history: the charge is another task's": (
        {**HISTORY, **FELL, "beside": (RUNS_BESIDE,), "charges": (CHARGE,)},
        "not_bought",
    ),
    "history: the balance fell without a charge": ({**HISTORY, **FELL}, "wait"),
    "history: a charge, and the balance did not fall": ({**HISTORY, "charges": (OTHER_CHARGE,)}, "wait"),
    "history: paid with bundled credits": (
        {**HISTORY, "charges": (CHARGE.model_copy(update={"visible": False}),)},
        "unknown",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(case: str) -> None:
    changes, verdict = CASES[case]
    found = judge(replace(ALONE, **changes))
    assert found.verdict == verdict, found.text


def test_no_course_of_events_leads_to_a_wrong_answer() -> None:
    """Whatever others on record do, a purchase that was made is never taken for one that was not."""
    chance, verdicts = random.Random(8), set()
    for _ in range(20_000):
        price = Decimal(chance.choice([3, 6, 12]))
        others, now = [], Decimal(100)
        for _ in range(chance.randrange(4)):
            cost = Decimal(chance.choice([3, 6, 12]))
            later, bought = chance.random() < 0.6, chance.random() < 0.8
            refunded = bought and chance.random() < 0.3
            known = bought and chance.random() < 0.7
            final = known and not refunded and chance.random() < 0.8
            now += (0 if not bought or not later else -cost) + (cost if refunded else 0)
            others.append(Beside(cost, "m", later=later, bought=known, final=final))
        made = chance.random() < 0.5
        now -= price if made else 0
        lowest = min(now, Decimal(100))
        verdict = judge(
            replace(
                ALONE,
                now=now,
                lowest=lowest,
                moved=chance.random() < 0.5,
                price=chance.choice([price, None]),
                beside=tuple(others),
                last=chance.random() < 0.5,
            )
        ).verdict
        assert (verdict, made) not in {("not_bought", True), ("bought", False)}, others
        verdicts.add((verdict, made))
    assert {("bought", True), ("not_bought", False)} <= verdicts


@pytest.mark.parametrize(
    ("sent", "now", "renews"),
    [
        ("12:00:00", "12:10:00", False),
        ("23:58:00", "23:58:50", False),
        ("23:58:00", "23:59:30", True),  # by the vendor's clock it may be midnight
        ("23:58:00", "24:02:00", True),
        ("24:00:30", "24:05:00", True),
        ("24:02:00", "24:05:00", False),
    ],
)
def test_an_allowance_may_have_been_renewed_once_midnight_may_have_passed(
    sent: str, now: str, renews: bool
) -> None:
    def moment(text: str) -> float:
        hours, minutes, seconds = map(int, text.split(":"))
        return 1_795_910_400.0 + hours * 3600 + minutes * 60 + seconds

    record = Record(phase="intent", fingerprint="", try_number=1, max_tries=0, intended_at=moment(sent))
    unused: Any = None
    lost = Lost("V", unused, unused, unused, resubmit=False, until=0, clock=lambda: moment(now), sleep=unused)
    assert lost._midnight_since(record) is renews


def test_a_charge_belongs_to_the_model_whose_name_it_begins_with() -> None:
    charge = CHARGE.model_copy(update={"product": "wan-2-6-text-video-unit"})
    assert charge.of("wan-2.6-text")
    assert not charge.of("wan-2.6-image")
    assert charge.key != CHARGE.key
