"""DAGs with one paid task each, in every combination that matters when something dies."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import product as product_of
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Context, task

from airflow_provider_vidai.operators.base import PaidOperator
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator, VizardPublishOperator
from airflow_provider_vidai.purchase.ledger import Ledger
from airflow_provider_vidai.purchase.walk import Offer
from airflow_provider_vidai.stores.choice import store_of


class GatedStore:
    """The real store, with a place to stop before and after each step of a purchase."""

    def __init__(self, store: Any, stop: Any) -> None:
        self._store, self._stop = store, stop
        self.get = store.get

    def add(self, key: str, value: Any) -> None:
        self._store.add(key, value)
        self._stop("after the intent")

    def place(self, key: str) -> int | None:
        return self._store.place(key)

    def take(self, key: str, place: int) -> None:
        self._store.take(key, place)

    def retract(self, key: str, value: Any) -> None:
        self._store.retract(key, value)

    def set(self, key: str, value: Any) -> None:
        phase = value["phase"] if value else "nothing"
        self._stop(f"before {phase} is on record")
        self._store.set(key, value)
        self._stop(f"after {phase} is on record")


def gated(operator: type[PaidOperator]) -> type[PaidOperator]:
    """Return an operator whose first try stops where the run says, until it is killed or its flag removed."""

    class Gated(operator):  # type: ignore[misc,valid-type]
        def execute(self, context: Context) -> Any:
            self._stops = context["params"]["stop"], context["ti"].try_number
            return super().execute(context)

        def resume_execution(self, next_method: str, next_kwargs: Any, context: Context) -> Any:
            self._stops = context["params"]["stop"], context["ti"].try_number
            return super().resume_execution(next_method, next_kwargs, context)

        def offer(self) -> Offer:
            self._stop("before the offer")
            offer = super().offer()
            self._stop("before the intent")
            return offer

        def ledger(self, context: Context, deadline: float = 0.0) -> Ledger:
            return Ledger(GatedStore(store_of(context, self.log), self._stop), self.patience(deadline))

        def _stop(self, place: str) -> None:
            stop, try_number = self._stops
            if stop and try_number == 1 and stop["place"] == place:
                flag = Path(stop["flag"])
                flag.touch()
                while flag.exists():
                    time.sleep(0.2)

    return Gated


RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
COMMON: dict[str, Any] = {
    "task_id": "paid",
    "video_category": "others",
    "aspect_ratio": "square",
    "poll_interval": 1,
    **RETRIES,
}
MARK = "{{ params.mark }}"
MEDIA = Path(__file__).parents[2] / "media"
PARAMS: dict[str, Any] = {"mark": "", "stop": None}
WHEN: dict[str, Any] = {"schedule": None, "start_date": datetime(2026, 1, 1)}

#: What is bought for each product; ``mark`` distinguishes a test's purchases from others'.
PRODUCTS: dict[str, tuple[type[PaidOperator], dict[str, Any]]] = {
    "vidio_reel": (
        VidioHighlightReelOperator,
        {
            "input_keys": [MARK],
            "video_category": "others",
            "aspect_ratio": "square",
            "output_length": 2,
            "poll_interval": 1,
        },
    ),
    # Its file is delivered by a URL that comes with the purchase, once: a kill must not lose it.
    "venice_video": (
        VeniceVideoOperator,
        {
            "prompt": MARK,
            "model": "grok-imagine-text-to-video-private",
            "resolution": "480p",
            "aspect_ratio": "16:9",
            "duration": 5,
            "max_cost_usd": 5,
            "poll_interval": 1,
        },
    ),
    # Its picture is uploaded by the purchase, before anything is on record.
    "vidgo_picture": (
        VidgoGenerateOperator,
        {
            "model": "gpt-4o-image-edit",
            "input": {"prompt": MARK, "image_urls": [str(MEDIA / "picture.png")]},
            "min_credits": 10,
            "poll_interval": 1,
        },
    ),
    "vizard_clips": (
        VizardClipsOperator,
        {
            "video_url": f"https://youtu.be/{MARK}",
            "max_clips": 1,
            "poll_interval": 1,
        },
    ),
}

for product, mode, lost, clear in product_of(
    PRODUCTS, ("sync", "deferred"), ("fail", "resubmit"), ("fresh", "reuse")
):
    name = "_".join(
        [product, mode, *([lost] if lost != "fail" else []), *([clear] if clear != "fresh" else [])]
    )
    operator, arguments = PRODUCTS[product]
    with DAG(name, params=PARAMS, **WHEN) as dag:
        gated(operator)(
            task_id="paid",
            deferrable=mode == "deferred",
            on_lost_submit=lost,
            on_clear=clear,
            **arguments,
            **RETRIES,
        )
    globals()[name] = dag

with DAG("vidgo_picture_landed", params={**PARAMS, "folder": ""}, **WHEN):
    operator, arguments = PRODUCTS["vidgo_picture"]
    operator(
        task_id="paid",
        deferrable=True,
        download_to="{{ params.folder }}/{{ run_id }}/",
        **arguments,
        **RETRIES,
    )

# It is accepted or not: there is nothing to wait for.
with DAG("vizard_publish_sync", params=PARAMS, **WHEN):
    gated(VizardPublishOperator)(
        task_id="paid",
        clip="{{ params.mark.partition(' ')[0] }}",
        social_account_id="7000",
        caption=MARK,
        **RETRIES,
    )

with DAG("vizard_many", params={"urls": []}, max_active_tasks=100, **WHEN):

    @task
    def urls(params: dict) -> list[str]:
        return params["urls"]

    VizardClipsOperator.partial(
        task_id="paid", max_clips=1, deferrable=True, poll_interval=3, **RETRIES
    ).expand(video_url=urls())

#: Each ends the first tries, and there is time enough for the last.
LIMITS: dict[str, dict[str, Any]] = {
    "timeout": {"timeout": 20},
    "execution_timeout": {"execution_timeout": timedelta(seconds=30)},
}
for product, mode, limit in product_of(PRODUCTS, ("sync", "deferred"), LIMITS):
    operator, arguments = PRODUCTS[product]
    with DAG(f"{product}_{mode}_{limit}", params=PARAMS, **WHEN) as dag:
        operator(task_id="paid", deferrable=mode == "deferred", **LIMITS[limit], **arguments, **RETRIES)
    globals()[dag.dag_id] = dag

for mode in ("sync", "deferred"):
    with DAG(f"changing_{mode}", params=PARAMS, **WHEN) as dag:
        VidioHighlightReelOperator(
            input_keys=[MARK],
            output_length="{{ ti.try_number + 1 }}",
            deferrable=mode == "deferred",
            **COMMON,
        )
    globals()[dag.dag_id] = dag

with DAG("rendered", params=PARAMS, **WHEN):
    reel = VidioHighlightReelOperator(input_keys=[MARK], output_length=2, deferrable=True, **COMMON)
    VidioRenderOperator(
        task_id="render",
        job=reel.output,
        deferrable=True,
        poll_interval=1,
        **RETRIES,
    )

with DAG("many", params={**PARAMS, "count": 50}, **WHEN):

    @task
    def keys(params: dict) -> list[list[str]]:
        return [[params["mark"]]] * params["count"]

    VidioHighlightReelOperator.partial(output_length=1, deferrable=True, **COMMON).expand(input_keys=keys())

with DAG("soak", params={**PARAMS, "count": 60}, max_active_tasks=100, **WHEN):

    @task
    def lengths(params: dict) -> list[float]:
        """Distinguish the tasks in the account book by how long a reel they ask for."""
        return [1 + index / 1000 for index in range(params["count"])]

    VidioHighlightReelOperator.partial(
        input_keys=[MARK],
        deferrable=True,
        **{**COMMON, "retries": 5, "poll_interval": 3},
    ).expand(output_length=lengths())
