"""The Airflow plugin. Every component of Airflow imports this module, so it imports almost nothing."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidai._compat import AIRFLOW, AirflowPlugin, conf
from airflow_provider_vidai.ui.links import MODULES, MediaLink

#: Where the app is mounted, and the addresses of its pages. They have no leading slash: Airflow's own pages
#: name a base address, so that links also work behind a path prefix.
PREFIX = "/vidai"
RUN_PAGE = "vidai/media?dag_id={DAG_ID}&run_id={RUN_ID}"
TASK_PAGE = RUN_PAGE + "&task_id={TASK_ID}&map_index={MAP_INDEX}"
VIDEOS_PAGE = "vidai/videos"


def _views() -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = [
        {"name": "Media", "href": RUN_PAGE, "destination": "dag_run", "url_route": "vidai-media"},
        {"name": "AI videos", "href": VIDEOS_PAGE, "destination": "nav", "url_route": "ai-videos"},
    ]
    # Before Airflow 3.4, a task's tab cannot be limited to some operators: it would stand on every task. The
    # link "Media" leads to the same page there.
    if AIRFLOW >= (3, 4):
        only = {"task.class_ref.module_path": [*MODULES]}
        views.append(
            {
                "name": "Media",
                "href": TASK_PAGE,
                "destination": "task_instance",
                "url_route": "vidai-task-media",
                "applies_to": only,
            }
        )
    return views


def _is_on() -> bool:
    return bool(conf.getboolean("vidai", "ui", fallback=True))


class VidaiPlugin(AirflowPlugin):
    """The tab "Media" of a run, the page "AI videos", and the link "Media" of each task that lands files.

    From Airflow 3.4 on, such a task has the tab too.
    """

    name = "vidai"

    external_views = _views() if _is_on() else []
    operator_extra_links = [MediaLink()] if _is_on() else []

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The app, which only the API server imports."""
        if not _is_on():
            return []
        from airflow_provider_vidai.ui.app import app

        return [{"name": "vidai", "app": app, "url_prefix": PREFIX}]
