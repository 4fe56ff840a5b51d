"""The fields of the vendors' answers as this package knows them, and how an answer differs from that.

Source: each vendor's documents, and what public clients have seen. A field is a path, its types (``s`` text,
``n`` number, ``b`` boolean, ``o`` object, ``l`` list) and a ``?`` where it may be absent or null. ``x.*``
allows anything within ``x``, ``x[]`` is an item of the list ``x``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_OVERLAYS = "id:n? fileID:s? originalFileName:s? from:n? content:s? durationInFrames:n? type:s? src:s?"
_ACCOUNT = "id:s platform:s username:s? page:s? profilePic:s? pageProfilePic:s? expiresAt:n? status:s?"


def _within(path: str, fields: str) -> str:
    return " ".join(f"{path}.{field}" for field in fields.split())


#: By vendor, then by method and path, in which ``*`` stands for an id.
SHAPES: Final[Mapping[str, Mapping[str, str]]] = {
    "venice": {
        "GET /models": (
            "object:s type:s? data:l data[]:o data[].id:s data[].object:s? data[].owned_by:s? data[].type:s "
            "data[].created:n? data[].model_spec:o data[].model_spec.*"
        ),
        "POST /video/quote": "quote:n",
        "POST /video/queue": "model:s queue_id:s download_url:s?",
        "POST /video/retrieve": "status:s average_execution_time:n? execution_duration:n?",
    },
    "vidgo": {
        "GET /api/user/balance": "code:n data:o data.email:s? data.credits_amount:n",
        "POST /api/generate/submit": "code:n data:o data.task_id:s data.status:s? data.created_time:s?",
        "GET /api/generate/status/*": (
            "code:n data:o data.task_id:s data.status:s data.files:l? data.files[]:o data.files[].file_url:s "
            "data.files[].file_type:s data.created_time:s? data.progress:n? data.error_message:s?"
        ),
    },
    "vidio": {
        "GET /api/v1/uploads/upload-url": "url:s",
        "POST /api/v1/jobs/highlight-reel": "job_id:s status:s",
        "GET /api/v1/jobs/*/status": (
            "job_id:s status:s output_url:s? outputs:l? outputs[]:o "
            + _within("outputs[]", "start:n? end:n? thumbnail:s? duration:n? fps:n? overlays:l? overlays[]:o")
            + f" {_within('outputs[].overlays[]', f'{_OVERLAYS} videoStartTime:n?')}"
        ),
        "POST /api/v1/jobs/*/render": "status:s",
    },
    "vizard": {
        "GET /project/social-accounts": (
            "code:n? total:n? accounts:l? accounts[]:o publishAccounts:l? publishAccounts[]:o "
            + f"{_within('accounts[]', _ACCOUNT)} {_within('publishAccounts[]', _ACCOUNT)}"
        ),
        "POST /project/create": "code:n projectId:n,s shareLink:s? errMsg:s?",
        "GET /project/query/*": (
            "code:n projectId:n,s projectName:s? shareLink:s? errMsg:s? videos:l? videos[]:o "
            "videos[].videoId:n,s? videos[].videoUrl:s videos[].videoMsDuration:n videos[].title:s? "
            "videos[].transcript:s? videos[].viralScore:s,n? videos[].viralReason:s? "
            "videos[].relatedTopic:s,l? videos[].clipEditorUrl:s? videos[].projectId:n,s?"
        ),
    },
}
_NAMES: Final = {"s": "text", "n": "number", "b": "boolean", "o": "object", "l": "list"}


class Field(NamedTuple):
    """One field that an answer may have."""

    types: frozenset[str]
    optional: bool


class Difference(NamedTuple):
    """How an answer differs from what is known, as sorted paths; it holds no value of the answer.

    :param unknown: fields that are not known.
    :param missing: fields that should be there.
    :param other: fields of another type, each with that type.
    """

    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def shape_of(vendor: str, method: str, path: str) -> tuple[str, str | None]:
    """Return the call as it may be shown, without ids, and the fields of its answer; None if not known."""
    asked = f"{method} {path}"
    for pattern, fields in SHAPES[vendor].items():
        if fnmatch.fnmatchcase(asked, pattern):
            return pattern, fields
    return f"{method} (another call)", None


def difference(answer: Any, fields: str) -> Difference:
    """Compare the JSON of an answer with the fields that are known."""
    known = dict(map(_field, fields.split()))
    found: dict[str, set[str]] = {"unknown": set(), "missing": set(), "other": set()}
    for what, path in _differences(answer, "", known):
        found[what].add(path)
    return Difference(**{what: tuple(sorted(paths)) for what, paths in found.items()})


def _field(text: str) -> tuple[str, Field]:
    path, _, types = text.partition(":")
    return path, Field(frozenset(types.rstrip("?").split(",")), types.endswith("?"))


def _differences(value: Any, path: str, known: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    field = known.get(path)
    if field is not None and not (value is None and field.optional):
        kind = _kind(value)
        if kind not in field.types:
            yield "other", f"{path} ({_NAMES.get(kind, 'null')})"
            return
    if f"{path}.*" in known:
        return
    if isinstance(value, list):
        for item in value:
            yield from _differences(item, f"{path}[]", known)
    elif isinstance(value, dict):
        yield from _of_object(value, path, known)


def _of_object(value: dict[str, Any], path: str, known: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    prefix = f"{path}." if path else ""
    for name, item in value.items():
        if f"{prefix}{name}" in known:
            yield from _differences(item, f"{prefix}{name}", known)
        else:
            yield "unknown", f"{prefix}{name}"
    for one, field in known.items():
        parent, _, name = one.rpartition(".")
        if parent == path and not one.endswith(("[]", "*")) and not field.optional and name not in value:
            yield "missing", one


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "b"
    kinds = {str: "s", int: "n", float: "n", dict: "o", list: "l"}
    return kinds.get(type(value), "")
