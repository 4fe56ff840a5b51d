"""What an argument means, whether a person, a template, a form or an upstream task wrote it.

A template that finds nothing renders to ``""``, ``" "``, ``"None"`` or ``"null"``. With one of these
values an optional argument counts as omitted, and a required one is an error. They never switch off a price
guard.

This is also the one place that says what counts as true, as a number, as a whole number, as seconds and as
text (the ``as_...`` functions). It lies below ``vendors``, because operators and sensors read their own
arguments by the same rules; :mod:`airflow_provider_vidai.vendors.fields` makes types of request models from
these functions.
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
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
#: The longest first, so that "seconds" does not lose its "s" only.
_SECOND_UNITS = ("seconds", "second", "secs", "sec", "s")
#: From here on a float no longer holds every whole number: its last digits may be wrong.
_EXACT_FLOATS = 2**53


def is_empty(value: Any) -> bool:
    """Return whether an argument is empty: None, or the text of a template that found nothing."""
    return value is None or (isinstance(value, str) and value.strip() in _NOTHING)


def as_bool(value: Any) -> bool:
    """Return a boolean, also from a number (1 or 0) or from one of the usual texts, such as "yes" or "off".

    :raises ValueError: when the value is neither true nor false.
    """
    is_whole_float = isinstance(value, float) and value.is_integer()
    found = _BOOLEANS.get(str(int(value) if is_whole_float else value).strip().lower())
    if found is None:
        raise ValueError("must be true or false")
    return found


def as_number(value: Any) -> int | float:
    """Return a finite number, also from its text. What is written as a whole number stays an int.

    A boolean is no number: an argument that holds one was given by mistake.

    :raises ValueError: when the value is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, (str, numbers.Real, Decimal)):
        raise ValueError("must be a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        found = float("inf")
    if not abs(found) < float("inf"):  # NaN is not below it either
        raise ValueError("must be a number")
    try:
        # An int keeps all digits of a long id or seed; a float would not.
        return int(value) if isinstance(value, (str, numbers.Integral)) else found
    except ValueError:
        return found


def as_whole(value: Any) -> int:
    """Return a whole number, also from its text or from a float such as 5.0.

    :raises ValueError: when the value is no number, has a fraction, or is a float too large to be exact.
    """
    try:
        found = as_number(value)
    except ValueError:
        # Any number with a fraction leads to the one message below.
        found = 0.5
    if isinstance(found, float) and (not found.is_integer() or abs(found) >= _EXACT_FLOATS):
        raise ValueError("must be a whole number")
    return int(found)


def as_seconds(value: Any) -> int | float:
    """Return a time span in seconds: 5, "5", "5s", "5 seconds" and a timedelta mean the same.

    :raises ValueError: when the value is no time span.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        value = value.strip()
        unit = next((unit for unit in _SECOND_UNITS if value.lower().endswith(unit)), "")
        value = value[: len(value) - len(unit)]
    try:
        return as_number(value)
    except ValueError:
        raise ValueError("must be a number of seconds, such as 5 or '5s'") from None


def as_text(value: Any) -> str:
    """Return text, also from a number or a path.

    Airflow renders a template as its native type where a DAG asks for that, so a project called "2026"
    arrives as a number.

    :raises ValueError: when the value is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal, PurePath)):
        raise ValueError("must be text")
    return str(value)


def truth(name: str, value: Any) -> bool:
    """Return a boolean argument.

    :raises InputError: when it is neither true nor false.
    """
    try:
        return as_bool(value)
    except ValueError:
        raise InputError(f"{name} must be true or false, not {shown(value)}.") from None


def positive_seconds(name: str, value: Any) -> float | None:
    """Return a time span in seconds; None when it is not given.

    :param value: whatever :func:`as_seconds` takes.
    :raises InputError: when it is not longer than zero, or no time span.
    """
    if is_empty(value):
        return None
    found = _or_negative(as_seconds, value)
    if found <= 0:
        raise InputError(
            f"{name} must be a positive number of seconds or a positive timedelta, not {shown(value)}."
        )
    return float(found)


def guard(name: str, value: Any) -> float | None:
    """Return a limit on what may be spent, or a balance that must remain. Only None means "no limit".

    :raises InputError: when it is anything else than a number from 0 on. A guard that cannot be read must
        not count as no guard.
    """
    if value is None:
        return None
    found = _or_negative(as_number, value)
    if found < 0:
        raise InputError(
            f"{name} must be a number from 0 on, not {shown(value)}. Leave it out (None) to set no limit."
        )
    return float(found)


def whole_number(name: str, value: Any) -> int | None:
    """Return a whole number from 0 on; None when it is not given.

    :raises InputError: when it is something else.
    """
    if is_empty(value):
        return None
    found = _or_negative(as_whole, value)
    if found < 0:
        raise InputError(f"{name} must be a whole number from 0 on, not {shown(value)}.")
    return int(found)


def agreed(
    name: str, value: Any, other: str, given: Any, same: Callable[[Any, Any], bool] = operator.eq
) -> Any:
    """Return the value of an argument that has two names.

    :param same: whether two values mean the same.
    :raises InputError: when both names are given and their values differ.
    """
    if value is None or given is None or same(value, given):
        return given if value is None else value
    raise InputError(
        f"{other} and {name} are two names of one argument, but their values differ. Pass only one of them."
    )


def _or_negative(read: Callable[[Any], int | float], value: Any) -> int | float:
    """Return a number, or one below every limit when the value cannot be read."""
    try:
        return read(value)
    except ValueError:
        return -1


class Arguments:
    """An operator or sensor whose optional arguments count as omitted when they are empty.

    The rule is part of setting an attribute, so it holds in the constructor and when templates are rendered.
    The constructors' signatures say which arguments are optional, and what their defaults are.
    """

    template_fields: Collection[str] = ()
    #: Limits on what may be spent. Only omitting them switches them off.
    guards: ClassVar[Sequence[str]] = ()
    #: Arguments that hold several values (a list, or a dict of fields). Empty values in them are dropped.
    collections: ClassVar[Sequence[str]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; an empty argument is set to its default."""
        if name in self.guards:
            # A guard that was given as a template or an upstream task's output must not become None ("no
            # limit") when that renders to nothing. The text "None" is refused later, as no number.
            lost = value is None and self.__dict__.get(name) is not None
            value = "None" if lost else value
        elif name in self.template_fields or name == "deferrable":
            value = self._or_default(name, value)
        super().__setattr__(name, value)

    def _or_default(self, name: str, value: Any) -> Any:
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
        """Make sure that required arguments are not empty.

        :param names: the arguments to check; by default all required ones.
        :raises InputError: names the first one that is empty.
        """
        for name in names or self.template_fields:
            if name not in self._optional and is_empty(self.given(name)):
                raise InputError(f"{name} is required.")

    def given(self, name: str) -> Any:
        """Return an argument as it was given, also where Airflow is shown only a part of it."""
        return getattr(self, name)


@cache
def defaults_of(kind: type) -> dict[str, Any]:
    """Return the optional arguments of a class of this package, with their defaults."""
    found: dict[str, Any] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.partition(".")[0] == "airflow" or "__init__" not in vars(one) or one is object:
            continue
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                found[name] = parameter.default
            else:
                # The loop goes from the base to the class, and a class may require what its base does not.
                found.pop(name, None)
    return found


def _without_empty(value: Any) -> Any:
    """Return a list or dict without the empty values in it; None when nothing is left.

    A list or dict without empty values is returned as the same object, because Airflow must still find the
    outputs of upstream tasks in it.
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
