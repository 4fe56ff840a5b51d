"""Venice: films from words, pictures and films.

Where the vendor's documents disagree, or are silent, ``venice.settings`` has a switch.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.fetch import Unreadable, is_private
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.venice.catalog import MODELS, Footage, Model, price, rows
from airflow_provider_vidai.sandbox.venice.chat import INSUFFICIENT, brief, complete_chat, transcribe
from airflow_provider_vidai.sandbox.venice.delivery import deliver, share_url
from airflow_provider_vidai.sandbox.venice.jobs import VENDOR, Job, measured, start
from airflow_provider_vidai.sandbox.venice.retirement import ROUTED, deprecation, notices, served_by
from airflow_provider_vidai.sandbox.venice.rules import LONGEST_SOURCE, queue_issues, quote_issues, supports
from airflow_provider_vidai.sandbox.venice.values import Issue, complaint, missing, of_type, unknown_keys
from airflow_provider_vidai.sandbox.venice.wire import Asked, Refused, call, error
from airflow_provider_vidai.sandbox.wire import JSON, Calls

INVALID_ID = "Request ID is invalid."
GONE = "Media could not be found. Request may be invalid, expired, or deleted."
OFFLINE = "The model is temporarily offline. Please try again later."
#: Who may be seen in which field.
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


async def models(asked: Asked) -> Response:
    """List the models of one type."""
    kind = asked.exchange.request.query_params.get("type", "text")
    found = rows(kind)
    if found is None:
        raise Refused(400, complaint([Issue("Invalid enum value", ("type",), "invalid_enum_value")]))
    settings = asked.exchange.world.settings.venice
    for row in found:
        if row["id"] == settings.retires:
            row["model_spec"]["deprecation"] = deprecation(settings)
    return JSON({"object": "list", "type": kind, "data": found})


def _model(asked: Asked) -> Model:
    """Return the model that a request names."""
    name = asked.body.get("model")
    if name is None or name == "":
        old = asked.exchange.world.settings.venice.missing_model == "404"
        raise error(404, "Model is required") if old else _invalid(Issue("model is required", ("model",)))
    if not isinstance(name, str):
        raise _invalid(Issue("model must be a string", ("model",), "invalid_type"))
    name = served_by(name, asked.exchange.world.settings.venice) if asked.exchange.call in ROUTED else name
    if name not in MODELS:
        raise error(404, f"Specified model not found: {name}")
    return MODELS[name]


def _invalid(*issues: Issue) -> Refused:
    return Refused(400, complaint(list(issues)))


async def quote(asked: Asked) -> Response:
    """Tell a price."""
    model = _model(asked)
    if model.upscales and asked.account is None:
        raise error(403, "Authentication is required to quote this model.")
    issues = quote_issues(model, asked.body)
    if issues:
        raise _invalid(*issues)
    sources, _ = await _measured(asked, model, ("video_url",))
    total = float(asked.body.get("reference_video_total_duration", 0))
    return JSON({"quote": price(model, asked.body, sources[0] if sources else None, total)})


async def _measured(asked: Asked, model: Model, names: tuple[str, ...]) -> tuple[list[Footage], float]:
    """Look at the videos in these fields; return what they are, and how many seconds they have together."""
    found: list[Footage] = []
    for name in names:
        given = asked.body.get(name, []) if name in model.takes else []
        for url in [given] if isinstance(given, str) else given:
            _reachable(asked, url, name)
            try:
                folder = asked.exchange.world.folder
                found.append(await asyncio.to_thread(measured, url, folder))
            except (Unreadable, MediaError) as problem:
                raise _invalid(Issue(f"The video could not be read: {problem}", (name,))) from None
    return found, sum(one.seconds for one in found)


def _reachable(asked: Asked, url: str, name: str) -> None:
    if not asked.exchange.world.settings.venice.private_urls and is_private(url):
        raise _invalid(Issue("URL must not point to a private network address", (name,)))


def _urls(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and name.endswith(("_url", "_urls")):
                yield name, one


async def queue(asked: Asked) -> Response:
    """Sell a film."""
    world, settings = asked.exchange.world, asked.exchange.world.settings.venice
    model = _model(asked)
    issues = queue_issues(model, asked.body, settings.strict)
    if issues:
        raise _invalid(*issues)
    for name, url in _urls(asked.body):
        await asyncio.to_thread(_reachable, asked, url, name)
    _consented(asked, model)
    if model.offline:
        raise error(503, OFFLINE)
    sources, _ = await _measured(asked, model, ("video_url",))
    _, clips = await _measured(asked, model, ("reference_video_urls",))
    if clips > model.clips or any(one.seconds > LONGEST_SOURCE for one in sources):
        raise Refused(422, {"error": "The video is too long.", "code": "VIDEO_DURATION_TOO_LONG"})
    request = {name: value for name, value in asked.body.items() if supports(model, name)}
    amount = price(model, request, sources[0] if sources else None, clips)
    if world.balance(VENDOR, asked.account or "") < amount:
        raise error(402, INSUFFICIENT)
    return _sold(asked, model, request, amount)


def _sold(asked: Asked, model: Model, request: dict[str, Any], amount: float) -> Response:
    """Start the job, and write down what it costs."""
    exchange, world = asked.exchange, asked.exchange.world
    failing = exchange.fault("reject_job") or exchange.fault("fail_job")
    linked = not exchange.fault("missing_output_url")
    job = start(world, asked.account or "", model, request, failing, linked)
    world.jobs[VENDOR][job.id] = job
    world.book.purchase(
        vendor=VENDOR,
        account=job.account,
        kind="generate",
        job_id=job.id,
        amount=amount,
        currency="USD",
        request=brief(asked.body),
        walk=job.walk,
        refundable=job.refunds,
    )
    answer = {"model": model.id, "queue_id": job.id}
    if job.share:
        job.deleted = exchange.fault("expired_url") is not None
        answer["download_url"] = share_url(exchange, job)
    return JSON(answer, headers=notices(asked.model, world.settings.venice))


def _consented(asked: Asked, model: Model) -> None:
    """Ask for consent where faces may be seen; any media counts as showing one."""
    if not model.consent or "consents" in asked.body:
        return
    roles = [role for name, role in ROLES.items() if asked.body.get(name)]
    told = {"code": "needs_consent", "message": "The media shows faces: consent is needed."}
    raise Refused(
        409,
        {
            "error": told,
            "consent_flow": "seedance",
            "face_media_roles": roles,
            "consent": CONSENT,
            "docs_url": DOCS,
        },
    )


def _job(asked: Asked, *others: str) -> Job:
    """Return the job that a request names.

    :param others: the fields that may be there besides model and id.
    """
    model = _model(asked)
    extra = [name for name in asked.body if name not in ("model", "queue_id", *others)]
    issues = [unknown_keys(extra)] if extra else []
    if "queue_id" in asked.body:
        issues += of_type("string", asked.body["queue_id"], "queue_id")
    else:
        issues.append(missing("queue_id", "string"))
    for name in others:
        issues += of_type("boolean", asked.body.get(name, False), name)
    if issues:
        raise _invalid(*issues)
    world = asked.exchange.world
    job: Job | None = world.jobs[VENDOR].get(asked.body["queue_id"])
    if job is None or (job.account, job.model) != (asked.account, model):
        raise error(400, INVALID_ID)
    if world.clock.now() - job.began >= world.settings.venice.media_ttl:
        raise error(400, INVALID_ID)
    return job


async def retrieve(asked: Asked) -> Response:
    """Tell how a job is; an inline one that is done is answered with its film."""
    job = _job(asked, "delete_media_on_completion")
    other = asked.exchange.fault("vendor_status")
    if other:
        return JSON({"status": other.options["word"], **_times(asked, job)})
    fate = job.fate()
    if fate:
        return JSON(fate.body, fate.status)
    if not job.walk.ended:
        return JSON({"status": "PROCESSING", **_times(asked, job)})
    if job.delivery == "inline" and job.deleted:
        raise error(404, GONE)
    if job.delivery == "inline":
        delete = asked.body.get("delete_media_on_completion", False)
        return await deliver(asked.exchange, job, delete=delete)
    answer = {"status": "COMPLETED"}
    if job.delivery == "url":
        ttl = asked.exchange.world.settings.url_ttl
        expires = datetime.fromtimestamp(time.time() + ttl, timezone.utc).isoformat(timespec="seconds")
        expired = asked.exchange.fault("expired_url")
        url = asked.exchange.sign("GET", job.film.key, ttl=0 if expired else None)
        answer |= {"url": url, "expires_at": expires}
    return JSON(
        {**answer, **(_times(asked, job) if asked.exchange.world.settings.venice.completed_times else {})}
    )


def _times(asked: Asked, job: Job) -> dict[str, int]:
    """Return how long such a job takes and this one has taken, in a client's milliseconds."""
    clock = asked.exchange.world.clock
    return {
        "average_execution_time": round(clock.lasting(job.model.average) * 1000),
        "execution_duration": round(clock.lasting(clock.now() - job.began) * 1000),
    }


async def complete(asked: Asked) -> Response:
    """Delete a film, or not: what this does in life is another thing than what is documented."""
    job = _job(asked)
    how = asked.exchange.world.settings.venice.complete
    if how == "live":
        raise error(400, INVALID_ID)
    if how == "documented" and job.walk.ended:
        job.deleted = True
        asked.exchange.world.storage.drop(job.film.key)
    return JSON({"success": how == "documented"})


CALLS: Calls = {
    "models": ("GET", "/api/v1/models", call(models, keyless=True, reads=False)),
    "quote": ("POST", "/api/v1/video/quote", call(quote, keyless=True)),
    "queue": ("POST", "/api/v1/video/queue", call(queue, limit="queue_per_minute")),
    "retrieve": ("POST", "/api/v1/video/retrieve", call(retrieve, limit="retrieve_per_minute")),
    "complete": ("POST", "/api/v1/video/complete", call(complete)),
    "transcribe": ("POST", "/api/v1/video/transcriptions", call(transcribe, keyless=True)),
    "chat": ("POST", "/api/v1/chat/completions", call(complete_chat)),
}
