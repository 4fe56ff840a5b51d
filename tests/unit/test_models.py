"""The vocabulary: refs are read from whatever a DAG hands over, and no secret is ever shown."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import MONEY, InputError, JobError, LostSubmit
from airflow_provider_vidai.jobs.calls import Fetch, Put
from airflow_provider_vidai.jobs.output import Output, digest
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import Bought, job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest, RenderRequest

SECRET = "s3cr3t"
SIGNED = f"https://files.example/out/a.mp4?X-Signature={SECRET}"
RENDER = {
    "vendor": "vidio",
    "conn_id": "studio",
    "job_id": "J1",
    "kind": "render",
    "params": {"output_index": 2, "before": None},
}


def read(value: object) -> JobRef:
    return JobRef.read(value, vendor="vidio", conn_id="mine", kind="reel", params={"output_index": 0})


# --- literal --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ("('a', 'b')", ("a", "b")),
        ('{"a": null, "b": true}', {"a": None, "b": True}),
        ("{'a': None, 'b': True}", {"a": None, "b": True}),
        ("[]", []),
    ],
)
def test_rendered_text_means_the_value_it_was_rendered_from(text, meant):
    assert literal(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "J1", "30", "None", "true", "uploads/1/(1) a.mp4", "[draft] a.mp4", "{unfinished"),
        *("[__import__('os')]", "(a cat on a mat)", "[" * 20_000, "{'a': datetime.datetime(2026, 1, 1)}"),
    ],
)
def test_text_that_is_no_literal_stays_what_it_is(text):
    assert literal(text) == text


@pytest.mark.parametrize("value", [None, 5, 2.5, True, ["a"], {"a": 1}, b"[1]"])
def test_what_is_not_text_is_passed_through_untouched(value):
    assert literal(value) is value


@pytest.mark.parametrize("text", [' ["a"]', '\n["a"]\n', "\t['a']"])
def test_white_space_that_a_template_leaves_around_a_literal_does_not_hide_it(text):
    assert literal(text) == ["a"]


# --- JobRef.read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(RENDER, id="dict"),
        pytest.param({**RENDER, "state": "ready", "outputs": [{"index": 0}], "cost": None}, id="task result"),
        pytest.param(json.dumps(RENDER), id="JSON text"),
        pytest.param(str(RENDER), id="Python text"),
        pytest.param(JobRef(**RENDER), id="ref"),
    ],
)
def test_a_ref_is_read_from_whatever_form_it_arrives_in_and_keeps_its_own_connection(value):
    ref = read(value)
    assert ref.model_dump(mode="json") == RENDER


@pytest.mark.parametrize("value", ["J1", "  J1\n", pytest.param(71, id="int"), pytest.param(0, id="zero")])
def test_a_bare_id_takes_connection_kind_and_params_from_the_task(value):
    ref = read(value)
    assert ref.job_id == str(value).strip()
    assert (ref.vendor, ref.conn_id, ref.kind, ref.params) == ("vidio", "mine", "reel", {"output_index": 0})


def test_an_id_that_a_ref_holds_as_a_number_becomes_text():
    assert read({**RENDER, "job_id": 12345678901234567890}).job_id == "12345678901234567890"


@pytest.mark.parametrize(
    "value", [None, "", "  ", [], ["J1"], (), "[]", "['J1']", True, False, 1.5, b"J1", object()]
)
def test_what_names_no_job_is_refused_before_anything_is_sent(value):
    with pytest.raises(InputError, match=r"^job: expected .* a job id, but got .* Nothing was sent\.$"):
        read(value)


@pytest.mark.parametrize("missing", ["vendor", "conn_id", "job_id", "kind"])
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
def test_a_ref_that_is_not_whole_is_refused_by_the_name_of_the_field(missing, how):
    value = {**RENDER, missing: {"absent": None, "null": None, "empty": ""}[how]}
    if how == "absent":
        del value[missing]
    with pytest.raises(InputError, match=rf"job: {missing}:? ") as error:
        read(value)
    assert str(error.value).endswith("Nothing was sent.")


@pytest.mark.parametrize("form", [dict, json.dumps, str, lambda value: JobRef(**value)])
def test_another_vendors_job_is_refused_and_both_vendors_are_named(form):
    with pytest.raises(InputError, match="venice render J1 is a job of venice, not of vidio"):
        read(form({**RENDER, "vendor": "venice"}))


@pytest.mark.parametrize(
    "text",
    [
        *("None", "null", "{'vendor': 'vidio', 'job_id'", "{'at': datetime.datetime(2026, 1, 1)}"),
        '{"vendor": "vidio", "conn_id": "c", "job_id": " ", "kind": "reel"}',
    ],
)
def test_the_rendering_of_a_missing_or_unreadable_result_is_not_taken_for_an_id(text):
    with pytest.raises(InputError):
        read(text)


def test_a_ref_is_json_and_comes_back_equal():
    ref = JobRef(**RENDER)
    assert JobRef.model_validate(json.loads(ref.model_dump_json())) == ref
    assert str(ref) == "vidio render J1"


def test_a_ref_learns_without_changing_the_one_it_came_from():
    ref = JobRef(**RENDER)
    seen = JobStatus(state=JobState.READY, vendor_status="rendered", ref_params={"digest": "d"})
    assert seen.of(ref).params == {"output_index": 2, "before": None, "digest": "d"}
    assert ref.params == {"output_index": 2, "before": None}
    assert JobStatus(state=JobState.READY, vendor_status="rendered").of(ref) is ref


# --- digest -----------------------------------------------------------------------------------------


def test_a_digest_distinguishes_files_and_not_signatures():
    assert digest(SIGNED) == digest("https://files.example/out/a.mp4?X-Signature=other#t=1")
    assert digest(SIGNED) == digest("https://files.example/out/a.mp4")
    assert digest(SIGNED) != digest("https://files.example/out/b.mp4")
    assert digest(SIGNED) != digest("https://other.example/out/a.mp4")
    assert SECRET not in digest(SIGNED)
    assert len(digest(SIGNED)) == 64


# --- validated ------------------------------------------------------------------------------------


def test_a_wrong_choice_is_answered_with_the_field_and_all_that_is_allowed():
    values = {
        "input_keys": ["a"],
        "video_category": "sport",
        "output_length": 30,
        "aspect_ratio": "16:9",
        "music_category": "rock",
    }
    with pytest.raises(InputError) as error:
        validated(ReelRequest, values, what="Highlight reel")
    message = str(error.value)
    assert message.startswith("Highlight reel: ")
    assert message.endswith(" Nothing was sent.")
    for word in (
        *("video_category", "sport", "aspect_ratio", "16:9", "music_category", "rock"),
        *("podcast", "ball-sports", "non-ball-sports", "beauty-product-demo", "wedding", "travel", "others"),
        *("landscape", "portrait", "square"),
        *("corporate", "romantic", "sports", "kids_and_comedy", "ambient_and_nature"),
        *("horror_and_suspense", "documentary", "trending_vlogs"),
    ):
        assert f"'{word}'" in message or f"{word}: " in message, word


def test_a_missing_field_is_named_and_none_counts_as_missing():
    with pytest.raises(InputError, match="video_category is required") as error:
        validated(ReelRequest, {"input_keys": ["a"], "video_category": None}, what="Highlight reel")
    assert "aspect_ratio is required" in str(error.value)
    assert "output_length is required" in str(error.value)


def test_the_default_stands_in_for_none():
    request = validated(RenderRequest, {"output_index": 1, "export_option": None}, what="Render")
    assert (request.output_index, request.export_option) == (1, "premium")


def test_a_misspelt_field_is_refused_and_not_ignored():
    with pytest.raises(InputError, match="ouput_index: "):
        validated(RenderRequest, {"ouput_index": 1}, what="Render")


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(InputError) as error:
        validated(RenderRequest, {"output_index": "9" * 5_000 + "x"}, what="Render")
    assert len(str(error.value)) < 300


class _Shape(BaseModel):
    inner: dict[str, int]


def test_the_path_of_a_wrong_value_inside_a_field_is_named():
    with pytest.raises(InputError, match=r"inner\.deep: .* \(got 'x'\)"):
        validated(_Shape, {"inner": {"deep": "x"}}, what="Shape")


def test_the_signature_of_a_url_that_a_person_passed_is_not_shown():
    with pytest.raises(InputError) as error:
        validated(RenderRequest, {"output_index": SIGNED}, what="Render")
    assert SECRET not in str(error.value)


# --- Answer ---------------------------------------------------------------------------------------


def answer(body: bytes, content_type: str = "application/json", **kwargs) -> Answer:
    return Answer(200, {"content-type": content_type}, body, **kwargs)


def test_a_whole_json_body_is_parsed_whatever_the_content_type_says():
    assert answer(b'{"a": 1}', "text/plain").json() == {"a": 1}
    assert answer('\ufeff{"a": "é"}'.encode()).json() == {"a": "é"}


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"a": ', b'{"a": 1} trailing', b"\xff\xfe\xfa"],
)
def test_what_is_not_one_json_document_is_a_value_error(body):
    with pytest.raises(ValueError):
        answer(body).json()


def test_a_body_that_was_cut_off_is_not_parsed_even_if_its_beginning_could_be():
    with pytest.raises(ValueError, match="cut off"):
        answer(b'{"job_id": "J1"}', whole=False).json()


def test_json_that_is_nested_too_deeply_is_a_value_error():
    with pytest.raises(ValueError):
        answer(b"[" * 200_000).json()


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_no_number_comes_in_that_json_cannot_hold(word):
    found = answer(b'{"status": "rendered", "duration": ' + word + b"}").json()
    assert found["status"] == "rendered", "one odd number does not make an answer unreadable"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Video/MP4; codecs=x", "video/mp4"),
        (" application/json ;charset=utf-8", "application/json"),
        ("", ""),
    ],
)
def test_the_media_type_is_returned_without_its_parameters(header, found):
    assert answer(b"", header).content_type == found
    assert Answer(200, {}, b"").content_type == ""


def test_an_excerpt_is_one_short_line():
    assert (
        answer(b"<html>\r\n  <b>Bad\tGateway</b>\n</html>").excerpt() == "<html> <b>Bad Gateway</b> </html>"
    )
    assert answer("é".encode() * 5_000).excerpt() == "é" * 300
    assert answer(b"x" * 5_000).excerpt(10) == "x" * 10
    assert answer(b"\xff\xfe bad").excerpt() == "�� bad"


def test_an_excerpt_of_media_states_its_size_and_type_and_shows_no_byte_of_it():
    assert answer(b"\0\0\0\x18ftypmp42", "video/mp4").excerpt() == "12 bytes of video/mp4"
    assert answer(b"\0\1", "").excerpt() == "2 bytes of binary data"


# --- nothing secret is shown ----------------------------------------------------------------------


def test_no_repr_shows_a_url_a_header_or_a_key():
    shown = [
        Fetch(url=SIGNED, kind="video", headers={"x-api-key": SECRET}, body={"url": SIGNED}),
        Put(url=SIGNED, content_type="video/mp4"),
        Answer(200, {"location": SIGNED}, SIGNED.encode()),
        JobStatus(state=JobState.READY, vendor_status="rendered", answer={"output_url": SIGNED}),
        Account(
            label="VIDIO",
            base_url="https://api.vidio.ai",
            key_headers={"x-api-key": SECRET},
            proxy=f"http://user:{SECRET}@proxy",
        ),
    ]
    for thing in shown:
        assert SECRET not in repr(thing), type(thing)
        assert SECRET not in str(thing), type(thing)
        assert SECRET not in f"{[thing]}", type(thing)


def test_the_vendors_whole_answer_is_not_serialised_with_a_status():
    status = JobStatus(state=JobState.READY, vendor_status="rendered", answer={"output_url": SIGNED})
    assert SECRET not in status.model_dump_json()
    assert "answer" not in status.model_dump()


def test_accounts_differ_by_host_and_key_and_do_not_reveal_the_key():
    def account(url: str = "https://a", key: str = SECRET, **more) -> Account:
        return Account(label="VIDIO", base_url=url, key_headers={"x-api-key": key}, **more)

    assert account().id == account(timeout=5.0, polls_per_minute=1).id
    assert len({account().id, account(url="https://b").id, account(key="other").id}) == 3
    assert SECRET not in account().id


# --- results and messages -------------------------------------------------------------------------


def test_a_tasks_result_is_its_ref_and_how_it_ended_and_can_be_read_back_as_the_ref():
    ref = JobRef(**RENDER)
    status = JobStatus(
        state=JobState.READY, vendor_status="rendered", outputs=(Output(index=2, kind="video", duration=9.5),)
    )
    result = job_result(ref, status, {"usd": 1})
    assert result == {
        **RENDER,
        "state": "ready",
        "vendor_status": "rendered",
        "outputs": [{"index": 2, "kind": "video", "title": None, "duration": 9.5, "details": {}}],
        "cost": {"usd": 1},
    }
    assert read(json.loads(json.dumps(result))) == ref
    assert job_result(ref, status.model_copy(update={"cost": {"usd": 2}}), {"usd": 1})["cost"] == {"usd": 2}


def test_a_sealed_url_goes_from_the_receipt_through_xcom_to_the_download():
    ref, status = JobRef(**RENDER), JobStatus(state=JobState.READY, vendor_status="rendered")
    delivery = Receipt(ref=ref, secret="sealed").delivery
    result = job_result(ref, status, {"usd": 1}, delivery)
    assert result["sealed_url"] == "sealed"
    for passed_on in (
        result,
        json.dumps(result),
        str(result),
        Bought(cost={"usd": 1}, delivery=delivery).fields(),
    ):
        assert Bought.read(passed_on) == Bought(cost={"usd": 1}, delivery=delivery)
    assert delivery.url(str.upper) == "SEALED"


def test_a_job_whose_files_the_vendor_reports_has_no_sealed_url():
    delivery = Receipt(ref=JobRef(**RENDER)).delivery
    assert (delivery.fields(), delivery.url(str.upper)) == ({}, None)
    for nothing in ("job 1", {"cost": None, "sealed_url": None}, {"sealed_url": 5}, {"cost": "free"}):
        assert Bought.read(nothing) == Bought()


def test_a_receipt_survives_the_ledger():
    receipt = Receipt(ref=JobRef(**RENDER), vendor_status="rendering", cost={"usd": 1}, secret="sealed")
    assert Receipt.model_validate(json.loads(receipt.model_dump_json())) == receipt


@pytest.mark.parametrize("charged", sorted(MONEY))
def test_every_message_about_a_job_states_the_fate_of_the_money(charged):
    assert str(JobError("Something happened.", charged=charged)).endswith(MONEY[charged])
    assert JobError("x", charged=charged).charged == charged


def test_a_lost_purchase_is_assumed_to_be_charged_perhaps_and_not_to_be_repeated():
    error = LostSubmit("Sent.")
    assert (error.charged, error.retryable) == ("maybe", False)
