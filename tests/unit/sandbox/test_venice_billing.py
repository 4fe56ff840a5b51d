"""Venice's books in the sandbox."""

from typing import Any

import httpx
import pytest

from airflow_provider_vidai.sandbox.server import Sandbox, serve

ASKED = {"model": "wan-2.6-text-to-video", "prompt": "a", "duration": "5s", "resolution": "720p"}


@pytest.fixture(scope="module")
def sandbox() -> Any:
    with serve(speed=3000.0) as running:
        running.control.settings(venice={"short_side": 64})
        yield running


def ask(sandbox: Sandbox, path: str, key: str, **more: Any) -> httpx.Response:
    url = f"{sandbox.url}/venice/api/v1{path}"
    return httpx.request("POST" if more else "GET", url, headers={"Authorization": f"Bearer {key}"}, **more)


def test_an_admin_key_reads_what_its_account_was_charged(sandbox: Sandbox) -> None:
    queued = ask(sandbox, "/video/queue", "k", json={**ASKED, "aspect_ratio": "16:9"}).json()
    (line,) = ask(sandbox, "/billing/usage-history", "admin-k").json()["data"]
    assert (line["amount"], line["inferenceDetails"]["requestId"]) == (-0.55, queued["queue_id"])
    assert line["sku"].startswith(ASKED["model"])
    assert ask(sandbox, "/billing/balance", "admin-k").json()["balances"]["usd"] == 999.45
    assert ask(sandbox, "/api_keys/rate_limits", "k").json()["data"]["balances"]["USD"] == 999.45
    assert ask(sandbox, "/billing/usage-history", "admin-other").json()["data"] == []


@pytest.mark.parametrize("path", ["/billing/usage-history", "/billing/balance"])
def test_another_key_reads_neither(sandbox: Sandbox, path: str) -> None:
    assert ask(sandbox, path, "k").status_code == 401


def test_a_charge_can_appear_late(sandbox: Sandbox) -> None:
    sandbox.control.settings(venice={"usage_lag": 3600.0})
    ask(sandbox, "/video/queue", "late", json={**ASKED, "aspect_ratio": "16:9"})
    assert ask(sandbox, "/billing/usage-history", "admin-late").json()["data"] == []
