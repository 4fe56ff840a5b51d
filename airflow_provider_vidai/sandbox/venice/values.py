"""Checks of values, with Venice's messages for what is wrong."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Issue:
    """One problem of a request."""

    message: str
    path: tuple[str | int, ...] = ()
    code: str = "custom"
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the issue as the vendor lists it."""
        return {"code": self.code, "path": list(self.path), "message": self.message, **self.more}


def complaint(issues: list[Issue]) -> dict[str, Any]:
    """Return the body of the 400 that lists the issues."""
    details: dict[str, Any] = {"_errors": [issue.message for issue in issues if not issue.path]}
    for issue in issues:
        if issue.path:
            details.setdefault(str(issue.path[0]), {"_errors": []})["_errors"].append(issue.message)
    return {
        "error": "Invalid request parameters",
        "details": details,
        "issues": [issue.as_json() for issue in issues],
    }


def unknown_keys(names: list[str]) -> Issue:
    """Return the complaint about fields that do not exist."""
    listed = ", ".join(f"'{name}'" for name in names)
    return Issue(f"Unrecognized key(s) in object: {listed}", (), "unrecognized_keys", {"keys": names})


def kind_of(value: Any) -> str:
    """Return the name of a JSON value's type."""
    names = {bool: "boolean", str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "number")


def of_type(wanted: str, value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about a value of another type."""
    if kind_of(value) != wanted:
        message = f"Expected {wanted}, received {kind_of(value)}"
        yield Issue(message, path, "invalid_type", {"expected": wanted, "received": kind_of(value)})


def one_of(allowed: tuple[str, ...], value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about a value that is not in the list."""
    expected = " | ".join(f"'{option}'" for option in allowed)
    if not isinstance(value, str):
        message = f"Expected {expected}, received {kind_of(value)}"
        yield Issue(message, path, "invalid_type", {"expected": expected, "received": kind_of(value)})
    elif value not in allowed:
        message = f"Invalid enum value. Expected {expected}, received '{value}'"
        yield Issue(message, path, "invalid_enum_value", {"options": list(allowed), "received": value})


def missing(name: str, expected: str) -> Issue:
    """Return the complaint about a field that must be there."""
    return Issue("Required", (name,), "invalid_type", {"expected": expected, "received": "undefined"})


def measure(low: float, high: float, value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about anything but a number from ``low`` to ``high``."""
    wrong = list(of_type("number", value, *path))
    yield from wrong
    if not wrong and not (math.isfinite(value) and low <= value <= high):
        too = "too_small" if value < low else "too_big"
        word = "greater" if value < low else "less"
        limit = low if value < low else high
        yield Issue(f"Number must be {word} than or equal to {limit:g}", path, too)


def media(value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about anything but a web address or a data URI."""
    wrong = list(of_type("string", value, *path))
    yield from wrong
    if not wrong and not value.startswith(("http://", "https://", "data:")):
        yield Issue("Invalid url", path, "invalid_string", {"validation": "url"})


def media_list(limit: int, value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about anything but a list of media, and about a list that is too long."""
    wrong = list(of_type("array", value, *path))
    yield from wrong
    if wrong:
        return
    if len(value) > limit:
        yield Issue(f"Array must contain at most {limit} element(s)", path, "too_big", {"maximum": limit})
    for number, one in enumerate(value):
        yield from media(one, *path, number)


def bounded_text(limit: int, value: Any, *path: str | int) -> Iterator[Issue]:
    """Complain about anything but text, and about text that is too long."""
    wrong = list(of_type("string", value, *path))
    yield from wrong
    if not wrong and len(value) > limit:
        yield Issue(f"String must contain at most {limit} character(s)", path, "too_big", {"maximum": limit})
