"""VIDIO's jobs: reels and their renders, how they walk, and what is told of them."""

import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from airflow_provider_vidai.sandbox.clock import Step, Walk
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.media import music, reel
from airflow_provider_vidai.sandbox.storage import Blob, Storage
from airflow_provider_vidai.sandbox.wire import Exchange
from airflow_provider_vidai.sandbox.world import World

VENDOR = "vidio"
#: How much motion and sound count when segments are chosen.
CATEGORIES = {
    "podcast": reel.Taste(motion=0.2, sound=0.8),
    "ball-sports": reel.Taste(motion=0.6, sound=0.4),
    "non-ball-sports": reel.Taste(motion=0.7, sound=0.3),
    "beauty-product-demo": reel.Taste(motion=0.6, sound=0.4),
    "wedding": reel.Taste(motion=0.5, sound=0.5),
    "travel": reel.Taste(motion=0.8, sound=0.2),
    "others": reel.Taste(motion=0.6, sound=0.4),
}
BIG_BYTES = 50_000_000
SOUND_OVERLAY_ID = 876_361


@dataclass(frozen=True)
class Render:
    """One rendering of one of a reel's outputs."""

    walk: Walk
    film: Blob


@dataclass
class Reel:
    """A highlight-reel job.

    :param thumbnails: one for each of the plan's candidates.
    :param rendered: the last render, the only one that is kept.
    :param rendering: the one that will take its place.
    """

    id: str
    account: str
    request: dict[str, Any]
    footage: list[Blob]
    walk: Walk
    plan: "Future[reel.Plan]"
    thumbnails: list[Blob]
    rendered: Render | None = None
    rendering: Render | None = field(default=None, init=False)

    @property
    def settled(self) -> str:
        """The vendor's word, a running render aside."""
        return "rendered" if self.rendered else self.walk.word

    def word(self, storage: Storage) -> str:
        """Return the vendor's word; a render that is through takes the place of the one before."""
        if self.rendering is None:
            return self.settled
        if not self.rendering.walk.ended or self.rendering.walk.failed:
            return self.rendering.walk.word
        if self.rendered:
            storage.drop(self.rendered.film.key)
        self.rendered, self.rendering = self.rendering, None
        return self.settled


def start_reel(
    world: World, account: str, request: dict[str, Any], footage: list[Blob], failing: Fault | None
) -> Reel:
    """Start a reel: its work at once, and its walk."""
    job_id = str(uuid.uuid4())
    wish = reel.Wish(
        length=float(request["output_length"]),
        shape=request["aspect_ratio"],
        taste=CATEGORIES[request["video_category"]],
        rate=world.settings.media_fps,
    )
    thumbnails: list[Blob] = []
    storage = world.storage

    def work(stop: Event) -> reel.Plan:
        plan = reel.plan([blob.path for blob in footage], wish, stop)
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
    steps = [Step(word, seconds) for word, seconds in pace.items()]
    walk = _walk(world, steps, "processed", failing, plan)
    return Reel(job_id, account, request, footage, walk, plan, thumbnails)


def _pending(footage: list[Blob]) -> str:
    """Return which queue the work waits in: by the looks of the words, one for each size."""
    if all(blob.types[0].startswith("image/") for blob in footage):
        return "cpu_work_pending"
    size = sum(blob.path.stat().st_size for blob in footage)
    return "big_work_pending" if size > BIG_BYTES else "small_work_pending"


def _walk(world: World, steps: list[Step], end: str, failing: Fault | None, work: "Future[Any]") -> Walk:
    if failing:
        return Walk(world.clock, steps, end=failing.options["word"], failed=failing.options["word"])
    return Walk(world.clock, steps, end=end, work=work)


def start_render(world: World, job: Reel, index: int, failing: Fault | None) -> Render:
    """Start a render of one of the reel's outputs."""
    film = world.storage.place(f"out/{job.id}-{uuid.uuid4().hex[:8]}.mp4", VENDOR, job.account, "video/mp4")
    mix = reel.Mix(
        original=_volume(job.request, "original_audio_volume"),
        music=_volume(job.request, "music_volume"),
        style=job.request.get("music_category"),
    )
    plan = job.plan.result()

    def work(stop: Event) -> None:
        reel.render(plan, index, mix, film.path, stop)
        film.landed()

    # Just after the purchase the status still is what it was before.
    steps = [Step(job.settled, 1), Step("rendering", 44)]
    job.rendering = Render(_walk(world, steps, "rendered", failing, world.studio.submit(work)), film)
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
