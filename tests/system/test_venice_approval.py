"""A person approves or rejects the price of a video through Airflow's own REST API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_vidai.sandbox.client import Control
from tests.system.conftest import EXAMPLES, RUN, SECRET_LINK, answer, asked, nowhere_in_the_clear
from tools.stack import Stack

# They share an Airflow with the example DAGs, which only one of the processes shall start.
pytestmark = pytest.mark.xdist_group("examples")

PRICE = 0.55
LINKED = {"model": "grok-imagine-text-to-video-private", "resolution": "480p", "duration": 5}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An Airflow with the example DAGs, whose sandbox makes small videos."""
    with Stack(tmp_path_factory.mktemp("venice"), dags=EXAMPLES, speed=20.0) as running:
        Control(running.sandbox_url).settings(venice={"short_side": 64})
        yield running


@pytest.fixture
def control(examples: Stack) -> Control:
    return Control(examples.sandbox_url)


def purchases(control: Control, prompt: str) -> list[dict[str, Any]]:
    return [one for one in control.purchases("venice") if one["request"]["prompt"] == prompt]


def test_an_approved_video_is_made_with_the_prompt_that_the_person_edited(
    examples: Stack, control: Control, tmp_path: Path
) -> None:
    run = examples.api.trigger(
        "venice_text_to_video", {"prompt": "A quiet sea", "destination": f"{tmp_path.as_uri()}/"}
    )
    shown = asked(run)
    assert str(PRICE) in shown["subject"]
    assert str(PRICE) in shown["body"]
    assert "A quiet sea" in shown["body"]
    assert control.purchases("venice") == []
    answer(run, "Approve", new_prompt="A rough sea")

    assert run.wait(RUN) == "success"
    assert len(purchases(control, "A rough sea")) == 1
    assert run.xcom("generate")["cost"]["quote_usd"] == PRICE
    (landed,) = run.xcom("download")
    assert landed["duration"] == pytest.approx(5, abs=0.3)
    files = [path for path in tmp_path.iterdir() if path.is_file()]  # beside the folder of its stills
    assert [path.stat().st_size for path in files] == [landed["bytes"]]


def test_a_rejected_video_is_not_bought(examples: Stack, control: Control) -> None:
    run = examples.api.trigger("venice_text_to_video", {"prompt": "A burning sea"})
    asked(run)
    answer(run, "Reject")
    assert run.wait(RUN) == "success"
    assert {task["task_id"]: task["state"] for task in run.tasks()} == {
        "quote": "success",
        "approve": "success",
        "generate": "skipped",
        "download": "skipped",
    }
    assert purchases(control, "A burning sea") == []


def test_a_link_that_came_with_the_purchase_is_nowhere_in_the_clear(
    examples: Stack, control: Control, tmp_path: Path
) -> None:
    run = examples.api.trigger(
        "venice_text_to_video",
        {**LINKED, "prompt": "A secret sea", "destination": f"{tmp_path.as_uri()}/"},
    )
    asked(run)
    answer(run, "Approve")
    assert run.wait(RUN) == "success"
    assert run.xcom("generate")["sealed_url"]
    assert any(tmp_path.iterdir())
    nowhere_in_the_clear(examples, SECRET_LINK)


def test_every_picture_of_a_folder_becomes_a_video(examples: Stack, control: Control, tmp_path: Path) -> None:
    from tests.support.videos import picture

    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        picture(tmp_path / "in" / name, size=(320, 240))
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    conf = {
        "pictures": (tmp_path / "in").as_uri(),
        "destination": f"{(tmp_path / 'out').as_uri()}/",
        "prompt": "Alive",
    }
    run = examples.api.trigger("venice_image_to_video", conf)
    assert run.wait(RUN) == "success"
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 2
    assert len(purchases(control, "Alive")) == 2
    fields = [task["rendered_fields"] for task in run.tasks() if task["task_id"] == "animate"]
    assert fields
    assert "base64" not in str(fields)
