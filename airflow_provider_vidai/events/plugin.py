"""The Airflow plugin. Every component of Airflow imports this module, so it imports almost nothing."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidai._compat import AirflowPlugin


class VidaiEventsPlugin(AirflowPlugin):
    """The address that vendors call when a job has ended."""

    name = "vidai-events"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The receiver, which only the API server imports, and only where webhooks are configured."""
        from airflow_provider_vidai.hooks.webhook import PATH, webhook

        if webhook() is None:
            return []
        from airflow_provider_vidai.events.app import app

        return [{"name": self.name, "app": app, "url_prefix": PATH}]
