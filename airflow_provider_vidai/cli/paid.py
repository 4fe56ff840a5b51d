"""This package's operators among the tasks of a DAG."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidai.operators.vendor import VendorOperator
from airflow_provider_vidai.sensors.base import JobSensor


def vendor_class(task: Any) -> type[VendorOperator[Any] | JobSensor] | None:
    """Return the operator or sensor of a task, mapped or not; None where it talks to no vendor."""
    kind = getattr(task, "operator_class", type(task))
    return kind if isinstance(kind, type) and issubclass(kind, (VendorOperator, JobSensor)) else None
