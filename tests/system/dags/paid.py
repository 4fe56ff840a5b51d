"""DAGs with one paid task each, in every combination that matters when something dies."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Context, task

from airflow_provider_vidai.lifecycle.ledger import Ledger
from airflow_provider_vidai.lifecycle.purchase import Offer
from airflow_provider_vidai.operators.stores import store_of
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator


class GatedStore:
    """The real store, with a place to stop before and after each step of a purchase."""

    def __init__(self, store: Any, stop: Any) -> None:
        self._store, self._stop = store, stop
        self.get, self.delete = store.get, store.delete

    def add(self, key: str, value: Any) -> None:
        self._store.add(key, value)
        self._stop("after the intent")

    def set(self, key: str, value: Any) -> None:
        self._stop(f"before {value['phase']} is on record")
        self._store.set(key, value)
        self._stop(f"after {value['phase']} is on record")


class GatedReelOperator(VidioHighlightReelOperator):
    """A reel whose first try stops at the place named by the run, and waits there to be killed."""

    def execute(self, context: Context) -> Any:
        self._stops = context["params"]["stop"], context["ti"].try_number
        return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: Any, context: Context) -> Any:
        self._stops = context["params"]["stop"], context["ti"].try_number
        return super().resume_execution(next_method, next_kwargs, context)

    def offer(self) -> Offer:
        self._stop("before the intent")
        return super().offer()

    def ledger(self, context: Context) -> Ledger:
        return Ledger(GatedStore(store_of(context, self.log), self._stop))

    def _stop(self, place: str) -> None:
        stop, try_number = self._stops
        if stop and try_number == 1 and stop["place"] == place:
            Path(stop["flag"]).touch()
            while True:
                time.sleep(1)


COMMON: dict[str, Any] = {
    "video_category": "others",
    "aspect_ratio": "square",
    "poll_interval": 1,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}
PARAMS: dict[str, Any] = {"input_key": "", "stop": None}
WHEN: dict[str, Any] = {"schedule": None, "start_date": datetime(2026, 1, 1)}

for mode, lost, clear in product(("sync", "deferred"), ("fail", "resubmit"), ("fresh", "reuse")):
    name = "_".join(
        ["reel", mode, *([lost] if lost != "fail" else []), *([clear] if clear != "fresh" else [])]
    )
    with DAG(name, params=PARAMS, **WHEN) as dag:
        GatedReelOperator(
            task_id="reel",
            input_keys=["{{ params.input_key }}"],
            output_length=2,
            deferrable=mode == "deferred",
            on_lost_submit=lost,
            on_clear=clear,
            **COMMON,
        )
    globals()[name] = dag

for mode in ("sync", "deferred"):
    with DAG(f"changing_{mode}", params=PARAMS, **WHEN) as dag:
        VidioHighlightReelOperator(
            task_id="reel",
            input_keys=["{{ params.input_key }}"],
            output_length="{{ ti.try_number + 1 }}",
            deferrable=mode == "deferred",
            **COMMON,
        )
    globals()[dag.dag_id] = dag

with DAG("rendered", params=PARAMS, **WHEN):
    reel = VidioHighlightReelOperator(
        task_id="reel", input_keys=["{{ params.input_key }}"], output_length=2, deferrable=True, **COMMON
    )
    VidioRenderOperator(
        task_id="render",
        job=reel.output,
        deferrable=True,
        poll_interval=1,
        retries=2,
        retry_delay=timedelta(seconds=1),
    )

with DAG("many", params={**PARAMS, "count": 50}, **WHEN):

    @task
    def keys(params: dict) -> list[list[str]]:
        return [[params["input_key"]]] * params["count"]

    VidioHighlightReelOperator.partial(task_id="reel", output_length=1, deferrable=True, **COMMON).expand(
        input_keys=keys()
    )

with DAG("soak", params={**PARAMS, "count": 60}, max_active_tasks=100, **WHEN):

    @task
    def lengths(params: dict) -> list[float]:
        """Tell the tasks apart in the account book by how long a reel they ask for."""
        return [1 + index / 1000 for index in range(params["count"])]

    VidioHighlightReelOperator.partial(
        task_id="reel",
        input_keys=["{{ params.input_key }}"],
        deferrable=True,
        **{**COMMON, "retries": 5, "poll_interval": 3},
    ).expand(output_length=lengths())
