"""Venice's text about videos: chat completions that accept one, and the retired transcriptions."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from airflow_provider_vidai.sandbox.clock import Timeline
from airflow_provider_vidai.sandbox.fetch import Unreadable
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.venice.catalog import CHATS, MODELS
from airflow_provider_vidai.sandbox.venice.jobs import VENDOR, measured
from airflow_provider_vidai.sandbox.venice.values import (
    Issue,
    complaint,
    media,
    missing,
    one_of,
    unknown_keys,
)
from airflow_provider_vidai.sandbox.venice.wire import Context, Refused, error, no_credential
from airflow_provider_vidai.sandbox.wire import JSON

TRANSCRIPTION_USD = 0.02
TOKEN_USD = (0.25e-6, 1.5e-6)
RETIRED = {
    "deprecation": "true",
    "link": '</api/v1/chat/completions>; rel="successor-version", </api/v1/models>; rel="describedby"',
}


async def transcribe(context: Context) -> Response:
    """Report that the endpoint is retired, or answer as it used to."""
    if context.exchange.world.settings.venice.transcriptions == "retired":
        text = "This endpoint has been retired. Use /api/v1/chat/completions with a video_url part."
        raise Refused(410, {"error": text}, RETIRED)
    if context.account is None:
        raise no_credential()
    extra = [name for name in context.body if name not in ("url", "response_format")]
    issues = [unknown_keys(extra)] if extra else []
    issues += media(context.body["url"], "url") if "url" in context.body else [missing("url", "string")]
    form = context.body.get("response_format", "json")
    issues += one_of(("json", "text"), form, "response_format")
    if issues:
        raise Refused(400, complaint(issues))
    text = await _transcript(context, context.body["url"])
    charge(context, "transcription", str(uuid.uuid4()), TRANSCRIPTION_USD)
    if form == "text":
        return Response(text, media_type="text/plain")
    return JSON({"transcript": text, "lang": "en"})


async def complete_chat(context: Context) -> Response:
    """Answer a conversation; if it contains a video, the answer is its transcript."""
    body = context.body
    if context.model in MODELS or context.model not in CHATS:
        raise error(404, f"Specified model not found: {context.model}")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, complaint([missing("messages", "array")]))
    if body.get("stream"):
        raise Refused(400, complaint([Issue("The sandbox does not stream", ("stream",))]))
    videos = list(_videos(messages))
    if videos and not CHATS[context.model]:
        raise error(400, "This model does not support video input.")
    text = await _transcript(context, videos[0]) if videos else "This is an answer of the sandbox."
    if isinstance(body.get("response_format"), dict) and body["response_format"].get("type") != "text":
        text = json.dumps({"transcript": text, "lang": "en"})
    used = {"prompt_tokens": 1200 * len(videos) + 20, "completion_tokens": len(text) // 4}
    name = f"chatcmpl-{uuid.uuid4().hex}"
    cost = used["prompt_tokens"] * TOKEN_USD[0] + used["completion_tokens"] * TOKEN_USD[1]
    charge(context, "chat", name, round(cost, 6))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return JSON(
        {
            "id": name,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": context.model,
            "choices": [{**choice, "logprobs": None}],
            "usage": {**used, "total_tokens": sum(used.values())},
        }
    )


def _videos(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") == "video_url":
                given = part.get("video_url")
                url = given.get("url") if isinstance(given, dict) else None
                wrong = list(media(url, "messages"))
                if wrong:
                    raise Refused(400, complaint(wrong))
                yield str(url)


async def _transcript(context: Context, url: str) -> str:
    """Return a made-up transcript with the video's real length: the sandbox does not understand speech."""
    try:
        found = await asyncio.to_thread(measured, url, context.exchange.world.folder)
    except (MediaError, Unreadable) as problem:
        if url.startswith("data:"):
            raise error(400, f"The video could not be read: {problem}") from None
        return "Hello, and welcome to this video. Thank you for watching."
    return (
        f"Hello, and welcome to this video. It is {found.seconds:.1f} seconds long. Thank you for watching."
    )


def charge(context: Context, kind: str, name: str, amount: float) -> None:
    """Record a purchase that is paid at once.

    :raises Refused: if the balance is too low.
    """
    world, account = context.exchange.world, context.account or ""
    if world.balance(VENDOR, account) < amount:
        raise error(402, INSUFFICIENT)
    world.book.purchase(
        vendor=VENDOR,
        account=account,
        kind=kind,
        job_id=name,
        amount=amount,
        currency="USD",
        request=brief(context.body),
        timeline=Timeline(world.clock, (), end="done"),
        refundable=False,
    )


INSUFFICIENT = (
    "Insufficient USD or Diem balance to complete request. "
    "Visit https://venice.ai/settings/api to add credits."
)


def brief(value: Any) -> Any:
    """Return a request as the book shows it: without inline media and without signed queries."""
    if isinstance(value, dict):
        return {name: brief(one) for name, one in value.items()}
    if isinstance(value, list):
        return [brief(one) for one in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"{value.partition(',')[0]},… ({len(value)} characters)"
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value.partition("?")[0]
    return value
