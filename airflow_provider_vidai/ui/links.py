"""The extra link "Media" of a task."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_vidai._compat import TaskInstanceKey

#: The modules whose operators land files; rooms above this one are named and not imported.
MODULES: Final = (
    *(f"airflow_provider_vidai.operators.{vendor}" for vendor in ("venice", "vidgo", "vidio", "vizard")),
    "airflow_provider_vidai.task_groups.until",
)


class MediaLink(BaseOperatorLink):
    """Opens the page of one task. The API server makes the link, so that it is there in every state."""

    @property
    def name(self) -> str:
        """The text of the button."""
        return "Media"

    @property
    def operators(self) -> list[type[Any]]:  # type: ignore[override]
        """The operators that have the link: all of this package's. They are imported only when asked for."""
        from airflow.sdk import BaseOperator

        from airflow_provider_vidai.rooms import is_here

        modules = [import_module(name) for name in MODULES if is_here(name)]
        named = [getattr(module, name) for module in modules for name in module.__all__]
        return [one for one in named if isinstance(one, type) and issubclass(one, BaseOperator)]

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address of the task's page, relative to Airflow's base address."""
        from airflow_provider_vidai.jobs.media_record import TaskKey

        return TaskKey(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index).page()
