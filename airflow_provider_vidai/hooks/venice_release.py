"""Have Venice delete a finished video, or revoke the URL that it is delivered by."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal

from airflow_provider_vidai.errors import VidaiError
from airflow_provider_vidai.files.download import status_of
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.jobs.delivery import Delivery
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.jobs.status import JobState
from airflow_provider_vidai.vendors.venice.api import VENICE, model_of

__all__ = ["Released", "released"]

#: What happened to a finished video: deleted, its URL revoked, or left to expire within 24 hours.
Released = Literal["deleted", "revoked", "expires"]

# Answers of the delivery host that mean the URL no longer works.
_REVOKED = frozenset({200, 202, 204, 404, 410})

log = logging.getLogger(__name__)


def released(hook: VidaiHook, ref: JobRef, delivery: Delivery) -> Released:
    """Release a finished video. Errors are only logged, because an unreleased video expires by itself."""
    try:
        sealed = delivery.sealed_url
        return _deleted(hook, ref) if sealed is None else _revoked(hook, ref, sealed)
    except VidaiError as error:
        log.warning("%s could not be released, and expires within 24 hours: %s", ref, error)
        return "expires"


def _revoked(hook: VidaiHook, ref: JobRef, sealed: str) -> Released:
    # Revoking the URL of a video that is still being made would lose it: there is no other URL.
    if hook.poll(ref).state is not JobState.READY:
        return "expires"
    link = VENICE.link(hook.seal.open(sealed), hook.account.base_url)
    status = status_of(hook.account, replace(link, method="DELETE"))
    if status not in _REVOKED:
        log.warning("Venice's share host answered HTTP %d to the revocation of a URL.", status)
    return "revoked" if status in _REVOKED else "expires"


def _deleted(hook: VidaiHook, ref: JobRef) -> Released:
    """Delete the video with one more retrieval, of which only the headers are read."""
    status = hook.client.send(VENICE.retrieve(model_of(ref), ref.job_id, delete=True), attempts=1)
    if status.state is JobState.GONE:
        # The vendor's own words say that the video is gone. A 404 that may come from a gateway proves
        # nothing.
        return "expires" if status.believed_for else "deleted"
    if status.state is not JobState.READY:
        return "expires"
    # This very retrieval deletes a video that is delivered inline. Any other needs /video/complete, which
    # today refuses every id that the queue gave out (Venice's own notes, 2026-10-02).
    inline = any(output.details.get("delivery") == "inline" for output in status.outputs)
    return "deleted" if inline or hook.client.send(VENICE.complete(ref), attempts=1) else "expires"
