"""Transcripts of videos: from Venice's own endpoint where it still answers, otherwise from a chat model.

``POST /video/transcriptions`` was retired in September 2026 and answers 410. The vendor's successor for it
is a chat completion with a ``video_url`` part, by a model that takes video.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, field_validator

from airflow_provider_vidai.answers import Answer, parsed
from airflow_provider_vidai.jobs.calls import Call, Repeat
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.vendors.fields import LenientStr, Mark, Request, Text
from airflow_provider_vidai.vendors.venice.api import TRANSCRIPT_TIMEOUT, VENICE
from airflow_provider_vidai.vendors.venice.catalogue import Model

Format = Literal["json", "text"]

_OLD = "/video/transcriptions"
#: The old endpoint's price of one transcript, in USD.
_OLD_PRICE = 0.02
#: The finish reasons of an answer that the model did not complete.
_CUT = {"length": "was cut at its limit", "content_filter": "was cut by a filter"}
_BEGUN = re.compile(r'"transcript"\s*:\s*"((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)')
_TASK = (
    "Transcribe everything that is said in this video, word for word and in its own language. Answer with "
    'nothing but a JSON object {"transcript": the words, "lang": the ISO 639-1 code of the language}.'
)


class TranscriptRequest(Request):
    """A video to transcribe.

    :param url: public; http or https.
    :param response_format: ``json`` for ``{"transcript", "lang"}``, ``text`` for the transcript alone.
    :param model: a chat model that takes video; None takes the first one in the catalogue.
    """

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Text, Mark.MEDIA]
    response_format: Format = "json"
    model: Text | None = None

    @field_validator("url")
    @classmethod
    def _is_web_url(cls, value: str) -> str:
        if not re.match(r"https?://[^\s/]+", value, re.IGNORECASE):
            raise ValueError("must be a public http(s) URL")
        return value


class _OldAnswer(BaseModel):
    transcript: str
    lang: LenientStr = None


def is_old_endpoint_alive() -> Call[bool]:
    """Return a free call that says whether the old endpoint still answers.

    It asks to transcribe nothing: a living endpoint refuses the request, a retired one answers 410.
    """

    def parse(answer: Answer) -> bool:
        return answer.status in (400, 422)

    return Call("ask for the transcription endpoint", "POST", _OLD, parse, body={})


def listening(rows: list[dict[str, JsonValue]]) -> str | None:
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
            text = answer.text()
            return Receipt(result=_result(request, text, None), cost=cost)
        found = VENICE.parse(_OldAnswer, answer, doing)
        return Receipt(result=_result(request, found.transcript, found.lang), cost=cost)

    body: dict[str, JsonValue] = {"url": request.url, "response_format": request.response_format}
    return Call(
        doing,
        "POST",
        _OLD,
        parse,
        repeat=Repeat.ONCE,
        body=body,
        timeout=TRANSCRIPT_TIMEOUT,
        cost={"usd": _OLD_PRICE},
    )


def by_chat(
    request: TranscriptRequest, model: str, *, warn: Callable[[str], object] = lambda _: None
) -> Call[Receipt]:
    """Return the purchase of a transcript from a chat model.

    An answer that was cut, or that has no transcript, is paid for like any other. So what there is of it is
    the result, and the result says that it is incomplete.

    :param warn: called with a warning about that.
    """
    doing = f"transcribe a video with {model}"

    def parse(answer: Answer) -> Receipt:
        body = VENICE.read(answer, doing)
        try:
            choice = body["choices"][0]
            text, end = choice["message"]["content"], choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError):
            text = end = None
        if not isinstance(text, str):
            raise VENICE.unreadable(answer, doing)
        cut = _CUT.get(end) if isinstance(end, str) else None
        transcript, lang = _transcript_in(text, cut=cut is not None)
        lack = cut or (None if transcript else "contains no transcript")
        if lack:
            warn(
                f"The transcript is incomplete: the answer of {model} {lack}. It was charged. Another model= "
                "may do better; clear the task to buy again."
            )
        usage = body.get("usage")
        cost: dict[str, JsonValue] = {"model": model, "usage": usage if isinstance(usage, dict) else None}
        return Receipt(result=_result(request, transcript, lang, complete=not lack), cost=cost)

    parts: list[JsonValue] = [
        {"type": "text", "text": _TASK},
        {"type": "video_url", "video_url": {"url": request.url}},
    ]
    chat: dict[str, JsonValue] = {"model": model, "messages": [{"role": "user", "content": parts}]}
    return Call(
        doing, "POST", "/chat/completions", parse, repeat=Repeat.ONCE, body=chat, timeout=TRANSCRIPT_TIMEOUT
    )


def _result(
    request: TranscriptRequest, transcript: str, lang: str | None, *, complete: bool = True
) -> JsonValue:
    if request.response_format == "text":
        return transcript
    result: dict[str, JsonValue] = {"transcript": transcript, "lang": lang}
    return result if complete else {**result, "complete": False}


def _transcript_in(text: str, *, cut: bool) -> tuple[str, str | None]:
    """Return the transcript and its language. A model that did not answer in JSON has no language.

    :param cut: whether the answer breaks off; then the part of the transcript that it has is taken.
    """
    said = text.strip()
    # Reasoning models put their thoughts in front of the answer.
    if said.startswith("<think>"):
        said = said.partition("</think>")[2].strip()
    # A model may wrap the JSON in a fenced block, or show an example of it before: the last one is meant.
    for part in (said, *reversed(said.split("```")[1::2])):
        found = _object_in(part)
        if found is not None:
            lang = found.get("lang")
            return found["transcript"].strip(), lang if isinstance(lang, str) else None
    begun = _BEGUN.search(said) if cut else None
    return (parsed(f'"{begun[1]}"').rstrip("\ufffd") if begun else said), None


def _object_in(text: str) -> dict[str, Any] | None:
    """Return the JSON object with a transcript between the first and the last brace of a text."""
    try:
        found = parsed(text[text.find("{") : text.rfind("}") + 1])
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("transcript"), str) else None
