"""What Venice's catalogue says about its video models, and whether a request fits it.

The catalogue changes monthly and says little. What it does not say is left to the server, whose refusal costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.vendors.fields import (
    Lenient,
    LenientBool,
    LenientInt,
    LenientStr,
    LenientTexts,
    as_moment,
)
from airflow_provider_vidai.vendors.venice.requests import VideoRequest

#: The catalogue's word for "as long as its source".
SOURCE_LENGTH = "Auto"
_AS_THE_SOURCE = ("auto", "-1", "1 gen")


class _Open(BaseModel):
    # Open, because the catalogue gains fields every month; a closed model broke a public client twice. And
    # pydantic would warn of model_type and model_spec, which it takes for names of its own.
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Constraints(_Open):
    """What a model allows: None where the catalogue does not say, an empty list where it allows nothing."""

    model_type: LenientStr = None
    aspect_ratios: LenientTexts = None
    resolutions: LenientTexts = None
    durations: LenientTexts = None
    audio: LenientBool = None
    audio_configurable: LenientBool = None
    audio_input: LenientBool = None
    prompt_character_limit: LenientInt = None

    @property
    def as_the_source(self) -> bool:
        """Whether the result of the model is as long as its source."""
        return SOURCE_LENGTH in (self.durations or ())

    @property
    def upscales(self) -> bool:
        """Whether the catalogue lists upscale factors as the model's resolutions."""
        return bool(self.resolutions) and all(word.rstrip("xX").isdigit() for word in self.resolutions or ())


class Deprecation(_Open):
    """When a model is retired. Source: the catalogue's contract (``model_spec.deprecation``).

    The vendor gives 7 to 15 days' notice. After that, another model serves the requests.
    """

    date: Any = None
    starts_at: Any = Field(default=None, alias="startsAt")
    removes_at: Any = Field(default=None, alias="removesAt")
    replacement: LenientStr = Field(default=None, alias="replacementModelId")

    @property
    def end(self) -> datetime | None:
        """When the model stops being served; None where the catalogue's date is not readable."""
        return _moment(self.removes_at) or _moment(self.date)

    def announced(self, now: float) -> bool:
        """Whether the retirement is announced by now. It is where the catalogue gives no date for that."""
        begins = _moment(self.starts_at)
        return begins is None or begins.timestamp() <= now or self.over(now)

    def over(self, now: float) -> bool:
        """Whether the model is retired."""
        return self.end is not None and self.end.timestamp() <= now


class ModelSpec(_Open):
    """A model's description."""

    name: LenientStr = None
    offline: LenientBool = None
    constraints: Annotated[Constraints | None, Lenient] = None
    deprecation: Annotated[Deprecation | None, Lenient] = None
    capabilities: Annotated[dict[str, Any] | None, Lenient] = None


class Model(_Open):
    """A row of the catalogue."""

    id: str
    model_spec: Annotated[ModelSpec, Lenient] | None = None


def retirement(model: str, spec: ModelSpec, now: float) -> tuple[str, bool] | None:
    """Return a message about a model's retirement and whether it is over; None for a model that stays.

    :param now: seconds since the epoch.
    """
    plan = spec.deprecation
    if plan is None or not plan.announced(now):
        return None
    other = f" Venice names {plan.replacement!r} as its replacement." if plan.replacement else ""
    if plan.over(now):
        return f"Venice retired the model {model!r} on {plan.end:%Y-%m-%d}.{other}", True
    when = f"on {plan.end:%Y-%m-%d}" if plan.end else "at a time that its catalogue does not give"
    return f"Venice retires the model {model!r} {when}.{other}", False


def _moment(value: Any) -> datetime | None:
    try:
        return as_moment(value).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def fitted(request: VideoRequest, limits: Constraints) -> VideoRequest:
    """Return the request in the catalogue's own spelling.

    :raises InputError: names every field that does not fit, and the allowed values.
    """
    changed: dict[str, Any] = {}
    if request.resolution and limits.resolutions:
        changed["resolution"] = _spelled(request.resolution, limits.resolutions)
    if request.duration and limits.as_the_source:
        # The duration of a part of a source is sent as plain seconds, without the "s".
        changed["duration"] = request.duration.removesuffix("s")
    request = request.model_copy(update=changed)
    wrong = [problem for rule in RULES for problem in rule(request, limits)]
    if wrong:
        raise InputError(f"{request.model}: {'; '.join(wrong)}.")
    return request


def _spelled(word: str, allowed: Sequence[str]) -> str:
    # The API is case-sensitive: it refuses 768p where the catalogue has 768P.
    return next((known for known in allowed if known.lower() == word.lower()), word)


def _duration(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.durations, request.duration
    if allowed is None or limits.as_the_source or given in _AS_THE_SOURCE:
        return
    if not allowed and given:
        yield f"duration: this model takes none (got {given!r})"
    elif allowed and given is None:
        yield f"duration is required; allowed are {_listed(allowed)}"
    elif allowed and given not in allowed:
        yield f"duration: {given!r} is not allowed; allowed are {_listed(allowed)}"


def _resolution(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.resolutions, request.resolution
    if given is None or allowed is None:
        return
    if limits.upscales:
        yield f"resolution: this model takes upscale_factor instead ({_listed(allowed)})"
    elif not allowed:
        yield f"resolution: this model takes none (got {given!r})"
    elif given not in allowed:
        yield f"resolution: {given!r} is not allowed; allowed are {_listed(allowed)}"


def _aspect_ratio(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.aspect_ratios, request.aspect_ratio
    if allowed is None:
        return
    if not allowed and given:
        yield f"aspect_ratio: this model takes none (got {given!r})"
    elif allowed and given is None:
        yield f"aspect_ratio is required; allowed are {_listed(allowed)}"
    elif allowed and given not in allowed:
        yield f"aspect_ratio: {given!r} is not allowed; allowed are {_listed(allowed)}"


def _audio(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    # Such a model answers even audio=false with HTTP 400 (the vendor's skills of 2026-10).
    if request.audio is not None and limits.audio_configurable is False:
        sound = {True: "always has sound", False: "never has sound", None: "decides itself"}[limits.audio]
        yield f"audio: this model {sound}; leave it out, even as false"
    if request.audio_url is not None and limits.audio_input is False:
        yield "audio_url: this model takes no sound"


def _prompt(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    most = limits.prompt_character_limit
    for name in ("prompt", "negative_prompt"):
        text = getattr(request, name)
        if most and text and len(text) > most:
            yield f"{name}: {len(text)} characters are too many; the model takes {most}"


Rule = Callable[[VideoRequest, Constraints], Iterator[str]]

#: The rules that a request is checked by; each yields what is wrong.
RULES: tuple[Rule, ...] = (_duration, _resolution, _aspect_ratio, _audio, _prompt)


def _listed(allowed: Sequence[str]) -> str:
    return ", ".join(allowed)
