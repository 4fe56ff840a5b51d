"""Vizard: clips of long videos, captions, publishing. Every outcome is a code in an answer with HTTP 200."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.accounts import account_of
from airflow_provider_vidai.sandbox.callbacks import announce
from airflow_provider_vidai.sandbox.clock import Timeline
from airflow_provider_vidai.sandbox.vizard.jobs import (
    VENDOR,
    Clip,
    Project,
    project_answer,
    share_link,
    start_project,
    webhook,
)
from airflow_provider_vidai.sandbox.vizard.rules import (
    Complaint,
    caption_complaint,
    create_complaint,
    publish_complaint,
)
from airflow_provider_vidai.sandbox.wire import JSON, Calls, Exchange, Handler
from airflow_provider_vidai.sandbox.world import World

PREFIX = "/hvizard-server-front/open-api/v1"
X_WITH_URL = 10
#: The social accounts of every workspace, with every platform and status.
ACCOUNTS: tuple[dict[str, Any], ...] = tuple(
    {
        "id": f"{7000 + number}",
        "platform": platform,
        "username": f"sandbox_{platform}",
        "page": None,
        "profilePic": f"https://cdn-video.vizard.ai/pic/{platform}.jpg",
        "pageProfilePic": None,
        "expiresAt": 1_893_456_000_000,
        "status": status,
    }
    for number, (platform, status) in enumerate(
        (
            ("tiktok", "active"),
            ("youtube", "active"),
            ("x", "active"),
            ("instagram", "expired"),
            ("linkedin", "locked"),
            ("facebook", "not connected"),
        )
    )
)
TONES = ("", "Did you know? ", "Wow! ", "In short: ", "Would you have thought so? ")


def signed_in(handler: Callable[[Exchange, str], Awaitable[Response]]) -> Handler:
    """Admit only calls with a valid ``VIZARDAI_API_KEY``, and pass their account on."""

    async def handle(exchange: Exchange) -> Response:
        key = exchange.request.headers.get("vizardai_api_key", "")
        account = account_of(key)
        refusal = exchange.world.accounts.refusal(VENDOR, account)
        if refusal:
            return JSON(refusal.body, refusal.status)
        if not key or not exchange.world.accounts.knows(VENDOR, account):
            return _complaint((4001, "invalid api key"))
        fault = exchange.fault("code")
        made_up = fault and _complaint((int(fault.options["code"]), fault.options["message"]))
        if made_up and fault and fault.when == "before":
            return made_up
        response = await handler(exchange, account)
        return made_up or response

    return handle


def _complaint(complaint: Complaint) -> JSON:
    code, message = complaint
    return JSON({"code": code, "errMsg": message})


def newer(handler: Callable[[Exchange, str], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Hide a call that the first generation of the API did not have."""

    async def handle(exchange: Exchange, account: str) -> Response:
        if exchange.world.settings.vizard.generation == "2024":
            return JSON({"error": "Not Found"}, 404)
        return await handler(exchange, account)

    return handle


async def _json_object(exchange: Exchange) -> dict[str, Any] | None:
    try:
        body = json.loads(await exchange.request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


@signed_in
async def create(exchange: Exchange, account: str) -> Response:
    """Sell a project."""
    world, settings = exchange.world, exchange.world.settings.vizard
    if _over_the_limit(world, account):
        return _complaint((4003, "requests exceeded the limit"))
    request = await _json_object(exchange)
    if request is None:
        return _complaint((-1000, "the body must be a JSON object"))
    complaint = create_complaint(request, settings.generation)
    if complaint:
        return _complaint(complaint)
    if world.balance(VENDOR, account) <= 0:
        return _complaint((4007, "insufficient remaining minutes in the account"))
    project = start_project(world, account, request, exchange.fault("fail_job"))
    world.jobs[VENDOR][str(project.id)] = project
    for url in filter(None, (request.get("webhookUrl"), settings.webhook_url)):
        announce(world, webhook(exchange, project, url))
    if settings.generation == "2024":
        return JSON({"code": 2000, "projectId": project.id})
    link = share_link(project.id)
    return JSON({"code": 2000, "projectId": project.id, "shareLink": link, "errMsg": ""})


def _over_the_limit(world: World, account: str) -> bool:
    """Return whether the account is over a limit of projects per minute or hour; if not, count one."""
    settings = world.settings.vizard
    limits = [("minute", settings.creates_per_minute, 60.0)]
    if settings.generation == "today":
        limits.append(("hour", settings.creates_per_hour, 3600.0))
    if any(world.fast_windows.full((VENDOR, account, name), most, span) for name, most, span in limits):
        return True
    for name, _, span in limits:
        world.fast_windows.note((VENDOR, account, name), span)
    return False


@signed_in
async def query(exchange: Exchange, account: str) -> Response:
    """Return the status of a project, with its clips."""
    project = exchange.world.jobs[VENDOR].get(exchange.request.path_params["project_id"])
    if not isinstance(project, Project) or project.account != account:
        return _complaint((4006, "illegal parameter: no such project"))
    code, message = project.code(exchange.world.clock.now())
    other = exchange.fault("vendor_status")
    if other:
        code, message = int(other.options["word"]), "made up by the sandbox"
    return JSON(project_answer(exchange, project, code, message))


@signed_in
@newer
async def social_accounts(exchange: Exchange, _: str) -> Response:
    """List the connected accounts."""
    key = exchange.world.settings.vizard.accounts_key
    return JSON({key: list(ACCOUNTS), "total": len(ACCOUNTS)})


def _clip(exchange: Exchange, account: str, request: dict[str, Any] | None) -> Clip | Complaint:
    """Return the clip that a request names."""
    video_id = (request or {}).get("finalVideoId")
    if not isinstance(video_id, int) or isinstance(video_id, bool):
        return -1000, "finalVideoId is required"
    projects: list[Project] = list(exchange.world.jobs[VENDOR].values())
    for project in projects:
        clip = project.clip(video_id) if project.account == account else None
        if clip and exchange.world.clock.now() < project.until:
            return clip
    return 4006, "illegal parameter: finalVideoId"


@signed_in
@newer
async def ai_social(exchange: Exchange, account: str) -> Response:
    """Write a caption."""
    request = await _json_object(exchange)
    clip = _clip(exchange, account, request)
    if not isinstance(clip, Clip) or request is None:
        return _complaint(clip if isinstance(clip, tuple) else (-1000, "no JSON"))
    complaint = caption_complaint(request)
    if complaint:
        return _complaint(complaint)
    if not clip.transcript:
        return _complaint((4002, "no speech in the video"))
    _buy(exchange, account, "caption", clip, request, amount=0)
    who = "They" if request.get("voice") else "I"
    content = (
        f"{TONES[request.get('tone', 0)]}{who} show {clip.title}. #{' #'.join(clip.topics or ['video'])}"
    )
    title = {"aiSocialTitle": clip.title[:100]} if request.get("aiSocialPlatform") == 4 else {}
    return JSON({"code": 2000, "aiSocialContent": content, **title, "errMsg": ""})


@signed_in
@newer
async def publish_video(exchange: Exchange, account: str) -> Response:
    """Publish a clip to a connected account."""
    request = await _json_object(exchange)
    clip = _clip(exchange, account, request)
    if not isinstance(clip, Clip) or request is None:
        return _complaint(clip if isinstance(clip, tuple) else (-1000, "no JSON"))
    to = next((one for one in ACCOUNTS if one["id"] == request.get("socialAccountId")), None)
    complaint = publish_complaint(request, to)
    if complaint or to is None:
        return _complaint(complaint or (4011, "invalid socialAccountId"))
    linked = to["platform"] == "x" and "http" in request.get("post", "")
    _buy(exchange, account, "publish", clip, request, amount=X_WITH_URL if linked else 0)
    return JSON({"code": 2000})


@signed_in
@newer
async def publish(exchange: Exchange, account: str) -> Response:
    """Publish a clip to TikTok: the predecessor of ``publish-video``."""
    request = await _json_object(exchange)
    clip = _clip(exchange, account, request)
    if not isinstance(clip, Clip) or request is None:
        return _complaint(clip if isinstance(clip, tuple) else (-1000, "no JSON"))
    _buy(exchange, account, "publish", clip, request, amount=0)
    return JSON({"code": 2000})


def _buy(
    exchange: Exchange, account: str, kind: str, clip: Clip, request: dict[str, Any], amount: float
) -> None:
    exchange.world.book.purchase(
        vendor=VENDOR,
        account=account,
        kind=kind,
        job_id=str(clip.id),
        amount=amount,
        currency="credit",
        request=request,
        timeline=Timeline(exchange.world.clock, [], end="done"),
        refundable=False,
    )


CALLS: Calls = {
    "create": ("POST", f"{PREFIX}/project/create", create),
    "query": ("GET", f"{PREFIX}/project/query/{{project_id}}", query),
    "social_accounts": ("GET", f"{PREFIX}/project/social-accounts", social_accounts),
    "ai_social": ("POST", f"{PREFIX}/project/ai-social", ai_social),
    "publish_video": ("POST", f"{PREFIX}/project/publish-video", publish_video),
    "publish": ("POST", f"{PREFIX}/project/publish", publish),
}
