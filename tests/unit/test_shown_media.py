"""What Airflow stores and shows of a task's arguments holds no signed URL and no file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_vidai._compat import AirflowFailException
from airflow_provider_vidai.operators.venice import VeniceTranscribeOperator, VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator, VidgoUploadImageOperator
from airflow_provider_vidai.operators.vidio import VidioUploadOperator
from airflow_provider_vidai.redaction import redacted, shown_media

SIGNED = "https://user:pass@bucket.example/a.png?X-Amz-Signature=s3cr3t"
FILE = "data:image/png;base64,s3cr3tAAAA=="


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (SIGNED, "https://bucket.example/a.png?(hidden)"),
        ("https://example.com/a.png", "https://example.com/a.png"),
        ("s3://aws@bucket/a.png", "s3://aws@bucket/a.png"),
        (FILE, "data:image/png,(34 characters)"),
        (b"s3cr3t", "(6 bytes)"),
        ([FILE, None, 5], ["data:image/png,(34 characters)", None, 5]),
        ({"video_url": SIGNED}, {"video_url": "https://bucket.example/a.png?(hidden)"}),
        (None, None),
        (True, True),
    ],
    ids=str,
)
def test_a_file_is_shown_by_what_it_is_and_not_by_what_it_holds(value: Any, shown: Any) -> None:
    assert shown_media(value) == shown


def test_neither_url_nor_file_stays_in_a_message() -> None:
    assert redacted(f"cannot read {SIGNED} or {FILE}.") == "cannot read (URL) or (image/png)."
    harmless = "s3://aws_default@media/a.png at 10:30, mail:me@site.example"
    assert redacted(harmless) == harmless


def video(**changes: Any) -> VeniceVideoOperator:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
        return VeniceVideoOperator(
            task_id="video",
            model="m",
            prompt="{{ word }}",
            image_url="{{ url }}",
            reference_image_urls=["{{ url }}", FILE],
            elements=[{"video_url": "{{ url }}"}],
            options={"audio_url": "{{ url }}"},
            **changes,
        )


def test_what_is_rendered_is_shown_without_secrets_and_used_with_them() -> None:
    operator = video()
    operator.render_template_fields({"word": "waves", "url": SIGNED})
    shown = {name: getattr(operator, name) for name in operator.template_fields}
    assert "s3cr3t" not in repr(shown)
    assert shown["prompt"] == "waves"
    asked = operator.described()
    assert asked["image_url"] == SIGNED
    assert asked["reference_image_urls"] == [SIGNED, FILE]
    assert asked["elements"] == [{"video_url": SIGNED}]
    assert operator.asked()["options"] == {"audio_url": SIGNED}


def test_rendering_again_begins_with_what_was_given() -> None:
    first, second = video(), video()
    for operator in (first, second):
        operator.render_template_fields({"word": "waves", "url": SIGNED})
    assert first.asked() == second.asked()


def test_a_mapped_task_shows_as_little() -> None:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):

        @task
        def urls() -> list[str]:
            return []

        VeniceVideoOperator.partial(task_id="video", model="m").expand(image_url=urls())
    operator = VeniceVideoOperator(task_id="video", model="m", image_url=SIGNED)
    # What a mapped task calls, once its own arguments are known.
    operator._do_render_template_fields(
        operator, operator.template_fields, {}, operator.get_template_env(), set()
    )
    assert "s3cr3t" not in repr({name: getattr(operator, name) for name in operator.template_fields})
    assert operator.asked()["image_url"] == SIGNED


def test_a_transcripts_url_is_shown_without_its_signature() -> None:
    operator = VeniceTranscribeOperator(task_id="t", url=SIGNED)
    operator.render_template_fields({})
    assert operator.url == "https://bucket.example/a.png?(hidden)"
    assert operator.asked()["url"] == SIGNED


def test_what_goes_into_a_vidgo_model_is_shown_without_secrets_at_any_depth() -> None:
    elements = [{"name": "n", "element_input_urls": ["{{ url }}"]}]
    asked = {"prompt": "{{ word }}", "image_urls": ["{{ url }}", FILE], "kling_elements": elements}
    hook = "https://example.com/hook?token=s3cr3t"
    operator = VidgoGenerateOperator(task_id="t", model="m", input=asked, callback_url=hook)
    operator.render_template_fields({"word": "waves", "url": SIGNED})
    shown = {name: getattr(operator, name) for name in operator.template_fields}
    assert "s3cr3t" not in repr(shown)
    assert shown["input"]["prompt"] == "waves"
    assert operator.asked()["input"]["image_urls"] == [SIGNED, FILE]
    assert operator.asked()["input"]["kling_elements"] == [{"name": "n", "element_input_urls": [SIGNED]}]
    assert operator.given("callback_url") == hook
    upload = VidgoUploadImageOperator(task_id="t", source=SIGNED)
    upload.render_template_fields({})
    assert upload.source == "https://bucket.example/a.png?(hidden)"


def test_footage_given_as_a_signed_url_is_refused_and_not_shown() -> None:
    operator = VidioUploadOperator(task_id="t", source="{{ url }}")
    operator.render_template_fields({"url": SIGNED})
    assert operator.source == "https://bucket.example/a.png?(hidden)"
    assert operator.given("source") == SIGNED
    with pytest.raises(AirflowFailException, match="Nothing was sent") as caught:
        operator.execute({})
    assert "s3cr3t" not in str(caught.value)
