"""What differs from attempt to attempt. The same run gives the same attempt the same values, in each try."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidai.arguments import as_whole, is_empty
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.redaction import shown

#: Derived seeds are below this. Models take at least as many.
_SEEDS = 10**9
#: The field that counts up by itself.
_SEED = "seed"


def read_vary(vary: Any, make: JobOperator[Any]) -> dict[str, Any]:
    """Return the fields to vary, each with its values.

    :raises InputError: when ``make`` has no such field in its request, or the field has no values.
    """
    found = (
        dict(vary) if isinstance(vary, Mapping) else dict.fromkeys([vary] if isinstance(vary, str) else vary)
    )
    known = {*make.request_fields, *make.more_request_fields}
    for name, values in found.items():
        field, _, inner = name.partition(".")
        if field not in known:
            raise InputError(
                f"vary: {field} is not in the request of {type(make).__name__}. These are: "
                f"{', '.join(sorted(known))}; what a dict holds is named with a dot, such as input.seed."
            )
        if inner and not isinstance(getattr(make, field), (Mapping, type(None))):
            raise InputError(f"vary: {field} is not a dict, so it has no {inner}.")
        if values is None and name.rpartition(".")[2] != _SEED:
            raise InputError(
                f"vary: {name} needs its values, as in {{{name!r}: [...]}}. Only a seed counts up by itself."
            )
        # What a template or an upstream task returns is not known yet.
        known_later = isinstance(values, str) or hasattr(values, "resolve")
        if values is not None and not callable(values) and not known_later:
            _listed(name, values)
    return found


def values_of(
    vary: Mapping[str, Any],
    number: int,
    request: Mapping[str, Any],
    identity: Sequence[Any],
    earlier: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what the attempt ``number`` has in the fields that vary.

    :param request: the rendered request of ``make``.
    :param identity: what distinguishes this task instance from all others.
    :param earlier: the attempts before this one, for functions.
    :raises InputError: when a field has no values.
    """
    found: dict[str, Any] = {}
    for name, values in vary.items():
        if callable(values):
            found[name] = values(number, [dict(one) for one in earlier])
        elif values is None:
            found[name] = _first_seed(name, _value(request, name), identity) + number - 1
        else:
            listed = _listed(name, literal(values))
            found[name] = listed[(number - 1) % len(listed)]
    return found


def changed(request: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``request`` with other values in the fields that vary."""
    found = dict(request)
    for name, value in values.items():
        field, _, inner = name.partition(".")
        found[field] = {**_dict(found.get(field), field), inner: value} if inner else value
    return found


def _value(request: Mapping[str, Any], name: str) -> Any:
    field, _, inner = name.partition(".")
    return _dict(request.get(field), field).get(inner) if inner else request.get(field)


def _dict(value: Any, field: str) -> Mapping[str, Any]:
    value = literal(value)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"vary: {field} must be a dict, not {shown(value)}.")
    return value


def _first_seed(name: str, given: Any, identity: Sequence[Any]) -> int:
    if is_empty(given):
        # Derived and not random, so that a retry makes the same request and finds its purchase by it.
        return int(hashlib.sha256(json.dumps([*identity, name]).encode()).hexdigest(), 16) % _SEEDS
    try:
        return as_whole(given)
    except ValueError as error:
        raise InputError(f"{name} {error}, not {shown(given)}.") from None


def _listed(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise InputError(f"vary: {name} must have a list of values, or a function, not {shown(values)}.")
    return values
