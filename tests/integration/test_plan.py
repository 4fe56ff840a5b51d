"""A plan: what a run would buy, and what that would cost, before it buys anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator, VizardPublishOperator
from airflow_provider_vidai.sandbox.client import Control
from airflow_provider_vidai.spend.plan import Plan, plan_of_dag, plan_of_run
from tests.integration.conftest import VIDEO
from tests.support.books import command
from tests.support.task import Instance

pytestmark = pytest.mark.slow

PRICES = [
    {"vendor": "vidgo", "model": "nano-banana", "amount": 6, "unit": "credits"},
    {"vendor": "vidio", "unit": "units", "usd_per_unit": 0.9},
    {"vendor": "vizard", "unit": "minutes", "usd_per_unit": 0.1},
]
UNPRICED = {name: value for name, value in VIDEO.items() if name not in ("prompt", "duration")}


@pytest.fixture(autouse=True)
def _prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VIDAI__PRICES", json.dumps(PRICES))


def plan_of(make: Callable[[], Any], conf: dict[str, Any] | None = None, **more: Any) -> Plan:
    """Return the plan of a DAG with the tasks that ``make`` makes."""
    with DAG("campaign", **more) as dag:
        make()
    return plan_of_dag(dag, conf)


def lines(plan: Plan) -> dict[str, tuple[Any, ...]]:
    return {one.task_id: (one.count, one.usd, one.certainty) for one in plan.lines}


def calls(control: Control) -> set[str]:
    return {f"{one['vendor']} {one['call']}" for one in control.calls()}


def test_a_request_that_is_known_in_full_is_priced_exactly_with_the_params_of_the_run(
    control: Control, venice: Any
) -> None:
    def make() -> None:
        VeniceVideoOperator(
            task_id="video", prompt="{{ params.topic }}", duration="{{ params.seconds }}", **UNPRICED
        )

    params = {"seconds": Param(5, type="integer", maximum=15), "topic": "a lake"}
    assert lines(plan_of(make, params=params)) == {"video": (1, 0.55, "exact")}
    longer = plan_of(make, {"seconds": 10}, params=params)
    assert (longer.usd, longer.certainty, longer.unknown) == (1.1, "exact", 0)
    with pytest.raises(InputError, match="The params of DAG campaign are wrong"):
        plan_of(make, {"seconds": 100}, params=params)


def test_a_plan_buys_and_uploads_nothing_and_asks_only_for_quotes(
    control: Control, venice: Any, vidgo: Any, vidio: Any, vizard: Any, talks: str, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def make() -> None:
        VeniceVideoOperator(task_id="video", **VIDEO)
        VeniceVideoOperator(
            task_id="from_file", model="topaz-video-upscale", video_url=str(clip), upscale_factor=2
        )
        VidgoGenerateOperator(
            task_id="picture",
            model="nano-banana",
            input={"prompt": "a", "image_urls": [str(tmp_path / "picture.png")]},
            min_credits=5,
        )
        reel = VidioHighlightReelOperator(
            task_id="reel", input_keys=["k"], video_category="others", output_length=9, aspect_ratio="square"
        )
        VidioRenderOperator(task_id="render", job=reel.output)
        VizardClipsOperator(task_id="clips", video_url=f"{talks}/short.mp4", source_seconds=90)
        VizardPublishOperator(task_id="dry", clip="1", social_account_id="7", dry_run=True)

    found = plan_of(make)
    assert lines(found) == {
        "video": (1, 0.55, "exact"),
        "from_file": (1, None, "unknown"),
        "picture": (1, 0.03, "estimated"),
        "reel": (1, 0.9, "exact"),
        "render": (1, 0.9, "estimated"),
        "clips": (1, 0.15, "exact"),
    }
    assert "from_file | venice topaz-video-upscale | 1 | ? | ? | unknown: the price depends" in found.text()
    assert (found.usd, found.unknown) == (2.53, 1)
    assert control.purchases() == []
    assert calls(control) <= {"venice models", "venice quote"}


def test_mapped_tasks_are_priced_item_by_item_where_their_inputs_are_known(
    control: Control, venice: Any, vidgo: Any
) -> None:
    def make() -> None:
        VeniceVideoOperator.partial(task_id="lengths", prompt="p", **UNPRICED).expand(duration=[5, 5, 10])
        VeniceVideoOperator.partial(task_id="both", model=VIDEO["model"], aspect_ratio="16:9").expand(
            duration=[5, 10], resolution=["720p", "1080p"]
        )
        VidgoGenerateOperator.partial(task_id="kwargs").expand_kwargs(
            [{"model": "nano-banana", "input": {"prompt": text}} for text in "abc"]
        )

    found = plan_of(make)
    by_length = [(one.count, one.usd) for one in found.lines if one.task_id == "lengths"]
    assert by_length == [(2, 0.55), (1, 1.1)]
    assert sum(one.count or 0 for one in found.lines if one.task_id == "both") == 4
    (kwargs,) = (one for one in found.lines if one.task_id == "kwargs")
    assert (kwargs.count, str(kwargs.total_usd)) == (3, "0.09")
    assert control.purchases() == []
    # Equal requests are quoted once.
    assert sum(one["call"] == "quote" for one in control.calls()) == 4


def test_what_only_the_run_will_know_makes_a_line_estimated_or_unknown_and_says_why(
    control: Control, venice: Any
) -> None:
    def make() -> None:
        @task
        def wishes() -> list[int]:
            return [5]

        wish = wishes()
        rest = {"model": VIDEO["model"], "resolution": "720p", "aspect_ratio": "16:9"}
        VeniceVideoOperator(task_id="prompt", prompt=wish, duration=5, **rest)
        VeniceVideoOperator(task_id="duration", prompt="p", duration="{{ ti.xcom_pull('wishes') }}", **rest)
        VeniceVideoOperator.partial(task_id="many", prompt="p", **rest).expand(duration=wish)
        VeniceVideoOperator.partial(task_id="prompts", duration=5, **rest).expand(prompt=wish)

    found = plan_of(make)
    assert lines(found) == {
        "prompt": (1, 0.55, "estimated"),
        "duration": (1, None, "unknown"),
        "many": (None, None, "unknown"),
        "prompts": (None, 0.55, "unknown"),
    }
    reasons = {one.task_id: one.reason or "" for one in found.lines}
    assert reasons["prompt"] == "prompt needs the result of wishes"
    assert "duration needs the result of a task" in reasons["duration"]
    assert "how many there are" in reasons["prompts"]
    assert (found.usd, found.unknown, found.certainty) == (0.55, 3, "unknown")


def test_the_tasks_of_a_mapped_task_group_count_once_for_each_of_its_items(
    control: Control, venice: Any
) -> None:
    def make() -> None:
        @task_group
        def scene(seconds: int) -> None:
            VeniceVideoOperator(task_id="video", prompt="p", duration=seconds, **UNPRICED)

        scene.expand(seconds=[5, 10, 10])

    found = plan_of(make)
    assert [(one.task_id, one.count, one.usd) for one in found.lines] == [
        ("scene.video", 1, 0.55),
        ("scene.video", 2, 1.1),
    ]
    assert found.usd == 2.75


def test_a_request_that_would_fail_is_named_before_the_run(
    control: Control, venice: Any, vidgo: Any, vizard: Any
) -> None:
    def make() -> None:
        VeniceVideoOperator(task_id="length", prompt="p", duration=7, **UNPRICED)
        VidgoGenerateOperator(task_id="input", model="nano-banana", input={})
        VidgoGenerateOperator(
            task_id="nobody", model="nano-banana", input={"prompt": "a"}, vidgo_conn_id="no"
        )
        VizardClipsOperator(task_id="mode", video_url="https://a.example/a.mp4", mode="nosuch")

    reasons = {one.task_id: one.reason or "" for one in plan_of(make).lines}
    assert reasons["length"].startswith("the task would fail: ")
    assert reasons["input"].startswith("the task would fail: ")
    assert reasons["mode"].startswith("the task would fail: ")
    assert "`no` isn't defined" in reasons["nobody"]


def test_a_price_that_is_not_known_is_unknown_with_a_reason_and_in_no_sum(
    control: Control, vidio: Any, vidgo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__VIDAI__PRICES")

    def make() -> None:
        VidioRenderOperator(task_id="render", job="J1")
        VidgoGenerateOperator(task_id="picture", model="nano-banana", input={"prompt": "a"})

    render, picture = plan_of(make).lines
    assert (render.amount, render.unit, render.usd, render.certainty) == (1, "units", None, "exact")
    assert "no price in USD" in str(render.reason)
    assert (picture.amount, picture.certainty, picture.reason) == (None, "unknown", "Vidgo reports no price")


def test_the_approval_step_of_a_run_knows_what_finished_tasks_returned(control: Control, venice: Any) -> None:
    with DAG("campaign", params={"seconds": 5}) as dag:

        @task
        def wish() -> int:
            return 10

        wished = wish()
        VeniceVideoOperator(task_id="direct", prompt="p", duration=wished, **UNPRICED)
        VeniceVideoOperator(
            task_id="template",
            prompt="{{ ti.xcom_pull('later') }}",
            duration="{{ params.seconds }}",
            **UNPRICED,
        )

    class Approving(Instance):
        def xcom_pull(self, task_ids: str, **more: Any) -> Any:
            return {"wish": 10}.get(task_ids, more.get("default"))

    run = SimpleNamespace(conf={"seconds": 5}, run_id="r")
    found = plan_of_run({"dag": dag, "dag_run": run, "ti": Approving(1, 0), "params": {}})
    assert lines(found) == {"direct": (1, 1.1, "exact"), "template": (1, 0.55, "estimated")}
    fields = json.loads(json.dumps(found.fields()))
    assert (fields["usd"], fields["certainty"]) == (1.65, "estimated")
    assert "In all: 1.65 USD (estimated)." in fields["text"]


DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_vidai.operators.venice import VeniceVideoOperator

with DAG("campaign", params={{"seconds": 5}}):
    VeniceVideoOperator(task_id="video", prompt="p", duration="{{{{ params.seconds }}}}", **{rest})
with DAG("empty"):
    pass
"""


def test_the_command_shows_the_plan_of_a_dag_with_a_conf(
    control: Control, database: None, dags_folder: Path, venice: Any, capsys: pytest.CaptureFixture
) -> None:
    (dags_folder / "campaign.py").write_text(DAG_FILE.format(rest=UNPRICED))
    text = command(capsys, "plan", "campaign", "--conf", '{"seconds": 10}')
    assert "In all: 1.10 USD (exact)." in text
    assert "wan-2.6-text-to-video" in text
    said = command(capsys, "plan", "campaign", "--json")
    assert json.loads(said[said.index("{\n") :])["usd"] == 0.55
    assert "no task of a paid operator" in command(capsys, "plan", "empty")
    with pytest.raises(SystemExit, match="There is no DAG 'nosuch'"):
        command(capsys, "plan", "nosuch")
    with pytest.raises(SystemExit, match="--conf must be a JSON object"):
        command(capsys, "plan", "campaign", "--conf", "[1]")
    assert control.purchases() == []
