"""What the vendor's own operator sees when it works for one item of a batch."""

from __future__ import annotations

from typing import Any, cast

from airflow.sdk import Context


class ItemInstance:
    """The batch's task instance, as one item sees it.

    :param instance: the task instance that Airflow runs.
    """

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        #: XComs of one item stay here: thousands of them would be thousands of rows in the database.
        self.xcoms: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instance, name)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Keep a value that a task of its own would push."""
        self.xcoms[key] = value


def item_context(context: Context) -> Context:
    """Return the context of the task, as that of one of its items."""
    return cast(Context, {**context, "ti": ItemInstance(context["ti"])})
