"""Operators that make many purchases in one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_vidai.batch.base import BatchOperator
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vizard import VizardHook
from airflow_provider_vidai.jobs.text import validated
from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vizard import VizardClipsOperator
from airflow_provider_vidai.vendors.venice.requests import VideoRequest
from airflow_provider_vidai.vendors.vizard.requests import Choice, ProjectRequest

__all__ = ["VeniceBatchOperator", "VidgoBatchOperator", "VizardBatchOperator"]


class VidgoBatchOperator(BatchOperator[VidgoHook]):
    """Buy an image, a video or music for each of many requests, and land all files.

    A request has the arguments of
    :class:`~airflow_provider_vidai.operators.vidgo.VidgoGenerateOperator`: ``model``, ``input``, ``kind`` and
    ``callback_url``. Any other name in it, such as ``prompt`` or ``size``, is a field of its ``input``.

    - **Retry**: works by request: what is landed stays, what runs is attached to, what failed free of charge
      is bought again, and what no try has bought is bought.
    - **Kill**: nothing more is bought; the jobs go on and are still billed, and a retry attaches to them.
    - **Timeout**: after ``timeout`` the try fails and the jobs go on; a retry waits for them again.
    - **Clear**: as a retry, and also buys again what failed otherwise; with ``only_failed`` nothing else.
      What is landed is bought again only if its request was changed.

    Example::

        VidgoBatchOperator(
            task_id="campaign",
            requests="s3://aws_default@media/prompts.csv",
            common={"model": "nano-banana"},
            min_credits=200,
            download_to="s3://aws_default@media/campaign/",
        )

    :param min_credits: credits; nothing is bought while the account has fewer. Only None means no limit.
    """

    hook_class = VidgoHook
    makes = VidgoGenerateOperator
    loose = "input"
    guards: ClassVar[Sequence[str]] = ("min_credits",)
    template_fields: Sequence[str] = (*BatchOperator.template_fields, "min_credits", "vidgo_conn_id")

    def __init__(
        self,
        *,
        min_credits: float | str | None = None,
        vidgo_conn_id: str = VidgoHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_credits = min_credits
        self.vidgo_conn_id = vidgo_conn_id

    def check_request(self, operator: VidgoGenerateOperator) -> None:
        """Validate one request against its model."""
        self.hook.request(operator.model, operator.input, operator.callback_url, operator.kind)


class VeniceBatchOperator(BatchOperator[VeniceHook]):
    """Buy a video for each of many requests, and land all files.

    A request has the arguments of :class:`~airflow_provider_vidai.operators.venice.VeniceVideoOperator`.

    - **Retry**: works by request: what is landed stays, what runs is attached to, what failed free of charge
      is bought again, and what no try has bought is bought.
    - **Kill**: nothing more is bought; the jobs go on and are still billed, and a retry attaches to them.
    - **Timeout**: after ``timeout`` the try fails and the jobs go on; a retry waits for them again.
    - **Clear**: as a retry, and also buys again what failed otherwise; with ``only_failed`` nothing else.
      What is landed is bought again only if its request was changed.

    Example::

        VeniceBatchOperator(
            task_id="campaign",
            requests=[{"id": "fox", "prompt": "A red fox"}, {"id": "owl", "prompt": "An owl"}],
            common={"model": "wan-2.6-text-to-video", "duration": 5},
            max_cost_usd=1.0,
            download_to="s3://aws_default@media/campaign/",
        )

    :param max_cost_usd: USD; each video is bought only if a fresh quote is not higher. Only None means no
        limit.
    """

    hook_class = VeniceHook
    makes = VeniceVideoOperator
    guards: ClassVar[Sequence[str]] = ("max_cost_usd",)
    template_fields: Sequence[str] = (*BatchOperator.template_fields, "max_cost_usd", "venice_conn_id")

    def __init__(
        self,
        *,
        max_cost_usd: float | str | None = None,
        venice_conn_id: str = VeniceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_cost_usd = max_cost_usd
        self.venice_conn_id = venice_conn_id

    def check_request(self, operator: VeniceVideoOperator) -> None:
        """Validate one request, also against Venice's catalogue."""
        self.hook.fitted(validated(VideoRequest, operator.described(), what="Video"), operator.on_retired)


class VizardBatchOperator(BatchOperator[VizardHook]):
    """Buy the clips of each of many long videos, and land all of them.

    A request has the arguments of :class:`~airflow_provider_vidai.operators.vizard.VizardClipsOperator`.

    - **Retry**: works by request: what is landed stays, what runs is attached to, what failed free of charge
      is bought again, and what no try has bought is bought.
    - **Kill**: nothing more is bought; the jobs go on and are still billed, and a retry attaches to them.
    - **Timeout**: after ``timeout`` the try fails and the jobs go on; a retry waits for them again.
    - **Clear**: as a retry, and also buys again what failed otherwise; with ``only_failed`` nothing else.
      What is landed is bought again only if its request was changed.

    Example::

        VizardBatchOperator(
            task_id="clips",
            requests="s3://aws_default@media/episodes.jsonl",
            common={"max_clips": 5, "prefer_length": ["<30s"]},
            download_to="s3://aws_default@media/clips/",
        )
    """

    hook_class = VizardHook
    makes = VizardClipsOperator
    template_fields: Sequence[str] = (*BatchOperator.template_fields, "vizard_conn_id")

    def __init__(self, *, vizard_conn_id: str = VizardHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vizard_conn_id = vizard_conn_id

    def check_request(self, operator: VizardClipsOperator) -> None:
        """Validate one request, and its choice of clips."""
        asked = {name: getattr(operator, name) for name in ProjectRequest.arguments()}
        validated(ProjectRequest, asked, what="Project")
        validated(Choice, {name: getattr(operator, name) for name in Choice.arguments()}, what="Clips")
