"""The client ``venice-py``, unmodified, against the sandbox. It needs Python 3.11."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from airflow_provider_vidai.sandbox.server import Sandbox, serve

venice_ai = pytest.importorskip("venice_ai", reason="venice-py needs Python 3.11")
from venice_ai import VeniceClient, exceptions  # noqa: E402 - if it is there

CLIP = Path(__file__).parents[1] / "media" / "big_buck_bunny_5s.mp4"
MODEL = "wan-2.6-text-to-video"
LINKED = "grok-imagine-text-to-video-private"
ORDER = {"prompt": "A cat", "duration_seconds": 5, "aspect_ratio": "16:9", "resolution": "720p"}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(speed=500) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control.reset()
    running.control.settings(venice={"short_side": 120})
    return running


def asked(sandbox: Sandbox, talk: Callable[[VeniceClient], Awaitable[Any]]) -> Any:
    """Run a conversation of a client with the sandbox."""

    async def run() -> Any:
        async with VeniceClient(api_key="a-key", base_url=sandbox.url + "/venice/api/v1") as client:
            return await talk(client)

    return asyncio.run(run())


def test_the_client_reads_the_catalogue_and_prices_it(sandbox):
    async def talk(client):
        models = await client.models.list(type="video")
        quotes = {}
        for model in models.data:
            durations = model.model_spec.constraints.durations
            if durations != ["Auto"]:
                quote = await client.video.quote(model=model.id, duration_seconds=durations[0])
                quotes[model.id] = quote.quote
        return quotes

    quotes = asked(sandbox, talk)
    assert quotes[MODEL] == 0.83
    assert all(quote > 0 for quote in quotes.values())


def test_the_client_chooses_models_by_itself(sandbox):
    async def talk(client):
        assert await client.models.resolve_video()
        cheapest = await client.models.resolve_cheapest_video()
        assert cheapest.quote_usd == min(cheapest.all_quotes.values())
        return await client.models.resolve_video_upscale()

    assert asked(sandbox, talk) == "topaz-video-upscale"


@pytest.mark.parametrize("delivery", ["inline", "link", "url"])
def test_the_client_gets_from_text_to_a_video_that_plays_however_it_is_delivered(sandbox, tmp_path, delivery):
    sandbox.control.settings(venice={"delivery": delivery})
    seen = []

    async def talk(client):
        async with await client.video.run(model=MODEL, **ORDER) as job:
            status = await job.wait(poll_interval=0.05, on_progress=seen.append)
            return await job.download(tmp_path / "video.mp4", status)

    with av.open(str(asked(sandbox, talk))) as video:
        assert video.duration / av.time_base == pytest.approx(5, abs=0.1)
        assert video.streams.video[0].height == 120
    assert seen
    assert all(status.average_execution_time for status in seen)
    assert [one["amount"] for one in sandbox.control.purchases()] == [0.55]
    reported = {call["call"]: (call["status"], call["key"]) for call in sandbox.control.calls()}
    assert reported["complete"] == (400, True)
    if delivery == "link":
        assert reported["share"] == (200, False)
        assert reported["revoke"] == (204, False)


def test_leaving_the_context_releases_an_inline_video_only_where_that_still_works(sandbox):
    sandbox.control.settings(venice={"complete": "documented"})

    async def talk(client):
        async with await client.video.run(model=MODEL, **ORDER) as job:
            await job.wait(poll_interval=0.05)
        with pytest.raises(exceptions.NotFoundError):
            await job.poll()

    asked(sandbox, talk)


def test_cancelling_a_link_job_revokes_its_link(sandbox):
    async def talk(client):
        job = await client.video.run(model=LINKED, **{**ORDER, "resolution": "480p"})
        await job.wait(poll_interval=0.05)
        return await job.cancel()

    assert asked(sandbox, talk).success


def test_cancelling_any_other_job_is_a_400_today(sandbox):
    async def talk(client):
        job = await client.video.run(model=MODEL, **ORDER)
        with pytest.raises(exceptions.InvalidRequestError, match="Request ID is invalid"):
            await job.cancel()

    asked(sandbox, talk)


def test_an_upscale_is_quoted_queued_and_really_larger(sandbox, tmp_path):
    clip = "data:video/mp4;base64," + base64.b64encode(CLIP.read_bytes()).decode()
    fields = {"model": "topaz-video-upscale", "video_url": clip, "upscale_factor": 1}

    async def talk(client):
        quote = await client.video.quote(**fields)
        job = await client.video.run(**fields)
        status = await job.wait(poll_interval=0.1)
        await job.download(tmp_path / "video.mp4", status)
        return quote.quote

    quoted = asked(sandbox, talk)
    assert [one["amount"] for one in sandbox.control.purchases()] == [quoted]
    with av.open(str(tmp_path / "video.mp4")) as video:
        assert video.duration / av.time_base == pytest.approx(5.3, abs=0.2)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 422}, exceptions.VideoGenerationError),
        ({"status": 400}, exceptions.VideoGenerationError),
        ({"status": 200}, exceptions.VideoGenerationError),
    ],
)
def test_a_job_that_fails_is_an_error(sandbox, fault, error):
    sandbox.control.fault("venice", "queue", "reject_job", after=0, **fault)

    async def talk(client):
        job = await client.video.run(model=MODEL, **ORDER)
        with pytest.raises(error):
            await job.wait(poll_interval=0.05)

    asked(sandbox, talk)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            {"model": "kling-2.6-pro-text-to-video"},
            exceptions.InvalidRequestError,
            "Invalid request parameters",
        ),
        ({"model": "nonsense"}, exceptions.NotFoundError, "Specified model not found: nonsense"),
        (
            {
                "model": "seedance-2-0-image-to-video",
                "image_url": "data:image/png;base64,AA",
                "aspect_ratio": None,
            },
            exceptions.ConflictError,
            "needs_consent|consent",
        ),
    ],
)
def test_a_wrong_order_is_an_error_and_costs_nothing(sandbox, change, error, text):
    async def talk(client):
        with pytest.raises(error, match=text):
            await client.video.submit(**{"model": MODEL, **ORDER, **change})

    asked(sandbox, talk)
    assert sandbox.control.purchases() == []


def test_a_wrong_key_and_an_empty_account_are_errors(sandbox):
    async def broke(client):
        with pytest.raises(exceptions.PaymentRequiredError):
            await client.video.submit(model=MODEL, **ORDER)

    sandbox.control.balance("venice", "a-key", 0.5)
    asked(sandbox, broke)

    async def unknown(client):
        with pytest.raises(exceptions.AuthenticationError):
            await client.video.submit(model=MODEL, **ORDER)

    sandbox.control.accept_only("venice", ["another-key"])
    asked(sandbox, unknown)


def test_a_purchase_whose_answer_was_lost_is_not_made_again(sandbox):
    sandbox.control.fault("venice", "queue", "status", status=502, when="after")

    async def talk(client):
        with pytest.raises(exceptions.VeniceError):
            await client.video.submit(model=MODEL, **ORDER)

    asked(sandbox, talk)
    assert len(sandbox.control.purchases()) == 1


def test_transcribing_is_gone(sandbox):
    async def talk(client):
        with pytest.raises(exceptions.ModelGoneError, match="retired"):
            await client.video.transcribe("https://example.com/a.mp4")

    asked(sandbox, talk)


def test_transcribing_where_it_still_answers(sandbox):
    sandbox.control.settings(venice={"transcriptions": "live"})

    async def talk(client):
        return await client.video.transcribe("http://127.0.0.1:1/a.mp4")

    assert asked(sandbox, talk).lang == "en"


def test_an_html_page_is_saved_as_a_video_as_in_life(sandbox, tmp_path):
    sandbox.control.fault("venice", "retrieve", "spoil_media", how="html")

    async def talk(client):
        job = await client.video.run(model=MODEL, **ORDER)
        status = await job.wait(poll_interval=0.05)
        return await job.download(tmp_path / "video.mp4", status)

    assert asked(sandbox, talk).read_bytes().startswith(b"<!DOCTYPE html>")
