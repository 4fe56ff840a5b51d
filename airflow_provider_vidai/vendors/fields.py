"""Fields of answers that may hold anything: what cannot be read is None.

A paid job, or a whole catalogue, must not become unreadable for one odd field that nothing depends on.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator


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
LenientWords = Annotated[list[str] | None, Lenient]
