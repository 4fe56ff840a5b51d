"""What a person approves is what is bought."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.param import process_params

from airflow_provider_vidai.sandbox.client import Control
from tests.support.dags import dag_bag
from tests.support.task import Instance, Task

pytest.importorskip("airflow.providers.standard.operators.hitl", reason="the standard provider is too old")

FILE = Path(__file__).parents[2] / "dags" / "venice_text_to_video.py"
DEFAULT = "A sunset over the ocean with gentle waves"
#: Venice's quote in USD for each length in seconds.
PRICES = {5: 0.55, 10: 1.1}
CONF = {"prompt": "A quiet sea", "model": "wan-2.6-text-to-video", "duration": 10}


class Pulled(Instance):
    """A task instance that finds the results of the tasks before it."""

    results: dict[str, Any]

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results[task_ids]


class Approval:
    """One run of the example DAG, up to the purchase."""

    def __init__(self, conf: dict[str, Any] | None = None) -> None:
        self.conf = conf
        self.price = PRICES[(conf or {}).get("duration", 5)]
        self.results: dict[str, Any] = {"quote": {"quote_usd": self.price}}
        self.approve = self.rendered("approve")

    def rendered(self, task_id: str) -> Any:
        """Return a task as the worker renders it, with the params that the worker gives it."""
        dag = dag_bag(FILE).dags["venice_text_to_video"]
        task = dag.get_task(task_id)
        instance = Pulled(1, 2)
        instance.results = self.results
        params = process_params(dag, task, self.conf, suppress_exception=False)
        variables = SimpleNamespace(value=SimpleNamespace(vidai_media="file:///data/media"))
        context = {"params": params, "ti": instance, "dag": dag, "task": task, "var": variables}
        task.render_template_fields(context)
        return task

    def answer(self, new_prompt: str | None) -> None:
        """Let a person approve the video."""
        event = {
            "chosen_options": ["Approve"],
            # Airflow 3.1's form also holds the DAG's params.
            "params_input": {**self.approve.params, "new_prompt": new_prompt},
            "responded_at": datetime.now(timezone.utc),
            "responded_by_user": {"id": "1", "name": "admin"},
        }
        context = {"ti": Pulled(1, 2), "task": self.approve}
        self.results["approve"] = self.approve.execute_complete(context, event)

    def buyer(self) -> Task:
        """Return the task that buys, as a process of its own makes it."""

        def make() -> Any:
            operator = self.rendered("generate")
            operator.deferrable, operator.poll_interval = False, 0.05
            return operator

        return Task(make)


@pytest.mark.parametrize("conf", [None, {}, CONF], ids=["no conf", "empty conf", "conf"])
def test_the_approval_shows_the_prompt_the_price_the_model_and_the_length(
    conf: dict[str, Any] | None,
) -> None:
    run = Approval(conf)
    approve = run.approve
    body = approve.body
    assert f"**Prompt:** {(conf or {}).get('prompt', DEFAULT)}\n" in body
    assert f"**Price:** {run.price} USD\n" in body
    assert "**Model:** wan-2.6-text-to-video\n" in body
    assert f"**Video:** {(conf or {}).get('duration', 5)} s, 720p, 16:9\n" in body
    assert "**Saved to:** file:///data/media/videos/" in body
    assert str(run.price) in approve.subject
    assert "None" not in body


@pytest.mark.usefixtures("venice")
@pytest.mark.parametrize("conf", [None, CONF], ids=["no conf", "conf"])
@pytest.mark.parametrize("answered", [None, "", "  \n", "A rough sea"])
def test_what_was_approved_is_what_is_bought(
    conf: dict[str, Any] | None, answered: str | None, control: Control
) -> None:
    run = Approval(conf)
    run.answer(answered)
    task = run.buyer()
    task.run()
    (bought,) = control.purchases("venice")
    shown = (conf or {}).get("prompt", DEFAULT)
    assert bought["request"]["prompt"] == ((answered or "").strip() or shown)
    assert bought["request"]["duration"] == f"{(conf or {}).get('duration', 5)}s"


@pytest.mark.usefixtures("venice")
def test_a_changed_prompt_is_in_the_record_so_that_a_retry_finds_its_video_again(control: Control) -> None:
    records = []
    for answered in (None, "A rough sea"):
        run = Approval()
        run.answer(answered)
        task = run.buyer()
        task.run()
        records.append(task.store.record["fingerprint"])  # type: ignore[union-attr]
        assert task.retry().run()["state"] == "ready"
    assert records[0] != records[1]
    assert len(control.purchases("venice")) == 2, "one for each run; the retries bought nothing"


def test_a_prompt_changed_in_the_longer_form_of_airflow_3_1_is_bought_too() -> None:
    run = Approval(CONF)
    run.results["approve"] = {"params_input": {"prompt": "A rough sea", "new_prompt": None}}
    assert run.rendered("generate").prompt == "A rough sea"
