"""A Venice model that is being retired: its catalogue entry, headers and replacement."""

import time
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidai.sandbox.venice.settings import VeniceSettings

#: Calls that serve the replacement once a model is retired.
ROUTED = ("queue", "quote")
#: Seconds before its end at which a retirement is announced.
NOTICE = 15 * 86_400.0


def _end(settings: VeniceSettings) -> datetime:
    return datetime.fromtimestamp(time.time() + settings.retires_in, timezone.utc)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def deprecation(settings: VeniceSettings) -> dict[str, Any]:
    """Return the ``deprecation`` of the catalogue's row."""
    end = _end(settings)
    return {
        "autoRemap": bool(settings.replacement),
        "date": _text(end),
        "removesAt": _text(end),
        "startsAt": _text(datetime.fromtimestamp(end.timestamp() - NOTICE, timezone.utc)),
        "replacementModelId": settings.replacement or None,
    }


def served_by(name: str, settings: VeniceSettings) -> str:
    """Return the id of the model that serves a request for ``name``."""
    retired = name == settings.retires and settings.retires_in == 0
    return settings.replacement or name if retired else name


def notices(name: str, settings: VeniceSettings) -> dict[str, str]:
    """Return the deprecation headers of an answer to a request for ``name``."""
    if not name or name != settings.retires:
        return {}
    warning = f"{name} is retired on {_end(settings).date()}; use {settings.replacement or 'another model'}."
    headers = {
        "x-venice-model-deprecation-warning": warning,
        "x-venice-model-deprecation-date": _text(_end(settings)),
    }
    return headers if settings.retires_in else {**headers, "x-venice-deprecated": "true"}
