"""A worker dies while money is on the table."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import bought, eventually, kill_task, messages
from tools.stack import Stack


def test_a_worker_killed_while_it_waits_leaves_one_purchase_and_the_retry_waits_for_it(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    sandbox.fault("vidio", "status", "vendor_status", word="processing", times=5)
    run = stack.api.trigger("reel_sync_fail", {"input_key": footage})
    eventually("look at the job", lambda: "processing" in messages(run, "reel", 1))
    kill_task(run, "reel")

    assert run.wait(90) == "success"
    assert len(bought(sandbox, footage)) == 1
    second = messages(run, "reel", 2)
    assert "bought by try 1" in second
    assert "This try will wait for the job that is running" in second


@pytest.mark.parametrize("mode", ["sync", "deferred"])
def test_a_worker_killed_before_the_vendors_answer_stops_as_a_lost_purchase(
    stack: Stack, sandbox: Control, footage: str, mode: str
) -> None:
    held = sandbox.fault("vidio", "create_highlight_reel", "hold", when="after", times=1)
    run = stack.api.trigger(f"reel_{mode}_fail", {"input_key": footage})
    sandbox.wait_held(held, timeout=60)
    kill_task(run, "reel")
    sandbox.release(held, drop=True)

    assert run.wait(90) == "failed"
    assert len(bought(sandbox, footage)) == 1
    assert run.task("reel")["try_number"] == 2, "the second try stops, and is not retried"
    second = messages(run, "reel", 2)
    assert "its outcome is unknown" in second
    assert "It may have been charged." in second
    assert "Clear the task to buy again" in second


def test_a_lost_purchase_is_bought_again_only_where_the_author_asked_for_it(
    stack: Stack, sandbox: Control, footage: str
) -> None:
    held = sandbox.fault("vidio", "create_highlight_reel", "hold", when="after", times=1)
    run = stack.api.trigger("reel_deferred_resubmit", {"input_key": footage})
    sandbox.wait_held(held, timeout=60)
    kill_task(run, "reel")
    sandbox.release(held, drop=True)

    assert run.wait(90) == "success"
    assert len(bought(sandbox, footage)) == 2
