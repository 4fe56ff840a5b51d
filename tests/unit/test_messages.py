"""What a person reads: in whole sentences, without Python's own notation, and the same about the money."""

from __future__ import annotations

import ast
import asyncio
import gzip
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import airflow_provider_vidai
from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.arguments import guard, positive_seconds, truth, whole_number
from airflow_provider_vidai.errors import MONEY, InputError, JobError, JobFailed, TransferError, VidaiError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import shown_name
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.net.polls import AsyncClient
from airflow_provider_vidai.purchase.verdict import account_broken, no_longer_waiting, timed_out
from airflow_provider_vidai.redaction import Hidden, shown, without_bytes
from airflow_provider_vidai.triggers.job import read_event
from airflow_provider_vidai.vendors.base import still_there
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from tests.support.raw import answer, serving
from tools.catalogue import error_texts

pytestmark = pytest.mark.slow

PACKAGE = Path(airflow_provider_vidai.__file__).parent
REF = JobRef(vendor="vidio", conn_id="vidio_default", job_id="J1", kind="reel")
#: Words of a message that claim what is not known, or that a reader has to decode.
AVOIDED = re.compile(
    r"still running|looking again|\blook(s|ed|ing)? (at|for)\b|\banew\b|mended|told to|\b(be|is) had\b"
    r"|\w: (is|are|has|must|may|cannot) (?!one of)|the job goes on at the vendor",
    re.IGNORECASE,
)
BYTES = re.compile(r"\bb['\"]|bytearray")


def log_texts() -> Iterator[str]:
    """Yield every text that the package logs."""
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                logger = ast.unparse(node.func.value).endswith("log")
                text = node.args[0]
                if logger and isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


def test_every_text_of_an_error_and_of_the_log_is_written_as_a_sentence_that_is_known_to_be_true() -> None:
    errors, lines = [one.text for one in error_texts()], list(log_texts())
    assert len(errors) > 100
    assert len(lines) > 40
    assert [text for text in (*errors, *lines) if AVOIDED.search(text)] == []


# --- no Python notation of bytes ----------------------------------------------------------------


class _Wanted(BaseModel):
    number: int


@pytest.mark.parametrize(
    "value",
    [b"\x89PNG\r\n", bytearray(b"ab"), memoryview(b"ab"), [b"ab"], ({"a": (b"ab",)},), {b"ab"}, {b"a": 1}],
    ids=lambda value: type(value).__name__,
)
def test_bytes_given_for_an_argument_are_shown_by_their_length(value: Any) -> None:
    refusals = [
        lambda: validated(_Wanted, {"number": value}, what="Request"),
        lambda: truth("deferrable", value),
        lambda: positive_seconds("timeout", value),
        lambda: whole_number("min_bytes", value),
        lambda: guard("max_cost_usd", value),
        lambda: JobRef.read(
            value if isinstance(value, (bytes, list)) else [value], vendor="vidio", conn_id="c", kind="reel"
        ),
    ]
    for refusal in refusals:
        with pytest.raises(InputError) as caught:
            refusal()
        assert not BYTES.search(str(caught.value)), caught.value
        assert "memory at" not in str(caught.value)
    assert "bytes)" in shown(value) or "(1 bytes)" in shown(value)


def test_a_signed_url_given_for_an_argument_is_not_shown() -> None:
    for value in ("https://cdn.example/a?sig=s3cr3t", ["https://cdn.example/a?sig=s3cr3t"]):
        assert "s3cr3t" not in shown(value)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("illegal status line: bytearray(b'HTTP/9 abc')", "illegal status line: 'HTTP/9 abc'"),
        ('Bad status line b"it\'s"', 'Bad status line "it\'s"'),
        (r"got b'\x89PNG\r\n' there", "got (binary data) there"),
        ("rob'ert and b 'c'", "rob'ert and b 'c'"),
    ],
)
def test_what_a_library_quotes_as_bytes_is_shown_as_text(said: str, read: str) -> None:
    assert without_bytes(said) == read


def outcomes(url: str) -> Iterator[str]:
    """Yield what both drivers say about a call that fails."""
    where = Account(label="VIDIO", base_url=url, key_headers={"Authorization": "Bearer key"}, timeout=5.0)
    call: Call[Any] = Call("check", "GET", "/x", lambda found: VIDIO.read(found, "check"))

    async def asend() -> Any:
        client = AsyncClient(where)
        try:
            return await client.asend(call)
        finally:
            await client.aclose()

    for run in (lambda: Client(where).send(call, attempts=1), lambda: asyncio.run(asend())):
        with pytest.raises(VidaiError) as caught:
            run()
        yield str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [b"HTTP/9 abc\r\n\r\n", b"\x16\x03\x01\x00\xff garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX y\x00z\r\n\r\n"],
    ids=["another protocol", "binary", "broken header"],
)
def test_an_answer_that_is_no_http_is_described_without_python_notation(raw: bytes) -> None:
    with serving(lambda peer: peer.send(raw) and None) as server:
        for said in outcomes(server.url):
            assert not BYTES.search(said), said


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize(
    "body",
    [gzip.compress(bytes(range(256)) * 9), bytes(range(128, 256)) * 4, b"\x89PNG\r\n\x1a\n" + b"\x8f" * 90],
)
def test_a_binary_body_is_named_by_its_size_whatever_it_is_called(body: bytes, content_type: str) -> None:
    found = Answer.read(500, {"content-type": content_type}, body, True, Hidden(()))
    assert found.excerpt() == f"{len(body)} bytes of {content_type}"


@pytest.mark.parametrize(
    "body", ['{"error": "zu groß – Größe"}', "ошибка сервера: нет места", "値が大きすぎます", ""]
)
def test_text_in_any_language_is_shown_as_text(body: str) -> None:
    assert Answer.read(500, {}, body.encode(), True, Hidden(())).excerpt() == body


# --- titles ---------------------------------------------------------------------------------------


def test_a_title_comes_into_the_log_as_the_name_of_its_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    title = "my\u202etitle\n2026-01-01 ERROR <b>\x1b[31m forged/line"
    with serving(answer(200, b"<html>" * 9, content_type="text/html")) as server:
        from airflow_provider_vidai.jobs.calls import Fetch

        where = Account(label="VIDIO", base_url=server.url, key_headers={}, timeout=5.0)
        with pytest.raises(TransferError) as caught:
            download(where, lambda: Fetch(url=f"{server.url}/f", kind="video"), f"{tmp_path}/", title)
    for said in (str(caught.value), caplog.text.rstrip("\n")):
        assert not re.search("[\u202e\x1b<>]", said)
        assert "\n2026-01-01 ERROR" not in said


def test_a_name_is_shown_without_what_turns_or_breaks_a_line() -> None:
    assert shown_name("a\u202eb\u2066c\u2028d\x07e") == "a b c d e"


# --- the money --------------------------------------------------------------------------------------


def test_all_that_is_said_when_the_waiting_stops_says_the_same_about_the_job_and_the_money() -> None:
    with pytest.raises(JobError) as unknown:
        read_event({"end": "?"})
    said = [
        no_longer_waiting(REF),
        str(timed_out(REF, "processing")),
        str(account_broken(REF, InputError("HTTP 401."))),
        str(unknown.value),
    ]
    for text in said:
        assert "goes on there unless it has ended since" in text
        assert "buys nothing" in text
        assert [fate for fate in MONEY.values() if fate in text] == [MONEY["yes"]]


@pytest.mark.parametrize(
    ("charged", "said"), [("maybe", "yes"), ("refunded", "refunded"), ("no", "no"), ("yes", "yes")]
)
def test_a_job_that_was_ready_and_now_fails_was_charged_unless_the_vendor_says_otherwise(
    charged: Any, said: str
) -> None:
    with pytest.raises(JobFailed) as caught:
        still_there(REF, JobStatus(state=JobState.FAILED, vendor_status="failed", charged=charged))
    assert caught.value.charged == said
