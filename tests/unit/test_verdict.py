"""What the end of the waiting means for the task: its message and its retries."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.errors import MONEY, InputError, JobError, JobFailed, JobGone, JobTimedOut
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.purchase.verdict import account_broken, timed_out, unless_ready

REF = JobRef(vendor="vidio", conn_id="studio", job_id="J1", kind="reel")


@pytest.mark.parametrize("state", [JobState.READY, JobState.RUNNING])
def test_a_job_that_did_not_end_badly_passes(state):
    unless_ready(REF, JobStatus(state=state, vendor_status="word"))


@pytest.mark.parametrize(
    ("charged", "blame", "again"),
    [
        ("refunded", "vendor", True),
        ("no", "unknown", True),
        ("refunded", "policy", False),
        ("no", "input", False),
        ("yes", "vendor", False),
        ("maybe", "unknown", False),
    ],
)
def test_a_failed_job_is_retried_only_where_the_retry_would_buy_it_again(charged, blame, again):
    status = JobStatus(
        state=JobState.FAILED, vendor_status="failed", error="bad footage", charged=charged, blame=blame
    )
    with pytest.raises(JobFailed) as failed:
        unless_ready(REF, status, buyer=True)
    assert failed.value.retryable is again
    assert failed.value.charged == charged
    for text in ("vidio reel J1", "'failed'", "(bad footage)", MONEY[charged]):
        assert text in str(failed.value)
    assert ("A retry buys it again." in str(failed.value)) is again
    assert ("Clear the task" in str(failed.value)) is not again


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.GONE])
def test_who_did_not_buy_a_job_neither_retries_for_its_end_nor_is_advised_to_buy_it(state):
    status = JobStatus(state=state, vendor_status="failed", charged="refunded")
    with pytest.raises(JobError, match="To buy it again, clear the task that bought it") as ended:
        unless_ready(REF, status)
    assert not ended.value.retryable


def test_a_job_that_is_gone_is_not_retried_and_keeps_what_is_known_about_its_charge():
    status = JobStatus(state=JobState.GONE, vendor_status="rendered", error="replaced", charged="yes")
    with pytest.raises(JobGone, match=r"\(replaced\).*Clear the task") as gone:
        unless_ready(REF, status, buyer=True)
    assert (gone.value.retryable, gone.value.charged) == (False, "yes")


@pytest.mark.parametrize("buyer", [True, False])
def test_nobody_is_advised_to_pay_again_for_a_job_that_a_gateway_may_hide(buyer):
    status = JobStatus(state=JobState.GONE, vendor_status="404", error="no Route", believed_for=300.0)
    with pytest.raises(JobGone, match="A retry checks again") as gone:
        unless_ready(REF, status, buyer=buyer)
    assert gone.value.retryable
    assert "lear" not in str(gone.value)
    assert "buy it" not in str(gone.value)


def test_the_fate_of_the_money_is_the_same_in_all_that_is_said_about_one_job():
    gone = JobStatus(state=JobState.GONE, vendor_status="404", proven=False)
    errors = [timed_out(REF, "processing"), account_broken(REF, InputError("HTTP 401."))]
    for status in (gone, gone.model_copy(update={"believed_for": 300.0})):
        with pytest.raises(JobGone) as raised:
            unless_ready(REF, status, buyer=True)
        errors.append(raised.value)
    assert {error.charged for error in errors} == {"yes"}


def test_a_job_whose_last_checks_failed_is_not_said_to_be_running():
    error = str(timed_out(REF, "processing; the last 3 status checks failed: HTTP 500"))
    assert "still running" not in error
    assert "was not seen to end" in error
    assert "the last 3 status checks failed: HTTP 500" in error


def test_without_an_explanation_by_the_vendor_none_is_invented():
    with pytest.raises(JobFailed, match=r"says 'error'\. A retry"):
        unless_ready(REF, JobStatus(state=JobState.FAILED, vendor_status="error"))


def test_at_the_deadline_the_job_goes_on_and_a_retry_waits_for_it():
    error = timed_out(REF, "processing")
    assert isinstance(error, JobTimedOut)
    assert (error.retryable, error.charged) == (True, "yes")
    for text in ("vidio reel J1", "last status: processing", "goes on there", "buys nothing", MONEY["yes"]):
        assert text in str(error)


def test_a_broken_account_keeps_its_job_and_a_retry_waits_for_it():
    error = account_broken(REF, InputError("HTTP 401. Check the API key."))
    assert isinstance(error, JobError)
    assert (error.retryable, error.charged) == (True, "yes")
    for text in ("vidio reel J1", "Check the API key.", "goes on", "buys nothing", MONEY["yes"]):
        assert text in str(error)
