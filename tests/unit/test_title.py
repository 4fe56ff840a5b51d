"""Titles of jobs: what a person reads in lists of mapped tasks and in file names."""

from __future__ import annotations

import re

import pytest

from airflow_provider_vidai.files.storage import destination_path
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.title import LONGEST_TITLE, short_id, short_title, slug, title_of
from airflow_provider_vidai.vendors import VENDORS

JOB = "3f2c1a9e-1111-4222-8333-123456789abc"


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ("A red fox\n in the  snow", "A red fox in the snow"),
        ({"prompt": "A red fox", "size": "16:9"}, "A red fox"),
        ('{"title": "My song", "prompt": "x"}', "My song"),
        ("s3://studio@footage/2026/Final match.mp4", "Final match"),
        (["uploads/3f2c/Final match.mp4", "uploads/9a/b.mp4"], "Final match"),
        ([{"input_key": "uploads/3f2c/a b.mp4", "file_name": "a b.mp4"}], "a b"),
        ("https://cdn.example.com/a%20b.mp4?Signature=secret", "a b"),
        ("https://www.youtube.com/watch?v=aqz-KE-bpKQ&t=3", "youtube aqz-KE-bpKQ"),
        ("https://user:password@example.com/", "example.com"),
        ({"title": None, "job_id": "J1"}, "J1"),
        ({"title": "Goal!", "details": {"video_id": "909"}}, "Goal!"),
        ({"title": None, "details": {"video_id": "909"}}, "909"),
        (17861706, "17861706"),
        ("data:image/png;base64,AAAA", None),
        ("  ", None),
        (None, None),
        (True, None),
        ([], None),
        (object(), None),
    ],
)
def test_an_argument_is_called_by_its_title_its_first_words_or_its_files_name(
    value: object, title: str | None
):
    assert title_of(value) == title


def test_a_long_prompt_is_cut_between_two_words():
    found = short_title("word " * 100)
    assert found is not None
    assert len(found) <= LONGEST_TITLE
    assert found.endswith("word…")


def test_an_address_in_a_prompt_is_not_shown():
    assert short_title("like https://x.example/a.png?sig=secret but blue") == "like (URL) but blue"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A red fox: 3:2 + dawn", "a-red-fox-3-2-dawn"),
        ("ÜBER_Straße", "über-straße"),
        ("../../etc/passwd", "etc-passwd"),
        ("漢" * 90, "漢" * 40),
        ("a" * 90, "a" * 40),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight"),
        ("!?", ""),
        (None, ""),
    ],
)
def test_a_text_becomes_a_file_name(text: str | None, found: str):
    assert slug(text) == found


@pytest.mark.parametrize("vendor", ["vidio", "venice", "vizard", "vidgo"])
@pytest.mark.parametrize("title", ["A red fox: 3:2 + dawn", "سلام دنیا", "漢字" * 40])
def test_a_file_begins_with_the_title_and_is_named_after_its_job(vendor: str, title: str):
    ref = JobRef(vendor=vendor, conn_id="c", job_id=JOB, kind="media", title=title)  # type: ignore[arg-type]
    stems = [VENDORS[ref.vendor].file_stem(ref, Output(index=index, kind="video")) for index in (0, 1)]
    names = [destination_path("/media/", stem, ".mp4").name for stem in stems]
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith(slug(title)[:10])
        assert JOB[-12:] in name
        assert not re.search(r"[:+\s]", name)


def test_two_jobs_of_one_prompt_are_two_files():
    one, other = (
        JobRef(vendor="venice", conn_id="c", job_id=job, kind="generate", title="A fox")
        for job in (JOB, JOB.replace("123456789abc", "123456789abd"))
    )
    output = Output(index=0, kind="video")
    assert VENDORS["venice"].file_stem(one, output) != VENDORS["venice"].file_stem(other, output)


def test_a_job_without_a_title_keeps_the_name_that_it_had():
    ref = JobRef(vendor="venice", conn_id="c", job_id=JOB, kind="generate")
    assert VENDORS["venice"].file_stem(ref, Output(index=0, kind="video")) == f"{JOB}-0"


@pytest.mark.parametrize(("job", "short"), [("17861706", "17861706"), (JOB, "123456789abc")])
def test_a_long_id_is_cut_to_its_end(job: str, short: str):
    assert short_id(job) == short


def test_a_title_travels_with_the_reference_and_nothing_else_changes():
    plain = JobRef(vendor="vidio", conn_id="c", job_id="J1", kind="reel")
    assert "title" not in plain.model_dump(mode="json")
    receipt = Receipt(ref=plain).called("A match")
    assert receipt.ref is not None
    stored = receipt.model_dump(mode="json")
    assert stored["ref"]["title"] == "A match"
    assert Receipt.model_validate(stored).called("Another").ref == receipt.ref


@pytest.mark.parametrize("odd", [["x"], {"a": 1}, 5, True])
def test_an_odd_title_in_somebodys_dict_is_no_reason_to_refuse_a_job(odd: object):
    found = JobRef.read(
        {"vendor": "vidio", "conn_id": "c", "job_id": "J1", "kind": "reel", "title": odd},
        vendor="vidio",
        conn_id="c",
        kind="reel",
    )
    assert found.title is None
