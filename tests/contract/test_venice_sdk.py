"""The client ``venice-sdk``, unmodified, against the sandbox, with the mistakes it makes in life.

It cannot be a dependency here: it wants psutil below 6, and Airflow 6.1 or later. It works with either, so it
is tested where it was added by ``pip install --no-deps venice-sdk==0.3.3``.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from airflow_provider_vidai.sandbox.server import Sandbox, serve

venice_sdk = pytest.importorskip(
    "venice_sdk", reason="its requirements and Airflow's exclude each other; see this module"
)
from venice_sdk import VeniceClient  # noqa: E402 - if it is there
from venice_sdk.config import Config  # noqa: E402
from venice_sdk.errors import VeniceAPIError, VideoGenerationError  # noqa: E402

CLIP = Path(__file__).parents[1] / "media" / "big_buck_bunny_5s.mp4"
MODEL = "wan-2.6-text-to-video"
LINKED = "grok-imagine-text-to-video-private"
ORDER = {"prompt": "A cat", "duration": 5, "aspect_ratio": "16:9", "resolution": "720p"}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(speed=500) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where it leaves its videos
    running.control.reset()
    running.control.settings(venice={"short_side": 120, "retrieve_per_minute": 0})
    return running


@pytest.fixture
def client(sandbox: Sandbox) -> VeniceClient:
    return VeniceClient(
        Config("a-key", sandbox.url + "/venice/api/v1", retry_delay=0, retry_backoff_factor=0.01)
    )


def test_the_client_reads_the_catalogue(client):
    assert {row["type"] for row in client.models.list()} == {"text"}
    assert {row["id"] for row in client.models.list(type="video")} >= {MODEL, LINKED}


@pytest.mark.parametrize(("duration", "usd"), [(5, 0.55), ("10s", 1.10)])
def test_the_client_prices_a_video(client, duration, usd):
    quote = client.video.quote(MODEL, duration=duration, resolution="720p", prompt="A cat", seed=5)
    assert (quote.estimated_cost, quote.currency) == (usd, "USD")
    assert quote.estimated_duration is None
    assert quote.pricing_breakdown is None


def test_the_client_gets_from_text_to_a_video_that_plays(sandbox, client, tmp_path):
    job = client.video.queue(MODEL, **ORDER)
    assert job.is_processing()
    seen = []
    done = client.video.wait_for_completion(job.job_id, poll_interval=0.05, callback=seen.append, model=MODEL)
    assert done.is_completed()
    assert {one.status for one in seen} == {"PROCESSING", "completed"}
    path = done.download(tmp_path / "video.mp4")
    assert done.get_video_data() == path.read_bytes()
    with av.open(str(path)) as video:
        assert video.duration / av.time_base == pytest.approx(5, abs=0.1)
    assert [one["amount"] for one in sandbox.control.purchases()] == [0.55]


def test_the_client_animates_a_picture_that_it_mislabels(client, tmp_path):
    with av.open(str(CLIP)) as video:
        next(video.decode(video=0)).to_image().save(tmp_path / "picture.jpg")
    model = "wan-2.6-image-to-video"
    job = client.video.queue(model, prompt="Move", image=tmp_path / "picture.jpg", duration=5)
    done = client.video.wait_for_completion(job.job_id, poll_interval=0.05, model=model)
    assert done.get_video_data()[4:8] == b"ftyp"


def test_the_client_waits_in_vain_for_a_video_behind_a_link(client):
    job = client.video.queue(LINKED, **{**ORDER, "resolution": "480p"})
    with pytest.raises(VideoGenerationError, match="Timeout"):
        client.video.wait_for_completion(job.job_id, poll_interval=0.2, max_wait_time=2, model=LINKED)
    assert client.video.retrieve(job.job_id, LINKED).status == "COMPLETED"


def test_the_client_buys_twice_when_an_answer_is_lost(sandbox, client):
    sandbox.control.fault("venice", "queue", "status", status=502, when="after")
    assert client.video.queue(MODEL, **ORDER).job_id
    assert len(sandbox.control.purchases()) == 2


def test_what_the_client_offers_but_the_api_never_had_is_refused(sandbox, client):
    for name in ("seed", "fps", "motion_bucket_id", "guidance_scale"):
        with pytest.raises(VeniceAPIError, match="Invalid request parameters"):
            client.video.queue(MODEL, **ORDER, **{name: 1})
    with pytest.raises(VeniceAPIError):
        client.video.queue(MODEL, **{**ORDER, "duration": "5"})
    assert sandbox.control.purchases() == []


def test_cleaning_up_is_a_400_today(client):
    job = client.video.queue(MODEL, **ORDER)
    with pytest.raises(VeniceAPIError, match="Request ID is invalid"):
        client.video.cleanup(job.job_id, MODEL)


def test_discovering_parameters_works_and_takes_two_dozen_quotes(sandbox, client):
    found = client.video.get_valid_parameters(MODEL, prompt="A cat")
    assert found["duration"] == ["5s", "10s"]
    assert found["aspect_ratio"] == ["16:9", "9:16", "1:1"]
    assert len(sandbox.control.calls("venice", "quote")) == 24


def test_a_job_that_fails_is_an_error(sandbox, client):
    sandbox.control.fault("venice", "queue", "reject_job", after=0)
    job = client.video.queue(MODEL, **ORDER)
    with pytest.raises(VeniceAPIError, match="422"):
        client.video.retrieve(job.job_id, MODEL)


def test_a_wrong_key_is_an_error(sandbox, client):
    sandbox.control.accept_only("venice", ["another-key"])
    with pytest.raises(VeniceAPIError, match="Authentication failed"):
        client.video.queue(MODEL, **ORDER)


def test_transcribing_is_refused_by_the_client_itself(sandbox, client):
    with pytest.raises(VeniceAPIError, match="410"):
        client.video.transcribe("https://example.com/a.mp4")
    assert sandbox.control.calls("venice", "transcribe") == []
