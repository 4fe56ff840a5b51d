"""Turns one request of a batch into the vendor's own operator for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from airflow_provider_vidai.arguments import defaults_of, is_empty
from airflow_provider_vidai.batch.requests import Row
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.redaction import shown

__all__ = ["arguments_of", "operator_of"]

#: Arguments of the vendor's operator that the batch passes on as they are.
_PASSED = ("download_to", "min_bytes", "check", "budget", "on_lost_submit")
_SHARED = frozenset({*_PASSED, "timeout", "poll_interval"})


def arguments_of(row: Row, common: Any, makes: type[JobOperator[Any]], loose: str | None) -> dict[str, Any]:
    """Return the arguments of the vendor's operator for a request, without the empty ones.

    :param common: arguments that all requests share; a request's own ones come first.
    :param makes: the vendor's operator.
    :param loose: the argument that takes a request's other names, as its fields.
    :raises InputError: when a request has an argument that belongs to the task, or to nothing.
    """
    shared = literal(common) or {}
    if not isinstance(shared, Mapping):
        raise InputError(f"common must be a dict of arguments, not {shown(shared)}.")
    known, taken = _of_request(makes), {"task_id", *defaults_of(cast(Any, makes))}
    given = {name: value for name, value in {**shared, **row.values}.items() if not is_empty(value)}
    others = {name: value for name, value in given.items() if name not in known}
    wrong = sorted(name for name in others if loose is None or name in taken)
    if wrong:
        raise InputError(
            f"requests: {row.place} has {', '.join(wrong)}, which a request does not take. It takes "
            f"{', '.join(sorted(known))}."
        )
    found = {name: value for name, value in given.items() if name in known}
    if loose is not None and others:
        fields = literal(found.get(loose)) or {}
        if not isinstance(fields, Mapping):
            raise InputError(f"requests: {row.place}: {loose} must be a dict, not {shown(fields)}.")
        found[loose] = {**others, **fields}
    return found


def operator_of(batch: Any, arguments: Mapping[str, Any]) -> JobOperator[Any]:
    """Return the vendor's operator for a request. All of a batch share one hook, and so its connections.

    :param batch: the batch's operator.
    """
    makes: type[JobOperator[Any]] = batch.makes
    # One that is required and missing is found when the request is validated, with the request's name.
    missing = [name for name in _of_request(makes) if name not in {*arguments, *defaults_of(makes)}]
    operator = makes(
        task_id=batch.task_id,
        # The operator itself never waits. With this, it leaves the confirming of a reported end to the
        # trigger.
        deferrable=True,
        **{name: getattr(batch, name) for name in (*_PASSED, *makes.guards)},
        **{f"{makes.hook_class.vendor_name}_conn_id": batch.conn_id()},
        **dict.fromkeys(missing),
        **arguments,
    )
    # The hook is a cached property, whose cache this fills.
    operator.__dict__["hook"] = batch.hook
    return operator


def _of_request(makes: type[JobOperator[Any]]) -> frozenset[str]:
    """Return the arguments that describe one request."""
    conn = f"{makes.hook_class.vendor_name}_conn_id"
    return frozenset(makes.template_fields) - _SHARED - {conn, *makes.guards}
