"""The sample code of Vizard's first documents (2024-08), only its base URL changed, against the sandbox."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_vidai.files.probe import probe
from airflow_provider_vidai.sandbox.server import Sandbox, serve
from tests.support.pauses import Pauses
from tests.support.videos import talk

SAMPLE = (Path(__file__).parent / "vizard_sample.txt").read_text()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(speed=2000) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox where the sample's video is 20 seconds long."""
    # The sample imports it: its pauses of five seconds are short here.
    monkeypatch.setitem(sys.modules, "time", Pauses(recorded=False))
    running.control.reset()
    running.control.settings(vizard={"footage": str(talk(tmp_path / "sample.mp4", 20))})
    return running


def said(sandbox: Sandbox, capsys: pytest.CaptureFixture[str], code: str = SAMPLE) -> list[str]:
    """Run the sample, and return what it printed."""
    assert code.count("https://elb-api.vizard.ai") == 2
    code = code.replace("https://elb-api.vizard.ai", f"{sandbox.url}/vizard")
    exec(compile(code, "sample", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out.splitlines()


def result(lines: list[str]) -> dict[str, Any]:
    return dict(ast.literal_eval(lines[-1]))


def test_the_sample_lacks_the_type_that_todays_api_requires(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(sandbox, capsys)
    refusal = {"code": 4006, "errMsg": "illegal parameter: videoType"}
    assert lines == ["creating project", str(refusal), f"create error: {refusal}"]
    assert sandbox.control.purchases("vizard") == []


def test_with_the_type_the_sample_gets_what_todays_api_gives(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(sandbox, capsys, SAMPLE.replace("'lang': LANG,", "'lang': LANG, 'videoType': 1,"))
    assert "clipping succeeded." in lines
    answer = result(lines)
    assert set(answer) == {"code", "projectId", "projectName", "shareLink", "videos", "errMsg"}
    assert answer["projectName"] == "api-vizard-sample"
    clip = answer["videos"][0]
    assert isinstance(clip["viralScore"], str)
    assert isinstance(clip["relatedTopic"], str)
    assert isinstance(clip["videoId"], int)


def test_the_sample_gets_from_the_api_of_its_time_what_its_documents_say(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sandbox.control.settings(vizard={"generation": "2024"})
    lines = said(sandbox, capsys)
    assert lines[0] == "creating project"
    assert ast.literal_eval(lines[1])["code"] == 2000
    assert "clipping succeeded." in lines
    answer = result(lines)
    assert set(answer) == {"code", "videos"}
    fields = {
        "projectId": int,
        "videoUrl": str,
        "videoMsDuration": int,
        "title": str,
        "viralReason": str,
        "viralScore": float,
        "transcript": str,
        "relatedTopic": list,
    }
    for clip in answer["videos"]:
        assert {name: type(value) for name, value in clip.items()} == fields
        video = tmp_path / "clip.mp4"
        video.write_bytes(httpx.get(clip["videoUrl"]).content)
        with video.open("rb") as file:
            assert probe(file).duration == pytest.approx(clip["videoMsDuration"] / 1000, abs=0.3)
    assert len(answer["videos"]) > 1


def test_the_sample_says_why_a_project_failed(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.control.settings(vizard={"generation": "2024"})
    sandbox.control.fault("vizard", "create", "fail_job", word="4002")
    lines = said(sandbox, capsys)
    assert lines[-1] == "clipping error:"
    assert ast.literal_eval(lines[-2])["code"] == 4002


def test_the_sample_learns_of_a_wrong_key_and_of_the_limit(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.control.settings(speed=0, vizard={"generation": "2024"})
    sandbox.control.accept_only("vizard", ["another"])
    assert "'code': 4001" in said(sandbox, capsys)[-1]
    sandbox.control.accept_only("vizard", None)
    wrong = SAMPLE.replace('"mp4"', '"exe"')
    codes = [ast.literal_eval(said(sandbox, capsys, wrong)[1])["code"] for _ in range(4)]
    assert codes == [4004, 4004, 4004, 4003]
