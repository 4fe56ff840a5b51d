"""What the vendors' models share: types of request fields, lenient types of answer fields, and two bases.

A request is read strictly, because a wrong one must not be paid for. The readers are those of
:mod:`airflow_provider_vidai.arguments`, so that an argument means the same to every vendor and operator.

An answer is read leniently: a field that cannot be read is None. A paid job, or a whole catalogue, must not
become unreadable for one odd field that nothing depends on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from airflow_provider_vidai.arguments import as_bool, as_number, as_seconds, as_text, as_whole
from airflow_provider_vidai.jobs.text import literal

# Seconds since the epoch stay below this until the year 5138; milliseconds have been above it since 1973.
_MILLISECONDS = 1e11


def one_or_many(value: Any) -> Any:
    """Return a list for a single value, and what a rendered list means."""
    value = literal(value)
    return [value] if isinstance(value, (str, bytes, Mapping, PurePath)) else value


def as_moment(value: Any) -> datetime:
    """Return a moment with its zone.

    :param value: a datetime, ISO 8601 text (UTC unless it says otherwise), or seconds or milliseconds since
        the epoch.
    :raises ValueError: when it is none of these.
    """
    try:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if value >= _MILLISECONDS else value
            return datetime.fromtimestamp(seconds, timezone.utc)
        # Python 3.10 does not know the Z.
        text = str(value).strip().replace("Z", "+00:00").replace("z", "+00:00")
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError("must be a date and time, such as 2026-12-24T18:00:00+01:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class Mark(Enum):
    """What a field's annotation says about it to the operator that has it as an argument."""

    #: It may hold a signed URL or a whole file, so Airflow must not show or store it as it is.
    MEDIA = "media"
    #: It holds several values though its type is no list, and the empty ones among them count as left out.
    LIST = "list"


# --- requests

Switch = Annotated[bool, BeforeValidator(as_bool)]
Number = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(as_whole)]
Seconds = Annotated[float, BeforeValidator(as_seconds), Field(allow_inf_nan=False)]
Text = Annotated[str, BeforeValidator(as_text), Field(min_length=1)]
#: For a whole number of a closed set: ``Annotated[Literal[1, 2, 4], AsWhole]``.
AsWhole = BeforeValidator(as_whole)
#: For a list of which a single item may be given alone.
Listed = BeforeValidator(one_or_many)
#: For what a template renders as the text of a list or dict.
Read = BeforeValidator(literal)


class Request(BaseModel):
    """What is sent to a vendor. Its fields say which arguments the operator has, and how they are handled.

    A new parameter of a vendor is a field here, and a parameter with its docstring in the operator.
    """

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """Return the names of the fields, in order."""
        return tuple(cls.model_fields)

    @classmethod
    def media(cls) -> tuple[str, ...]:
        """Return the fields that may hold a signed URL or a whole file."""
        return tuple(_marked(cls, Mark.MEDIA))

    @classmethod
    def collections(cls) -> tuple[str, ...]:
        """Return the fields that take a list."""
        return tuple(_marked(cls, Mark.LIST))

    def body(self) -> dict[str, JsonValue]:
        """Return the JSON body. Unset fields are not sent, and whole numbers are sent as integers."""
        return {name: as_sent(value) for name, value in self.model_dump(exclude_none=True).items()}


def as_sent(value: Any) -> Any:
    """Return an integer for a float without a fraction: a strict API refuses 5.0 where it documents 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _marked(model: type[BaseModel], mark: Mark) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if any(_says(part, mark) for part in (field.annotation, *field.metadata)):
            yield name


def _says(annotation: Any, mark: Mark) -> bool:
    """Return whether a mark is anywhere in an annotation, or in the model that it names."""
    if annotation is mark:
        return True
    origin = get_origin(annotation)
    if mark is Mark.LIST and origin is list:
        return True
    # To Python 3.10 a list[str] is a type as well, and issubclass() does not take it.
    is_class = origin is None and isinstance(annotation, type)
    if mark is Mark.MEDIA and is_class and issubclass(annotation, BaseModel):
        return any(True for _ in _marked(annotation, mark))
    return any(_says(part, mark) for part in get_args(annotation))


# --- answers


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


Lenient = WrapValidator(_or_none)
LenientInt = Annotated[int | None, Lenient]
LenientFloat = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, Lenient]
LenientStr = Annotated[str | None, Lenient]
LenientBool = Annotated[bool | None, Lenient]
LenientTexts = Annotated[list[str] | None, Lenient]


class Reported(BaseModel):
    """What a vendor reports, with all that it adds.

    What it adds may hold URLs, so the repr leaves that out.
    """

    # Vendors send ids as numbers or as text: Vizard documents text and shows integers. Here they are text.
    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, populate_by_name=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        added = self.__pydantic_extra__ or {}
        return [(name, value) for name, value in super().__repr_args__() if name not in added]
