"""Landed files as datasets of OpenLineage, with their job as a facet."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from airflow_provider_vidai._compat import optional
from airflow_provider_vidai.jobs.cost import Cost

#: The name of the facet that describes the job of a landed file.
FACET: Final = "vidaiJob"


def facets(landed: Any) -> Any:
    """Return what OpenLineage gets; None where its provider is not installed."""
    extractors = optional("airflow.providers.openlineage.extractors")
    events, bases = optional("openlineage.client.event_v2"), optional("openlineage.client.facet_v2")
    if extractors is None or events is None or bases is None:
        return None
    job = bases.DatasetFacet().with_additional_properties(**_job(landed))
    named = [
        _named(file["uri"])
        for file in landed.files
        if isinstance(file, dict) and isinstance(file.get("uri"), str)
    ]
    outputs = [events.Dataset(namespace=space, name=name, facets={FACET: job}) for space, name in named]
    return extractors.OperatorLineage(outputs=outputs)


def _job(landed: Any) -> dict[str, Any]:
    cost = Cost.of(landed.cost if isinstance(landed.cost, dict) else None)
    return {
        "vendor": landed.ref.vendor,
        "kind": landed.ref.kind,
        "jobId": landed.ref.job_id,
        "model": landed.model,
        "costAmount": cost.amount,
        "costUnit": cost.unit,
        "costUsd": cost.usd,
        "costSource": cost.source if cost.known else None,
    }


def _named(uri: str) -> tuple[str, str]:
    """Return a file's namespace and name, as OpenLineage's naming of datasets has them."""
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return "file", uri.removeprefix("file://")
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
