"""Reading rendered template fields, which are text, and building models from them."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.redaction import shown

M = TypeVar("M", bound=BaseModel)


def literal(value: Any) -> Any:
    """Return the list or dict that a rendered template field stands for; anything else as it is.

    Jinja renders lists and dicts as Python literals, and people write JSON. Both arrive as text.
    """
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("[", "{", "("):
        return value
    # Neither reads the other's texts: JSON's true and null are no Python, Python's single quotes and None are
    # no JSON.
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        # literal_eval raises any of these for text that is no literal, or nested too deeply.
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return value


def validated(model: type[M], values: Mapping[str, Any], *, what: str) -> M:
    """Build ``model`` from ``values``, without those that are None.

    :param what: what is being built, for the message.
    :raises InputError: one readable message about all wrong fields.
    """
    try:
        return model.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        raise InputError(f"{what}: {problems}.") from None


#: Messages that begin with one of these have the field as their subject.
_VERBS = frozenset({"must", "may", "is", "has", "takes", "needs", "cannot"})


def _problem(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "request"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{path} is required"
    colon = "" if message.partition(" ")[0] in _VERBS else ":"
    return f"{path}{colon} {message} (got {shown(item['input'])})"
