"""Models that Venice retires: warn before the date, refuse to buy after it, report a substitute model."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any, Final

from airflow_provider_vidai.answers import Answer
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.jobs.calls import Call
from airflow_provider_vidai.jobs.receipt import Receipt
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.vendors.venice.api import deprecation_notice
from airflow_provider_vidai.vendors.venice.catalogue import ModelSpec, retirement

__all__ = ["CHOICES", "check", "choice", "warning_on_retirement"]

#: What to do about a model that is retired: refuse before buying, or let Venice choose another one.
CHOICES: Final = ("fail", "warn")

log = logging.getLogger(__name__)


def choice(on_retired: Any) -> str:
    """Return the validated ``on_retired``.

    :raises InputError: when it is neither ``fail`` nor ``warn``.
    """
    if on_retired not in CHOICES:
        raise InputError(f"on_retired must be one of {', '.join(CHOICES)}, not {shown(on_retired)}.")
    return str(on_retired)


def check(model: str, spec: ModelSpec, on_retired: str) -> None:
    """Warn about a model's retirement.

    :raises InputError: when the model is retired and ``on_retired`` is ``fail``.
    """
    found = retirement(model, spec, time.time())
    if found is None:
        return
    message, over = found
    if over and on_retired == "fail":
        raise InputError(
            f"model: {message} A request for it would be served, and charged, as another model's. Choose a "
            "model, or give on_retired='warn'."
        )
    log.warning("%s", message)


def warning_on_retirement(call: Call[Receipt], model: str) -> Call[Receipt]:
    """Return the purchase, with a warning if the answer announces a retirement or names another model."""

    def parse(answer: Answer) -> Receipt:
        # What follows the parsing is only logged: this answer has bought a video, so nothing may fail any
        # more.
        receipt = call.parse(answer)
        if notice := deprecation_notice(answer):
            log.warning("Venice says about the model %r: %s", model, notice)
        served = receipt.ref.params.get("model") if receipt.ref else model
        if served != model:
            log.warning("%s: Venice made it with the model %r and not %r.", receipt.ref, served, model)
        return receipt

    return replace(call, parse=parse)
