"""The extra link of a task to the vendor's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_vidai._compat import TaskInstanceKey

__all__ = ["VendorLink"]


class VendorLink(BaseOperatorLink):
    """Opens the vendor's page of what the task made, or else the vendor's own pages.

    Airflow's worker asks for the link when it leaves a task, also for a deferral or after a failure, and
    stores it as an XCom. It contains no secret.

    :param label: the vendor's name.
    """

    def __init__(self, label: str) -> None:
        self._label = label

    @property
    def name(self) -> str:
        """The text of the button."""
        return f"Open at {self._label}"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address."""
        return str(operator.vendor_page())
