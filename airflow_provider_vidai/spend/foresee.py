"""What a purchase would cost, from its vendor's own rules and quotes.

Nothing is bought and no file is sent. The only calls are Venice's catalogue and its free quote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import singledispatch
from typing import Any, Final

from pydantic import JsonValue

from airflow_provider_vidai.files.inline import is_web_url
from airflow_provider_vidai.jobs.text import literal, validated
from airflow_provider_vidai.operators.paid import PaidOperator
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import VidioHighlightReelOperator, VidioRenderOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator
from airflow_provider_vidai.vendors.venice.requests import OTHER_NAMES, PRICED
from airflow_provider_vidai.vendors.vidgo.requests import TaskRequest, check, plain
from airflow_provider_vidai.vendors.vidio.api import ONE_UNIT

NO_FILE: Final = "the price depends on the source video, and a plan sends no file"


@singledispatch
def stated(operator: PaidOperator[Any], whole: bool) -> Mapping[str, JsonValue] | None:  # noqa: ARG001
    """Return what the vendor states about the cost of a purchase before it is made; None for nothing.

    :param whole: whether all arguments are known; only then they are all checked.
    :raises VidaiError: when the request is wrong, or there is no quote.
    """
    return None


@singledispatch
def price_fields(operator: PaidOperator[Any]) -> Collection[str]:  # noqa: ARG001
    """Return the arguments on which the price depends."""
    return ("model",)


@stated.register(VeniceVideoOperator)
def _(operator: VeniceVideoOperator, whole: bool) -> Mapping[str, JsonValue] | None:  # noqa: ARG001
    asked = operator.described()
    video = asked.get("video_url")
    if video is not None and not (isinstance(video, str) and is_web_url(video)):
        return {"source": "unknown", "reason": NO_FILE}
    total = operator.reference_video_total_duration
    return {**operator.hook.quote(**asked, reference_video_total_duration=total)}


@price_fields.register(VeniceVideoOperator)
def _(operator: VeniceVideoOperator) -> Collection[str]:  # noqa: ARG001
    references = ("reference_video_urls", "reference_image_urls", "reference_video_total_duration")
    other = (name for name, meant in OTHER_NAMES.items() if meant in PRICED)
    return {*PRICED, *other, *references, "options", "venice_conn_id"}


@stated.register(VidgoGenerateOperator)
def _(operator: VidgoGenerateOperator, whole: bool) -> Mapping[str, JsonValue] | None:
    if whole:
        given = {name: operator.given(name) for name in ("model", "callback_url", "kind")}
        asked = plain(literal(operator.given("input")))
        request = validated(TaskRequest, {**given, "input": asked}, what="Task")
        check(request.model, request.input, request.callback_url)
    return None


@stated.register(VidioHighlightReelOperator)
def _(operator: VidioHighlightReelOperator, whole: bool) -> Mapping[str, JsonValue] | None:
    return operator.offer().call.cost if whole else ONE_UNIT


@stated.register(VidioRenderOperator)
def _(operator: VidioRenderOperator, whole: bool) -> Mapping[str, JsonValue] | None:  # noqa: ARG001
    # Its offer asks for the status of the reel.
    return ONE_UNIT


@price_fields.register(VidioHighlightReelOperator)
@price_fields.register(VidioRenderOperator)
def _(operator: PaidOperator[Any]) -> Collection[str]:  # noqa: ARG001
    return ()


@stated.register(VizardClipsOperator)
def _(operator: VizardClipsOperator, whole: bool) -> Mapping[str, JsonValue] | None:  # noqa: ARG001
    # Its offer measures a file in a storage and signs a URL for it; nothing is sent.
    return operator.offer().call.cost


@price_fields.register(VizardClipsOperator)
def _(operator: VizardClipsOperator) -> Collection[str]:  # noqa: ARG001
    return ("video_url", "source_seconds", "clip_model", "mode")
