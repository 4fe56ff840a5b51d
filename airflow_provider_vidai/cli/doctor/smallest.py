"""The cheapest video that Venice sells now, by its free quotes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from airflow_provider_vidai.arguments import as_seconds
from airflow_provider_vidai.errors import InputError, VidaiError
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.vendors.venice.api import catalogue_row

log = logging.getLogger(__name__)

PROMPT = "A grey circle on a white wall"


def cheapest(hook: VeniceHook, model: str | None = None) -> dict[str, Any]:
    """Return the arguments of the cheapest short video from a text.

    :param model: only this model.
    :raises InputError: when the catalogue has none that can be priced.
    """
    found = []
    for asked in _smallest(hook, model):
        try:
            found.append((hook.quote(**asked)["quote_usd"], asked["model"], asked))
        except VidaiError as error:
            log.info("%s has no price now: %s", asked["model"], error)
    if not found:
        raise InputError("Venice's catalogue has no such text-to-video model with a price.")
    # Equal prices are decided by the model's name, because dicts have no order.
    usd, name, asked = min(found, key=lambda one: one[:2])
    log.info("The smallest job: %s for %s USD, by the cheapest of %d quotes.", name, usd, len(found))
    return {**asked, "prompt": PROMPT}


def _smallest(hook: VeniceHook, wanted: str | None) -> Iterator[dict[str, Any]]:
    """Yield the shortest and smallest video of each model."""
    rows = hook.list_models()
    for name in (str(row.get("id")) for row in rows):
        row = catalogue_row(rows, name) if wanted in (None, name) else None
        spec = row.model_spec if row else None
        limits = spec.constraints if spec else None
        if spec is None or limits is None or spec.offline or limits.model_type != "text-to-video":
            continue
        given = {
            "duration": min(limits.durations or (), key=as_seconds, default=None),
            "resolution": min(limits.resolutions or (), key=_lines, default=None),
            "aspect_ratio": next(iter(limits.aspect_ratios or ()), None),
        }
        yield {"model": name, **{key: value for key, value in given.items() if value is not None}}


def _lines(resolution: str) -> int:
    digits = "".join(filter(str.isdigit, resolution))
    return int(digits) if digits else 0
