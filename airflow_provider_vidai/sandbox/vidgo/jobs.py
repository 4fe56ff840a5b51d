"""Vidgo's tasks: the images and videos that they make, their statuses, and their answers."""

import json
import math
import re
import secrets
import shutil
import string
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from airflow_provider_vidai.sandbox.clock import Clock, Step, Timeline
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media import generate, picture
from airflow_provider_vidai.sandbox.media.source import MediaError, probe
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vidgo.models import Model
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR
from airflow_provider_vidai.sandbox.world import World

#: Virtual seconds that a task waits before it starts.
QUEUED = 3.0
POLICY = "The prompt violates our content policy"
#: Width and height of the default picture, which has one megapixel.
SIDE = 1024
_PIXELS = re.compile(r"(\d+)\s*[xX*]\s*(\d+)")
_RATIO = re.compile(r"(\d+):(\d+)")
SHORT_SIDES = {"2k": 1440, "4k": 2160}
SECONDS = {"sora-2-pro": 15, "sora-2-official": 4, "sora-2-pro-official": 4, "sora-2": 10, "veo": 8}
#: What a task delivers, in the vendor's shape, but with places in storage where the answer has URLs.
Files = list[dict[str, Any]]


@dataclass(frozen=True)
class JsonText:
    """A value that the vendor sends as JSON inside a string."""

    value: Any


@dataclass
class Task:
    """A task that was bought.

    :param inputs: the ``input`` of the purchase.
    :param error: why it failed, if a fault orders that.
    """

    id: str
    account: str
    model: Model
    inputs: Mapping[str, Any]
    callback_url: str | None
    timeline: Timeline
    seconds: float
    began: float
    work: "Future[Files] | None"
    error: str | None = None
    # Without a time zone, as the vendor sends it.
    created: str = field(
        default_factory=lambda: datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")
    )

    @property
    def is_music(self) -> bool:
        """Whether it is polled at the music endpoint."""
        return self.model.makes == "music"

    def files(self) -> Files:
        """Return what it delivers; nothing before its end."""
        return self.work.result() if self.work and self.timeline.status == "finished" else []

    def as_answer(self, clock: Clock, base_url: str) -> dict[str, Any]:
        """Return its status as the vendor's answer."""
        status = self.timeline.status
        answer = {
            "task_id": self.id,
            "status": status,
            "files": [as_wire(one, base_url) for one in self.files()],
            "created_time": self.created,
            "error_message": self._complaint() if status == "failed" else None,
        }
        return answer if self.is_music else {**answer, "progress": self._progress(clock, status)}

    def _progress(self, clock: Clock, status: str) -> int:
        if status in ("finished", "failed"):
            return 100 if status == "finished" else 0
        return max(0, min(99, math.floor(100 * (clock.now() - self.began - QUEUED) / self.seconds)))

    def _complaint(self) -> str:
        return self.error or str(self.work.exception() if self.work else POLICY)


def as_wire(value: Any, base_url: str) -> Any:
    """Return files as the vendor sends them: with URLs for places, and JSON text for packed values."""
    if isinstance(value, Blob):
        return f"{base_url}storage/{quote(value.key)}"
    if isinstance(value, JsonText):
        return json.dumps(as_wire(value.value, base_url))
    if isinstance(value, dict):
        return {name: as_wire(one, base_url) for name, one in value.items()}
    return [as_wire(one, base_url) for one in value] if isinstance(value, list) else value


def blobs_in(value: Any) -> Iterator[Blob]:
    """Yield the files that an answer has URLs of."""
    if isinstance(value, Blob):
        yield value
    elif isinstance(value, JsonText):
        yield from blobs_in(value.value)
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from blobs_in(one)


class Workspace:
    """Where a task works: its own folder, and its places in storage.

    :param until: the virtual second at which its files are deleted.
    """

    def __init__(self, world: World, account: str, task_id: str, until: float) -> None:
        self._world, self._account, self._until = world, account, until
        self.id = task_id
        self.settings = world.settings.vidgo
        self.folder = world.folder / VENDOR / "work" / task_id
        self._fetched = 0

    def place(self, name: str, content_type: str) -> Blob:
        """Return a place for a file, under an unguessable name."""
        key = f"{VENDOR}/generated/{self.id}/{secrets.token_hex(6)}-{name}"
        # Public, because the vendor's URLs carry no signature: whoever knows one can download the file.
        blob = self._world.storage.place(key, VENDOR, self._account, content_type, public=True)
        blob.until = self._until
        return blob

    def download(self, url: str) -> Path:
        """Return the local path of a file that the input points to.

        :raises MediaError: if it cannot be downloaded.
        """
        self._fetched += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            return fetch(url, self.folder / f"source-{self._fetched}")
        except Unreadable as error:
            raise MediaError(f"Failed to download the input: {error}") from error

    def clear(self) -> None:
        """Remove what was fetched."""
        shutil.rmtree(self.folder, ignore_errors=True)


Maker = Callable[[Workspace, Model, Mapping[str, Any], Event], Files]


def start(
    world: World,
    account: str,
    model: Model,
    inputs: Mapping[str, Any],
    callback_url: str | None,
    maker: Maker,
    failing: Fault | None,
) -> Task:
    """Start a task: its work starts at once, and its timeline with it."""
    task_id, began = new_id(model), world.clock.now()
    steps = [Step("not_started", QUEUED), Step("running", model.seconds)]
    work: Future[Files] | None = None
    if failing:
        timeline = Timeline(world.clock, steps, end="failed")
    else:
        workspace = Workspace(world, account, task_id, began + world.settings.vidgo.file_ttl)
        work = world.studio.submit(lambda stop: _made(workspace, model, inputs, maker, stop))
        timeline = Timeline(world.clock, steps, end="finished", work=work)
    error = (failing.options["message"] or POLICY) if failing else None
    return Task(task_id, account, model, inputs, callback_url, timeline, model.seconds, began, work, error)


def _made(workspace: Workspace, model: Model, inputs: Mapping[str, Any], maker: Maker, stop: Event) -> Files:
    try:
        return maker(workspace, model, inputs, stop)
    finally:
        workspace.clear()


def new_id(model: Model) -> str:
    """Return an id in one of the vendor's two forms."""
    if model.makes == "music":
        return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16))
    tail = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    return f"task-unified-{int(time.time())}-{tail}"


# --- pictures


def images(workspace: Workspace, model: Model, inputs: Mapping[str, Any], stop: Event) -> Files:
    """Make the requested number of pictures, each different."""
    urls = [*(inputs.get("image_urls") or ())]
    source = workspace.download(urls[0]) if urls else None
    size = _picture_size(inputs, source, workspace.settings.short_side)
    png = str(inputs.get("output_format", "png" if "gpt" in model.id else "jpg")) == "png"
    files: Files = []
    count = int(inputs.get("n", 1))
    for number in range(count):
        text = str(inputs["prompt"]) if count == 1 else f"{inputs['prompt']} - {number + 1}"
        frame = generate.painting(text, size, source, stop)
        blob = workspace.place("image.png" if png else "image.jpg", "image/png" if png else "image/jpeg")
        blob.fill(picture.png(frame) if png else picture.jpeg(frame))
        files.append({"file_url": blob, "file_type": "image"})
    return files


def _picture_size(inputs: Mapping[str, Any], source: Path | None, most: int) -> tuple[int, int]:
    """Return width and height: as requested in pixels, or from the ratio and the resolution."""
    size = inputs.get("size", "")
    wanted = f"{size.get('width')}x{size.get('height')}" if isinstance(size, dict) else str(size)
    found = _PIXELS.fullmatch(wanted)
    if found:
        width, height = float(found[1]), float(found[2])
    else:
        scale = {"2K": 2.0, "3K": 3.0, "4K": 4.0}.get(str(inputs.get("resolution", wanted)), 1.0)
        aspect = _aspect(wanted, source)
        width, height = scale * SIDE * math.sqrt(aspect), scale * SIDE / math.sqrt(aspect)
        width, height = round(width / 16) * 16.0, round(height / 16) * 16.0
    shrink = min(1.0, most / min(width, height)) if most else 1.0
    return generate.even(width * shrink), generate.even(height * shrink)


def _aspect(wanted: str, source: Path | None) -> float:
    found = _RATIO.fullmatch(wanted)
    if found:
        return int(found[1]) / int(found[2])
    if source is None:
        return 1.0
    shown = probe(source)
    return shown.width / shown.height


# --- videos


def video(workspace: Workspace, model: Model, inputs: Mapping[str, Any], stop: Event) -> Files:
    """Make a video of the requested length and size, and its last frame if requested."""
    clip = _clip(workspace, model, inputs)
    blob = workspace.place("video.mp4", "video/mp4")
    generate.generate(clip, blob.path, stop)
    blob.mark_complete()
    files: Files = [{"file_url": blob, "file_type": "video"}]
    if inputs.get("return_last_frame"):
        frame = picture.last(probe(blob.path), max(0.0, clip.seconds - 0.5), stop)
        shown = workspace.place("last-frame.jpg", "image/jpeg")
        shown.fill(picture.jpeg(frame))
        # Its position is not documented. It comes first, so that a client that takes the first file fails.
        files.insert(0, {"file_url": shown, "file_type": "image"})
    return files


def _clip(workspace: Workspace, model: Model, inputs: Mapping[str, Any]) -> generate.Clip:
    pictures = [workspace.download(url) for url in _pictures(inputs)]
    last = workspace.download(inputs["end_image_url"]) if inputs.get("end_image_url") else None
    stills = [generate.Still(path, number / len(pictures)) for number, path in enumerate(pictures)]
    stills += [generate.Still(last, 1.0)] if last else []
    videos = [workspace.download(url) for url in _video_urls(inputs)]
    soundtrack = next(iter(inputs.get("reference_audio_urls") or ()), None)
    length = float(inputs.get("duration") or next((SECONDS[o] for o in SECONDS if model.id.startswith(o)), 5))
    if videos and not inputs.get("duration"):
        length = sum(generate.seconds(one) for one in videos)
    ratio = str(inputs.get("aspect_ratio", ""))
    return generate.Clip(
        seconds=length,
        text=str(inputs.get("prompt") or model.id),
        short_side=_short_side(inputs, workspace.settings.short_side),
        size=_video_size(ratio, inputs, workspace.settings.short_side, bool(stills or videos)),
        audio=bool(inputs.get("sound", inputs.get("generate_audio", True))),
        stills=stills,
        videos=videos,
        soundtrack=workspace.download(soundtrack) if soundtrack else None,
    )


def _pictures(inputs: Mapping[str, Any]) -> list[str]:
    first = [inputs["start_image_url"]] if inputs.get("start_image_url") else []
    return [*first, *(inputs.get("image_urls") or ()), *(inputs.get("reference_image_urls") or ())]


def _video_urls(inputs: Mapping[str, Any]) -> list[str]:
    one = [inputs["video_url"]] if inputs.get("video_url") else []
    return [*one, *(inputs.get("video_urls") or ()), *(inputs.get("reference_video_urls") or ())]


def _short_side(inputs: Mapping[str, Any], most: int) -> int:
    resolution = str(inputs.get("resolution") or inputs.get("mode") or "720p").lower()
    digits = "".join(character for character in resolution if character.isdigit())
    short = SHORT_SIDES.get(resolution) or (int(digits) if len(digits) > 2 else 720)
    return min(short, most) if most else short


def _video_size(ratio: str, inputs: Mapping[str, Any], most: int, shown: bool) -> tuple[int, int] | None:
    """Return width and height; None keeps the aspect of the sources."""
    pixels, found = _PIXELS.fullmatch(ratio), _RATIO.fullmatch(ratio)
    if pixels:
        width, height = int(pixels[1]), int(pixels[2])
        return generate.sized(min(most or width, width, height), width / height)
    if found:
        return generate.sized(_short_side(inputs, most), int(found[1]) / int(found[2]))
    return None if shown else generate.sized(_short_side(inputs, most), 16 / 9)
