"""The vendors' hooks, for commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from airflow_provider_vidai.hooks.base import VidaiHook
from airflow_provider_vidai.hooks.venice import VeniceHook
from airflow_provider_vidai.hooks.vidgo import VidgoHook
from airflow_provider_vidai.hooks.vidio import VidioHook
from airflow_provider_vidai.hooks.vizard import VizardHook

#: By vendor, which is also the type of the connection.
HOOKS: Final[Mapping[str, type[VidaiHook]]] = {
    "venice": VeniceHook,
    "vidgo": VidgoHook,
    "vidio": VidioHook,
    "vizard": VizardHook,
}
