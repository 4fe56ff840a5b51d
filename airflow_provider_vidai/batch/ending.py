"""How a batch ends: its manifest, what a person sees of it, and what fails its task."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

from airflow.sdk import Context

from airflow_provider_vidai.batch.items import Item, costs, counts, summary
from airflow_provider_vidai.batch.work import SHOWN, Work
from airflow_provider_vidai.errors import Charged, InputError, JobError
from airflow_provider_vidai.files.storage import location, storage_path, write_whole
from airflow_provider_vidai.files.titles import file_name
from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.jobs.media_record import MediaRecord
from airflow_provider_vidai.operators.media import MEDIA, push_media
from airflow_provider_vidai.purchase.verdict import CANNOT_CANCEL

log = logging.getLogger(__name__)

_GO_ON = f"{CANNOT_CANCEL}; a retry waits for the same jobs and buys nothing for them."


def write_manifest(
    context: Context, destination: str | None, folder: str, items: Iterable[Item]
) -> dict[str, Any]:
    """Write a JSON line for each item, whole or not at all; return the file as landed files are described.

    :param destination: where; None for a file in ``folder`` that is named after the task and the run.
    """
    instance = context["ti"]
    index = "" if instance.map_index is None or instance.map_index < 0 else f"-{instance.map_index}"
    name = file_name(f"manifest-{instance.task_id}-{instance.run_id}{index}")
    path = storage_path(destination or f"{folder}{name}.jsonl")
    lines = [json.dumps(item.line(), ensure_ascii=False) for item in items]
    # A text may hold half a character (a lone surrogate), which UTF-8 refuses. The other lines must be kept.
    content = ("\n".join(lines) + "\n").encode("utf-8", "replace")
    write_whole(path, content)
    found = {**location(path), "bytes": len(content), "content_type": "application/jsonl"}
    instance.xcom_push(key="manifest", value=found["path"])
    return found


def show(context: Context, hook: VidaiHook, items: Sequence[Item], removed: Sequence[Item]) -> None:
    """Show a person how the batch stands, in the XComs ``progress`` and ``media``."""
    counted, spent = counts(items), costs((*items, *removed))
    said = summary(counted, spent)
    done = counted["landed"] + counted["failed"]
    progress = {**counted, "cost": spent, "words": said, "progress": round(done / len(items), 3)}
    files = [file for item in items for file in item.media][:SHOWN]
    cost = None
    # The page has room for one amount: a batch that was billed in several units shows none.
    if len(spent) == 1:
        ((unit, amount),) = spent.items()
        cost = {"amount": amount, "unit": unit, "source": "reported"}
    try:
        context["ti"].xcom_push(key="progress", value={**progress, "at": time.time()})
        record = MediaRecord(
            vendor=hook.vendor_name,
            label=hook.vendor.label,
            conn_id=hook.conn_id,
            job_id=f"{counted['bought']} jobs",
            kind="batch",
            title=said,
            cost=cast(Any, cost),
            bought_at=min((item.bought_at for item in items if item.bought_at), default=None),
            files=cast(Any, files),
        )
        push_media(context, MEDIA, record)
    except Exception as error:  # noqa: BLE001 - a page that lacks something is no reason to lose jobs
        log.warning("The Media page will not show this batch: %s: %s", type(error).__name__, error)


def failure_of(work: Work, max_failures: int, manifest: str) -> JobError | None:
    """Return what fails the task at the end; None where all went well enough."""
    running, left, all_of_them = len(work.waiting()), len(work.open()), len(work.items)
    failed = [item for item in work.items if item.state == "failed"]
    if running:
        return JobError(
            f"{running} of {all_of_them} jobs were not seen to end by the task's deadline. The manifest is "
            f"{manifest}.",
            todo=_GO_ON,
            charged="yes",
            retryable=True,
            clear="A Clear waits for the same jobs, and buys what failed or was not bought.",
        )
    if len(failed) > max_failures:
        first = failed[0]
        why = first.failure.what.rstrip(".") if first.failure else "no reason is known"
        return JobError(
            f"{len(failed)} of {all_of_them} requests failed, and {left} were not bought. The first one that "
            f"failed is {first.name}: {why}. The manifest is {manifest}.",
            todo="A retry buys what failed free of charge or was not bought; what is landed stays.",
            charged=charged_for(work.items),
            retryable=bool(left) or any(item.failure and item.failure.retryable for item in failed),
            clear="A Clear buys again all that failed.",
        )
    if left:
        reason = "the task's deadline has passed" if work.broken is None else work.broken.reason.rstrip(".")
        return JobError(
            f"{left} of {all_of_them} requests were not bought: {reason}. The manifest is {manifest}.",
            todo="A retry buys them; what is landed stays.",
            charged=charged_for(work.items),
            retryable=True,
            clear="A Clear buys them.",
        )
    return None


def not_checked(work: Work, why: str) -> JobError:
    """Return the error for jobs whose account no longer answers, or that the trigger could not check."""
    return JobError(
        f"{len(work.waiting())} jobs of the batch cannot be checked: {why.rstrip('.')}.",
        todo=_GO_ON,
        charged="yes",
        retryable=True,
        clear="A Clear waits for the same jobs.",
    )


def requests_lost(error: InputError) -> JobError:
    """Return the error for a batch whose requests became unusable after some of them had been bought."""
    return JobError(
        f"The batch cannot go on with its requests: {error.reason.rstrip('.')}. Jobs were bought before.",
        todo="Correct the requests, then clear the task: it waits for those jobs, and what is landed stays.",
        charged="yes",
        clear="",
    )


def charged_for(items: Iterable[Item]) -> Charged:
    """Return what is known about the charge for all items together."""
    found = [item.charged for item in items]
    # The least certain one counts, because somebody has to look into it.
    for charged in ("maybe", "yes", "refunded"):
        if charged in found:
            return cast(Charged, charged)
    return "no"
