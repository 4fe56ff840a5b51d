"""Fingerprints: a change of one makes every cleared task buy again."""

from __future__ import annotations

import json
import unicodedata
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import BaseModel

import airflow_provider_vidai.operators.venice as venice
import airflow_provider_vidai.operators.vidgo as vidgo
import airflow_provider_vidai.operators.vidio as vidio
import airflow_provider_vidai.operators.vizard as vizard
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.purchase.fingerprint import PREFIX, fingerprint, fingerprint_of_0_1

PRINTS = json.loads((Path(__file__).parent / "fingerprints.json").read_text())


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int | None = None


@pytest.mark.parametrize("value", [5, "5", 5.0, "5.0", Decimal("5.00"), " 5 "])
def test_a_number_and_its_text_are_one_request(value: Any) -> None:
    assert fingerprint({"length": value}) == fingerprint({"length": 5})


@pytest.mark.parametrize("text", ["007", "1e3", "+5", "5 s", "0x10", "٥", "12345678901234567890"])
def test_text_that_is_no_plain_number_stays_text(text: str) -> None:
    assert fingerprint({"job": text}) not in {fingerprint({"job": n}) for n in (7, 1000, 5, 16)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
        ({"keys": ("a", "b")}, {"keys": ["a", "b"]}),
        ({"keys": {"a", "b", "c"}}, {"keys": {"c", "b", "a"}}),
        ({"keys": frozenset({"a", 1})}, {"keys": {1, "a"}}),
        ({"a": None, "b": 1}, {"b": 1}),
        ({"input": {"a": None, "b": 1}}, {"input": {"b": 1}}),
        ({"input": {1: "a"}}, {"input": {"1": "a"}}),
        ({"prompt": unicodedata.normalize("NFC", "é")}, {"prompt": unicodedata.normalize("NFD", "é")}),
        ({unicodedata.normalize("NFC", "é"): 1}, {unicodedata.normalize("NFD", "é"): 1}),
        ({"image": PurePosixPath("/a/b")}, {"image": "/a/b"}),
        ({"colour": Colour.RED}, {"colour": "red"}),
        ({"at": Point(x=1)}, {"at": {"x": 1}}),
        ({"wait": timedelta(seconds=5)}, {"wait": 5}),
        ({"day": date(2026, 1, 1)}, {"day": "2026-01-01"}),
    ],
)
def test_equal_requests_have_equal_fingerprints(one: Any, other: Any) -> None:
    assert fingerprint({"x": 1, **one}) == fingerprint({"x": 1, **other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"keys": ["a", "b"]}, {"keys": ["b", "a"]}),
        ({"keys": ["a", "b"]}, {"keys": ["a"]}),
        ({"keys": ["a", None]}, {"keys": ["a"]}),
        ({"a": "é"}, {"a": "e"}),
        ({"a": 1}, {"b": 1}),
        ({"a": 5}, {"a": 5.5}),
        ({"a": ""}, {}),
        ({"image": b"one"}, {"image": b"two"}),
    ],
)
def test_different_requests_have_different_fingerprints(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "value", [{1: "a", "b": 2}, "\ud83d", float("nan"), float("inf"), True, [[]], 10**40]
)
def test_whatever_a_dag_passes_has_a_fingerprint(value: Any) -> None:
    assert len(fingerprint({"input": value})) == len(PREFIX) + 64


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ((key for key in "ab"), "a generator"),
        (iter(["a"]), "a list_iterator"),
        (map(str, [1]), "a map"),
        (object(), "an object"),
        ({"inner": object()}, "an object"),
    ],
)
def test_what_has_no_stable_value_is_refused_by_name(value: Any, name: str) -> None:
    with pytest.raises(InputError, match=rf"^input_keys is {name}, .* Nothing was sent\.$"):
        fingerprint({"input_keys": value})


def test_a_fingerprint_is_the_same_in_every_process_and_release() -> None:
    expected = "2:9171b2579daa42e250eb9f7a993a9fa552ae0784928f4cec9bd51f339a3609c3"
    assert fingerprint({"b": None, "a": (1, "é"), "c": {"x": 0.5}}) == expected


def test_version_0_1s_fingerprint_is_computed_as_it_was() -> None:
    # sha256 of {"a":[1,"é"],"b":null}
    assert (
        fingerprint_of_0_1({"b": None, "a": (1, "é")})
        == "1e02bc81a26af2f027329541e97eef36f3290bedc6dfe043dbe66b057ecb13ba"
    )


@pytest.mark.parametrize("name", PRINTS)
def test_the_jobs_that_earlier_versions_bought_are_recognised(name: str, monkeypatch: Any) -> None:
    known = PRINTS[name]
    operator_class = next(getattr(one, name) for one in (vidio, venice, vizard, vidgo) if hasattr(one, name))
    operator = operator_class(task_id="t", **known["arguments"])
    vendor = operator.hook_class.vendor_name
    uri = json.dumps({"conn_type": vendor, "host": "https://api.example", "password": "k"})
    monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", uri)
    now, of_0_1 = operator.fingerprints()
    assert of_0_1 == known["print_of_0_1"], "a job that version 0.1 bought would be bought again"
    assert now == known["print"], "a job that the last version bought would be bought again"


def test_two_long_numbers_are_two_requests():
    long = 10**40
    assert fingerprint({"seed": long + 1}) != fingerprint({"seed": long + 2})
    assert fingerprint({"seed": "1234567890123456.123456789012345"}) != fingerprint(
        {"seed": "1234567890123456.123456789012346"}
    )
