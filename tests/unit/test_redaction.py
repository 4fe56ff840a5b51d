"""What of a text may be shown, and that an account's own key never comes back out of an answer."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.net.polls import AsyncClient
from airflow_provider_vidai.redaction import Hidden, redacted, shown_media
from airflow_provider_vidai.vendors.vidio.api import VIDIO
from tests.support.raw import Step, answer, serving

SECRET = "5ea1edS3cr3tAbCdEf0123456789"
KEY = "sk-live/51Nq+x.Y_z-0123456789abcdef"

SIGNED = [
    f"https://cdn.example/a.mp4?Signature={SECRET}",
    f"HTTPS://CDN.example/a.mp4?Signature={SECRET}",
    f"//cdn.example/a.mp4?Signature={SECRET}&Expires=1",
    f"s3://bucket/a.mp4?X-Amz-Signature={SECRET}",
    f"gs://bucket/a.mp4?X-Goog-Signature={SECRET}",
    f"S3://bucket/a.mp4?x-amz-signature={SECRET}",
    f"wss://live.example/stream?token={SECRET}",
    f"ws://live.example/{SECRET}",
    f"ftp://user:{SECRET}@host/a.mp4",
    quote(f"https://cdn.example/a.mp4?Signature={SECRET}", safe=""),
    quote(f"https://cdn.example/a.mp4?Signature={SECRET}", safe="").lower().replace(SECRET.lower(), SECRET),
    quote(quote(f"https://cdn.example/a.mp4?Signature={SECRET}", safe=""), safe=""),
    quote(f"//cdn.example/a.mp4?Signature={SECRET}", safe=""),
    quote(f"s3://bucket/a.mp4?X-Amz-Signature={SECRET}", safe=""),
    json.dumps(f"https://cdn.example/a.mp4?Signature={SECRET}").replace("/", "\\/"),
    f"https:\\u002f\\u002fcdn.example\\u002fa.mp4?Signature={SECRET}",
    f"cdn.example/a.mp4?X-Amz-Signature={SECRET}",
    f"a.mp4?sv=2024&sig={SECRET}&se=1",
    f"X-Amz-Security-Token={SECRET}",
    f"x-amz-credential%3D{SECRET}",
    f"a.mp4?AWSAccessKeyId=AKIA1&Signature={SECRET}",
]


@pytest.mark.parametrize(
    "around", ["{}", "see {} now", '{{"url": "{}"}}', "({})", "url={}", "<{}>", "a,{},b"]
)
@pytest.mark.parametrize("address", SIGNED)
def test_a_signed_address_of_any_form_is_not_shown(address: str, around: str) -> None:
    for show in (redacted, lambda text: str(shown_media(text))):
        shown = show(around.format(address))
        if "?" in address or "%3F" in address or "%253F" in address or show is redacted:
            assert SECRET not in shown


@pytest.mark.parametrize(
    "text",
    ["a // b", "and/or", "12:30 // 13:00", "what? // never mind", "s3://bucket/reel.mp4", "C:/videos/a.mp4",
     "a signature=no", "is it a signal?", "50% off", "50%2 off"],
)  # fmt: skip
def test_ordinary_words_and_paths_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text
    assert shown_media(text) == text


ECHOES: dict[str, Callable[[str], str]] = {
    "itself": str,
    "Bearer": lambda key: f"Bearer {key}",
    "in a sentence": lambda key: f"Incorrect API key provided: {key}.",
    "percent-encoded": lambda key: quote(key, safe=""),
    "percent-encoded twice": lambda key: quote(quote(key, safe=""), safe=""),
    "all percent-encoded": lambda key: "".join(f"%{ord(letter):02x}" for letter in key),
    "in JSON": lambda key: key.replace("/", "\\/"),
    "in escapes": lambda key: "".join(f"\\u{ord(letter):04X}" for letter in key),
    "in HTML": lambda key: html.escape("".join(f"&#{ord(letter)};" for letter in key)).replace("&amp;", "&"),
    "in base64": lambda key: base64.b64encode(key.encode()).decode(),
    "in base64 for URLs": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "Bearer in base64": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "as a password in base64": lambda key: base64.b64encode(f":{key}".encode()).decode(),
    "in hexadecimal": lambda key: key.encode().hex(),
}


def leaks(text: str) -> bool:
    middle = KEY[8:-4]
    return any(middle in form for form in (text, html.unescape(text))) or any(
        echo(KEY)[6:-8] in text for echo in ECHOES.values()
    )


def account(url: str) -> Account:
    return Account(label="VIDIO", base_url=url, key_headers={"Authorization": f"Bearer {KEY}"}, timeout=5.0)


def outcomes(where: Account) -> list[str]:
    """Send a call by both drivers; return all that comes of it, as text."""
    call: Call[Any] = Call("check", "GET", "/x", lambda found: VIDIO.read(found, "check"))

    async def asend() -> Any:
        client = AsyncClient(where)
        try:
            return await client.asend(call)
        finally:
            await client.aclose()

    found = []
    for run in (lambda: Client(where).send(call, attempts=1), lambda: asyncio.run(asend())):
        try:
            found.append(repr(run()))
        except VidaiError as error:
            found.append(f"{error} {error!r} {error.__cause__!r}")
    return found


@pytest.mark.parametrize("status", [200, 401, 403, 400, 422, 500, 302])
@pytest.mark.parametrize("echo", ECHOES)
def test_the_key_that_a_vendor_repeats_comes_out_nowhere(
    echo: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = ECHOES[echo](KEY)
    escaped = f'{{"error": {{"message": "no: {said} "}}, "{said}": 1, "list": ["{said}"]}}'
    steps: list[Step] = [
        answer(status, escaped.encode(), content_type="application/json"),
        answer(status, f"<html>{said}</html>".encode(), content_type="text/html"),
        answer(status, b'{"error": "x"}', content_type=f"text/x; {said}", www_authenticate=said),
        answer(status, b'{"error": "x"}', content_type=f"text/{said}"),
        lambda peer: peer.send(f"HTTP/1.1 {said}\r\n\r\n".encode()) and None,
        lambda peer: peer.send(f"HTTP/1.1 200 OK\r\nX {said}\r\n\r\n".encode()) and None,
    ]
    for step in steps:
        with serving(step) as server:
            for text in outcomes(account(server.url)):
                assert not leaks(text), text
    assert not leaks(caplog.text)


@pytest.mark.parametrize(("hook", "kind"), [(VidioHook, "vidio"), (VeniceHook, "venice")])
@pytest.mark.parametrize("echo", ECHOES)
def test_test_connection_does_not_show_the_key(hook: Any, kind: str, echo: str, connect: Any) -> None:
    body = f'{{"error": "Invalid key {ECHOES[echo](KEY)}"}}'.encode()
    with serving(answer(401, body, content_type="application/json")) as server:
        connect(f"{kind}_default", conn_type=kind, password=KEY, host=server.url)
        works, message = hook().test_connection()
    assert not works
    assert not leaks(message)


def test_an_excerpt_never_shows_half_a_key() -> None:
    for before in range(0, 700, 7):
        found = Answer.read(500, {}, b"x" * before + KEY.encode() + b" end", True, Hidden([f"Bearer {KEY}"]))
        assert "sk-live" not in found.excerpt()
        assert "sk-live" not in found.excerpt(120)


def test_an_answer_that_does_not_hold_the_key_stays_as_it_is() -> None:
    body = {"a": "50% \\ & more", "b": ["Bearer", "sk-live", KEY[:10]], "n": 1.5}
    found = Answer.read(200, {}, json.dumps(body).encode(), True, Hidden([f"Bearer {KEY}"]))
    assert found.json() == body
