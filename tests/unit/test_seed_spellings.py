"""What the vendors' own clients call things works on what the hooks return."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_vidai.hooks.vidio import Uploaded
from airflow_provider_vidai.models import JobState, JobStatus
from airflow_provider_vidai.vendors.vidio_models import ReelRequest


@pytest.mark.parametrize(
    ("state", "answers"),
    [
        (JobState.READY, (True, False, False)),
        (JobState.FAILED, (False, True, False)),
        (JobState.RUNNING, (False, False, True)),
        (JobState.GONE, (False, False, False)),
    ],
)
def test_a_status_answers_the_questions_of_the_vendors_clients(state: JobState, answers: Any) -> None:
    status = JobStatus(state=state, vendor_status="word")
    assert (status.is_completed(), status.is_failed(), status.is_processing()) == answers


def test_an_uploads_result_has_its_key_as_an_attribute_and_stays_json() -> None:
    result = Uploaded({"input_key": "uploads/u/a.mp4", "width": 64})
    assert result.input_key == result["input_key"] == "uploads/u/a.mp4"
    assert json.loads(json.dumps(result)) == dict(result)
    request = {"video_category": "others", "output_length": 5, "aspect_ratio": "square"}
    assert ReelRequest(input_keys=[result], **request).input_keys == [result.input_key]
