"""What is said in a video, as text: by Venice's own endpoint where it still answers, else by a chat model.

``POST /video/transcriptions`` was retired in September 2026 and answers 410; its successor, in the
vendor's words, is a chat completion with a ``video_url`` part on a model that takes video.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from airflow_provider_vidai.models import Answer, Call, Receipt, Repeat
from airflow_provider_vidai.vendors.odd import OddStr
from airflow_provider_vidai.vendors.venice import TRANSCRIPT_TIMEOUT, VENICE
from airflow_provider_vidai.vendors.venice_catalogue import Model

Format = Literal["json", "text"]

_OLD = "/video/transcriptions"
#: What the old endpoint takes for one transcript, in USD.
_OLD_PRICE = 0.02
_FENCE = re.compile(r"\s*```\w*\s*(.*?)\s*```\s*", re.DOTALL)
_TASK = (
    "Transcribe everything that is said in this video, word for word and in its own language. Answer with "
    'nothing but a JSON object {"transcript": the words, "lang": the ISO 639-1 code of the language}.'
)


class TranscriptRequest(BaseModel):
    """A video to listen to.

    :param url: public; http or https.
    :param response_format: ``json`` for ``{"transcript", "lang"}``, ``text`` for the words alone.
    :param model: a chat model that takes video; None lets one be found.
    """

    model_config = ConfigDict(extra="forbid")

    url: str
    response_format: Format = "json"
    model: str | None = Field(default=None, min_length=1)

    @field_validator("url")
    @classmethod
    def _is_web_url(cls, value: str) -> str:
        if not re.match(r"https?://[^\s/]+", value, re.IGNORECASE):
            raise ValueError("must be a public http(s) URL")
        return value


class _OldAnswer(BaseModel):
    transcript: str
    lang: OddStr = None


def is_old_endpoint_alive() -> Call[bool]:
    """Return a free call: nothing to transcribe is refused as such, or the endpoint as retired."""

    def parse(answer: Answer) -> bool:
        return answer.status in (400, 422)

    return Call("ask for the transcription endpoint", "POST", _OLD, parse, body={})


def listening(rows: Sequence[dict[str, JsonValue]]) -> str | None:
    """Return the first chat model of the catalogue that takes video and is not offline."""
    for row in rows:
        try:
            model = Model.model_validate(row)
        except ValueError:
            continue
        spec = model.model_spec
        if spec and not spec.offline and (spec.capabilities or {}).get("supportsVideoInput") is True:
            return model.id
    return None


def by_endpoint(request: TranscriptRequest) -> Call[Receipt]:
    """Return the purchase of a transcript from the old endpoint."""
    doing = "transcribe a video"

    def parse(answer: Answer) -> Receipt:
        cost: dict[str, JsonValue] = {"usd": _OLD_PRICE}
        if 200 <= answer.status < 300 and answer.content_type == "text/plain":
            text = answer.body.decode("utf-8", "replace")
            return Receipt(result=_result(request, text, None), cost=cost)
        found = VENICE.parse(_OldAnswer, answer, doing)
        return Receipt(result=_result(request, found.transcript, found.lang), cost=cost)

    body: dict[str, JsonValue] = {"url": request.url, "response_format": request.response_format}
    return Call(doing, "POST", _OLD, parse, repeat=Repeat.ONCE, body=body, timeout=TRANSCRIPT_TIMEOUT)


def by_chat(request: TranscriptRequest, model: str) -> Call[Receipt]:
    """Return the purchase of a transcript from a chat model."""
    doing = f"transcribe a video with {model}"

    def parse(answer: Answer) -> Receipt:
        body = VENICE.read(answer, doing)
        try:
            text = body["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise VENICE.unreadable(answer, doing)
        usage = body.get("usage")
        cost: dict[str, JsonValue] = {"model": model, "usage": usage if isinstance(usage, dict) else None}
        return Receipt(result=_result(request, *_spoken(text)), cost=cost)

    parts: list[JsonValue] = [
        {"type": "text", "text": _TASK},
        {"type": "video_url", "video_url": {"url": request.url}},
    ]
    chat: dict[str, JsonValue] = {"model": model, "messages": [{"role": "user", "content": parts}]}
    return Call(
        doing, "POST", "/chat/completions", parse, repeat=Repeat.ONCE, body=chat, timeout=TRANSCRIPT_TIMEOUT
    )


def _result(request: TranscriptRequest, transcript: str, lang: str | None) -> JsonValue:
    return transcript if request.response_format == "text" else {"transcript": transcript, "lang": lang}


def _spoken(text: str) -> tuple[str, str | None]:
    """Return the words and their language; a model that did not keep to JSON has only words."""
    fenced = _FENCE.fullmatch(text)
    try:
        found: Any = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return text, None
    if not isinstance(found, dict) or not isinstance(found.get("transcript"), str):
        return text, None
    lang = found.get("lang")
    return found["transcript"], lang if isinstance(lang, str) else None
