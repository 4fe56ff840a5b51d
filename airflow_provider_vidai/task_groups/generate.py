"""Make a video, check it, and make another one: not for ever, and not for any money."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.redaction import shown
from airflow_provider_vidai.task_groups.until import GenerateUntilGoodOperator
from airflow_provider_vidai.task_groups.vary import read_vary

__all__ = ["generate_until_good"]

Make = JobOperator[Any]


def generate_until_good(
    *,
    make: Make | Callable[[], Make],
    check: Any,
    max_attempts: int | str = 3,
    max_total: Any = None,
    vary: Any = (),
    keep: Literal["all", "best"] = "all",
    **task: Any,
) -> GenerateUntilGoodOperator:
    """Return a task that buys a job, checks its files, and buys another one until the files are good.

    The attempts are made one after the other in one task. Each is the purchase of ``make``, with a record of
    its own, and with ``deferrable=True`` it waits in the triggerer.

    - **Retry**: goes on where the last try ended. No attempt is bought twice.
    - **Kill**: the job of the current attempt keeps running and is still billed; a retry waits for it.
    - **Timeout**: the ``timeout`` of ``make`` counts for each attempt; then the try fails, and a retry waits
      for the same job.
    - **Clear**: a finished task makes all attempts again. A task that failed judges what it has by the limits
      as they are now, and then makes the attempts that are missing.

    Example::

        generate_until_good(
            make=VidgoGenerateOperator(
                task_id="video",
                model="wan2.5-text-to-video",
                input={"prompt": "A red fox in the snow", "duration": 5},
                deferrable=True,
                download_to="s3://aws_default@media/foxes/",
            ),
            check=Checks("tiktok"),
            max_attempts=3,
            max_total={"amount": 300, "unit": "credits"},
            vary=["input.seed"],
            keep="best",
        )

    :param make: an operator that buys a job, with ``download_to`` a folder, or a function that returns one.
        It becomes a part of this task and is no task of its own. What it says about its task (``task_id``,
        ``retries``, ``outlets``, ...) counts for this one.
    :param check: :class:`~airflow_provider_vidai.quality.checks.Checks`, the name of a profile, or a dict of
        arguments. Its ``on_failure`` says what happens when no attempt is good.
    :param max_attempts: how many jobs are bought at most.
    :param max_total: what all attempts may cost together: USD, or ``{"amount": 300, "unit": "credits"}``. An
        attempt that does not fit, or whose price is not known, is not bought. Only None means no limit.
    :param vary: which fields of the request differ from attempt to attempt: names, or a dict of names and
        values. The values are a list, or a function of the attempt's number and of the attempts before it. A
        field within a dict is named with a dot: ``input.seed``. A seed without values counts up, from the
        seed of ``make`` or from one that is derived from the run.
    :param keep: which landed files stay once the task has succeeded: those of ``all`` attempts, or only those
        of the ``best`` one. A task that fails keeps all.
    :param task: arguments of the task itself.
    :returns: the task. It returns what ``make`` returns about the best attempt, and ``attempt`` (its number),
        ``good``, ``attempts`` (all of them) and ``total`` (what they cost together).
    :raises InputError: when ``make`` or ``vary`` can't be used.
    """
    maker, own, before = _taken_over(make() if callable(make) else make)
    until = GenerateUntilGoodOperator(
        make=maker,
        check=check,
        max_attempts=max_attempts,
        max_total=max_total,
        vary=read_vary(vary, maker),
        keep=keep,
        **{**own, **task},
    )
    for upstream in before:
        until.set_upstream(upstream)
    return until


def _taken_over(make: Any) -> tuple[Make, dict[str, Any], list[Any]]:
    """Return an operator that is no task, its arguments as a task, and what comes before it."""
    if not isinstance(make, JobOperator):
        raise InputError(
            f"The argument make must be an operator that buys a job, or return one, not {shown(make)}."
        )
    if make.check is not None:
        raise InputError(
            "The operator given as make must not have a check: give that to generate_until_good."
        )
    if make.downstream_task_ids:
        raise InputError("Connect the task that generate_until_good returns, instead of make.")
    dag = make.get_dag()
    before = list(make.upstream_list) if dag else []
    # Airflow keeps what the constructor was given in a private attribute only.
    own = inspect.signature(BaseOperator.__init__).parameters
    given = {name: value for name, value in vars(make)["_BaseOperator__init_kwargs"].items() if name in own}
    # An operator joins its DAG when it is made. As a part of another task it must leave it, together with the
    # links of the tasks before it.
    if dag is not None and dag.has_task(make.task_id):
        for upstream in before:
            upstream.downstream_task_ids.discard(make.task_id)
        dag._remove_task(make.task_id)
    maker = copy.copy(make)
    # Outlets and upstream tasks are this task's from now on: an attempt must not report its files there.
    maker.outlets, maker.upstream_task_ids, maker.task_group = [], set(), None
    vars(maker)["_dag"] = None
    return maker, given, before
