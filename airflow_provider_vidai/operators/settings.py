"""Settings of ``[vidai]`` that are JSON: written there, or in a file that the setting names."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.storage import storage_path

__all__ = ["json_setting", "text_setting"]


def text_setting(option: str) -> str:
    """Return ``[vidai] <option>`` as text; "" where it is not set."""
    return str(conf.get("vidai", option, fallback="") or "").strip()


def json_setting(option: str) -> list[Any]:
    """Return the list that ``[vidai] <option>`` holds or names; an empty one where it is not set.

    :raises InputError: when it can't be read.
    """
    text = text_setting(option)
    if not text:
        return []
    try:
        # A brace begins JSON of the wrong kind, not the name of a file; the message below then says so.
        found = json.loads(text if text[0] in "[{" else storage_path(text).read_text())
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a storage raises anything
        raise InputError(f"[vidai] {option} cannot be read: {error}.") from None
    if not isinstance(found, list):
        raise InputError(f"[vidai] {option} must be a JSON list.")
    return found
