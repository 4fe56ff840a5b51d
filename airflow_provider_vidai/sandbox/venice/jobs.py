"""Venice's jobs: what they make, their statuses, and how they end."""

import secrets
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from airflow_provider_vidai.sandbox.clock import Step, Timeline
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media import generate
from airflow_provider_vidai.sandbox.media.source import MediaError, probe
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.venice.catalog import Footage, Model
from airflow_provider_vidai.sandbox.venice.rules import FPS
from airflow_provider_vidai.sandbox.world import World

VENDOR = "venice"
#: A job takes this fraction of the reported average, which is a rather slow job's time.
PACE = 0.8
#: The short side of a video in pixels, for resolutions whose name does not contain it.
SHORT_SIDES = {"2K": 1440, "4k": 2160}
SHORT_SIDE = 720
POLICY = "The request was rejected by the provider's content policy."


@dataclass(frozen=True)
class Ending:
    """How a job fails: retrieve's answer from then on."""

    status: int
    body: Any


@dataclass
class Job:
    """A video that was bought.

    :param request: the purchase's body.
    :param share: the secret part of its download link, if it has one.
    :param delivery: how it is delivered: ``inline``, ``link`` or ``url``.
    :param ending: how it fails, if a fault orders that.
    :param deleted: whether the video was deleted, or its link revoked.
    """

    id: str
    account: str
    model: Model
    request: Mapping[str, Any]
    timeline: Timeline
    video: Blob
    began: float
    delivery: str
    share: str | None
    ending: Ending | None
    refunds: bool
    work: "Future[None] | None"
    deleted: bool = False

    def failure(self) -> Ending | None:
        """Return how the job failed, if it did."""
        if not self.timeline.failed:
            return None
        if self.ending is None and self.work:
            reason = str(self.work.exception())
            hint = "Check the media that the request points to."
            self.ending = Ending(422, {"error": reason, "credits_refunded": self.refunds, "hint": hint})
        return self.ending


def new_id() -> str:
    """Return an id that sorts by time, as the vendor's do (a UUID of version 7)."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def start(
    world: World, account: str, model: Model, request: Mapping[str, Any], failing: Fault | None, link: bool
) -> Job:
    """Start a job: its work starts at once, and its timeline with it."""
    job_id, settings = new_id(), world.settings.venice
    video = world.storage.place(f"venice/{job_id}/video.mp4", VENDOR, account, "video/mp4")
    delivery = settings.delivery if settings.delivery != "model" else "link" if model.link else "inline"
    refunds = settings.refund_failed
    seconds = model.average * PACE
    work: Future[None] | None = None
    ending = None
    if failing:
        if failing.options.get("refunded") is not None:
            refunds = failing.options["refunded"]
        ending = _ending(failing, refunds, settings.refusal)
        seconds = seconds if failing.options.get("after") is None else failing.options["after"]
        timeline = Timeline(world.clock, [Step("PROCESSING", seconds)], end="FAILED", failed="FAILED")
    else:
        sizes = settings.short_side, settings.media_bytes
        work = world.studio.submit(lambda stop: _make(model, request, video, sizes, stop))
        timeline = Timeline(
            world.clock, [Step("PROCESSING", seconds)], end="COMPLETED", failed="FAILED", work=work
        )
    share = secrets.token_urlsafe(24) if delivery == "link" and link else None
    began = world.clock.now()
    return Job(
        *(job_id, account, model, request, timeline, video, began, delivery, share, ending, refunds, work)
    )


def _ending(failing: Fault, refunds: bool, shape: str) -> Ending:
    """Return the answer about a job that failed because a fault ordered it."""
    status = failing.options.get("status", 422)
    given = failing.options.get("body")
    if given is not None:
        return Ending(status, given)
    if status == 200:
        error = {"error": "Video generation failed", "error_code": "GENERATION_FAILED"}
        return Ending(200, {"status": "FAILED", **error})
    if status == 422 and shape == "object":
        policy = {"message": POLICY, "type": "provider_content_policy", "credits_refunded": refunds}
        return Ending(422, {"error": policy})
    if status == 422:
        return Ending(422, {"error": POLICY, "credits_refunded": refunds})
    if status == 500:
        return Ending(500, {"error": "Inference processing failed"})
    return Ending(status, {"error": "The provider rejected the request.", "request_id": uuid.uuid4().hex})


def _make(model: Model, request: Mapping[str, Any], video: Blob, sizes: tuple[int, int], stop: Event) -> None:
    """Make the video's file."""
    folder = video.path.parent / "sources"
    folder.mkdir()
    largest, size = sizes
    try:
        if model.upscales:
            source = fetch(request["video_url"], folder / "source")
            factor, fps = request.get("upscale_factor", 2), request.get("target_fps")
            if largest:
                found = probe(source)
                factor = min(factor, largest / min(found.width, found.height))
            generate.enlarge(source, factor, video.path, stop, fps)
        else:
            generate.generate(_clip(model, request, folder, largest), video.path, stop)
    except Unreadable as error:
        raise MediaError(f"The media could not be downloaded: {error}") from error
    finally:
        shutil.rmtree(folder)
    generate.pad(video.path, size)
    video.mark_complete()


def _clip(model: Model, request: Mapping[str, Any], folder: Path, largest: int) -> generate.Clip:
    """Fetch the video's sources, and describe the video."""
    urls = iter(range(1000))
    seconds = _seconds(request)

    def downloaded(url: str) -> Path:
        return fetch(url, folder / f"source-{next(urls)}")

    stills = [generate.Still(downloaded(url), at) for url, at in sorted(_stills(request, seconds), key=_at)]
    videos = [downloaded(url) for url in _video_urls(request)]
    soundtrack = request.get("audio_url") or next(iter(request.get("reference_audio_urls", ())), None)
    short = _short_side(str(request.get("resolution", model.resolution)))
    ratio = str(request.get("aspect_ratio", ""))
    if largest:
        short = min(short, largest)
    wide, colon, high = ratio.partition(":")
    return generate.Clip(
        seconds=seconds or sum(generate.seconds(video) for video in videos),
        text=str(request.get("prompt", model.id)),
        short_side=short,
        size=generate.sized(short, int(wide) / int(high)) if colon else None,
        audio=model.audio and request.get("audio", True),
        stills=stills,
        videos=videos,
        soundtrack=downloaded(soundtrack) if soundtrack else None,
    )


def _at(still: tuple[str, float]) -> float:
    return still[1]


def _seconds(request: Mapping[str, Any]) -> float:
    """Return the requested length; 0 if the sources decide."""
    duration = str(request.get("duration", ""))
    return float(duration[:-1]) if duration.endswith("s") else 0.0


def _short_side(resolution: str) -> int:
    digits = "".join(character for character in resolution if character.isdigit())
    return SHORT_SIDES.get(resolution) or (int(digits) if len(digits) > 2 else SHORT_SIDE)


def _stills(request: Mapping[str, Any], seconds: float) -> Iterator[tuple[str, float]]:
    """Yield the video's pictures with their times, 0 to 1: the timed ones, or else the references in turn."""
    timed = [(request["image_url"], 0.0)] if request.get("image_url") else []
    if request.get("end_image_url"):
        timed.append((request["end_image_url"], 1.0))
    timed += [
        (one["image_url"], one["frame_index"] / (seconds * FPS)) for one in request.get("keyframes", ())
    ]
    if timed:
        yield from timed
        return
    pictures = [*request.get("reference_image_urls", ()), *request.get("scene_image_urls", ())]
    for element in request.get("elements", ()):
        pictures += [element["frontal_image_url"]] if element.get("frontal_image_url") else []
        pictures += element.get("reference_image_urls", ())
    for number, picture in enumerate(pictures):
        yield picture, number / len(pictures)


def _video_urls(request: Mapping[str, Any]) -> Iterator[str]:
    if request.get("video_url"):
        yield request["video_url"]
    yield from request.get("reference_video_urls", ())
    yield from (one["video_url"] for one in request.get("elements", ()) if one.get("video_url"))


def measured(url: str, folder: Path) -> Footage:
    """Return the properties of a video that a request points to.

    :raises Unreadable: if it cannot be fetched.
    :raises MediaError: if it is not a video.
    """
    path = folder / f"{secrets.token_hex(8)}.source"
    try:
        source = probe(fetch(url, path))
        return Footage(generate.seconds(path), min(source.height, source.width), float(source.fps or 0))
    finally:
        path.unlink(missing_ok=True)
