"""What a task says about its attempts: the best of them, all of them, or why none will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airflow.sdk import Context
from pydantic import JsonValue

from airflow_provider_vidai.errors import CheckFailed
from airflow_provider_vidai.files.storage import storage_path
from airflow_provider_vidai.jobs.cost import Cost
from airflow_provider_vidai.jobs.media_record import MediaRecord
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.operators.context import task_key_of
from airflow_provider_vidai.operators.landing import Landing
from airflow_provider_vidai.purchase.log import Log
from airflow_provider_vidai.task_groups.attempts import Outcome


def best_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the best attempt.

    One that is good is better than any other, one with files better than one without, fewer faults are better
    than more, and the earlier attempt is better than the later one.
    """
    return min(outcomes, key=lambda one: (not one.good, not one.files, len(one.failed), one.number))


def faults_of(files: Iterable[Any]) -> list[str]:
    """Return what the checks of landed files found."""
    reports = [file.get("check") or {} for file in files if isinstance(file, Mapping)]
    return [str(fault["what"]) for report in reports for fault in report.get("failed", ())]


def total_of(costs: Iterable[Mapping[str, JsonValue] | None]) -> dict[str, Any] | None:
    """Return the sum of costs; None where one is not known, or their units differ."""
    found = [Cost.of(cost) for cost in costs]
    units = {cost.unit for cost in found}
    if not found or len(units) > 1 or not all(cost.known for cost in found):
        return None
    worth = [cost.usd for cost in found]
    usd = None if None in worth else float(sum(Decimal(str(one)) for one in worth))
    amount = float(sum(Decimal(str(cost.amount)) for cost in found))
    return Cost(amount=amount, unit=found[0].unit, usd=usd, source=found[0].source).fields()


def shown_attempts(
    context: Context, outcomes: Iterable[Outcome], removed: Sequence[Outcome] = ()
) -> list[dict[str, Any]]:
    """Return the attempts as the result has them."""
    return [
        {
            "attempt": one.number,
            "good": one.good,
            "failed": one.failed,
            "values": one.values,
            "job_id": (one.result or {}).get("job_id"),
            "cost": (one.result or {}).get("cost"),
            "charged": one.charged,
            "files": one.files,
            "kept": bool(one.files) and one not in removed,
            "sheet": _sheet(context, one),
        }
        for one in outcomes
    ]


def _sheet(context: Context, outcome: Outcome) -> str | None:
    """Return the address of an attempt's contact sheet, relative to Airflow's base address."""
    if outcome.media is None:
        return None
    key, value = outcome.media
    files = MediaRecord.model_validate(value).files
    index = next((number for number, file in enumerate(files) if file.sheet), None)
    return None if index is None else task_key_of(context).picture(key, index)


def refused(outcomes: Sequence[Outcome], stopped: str) -> CheckFailed:
    """Return the error for a task none of whose attempts is good.

    :param stopped: why there was no further attempt, where it is not their number.
    """
    said = "; ".join(one.summary for one in outcomes)
    further = f" {stopped}" if stopped else ""
    charged = {one.charged for one in outcomes}
    worst = next((word for word in ("yes", "maybe", "refunded") if word in charged), "no")
    return CheckFailed(
        f"None of {len(outcomes)} attempts is good: {said}.{further}",
        todo=(
            "All files are kept. To accept one, set other limits in check= and clear the task: the files "
            "are judged again, and no attempt is bought twice. To make more attempts, raise max_attempts "
            "or max_total, then clear the task."
        ),
        charged=worst,  # type: ignore[arg-type]
        clear="",
    )


def landing_of(outcome: Outcome, maker: JobOperator[Any]) -> Landing:
    """Return how an attempt landed its files.

    :param maker: has the attempt's request.
    """
    result = outcome.result or {}
    outputs = [Output.model_validate(one) for one in result["outputs"]]
    ref = JobRef.model_validate(result)
    return Landing(ref, outputs, str(maker.download_to), request=maker.asked(), buys=True)


def remove_files(outcome: Outcome, log: Log) -> None:
    """Remove the landed files of an attempt, and their stills."""
    stills = MediaRecord.model_validate(outcome.media[1]).files if outcome.media else ()
    paths = [file["path"] for file in outcome.files]
    paths += [still.path for file in stills for still in (file.poster, file.sheet) if still]
    for path in paths:
        try:
            storage_path(path).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001 - each store raises errors of its own types
            log.warning("A file of attempt %d was not removed: %s", outcome.number, error)
