"""VIDIO's official client, unmodified, against the sandbox."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import pytest
from vidio import VidioClient
from vidio.exceptions import ApiError, AuthenticationError

from airflow_provider_vidai.sandbox.server import Sandbox, serve

CLIP = Path(__file__).parents[1] / "media" / "big_buck_bunny_5s.mp4"
#: The client calls an external ffprobe; this one answers what it asks.
FFPROBE = """#!{python}
import json, sys
import av
with av.open(sys.argv[-1]) as video:
    stream = video.streams.video[0]
    facts = {{"width": stream.width, "height": stream.height}}
    print(json.dumps({{"streams": [facts], "format": {{"duration": str(video.duration / av.time_base)}}}}))
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(speed=200) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def ffprobe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ffprobe"
    program.parent.mkdir()
    program.write_text(FFPROBE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[VidioClient]:
    sandbox.control.reset()
    with contextlib.closing(VidioClient(api_key="a-key", base_url=sandbox.url + "/vidio")) as client:
        yield client


@pytest.mark.parametrize(("shape", "aspect"), [("landscape", 16 / 9), ("portrait", 9 / 16), ("square", 1)])
def test_the_official_client_turns_footage_into_a_video_that_plays(sandbox, client, tmp_path, shape, aspect):
    named = tmp_path / "my clip #1 é.mp4"
    named.write_bytes(CLIP.read_bytes())
    upload = client.upload(str(named))
    assert upload.input_key.endswith("/my clip #1 é.mp4")

    job = client.create_highlight_reel(
        input_keys=[upload.input_key],
        video_category="others",
        output_length=3,
        aspect_ratio=shape,
        music_category="documentary",
        music_volume=40,
        original_audio_volume=90,
    )
    assert job.status == "submitted"
    assert client.wait_for_job(job.job_id, poll_interval=0.05).status == "processed"

    assert client.render(job.job_id, output_index=1).status == "rendering"
    done = client.wait_for_render(job.job_id, poll_interval=0.05)
    assert done.status == "rendered"
    video = tmp_path / "video.mp4"
    video.write_bytes(httpx.get(done.output_url).raise_for_status().content)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert stream.width / stream.height == pytest.approx(aspect, rel=0.01)
        assert container.duration / av.time_base == pytest.approx(3, abs=0.05)
        assert sum(1 for _ in container.decode(stream)) == 75

    outputs = client.get_job(job.job_id).outputs
    assert [round(output.duration, 2) for output in outputs] == [3.0] * len(outputs)
    assert {overlay.type for overlay in outputs[0].overlays} == {"video", "sound"}
    assert outputs[0].overlays[0].originalFileName == named.name
    assert [entry["kind"] for entry in sandbox.control.purchases()] == ["reel", "render"]


def test_the_official_client_never_sends_its_key_to_storage(sandbox, client):
    client.upload(str(CLIP))
    assert [(call["call"], call["key"]) for call in sandbox.control.calls()] == [
        ("upload_url", True),
        ("put", False),
    ]


def test_a_wrong_key_is_an_authentication_error(sandbox, client):
    sandbox.control.accept_only("vidio", ["another-key"])
    with pytest.raises(AuthenticationError):
        client.get_job("none")
    with pytest.raises(AuthenticationError):
        client.upload(str(CLIP))


def test_an_unknown_job_is_an_api_error(client):
    with pytest.raises(ApiError, match="404"):
        client.get_job("none")


def test_a_job_that_failed_is_returned_as_such(sandbox, client):
    key = client.upload(str(CLIP)).input_key
    sandbox.control.fault("vidio", "create_highlight_reel", "fail_job", word="error")
    job = client.create_highlight_reel([key], "travel", 3, "square")
    assert client.wait_for_job(job.job_id, poll_interval=0.05).status == "error"
