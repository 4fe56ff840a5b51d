"""Scripts for the vendors' own clients, with a hook in the client's place and the client's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.status import JobStatus
from airflow_provider_vidai.sandbox.client import Control
from tests.support.videos import picture

MODEL = "wan-2.6-text-to-video"


def test_a_script_for_venice_sdk_runs(venice: VeniceHook, control: Control, tmp_path: Path) -> None:
    quote = venice.quote(model=MODEL, prompt="A beautiful sunset", duration=5, resolution="720p")
    assert (quote.estimated_cost, quote.currency) == (0.55, "USD")
    job = venice.queue(model=MODEL, prompt="A sunset", duration=5, aspect_ratio="16:9", resolution="720p")
    assert job.is_processing()
    seen: list[JobStatus] = []
    completed = venice.wait_for_completion(
        job.job_id, model=job.model, poll_interval=0.05, max_wait_time=300, callback=seen.append
    )
    assert completed.is_completed()
    assert not completed.is_failed()
    assert seen[-1].is_completed()
    assert seen[-1].status == completed.status
    saved = venice.download(completed, output_path=tmp_path / "output.mp4")
    assert Path(saved["path"].removeprefix("file://")) == tmp_path / "output.mp4"
    assert venice.get_video_data(job_id=job.job_id, model=job.model) == (tmp_path / "output.mp4").read_bytes()
    assert len(control.purchases()) == 1


def test_a_script_for_venice_py_runs(venice: VeniceHook, control: Control, tmp_path: Path) -> None:
    still = picture(tmp_path / "photo.png", size=(64, 48))
    result = venice.submit(
        model="wan-2.6-image-to-video",
        prompt="Make this photo come to life",
        duration_seconds="5 seconds",
        resolution="720p",
        image=still,
    )
    status = venice.retrieve(model=result.model, queue_id=result.queue_id)
    assert status.is_processing() or status.is_completed()
    seen: list[Any] = []
    done = venice.wait_for_completion(
        queue_id=result.queue_id, model=result.model, poll_interval=0.05, on_progress=seen.append
    )
    venice.download(done, path=tmp_path / "output.mp4")
    assert (tmp_path / "output.mp4").stat().st_size > 0
    assert seen
    assert venice.release(model=result.model, queue_id=result.queue_id)["job_id"] == result.job_id
    assert len(control.purchases()) == 1


def test_a_script_for_vidio_ai_runs(vidio: VidioHook, clip: Path, tmp_path: Path) -> None:
    result = vidio.upload(file_path=clip)
    job = vidio.create_highlight_reel(
        input_keys=[result.input_key], video_category="ball-sports", output_length=1, aspect_ratio="landscape"
    )
    final = vidio.wait_for_job(job_id=str(job.job_id), poll_interval=0.05, timeout=600)
    assert final.status == "processed"
    assert vidio.render(job_id=str(job.job_id), output_index=0).status
    assert vidio.wait_for_render(job_id=str(job.job_id), poll_interval=0.05).output_url
    output, *_ = vidio.get_job(job_id=str(job.job_id)).outputs
    assert output.duration
    assert output.overlays[0].src


def test_a_script_for_vizards_http_api_runs_with_its_names_on_the_wire(
    vizard: VizardHook, talks: str, control: Control
) -> None:
    created = vizard.create_project(
        videoUrl=f"{talks}/short.mp4",
        ext="mp4",
        lang="en",
        preferLength="[0]",
        subtitleSwitch=1,
        headlineSwitch=1,
        projectName="api-vizard-sample",
    )
    done = vizard.wait_for_project(projectId=created.project_id, poll_interval=0.05)
    assert done.is_completed()
    assert vizard.query_project(project_id=created.project_id).code == 2000
    (entry,) = control.purchases("vizard")
    wanted = {"lang": "en", "preferLength": [0], "subtitleSwitch": 1, "projectName": "api-vizard-sample"}
    assert wanted.items() <= entry["request"].items()


def test_vidgos_quickstart_runs(vidgo: VidgoHook, tmp_path: Path) -> None:
    result = vidgo.submit(model="gpt-4o-image", input={"prompt": "A lake at sunset", "size": "1:1", "n": 1})
    done = vidgo.wait_for_task(task_id=result.task_id, poll_interval=0.05)
    task = vidgo.status(task_id=result.task_id)
    assert task.status == "finished"
    assert done.is_completed()
    (file,) = vidgo.download(task_id=result.task_id, destination=f"{tmp_path}/")
    assert isinstance(file, dict)
    assert file["bytes"]
