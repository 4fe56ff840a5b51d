"""What Venice's catalogue says about its video models, and whether a request fits it.

The catalogue changes monthly and tells little: what it doesn't say is left to the server, whose refusal
costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
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
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Constraints(_Open):
    """What a model allows; None where the catalogue is silent, an empty list where it allows nothing."""

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
        """Whether the model makes something of a source, as long as that is."""
        return SOURCE_LENGTH in (self.durations or ())

    @property
    def upscales(self) -> bool:
        """Whether the catalogue's resolutions are factors."""
        return bool(self.resolutions) and all(word.rstrip("xX").isdigit() for word in self.resolutions or ())


class Deprecation(_Open):
    """That a model is retired, and when. Source: the catalogue's contract (``model_spec.deprecation``).

    The vendor gives 7 to 15 days' notice, and then lets another model serve the requests.
    """

    date: Any = None
    starts_at: Any = Field(default=None, alias="startsAt")
    removes_at: Any = Field(default=None, alias="removesAt")
    replacement: LenientStr = Field(default=None, alias="replacementModelId")

    @property
    def end(self) -> datetime | None:
        """When the model stops to be served; None where that is not readable."""
        return _moment(self.removes_at) or _moment(self.date)

    def announced(self, now: float) -> bool:
        """Whether the retirement is in force as an announcement; it is where no beginning is told."""
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
    """Return what to say of a model that is being retired, and whether it already is; None otherwise.

    :param now: seconds since the epoch.
    """
    told = spec.deprecation
    if told is None or not told.announced(now):
        return None
    other = f" Venice names {told.replacement!r} as its replacement." if told.replacement else ""
    if told.over(now):
        return f"Venice retired the model {model!r} on {told.end:%Y-%m-%d}.{other}", True
    when = f"on {told.end:%Y-%m-%d}" if told.end else "at a time that its catalogue does not give"
    return f"Venice retires the model {model!r} {when}.{other}", False


def _moment(value: Any) -> datetime | None:
    try:
        return as_moment(value)
    except ValueError:
        return None


def fitted(request: VideoRequest, limits: Constraints) -> VideoRequest:
    """Return the request in the catalogue's own spelling.

    :raises InputError: naming every field that does not fit, and what is allowed.
    """
    changed: dict[str, Any] = {}
    if request.resolution and limits.resolutions:
        changed["resolution"] = _spelled(request.resolution, limits.resolutions)
    if request.duration and limits.as_the_source:
        # A part of a source is told in plain seconds.
        changed["duration"] = request.duration.removesuffix("s")
    request = request.model_copy(update=changed)
    wrong = [problem for rule in RULES for problem in rule(request, limits)]
    if wrong:
        raise InputError(f"{request.model}: {'; '.join(wrong)}.")
    return request


def _spelled(word: str, allowed: Sequence[str]) -> str:
    return next((known for known in allowed if known.lower() == word.lower()), word)


def _duration(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.durations, request.duration
    if allowed is None or limits.as_the_source or given in _AS_THE_SOURCE:
        return
    if not allowed and given:
        yield f"duration: this model takes none (got {given!r})"
    elif allowed and given is None:
        yield f"duration is required; allowed are {_words(allowed)}"
    elif allowed and given not in allowed:
        yield f"duration: {given!r} is not allowed; allowed are {_words(allowed)}"


def _resolution(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.resolutions, request.resolution
    if given is None or allowed is None:
        return
    if limits.upscales:
        yield f"resolution: this model takes upscale_factor instead ({_words(allowed)})"
    elif not allowed:
        yield f"resolution: this model takes none (got {given!r})"
    elif given not in allowed:
        yield f"resolution: {given!r} is not allowed; allowed are {_words(allowed)}"


def _aspect_ratio(request: VideoRequest, limits: Constraints) -> Iterator[str]:
    allowed, given = limits.aspect_ratios, request.aspect_ratio
    if allowed is None:
        return
    if not allowed and given:
        yield f"aspect_ratio: this model takes none (got {given!r})"
    elif allowed and given is None:
        yield f"aspect_ratio is required; allowed are {_words(allowed)}"
    elif allowed and given not in allowed:
        yield f"aspect_ratio: {given!r} is not allowed; allowed are {_words(allowed)}"


def _audio(request: VideoRequest, limits: Constraints) -> Iterator[str]:
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
            yield f"{name}: {len(text)} characters are too many; allowed are {most}"


Rule = Callable[[VideoRequest, Constraints], Iterator[str]]

#: What is checked; each rule yields what is wrong.
RULES: tuple[Rule, ...] = (_duration, _resolution, _aspect_ratio, _audio, _prompt)


def _words(allowed: Sequence[str]) -> str:
    return ", ".join(allowed)
