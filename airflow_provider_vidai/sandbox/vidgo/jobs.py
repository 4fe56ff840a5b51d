"""Vidgo's tasks: what they make of images and videos, how they walk, how they are told."""

import json
import math
import re
import secrets
import shutil
import string
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from airflow_provider_vidai.sandbox.clock import Clock, Step, Walk
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media import generate, picture
from airflow_provider_vidai.sandbox.media.source import MediaError, probe
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vidgo.models import Model
from airflow_provider_vidai.sandbox.vidgo.wire import VENDOR
from airflow_provider_vidai.sandbox.world import World

#: Virtual seconds that a task waits before it is begun.
QUEUED = 3.0
POLICY = "The prompt violates our content policy"
#: Width and height of a picture of one megapixel, where the model has its own.
SIDE = 1024
_PIXELS = re.compile(r"(\d+)\s*[xX*]\s*(\d+)")
_RATIO = re.compile(r"(\d+):(\d+)")
SHORT_SIDES = {"2k": 1440, "4k": 2160}
SECONDS = {"sora-2-pro": 15, "sora-2-official": 4, "sora-2-pro-official": 4, "sora-2": 10, "veo": 8}
#: What a task delivers: as the vendor tells it, with places in storage where it tells URLs.
Files = list[dict[str, Any]]


@dataclass(frozen=True)
class Packed:
    """What the vendor tells as JSON inside a string."""

    value: Any


@dataclass
class Task:
    """A task that was bought.

    :param wish: the order's input.
    :param error: why it failed, if that was ordered.
    """

    id: str
    account: str
    model: Model
    wish: Mapping[str, Any]
    callback_url: str | None
    walk: Walk
    seconds: float
    began: float
    work: "Future[Files] | None"
    error: str | None = None
    created: str = field(
        default_factory=lambda: datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")
    )

    @property
    def is_music(self) -> bool:
        """Whether it is asked after where music is."""
        return self.model.makes == "music"

    def files(self) -> Files:
        """Return what it delivers: nothing before its end."""
        return self.work.result() if self.work and self.walk.word == "finished" else []

    def told(self, clock: Clock, base_url: str) -> dict[str, Any]:
        """Return how it is, in the vendor's words."""
        word = self.walk.word
        answer = {
            "task_id": self.id,
            "status": word,
            "files": [spelled(one, base_url) for one in self.files()],
            "created_time": self.created,
            "error_message": self._complaint() if word == "failed" else None,
        }
        return answer if self.is_music else {**answer, "progress": self._progress(clock, word)}

    def _progress(self, clock: Clock, word: str) -> int:
        if word in ("finished", "failed"):
            return 100 if word == "finished" else 0
        return max(0, min(99, math.floor(100 * (clock.now() - self.began - QUEUED) / self.seconds)))

    def _complaint(self) -> str:
        return self.error or str(self.work.exception() if self.work else POLICY)


def spelled(value: Any, base_url: str) -> Any:
    """Return files as the vendor tells them: with URLs for places, and text for what is packed."""
    if isinstance(value, Blob):
        return f"{base_url}storage/{quote(value.key)}"
    if isinstance(value, Packed):
        return json.dumps(spelled(value.value, base_url))
    if isinstance(value, dict):
        return {name: spelled(one, base_url) for name, one in value.items()}
    return [spelled(one, base_url) for one in value] if isinstance(value, list) else value


class Desk:
    """Where a task's work is done: a folder of its own, and its places in storage.

    :param until: the virtual second from which on what it makes is gone.
    """

    def __init__(self, world: World, account: str, task_id: str, until: float) -> None:
        self._world, self._account, self._until = world, account, until
        self.id = task_id
        self.settings = world.settings.vidgo
        self.folder = world.folder / VENDOR / "work" / task_id
        self._fetched = 0

    def place(self, name: str, content_type: str) -> Blob:
        """Return a place for a file, under a name that cannot be guessed."""
        key = f"{VENDOR}/generated/{self.id}/{secrets.token_hex(6)}-{name}"
        blob = self._world.storage.place(key, VENDOR, self._account, content_type, public=True)
        blob.until = self._until
        return blob

    def here(self, url: str) -> Path:
        """Return a file that the order points to.

        :raises MediaError: if it cannot be had.
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


Making = Callable[[Desk, Model, Mapping[str, Any], Event], Files]


def start(
    world: World,
    account: str,
    model: Model,
    wish: Mapping[str, Any],
    callback_url: str | None,
    making: Making,
    failing: Fault | None,
) -> Task:
    """Start a task: its work at once, and its walk."""
    task_id, began = new_id(model), world.clock.now()
    steps = [Step("not_started", QUEUED), Step("running", model.seconds)]
    work: Future[Files] | None = None
    if failing:
        walk = Walk(world.clock, steps, end="failed")
    else:
        desk = Desk(world, account, task_id, began + world.settings.vidgo.file_ttl)
        work = world.studio.submit(lambda stop: _made(desk, model, wish, making, stop))
        walk = Walk(world.clock, steps, end="finished", work=work)
    error = (failing.options["message"] or POLICY) if failing else None
    return Task(task_id, account, model, wish, callback_url, walk, model.seconds, began, work, error)


def _made(desk: Desk, model: Model, wish: Mapping[str, Any], making: Making, stop: Event) -> Files:
    try:
        return making(desk, model, wish, stop)
    finally:
        desk.clear()


def new_id(model: Model) -> str:
    """Return an id in one of the vendor's two forms."""
    if model.makes == "music":
        return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16))
    tail = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    return f"task-unified-{int(time.time())}-{tail}"


# --- pictures


def images(desk: Desk, model: Model, wish: Mapping[str, Any], stop: Event) -> Files:
    """Make as many pictures as were asked for, each another one."""
    urls = [*(wish.get("image_urls") or ())]
    source = desk.here(urls[0]) if urls else None
    size = _picture_size(wish, source, desk.settings.short_side)
    png = str(wish.get("output_format", "png" if "gpt" in model.id else "jpg")) == "png"
    files: Files = []
    count = int(wish.get("n", 1))
    for number in range(count):
        text = str(wish["prompt"]) if count == 1 else f"{wish['prompt']} - {number + 1}"
        frame = generate.painting(text, size, source, stop)
        blob = desk.place("image.png" if png else "image.jpg", "image/png" if png else "image/jpeg")
        blob.fill(picture.png(frame) if png else picture.jpeg(frame))
        files.append({"file_url": blob, "file_type": "image"})
    return files


def _picture_size(wish: Mapping[str, Any], source: Path | None, most: int) -> tuple[int, int]:
    """Return width and height: as told in pixels, or of a ratio and so many megapixels."""
    size = wish.get("size", "")
    told = f"{size.get('width')}x{size.get('height')}" if isinstance(size, dict) else str(size)
    found = _PIXELS.fullmatch(told)
    if found:
        width, height = float(found[1]), float(found[2])
    else:
        scale = {"2K": 2.0, "3K": 3.0, "4K": 4.0}.get(str(wish.get("resolution", told)), 1.0)
        aspect = _aspect(told, source)
        width, height = scale * SIDE * math.sqrt(aspect), scale * SIDE / math.sqrt(aspect)
        width, height = round(width / 16) * 16.0, round(height / 16) * 16.0
    shrink = min(1.0, most / min(width, height)) if most else 1.0
    return generate.even(width * shrink), generate.even(height * shrink)


def _aspect(told: str, source: Path | None) -> float:
    found = _RATIO.fullmatch(told)
    if found:
        return int(found[1]) / int(found[2])
    if source is None:
        return 1.0
    shown = probe(source)
    return shown.width / shown.height


# --- films


def video(desk: Desk, model: Model, wish: Mapping[str, Any], stop: Event) -> Files:
    """Make a film of the asked-for length and size, and its last frame if that was asked for."""
    clip = _clip(desk, model, wish)
    blob = desk.place("video.mp4", "video/mp4")
    generate.generate(clip, blob.path, stop)
    blob.landed()
    files: Files = [{"file_url": blob, "file_type": "video"}]
    if wish.get("return_last_frame"):
        frame = picture.last(probe(blob.path), max(0.0, clip.seconds - 0.5), stop)
        shown = desk.place("last-frame.jpg", "image/jpeg")
        shown.fill(picture.jpeg(frame))
        # Where it comes is not told: first is where a client that takes the first file errs.
        files.insert(0, {"file_url": shown, "file_type": "image"})
    return files


def _clip(desk: Desk, model: Model, wish: Mapping[str, Any]) -> generate.Clip:
    pictures = [desk.here(url) for url in _pictures(wish)]
    last = desk.here(wish["end_image_url"]) if wish.get("end_image_url") else None
    stills = [generate.Still(path, number / len(pictures)) for number, path in enumerate(pictures)]
    stills += [generate.Still(last, 1.0)] if last else []
    films = [desk.here(url) for url in _films(wish)]
    heard = next(iter(wish.get("reference_audio_urls") or ()), None)
    length = float(wish.get("duration") or next((SECONDS[o] for o in SECONDS if model.id.startswith(o)), 5))
    if films and not wish.get("duration"):
        length = sum(generate.seconds(film) for film in films)
    ratio = str(wish.get("aspect_ratio", ""))
    return generate.Clip(
        seconds=length,
        text=str(wish.get("prompt") or model.id),
        short_side=_short_side(wish, desk.settings.short_side),
        size=_film_size(ratio, wish, desk.settings.short_side, bool(stills or films)),
        audio=bool(wish.get("sound", wish.get("generate_audio", True))),
        stills=stills,
        films=films,
        soundtrack=desk.here(heard) if heard else None,
    )


def _pictures(wish: Mapping[str, Any]) -> list[str]:
    first = [wish["start_image_url"]] if wish.get("start_image_url") else []
    return [*first, *(wish.get("image_urls") or ()), *(wish.get("reference_image_urls") or ())]


def _films(wish: Mapping[str, Any]) -> list[str]:
    one = [wish["video_url"]] if wish.get("video_url") else []
    return [*one, *(wish.get("video_urls") or ()), *(wish.get("reference_video_urls") or ())]


def _short_side(wish: Mapping[str, Any], most: int) -> int:
    told = str(wish.get("resolution") or wish.get("mode") or "720p").lower()
    digits = "".join(character for character in told if character.isdigit())
    short = SHORT_SIDES.get(told) or (int(digits) if len(digits) > 2 else 720)
    return min(short, most) if most else short


def _film_size(ratio: str, wish: Mapping[str, Any], most: int, shown: bool) -> tuple[int, int] | None:
    """Return width and height; None follows what is shown."""
    pixels, found = _PIXELS.fullmatch(ratio), _RATIO.fullmatch(ratio)
    if pixels:
        width, height = int(pixels[1]), int(pixels[2])
        return generate.sized(min(most or width, width, height), width / height)
    if found:
        return generate.sized(_short_side(wish, most), int(found[1]) / int(found[2]))
    return None if shown else generate.sized(_short_side(wish, most), 16 / 9)
