"""A model that Venice retires: announced in time, never silently replaced, and found in any case."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai._compat import AirflowFailException
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.vendors.venice.catalogue import Model, retirement
from tests.integration.conftest import VIDEO

OLD, NEW = VIDEO["model"], "kling-2.6-pro-text-to-video"


def retire(control: Control, seconds: float) -> None:
    control.settings(venice={"retires": OLD, "retires_in": seconds, "replacement": NEW})


@pytest.mark.parametrize("days", [0.5, 7.0, 14.5])
def test_before_its_end_a_model_is_bought_from_with_a_warning_that_names_the_date(
    video_of: Any, venice: VeniceHook, control: Control, caplog: pytest.LogCaptureFixture, days: float
) -> None:
    retire(control, days * 86_400)
    with caplog.at_level(logging.WARNING):
        job = video_of().run()
    date = time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86_400))
    assert f"retires the model '{OLD}' on {date}" in caplog.text
    assert NEW in caplog.text
    assert job["params"]["model"] == OLD


def test_before_the_announcement_begins_nothing_is_said(
    video_of: Any, venice: VeniceHook, control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    retire(control, 16 * 86_400.0)
    with caplog.at_level(logging.WARNING):
        video_of().run()
    assert "retires the model" not in caplog.text


def test_after_its_end_nothing_is_bought_as_another_model(
    video_of: Any, venice: VeniceHook, control: Control
) -> None:
    retire(control, 0.0)
    with pytest.raises(AirflowFailException, match=r"on_retired='warn'.*Nothing was sent") as stopped:
        video_of().run()
    assert NEW in str(stopped.value)
    assert control.purchases() == []
    with pytest.raises(InputError, match="retired the model"):
        venice.queue(**VIDEO)
    assert control.calls("venice", "queue") == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_who_accepts_another_model_finds_the_job_by_the_one_that_served(
    video_of: Any,
    venice: VeniceHook,
    control: Control,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    deferrable: bool,
) -> None:
    retire(control, 0.0)
    with caplog.at_level(logging.WARNING):
        job = video_of(
            on_retired="warn", resolution=None, deferrable=deferrable, download_to=f"{tmp_path}/"
        ).run()
    assert (job["state"], job["params"]["model"]) == ("ready", NEW)
    assert len(job["files"]) == 1
    assert f"with the model '{NEW}' and not '{OLD}'" in caplog.text


@pytest.mark.parametrize("given", ["never", "Fail", True])
def test_on_retired_has_two_values(video_of: Any, venice: VeniceHook, control: Control, given: Any) -> None:
    with pytest.raises(AirflowFailException, match="on_retired must be one of fail, warn"):
        video_of(on_retired=given).run()
    assert control.calls("venice") == []


@pytest.mark.parametrize(
    ("plan", "said", "over"),
    [
        ({"date": "2026-01-10"}, "on 2026-01-10", False),
        ({"date": "2026-01-01"}, "retired the model", True),
        ({"removesAt": "2026-01-05T00:00:00+02:00", "date": "2025-12-01"}, "on 2026-01-04", False),
        ({"removesAt": 1_767_600_000}, "on 2026-01-05", False),
        ({"removesAt": 1_767_600_000_000, "startsAt": None}, "on 2026-01-05", False),
        ({"date": "soon", "startsAt": "?"}, "does not give", False),
        ({}, "does not give", False),
    ],
)
def test_a_date_is_read_in_any_form_and_one_that_is_not_readable_is_no_end(
    plan: dict, said: str, over: bool
) -> None:
    spec = Model.model_validate({"id": "m", "model_spec": {"deprecation": plan}}).model_spec
    assert spec is not None
    now = 1_767_312_000.0  # 2026-01-02
    found = retirement("m", spec, now)
    assert found is not None
    assert said in found[0]
    assert found[1] is over


@pytest.mark.parametrize("plan", [None, "x", [], 5, {"startsAt": "2026-02-01", "date": "2026-03-01"}])
def test_no_retirement_that_is_announced_is_none(plan: Any) -> None:
    spec = Model.model_validate({"id": "m", "model_spec": {"deprecation": plan}}).model_spec
    assert spec is not None
    assert retirement("m", spec, 1_767_312_000.0) is None
