"""Venice: videos from text, pictures and videos.

Where the vendor's documents contradict each other or are silent, ``venice.settings`` has a switch.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.fetch import Unreadable, is_private
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.venice.billing import balance, history, rate_limits
from airflow_provider_vidai.sandbox.venice.catalog import MODELS, Footage, Model, price, rows
from airflow_provider_vidai.sandbox.venice.chat import INSUFFICIENT, brief, complete_chat, transcribe
from airflow_provider_vidai.sandbox.venice.delivery import deliver, share_url
from airflow_provider_vidai.sandbox.venice.jobs import VENDOR, Job, measured, start
from airflow_provider_vidai.sandbox.venice.retirement import ROUTED, deprecation, notices, served_by
from airflow_provider_vidai.sandbox.venice.rules import LONGEST_SOURCE, queue_issues, quote_issues, supports
from airflow_provider_vidai.sandbox.venice.values import Issue, complaint, missing, of_type, unknown_keys
from airflow_provider_vidai.sandbox.venice.wire import Context, Refused, call, error
from airflow_provider_vidai.sandbox.wire import JSON, Calls

INVALID_ID = "Request ID is invalid."
GONE = "Media could not be found. Request may be invalid, expired, or deleted."
OFFLINE = "The model is temporarily offline. Please try again later."
#: The role of each field in which a face may appear.
ROLES = {
    "image_url": "image",
    "end_image_url": "end_image",
    "reference_image_urls": "reference_image",
    "video_url": "video",
    "reference_video_urls": "reference_video",
}
CONSENT = {
    "consent_version": "v2.0",
    "policy_text": "I have the right to use the faces in this media, I accept the terms and the privacy "
    "policy, and I know that the media may be screened.",
}
DOCS = "https://docs.venice.ai/guides/media/seedance-face-consent"


async def models(context: Context) -> Response:
    """List the models of one type."""
    # Without a type the vendor lists text models, so a client that leaves it out finds no video model.
    kind = context.exchange.request.query_params.get("type", "text")
    found = rows(kind)
    if found is None:
        raise Refused(400, complaint([Issue("Invalid enum value", ("type",), "invalid_enum_value")]))
    settings = context.exchange.world.settings.venice
    for row in found:
        if row["id"] == settings.retires:
            row["model_spec"]["deprecation"] = deprecation(settings)
    return JSON({"object": "list", "type": kind, "data": found})


def _model(context: Context) -> Model:
    """Return the model that a request names."""
    name = context.body.get("model")
    if name is None or name == "":
        old = context.exchange.world.settings.venice.missing_model == "404"
        raise error(404, "Model is required") if old else _invalid(Issue("model is required", ("model",)))
    if not isinstance(name, str):
        raise _invalid(Issue("model must be a string", ("model",), "invalid_type"))
    name = (
        served_by(name, context.exchange.world.settings.venice) if context.exchange.call in ROUTED else name
    )
    if name not in MODELS:
        raise error(404, f"Specified model not found: {name}")
    return MODELS[name]


def _invalid(*issues: Issue) -> Refused:
    return Refused(400, complaint(list(issues)))


async def quote(context: Context) -> Response:
    """Return a price."""
    model = _model(context)
    if model.upscales and context.account is None:
        raise error(403, "Authentication is required to quote this model.")
    issues = quote_issues(model, context.body)
    if issues:
        raise _invalid(*issues)
    sources, _ = await _measured(context, model, ("video_url",))
    total = float(context.body.get("reference_video_total_duration", 0))
    return JSON({"quote": price(model, context.body, sources[0] if sources else None, total)})


async def _measured(context: Context, model: Model, names: tuple[str, ...]) -> tuple[list[Footage], float]:
    """Return the properties of the videos in these fields, and their total length in seconds."""
    found: list[Footage] = []
    for name in names:
        given = context.body.get(name, []) if name in model.takes else []
        for url in [given] if isinstance(given, str) else given:
            _reachable(context, url, name)
            try:
                folder = context.exchange.world.folder
                found.append(await asyncio.to_thread(measured, url, folder))
            except (Unreadable, MediaError) as problem:
                raise _invalid(Issue(f"The video could not be read: {problem}", (name,))) from None
    return found, sum(one.seconds for one in found)


def _reachable(context: Context, url: str, name: str) -> None:
    if not context.exchange.world.settings.venice.private_urls and is_private(url):
        raise _invalid(Issue("URL must not point to a private network address", (name,)))


def _urls(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and name.endswith(("_url", "_urls")):
                yield name, one


async def queue(context: Context) -> Response:
    """Sell a video."""
    world, settings = context.exchange.world, context.exchange.world.settings.venice
    model = _model(context)
    issues = queue_issues(model, context.body, settings.strict)
    if issues:
        raise _invalid(*issues)
    for name, url in _urls(context.body):
        await asyncio.to_thread(_reachable, context, url, name)
    _consented(context, model)
    if model.offline:
        raise error(503, OFFLINE)
    sources, _ = await _measured(context, model, ("video_url",))
    _, clips = await _measured(context, model, ("reference_video_urls",))
    if clips > model.clips or any(one.seconds > LONGEST_SOURCE for one in sources):
        raise Refused(422, {"error": "The video is too long.", "code": "VIDEO_DURATION_TOO_LONG"})
    request = {name: value for name, value in context.body.items() if supports(model, name)}
    amount = price(model, request, sources[0] if sources else None, clips)
    if world.balance(VENDOR, context.account or "") < amount:
        raise error(402, INSUFFICIENT)
    return _sold(context, model, request, amount)


def _sold(context: Context, model: Model, request: dict[str, Any], amount: float) -> Response:
    """Start the job, and record the purchase."""
    exchange, world = context.exchange, context.exchange.world
    failing = exchange.fault("reject_job") or exchange.fault("fail_job")
    linked = not exchange.fault("missing_output_url")
    job = start(world, context.account or "", model, request, failing, linked)
    world.jobs[VENDOR][job.id] = job
    world.book.purchase(
        vendor=VENDOR,
        account=job.account,
        kind="generate",
        job_id=job.id,
        amount=amount,
        currency="USD",
        request=brief(context.body),
        timeline=job.timeline,
        refundable=job.refunds,
        files=lambda: [job.video],
    )
    answer = {"model": model.id, "queue_id": job.id}
    if job.share:
        job.deleted = exchange.fault("expired_url") is not None
        answer["download_url"] = share_url(exchange, job)
    return JSON(answer, headers=notices(context.model, world.settings.venice))


def _consented(context: Context, model: Model) -> None:
    """Require consent where faces may appear; any media counts as showing one."""
    if not model.consent or "consents" in context.body:
        return
    roles = [role for name, role in ROLES.items() if context.body.get(name)]
    problem = {"code": "needs_consent", "message": "The media shows faces: consent is needed."}
    raise Refused(
        409,
        {
            "error": problem,
            "consent_flow": "seedance",
            "face_media_roles": roles,
            "consent": CONSENT,
            "docs_url": DOCS,
        },
    )


def _job(context: Context, *others: str) -> Job:
    """Return the job that a request names.

    :param others: the fields allowed besides ``model`` and ``queue_id``.
    """
    model = _model(context)
    extra = [name for name in context.body if name not in ("model", "queue_id", *others)]
    issues = [unknown_keys(extra)] if extra else []
    if "queue_id" in context.body:
        issues += of_type("string", context.body["queue_id"], "queue_id")
    else:
        issues.append(missing("queue_id", "string"))
    for name in others:
        issues += of_type("boolean", context.body.get(name, False), name)
    if issues:
        raise _invalid(*issues)
    world = context.exchange.world
    job: Job | None = world.jobs[VENDOR].get(context.body["queue_id"])
    # No document says what Venice answers if the model is not the job's. Here the id is then unknown.
    if job is None or (job.account, job.model) != (context.account, model):
        raise error(400, INVALID_ID)
    if world.clock.now() - job.began >= world.settings.venice.media_ttl:
        raise error(400, INVALID_ID)
    return job


async def retrieve(context: Context) -> Response:
    """Return a job's status; a finished inline job is answered with its video."""
    job = _job(context, "delete_media_on_completion")
    other = context.exchange.fault("vendor_status")
    if other:
        return JSON({"status": other.options["word"], **_times(context, job)})
    failure = job.failure()
    if failure:
        return JSON(failure.body, failure.status)
    if not job.timeline.ended:
        return JSON({"status": "PROCESSING", **_times(context, job)})
    if job.delivery == "inline" and job.deleted:
        raise error(404, GONE)
    if job.delivery == "inline":
        delete = context.body.get("delete_media_on_completion", False)
        return await deliver(context.exchange, job, delete=delete)
    answer = {"status": "COMPLETED"}
    if job.delivery == "url":
        ttl = context.exchange.world.settings.url_ttl
        expires = datetime.fromtimestamp(time.time() + ttl, timezone.utc).isoformat(timespec="seconds")
        expired = context.exchange.fault("expired_url")
        url = context.exchange.sign("GET", job.video.key, ttl=0 if expired else None)
        answer |= {"url": url, "expires_at": expires}
    return JSON(
        {**answer, **(_times(context, job) if context.exchange.world.settings.venice.completed_times else {})}
    )


def _times(context: Context, job: Job) -> dict[str, int]:
    """Return the average duration of these jobs and the duration of this one, in real milliseconds."""
    clock = context.exchange.world.clock
    return {
        "average_execution_time": round(clock.lasting(job.model.average) * 1000),
        "execution_duration": round(clock.lasting(clock.now() - job.began) * 1000),
    }


async def complete(context: Context) -> Response:
    """Delete a video, or not: the live API behaves differently from its documents."""
    job = _job(context)
    how = context.exchange.world.settings.venice.complete
    if how == "live":
        raise error(400, INVALID_ID)
    if how == "documented" and job.timeline.ended:
        job.deleted = True
        context.exchange.world.storage.drop(job.video.key)
    return JSON({"success": how == "documented"})


CALLS: Calls = {
    "rate_limits": ("GET", "/api/v1/api_keys/rate_limits", call(rate_limits, reads=False)),
    "balance": ("GET", "/api/v1/billing/balance", call(balance, reads=False)),
    "usage_history": ("GET", "/api/v1/billing/usage-history", call(history, reads=False)),
    "models": ("GET", "/api/v1/models", call(models, keyless=True, reads=False)),
    "quote": ("POST", "/api/v1/video/quote", call(quote, keyless=True)),
    "queue": ("POST", "/api/v1/video/queue", call(queue, limit="queue_per_minute")),
    "retrieve": ("POST", "/api/v1/video/retrieve", call(retrieve, limit="retrieve_per_minute")),
    "complete": ("POST", "/api/v1/video/complete", call(complete)),
    "transcribe": ("POST", "/api/v1/video/transcriptions", call(transcribe, keyless=True)),
    "chat": ("POST", "/api/v1/chat/completions", call(complete_chat)),
}
