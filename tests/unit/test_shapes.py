"""How an answer differs from the fields that are known, and what a report of it holds."""

from __future__ import annotations

import json

import pytest

from airflow_provider_vidai.cli.doctor.report import Recording, Report
from airflow_provider_vidai.cli.doctor.shapes import SHAPES, Difference, difference, shape_of
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.vendors.vidgo.api import VIDGO
from tests.support.raw import answer, serving

FIELDS = (
    "code:n data:o data.id:s data.note:s? data.files:l? data.files[]:o data.files[].url:s data.open:o "
    "data.open.*"
)


def test_an_answer_with_the_known_fields_differs_in_nothing() -> None:
    whole = {"code": 1, "data": {"id": "a", "files": [{"url": "u"}], "open": {"x": [{"y": 1}]}}}
    assert difference(whole, FIELDS) == Difference()
    assert (
        difference({"code": 1, "data": {"id": "a", "files": None, "note": None, "open": {}}}, FIELDS)
        == Difference()
    )


def test_unknown_missing_and_otherwise_typed_fields_are_named_and_their_values_are_not() -> None:
    odd = {"code": "1", "new": "s3cr3t", "data": {"files": [{"url": "u", "size": 3}, {}], "open": None}}
    found = difference(odd, FIELDS)
    assert found.unknown == ("data.files[].size", "new")
    assert found.missing == ("data.files[].url", "data.id")
    assert found.other == ("code (text)", "data.open (null)")
    assert "s3cr3t" not in json.dumps(found)


@pytest.mark.parametrize("value", [[], "text", None, 5, {}])
def test_an_answer_of_any_shape_can_be_compared(value: object) -> None:
    for calls in SHAPES.values():
        for fields in calls.values():
            difference(value, fields)


def test_a_call_is_shown_without_the_ids_in_its_path() -> None:
    name, fields = shape_of("vidgo", "GET", "/api/generate/status/task-secret")
    assert (name, bool(fields)) == ("GET /api/generate/status/*", True)
    name, fields = shape_of("vidgo", "DELETE", "/api/other/task-secret")
    assert (name, fields) == ("DELETE (another call)", None)


def test_a_report_names_what_a_vendors_answer_has_more_or_less_and_holds_none_of_its_values() -> None:
    body = (
        b'{"code": 200, "data": {"credits_amount": 12, "owner": "who@example.org", "plan": {"name": "pro"}}}'
    )
    report = Report("vidgo")
    with serving(answer(200, body)) as server:
        account = Account(
            label="Vidgo", base_url=server.url, key_headers={"Authorization": "Bearer sk-secret"}
        )
        client = Recording(account, report)
        assert client.send(VIDGO.balance()) == 12
        client.close()
    (seen,) = json.loads(report.text())["calls"]
    assert (seen["call"], seen["status"], seen["unknown"]) == (
        "GET /api/user/balance",
        200,
        ["data.owner", "data.plan"],
    )
    assert report.differs
    for secret in ("sk-secret", "who@example.org", "12", server.url):
        assert secret not in json.dumps(seen)
