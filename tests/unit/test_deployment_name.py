"""The name under which a deployment's purchases are recorded: equal on all its workers, and on no other's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from airflow_provider_vidai.operators.context import attempt_of

KEY = "AIRFLOW__CORE__FERNET_KEY"
A, B = "a" * 43 + "=", "b" * 43 + "="


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, f"{KEY}_CMD", f"{KEY}_SECRET", "AIRFLOW__VIDAI__DEPLOYMENT"):
        monkeypatch.delenv(name, raising=False)


def name() -> str:
    instance = SimpleNamespace(id="1", try_number=1, max_tries=0)
    return attempt_of(cast(Any, {"ti": instance})).deployment


def test_deployments_with_different_keys_have_different_names(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for key in (A, B, A):
        monkeypatch.setenv(KEY, key)
        names.append(name())
    assert names[0] == names[2] != names[1]
    assert A not in names[0]


def test_the_name_stays_while_keys_are_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, A)
    before = name()
    monkeypatch.setenv(KEY, f"{B}, {A}")
    assert name() == before


def test_a_key_that_a_command_prints_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, A)
    before = name()
    monkeypatch.delenv(KEY)
    monkeypatch.setenv(f"{KEY}_CMD", f"echo {A}")
    assert name() == before


def test_a_key_in_a_worker_s_own_file_names_no_deployment() -> None:
    assert name() == ""


def test_a_name_that_was_chosen_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, A)
    monkeypatch.setenv("AIRFLOW__VIDAI__DEPLOYMENT", " production ")
    assert name() == "production"
