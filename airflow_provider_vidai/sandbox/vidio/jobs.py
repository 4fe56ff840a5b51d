"""VIDIO's jobs: reels and their renders, their statuses, and their outputs."""

import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from airflow_provider_vidai.sandbox.clock import Step, Timeline
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.media import music, reel
from airflow_provider_vidai.sandbox.storage import Blob, Storage
from airflow_provider_vidai.sandbox.wire import Exchange
from airflow_provider_vidai.sandbox.world import World

VENDOR = "vidio"
#: The weights of motion and sound when segments are chosen.
CATEGORIES = {
    "podcast": reel.Weights(motion=0.2, sound=0.8),
    "ball-sports": reel.Weights(motion=0.6, sound=0.4),
    "non-ball-sports": reel.Weights(motion=0.7, sound=0.3),
    "beauty-product-demo": reel.Weights(motion=0.6, sound=0.4),
    "wedding": reel.Weights(motion=0.5, sound=0.5),
    "travel": reel.Weights(motion=0.8, sound=0.2),
    "others": reel.Weights(motion=0.6, sound=0.4),
}
BIG_BYTES = 50_000_000
SOUND_OVERLAY_ID = 876_361


@dataclass(frozen=True)
class Render:
    """One rendering of one of a reel's outputs."""

    timeline: Timeline
    video: Blob


@dataclass
class Reel:
    """A highlight-reel job.

    :param thumbnails: one for each of the plan's candidates.
    :param rendered: the last finished render, the only one that VIDIO keeps.
    :param rendering: the running render, which will replace it.
    """

    id: str
    account: str
    request: dict[str, Any]
    footage: list[Blob]
    timeline: Timeline
    plan: "Future[reel.Plan]"
    thumbnails: list[Blob]
    rendered: Render | None = None
    rendering: Render | None = field(default=None, init=False)

    @property
    def settled(self) -> str:
        """The vendor's status, apart from a running render."""
        return "rendered" if self.rendered else self.timeline.status

    def status(self, storage: Storage) -> str:
        """Return the vendor's status; a finished render replaces the previous one."""
        if self.rendering is None:
            return self.settled
        if not self.rendering.timeline.ended or self.rendering.timeline.failed:
            return self.rendering.timeline.status
        if self.rendered:
            storage.drop(self.rendered.video.key)
        self.rendered, self.rendering = self.rendering, None
        return self.settled


def start_reel(
    world: World, account: str, request: dict[str, Any], footage: list[Blob], failing: Fault | None
) -> Reel:
    """Start a reel: its work starts at once, and its timeline with it."""
    job_id = str(uuid.uuid4())
    wanted = reel.ReelRequest(
        length=float(request["output_length"]),
        shape=request["aspect_ratio"],
        weights=CATEGORIES[request["video_category"]],
        rate=world.settings.media_fps,
    )
    thumbnails: list[Blob] = []
    storage = world.storage

    def work(stop: Event) -> reel.Plan:
        plan = reel.plan([blob.path for blob in footage], wanted, stop)
        for index in range(len(plan.candidates)):
            blob = storage.place(f"out/{job_id}-{index}.jpg", VENDOR, account, "image/jpeg", public=True)
            blob.fill(reel.thumbnail(plan, index, stop))
            thumbnails.append(blob)
        if request.get("music_category") and not storage.get(_track_key(request)):
            track = storage.place(_track_key(request), VENDOR, None, "audio/wav")
            track.fill(music.wav(request["music_category"]))
        return plan

    plan = world.studio.submit(work)
    pace = {"submitted": 2, "queued": 6, "loaded": 5, _pending(footage): 7, "processing": 70}
    steps = [Step(status, seconds) for status, seconds in pace.items()]
    timeline = _new_timeline(world, steps, "processed", failing, plan)
    return Reel(job_id, account, request, footage, timeline, plan, thumbnails)


def _pending(footage: list[Blob]) -> str:
    """Return the status of the queue that the work waits in; the names suggest one queue per size."""
    if all(blob.types[0].startswith("image/") for blob in footage):
        return "cpu_work_pending"
    size = sum(blob.path.stat().st_size for blob in footage)
    return "big_work_pending" if size > BIG_BYTES else "small_work_pending"


def _new_timeline(
    world: World, steps: list[Step], end: str, failing: Fault | None, work: "Future[Any]"
) -> Timeline:
    if failing:
        return Timeline(world.clock, steps, end=failing.options["word"], failed=failing.options["word"])
    return Timeline(world.clock, steps, end=end, work=work)


def start_render(world: World, job: Reel, index: int, failing: Fault | None) -> Render:
    """Start a render of one of the reel's outputs."""
    video = world.storage.place(f"out/{job.id}-{uuid.uuid4().hex[:8]}.mp4", VENDOR, job.account, "video/mp4")
    mix = reel.Mix(
        original=_volume(job.request, "original_audio_volume"),
        music=_volume(job.request, "music_volume"),
        style=job.request.get("music_category"),
    )
    plan = job.plan.result()

    def work(stop: Event) -> None:
        reel.render(plan, index, mix, video.path, stop)
        video.mark_complete()

    # Right after the purchase, the API still reports the previous status.
    steps = [Step(job.settled, 1), Step("rendering", 44)]
    job.rendering = Render(_new_timeline(world, steps, "rendered", failing, world.studio.submit(work)), video)
    return job.rendering


def _volume(request: dict[str, Any], name: str) -> float:
    value = request.get(name)
    return 1.0 if value is None else value / 100


def outputs(exchange: Exchange, job: Reel) -> list[dict[str, Any]]:
    """Describe all of a reel's outputs, best first."""
    plan = job.plan.result()
    return [
        {
            "start": None,
            "end": None,
            "thumbnail": job.thumbnails[index].key,
            "duration": round(plan.duration(index), 3),
            "overlays": [*_videos(exchange, job, candidate), *_sounds(exchange, job, candidate)],
            "fps": round(float(plan.fps), 2),
        }
        for index, candidate in enumerate(plan.candidates)
    ]


def _videos(exchange: Exchange, job: Reel, candidate: tuple[reel.Segment, ...]) -> list[dict[str, Any]]:
    overlays: list[dict[str, Any]] = []
    begin = 0
    for number, segment in enumerate(candidate):
        blob = job.footage[segment.source]
        url = exchange.sign("GET", blob.key)
        overlays.append(
            {
                "id": number,
                "fileID": "file_" + blob.key.split("/")[1],
                "originalFileName": blob.path.name,
                "from": begin,
                "content": url,
                "durationInFrames": segment.frames,
                "type": "video",
                "src": url,
                # The unit is not documented; milliseconds fit the documented example.
                "videoStartTime": round(segment.start * 1000),
            }
        )
        begin += segment.frames
    return overlays


def _sounds(exchange: Exchange, job: Reel, candidate: tuple[reel.Segment, ...]) -> list[dict[str, Any]]:
    if not job.request.get("music_category"):
        return []
    return [
        {
            "id": SOUND_OVERLAY_ID,
            "from": 0,
            "content": music.STYLES[job.request["music_category"]].track,
            "durationInFrames": sum(segment.frames for segment in candidate),
            "type": "sound",
            "src": exchange.sign("GET", _track_key(job.request)),
        }
    ]


def _track_key(request: dict[str, Any]) -> str:
    return f"music/{music.STYLES[request['music_category']].track}.wav"
