"""Where the requests of a batch come from: a list, an upstream task, or a file."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_vidai.arguments import is_empty
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.storage import shown_name, source
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.redaction import shown

#: Bytes of a file of requests, at most: it is read into memory.
MOST_BYTES = 64 << 20
#: Characters of an ``id``, at most.
LONGEST_ID = 100


@dataclass(frozen=True)
class Row:
    """One request as it was given.

    :param number: its place among the requests, from 1.
    :param place: the same for a person: ``request 3``, or ``line 4`` of a file.
    :param id: what the user calls it; None where it has no name.
    :param values: its arguments.
    """

    number: int
    place: str
    id: str | None
    values: Mapping[str, Any]


def rows_of(given: Any) -> list[Row]:
    """Return the requests that an argument holds or names.

    :param given: a list of dicts (or that as text), or the URI or path of a file whose name ends in
        ``.jsonl``, ``.ndjson``, ``.json``, ``.csv`` or ``.parquet``.
    :raises InputError: when they cannot be read, when there are none, or when two have the same id.
    """
    found = literal(given)
    read = _from_file(found) if isinstance(found, str) else _from_list(found)
    rows = [
        Row(number, place, _id_of(place, values), {name: one for name, one in values.items() if name != "id"})
        for number, (place, values) in enumerate(read, 1)
    ]
    if not rows:
        raise InputError("requests is empty.")
    seen: dict[str, Row] = {}
    for row in rows:
        if row.id is not None and (other := seen.setdefault(row.id, row)) is not row:
            raise InputError(f"requests: {other.place} and {row.place} have the same id, {shown(row.id)}.")
    return rows


def _id_of(place: str, values: Mapping[str, Any]) -> str | None:
    found = values.get("id")
    if is_empty(found):
        return None
    if isinstance(found, bool) or not isinstance(found, (str, int)) or len(str(found)) > LONGEST_ID:
        raise InputError(
            f"requests: {place}: id must be text or a whole number of at most {LONGEST_ID} characters, "
            f"not {shown(found)}."
        )
    # One text has several encodings, and an editor may choose another one: it is still that id.
    return unicodedata.normalize("NFC", str(found).strip())


def _from_list(given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise InputError(f"requests must be a list of dicts or the URI of a file, not {shown(given)}.")
    for number, one in enumerate(given, 1):
        yield f"request {number}", _dict(f"request {number}", literal(one))


def _dict(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"requests: {place} must be a dict of arguments, not {shown(value)}.")
    return dict(value)


def _from_file(uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    ending = uri.strip().rpartition(".")[2].lower()
    if ending not in _READERS:
        raise InputError(
            f"requests: {shown_name(uri)} cannot be read as requests: its name must end in "
            f"{', '.join(f'.{name}' for name in _READERS)}."
        )
    file = source(uri)
    if file.size > MOST_BYTES:
        raise InputError(
            f"requests: {shown_name(uri)} has {file.size} bytes, more than the {MOST_BYTES} that are read."
        )
    with file.open() as opened:
        content = opened.read()
    try:
        yield from _READERS[ending](content)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"requests: {shown_name(uri)} cannot be read: {error}.") from error


def _json_lines(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines(): it also splits at characters such as U+2028, which JSON allows within text.
    # Spreadsheets and some editors write a byte order mark in front, which utf-8-sig drops.
    for number, line in enumerate(content.decode("utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"requests: line {number} is not JSON: {error}.") from None
        yield f"line {number}", _dict(f"line {number}", value)


def _json_list(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    found = json.loads(content.decode("utf-8-sig"))
    return _from_list(found)


def _csv(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    # Strict, because otherwise a quote that is not closed would make the rest of the file one cell.
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    for values in reader:
        place = f"line {reader.line_num}"
        if None in values:
            raise InputError(f"requests: {place} has more cells than the first line has columns.")
        # A blank cell is an argument that was left out. What looks like a list or a dict is JSON.
        yield place, {name: literal(cell) for name, cell in values.items() if cell and cell.strip()}


def _parquet(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            "requests: reading Parquet needs pyarrow: install apache-airflow's worker with "
            "airflow-provider-vidai[parquet]."
        ) from None
    for number, values in enumerate(parquet.read_table(io.BytesIO(content)).to_pylist(), 1):
        yield f"row {number}", {name: one for name, one in values.items() if not is_empty(one)}


_READERS: dict[str, Callable[[bytes], Iterator[tuple[str, dict[str, Any]]]]] = {
    "jsonl": _json_lines,
    "ndjson": _json_lines,
    "json": _json_list,
    "csv": _csv,
    "parquet": _parquet,
}
