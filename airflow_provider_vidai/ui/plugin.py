"""The Airflow plugin. Every component of Airflow imports this module, so it imports almost nothing."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidai._compat import AirflowPlugin, conf
from airflow_provider_vidai.ui.links import MediaLink

#: Where the app is mounted, and the addresses of its pages. They have no leading slash: Airflow's own pages
#: name a base address, so that links also work behind a path prefix.
PREFIX = "/vidai"
RUN_PAGE = "vidai/media?dag_id={DAG_ID}&run_id={RUN_ID}"
VIDEOS_PAGE = "vidai/videos"


def _is_on() -> bool:
    return bool(conf.getboolean("vidai", "ui", fallback=True))


class VidaiPlugin(AirflowPlugin):
    """The tab "Media" of a run, the page "AI videos", and the link "Media" of each task that lands files."""

    name = "vidai"

    external_views = (
        [
            {"name": "Media", "href": RUN_PAGE, "destination": "dag_run", "url_route": "vidai-media"},
            {"name": "AI videos", "href": VIDEOS_PAGE, "destination": "nav", "url_route": "ai-videos"},
        ]
        if _is_on()
        else []
    )
    operator_extra_links = [MediaLink()] if _is_on() else []

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The app, which only the API server imports."""
        if not _is_on():
            return []
        from airflow_provider_vidai.ui.app import app

        return [{"name": "vidai", "app": app, "url_prefix": PREFIX}]
