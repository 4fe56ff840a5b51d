"""Fingerprints of requests: equal requests have equal ones, in every release.

A fingerprint decides whether a cleared task waits for the job it has or buys another one, so it must not
change because this package learned one more optional argument, or because a template turned 5 into "5".
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Context, Decimal
from enum import Enum
from numbers import Number
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from airflow_provider_vidai.errors import InputError

#: Fingerprints of today's form begin with this; those of version 0.1 have no prefix.
PREFIX = "2:"

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,15})?")
#: With Python's default precision of 28 digits, two long numbers could become one.
_EXACT = Context(prec=4400)
# An object without a text of its own is shown with its address, which differs in every process.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fingerprint(values: Mapping[str, Any]) -> str:
    """Return what identifies a request: the sha256 of its canonical JSON, with a prefix for the form.

    Values that are None are left out, so an optional argument that a later release adds changes nothing. A
    number and the text that a template makes of it are one value, and so are the ways in which Unicode can
    spell one text. The order of a set does not count.

    :raises InputError: when a value has no stable form: an iterator, which can be read only once, or an
        object that is shown by its address in memory.
    """
    text = json.dumps(
        {_scalar(key): _canonical(key, value) for key, value in values.items() if value is not None},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return PREFIX + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint_of_0_1(values: Mapping[str, Any]) -> str:
    """Return the fingerprint as version 0.1 made it, so that the jobs it bought are still recognised."""
    text = json.dumps(
        _text_keys(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, Number, Enum)):
        return _scalar(value)
    if isinstance(value, BaseModel):
        # Dicts, models and dataclasses with the same content are one request: an argument may arrive as any
        # of them, depending on whether a DAG or an upstream task made it.
        value = value.model_dump()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        items = ((unicodedata.normalize("NFC", str(key)), item) for key, item in value.items())
        return {key: _canonical(name, item) for key, item in items if item is not None}
    if isinstance(value, AbstractSet):
        # The order of a set differs from process to process, because Python hashes text with a random seed.
        return sorted((_canonical(name, item) for item in value), key=lambda item: json.dumps(item))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    if isinstance(value, Iterator):
        raise InputError(f"{name} is {_a(value)}, which can be read only once: pass a list instead.")
    if isinstance(value, Sequence):
        return [_canonical(name, item) for item in value]
    return _text(name, value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return _scalar(value.value)
    # In Python, True is an int too. As a value of a request it differs from 1.
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else _plain(value)
    # "007" and "1e3" may be names, so only the plain spelling of a number counts as one.
    if _NUMBER.fullmatch(text.strip()):
        return _plain(Decimal(text.strip()))
    return unicodedata.normalize("NFC", text)


def _plain(number: Any) -> str:
    try:
        decimal = Decimal(str(number)).normalize(_EXACT)
    except ArithmeticError:
        return str(number)
    # NaN and infinity have no plain spelling in digits.
    if not decimal.is_finite():
        return str(number)
    return "0" if decimal.is_zero() else f"{decimal:f}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _plain(value.total_seconds())
    text = str(value)
    if _ADDRESS.search(text):
        raise InputError(
            f"{name} is {_a(value)}, which has no stable text by which the request could be recognised "
            "again: pass text, numbers, lists or dicts."
        )
    return unicodedata.normalize("NFC", text)


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, (list, tuple)) else value
