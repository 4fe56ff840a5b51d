"""A paid job is given up only in the vendor's own words, or when it is not found for minutes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import ApiError, JobGone
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.vendors import VENDORS

REFS = {
    "vidio": JobRef(vendor="vidio", conn_id="c", job_id="J1", kind="reel"),
    "venice": JobRef(vendor="venice", conn_id="c", job_id="J1", kind="generate", params={"model": "wan"}),
    "vizard": JobRef(vendor="vizard", conn_id="c", job_id="1", kind="project"),
    "vidgo": JobRef(vendor="vidgo", conn_id="c", job_id="J1", kind="media"),
}
OUTPUT = Output(index=0, kind="video", details={"delivery": "url"})

#: What gateways, frameworks and meshes answer while the service behind them is away.
GATEWAYS: list[Any] = [
    {"message": "no Route matched with those values"},
    {"error": "Not Found"},
    {"error": {"message": "Not Found"}},
    {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}},
    {"detail": "Not Found"},
    {"code": 404, "message": "not found"},
    {"code": "-1000", "errMsg": ""},
    {"statusCode": 404, "error": "Not Found", "message": "Cannot GET /"},
    {"fault": {"faultstring": "Unable to identify proxy for host"}},
    {"status": "failed"},
    {},
    [],
    None,
]


def answer(body: Any, status: int, content_type: str = "application/json") -> Answer:
    return Answer(status, {"content-type": content_type}, json.dumps(body).encode())


def checked(vendor: str, given: Answer) -> JobStatus:
    return VENDORS[vendor].status(REFS[vendor]).parse(given)


@pytest.mark.parametrize("vendor", REFS)
@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("body", GATEWAYS, ids=json.dumps)
def test_a_gateways_404_is_believed_only_after_minutes(vendor, status, body):
    found = checked(vendor, answer(body, status))
    assert found.state is JobState.GONE
    assert found.believed_for >= 300
    assert found.repeats_needed >= 3
    assert not found.proven


@pytest.mark.parametrize("vendor", REFS)
@pytest.mark.parametrize("given", [b"default backend - 404", b"", b"404 page not found\n"])
def test_so_is_one_in_plain_text(vendor, given):
    assert checked(vendor, Answer(404, {"content-type": "text/plain"}, given)).believed_for >= 300


@pytest.mark.parametrize("vendor", REFS)
@pytest.mark.parametrize("status", [404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451])
def test_a_gateways_page_is_a_status_check_that_failed(vendor, status):
    with pytest.raises(ApiError, match="says nothing about the job") as failed:
        checked(vendor, Answer(status, {"content-type": "text/html"}, b"<html>sorry</html>"))
    assert failed.value.retryable


@pytest.mark.parametrize("vendor", REFS)
@pytest.mark.parametrize("status", [400, 405, 409, 413, 415, 422, 431, 451])
def test_a_gateways_other_refusals_neither_end_a_job_nor_blame_the_request(vendor, status):
    with pytest.raises(ApiError, match="says nothing about the job") as failed:
        checked(vendor, answer({"message": "blocked"}, status))
    assert failed.value.retryable
    assert "charged" not in str(failed.value)


@pytest.mark.parametrize(
    ("vendor", "status", "body"),
    [
        ("venice", 400, {"error": "Request ID is invalid."}),
        ("venice", 404, {"error": "Media could not be found. Request may be invalid, expired, or deleted."}),
        ("vizard", 200, {"code": -1000, "errMsg": "invalid"}),
        ("vizard", 200, {"code": 4006, "errMsg": "illegal"}),
        ("vidgo", 404, {"error": {"message": "nothing here", "type": "resource_not_found_error"}}),
        ("vidgo", 404, {"detail": "Task not found"}),
    ],
)
def test_the_vendors_own_words_are_believed_when_said_twice(vendor, status, body):
    found = checked(vendor, answer(body, status))
    assert (found.state, found.repeats_needed, found.believed_for) == (JobState.GONE, 2, 0.0)


@pytest.mark.parametrize("vendor", REFS)
def test_a_file_that_is_not_found_for_a_moment_is_asked_for_again_by_a_retry(vendor):
    call = VENDORS[vendor].fetch(REFS[vendor], OUTPUT)
    with pytest.raises(JobGone, match="A retry checks again and buys nothing") as gone:
        call.parse(answer({"message": "no Route matched"}, 404))
    assert (gone.value.retryable, gone.value.charged) == (True, "yes")
