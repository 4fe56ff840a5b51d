"""The extra link "Media" of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_vidai._compat import TaskInstanceKey


class MediaLink(BaseOperatorLink):
    """Opens the page of one task. The API server makes the link, so that it is there in every state."""

    @property
    def name(self) -> str:
        """The text of the button."""
        return "Media"

    @property
    def operators(self) -> list[type[Any]]:  # type: ignore[override]
        """The operators that have the link: all of this package's. They are imported only when asked for."""
        from airflow_provider_vidai.operators import vendor, venice, vidgo, vidio, vizard

        modules = (venice, vidgo, vidio, vizard)
        named = [getattr(module, name) for module in modules for name in module.__all__]
        return [one for one in named if isinstance(one, type) and issubclass(one, vendor.VendorOperator)]

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address of the task's page, relative to Airflow's base address."""
        from airflow_provider_vidai.jobs.media_record import TaskKey

        return TaskKey(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index).page()
