"""Buy or re-attach: the table, cell by cell, written out here a second time."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.decide import (
    TABLE,
    Action,
    Found,
    Occasion,
    Policy,
    decide,
    found,
    may_buy_again,
    occasion,
)
from airflow_provider_vidai.purchase.record import Record

REF = JobRef(vendor="vidio", conn_id="studio", job_id="J1", kind="reel")
BUY, ATTACH, REUSE, STOP, LATER = Action.BUY, Action.ATTACH, Action.REUSE, Action.STOP, Action.LATER
RETRY, SAME, OTHER = Occasion.RETRY, Occasion.CLEARED, Occasion.CLEARED_OTHER


def record(**changes: object) -> Record:
    values = {"phase": "bought", "fingerprint": "f", "try_number": 1, "max_tries": 2, "intended_at": 0.0}
    return Record(**{**values, "receipt": Receipt(ref=REF), **changes})


def status(state: JobState, **more: object) -> JobStatus:
    return JobStatus(state=state, vendor_status="word", **more)


def policies(lost: str | None = None, clear: str | None = None) -> list[Policy]:
    """Return all policies, or those that ask for the given."""
    return [
        Policy(one, other)
        for one, other in itertools.product(("fail", "resubmit"), ("fresh", "reuse"))
        if lost in (None, one) and clear in (None, other)
    ]


DONE, BOUGHT, INTENT = record(phase="done"), record(), record(phase="intent", receipt=None)
REFUNDED = status(JobState.FAILED, charged="refunded", blame="vendor")

# found, occasion, the policies it holds for, record, status -> action
CELLS = [
    # nothing on record
    *((Found.NONE, why, policies(), None, None, BUY) for why in Occasion),
    # an intent that never learnt its outcome
    (Found.INTENT, RETRY, policies(lost="fail"), INTENT, None, STOP),
    (Found.INTENT, RETRY, policies(lost="resubmit"), INTENT, None, BUY),
    (Found.INTENT, SAME, policies(), INTENT, None, BUY),
    (Found.INTENT, OTHER, policies(), INTENT, None, BUY),
    # running
    *(
        (Found.RUNNING, why, policies(), kept, status(JobState.RUNNING), action)
        for kept in (BOUGHT, DONE)
        for why, action in ((RETRY, ATTACH), (SAME, ATTACH), (OTHER, BUY))
    ),
    # ready
    *((Found.READY, RETRY, policies(), kept, status(JobState.READY), REUSE) for kept in (BOUGHT, DONE)),
    (Found.READY, SAME, policies(clear="fresh"), DONE, status(JobState.READY), BUY),
    (Found.READY, SAME, policies(clear="reuse"), DONE, status(JobState.READY), REUSE),
    (Found.READY, SAME, policies(), BOUGHT, status(JobState.READY), REUSE),
    *((Found.READY, OTHER, policies(), kept, status(JobState.READY), BUY) for kept in (BOUGHT, DONE)),
    # failed
    *(
        (Found.FAILED, RETRY, policies(), kept, status(JobState.FAILED, charged=charged, blame=blame), action)
        for kept in (BOUGHT, DONE)
        for charged, blame, action in (
            ("no", "vendor", BUY),
            ("no", "unknown", BUY),
            ("refunded", "vendor", BUY),
            ("refunded", "unknown", BUY),
            ("no", "input", STOP),
            ("no", "policy", STOP),
            ("refunded", "input", STOP),
            ("refunded", "policy", STOP),
            *(
                (charged, blame, STOP)
                for charged in ("yes", "maybe")
                for blame in ("vendor", "unknown", "input", "policy")
            ),
        )
    ),
    *((Found.FAILED, why, policies(), BOUGHT, REFUNDED, BUY) for why in (SAME, OTHER)),
    *(
        (Found.FAILED, why, policies(), BOUGHT, status(JobState.FAILED, charged="yes"), BUY)
        for why in (SAME, OTHER)
    ),
    # gone
    *(
        (Found.GONE, why, policies(), kept, status(JobState.GONE), action)
        for kept in (BOUGHT, DONE)
        for why, action in ((RETRY, STOP), (SAME, BUY), (OTHER, BUY))
    ),
    # the vendor does not answer
    *(
        (Found.UNREADABLE, why, policies(), kept, None, action)
        for kept in (BOUGHT, DONE)
        for why, action in ((RETRY, ATTACH), (SAME, LATER), (OTHER, BUY))
    ),
]


def _name(cell: tuple) -> str:
    what, why, asked, kept, seen, action = cell
    phase = kept.phase if kept else "no record"
    money = f"-{seen.charged}-{seen.blame}" if seen and seen.state is JobState.FAILED else ""
    return f"{what.name}-{why.name}-{phase}{money}-{len(asked)} policies-{action.name}"


@pytest.mark.parametrize(("what", "why", "asked", "kept", "seen", "action"), CELLS, ids=map(_name, CELLS))
def test_the_decision_is_the_one_that_is_promised(what, why, asked, kept, seen, action):
    for policy in asked:
        assert decide(what, why, policy, kept, seen) is action, policy


def test_every_cell_of_the_table_is_tested_here_and_there_are_no_others():
    assert {(what, why) for what, why, *_ in CELLS} == set(itertools.product(Found, Occasion))
    assert set(TABLE) == set(Found)
    assert all(len(row) == len(Occasion) for row in TABLE.values())


@pytest.mark.parametrize("what", [Found.RUNNING, Found.READY, Found.UNREADABLE, Found.GONE])
def test_an_automatic_retry_buys_nothing_while_there_is_a_job_that_was_paid_for(what):
    for policy in policies():
        for kept in (BOUGHT, DONE):
            assert decide(what, RETRY, policy, kept, None) is not BUY


def test_without_the_facts_a_retry_does_not_buy():
    for policy in policies():
        assert decide(Found.FAILED, RETRY, policy) is STOP
        assert decide(Found.READY, SAME, policy) is REUSE


def test_nothing_is_bought_twice_unless_it_was_asked_for():
    assert Policy() == Policy(on_lost_submit="fail", on_clear="fresh")


@pytest.mark.parametrize("charged", ["no", "refunded", "yes", "maybe"])
@pytest.mark.parametrize("blame", ["input", "policy", "vendor", "unknown"])
def test_only_a_failure_that_cost_nothing_and_could_go_well_is_bought_again(charged, blame):
    free = charged in {"no", "refunded"}
    blameless = blame in {"vendor", "unknown"}
    assert may_buy_again(status(JobState.FAILED, charged=charged, blame=blame)) == (free and blameless)


# --- telling a Clear from a retry -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_tries", "fingerprint", "why"),
    [
        (2, "f", RETRY),
        (2, "changed", RETRY),
        (1, "f", RETRY),
        (0, "changed", RETRY),
        (3, "f", SAME),
        (9, "f", SAME),
        (3, "changed", OTHER),
    ],
)
def test_only_a_clear_makes_max_tries_grow(max_tries, fingerprint, why):
    assert occasion(record(max_tries=2), fingerprints=(fingerprint,), max_tries=max_tries) is why


# --- naming what is there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "seen", "what"),
    [
        (None, None, Found.NONE),
        (INTENT, None, Found.INTENT),
        (INTENT, status(JobState.READY), Found.INTENT),
        (BOUGHT, None, Found.UNREADABLE),
        (DONE, None, Found.UNREADABLE),
        (BOUGHT, status(JobState.RUNNING), Found.RUNNING),
        (BOUGHT, status(JobState.READY), Found.READY),
        (BOUGHT, status(JobState.FAILED), Found.FAILED),
        (BOUGHT, status(JobState.GONE), Found.GONE),
        (record(receipt=Receipt(result={"text": "a"})), None, Found.READY),
    ],
)
def test_what_is_found_has_a_name(kept, seen, what):
    assert found(kept, seen) is what


def test_every_state_of_a_job_can_be_found():
    assert {found(BOUGHT, status(state)) for state in JobState} == {
        Found.RUNNING,
        Found.READY,
        Found.FAILED,
        Found.GONE,
    }


# --- the table as it is printed -------------------------------------------------------------------


def test_the_documented_table_says_when_a_cell_depends_on_something():
    printed = {what: tuple(str(cell) for cell in row) for what, row in TABLE.items()}
    assert printed[Found.NONE] == ("BUY", "BUY", "BUY")
    assert printed[Found.INTENT][0] == "on_lost_submit='resubmit': BUY, else STOP"
    assert printed[Found.READY][1] == "the task had finished, and on_clear='fresh': BUY, else REUSE"
    assert printed[Found.FAILED][0] == (
        "not charged or refunded, and not the input's or policy's fault: BUY, else STOP"
    )
