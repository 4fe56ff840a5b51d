"""What the vendor's own operator sees when it works for one item of a batch."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from airflow.sdk import Context

from airflow_provider_vidai.batch.items import lap_of_item
from airflow_provider_vidai.operators.base import JobOperator
from airflow_provider_vidai.purchase.ledger import Entry
from airflow_provider_vidai.purchase.record import Record


class ItemInstance:
    """The batch's task instance, as the instance of one item: its records are the item's own.

    :param instance: the task instance that Airflow runs.
    :param key: the item's key.
    :param task: the operator that works for the item.
    """

    def __init__(self, instance: Any, key: str, task: Any) -> None:
        self._instance = instance
        self.batch_item = lap_of_item(key)
        self.task = task
        #: XComs of one item stay here: thousands of them would be thousands of rows in the database.
        self.xcoms: dict[str, Any] = {}
        #: The purchase that has nothing left to be done.
        self.concluded: tuple[Entry, Record] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instance, name)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Keep a value that a task of its own would push."""
        self.xcoms[key] = value


def item_context(context: Context, key: str, task: Any) -> Context:
    """Return the context of the task, as that of one of its items."""
    return cast(Context, {**context, "ti": ItemInstance(context["ti"], key, task)})


class ItemOperator(JobOperator[Any]):
    """What an operator does otherwise when it works for an item; mixed into the vendor's own operator."""

    #: The whole batch waits for a limit in the triggerer, so a worker sleeps through a short one only.
    longest_sleep: ClassVar[float] = 10.0

    def conclude(self, context: Context, entry: Entry, record: Record) -> None:
        """Leave it to the batch to record that the item's files are in place."""
        cast(Any, context["ti"]).concluded = (entry, record)
