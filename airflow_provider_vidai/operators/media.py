"""What a task shows people about its job and its files: it pushes the XCom ``media``.

The pages of the plugin read it. Nothing else does, and no task depends on it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from pydantic import JsonValue, ValidationError

from airflow_provider_vidai._compat import conf, redact
from airflow_provider_vidai.files.stills import make_stills
from airflow_provider_vidai.hooks.failures import is_nested
from airflow_provider_vidai.jobs.media_record import MediaFile, MediaRecord, signed
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.text import literal
from airflow_provider_vidai.operators.context import next_of_kind, task_key_of
from airflow_provider_vidai.redaction import shown_media
from airflow_provider_vidai.vendors.base import Vendor

__all__ = [
    "MEDIA",
    "argument_texts",
    "job_facts",
    "media_files",
    "push_media",
    "show_media",
    "signing_keys",
]

log = logging.getLogger(__name__)

#: The XCom's key. Further purchases in one task's own code have ``media_1``, ``media_2``, ...
MEDIA = "media"
#: Characters of an argument, such as a prompt, that a page shows.
LONGEST_ARGUMENT = 2000
#: A shorter secret could be found by trying.
SHORTEST_KEY = 32


def show_media(context: Context, operator: BaseOperator, make: Callable[[], MediaRecord]) -> None:
    """Push the record that ``make`` returns.

    Whatever fails here or in ``make`` is logged only: the job is paid for, and it and its files matter more
    than their page.
    """
    try:
        key = _key(context, operator)
        operator.__dict__["media_shown"] = key, push_media(context, key, make())
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("The Media page will not show this job: %s: %s", type(error).__name__, error)


def push_media(context: Context, key: str, record: MediaRecord) -> dict[str, JsonValue]:
    """Sign ``record`` if it has files, push it, and return what was pushed."""
    keys = signing_keys()
    if keys and record.files:
        record = signed(record, task_key_of(context), keys[0])
    value: dict[str, JsonValue] = record.model_dump(mode="json", exclude_none=True)
    context["ti"].xcom_push(key=key, value=value)
    return value


def _key(context: Context, operator: BaseOperator) -> str:
    """Return the key of an operator's XCom; an operator that another task's code calls gets the next one."""
    found: str | None = operator.__dict__.get("_media_key")
    if found is None:
        number = 0
        if (part := getattr(operator, "part", None)) is not None:
            number = part.number - 1  # also when another process resumes its task
        elif is_nested(context, operator):
            number = next_of_kind(context, MEDIA)
        # Kept, because next_of_kind() counts each call as one more purchase.
        found = operator.__dict__["_media_key"] = f"{MEDIA}_{number}" if number else MEDIA
    return found


def signing_keys() -> list[str]:
    """Return the keys that sign landed files: the first one signs, each of them verifies.

    It is ``[vidai] media_key``, or Airflow's Fernet keys. The list is empty when the deployment has neither.
    """
    own = str(conf.get("vidai", "media_key", fallback="") or "").strip()
    if own and len(own) < SHORTEST_KEY:
        log.warning("[vidai] media_key has fewer than %d characters, so nothing is signed.", SHORTEST_KEY)
        return []
    fernet = str(conf.get("core", "fernet_key", fallback="") or "")
    return [own] if own else [key.strip() for key in fernet.split(",") if key.strip()]


def job_facts(vendor: Vendor, ref: JobRef, bought_at: float | None = None) -> dict[str, Any]:
    """Return what a record says about the job itself."""
    lease = vendor.keeps_seconds
    return {
        "vendor": ref.vendor,
        "label": vendor.label,
        "conn_id": ref.conn_id,
        "job_id": ref.job_id,
        "kind": ref.kind,
        "title": ref.title,
        "bought_at": bought_at,
        "expected": vendor.usual_seconds(ref.kind),
        "kept_until": bought_at + lease if bought_at and lease else None,
    }


def argument_texts(operator: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the given ones among an operator's arguments as short texts without secrets.

    Airflow masks its own secrets in rendered fields and in logs, but not in XComs.
    """
    values = {name: redact(shown_media(literal(getattr(operator, name))), name) for name in names}
    # A template that finds nothing renders to the text "None".
    given = {name: value for name, value in values.items() if value not in (None, "", "None", [], {})}
    return {name: _text(_plain(value), LONGEST_ARGUMENT) or "" for name, value in given.items()}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def media_files(files: Sequence[JsonValue], outputs: Sequence[Output]) -> tuple[MediaFile, ...]:
    """Return landed files with their stills and with what the vendor says about each of them."""
    # A task may download only some of Vizard's clips, so they are matched by id. The files of other vendors
    # have no id, and come in the order of the outputs.
    by_id = {output.details["video_id"]: output for output in outputs if output.details.get("video_id")}
    in_order: Sequence[Output | None] = outputs if len(outputs) == len(files) else [None] * len(files)
    found = []
    for file, output in zip(files, in_order, strict=True):
        if isinstance(file, dict):
            found.append(_media_file(file, by_id.get(file.get("video_id"), output)))
    return tuple(file for file in found if file is not None)


def _media_file(file: dict[str, JsonValue], output: Output | None) -> MediaFile | None:
    details = {} if output is None else output.details
    fields = {
        **{name: value for name, value in file.items() if value is not None},
        "title": _text(output.title if output else None, 200),
        "caption": _text(details.get("transcript"), 500),
        "score": _text(details.get("viral_score"), 20),
    }
    try:
        # A file that cannot be described is left out of the page. It has landed all the same.
        landed = MediaFile.model_validate(fields)
    except ValidationError:
        return None
    if not landed.content_type.startswith("video/") or not conf.getboolean("vidai", "posters", fallback=True):
        return landed
    return landed.model_copy(update=make_stills(landed.path, landed.duration))


def _text(value: JsonValue, limit: int) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    text = str(value).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
