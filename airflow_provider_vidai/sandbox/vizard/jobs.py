"""Vizard's projects: the source is fetched and measured, the clips are cut, and what is told of them."""

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import time
import urllib.request
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_vidai.sandbox.book import Entry
from airflow_provider_vidai.sandbox.clock import Step, Walk
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media import clips, generate
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vizard.rules import keywords, lengths
from airflow_provider_vidai.sandbox.wire import Exchange
from airflow_provider_vidai.sandbox.world import World

VENDOR = "vizard"
FIRST_ID = 17_861_706
#: More than a project's clips.
ROOM = 1000
RATIOS = {1: Fraction(9, 16), 2: Fraction(1), 3: Fraction(4, 5), 4: Fraction(16, 9)}
#: Of a clip, by ``preferLength``, in seconds.
SPANS = {2: (30.0, 60.0), 3: (60.0, 90.0), 4: (90.0, 180.0)}
MOST = 12
LONGEST, LONGEST_EDIT = 36_000.0, 180.5
#: What the second model costs for each minute of source.
DEARER = {"clip_v2": 1.25}
#: Where the vendor's documents have their sample: nothing here leaves the machine.
SAMPLE_HOST = "cdn-docs.vizard.ai"
MADE_UP_SECONDS = 60.0
WEBHOOK_TIMEOUT = 10.0


class Ended(Exception):
    """The project has ended without a result.

    :param code: what it is answered with.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class Clip:
    """A finished clip, or the edited video.

    :param score: 0 to 10; None for an edited video.
    """

    id: int
    film: Blob
    title: str
    seconds: float
    score: float | None
    transcript: str
    topics: list[str]


@dataclass
class Project:
    """A project that was bought.

    :param until: virtual seconds at which it is deleted.
    :param failing: the code that it is told to end with.
    """

    id: int
    account: str
    request: dict[str, Any]
    name: str
    walk: Walk
    made: "Future[list[Clip]]"
    until: float
    failing: int | None = None

    def code(self, now: float) -> tuple[int, str]:
        """Return how it is, with words."""
        if now >= self.until:
            return 4006, "illegal parameter: no such project"
        if not self.walk.ended:
            return 1000, ""
        if self.failing is not None:
            return self.failing, "made up by the sandbox"
        error = self.made.exception()
        if isinstance(error, Ended):
            return error.code, str(error)
        return (4002, "clipping failed") if error else (2000, "")

    def clip(self, video_id: int) -> Clip | None:
        """Return one of its clips."""
        if not self.walk.ended or self.walk.failed:
            return None
        return next((clip for clip in self.made.result() if clip.id == video_id), None)


def start_project(world: World, account: str, request: dict[str, Any], failing: Fault | None) -> Project:
    """Begin a project: its work at once, and its walk."""
    settings = world.settings.vizard
    project_id = FIRST_ID + len(world.jobs[VENDOR])
    name = request.get("projectName") or _named_by(request["videoUrl"])
    folder = world.folder / "vizard" / str(project_id)
    folder.mkdir(parents=True)
    paid: Future[Entry] = Future()

    def work(stop: Event) -> list[Clip]:
        film = _measured(_source(world, request, folder, stop), request, stop)
        _charge(world, paid.result(), film.duration, request)
        return _cut(world, film, project_id, account, {**request, "projectName": name}, stop)

    steps = [Step("processing", settings.seconds)]
    made = world.studio.submit(work)
    code = None
    if failing:
        code = int(failing.options["word"]) if _is_code(failing.options["word"]) else 4002
        walk = Walk(world.clock, steps, end="failed", failed="failed")
    else:
        walk = Walk(world.clock, steps, end="done", failed="failed", work=made)
    paid.set_result(_book(world, account, project_id, request, walk))
    until = world.clock.now() + settings.seconds + settings.project_ttl
    return Project(project_id, account, request, name, walk, made, until, code)


def _is_code(word: str) -> bool:
    return word.lstrip("-").isdigit()


def _named_by(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).stem or "video"


def _book(world: World, account: str, project_id: int, request: dict[str, Any], walk: Walk) -> Entry:
    return world.book.purchase(
        vendor=VENDOR,
        account=account,
        kind="edit" if request.get("getClips") == 0 else "project",
        job_id=str(project_id),
        amount=0,
        currency="credit",
        request=request,
        walk=walk,
        refundable=world.settings.refund_failed,
    )


def _source(world: World, request: dict[str, Any], folder: Path, stop: Event) -> Path:
    """Get at the source: a file by its URL, and a stand-in for what only a platform has."""
    url = request["videoUrl"]
    if request.get("videoType", 1) != 1 or urlsplit(url).hostname == SAMPLE_HOST:
        return _stand_in(world, folder, stop)
    try:
        return fetch(url, folder / "source")
    except Unreadable as error:
        raise Ended(4008, f"cannot download the video: {error}") from error


def _stand_in(world: World, folder: Path, stop: Event) -> Path:
    given = world.settings.vizard.footage
    if given:
        return Path(given)
    kept = world.folder / "vizard" / "made-up.mp4"
    if not kept.exists():
        own = folder / "made-up.mp4"
        generate.generate(generate.Clip(MADE_UP_SECONDS, "Your video", short_side=180), own, stop)
        shutil.move(own, kept)
    return kept


def _measured(path: Path, request: dict[str, Any], stop: Event) -> clips.Film:
    try:
        film = clips.measured(path, stop)
    except MediaError as error:
        raise Ended(4005, f"the file is broken: {error}") from error
    if film.source.still or not len(film.score):
        raise Ended(4004, "unsupported video format")
    longest = LONGEST_EDIT if request.get("getClips") == 0 else LONGEST
    if film.duration > longest:
        raise Ended(4005, f"the video is longer than {longest / 60:.0f} minutes")
    return film


def _charge(world: World, entry: Entry, seconds: float, request: dict[str, Any]) -> None:
    cost = round(seconds / 60 * DEARER.get(request.get("clipModel", ""), 1.0), 4)
    if cost > world.balance(VENDOR, entry.account):
        raise Ended(4007, "insufficient remaining minutes in the account")
    entry.amount = cost


def _cut(
    world: World, film: clips.Film, project_id: int, account: str, request: dict[str, Any], stop: Event
) -> list[Clip]:
    settings = world.settings.vizard
    aspect, name = RATIOS[request.get("ratioOfClip", 1)], str(request["projectName"])
    editing = request.get("getClips") == 0
    stretches = [clips.whole(film)] if editing else _stretches(film, request, name)
    if settings.source_copy and not editing and stretches:
        stretches.append(clips.whole(film))
    made = []
    for number, stretch in enumerate(stretches):
        video_id = project_id * ROOM + number
        day = time.strftime("%Y%m%d", time.gmtime())
        key = f"vizard/video/export/{day}/{video_id}-{secrets.token_hex(16)}.mp4"
        film_blob = world.storage.place(key, VENDOR, account, "video/mp4")
        clips.cut(film, stretch, aspect, settings.short_side, film_blob.path, stop)
        film_blob.landed()
        seconds = generate.seconds(film_blob.path)
        score = None if editing else round(10 * stretch.worth, 1)
        title = name if number == 0 else f"{name} ({number + 1})"
        made.append(Clip(video_id, film_blob, title, seconds, score, _said(name, stretch), _topics(name)))
    return made


def _stretches(film: clips.Film, request: dict[str, Any], name: str) -> list[clips.Stretch]:
    asked = lengths(request["preferLength"]) or [0]
    found = clips.find(film, [_span(one, film.duration) for one in asked], request.get("maxClipNumber", MOST))
    wanted = set(re.findall(r"\w+", keywords(request).lower()))
    if not wanted:
        return found
    return [one for one in found if wanted & set(re.findall(r"\w+", f"{name} {_said(name, one)}".lower()))]


def _span(asked: int, duration: float) -> tuple[float, float]:
    """Return how long clips may be; short films have short ones where that is left to the vendor."""
    if asked in SPANS:
        return SPANS[asked]
    if asked == 1:
        return min(10.0, duration * 0.25), min(30.0, duration)
    if duration >= 120:
        return 30.0, 60.0
    return (15.0, 30.0) if duration >= 60 else (duration * 0.25, duration * 0.45)


def _said(name: str, stretch: clips.Stretch) -> str:
    """Return what is said: nobody listens here, but where nothing sounds nothing is said."""
    if not stretch.sounds:
        return ""
    end = stretch.start + stretch.length
    return f"This is {name}, from second {stretch.start:.0f} to second {end:.0f}."


def _topics(name: str) -> list[str]:
    return sorted({word.lower() for word in re.findall(r"[^\W\d_]{4,}", name)})


def told(exchange: Exchange, project: Project, code: int, words: str) -> dict[str, Any]:
    """Return what a query and the webhook tell of a project."""
    first = exchange.world.settings.vizard.generation == "2024"
    videos = []
    if code == 2000 and project.walk.ended and not project.walk.failed:
        done = sorted(project.made.result(), key=lambda clip: -(clip.score or 0.0))
        videos = [(_first_video if first else _video)(exchange, project, clip) for clip in done]
    if first:
        return {"code": code, "videos": videos}
    answer: dict[str, Any] = {"code": code, "projectId": project.id, "videos": videos}
    if code == 2000:
        answer |= {"projectName": project.name, "shareLink": share_link(project.id)}
    return {**answer, "errMsg": words}


def share_link(project_id: int) -> str:
    """Return the link by which a project is shown to others."""
    return f"https://vizard.ai/project?invite={project_id * 7919:x}"


def _video(exchange: Exchange, _: Project, clip: Clip) -> dict[str, Any]:
    score = {} if clip.score is None else {"viralScore": f"{clip.score:g}", "viralReason": _reason(clip)}
    return {
        "videoId": clip.id,
        "videoUrl": _link(exchange, clip),
        "videoMsDuration": round(clip.seconds * 1000),
        "title": clip.title,
        "transcript": clip.transcript,
        **score,
        "relatedTopic": json.dumps(clip.topics),
        "clipEditorUrl": f"https://vizard.ai/editor?id={clip.id}&type=clip",
    }


def _first_video(exchange: Exchange, project: Project, clip: Clip) -> dict[str, Any]:
    return {
        "projectId": project.id,
        "videoUrl": _link(exchange, clip),
        "videoMsDuration": round(clip.seconds * 1000),
        "title": clip.title,
        "viralReason": _reason(clip),
        "viralScore": clip.score or 0.0,
        "transcript": clip.transcript,
        "relatedTopic": clip.topics,
    }


def _reason(clip: Clip) -> str:
    return f"It moves and sounds more than {10 * (clip.score or 0):.0f} % of the video."


def _link(exchange: Exchange, clip: Clip) -> str:
    """Return a signed URL of a clip, as the vendor's CDN has them."""
    ttl, after = exchange.world.settings.vizard.url_ttl, None
    if expired := exchange.fault("expired_url"):
        after = expired.options["after_bytes"]
        ttl = 0 if after is None else ttl
    signed = exchange.world.storage.sign_as_cloudfront("GET", clip.film.key, ttl, after)
    return f"{exchange.request.base_url}storage/{signed}"


async def call_webhook(exchange: Exchange, project: Project, url: str) -> None:
    """Tell the webhook how the project ended: once, unsigned, and whatever it answers."""
    while not project.walk.ended:  # noqa: ASYNC110 - a walk goes by the sandbox's clock
        await asyncio.sleep(0.02)
    code, words = project.code(exchange.world.clock.now())
    body = json.dumps(told(exchange, project, code, words)).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310

    def post() -> None:
        with contextlib.suppress(OSError):  # there is no second attempt
            urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT).close()  # noqa: S310

    await asyncio.to_thread(post)
