"""The requests to Vidgo, and what is checked in them before anything is sent.

The fields of ``input`` differ from model to model, so no class lists them: a new field of the vendor's needs
no change here, unless it is a file, a number, a time span or a boolean (see the catalogue).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from airflow_provider_vidai.arguments import as_bool, as_number, as_seconds, is_empty
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.vendors.fields import Mark, Request, Text, as_sent
from airflow_provider_vidai.vendors.vidgo.catalogue import (
    FOOTAGE_FIELDS,
    IMAGE_FIELDS,
    MODELS,
    NUMBERS,
    SECONDS,
    SWITCHES,
    Kind,
    Model,
)

_WEB = re.compile(r"https?://", re.IGNORECASE)
#: How each field that is not text is read.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(NUMBERS, as_number),
    **dict.fromkeys(SECONDS, as_seconds),
    **dict.fromkeys(SWITCHES, as_bool),
}


def _named(value: str) -> str:
    if is_empty(value):
        raise ValueError("must be the name of a model")
    return value.strip()


def _fields(value: Any) -> dict[str, Any]:
    found = literal(value)
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise ValueError("must be a dict of the model's fields, such as prompt")
    return understood(found)


class TaskRequest(Request):
    """A task to buy.

    :param input: the model's own fields, typed by :func:`understood`.
    :param kind: where the task is polled; None leaves it to the model's name.
    """

    model_config = ConfigDict(extra="forbid")

    model: Annotated[Text, AfterValidator(_named)]
    input: Annotated[dict[str, Any], BeforeValidator(_fields), Mark.MEDIA, Mark.LIST] = Field(repr=False)
    callback_url: Annotated[str | None, Mark.MEDIA] = Field(default=None, repr=False)
    kind: Kind | None = None


def plain(value: Any) -> Any:
    """Return ``value`` with dicts and lists in place of Airflow's own mappings and sequences."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return value


def understood(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``input`` whose numbers, booleans and lists, which templates render as text, are typed again.

    A field that renders to an empty value (``None``) is omitted. Everything else stays as it is.
    """
    values = {name: _typed(name, value) for name, value in plain(asked).items()}
    return {name: value for name, value in values.items() if value is not None}


def check(model: str, asked: Mapping[str, Any], callback_url: str | None) -> None:
    """Check a request against the table. A model that is not in the table passes.

    :raises InputError: names every field that is missing or not taken.
    """
    known = MODELS.get(model)
    wrong = [
        f"{name} must be a public URL: Vidgo takes uploads of pictures only, and not of {what}"
        for name, what in _unreachable(asked)
    ]
    wrong += list(_against(known, {**asked, "callback_url": callback_url or None})) if known else []
    if wrong:
        raise InputError(f"{model}: {'; '.join(wrong)}.")


def with_images(value: Any, place: Callable[[Any], str]) -> Any:
    """Return an ``input`` with every picture in it replaced by the result of ``place``."""
    if isinstance(value, Mapping):
        return {
            name: _placed(item, place) if name in IMAGE_FIELDS else with_images(item, place)
            for name, item in value.items()
        }
    return [with_images(item, place) for item in value] if isinstance(value, list) else value


def _placed(value: Any, place: Callable[[Any], str]) -> JsonValue:
    return [place(item) for item in value] if isinstance(value, list) else place(value)


def _typed(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, str) and value.strip() in ("None", "null")):
        return None
    if read := _READERS.get(name):
        return _read_if_possible(read, value)
    # A template renders a list as text, and people give a single URL where the vendor takes a list.
    if name in IMAGE_FIELDS or name.endswith("_urls"):
        value = plain(literal(value))
        return [value] if name.endswith("_urls") and not isinstance(value, list) else value
    if isinstance(value, Mapping):
        return understood(value)
    value = plain(literal(value)) if name in ("multi_prompt", "kling_elements") else value
    if not isinstance(value, list):
        return value
    return [understood(one) if isinstance(one, Mapping) else one for one in value]


def _read_if_possible(read: Callable[[Any], Any], value: Any) -> Any:
    """Return a field as its type; what cannot be read is left to the vendor.

    A model that is newer than the table may give one of these names to something else.
    """
    try:
        return as_sent(read(value))
    except ValueError:
        return value


def _against(known: Model, asked: Mapping[str, Any]) -> Iterator[str]:
    for need in known.needs:
        names = need.split("|")
        if not any(_given(known, asked.get(name)) for name in names):
            yield f"{' or '.join(names)} is required"
    for name in known.refuses:
        if _given(known, asked.get(name)):
            yield f"{name}: this model takes none"


def _given(known: Model, value: Any) -> bool:
    # An empty text is a value for music: a song may have no lyrics.
    return value is not None and value != [] and (value != "" or known.family == "music")


def _unreachable(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in asked.items():
        if name in FOOTAGE_FIELDS:
            items = value if isinstance(value, list) else [value]
            if any(not isinstance(item, str) or not _WEB.match(item) for item in items):
                yield name, "videos" if "video" in name else "sound"
        else:
            for part in value if isinstance(value, list) else [value]:
                yield from _unreachable(part) if isinstance(part, Mapping) else ()
