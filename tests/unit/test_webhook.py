"""The addresses that vendors call: who can make one, what it reveals, and when there is none."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from airflow_provider_vidai.events.plugin import VidaiEventsPlugin
from airflow_provider_vidai.hooks.webhook import LONGEST_URL, Webhook, safety_net, webhook
from airflow_provider_vidai.jobs.media_record import TaskKey
from airflow_provider_vidai.purchase.hint import Hint, hint_in, token_of
from airflow_provider_vidai.purchase.seal import Seal

SECRET = "a secret of at least 32 characters"
BASE = "https://airflow.example.com/prefix/"
TASK = TaskKey("videos", "manual__2026-01-01T00:00:00+00:00", "paid", 3)
HINT = Hint(vendor="vidgo", task=TASK, purchase="0123456789abcdef")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_options(**options: str) -> None:
        for name in ("webhook_secret", "webhook_base_url", "poll_with_webhook"):
            monkeypatch.setenv(f"AIRFLOW__VIDAI__{name.upper()}", options.get(name, ""))

    return set_options


def test_a_token_says_what_was_put_into_it() -> None:
    assert hint_in(token_of(HINT, SECRET), SECRET) == HINT
    workspace = Hint(vendor="vizard")
    assert hint_in(token_of(workspace, SECRET), SECRET) == workspace


def test_a_token_of_another_secret_or_another_use_is_none() -> None:
    assert hint_in(token_of(HINT, SECRET + "!"), SECRET) is None
    assert hint_in(Seal(SECRET).close(HINT.model_dump_json()), SECRET) is None


def test_no_changed_token_is_believed() -> None:
    token = token_of(HINT, SECRET)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        # The padding's unused bits are the only change that decodes to the same bytes.
        assert hint_in(changed, SECRET) in (None, HINT)
        if base64.urlsafe_b64decode(changed + "==") != base64.urlsafe_b64decode(token + "=="):
            assert hint_in(changed, SECRET) is None


@pytest.mark.parametrize(
    "token",
    ["", "x", "é", "a" * 100_000, "\x00", token_of(HINT, SECRET)[:-9]],
    ids=["empty", "one letter", "no ASCII", "very long", "zero byte", "cut"],
)
def test_what_is_no_token_is_none(token: str) -> None:
    assert hint_in(token, SECRET) is None


def test_an_address_shows_no_names() -> None:
    token = (Webhook(SECRET, BASE).url(HINT) or "").rpartition("/")[2]
    shown = base64.urlsafe_b64decode(token)
    assert not any(name.encode() in shown for name in ("vidgo", "videos", "paid", "manual"))


def test_an_address_lies_below_the_path_prefix_and_is_short_enough_for_a_vendor() -> None:
    found = Webhook(SECRET, BASE)
    assert (found.url(HINT) or "").startswith("https://airflow.example.com/prefix/vidai-hooks/gAAAA")
    longest = HINT.model_copy(update={"task": TaskKey("d" * 250, "r" * 250, "t" * 250, 10**6)})
    assert len(found.url(longest) or "") <= LONGEST_URL
    wide = HINT.model_copy(update={"task": TaskKey("é" * 250, "é" * 250, "é" * 250, 0)})
    assert len(found.url(wide) or "") <= LONGEST_URL
    assert Webhook(SECRET, BASE + "p" * 2000).url(HINT) is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"webhook_secret": SECRET},
        {"webhook_base_url": BASE},
        {"webhook_secret": "x" * 31, "webhook_base_url": BASE},
        *(
            {"webhook_secret": SECRET, "webhook_base_url": url}
            for url in ("airflow", "ftp://a", "http://[", "http://a?b=1")
        ),
    ],
)
def test_without_a_good_secret_and_a_good_address_webhooks_are_off(
    options: Any, given: dict[str, str]
) -> None:
    options(**given)
    assert webhook() is None
    assert safety_net() is None
    assert VidaiEventsPlugin().fastapi_apps == []


def test_a_secret_that_is_too_short_is_said_without_showing_it(
    options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options(webhook_secret="too short", webhook_base_url=BASE)
    with caplog.at_level(logging.WARNING):
        assert webhook() is None
    assert "fewer than 32 characters" in caplog.text
    assert "too short" not in caplog.text


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("", 120), ("120", 120), ("300", 300), ("1", 5), ("0", None), ("x", None), ("-1", None)],
)
def test_how_often_jobs_are_polled_beside_a_webhook(options: Any, given: str, seconds: float | None) -> None:
    options(webhook_secret=SECRET, webhook_base_url=BASE, poll_with_webhook=given)
    assert safety_net() == seconds


def test_where_webhooks_are_on_the_receiver_is_mounted_apart_from_the_pages(options: Any) -> None:
    options(webhook_secret=SECRET, webhook_base_url=BASE)
    (app,) = VidaiEventsPlugin().fastapi_apps
    assert app["url_prefix"] == "/vidai-hooks"
    assert SECRET not in repr(webhook())
