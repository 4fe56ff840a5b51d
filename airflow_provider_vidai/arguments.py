"""What an argument means, whoever wrote it: a person, a template, a form or an upstream task.

A template that finds nothing renders to ``""``, ``" "``, ``"None"`` or ``"null"``. For an optional argument
that is the same as leaving it out, for a required one it is an error, and it switches off no price guard.
"""

from __future__ import annotations

import inspect
import numbers
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import PurePath
from typing import Any, ClassVar

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.redaction import shown

_NOTHING = ("", "None", "null")
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def is_empty(value: Any) -> bool:
    """Return whether an argument holds nothing: None, or the text of a template that found nothing."""
    return value is None or (isinstance(value, str) and value.strip() in _NOTHING)


def truth(name: str, value: Any) -> bool:
    """Return what an argument that may have come as text says.

    :raises InputError: when it is neither true nor false.
    """
    found = _WORDS.get(str(value).strip().lower())
    if found is None:
        raise InputError(f"{name} must be true or false, not {shown(value)}.")
    return found


def positive_seconds(name: str, value: Any) -> float | None:
    """Return a span of time in seconds; None when it is not given.

    :param value: a number, its text, or a timedelta.
    :raises InputError: when it is not longer than zero, or no span of time.
    """
    if is_empty(value):
        return None
    found = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if found is None or found <= 0:
        raise InputError(
            f"{name} must be a positive number of seconds or a positive timedelta, not {shown(value)}."
        )
    return found


def guard(name: str, value: Any) -> float | None:
    """Return a limit on what may be spent, or that must be left. Only None means that there is none.

    :raises InputError: when it is anything else than a number from zero on. A guard that can't be read must
        not be taken for no guard.
    """
    if value is None:
        return None
    found = _number(value)
    if found is None or found < 0:
        raise InputError(
            f"{name} must be a number from 0 on, not {shown(value)}. Leave it out (None) to set no limit."
        )
    return found


def whole_number(name: str, value: Any) -> int | None:
    """Return a whole number from 0 on; None when it is not given.

    :raises InputError: when it is something else.
    """
    if is_empty(value):
        return None
    found = _number(value)
    if found is None or found < 0 or found != int(found):
        raise InputError(f"{name} must be a whole number from 0 on, not {shown(value)}.")
    return int(found)


def agreed(
    name: str, value: Any, other: str, given: Any, same: Callable[[Any, Any], bool] = operator.eq
) -> Any:
    """Return the value of an argument that has another name too.

    :raises InputError: when both names are given, and do not mean the same.
    """
    if value is None or given is None or same(value, given):
        return given if value is None else value
    raise InputError(
        f"{other} and {name} are two names of one argument, and their values differ: give one of them."
    )


def _number(value: Any) -> float | None:
    """Return a finite number, also from its text; None when it is no such number."""
    if isinstance(value, bool) or not isinstance(value, (str, numbers.Real, Decimal)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None  # neither infinite nor NaN


class Arguments:
    """An operator or sensor whose optional arguments, when they hold nothing, are as if left out.

    The rule holds wherever an argument gets its value, in the constructor or by rendering, because it is part
    of setting the attribute. The constructors' signatures say which arguments are optional, and with which
    defaults.
    """

    template_fields: Collection[str] = ()
    #: Limits on what may be spent: these are only ever switched off by leaving them out.
    guards: ClassVar[Sequence[str]] = ()
    #: Arguments that hold several values (a list, or a dict of fields): empty ones among them are left out.
    collections: ClassVar[Sequence[str]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; an argument is set to what it means."""
        if name in self.guards:
            # A guard that was given, as a template or an upstream task's output, doesn't become None.
            lost = value is None and self.__dict__.get(name) is not None
            value = "None" if lost else value
        elif name in self.template_fields or name == "deferrable":
            value = self._meant(name, value)
        super().__setattr__(name, value)

    def _meant(self, name: str, value: Any) -> Any:
        if name in self.collections:
            held = literal(value)
            filled = _without_empty(held)
            value = value if filled == held else filled
        elif isinstance(value, PurePath):
            value = str(value)
        return self._optional.get(name, value) if is_empty(value) else value

    @property
    def _optional(self) -> dict[str, Any]:
        kind: Any = type(self)
        return defaults_of(kind)

    def required(self, *names: str) -> None:
        """Make sure that required arguments hold something.

        :param names: which; all of them when none is named.
        :raises InputError: naming those that do not.
        """
        for name in names or self.template_fields:
            if name not in self._optional and is_empty(self.given(name)):
                raise InputError(f"{name} is required.")

    def given(self, name: str) -> Any:
        """Return an argument as it was given, whatever of it is shown."""
        return getattr(self, name)


@cache
def defaults_of(kind: type) -> dict[str, Any]:
    """Return the optional arguments of a class of this package's, and what leaving each of them out means."""
    found: dict[str, Any] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.partition(".")[0] == "airflow" or "__init__" not in vars(one) or one is object:
            continue
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                found[name] = parameter.default
            else:
                found.pop(name, None)
    return found


def _without_empty(value: Any) -> Any:
    """Return a list or dict without what is empty in it; None when nothing is left of it.

    One that holds nothing empty is returned as it is: it may hold an upstream task's output.
    """
    if isinstance(value, Mapping):
        parts = {key: _without_empty(item) for key, item in value.items()}
        if all(part is value[key] and not is_empty(part) for key, part in parts.items()):
            return value
        return {key: part for key, part in parts.items() if not is_empty(part)} or None
    if isinstance(value, (list, tuple)):
        items = [_without_empty(item) for item in value]
        if all(new is old and not is_empty(new) for new, old in zip(items, value, strict=True)):
            return value or None
        return [item for item in items if not is_empty(item)] or None
    if isinstance(value, (set, frozenset)):
        return {item for item in value if not is_empty(item)} or None
    return str(value) if isinstance(value, PurePath) else value
