"""What the vendors' own clients call things works with the hooks, or is in the vendor's guide beside ours.

``SEEDS`` has every method and parameter of the documents that this project was made from.
"""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.bases.xcom import BaseXCom

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.hooks.spellings import HookJob, Quote, Result, also
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vidio import Uploaded, VidioHook
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.result import job_result
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators import venice, vidgo, vidio, vizard
from airflow_provider_vidai.sensors.venice import VeniceVideoSensor
from airflow_provider_vidai.sensors.vidgo import VidgoTaskSensor
from airflow_provider_vidai.sensors.vidio import VidioJobSensor
from airflow_provider_vidai.sensors.vizard import VizardProjectSensor
from airflow_provider_vidai.vendors.venice.requests import VideoRequest
from airflow_provider_vidai.vendors.vidio.answers import VidioJob, VidioOutput, VidioOverlay
from airflow_provider_vidai.vendors.vidio.requests import ReelRequest
from airflow_provider_vidai.vendors.vizard.requests import WIRE_NAMES, ProjectRequest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
#: The parameters of a request that the hook takes as ``**asked``.
ASKED = {VeniceHook: VideoRequest, VizardHook: ProjectRequest}

_VENICE_PY = (
    *("model", "prompt", "duration_seconds", "negative_prompt", "resolution", "audio", "aspect_ratio"),
    *("image_url", "upscale_factor", "end_image_url", "audio_url", "video_url", "reference_image_urls"),
    *("reference_audio_urls", "reference_video_urls", "elements", "scene_image_urls", "consents"),
)
_VENICE_SDK = (
    *("model", "prompt", "image", "duration", "resolution", "audio", "seed", "negative_prompt"),
    *("aspect_ratio", "fps", "motion_bucket_id", "guidance_scale"),
)
_QUOTED = (
    *("model", "duration_seconds", "aspect_ratio", "resolution", "upscale_factor", "audio", "video_url"),
    "reference_video_total_duration",
)
_REEL = (
    *("input_keys", "video_category", "output_length", "aspect_ratio", "music_category", "music_volume"),
    "original_audio_volume",
)

#: (the guide, the seed's method) -> [(ours, {the seed's parameter: ours, None where only the guide has it})].
SEEDS: dict[tuple[str, str], list[tuple[Any, dict[str, str | None]]]] = {
    ("vidio", "upload"): [
        (VidioHook.upload, {"file_path": "file_path"}),
        (vidio.VidioUploadOperator, {"file_path": "source"}),
    ],
    ("vidio", "create_highlight_reel"): [
        (VidioHook.create_highlight_reel, {name: name for name in _REEL}),
        (vidio.VidioHighlightReelOperator, {name: name for name in _REEL}),
    ],
    ("vidio", "get_job"): [(VidioHook.get_job, {"job_id": "job_id"}), (VidioJobSensor, {"job_id": "job"})],
    ("vidio", "wait_for_job"): [
        (VidioHook.wait_for_job, {"job_id": "job_id"}),
        (vidio.VidioHighlightReelOperator, {}),
        (VidioJobSensor, {"job_id": "job"}),
    ],
    ("vidio", "render"): [
        (VidioHook.render, {"job_id": "job_id", "output_index": "output_index"}),
        (vidio.VidioRenderOperator, {"job_id": "job", "output_index": "output_index"}),
    ],
    ("vidio", "wait_for_render"): [
        (VidioHook.wait_for_render, {"job_id": "job_id"}),
        (vidio.VidioRenderOperator, {"job_id": "job"}),
    ],
    ("venice", "video.submit"): [
        (VeniceHook.submit, {name: name for name in _VENICE_PY}),
        (VeniceHook.queue, {name: name for name in _VENICE_PY}),
        (venice.VeniceVideoOperator, {name: name for name in _VENICE_PY}),
    ],
    ("venice", "video.run"): [
        (VeniceHook.complete, {name: name for name in _VENICE_PY}),
        (venice.VeniceVideoOperator, {name: name for name in _VENICE_PY}),
    ],
    ("venice", "video.quote"): [
        (VeniceHook.quote, {name: name for name in _QUOTED}),
        (venice.VeniceQuoteOperator, {name: name for name in _QUOTED}),
    ],
    ("venice", "video.retrieve"): [
        (
            VeniceHook.retrieve,
            {"model": "model", "queue_id": "queue_id", "delete_media_on_completion": None},
        ),
        (VeniceVideoSensor, {"model": "model", "queue_id": "job"}),
        (VeniceHook.download, {"delete_media_on_completion": "delete_after"}),
        (venice.VeniceDownloadOperator, {"delete_media_on_completion": "delete_after"}),
    ],
    ("venice", "job.poll"): [(VeniceHook.retrieve, {})],
    ("venice", "job.wait"): [
        (
            VeniceHook.wait_for_completion,
            {"poll_interval": "poll_interval", "max_polls": "timeout", "on_progress": "on_progress"},
        ),
        (venice.VeniceVideoOperator, {"poll_interval": "poll_interval", "max_polls": "timeout"}),
        (VeniceVideoSensor, {"poll_interval": "poke_interval", "max_polls": "timeout"}),
    ],
    ("venice", "job.download"): [
        (VeniceHook.download, {"path": "path", "output_path": "output_path", "status": "job"}),
        (venice.VeniceDownloadOperator, {"path": "destination", "output_path": "destination"}),
    ],
    ("venice", "video.cancel"): [
        (VeniceHook.release, {"model": "model", "queue_id": "queue_id"}),
        (venice.VeniceReleaseOperator, {"model": "model", "queue_id": "job"}),
    ],
    ("venice", "job.cancel"): [(VeniceHook.release, {}), (venice.VeniceReleaseOperator, {})],
    ("venice", "video.transcribe"): [
        (VeniceHook.transcribe, {"url": "url", "response_format": "response_format"}),
        (venice.VeniceTranscribeOperator, {"url": "url", "response_format": "response_format"}),
    ],
    ("venice", "queue"): [
        (VeniceHook.queue, {name: name for name in _VENICE_SDK}),
        (venice.VeniceVideoOperator, {name: name for name in _VENICE_SDK}),
    ],
    ("venice", "retrieve"): [
        (VeniceHook.retrieve, {"job_id": "job_id"}),
        (VeniceVideoSensor, {"job_id": "job"}),
    ],
    ("venice", "wait_for_completion"): [
        (
            VeniceHook.wait_for_completion,
            {name: name for name in ("job_id", "poll_interval", "max_wait_time", "callback")},
        ),
        (venice.VeniceVideoOperator, {"poll_interval": "poll_interval", "max_wait_time": "timeout"}),
    ],
    ("venice", "quote"): [
        (VeniceHook.quote, {name: name for name in _VENICE_SDK}),
        (venice.VeniceQuoteOperator, {name: name for name in _VENICE_SDK}),
    ],
    ("venice", "complete"): [
        (VeniceHook.complete, {name: name for name in (*_VENICE_SDK, "timeout")}),
        (venice.VeniceVideoOperator, {name: name for name in (*_VENICE_SDK, "timeout")}),
    ],
    ("venice", "job.get_video_data"): [(VeniceHook.get_video_data, {})],
    ("venice", "models.list"): [(VeniceHook.list_models, {})],
    ("vizard", "POST /project/create"): [
        (VizardHook.create_project, {name: name for name in (*WIRE_NAMES, "ext")}),
        (vizard.VizardClipsOperator, {**WIRE_NAMES, "ext": "ext"}),
    ],
    ("vizard", "GET /project/query/{projectId}"): [
        (VizardHook.query_project, {"projectId": "projectId", "project_id": "project_id"}),
        (VizardHook.wait_for_project, {"projectId": "projectId"}),
        (VizardProjectSensor, {"projectId": "job"}),
    ],
    ("vidgo", "POST /api/generate/submit"): [
        (VidgoHook.submit, {name: name for name in ("model", "callback_url", "input")}),
        (vidgo.VidgoGenerateOperator, {name: name for name in ("model", "callback_url", "input")}),
    ],
    ("vidgo", "GET /api/generate/status/{task_id}"): [
        (VidgoHook.status, {"task_id": "task_id"}),
        (VidgoHook.wait_for_task, {"task_id": "task_id"}),
        (VidgoTaskSensor, {"task_id": "job"}),
    ],
}


def pairs() -> Iterator[Any]:
    for (guide, method), ours in SEEDS.items():
        for one, names in ours:
            yield pytest.param(guide, method, one, names, id=f"{guide} {method} {one.__qualname__}")


def takes(one: Any) -> set[str]:
    """Return the names that a method, operator or sensor takes its arguments by."""
    if inspect.isclass(one):
        found: set[str] = set()
        for kind in one.__mro__:
            found |= set(inspect.signature(kind.__init__).parameters) if "__init__" in vars(kind) else set()
        return found
    parameters = inspect.signature(one).parameters
    (hook,) = [
        kind
        for kind in (VidioHook, VeniceHook, VizardHook, VidgoHook)
        if one.__qualname__.startswith(kind.__name__)
    ]
    asked = ASKED.get(hook) if "asked" in parameters else None
    fields = set(asked.model_fields) | set(WIRE_NAMES if hook is VizardHook else ()) if asked else set()
    others = {"duration_seconds", "image", "seed", "fps", "motion_bucket_id", "guidance_scale"}
    return set(parameters) | fields | (others if asked is VideoRequest else set())


def words_of(guide: str) -> set[str]:
    """Return the words in code of a vendor's guides, and the parts of them."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in GUIDES.glob(f"{guide}*.md"))
    return set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`\n]+)`", text))))


@pytest.mark.parametrize(("guide", "method", "ours", "names"), pairs())
def test_each_method_and_parameter_of_a_vendors_client_is_here(
    guide: str, method: str, ours: Any, names: dict[str, str | None]
) -> None:
    assert {name for name in names.values() if name is not None} - takes(ours) == set()


@pytest.mark.parametrize(("guide", "method", "ours", "names"), pairs())
def test_each_method_and_parameter_of_a_vendors_client_is_in_its_guide_beside_ours(
    guide: str, method: str, ours: Any, names: dict[str, str | None]
) -> None:
    words = words_of(guide)
    called = re.sub(r"^(GET|POST) ", "", method)
    assert called in words or f"`{method}" in "".join(
        page.read_text(encoding="utf-8") for page in GUIDES.glob(f"{guide}*.md")
    )
    assert ours.__qualname__.partition(".")[0] in words or ours.__qualname__ in words
    assert {*names, *filter(None, names.values())} - words == set()


def test_the_fields_that_only_old_clients_have_are_sent_as_they_are() -> None:
    old = {"seed": 1, "fps": 24, "motion_bucket_id": 5, "guidance_scale": 7.5}
    body = VideoRequest(model="m", prompt="p", **old).body()
    assert {name: body[name] for name in old} == {**old}


#: Fields of results in the seeds -> where they are read from here.
FIELDS: dict[str, tuple[Any, set[str]]] = {
    "VIDIO upload": (Uploaded({"input_key": "k"}), {"input_key"}),
    "VIDIO job": (VidioJob(status="x"), {"job_id", "status", "outputs", "output_url"}),
    "VIDIO output": (VidioOutput(), {"start", "end", "thumbnail", "duration", "overlays", "fps"}),
    "VIDIO overlay": (
        VidioOverlay(),
        {"id", "fileID", "content", "durationInFrames", "type", "src", "videoStartTime", "from_"},
    ),
    "a status": (
        JobStatus(state=JobState.RUNNING, vendor_status="x"),
        {"status", "progress", "error", "is_completed", "is_failed", "is_processing", "outputs"},
    ),
    "a job": (
        HookJob({"job_id": "1", "vendor_status": "x", "state": "ready", "params": {"model": "m"}}),
        {
            *("job_id", "queue_id", "task_id", "project_id", "status", "model"),
            *("is_completed", "is_failed", "is_processing"),
        },
    ),
    "a quote": (Quote(quote_usd=0.5), {"quote", "estimated_cost", "currency"}),
    "a transcript": (Result(transcript="t", lang="en"), {"transcript", "lang"}),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_each_field_of_the_clients_results_is_an_attribute(kind: str) -> None:
    value, names = FIELDS[kind]
    assert [name for name in names if not hasattr(value, name)] == []


# --- one parameter by two names -------------------------------------------------------------------


class _Client:
    @also(job=("job_id", "queue_id"), timeout=("max_wait_time",))
    def wait(self, job: Any, *, timeout: float | None = None, **asked: Any) -> Any:
        return job, timeout, asked


@pytest.mark.parametrize(
    "call",
    [
        lambda hook: hook.wait("J1", timeout=5),
        lambda hook: hook.wait(job="J1", max_wait_time=5),
        lambda hook: hook.wait(job_id="J1", max_wait_time=5),
        lambda hook: hook.wait(queue_id="J1", timeout=5),
        lambda hook: hook.wait("J1", job_id="J1", timeout=5, max_wait_time=5.0),
        lambda hook: hook.wait(job_id="J1", queue_id="J1", timeout=None, max_wait_time=5),
        lambda hook: hook.wait("J1", job_id=None, timeout=5, max_wait_time=None),
    ],
)
def test_a_parameter_is_taken_by_each_of_its_names(call: Callable[[_Client], Any]) -> None:
    assert call(_Client()) == ("J1", 5, {})


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda hook: hook.wait("J1", job_id="J2"), ("job_id", "job")),
        (lambda hook: hook.wait(job_id="J1", queue_id="J2"), ("queue_id", "job")),
        (lambda hook: hook.wait("J1", timeout=5, max_wait_time=6), ("max_wait_time", "timeout")),
        (lambda hook: hook.wait("J1", timeout=0, max_wait_time=6), ("max_wait_time", "timeout")),
    ],
)
def test_two_names_with_different_values_are_refused(
    call: Callable[[_Client], Any], names: tuple[str, str]
) -> None:
    with pytest.raises(InputError) as caught:
        call(_Client())
    for name in names:
        assert name in str(caught.value)
    assert str(caught.value).endswith("their values differ. Pass only one of them. Nothing was sent.")


def test_what_is_missing_is_still_missing_and_what_is_unknown_is_still_unknown() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'job'"):
        _Client().wait(timeout=5)
    assert _Client().wait("J1", other=1) == ("J1", None, {"other": 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'jobid'"):
        VeniceHook().retrieve(jobid="J1")


@pytest.mark.parametrize("names", [("job_id", "queue_id"), ("queue_id", "job")])
def test_a_hook_refuses_two_jobs_before_anything_is_sent(names: tuple[str, str]) -> None:
    one, other = names
    for method in (VeniceHook.retrieve, VeniceHook.wait_for_completion, VeniceHook.release):
        with pytest.raises(InputError, match="two names of one argument"):
            method(VeniceHook(), **{one: "J1", other: "J2"}, model="m")


def test_vizards_names_on_the_wire_are_names_of_the_same_request() -> None:
    wire = {
        "videoUrl": "https://cdn-docs.vizard.ai/openapi/sample.mp4",
        "ext": "mp4",
        "lang": "en",
        "preferLength": "[0]",
        "subtitleSwitch": 1,
        "headlineSwitch": 0,
        "projectName": "api-vizard-sample",
        "videoType": 1,
    }
    body = validated(ProjectRequest, wire, what="Project").body()
    assert body == {**wire, "preferLength": [0]}
    with pytest.raises(InputError, match="lang and language are two names of one argument"):
        validated(ProjectRequest, {**wire, "language": "de"}, what="Project")
    assert validated(ProjectRequest, {**wire, "language": "en"}, what="Project").body() == body


@pytest.mark.parametrize("name", ["image", "image_url", "video_url", "audio_url", "end_image_url"])
def test_a_file_of_a_video_may_be_a_path(name: str) -> None:
    request = VideoRequest(model="m", prompt="p", **{name: Path("/tmp/a.bin")})
    assert getattr(request, {"image": "image_url"}.get(name, name)) == "/tmp/a.bin"
    assert VideoRequest(model="m", reference_image_urls=Path("/tmp/a.png")).reference_image_urls == [
        "/tmp/a.png"
    ]


# --- what the hooks return ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "answers"),
    [
        (JobState.READY, (True, False, False)),
        (JobState.FAILED, (False, True, False)),
        (JobState.RUNNING, (False, False, True)),
        (JobState.GONE, (False, False, False)),
    ],
)
def test_a_status_and_a_job_answer_the_questions_of_the_vendors_clients(
    state: JobState, answers: Any
) -> None:
    status = JobStatus(state=state, vendor_status="word")
    ref = JobRef(
        vendor="venice", conn_id="venice_default", job_id="J1", kind="generate", params={"model": "m"}
    )
    job = HookJob(job_result(ref, status))
    for one in (status, job):
        assert (one.is_completed(), one.is_failed(), one.is_processing()) == answers
        assert one.status == "word"
    assert (job.job_id, job.queue_id, job.model) == ("J1", "J1", "m")


@pytest.mark.parametrize(
    "result",
    [
        Uploaded({"input_key": "uploads/u/a.mp4", "width": 64}),
        HookJob(
            {"job_id": "1", "state": "ready", "vendor_status": "x", "params": {}, "outputs": [{"a": None}]}
        ),
        Quote(quote_usd=0.5),
        Result(transcript="t", lang="en"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_is_plain_json_wherever_it_is_kept(result: Result) -> None:
    assert json.loads(json.dumps(result)) == dict(result)
    assert BaseXCom.deserialize_value(type("Row", (), {"value": BaseXCom.serialize_value(result)})) == dict(
        result
    )
    for again in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert (type(again), again) == (type(result), result)
    with pytest.raises(AttributeError, match="has no 'missing'"):
        result.missing  # noqa: B018


def test_an_uploads_result_is_what_a_reel_is_made_of() -> None:
    result = Uploaded({"input_key": "uploads/u/a.mp4", "width": 64})
    assert result.input_key == result["input_key"] == "uploads/u/a.mp4"
    request = {"video_category": "others", "output_length": 5, "aspect_ratio": "square"}
    assert ReelRequest(input_keys=[result], **request).input_keys == [result.input_key]


def test_a_job_is_what_all_methods_and_operators_take() -> None:
    ref = JobRef(vendor="vidgo", conn_id="vidgo_default", job_id="T1", kind="media")
    job = HookJob(job_result(ref, JobStatus(state=JobState.RUNNING, vendor_status="running")))
    assert JobRef.read(job, vendor="vidgo", conn_id="c", kind="media") == ref
    assert job.model is None
