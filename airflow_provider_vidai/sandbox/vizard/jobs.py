"""Vizard's projects: fetching and measuring the source, cutting the clips, and the answers about them."""

import json
import re
import secrets
import shutil
import time
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_vidai.sandbox.book import Entry
from airflow_provider_vidai.sandbox.callbacks import Callback
from airflow_provider_vidai.sandbox.clock import Step, Timeline
from airflow_provider_vidai.sandbox.faults import Fault
from airflow_provider_vidai.sandbox.fetch import Unreadable, fetch
from airflow_provider_vidai.sandbox.media import clips, generate
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vizard.rules import keywords, lengths
from airflow_provider_vidai.sandbox.wire import Exchange
from airflow_provider_vidai.sandbox.world import World

VENDOR = "vizard"
FIRST_PROJECT_ID = 17_861_706
#: Clip ids are the project's id times this plus a number, so it exceeds the clips of any project.
IDS_PER_PROJECT = 1000
#: What the book calls a project that makes clips, and one that edits a video.
KINDS = {False: "project", True: "edit"}
RATIOS = {1: Fraction(9, 16), 2: Fraction(1), 3: Fraction(4, 5), 4: Fraction(16, 9)}
#: The shortest and longest clip in seconds, by ``preferLength``.
SPANS = {2: (30.0, 60.0), 3: (60.0, 90.0), 4: (90.0, 180.0)}
MAX_CLIPS = 12
MAX_SECONDS, MAX_EDIT_SECONDS = 36_000.0, 180.5
#: The price of a minute of source relative to the first model's.
PRICE_FACTORS = {"clip_v2": 1.25}
#: The host of the sample in the vendor's documents. It gets a stand-in, so that nothing leaves this machine.
SAMPLE_HOST = "cdn-docs.vizard.ai"
MADE_UP_SECONDS = 60.0


class Ended(Exception):
    """The project ended without a result.

    :param code: the code that queries answer.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Clip:
    """A finished clip, or the edited video.

    :param score: 0 to 10; None for an edited video.
    """

    id: int
    video: Blob
    title: str
    seconds: float
    score: float | None
    transcript: str
    topics: list[str]


@dataclass
class Project:
    """A project that was bought.

    :param until: the virtual second at which it is deleted.
    :param failing: the code with which a fault orders it to end.
    """

    id: int
    account: str
    request: dict[str, Any]
    name: str
    timeline: Timeline
    made: "Future[list[Clip]]"
    until: float
    failing: int | None = None

    def code(self, now: float) -> tuple[int, str]:
        """Return its current code and message."""
        if now >= self.until:
            return 4006, "illegal parameter: no such project"
        if not self.timeline.ended:
            return 1000, ""
        if self.failing is not None:
            return self.failing, "made up by the sandbox"
        error = self.made.exception()
        if isinstance(error, Ended):
            return error.code, str(error)
        return (4002, "clipping failed") if error else (2000, "")

    def clip(self, video_id: int) -> Clip | None:
        """Return one of its clips, or None."""
        if not self.timeline.ended or self.timeline.failed:
            return None
        return next((clip for clip in self.made.result() if clip.id == video_id), None)


def start_project(world: World, account: str, request: dict[str, Any], failing: Fault | None) -> Project:
    """Start a project: its work starts at once, and its timeline with it."""
    settings = world.settings.vizard
    project_id = _next_id(world)
    name = request.get("projectName") or _named_by(request["videoUrl"])
    folder = world.folder / "vizard" / str(project_id)
    folder.mkdir(parents=True)
    # The work charges the entry in the book, and the entry names the work, so one of them has to wait.
    paid: Future[Entry] = Future()

    def work(stop: Event) -> list[Clip]:
        video = _measured(_source(world, request, folder, stop), request, stop)
        _charge(world, paid.result(), video.duration, request)
        return _cut(world, video, project_id, account, {**request, "projectName": name}, stop)

    steps = [Step("processing", settings.seconds)]
    made = world.studio.submit(work)
    code = None
    if failing:
        code = int(failing.options["word"]) if _is_number(failing.options["word"]) else 4002
        timeline = Timeline(world.clock, steps, end="failed", failed="failed")
    else:
        timeline = Timeline(world.clock, steps, end="done", failed="failed", work=made)
    paid.set_result(_book(world, account, project_id, request, timeline, made))
    until = world.clock.now() + settings.seconds + settings.project_ttl
    return Project(project_id, account, request, name, timeline, made, until, code)


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _named_by(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).stem or "video"


def _next_id(world: World) -> int:
    """Return the next project's id, also after those that an earlier start of the sandbox sold."""
    projects = (one for one in world.book if one.vendor == VENDOR and one.kind in KINDS.values())
    return max((int(one.job_id) for one in projects), default=FIRST_PROJECT_ID - 1) + 1


def _book(
    world: World,
    account: str,
    project_id: int,
    request: dict[str, Any],
    timeline: Timeline,
    made: "Future[list[Clip]]",
) -> Entry:
    return world.book.purchase(
        vendor=VENDOR,
        account=account,
        kind=KINDS[request.get("getClips") == 0],
        job_id=str(project_id),
        amount=0,
        currency="credit",
        request=request,
        timeline=timeline,
        refundable=world.settings.refund_failed,
        files=lambda: [clip.video for clip in made.result()],
    )


def _source(world: World, request: dict[str, Any], folder: Path, stop: Event) -> Path:
    """Return the source: the file at the URL, or a stand-in for a video on a platform."""
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


def _measured(path: Path, request: dict[str, Any], stop: Event) -> clips.Video:
    try:
        video = clips.measured(path, stop)
    except MediaError as error:
        raise Ended(4005, f"the file is broken: {error}") from error
    if video.source.still or not len(video.score):
        raise Ended(4004, "unsupported video format")
    longest = MAX_EDIT_SECONDS if request.get("getClips") == 0 else MAX_SECONDS
    if video.duration > longest:
        raise Ended(4005, f"the video is longer than {longest / 60:.0f} minutes")
    return video


def _charge(world: World, entry: Entry, seconds: float, request: dict[str, Any]) -> None:
    cost = round(seconds / 60 * PRICE_FACTORS.get(request.get("clipModel", ""), 1.0), 4)
    if cost > world.balance(VENDOR, entry.account):
        raise Ended(4007, "insufficient remaining minutes in the account")
    entry.amount = cost


def _cut(
    world: World, video: clips.Video, project_id: int, account: str, request: dict[str, Any], stop: Event
) -> list[Clip]:
    settings = world.settings.vizard
    aspect, name = RATIOS[request.get("ratioOfClip", 1)], str(request["projectName"])
    editing = request.get("getClips") == 0
    stretches = [clips.whole(video)] if editing else _stretches(video, request, name)
    if settings.source_copy and not editing and stretches:
        stretches.append(clips.whole(video))
    made = []
    for number, stretch in enumerate(stretches):
        video_id = project_id * IDS_PER_PROJECT + number
        day = time.strftime("%Y%m%d", time.gmtime())
        key = f"vizard/video/export/{day}/{video_id}-{secrets.token_hex(16)}.mp4"
        blob = world.storage.place(key, VENDOR, account, "video/mp4")
        clips.cut(video, stretch, aspect, settings.short_side, blob.path, stop)
        blob.mark_complete()
        seconds = generate.seconds(blob.path)
        score = None if editing else round(10 * stretch.worth, 1)
        title = name if number == 0 else f"{name} ({number + 1})"
        made.append(Clip(video_id, blob, title, seconds, score, _transcript(name, stretch), _topics(name)))
    return made


def _stretches(video: clips.Video, request: dict[str, Any], name: str) -> list[clips.Stretch]:
    choice = lengths(request["preferLength"]) or [0]
    found = clips.find(
        video, [_span(one, video.duration) for one in choice], request.get("maxClipNumber", MAX_CLIPS)
    )
    wanted = set(re.findall(r"\w+", keywords(request).lower()))
    if not wanted:
        return found
    return [
        one for one in found if wanted & set(re.findall(r"\w+", f"{name} {_transcript(name, one)}".lower()))
    ]


def _span(choice: int, duration: float) -> tuple[float, float]:
    """Return the allowed lengths of clips; if the vendor chooses, short videos get short clips."""
    if choice in SPANS:
        return SPANS[choice]
    if choice == 1:
        return min(10.0, duration * 0.25), min(30.0, duration)
    if duration >= 120:
        return 30.0, 60.0
    return (15.0, 30.0) if duration >= 60 else (duration * 0.25, duration * 0.45)


def _transcript(name: str, stretch: clips.Stretch) -> str:
    """Return a made-up transcript: the sandbox does not understand speech, but silence has no transcript."""
    if not stretch.sounds:
        return ""
    end = stretch.start + stretch.length
    return f"This is {name}, from second {stretch.start:.0f} to second {end:.0f}."


def _topics(name: str) -> list[str]:
    return sorted({text.lower() for text in re.findall(r"[^\W\d_]{4,}", name)})


def project_answer(exchange: Exchange, project: Project, code: int, message: str) -> dict[str, Any]:
    """Return the body of a query's answer and of the webhook."""
    first = exchange.world.settings.vizard.generation == "2024"
    videos = []
    if code == 2000 and project.timeline.ended and not project.timeline.failed:
        done = sorted(project.made.result(), key=lambda clip: -(clip.score or 0.0))
        videos = [(_video_2024 if first else _video)(exchange, project, clip) for clip in done]
    if first:
        return {"code": code, "videos": videos}
    answer: dict[str, Any] = {"code": code, "projectId": project.id, "videos": videos}
    if code == 2000:
        answer |= {"projectName": project.name, "shareLink": share_link(project.id)}
    return {**answer, "errMsg": message}


def share_link(project_id: int) -> str:
    """Return the link that shares a project with others."""
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


def _video_2024(exchange: Exchange, project: Project, clip: Clip) -> dict[str, Any]:
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
    signed = exchange.world.storage.sign_as_cloudfront("GET", clip.video.key, ttl, after)
    return f"{exchange.request.base_url}storage/{signed}"


def webhook(exchange: Exchange, project: Project, url: str) -> Callback:
    """Return what is sent to a webhook when the project ends: once, unsigned, whatever it answers."""

    def body() -> dict[str, Any]:
        code, message = project.code(exchange.world.clock.now())
        return project_answer(exchange, project, code, message)

    return Callback(
        VENDOR, "webhook", url, ended=lambda: project.timeline.ended, body=body, claim={"code": 2000}
    )
